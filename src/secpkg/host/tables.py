"""The function table of a package: what its author defined, and nothing else.

A package is an object without a base class. Its table holds the documented functions that the author defined outside
`secpkg.contract`; one that is missing, or None, is a NULL entry, which the host answers with the documented
"unsupported" (spec/README 10). So a name that is nearly a documented one would be a function that nobody ever calls,
and a wrong signature an error in the middle of a handshake: both fail the load, with the field and the rule.

Signatures are read from code objects, since a client process pays for every import (`inspect` is loaded only for
callables that have no code object).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import FunctionType, MethodType
from typing import Final

import msgspec

_CONTRACT: Final = "secpkg.contract"
_LIKENESS: Final = 0.85
_VARARGS: Final = 0x04
_COROUTINE: Final = 0x80 | 0x100
_GENERATOR: Final = 0x20 | 0x200

Table = dict[str, Callable[..., object]]


class TableFault(Exception):
    """A package that cannot be loaded: ``field`` is what is wrong in it, ``rule`` a snake_case name, ``text`` one
    line for the author.
    """

    def __init__(self, field: str, rule: str, text: str) -> None:
        super().__init__(f"{field}: {text} ({rule})")
        self.field = field
        self.rule = rule
        self.text = text


class _Shape(msgspec.Struct, frozen=True):
    """How a function is called: names of its positional parameters without self, how many of them must be given."""

    names: tuple[str, ...]
    required: int
    variadic: bool
    keywords: tuple[str, ...]
    coroutine: bool
    generator: bool


def build_table(package: object, protocols: Sequence[type]) -> Table:
    """The documented functions that ``package`` defines, bound to it, under their Python names.

    ``protocols`` are those of one of the contract's ``PROTOCOLS``. TableFault with rule ``not_callable``,
    ``not_async``, ``not_sync``, ``parameters`` or ``misspelt`` for a package that its author has to change.
    """
    documented = _documented(tuple(protocols))
    table: Table = {}
    for name in _public_names(package):
        expected = documented.get(name)
        if expected is None:
            _refuse_misspelt(package, name, documented)
            continue
        value = getattr(package, name)
        if value is None:
            continue
        if not callable(value):
            raise TableFault(name, "not_callable", f"documented function is a {type(value).__name__}")
        _check(name, _shape(value), expected)
        table[name] = value
    return table


def _public_names(package: object) -> list[str]:
    """Names that the author defined: on the object itself, or in a class of its own outside the contract."""
    names: dict[str, None] = dict.fromkeys(getattr(package, "__dict__", ()))
    kind = package if isinstance(package, type) else type(package)
    hidden = set(names)
    for base in kind.__mro__:
        of_contract = base is object or base.__module__ == _CONTRACT or base.__module__.startswith(_CONTRACT + ".")
        for name in vars(base):
            if name not in hidden:
                hidden.add(name)
                if not of_contract:
                    names[name] = None
    return [name for name in names if not name.startswith("_")]


@lru_cache(maxsize=16)
def _documented(protocols: tuple[type, ...]) -> dict[str, _Shape]:
    return {
        name: _shape_of_function(value, bound=True)
        for protocol in protocols
        for name, value in vars(protocol).items()
        if not name.startswith("_") and isinstance(value, FunctionType)
    }


def _refuse_misspelt(package: object, name: str, documented: dict[str, _Shape]) -> None:
    if isinstance(getattr(type(package), name, None), property) or not callable(getattr(package, name)):
        return
    # start-up: only for names that are not documented ones
    from difflib import SequenceMatcher

    from secpkg.contract import reference

    for known in documented:
        matcher = SequenceMatcher(None, name, known)
        if matcher.quick_ratio() >= _LIKENESS and matcher.ratio() >= _LIKENESS:
            # One object may be both halves: a function that is documented elsewhere is not a slip.
            if any(name in reference.member_names(table) for table in reference.tables()):
                return
            raise TableFault(name, "misspelt", f"no documented function; is {known} meant?")


def _check(name: str, shape: _Shape, expected: _Shape) -> None:
    if shape.generator:
        rule = "not_async" if expected.coroutine else "not_sync"
        raise TableFault(name, rule, "a generator is neither def nor async def")
    if expected.coroutine and not shape.coroutine:
        raise TableFault(name, "not_async", "must be async def")
    if shape.coroutine and not expected.coroutine:
        raise TableFault(name, "not_sync", "must be def, not async def")
    wanted = f"must take ({', '.join(expected.names)})"
    count = len(expected.names)
    if shape.keywords:
        raise TableFault(name, "parameters", f"{wanted}; keyword-only {', '.join(shape.keywords)} is never given")
    if shape.required > count or (len(shape.names) < count and not shape.variadic):
        raise TableFault(name, "parameters", f"{wanted}, takes ({', '.join(shape.names)})")
    for place, own in enumerate(shape.names[:count]):
        if own in expected.names and expected.names[place] != own:
            raise TableFault(name, "parameters", f"{wanted}, {own} stands in another place")


def _shape(function: object) -> _Shape:
    if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
        return _shape_of_function(function.__func__, bound=True)
    if isinstance(function, FunctionType):
        return _shape_of_function(function, bound=False)
    return _inspected(function)


def _shape_of_function(function: FunctionType, *, bound: bool) -> _Shape:
    code = function.__code__
    names = code.co_varnames[: code.co_argcount][1 if bound else 0 :]
    all_keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    given = function.__kwdefaults__ or {}
    marked = getattr(function, "_is_coroutine_mark", None) is not None
    return _Shape(
        names=names,
        required=max(0, len(names) - len(function.__defaults__ or ())),
        variadic=bool(code.co_flags & _VARARGS),
        keywords=tuple(name for name in all_keywords if name not in given),
        coroutine=bool(code.co_flags & _COROUTINE) or marked,
        generator=bool(code.co_flags & _GENERATOR) and not code.co_flags & _COROUTINE,
    )


def _inspected(function: object) -> _Shape:
    """A partial object, a callable instance, a function written in C."""
    import inspect

    target = getattr(function, "func", function)
    coroutine = inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(type(target).__call__)
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]  # any callable
    except (TypeError, ValueError):
        # Without a signature nothing can be said about the parameters.
        return _Shape((), 0, True, (), coroutine, False)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return _Shape(
        names=tuple(p.name for p in positional),
        required=sum(p.default is p.empty for p in positional),
        variadic=any(p.kind is p.VAR_POSITIONAL for p in parameters),
        keywords=tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty),
        coroutine=coroutine,
        generator=False,
    )
