"""The functions that user halves of this process have registered for their LSA halves (RegisterCallback, R165).

They stand in the contract because two rooms meet in them that know nothing of each other: the host of user halves
registers, and the channel to a worker looks up. A module reaches its own functions only: the key is what the
authority's registry says of its user half.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.status import SecurityError, Status

Callback = Callable[[int, int, bytes], bytes]
UserHalfKey = tuple[str, str, str, bytes]
"""Entry point, distribution, version and digest."""

MAX_CALLBACK_DATA: Final = 64 * 1024
"""Bytes to a callback and from it."""

REGISTERED: Final[dict[UserHalfKey, dict[int, Callback]]] = {}


def run_callback(half: UserHalfKey | None, callback: int, argument1: int, argument2: int, data: bytes) -> bytes:
    """Run a registered function of a user half.

    SecurityError: STATUS_NOT_FOUND when there is none, its own when it raised one, STATUS_INVALID_PARAMETER for more
    than `MAX_CALLBACK_DATA` bytes either way, or something else than bytes; SEC_E_INTERNAL_ERROR for any other
    exception.
    """
    function = REGISTERED.get(half, {}).get(callback) if half is not None else None
    if function is None:
        raise SecurityError(Status.STATUS_NOT_FOUND, reason="callback_not_registered")
    if len(data) > MAX_CALLBACK_DATA:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="callback_data_too_large")
    try:
        answer: object = function(argument1, argument2, data)
    except SecurityError as error:
        if isinstance(error.status, Status) and error.status.is_error:
            raise SecurityError(error.status, reason="callback_failed") from error
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="callback_raised_without_an_error") from error
    except Exception as error:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"callback_raised_{type(error).__name__}") from error
    if not isinstance(answer, bytes) or len(answer) > MAX_CALLBACK_DATA:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="callback_returned_too_much")
    return answer
