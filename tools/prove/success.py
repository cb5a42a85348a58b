"""A value that says "done" and holds nothing: what a stub returns, made from the annotation of the documented function.

It is to be as plausible as a type allows, so that only a test that looks at the effect sees the difference.
"""

from __future__ import annotations

import collections.abc
import enum
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec
from tools.prove.swap import NoStub

from secpkg.contract.status import Status
from secpkg.contract.values import Complete, LogonResult

_PREFERRED: Final = (Complete, LogonResult)
"""Of a union with failures, the success."""
_EMPTY: Final[dict[object, Callable[[], object]]] = {
    type(None): lambda: None,
    object: object,
    Any: object,
    bool: lambda: False,
    int: int,
    float: float,
    str: lambda: "stub",
    bytes: bytes,
    bytearray: bytearray,
    memoryview: lambda: memoryview(b""),
}
_CONTAINERS: Final = {list: list, set: set, frozenset: frozenset, dict: dict, collections.abc.Mapping: dict}
_SEQUENCES: Final = (collections.abc.Sequence, collections.abc.Iterable, collections.abc.Iterator)
_AWAITED: Final = (collections.abc.Awaitable, collections.abc.Coroutine)


class _Names(dict[str, object]):
    """Names of annotations that are imported for the type checker only count as `object`."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self._globals: dict[str, object] = getattr(inspect.unwrap(function), "__globals__", {})

    def __missing__(self, name: str) -> object:
        if name in self._globals:
            return self._globals[name]
        return getattr(__import__("builtins"), name, object)


def result_of(function: Callable[..., object]) -> object:
    """Documented success of this function. `NoStub` when its annotation does not say enough."""
    try:
        hints = get_type_hints(function, localns=_Names(function))
    except Exception as error:
        raise NoStub(f"annotations of {function!r} cannot be read: {error}") from None
    if "return" not in hints:
        raise NoStub(f"{function!r} has no annotation for its result")
    return value_of(hints["return"])


def value_of(kind: Any) -> object:
    """A value of this type."""
    if isinstance(kind, typing.TypeAliasType) if hasattr(typing, "TypeAliasType") else False:
        kind = kind.__value__
    if kind in _EMPTY:
        return _EMPTY[kind]()
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _of_union(arguments)
    if origin is typing.Annotated or origin in _AWAITED:
        return value_of(arguments[-1] if origin in _AWAITED else arguments[0])
    if origin is typing.Literal:
        return arguments[0]
    if origin is tuple or kind is tuple:
        return () if not arguments or arguments[-1] is Ellipsis else tuple(value_of(one) for one in arguments)
    if (origin or kind) in _CONTAINERS:
        return _CONTAINERS[origin or kind]()
    if (origin or kind) in _SEQUENCES:
        return ()
    if origin is collections.abc.Callable or kind is collections.abc.Callable:
        return lambda *_arguments: None
    if inspect.isclass(kind):
        return _of_class(kind)
    return object()  # a type variable, a protocol under another name


def _of_union(kinds: tuple[Any, ...]) -> object:
    for preferred in _PREFERRED:
        if preferred in kinds:
            return value_of(preferred)
    return None if type(None) in kinds else value_of(kinds[0])


def _of_class(kind: type) -> object:
    if issubclass(kind, Status):
        return Status.SEC_E_OK
    if issubclass(kind, enum.Flag):
        return kind(0)
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    if issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        fields = msgspec.structs.fields(kind)
        return kind(**{field.name: value_of(hints[field.name]) for field in fields if field.required})
    try:
        made: object = kind.__new__(kind)
    except TypeError:
        raise NoStub(f"no value of {kind.__name__} can be made") from None
    return made
