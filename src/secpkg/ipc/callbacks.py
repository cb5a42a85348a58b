"""What an application does with a `ClientCallback` that comes in place of a reply: run it, and answer (R165)."""

from __future__ import annotations

from collections.abc import Callable

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.user_mode.callbacks import run_callback
from secpkg.ipc.schema import CallbackReturned, ClientCallback, FromWorker, UserHalf, encode


def callbacks_of(half: UserHalf | None) -> Callable[[FromWorker], bytes | None]:
    """For a channel to the worker of this user half's module: the frame that answers a message which is no reply, None
    when it is none that can be answered.
    """
    key = None if half is None else (half.entry_point, half.distribution, half.version, half.digest)

    def serve(message: FromWorker) -> bytes | None:
        if type(message) is not ClientCallback:
            return None
        status, data = Status.SEC_E_OK, b""
        try:
            data = run_callback(key, message.callback, message.argument1, message.argument2, message.data)
        except SecurityError as error:
            status = error.status if isinstance(error.status, Status) else Status.SEC_E_INTERNAL_ERROR
        return encode(CallbackReturned(message.id, status, data))

    return serve
