"""The tree of a token while it is read.

A reader for display differs from a parser that decides: it must go on where the parser refuses, say where each thing
stands, and end at a fault with everything before it. So a node is attached to its parent before its content is
read, `Stop` ends the reading of one node (`contain`), and its siblings go on. Offsets are absolute: all spans are
windows of the same bytes. What the input could blow up is bounded here once: the depth and the number of nodes, and
the bytes that they hold, because some formats can point at the same bytes many times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

from secpkg.contract.decoder import Fault, Field

MAX_DEPTH: Final = 48
"""Levels of a tree; also what bounds the recursion of the readers, each level of which makes a node."""
MAX_NODES: Final = 20_000
"""Nodes of all trees of one conversation."""
MAX_SHOWN: Final = 32 << 20
"""Bytes and characters that all nodes of one conversation hold."""

Value = str | int | bytes | None


class Stop(Exception):
    """The reading of a node ends here."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset
        self.what = what


class Budget:
    """How many nodes may still be made, and how many bytes they may still hold."""

    __slots__ = ("left", "octets")

    def __init__(self) -> None:
        self.left = MAX_NODES
        self.octets = MAX_SHOWN

    def spend(self, octets: int) -> bool:
        """Whether so many bytes may still be held; then they are."""
        if octets > self.octets:
            return False
        self.octets -= octets
        return True


class Node:
    """A field that is being read."""

    __slots__ = ("_value", "budget", "children", "depth", "fault", "length", "meaning", "name", "notes", "offset")

    def __init__(self, budget: Budget, name: str, offset: int, length: int, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise Stop(offset, f"nested more than {MAX_DEPTH} levels deep")
        if budget.left <= 0:
            raise Stop(offset, "too many fields: the rest is not shown")
        budget.left -= 1
        self.budget = budget
        self.name = name
        self.offset = offset
        self.length = length
        self.depth = depth
        self._value: Value = None
        self.meaning = ""
        self.notes: list[str] = []
        self.children: list[Node] = []
        self.fault: Fault | None = None

    @property
    def value(self) -> Value:
        """What stands here; `Stop` where all nodes together would hold too much."""
        return self._value

    @value.setter
    def value(self, value: Value) -> None:
        if isinstance(value, bytes | str) and not self.budget.spend(len(value)):
            raise Stop(self.offset, "too many bytes: these are not shown")
        self._value = value

    def add(self, name: str, offset: int, length: int, value: Value = None, meaning: str = "") -> Node:
        """A new part of this field."""
        child = Node(self.budget, name, offset, length, self.depth + 1)
        self.children.append(child)
        child.value, child.meaning = value, meaning
        return child

    def note(self, text: str) -> None:
        """Say what is odd here; a thing is said once."""
        if text not in self.notes:
            self.notes.append(text)

    def fail(self, offset: int, what: str) -> None:
        """Say where the reading of this field ended; the first fault stays."""
        if self.fault is None:
            self.fault = Fault(offset, what)

    def freeze(self) -> Field:
        """The tree as a value."""
        fields = tuple(child.freeze() for child in self.children)
        return Field(
            self.name, self.offset, self.length, self.value, self.meaning, tuple(self.notes), fields, self.fault
        )


@contextmanager
def contain(node: Node) -> Iterator[None]:
    """What stops inside belongs to `node`; who reads what is beside it goes on."""
    try:
        yield
    except Stop as stop:
        node.fail(stop.offset, stop.what)


class Span:
    """A window of the token that is read from its front. ``cut`` says that its end is earlier than was announced."""

    __slots__ = ("at", "cut", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None, *, cut: bool = False) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end
        self.cut = cut

    def left(self) -> int:
        """Bytes that are not read yet."""
        return self.end - self.at

    def rest(self) -> bytes:
        """The bytes that are not read yet, without reading them."""
        return self.data[self.at : self.end]

    def peek(self, length: int) -> bytes:
        """As many of the next bytes, or fewer where there are fewer, without reading them."""
        return self.data[self.at : min(self.at + length, self.end)]

    def take(self, name: str, length: int) -> bytes:
        """The next `length` bytes; `Stop` where there are fewer."""
        if length > self.left():
            raise Stop(self.at, f"{name}: {length} bytes are due and {self.left()} are left")
        self.at += length
        return self.data[self.at - length : self.at]

    def window(self, name: str, length: int) -> Span:
        """The next `length` bytes as a window of their own."""
        self.take(name, length)
        return Span(self.data, self.at - length, self.at, cut=self.cut)

    def number(
        self,
        into: Node,
        name: str,
        size: int,
        names: Mapping[int, str] | None = None,
        order: Literal["little", "big"] = "little",
    ) -> int:
        """An unsigned number, as a part of `into`. A number that `names` does not have is noted."""
        at = self.at
        value = int.from_bytes(self.take(name, size), order)
        node = into.add(name, at, size, value)
        if names is not None:
            node.meaning = names.get(value, "")
            if not node.meaning:
                node.note("a number without a name")
        return value

    def octets(self, into: Node, name: str, length: int) -> Node:
        """Bytes, as a part of `into`."""
        at = self.at
        return into.add(name, at, length, self.take(name, length))

    def part(self, into: Node, name: str, length: int) -> Node:
        """A part of `into` that begins here and is made of others: as long as it is due, or as what is left."""
        return into.add(name, self.at, min(length, self.left()))

    def zeros(self, into: Node, name: str, length: int) -> None:
        """Bytes that are reserved; another value than zero is noted."""
        node = self.octets(into, name, length)
        if any(self.data[node.offset : node.offset + length]):
            node.note("reserved, and not zero")


def text(node: Node, raw: bytes, encoding: str) -> None:
    """Show bytes as text; what is none is noted."""
    try:
        node.value = raw.decode(encoding)
    except UnicodeDecodeError:
        node.value = raw.decode(encoding, "replace")
        node.note(f"not {encoding}")
    if not str(node.value).isprintable():
        node.note("characters that do not print, and may be meant to deceive")


def trailing(node: Node, span: Span, name: str = "trailing bytes") -> None:
    """Show and note what is left behind the end of a structure."""
    if span.left() > 0:
        span.octets(node, name, span.left()).note("trailing bytes: nothing announces them")


__all__ = ["MAX_DEPTH", "MAX_NODES", "MAX_SHOWN", "Budget", "Node", "Span", "Stop", "contain", "text", "trailing"]
