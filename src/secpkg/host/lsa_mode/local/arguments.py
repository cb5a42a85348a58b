"""The arguments of what the host answers, held against the contract's signatures: number and types, once for all.

Numbers are the unsigned ones of the documents. What depends on a value (a handle, a limit) is the function's own.
"""

from __future__ import annotations

import functools
import types
from collections import abc
from collections.abc import Callable
from typing import Any, Final, get_args, get_origin, get_type_hints

from secpkg.contract.lsa_mode import functions
from secpkg.contract.status import SecurityError, Status

_LARGEST: Final = 0xFFFF_FFFF_FFFF_FFFF


def check(function: str, arguments: tuple[object, ...]) -> None:
    """STATUS_INVALID_PARAMETER when the arguments are too few, too many or of other types than the contract's."""
    kinds = _kinds(function)
    if len(arguments) != len(kinds):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="argument_count")
    for (name, kind), argument in zip(kinds, arguments, strict=True):
        if not _fits(kind, argument):
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=f"{name}_of_a_wrong_type")


@functools.cache
def _kinds(function: str) -> tuple[tuple[str, Any], ...]:
    defined: Callable[..., object] = next(vars(p)[function] for p in functions.PROTOCOLS if function in vars(p))
    return tuple((name, kind) for name, kind in get_type_hints(defined).items() if name != "return")


def _fits(kind: Any, argument: object) -> bool:
    if kind is object:
        return True
    if kind is int:
        return isinstance(argument, int) and not isinstance(argument, bool) and 0 <= argument <= _LARGEST
    origin = get_origin(kind)
    if origin is types.UnionType:
        return any(_fits(part, argument) for part in get_args(kind))
    if origin is abc.Callable:
        return callable(argument)
    return isinstance(argument, kind)
