"""Calling a function of a package: its faults, its turn, and what stands in the place of a function that is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Message, SecBuffer

Pair = tuple[SecBuffer, SecBuffer, Message]
"""A TOKEN and a DATA buffer, and the message of both: made at the first message of each direction, used by whoever has
the turn.
"""
Turn = list[Pair | None]
Function = Callable[..., object]


def package_call(function: Callable[..., object], *arguments: object) -> object:
    """Call a function of a package: what it raises beside SecurityError is its own fault, SEC_E_INTERNAL_ERROR."""
    try:
        return function(*arguments)
    except SecurityError:
        raise
    except Exception as error:
        raise package_fault(error) from error


def package_fault(error: Exception) -> SecurityError:
    """What a package raised that is no documented failure."""
    return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"package_raised_{type(error).__name__}")


def no_function(*_: object) -> object:
    raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="function_missing")


def not_negotiated(*_: object) -> object:
    raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="not_negotiated")


def busy() -> SecurityError:
    """What a second sender, receiver or leg is told."""
    return SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_busy")


def gone(*_: object) -> object:
    raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_gone")


def exported(*_: object) -> object:
    raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_exported")


REFUSALS: Final = (no_function, not_negotiated, gone, exported)


def refuse(function: Function) -> None:
    """Say at once what a function that is none would say: before the buffers are looked at."""
    if function in REFUSALS:
        function()


def until(at: float, clock: Callable[[], float], function: Function) -> Function:
    if function in REFUSALS:
        return function

    def still(*arguments: object) -> object:
        if clock() >= at:
            raise SecurityError(Status.SEC_E_CONTEXT_EXPIRED, reason="context_expired")
        return function(*arguments)

    return still
