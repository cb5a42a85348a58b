"""What is the same for every function of a documented, C-shaped floor (``secpkg.sspi.raw``, ``secpkg.lsa.raw``).

Such a function returns its status, or a tuple that begins with it, and never raises what the documents give a status
for. `floor` takes both from the function's own annotations, once: an argument of a wrong type or out of range is
answered before the body sees it, and a `SecurityError` of the body becomes its status with empty outputs (0, "", b"",
False, an empty sequence, None). Annotations are read at the first call: a program that imports a floor does not pay for
it; after that a call costs one flat loop of checks.

A number is a ULONG, a text can be encoded, and a buffer is a `SecBuffer` of bytes that are there. What a name says
beyond that, and which status belongs to what, stands in the tables below; what one page alone has differently, where
that function is marked.
"""

from __future__ import annotations

import collections.abc
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Final, ParamSpec, TypeVar, cast

from secpkg.contract.implements import State, implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Message, SecBuffer

P = ParamSpec("P")
R = TypeVar("R")

Check = Callable[[object], bool]

HANDLES: Final = frozenset({"handle", "context", "credential", "token", "async_context"})
"""Names of parameters that take a handle."""

NUMBERS: Final[dict[str, tuple[int, int]]] = {
    "logon_id": (0, (1 << 64) - 1),  # LUID
    "status": (-1 << 31, (1 << 32) - 1),  # NTSTATUS and HRESULT, in either spelling
    "auth_error": (-1 << 31, (1 << 32) - 1),
    "error_or_nt_status": (-1 << 31, (1 << 32) - 1),
    "logon_type": (-1 << 31, (1 << 31) - 1),  # an enum: which of them there are, the body says
}
"""Names of parameters that take a number of another range than a ULONG."""
_ULONG: Final = (0, (1 << 32) - 1)

_EMPTY: Final[dict[type, Callable[[], object]]] = {kind: kind for kind in (int, float, str, bytes, bool, tuple, list)}


class Given:
    """Stands among the outputs of a failure for an argument that comes back as it was given."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def floor(
    table: str,
    function: str,
    state: State = "working",
    reason: str = "",
    *,
    wrong: Mapping[str, Status] = types.MappingProxyType({}),
    failed: tuple[object, ...] | None = None,
    told: Callable[[Status], object] | None = None,
    checks: bool = True,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a callable as the implementation of a documented function, and give it the manners of the floor.

    A wrong argument is STATUS_INVALID_HANDLE or SEC_E_INVALID_HANDLE where a handle belongs (a parameter whose name is
    in `HANDLES`), SEC_E_INVALID_TOKEN where buffers do, STATUS_INVALID_PARAMETER or SEC_E_INVALID_PARAMETER elsewhere;
    ``wrong`` has what the page of this function says instead, by parameter. ``failed`` are the outputs of a failure
    where they are not the empty ones, among them `Given` and callables that make one; ``told`` turns a status into what
    the function returns in its place. One that returns no status says nothing, or False. Without ``checks`` the body
    looks at its arguments itself: for calls that are too frequent to do it twice.
    """

    def mark(body: Callable[P, R]) -> Callable[P, R]:
        shape: _Shape | None = None

        def known() -> _Shape:
            nonlocal shape
            if shape is None:
                shape = _Shape(body, table == "sspi", wrong, failed, told)
            return shape

        @functools.wraps(body)
        def documented(*args: P.args, **kwargs: P.kwargs) -> R:
            if checks:
                form = shape or known()
                # Fewer arguments than checks are the body's affair, and so are more.
                for (check, status), value in zip(form.positional, args, strict=False):
                    if check is not None and not check(value):
                        return cast(R, form.failed(status, args, kwargs))
                for name, value in kwargs.items():
                    check, status = form.named.get(name, _UNCHECKED)
                    if check is not None and not check(value):
                        return cast(R, form.failed(status, args, kwargs))
            try:
                return body(*args, **kwargs)
            except SecurityError as error:
                return cast(R, known().failed(error.status, args, kwargs))

        return implements(table, function, state, reason)(documented)

    return mark


