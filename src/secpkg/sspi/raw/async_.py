"""The asynchronous calls, as what they are in Python: an operation of `secpkg.aio` that runs on the event loop of the
caller, and an async context that holds it.

A call returns the status of queueing, and its result comes from `sspi_get_async_call_status` (R207). What the documents
give pointers for - credential, context, buffers, attributes, expiry - stands in the async context once the call is
done. A context serves one call; then it is made anew with `sspi_reinit_async_context`, or freed (R208).

The lower room names the higher one here as `secpkg.ipc.where` does: it is imported when it is used, by programs that
have an event loop anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from secpkg.contract.flags import SECURITY_NATIVE_DREP
from secpkg.contract.floor import floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, AuthIdentity, Message
from secpkg.ipc.connection import Connections
from secpkg.ipc.session import current
from secpkg.sspi import operations
from secpkg.sspi.operations import ContextHandle, CredentialHandle
from secpkg.sspi.raw import contexts
from secpkg.sspi.raw.handles import context_of, credential_of
from secpkg.sspi.raw.identities import require_identity

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
_DRIVING: Final = "secpkg.aio.driving"

State = Literal["new", "pending", "done", "freed"]


class SspiAsyncContext:
    """``SspiAsyncContext``: one call, and what it gave. Made by `sspi_create_async_context`."""

    __slots__ = ("_callback", "_state", "_status", "_task", "attributes", "context", "credential", "expiry", "output")

    def __init__(self) -> None:
        self._state: State = "freed"
        self._task: asyncio.Task[None] | None = None
        self._renew()

    def _renew(self) -> None:
        self._state = "new"
        self._status = Status.SEC_I_ASYNC_CALL_PENDING
        self._callback: Callable[[], object] | None = None
        self.credential: CredentialHandle | None = None
        self.context: ContextHandle | None = None
        self.output: Message = []
        self.attributes = 0
        self.expiry = NEVER


SspiAsyncNotifyCallback = Callable[[SspiAsyncContext, Any], object]
"""Told of the end of a call, on the loop, with the data that were given with it."""

_running: Final[set[SspiAsyncContext]] = set()
"""A loop holds its tasks weakly: a context that nobody holds finishes its call all the same."""


@floor("sspi", "SspiCreateAsyncContext")
def sspi_create_async_context() -> SspiAsyncContext:
    """SspiCreateAsyncContext: for one call; `sspi_free_async_context` is the last (R208). Page:
    sspi/nf-sspi-sspicreateasynccontext.
    """
    return SspiAsyncContext()


@floor("sspi", "SspiFreeAsyncContext")
def sspi_free_async_context(handle: SspiAsyncContext | None) -> None:
    """SspiFreeAsyncContext: it serves no more (R208). A call that still runs is cancelled, and nobody is told; handles
    that a finished call gave are the caller's. Page: sspi/nf-sspi-sspifreeasynccontext.
    """
    if handle is not None:
        task, handle._task = handle._task, None
        handle._renew()
        handle._state = "freed"
        if task is not None:
            task.cancel()


@floor("sspi", "SspiReinitAsyncContext", wrong={"handle": Status.STATUS_INVALID_PARAMETER})
def sspi_reinit_async_context(handle: SspiAsyncContext | None) -> Status:
    """SspiReinitAsyncContext: as new, also without its callback. STATUS_INVALID_PARAMETER while its call runs, and for
    a freed one. Page: sspi/nf-sspi-sspireinitasynccontext.
    """
    if handle is None or handle._state in ("pending", "freed"):
        return Status.STATUS_INVALID_PARAMETER
    handle._renew()
    return Status.STATUS_SUCCESS


@floor("sspi", "SspiSetAsyncNotifyCallback")
def sspi_set_async_notify_callback(
    context: SspiAsyncContext | None, callback: SspiAsyncNotifyCallback, callback_data: object = None
) -> Status:
    """SspiSetAsyncNotifyCallback: before the call, else SEC_E_INVALID_HANDLE. Page:
    sspi/nf-sspi-sspisetasyncnotifycallback.
    """
    if context is None or context._state != "new":
        return Status.SEC_E_INVALID_HANDLE
    context._callback = lambda: callback(context, callback_data)
    return Status.SEC_E_OK


@floor("sspi", "SspiAsyncContextRequiresNotify")
def sspi_async_context_requires_notify(async_context: SspiAsyncContext | None) -> bool:
    """SspiAsyncContextRequiresNotify: whether a callback was set. Page: sspi/nf-sspi-sspiasynccontextrequiresnotify."""
    return async_context is not None and async_context._callback is not None


@floor("sspi", "SspiGetAsyncCallStatus")
def sspi_get_async_call_status(handle: SspiAsyncContext | None) -> Status:
    """SspiGetAsyncCallStatus: SEC_I_ASYNC_CALL_PENDING until the call is done, then its result (R207);
    SEC_E_INVALID_HANDLE where there is no call. Page: sspi/nf-sspi-sspigetasynccallstatus.
    """
    if handle is None or handle._state not in ("pending", "done"):
        return Status.SEC_E_INVALID_HANDLE
    return handle._status


# --- the calls -------------------------------------------------------------------------------------------------------


@floor("sspi", "SspiAcquireCredentialsHandleAsync", wrong={"package": Status.SEC_E_SECPKG_NOT_FOUND})
def sspi_acquire_credentials_handle_async(
    async_context: SspiAsyncContext | None,
    principal: str | None,
    package: str,
    credential_use: int,
    logon_id: int | None = None,
    auth_data: AuthIdentity | bytes | None = None,
    *,
    authority: object = None,
) -> Status:
    """SspiAcquireCredentialsHandleAsync: as AcquireCredentialsHandle; ``credential`` and ``expiry``. Page:
    sspi/nf-sspi-sspiacquirecredentialshandleasyncw.
    """

    identity = require_identity(auth_data) if isinstance(auth_data, AuthIdentity) else None

    async def call(async_context: SspiAsyncContext, connections: Connections) -> Status:
        backend = await operations.open_backend(connections, package, authority, current.get())
        data = auth_data if isinstance(auth_data, bytes) else b""
        handle = await operations.acquire(
            backend, int(credential_use), principal=principal, identity=identity, data=data, logon_id=logon_id
        )
        async_context.credential, async_context.expiry = handle, handle.expiry
        return Status.SEC_E_OK

    return _queue(async_context, call)


@floor("sspi", "SspiInitializeSecurityContextAsync")
def sspi_initialize_security_context_async(
    async_context: SspiAsyncContext | None,
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    target_name: str | None,
    context_req: int,
    input: Message | None = None,  # pInput
    target_data_rep: int = SECURITY_NATIVE_DREP,
) -> Status:
    """SspiInitializeSecurityContextAsync: as InitializeSecurityContext; ``context``, ``output``, ``attributes`` and
    ``expiry``. Page: sspi/nf-sspi-sspiinitializesecuritycontextasyncw.
    """
    return _leg(async_context, (False, credential, context), target_name, context_req, input, target_data_rep)


@floor("sspi", "SspiAcceptSecurityContextAsync")
def sspi_accept_security_context_async(
    async_context: SspiAsyncContext | None,
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    input: Message | None,  # pInput
    context_req: int,
    target_data_rep: int = SECURITY_NATIVE_DREP,
) -> Status:
    """SspiAcceptSecurityContextAsync: as AcceptSecurityContext; ``context``, ``output``, ``attributes`` and ``expiry``.
    Page: sspi/nf-sspi-sspiacceptsecuritycontextasync.
    """
    return _leg(async_context, (True, credential, context), None, context_req, input, target_data_rep)


@floor("sspi", "SspiDeleteSecurityContextAsync")
def sspi_delete_security_context_async(async_context: SspiAsyncContext | None, context: ContextHandle | None) -> Status:
    """SspiDeleteSecurityContextAsync: as DeleteSecurityContext. The async context is freed by `sspi_free_async_context`
    alone (R208). Page: sspi/nf-sspi-sspideletesecuritycontextasync.
    """
    existing = context_of(context)

    async def call(_async_context: SspiAsyncContext, _connections: Connections) -> Status:
        await operations.delete(existing)
        return Status.SEC_E_OK

    return _queue(async_context, call)


@floor("sspi", "SspiFreeCredentialsHandleAsync")
def sspi_free_credentials_handle_async(
    async_context: SspiAsyncContext | None, credential: CredentialHandle | None
) -> Status:
    """SspiFreeCredentialsHandleAsync: as FreeCredentialsHandle. Page: sspi/nf-sspi-sspifreecredentialshandleasync."""
    existing = credential_of(credential)

    async def call(_async_context: SspiAsyncContext, _connections: Connections) -> Status:
        await operations.free(existing)
        return Status.SEC_E_OK

    return _queue(async_context, call)


def _leg(
    async_context: SspiAsyncContext | None,
    handles: tuple[bool, CredentialHandle | None, ContextHandle | None],
    target: str | None,
    requirements: int,
    given: Message | None,
    data_representation: int,
) -> Status:
    async def call(async_context: SspiAsyncContext, _connections: Connections) -> Status:
        async_context.context = handles[2]
        try:
            token, bindings, others = contexts._sorted(given or [])
            result = await operations.leg(
                *handles,
                token,
                target=target,
                requirements=requirements,
                channel_bindings=bindings,
                data_representation=data_representation,
                buffers=others,
            )
        except SecurityError as error:
            async_context.output = contexts._token(error.token or b"")
            raise
        async_context.context, async_context.output = result.context, contexts._output(result, token)
        async_context.attributes, async_context.expiry = result.attributes, result.expiry
        return result.status

    return _queue(async_context, call)


def _queue(
    handle: SspiAsyncContext | None, call: Callable[[SspiAsyncContext, Connections], Coroutine[Any, Any, Status]]
) -> Status:
    """SEC_E_OK: the call runs. SEC_E_INVALID_HANDLE for a context that is not new, SEC_E_UNSUPPORTED_FUNCTION outside
    an event loop.
    """
    if handle is None or handle._state != "new":
        return Status.SEC_E_INVALID_HANDLE
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return Status.SEC_E_UNSUPPORTED_FUNCTION
    driving = import_module(_DRIVING)

    async def work() -> None:
        try:
            status = await driving.drive(call(handle, driving.connections()))
        except SecurityError as error:
            status = error.status
        _finish(handle, status)

    handle._state = "pending"
    task = handle._task = loop.create_task(work())
    _running.add(handle)

    def ended(ended_task: asyncio.Task[None]) -> None:
        _running.discard(handle)
        # One that was freed meanwhile is no business of this call any more.
        if handle._task is task and handle._state == "pending":
            _finish(handle, Status.SEC_E_INTERNAL_ERROR)
        if not ended_task.cancelled():
            error = ended_task.exception()
            if error is not None:
                raise error

    task.add_done_callback(ended)
    return Status.SEC_E_OK


def _finish(handle: SspiAsyncContext, status: Status) -> None:
    callback, handle._status, handle._state, handle._task = handle._callback, status, "done", None
    if callback is not None:
        callback()
