"""`secpkg.host.lsa_mode.local.callbacks.Clients`: over the channels of a worker, and within embedded mode's process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.requests import PARKED, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.user_mode.callbacks import UserHalfKey, run_callback
from secpkg.host.lsa_mode.scheduling import Cancels, Scheduler
from secpkg.ipc.schema import ClientCallback
from secpkg.runtime.modules import ModuleDescription

MAX_OUTSTANDING: Final = 1024
"""Callbacks of one worker that wait for their applications."""


class WorkerClients:
    """``send`` puts a message on the channel of a number, and says whether there is one."""

    def __init__(self, scheduler: Scheduler, send: Callable[[int, ClientCallback], bool]) -> None:
        self._scheduler = scheduler
        self._send = send
        self._waiting: dict[int, tuple[int, Resume, Cancels]] = {}
        self._last = 0

    def callback(
        self, channel: int, callback: int, argument1: int, argument2: int, data: bytes, limit: float, resume: Resume
    ) -> object:
        """Ask the application; the coroutine is parked."""
        if len(self._waiting) >= MAX_OUTSTANDING:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="quota_callbacks")
        number = self._last = self._last - 1
        if not self._send(channel, ClientCallback(number, callback, argument1, argument2, data)):
            raise _unsuccessful("client_is_gone")
        late = self._scheduler.call_at(
            self._scheduler.now() + limit, lambda: self._end(number, None, _unsuccessful("client_did_not_answer"))
        )
        self._waiting[number] = (channel, resume, late)
        return PARKED

    def returned(self, channel: int, number: int, status: int, data: bytes) -> None:
        """An application's answer. One that nobody waits for, or of another application, is dropped."""
        waiting = self._waiting.get(number)
        if waiting is None or waiting[0] != channel:
            return
        known = Status.known(status)
        if known is None or known.is_error:
            failed = SecurityError(known or Status.SEC_E_INTERNAL_ERROR, reason="client_callback_failed")
            self._end(number, None, failed)
        else:
            self._end(number, data, None)

    def gone(self, channel: int) -> None:
        """The application is gone."""
        for number, waiting in list(self._waiting.items()):
            if waiting[0] == channel:
                self._end(number, None, _unsuccessful("client_is_gone"))

    def _end(self, number: int, value: object, error: BaseException | None) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            waiting[2].cancel()
            waiting[1](value, error)


class LocalClients:
    """The application is this process: in place, in the thread that waits for the call."""

    def __init__(self, description: ModuleDescription) -> None:
        self._half: UserHalfKey = (
            description.name,
            description.distribution,
            description.version,
            description.digest,
        )

    def callback(
        self, channel: int, callback: int, argument1: int, argument2: int, data: bytes, limit: float, resume: Resume
    ) -> object:
        """Run the function."""
        return run_callback(self._half, callback, argument1, argument2, data)

    def returned(self, channel: int, number: int, status: int, data: bytes) -> None:
        """Nobody waits for it."""


def _unsuccessful(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_UNSUCCESSFUL, reason=reason)