class _Shape:
    """How the arguments of a function are checked, and what it returns when it fails."""

    __slots__ = ("_names", "_outputs", "_told", "named", "positional")

    def __init__(
        self,
        body: Callable[..., object],
        sspi: bool,
        wrong: Mapping[str, Status],
        failed: tuple[object, ...] | None,
        told: Callable[[Status], object] | None,
    ) -> None:
        import inspect  # programs without a documented floor do not need it

        hints = typing.get_type_hints(body)
        result = hints.pop("return", Status)
        self.named = {
            name: (
                _NAMED.get(name) if hint is object else check_of(hint, NUMBERS.get(name, _ULONG)),
                wrong.get(name) or _status(name, hint, sspi),
            )
            for name, hint in hints.items()
        }
        self._names = [
            parameter.name
            for parameter in inspect.signature(body).parameters.values()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        self.positional = [self.named.get(name, _UNCHECKED) for name in self._names]
        first, *members = typing.get_args(result) if typing.get_origin(result) is tuple else (result,)
        self._told = told
        if told is None and not _is_status(first):
            self._told = lambda _status: empty_of(first)
        self._outputs = tuple(_Empty(member) for member in members) if failed is None else failed

    def failed(self, status: Status, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        said = status if self._told is None else self._told(status)
        if not self._outputs:
            return said
        given = {**dict(zip(self._names, args, strict=False)), **kwargs}
        return (said, *(_output(output, given) for output in self._outputs))


class _Empty:
    """Stands for an output that is empty."""

    __slots__ = ("hint",)

    def __init__(self, hint: object) -> None:
        self.hint = hint


def _output(output: object, given: Mapping[str, object]) -> object:
    if isinstance(output, _Empty):
        return empty_of(output.hint)
    if isinstance(output, Given):
        return given.get(output.name)
    return output() if callable(output) else output


def _is_status(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Status)


def _status(name: str, hint: object, sspi: bool) -> Status:
    """What a wrong argument is called."""
    if sspi and (hint == Message or Message in typing.get_args(hint)):
        return Status.SEC_E_INVALID_TOKEN
    if name in HANDLES:
        return Status.SEC_E_INVALID_HANDLE if sspi else Status.STATUS_INVALID_HANDLE
    return Status.SEC_E_INVALID_PARAMETER if sspi else Status.STATUS_INVALID_PARAMETER


_UNCHECKED: Final[tuple[Check | None, Status]] = (None, Status.STATUS_SUCCESS)


def check_of(hint: object, numbers: tuple[int, int] = _ULONG) -> Check | None:  # an annotation, as `typing` gives it
    """Whether a value is what an annotation says, one level into lists and tuples; ``numbers`` is the range of one.
    None for what cannot be told (protocols, type variables, ``object``): it is let through.
    """
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _any_of(typing.get_args(hint), numbers)
    if origin is collections.abc.Callable:
        return callable
    if origin in (list, tuple):
        return _members(origin, [member for member in typing.get_args(hint) if member is not Ellipsis])
    if hint is int:
        return _number(*numbers)
    if hint is float:
        return lambda value: isinstance(value, float | int)
    if isinstance(hint, type) and hint in _CHECKS:
        return _CHECKS[hint]
    plain = _plain(hint)
    return None if plain is None else lambda value: isinstance(value, plain)


def _plain(hint: object) -> type | None:
    """The class that an annotation is, where `isinstance` says everything."""
    if hint is None:
        return types.NoneType
    known = isinstance(hint, type) and typing.get_origin(hint) is None
    if not known or hint in (object, int, float, *_CHECKS) or getattr(hint, "_is_protocol", False):
        return None
    return cast(type, hint)


def _any_of(hints: tuple[object, ...], numbers: tuple[int, int]) -> Check | None:
    plain = tuple(kind for kind in map(_plain, hints) if kind is not None)
    checks = [check_of(hint, numbers) for hint in hints if _plain(hint) is None]
    if not checks:
        return lambda value: isinstance(value, plain)
    known = [check for check in checks if check is not None]
    if len(known) < len(checks):
        return None
    return lambda value: isinstance(value, plain) or any(check(value) for check in known)


def _members(origin: type, hints: list[object]) -> Check:
    inner = check_of(hints[0]) if len(hints) == 1 else None
    if inner is None:
        return lambda value: isinstance(value, origin)

    def fits(value: object) -> bool:
        if not isinstance(value, origin):
            return False
        for member in cast("collections.abc.Iterable[object]", value):  # noqa: SIM110  # a third of the time of all()
            if not inner(member):
                return False
        return True

    return fits


def _number(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and low <= value <= high


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.isascii() or value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_view(value: object) -> bool:
    """Whether this is a view of bytes that are there."""
    try:
        return isinstance(value, memoryview) and value.itemsize == 1 and value.c_contiguous
    except ValueError:  # released
        return False


def _is_buffer(value: object) -> bool:
    if not isinstance(value, SecBuffer):
        return False
    kind, data = value.type, value.data
    return (
        isinstance(kind, int)
        and 0 <= kind <= _ULONG[1]
        and (type(data) is bytes or isinstance(data, bytes | bytearray) or is_view(data))
    )


def _is_authority(value: object) -> bool:
    return value is None or _is_text(value) or callable(getattr(value, "link", None))


_NAMED: Final[dict[str, Check]] = {"authority": _is_authority}
"""What the name of a parameter says where its annotation is ``object``."""

_CHECKS: Final[dict[type, Check]] = {str: _is_text, memoryview: is_view, SecBuffer: _is_buffer}
"""What `isinstance` does not say enough of."""


def empty_of(hint: object) -> object:  # an annotation, as `typing` gives it
    """What an output is when there is none."""
    origin = typing.get_origin(hint) or hint
    if origin in (typing.Union, types.UnionType):
        return None
    if _is_status(origin):
        return Status.STATUS_SUCCESS
    return next((empty() for kind, empty in _EMPTY.items() if origin is kind), None)
