"""ClientCallback: the LSA half runs a function that its user half registered in the application (R165).

The application waits for the reply of a call and serves what comes in between. The package's coroutine is parked until
the answer, the deadline, or the end of the application, whichever is first; it awaits one thing at a time, so that a
call has one callback outstanding at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from secpkg.contract.flags import CallAttribute
from secpkg.contract.implements import implements
from secpkg.contract.requests import PARKED, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.user_mode.callbacks import MAX_CALLBACK_DATA
from secpkg.host.lsa_mode.local.callers import call_of

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.running import Running

LIMIT: Final = 10.0
"""Seconds that a function of the application may take."""
_ULONG: Final = 0xFFFF_FFFF


class Waits:
    """An answer that comes later: ``begin`` is given the resume function and returns `PARKED`, or the value."""

    __slots__ = ("begin",)

    def __init__(self, begin: Callable[[Resume], object]) -> None:
        self.begin = begin


class Clients(Protocol):
    """The way to the applications of a module."""

    def callback(
        self, channel: int, callback: int, argument1: int, argument2: int, data: bytes, limit: float, resume: Resume
    ) -> object:
        """Run a function of the application behind a channel: what it returned, or `PARKED` after keeping ``resume``.
        A failure of the application, its end, and ``limit`` seconds without an answer are documented failures.
        """
        ...

    def returned(self, channel: int, number: int, status: int, data: bytes) -> None:
        """The application's answer to the callback of this number."""
        ...


@implements("lsa_secpkg", "ClientCallback")
def client_callback(running: Running, callback: int, argument1: int, argument2: int, data: bytes) -> Waits:
    """ClientCallback: what the function returned, 64 KiB at most.

    STATUS_INVALID_PARAMETER for more data or no such number, STATUS_UNSUCCESSFUL (``no_client``) where no application
    waits, STATUS_NOT_FOUND for a function that is not registered; of the function's own failures the status.
    """
    call = call_of(running)
    clients = running.surroundings.clients
    if not running.channel or clients is None or call.attributes & CallAttribute.CLEANUP:
        raise SecurityError(Status.STATUS_UNSUCCESSFUL, reason="no_client")
    if callback > _ULONG or len(data) > MAX_CALLBACK_DATA:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="callback_data_too_large")

    def begin(resume: Resume) -> object:
        def returned(value: object, error: BaseException | None) -> None:
            if error is None and not _fits(value):
                value, error = None, _too_much()
            resume(value, error)

        value = clients.callback(running.channel, callback, argument1, argument2, data, LIMIT, returned)
        if value is not PARKED and not _fits(value):
            raise _too_much()
        return value

    return Waits(begin)


def _fits(value: object) -> bool:
    return isinstance(value, bytes) and len(value) <= MAX_CALLBACK_DATA


def _too_much() -> SecurityError:
    return SecurityError(Status.STATUS_INVALID_PARAMETER, reason="client_returned_too_much")
