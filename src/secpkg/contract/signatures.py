"""Signatures as schema: how the arguments and the result of a contract function travel.

The contract's Protocols are the one place where a function's parameters are written down. From their annotations come
the typed codecs of `LsaCall` and `PackageCall`, so a value of the wrong type, number or size is refused by name at the
door of the other process.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import SecBuffer

_CALL_PARAMETERS = ("self", "call")


class Signature:
    """One function: its parameters but for ``self``, ``call`` and what else the host supplies, with codecs made when
    they are first needed.
    """

    __slots__ = ("_arguments", "_function", "_result", "defaults", "name", "parameters", "takes_call")

    def __init__(self, name: str, function: Callable[..., object], supplied: Sequence[str] = ()) -> None:
        self.name = name
        self._function = function
        parameters = inspect.signature(function).parameters.values()
        own = [p for p in parameters if p.name not in _CALL_PARAMETERS and p.name not in supplied]
        self.takes_call = any(p.name == "call" for p in parameters)
        self.parameters = tuple(p.name for p in own)
        self.defaults = {p.name: p.default for p in own if p.default is not p.empty}
        self._arguments: msgspec.msgpack.Decoder[tuple[object, ...]] | None = None
        self._result: msgspec.msgpack.Decoder[object] | None = None

    def bind(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[object, ...]:
        """Arguments in order, defaults filled in; TypeError as Python would raise it."""
        if len(args) == len(self.parameters) and not kwargs:
            return args
        if len(args) > len(self.parameters):
            raise TypeError(f"{self.name}() takes {len(self.parameters)} arguments but {len(args)} were given")
        rest = []
        for name in self.parameters[len(args) :]:
            if name in kwargs:
                rest.append(kwargs.pop(name))
            elif name in self.defaults:
                rest.append(self.defaults[name])
            else:
                raise TypeError(f"{self.name}() missing required argument: {name!r}")
        if kwargs:
            raise TypeError(f"{self.name}() got an unexpected argument {next(iter(kwargs))!r}")
        return args + tuple(rest)

    def decode_arguments(self, raw: msgspec.Raw) -> tuple[object, ...]:
        """The arguments of a call from another process: STATUS_INVALID_PARAMETER when they do not fit,
        STATUS_NOT_IMPLEMENTED for a function with a parameter that cannot travel.
        """
        if self._arguments is None:
            hints = get_type_hints(self._function)
            kinds = tuple(hints[name] for name in self.parameters)
            self._arguments = _decoder(tuple.__class_getitem__(kinds), self.name)
        try:
            return self._arguments.decode(raw)
        except _UNDECODABLE:
            raise _misfit(self.name) from None

    def decode_result(self, raw: msgspec.Raw) -> object:
        """The result of a call from another process; the same failures."""
        if self._result is None:
            kind: Any = get_type_hints(self._function)["return"]
            if get_origin(kind) is Awaitable:
                (kind,) = get_args(kind)
            self._result = _decoder(kind, self.name)
        try:
            return self._result.decode(raw)
        except _UNDECODABLE:
            raise _misfit(self.name) from None


def _decoder(kind: Any, name: str) -> msgspec.msgpack.Decoder[Any]:
    try:
        if SecBuffer in (kind, *get_args(kind)):  # it may hold a view
            raise TypeError
        return msgspec.msgpack.Decoder(kind)
    except TypeError:  # a view, a union of structures without tags: such a function stays in one process
        raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason=f"{name}_does_not_travel") from None


_UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""A wrong type or number, bad UTF-8, deep nesting."""


def _misfit(name: str) -> SecurityError:
    return SecurityError(Status.STATUS_INVALID_PARAMETER, reason=f"arguments_do_not_fit_{name}")


def signatures(protocols: Sequence[type], supplied: Sequence[str] = ()) -> dict[str, Signature]:
    """Signatures of every function that the Protocols define themselves, by Python name. Parameters named in
    ``supplied`` are the host's to fill in (a handle's object) and do not travel.
    """
    return {
        name: Signature(name, function, supplied)
        for protocol in protocols
        for name, function in vars(protocol).items()
        if not name.startswith("_") and inspect.isfunction(function)
    }
