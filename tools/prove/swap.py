"""Put something else in place of a function of Python, wherever it is referred to.

Names do not suffice: a function stands in modules that imported it, in tables, in closures, in bound methods. All of
them share its code object, so that is what is exchanged, for one that calls a hook. A process makes one exchange and is
thrown away; who calls the hook is counted in memory that its children share.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import mmap
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Final

_HOOK: Final = "__secpkg_prove__"
_CONTEXTLIB: Final = "contextlib"


class NoStub(Exception):
    """Something that cannot be replaced: a fault of the mark or of the machinery, and no proof."""


class Counter:
    """How often the stub was called, in this process and those forked from it; up to 255."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def count(self) -> None:
        """One more."""
        self._memory[0] = min(255, self._memory[0] + 1)

    @property
    def value(self) -> int:
        """So far."""
        return self._memory[0]


# The replacing code: `hook` is looked up at each call, so that nothing has to be bound.
_NAMESPACE: Final[dict[str, object]] = {}
exec(
    f"""
def plain(*arguments, **named):
    return {_HOOK}(*arguments, **named)

async def coroutine(*arguments, **named):
    return {_HOOK}(*arguments, **named)

def generator(*arguments, **named):
    {_HOOK}(*arguments, **named)
    return
    yield

def once(*arguments, **named):
    yield {_HOOK}(*arguments, **named)

async def async_generator(*arguments, **named):
    {_HOOK}(*arguments, **named)
    return
    yield

async def async_once(*arguments, **named):
    yield {_HOOK}(*arguments, **named)
""",
    _NAMESPACE,
)


def exchange(function: FunctionType, hook: Callable[..., object], *, once: bool = False) -> Callable[..., object]:
    """Have every call of ``function`` answered by ``hook``; the result is the original, under another object.

    A coroutine function stays one. ``once``: a generator yields the hook's answer once (a context manager), else
    nothing.
    """
    original = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    if inspect.isasyncgenfunction(function):
        kind = "async_once" if once else "async_generator"
    elif inspect.iscoroutinefunction(function):
        kind = "coroutine"
    elif inspect.isgeneratorfunction(function):
        kind = "once" if once else "generator"
    else:
        kind = "plain"
    replacing = _NAMESPACE[kind]
    assert isinstance(replacing, FunctionType)
    code: CodeType = replacing.__code__.replace(
        co_freevars=function.__code__.co_freevars,  # as many as the closure that stays has; they are not looked at
        co_name=function.__code__.co_name,
    )
    setattr(builtins, _HOOK, hook)
    function.__code__ = code
    return original


def nothing(target: str, counter: Counter) -> None:
    """Make ``module:qualname`` do nothing: it returns None, a context manager lets in, a generator has no items."""

    def hook(*_arguments: object, **_named: object) -> None:
        counter.count()

    found = find(target)
    function, once = _function(found, target)
    exchange(function, hook, once=once)


def find(target: str) -> object:
    """What ``module:qualname`` names, a property or method as its class has it. `NoStub` when there is no such."""
    module, separator, qualname = target.partition(":")
    try:
        found: object = importlib.import_module(module)
        for name in qualname.split(".") if separator else ():
            found = inspect.getattr_static(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise NoStub(f"{target} does not exist: {error}") from None
    if not separator:
        raise NoStub(f"{target} is no module:qualname")
    return found


def function_of(target: str) -> FunctionType:
    """The function behind ``module:qualname``; `NoStub`."""
    return _function(find(target), target)[0]


def _function(found: object, target: str) -> tuple[FunctionType, bool]:
    once = False
    while True:
        if isinstance(found, property):
            inner: object = found.fget
        elif isinstance(found, functools.cached_property):
            inner = found.func
        elif isinstance(found, staticmethod | classmethod | functools.partial) or inspect.ismethod(found):
            inner = getattr(found, "__func__", None) or getattr(found, "func", None)
        elif hasattr(found, "__wrapped__"):
            once = once or _made_by_contextlib(found)
            inner = found.__wrapped__
        else:
            break
        found = inner
    if not isinstance(found, FunctionType):
        raise NoStub(f"{target} is a {type(found).__name__}; name a function or a method")
    return found, once


def _made_by_contextlib(found: object) -> bool:
    code = getattr(found, "__code__", None)
    return isinstance(code, CodeType) and _CONTEXTLIB in code.co_filename
