"""Watching user halves at work: each call of an Sp* function, told to an observer as plain figures.

An observer has to be set before a user half is loaded, because it is the function table that is changed, once, when it
is built: without an observer nothing is wrapped and nothing costs anything. What is told are names, sizes and statuses,
never a byte of a message, a token or a key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import SecBuffer
from secpkg.host.tables import Table

R = TypeVar("R")


class UserModeCall(msgspec.Struct, frozen=True):
    """A finished call of a user half: ``function`` is the documented name, ``start`` on the monotonic clock (one for a
    machine); ``received`` and ``sent`` are the bytes in its arguments before, in its buffers and result after.
    """

    start: float
    seconds: float
    function: str
    package: str
    status: Status
    received: int
    sent: int


Observer = Callable[[UserModeCall], None]

_observers: list[Observer] = []


def observe_user_mode(observer: Observer | None) -> None:
    """Tell ``observer`` of every call of the user halves that are loaded from now on; None: of none of those. It is
    called in the thread of the call, after it, and must not raise.
    """
    _observers[:] = [] if observer is None else [observer]


def observed(package: str, table: Table) -> Table:
    """The table to use: itself, unless there is an observer."""
    if not _observers:
        return table
    from secpkg.contract.reference import member_names

    documented = {name: row.function.partition(" ")[0] for name, row in member_names("user_mode").items()}
    return {name: _wrapped(_observers[0], documented[name], package, entry) for name, entry in table.items()}


def observed_initialize(module: str, initialize: Callable[..., R]) -> Callable[..., R]:
    """SpUserModeInitialize of a module, likewise."""
    return _wrapped(_observers[0], "SpUserModeInitialize", module, initialize) if _observers else initialize


def _wrapped(observer: Observer, function: str, package: str, call: Callable[..., R]) -> Callable[..., R]:
    @wraps(call)
    def observed_call(*arguments: object) -> R:
        received = _size(arguments)
        status = Status.SEC_E_OK
        result: object = None
        start = time.monotonic()
        try:
            answer = call(*arguments)
            result = answer
            return answer
        except SecurityError as error:
            status = error.status
            raise
        except BaseException:
            status = Status.SEC_E_INTERNAL_ERROR
            raise
        finally:
            seconds = time.monotonic() - start
            buffers = tuple(argument for argument in arguments if isinstance(argument, list))
            observer(UserModeCall(start, seconds, function, package, status, received, _size((*buffers, result))))

    return observed_call


def _size(values: tuple[object, ...]) -> int:
    total = 0
    for value in values:
        if isinstance(value, bytes | bytearray | memoryview):
            total += len(value)
        elif isinstance(value, list):
            total += sum(len(buffer.data) for buffer in value if isinstance(buffer, SecBuffer))
    return total
