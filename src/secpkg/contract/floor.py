"""What is the same for every function of a documented, C-shaped floor (``secpkg.sspi.raw``, ``secpkg.lsa.raw``).

Such a function returns its status, or a tuple that begins with it, and never raises what the documents give a status
for. `floor` takes both from the function's own annotations, once: an argument of a wrong type is answered before the
body sees it, and a `SecurityError` of the body becomes its status with empty outputs (0, "", b"", False, an empty
sequence, None). Annotations are read at the first call: a program that imports a floor does not pay for it.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, cast

from secpkg.contract.implements import State, implements
from secpkg.contract.status import SecurityError, Status

P = ParamSpec("P")
R = TypeVar("R")

Check = Callable[[object], bool]
_EMPTY: Final[dict[type, object]] = {int: 0, float: 0.0, str: "", bytes: b"", bool: False, tuple: (), list: []}


def floor(
    table: str, function: str, state: State = "working", reason: str = ""
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a callable as the implementation of a documented function, and give it the manners of the floor.

    A wrong argument is STATUS_INVALID_HANDLE or SEC_E_INVALID_HANDLE where a handle belongs (a parameter whose name is
    in `HANDLES`), STATUS_INVALID_PARAMETER or SEC_E_INVALID_PARAMETER elsewhere.
    """
    sspi = table == "sspi"
    no_handle = Status.SEC_E_INVALID_HANDLE if sspi else Status.STATUS_INVALID_HANDLE
    no_value = Status.SEC_E_INVALID_PARAMETER if sspi else Status.STATUS_INVALID_PARAMETER

    def mark(body: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(body)
        def documented(*args: P.args, **kwargs: P.kwargs) -> R:
            shape = _shape(body)
            for (name, check), value in zip(shape.positional, args, strict=False):
                if not check(value):
                    return cast(R, shape.failed(no_handle if name in HANDLES else no_value))
            for name, value in kwargs.items():
                if not shape.named.get(name, _anything)(value):
                    return cast(R, shape.failed(no_handle if name in HANDLES else no_value))
            try:
                return body(*args, **kwargs)
            except SecurityError as error:
                return cast(R, shape.failed(error.status))

        return implements(table, function, state, reason)(documented)

    return mark


HANDLES: Final = frozenset({"handle", "context", "credential", "token"})
"""Names of parameters that take a handle."""


class _Shape:
    """How the arguments of a function are checked, and what it returns when it fails."""

    __slots__ = ("_outputs", "named", "positional")

    def __init__(self, body: Callable[..., object]) -> None:
        hints = typing.get_type_hints(body)
        self.named = {name: check_of(hint) for name, hint in hints.items() if name != "return"}
        names = [
            parameter.name
            for parameter in inspect.signature(body).parameters.values()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        self.positional = [(name, self.named.get(name, _anything)) for name in names]
        result = hints.get("return", Status)
        members = typing.get_args(result) if typing.get_origin(result) is tuple else (result,)
        self._outputs = tuple(empty_of(member) for member in members[1:])

    def failed(self, status: Status) -> object:
        return (status, *self._outputs) if self._outputs else status


@functools.cache
def _shape(body: Callable[..., object]) -> _Shape:
    return _Shape(body)


def _anything(_value: object) -> bool:
    return True


def check_of(hint: object) -> Check:  # an annotation, as `typing` gives it
    """Whether a value is what an annotation says, one level into lists and tuples. What `isinstance` cannot tell
    (protocols, type variables, ``object``) is let through.
    """
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        checks = [check_of(member) for member in typing.get_args(hint)]
        return lambda value: any(check(value) for check in checks)
    if origin is collections.abc.Callable:
        return callable
    if origin in (list, tuple):
        members = [member for member in typing.get_args(hint) if member is not Ellipsis]
        inner = check_of(members[0]) if len(members) == 1 else _anything
        return lambda value: isinstance(value, origin) and all(inner(member) for member in value)
    if hint is None or hint is type(None):
        return lambda value: value is None
    if hint is float:
        return lambda value: isinstance(value, float | int)
    if isinstance(hint, type) and hint is not object and not getattr(hint, "_is_protocol", False):
        return lambda value: isinstance(value, hint)
    return _anything


def empty_of(hint: object) -> object:  # an annotation, as `typing` gives it
    """What an output is when there is none."""
    origin = typing.get_origin(hint) or hint
    if origin in (typing.Union, types.UnionType):
        return None
    if isinstance(origin, type) and issubclass(origin, Status):
        return Status.STATUS_SUCCESS
    return next((empty for kind, empty in _EMPTY.items() if origin is kind), None)
