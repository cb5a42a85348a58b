"""The source of a callable: where its definition is, and a digest of what it says.

A digest is taken over the lines of the definition, decorators included, without their common indentation: it survives
moving, and changes with every word.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class NoSource(LookupError):
    """A callable whose source is not at hand."""


def bare(where: Callable[..., object]) -> Callable[..., object]:
    """The callable behind decorators and bound arguments; of an instance its class."""
    source: Callable[..., object] = inspect.unwrap(where)
    while isinstance(source, functools.partial):
        source = source.func
    return source if inspect.isroutine(source) or inspect.isclass(source) else type(source)


def place(where: Callable[..., object]) -> tuple[str, int]:
    """File and line of the ``def`` or ``class`` of a callable; `NoSource`."""
    file, node = _definition(where)
    return file, node.lineno


def digest(where: Callable[..., object]) -> str:
    """Digest of the source of a callable; `NoSource`."""
    file, node = _definition(where)
    return digest_of(file, node)


def digest_of(file: str, node: Definition) -> str:
    """Digest of one definition of a file."""
    return hashlib.sha256(segment(file, node).encode()).hexdigest()[:24]


def segment(file: str, node: Definition) -> str:
    """The lines of a definition, with its decorators."""
    lines = linecache.getlines(file)[first_line(node) - 1 : node.end_lineno]
    return textwrap.dedent("".join(lines))


def first_line(node: Definition) -> int:
    """The line of the first decorator, or of the definition."""
    return min(part.lineno for part in (node, *node.decorator_list))


def named(file: str, qualname: str) -> Definition:
    """The definition of this qualified name in a file, without ``<locals>``; `NoSource`. Of several the last counts."""
    try:
        return _by_name(file)[qualname]
    except KeyError:
        raise NoSource(f"{qualname} is not in {file}") from None


def _definition(where: Callable[..., object]) -> tuple[str, Definition]:
    source = bare(where)
    try:
        file = inspect.getsourcefile(source) or ""
    except TypeError:
        file = ""
    code = getattr(source, "__code__", None)
    if isinstance(code, CodeType):
        found = _by_line(file).get(code.co_firstlineno)
        if found is not None:
            return file, found
    elif inspect.isclass(source):
        return file, named(file, source.__qualname__.replace(".<locals>", ""))
    raise NoSource(f"{where!r} has no definition in a file")


@functools.cache
def _definitions(file: str) -> tuple[tuple[str, Definition], ...]:
    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Definition):
                yield prefix + child.name, child
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    return tuple(walk(ast.parse("".join(linecache.getlines(file))), ""))


@functools.cache
def _by_name(file: str) -> dict[str, Definition]:
    return dict(_definitions(file))


@functools.cache
def _by_line(file: str) -> dict[int, Definition]:
    return {first_line(node): node for _, node in _definitions(file)}
