"""DER for display: a walker of tags and lengths, and a small language to give them names.

`cryptography.hazmat.asn1` reads DER as it must be read to decide something: strictly, into values, with an error
and no position. Here a token that is cut off, has a length that is not minimal or a field that no specification knows
is the interesting one, and every field has an offset. So this walker takes what is nearly DER and says what is odd;
nothing decides anything by it. Indefinite lengths end the reading: none of the protocols here allows them.

A `Kind` is what is expected at a place: its identifier octet, and how its content is shown. `sequence`, `sequence_of`
and the others make kinds of kinds; the tables of SPNEGO, Kerberos and CredSSP are made of these. Recursion follows
the tables and is bounded by the depth of the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from secpkg.kit.decode.seen import Context
from secpkg.kit.decode.tree import Node, Span, Stop, contain, text, trailing

SEQUENCE: Final = 0x30
_CONTEXT: Final = 0xA0
CONSTRUCTED: Final = 0x20
_CLASSES: Final = ("UNIVERSAL", "APPLICATION", "", "PRIVATE")
_UNIVERSAL: Final = {
    0x01: "BOOLEAN",
    0x02: "INTEGER",
    0x03: "BIT STRING",
    0x04: "OCTET STRING",
    0x05: "NULL",
    0x06: "OBJECT IDENTIFIER",
    0x0A: "ENUMERATED",
    0x0C: "UTF8String",
    0x18: "GeneralizedTime",
    0x1B: "GeneralString",
    0x30: "SEQUENCE",
    0x31: "SET",
}
_MAX_NUMBER_OCTETS: Final = 8


class Tlv(NamedTuple):
    """An element: identifier octet, tag number, the window of its content, and what is odd in its head."""

    at: int
    identifier: int
    number: int
    content: Span
    notes: tuple[str, ...]
    missing: int

    @property
    def length(self) -> int:
        return self.content.end - self.at

    @property
    def label(self) -> str:
        return label(self.identifier, self.number)


Read = Callable[[Context, Node, Tlv], None]


class Kind(NamedTuple):
    """What is expected: an identifier octet (None: anything), and how to show the content."""

    identifier: int | None
    read: Read


def label(identifier: int, number: int) -> str:
    """How people write a tag."""
    if identifier in _UNIVERSAL:
        return _UNIVERSAL[identifier]
    return f"[{_CLASSES[identifier >> 6]} {number}]".replace("[ ", "[")


def element(span: Span) -> Tlv:
    """The next element. One that is longer than what is left is cut there (``missing`` bytes); `Stop` where there is no
    head to read.
    """
    at, notes = span.at, []
    identifier = span.take("a tag", 1)[0]
    number = identifier & 0x1F
    if number == 0x1F:
        number = 0
        for _ in range(4):
            octet = span.take("a tag of several octets", 1)[0]
            number = number << 7 | octet & 0x7F
            if not octet & 0x80:
                break
        else:
            raise Stop(at, "a tag of more than five octets")
    length = span.take("a length", 1)[0]
    if length == 0x80:
        raise Stop(at, "an indefinite length, which is not DER")
    if length > 0x80:
        size = length & 0x7F
        if size > _MAX_NUMBER_OCTETS:
            raise Stop(at, f"a length of {size} octets")
        raw = span.take("a length", size)
        length = int.from_bytes(raw, "big")
        if length < 0x80 or raw[0] == 0:
            notes.append("the length is not minimal, so this is BER and not DER")
    missing = max(0, length - span.left())
    cut = span.cut or missing > 0
    content = Span(span.data, span.at, span.at + length - missing, cut=cut)
    span.at = content.end
    # Of elements in each other that end behind the end of the token, the outermost one says so.
    return Tlv(at, identifier, number, content, tuple(notes), 0 if span.cut else missing)


def place(node: Node, tlv: Tlv) -> None:
    """Take over what an element says of itself."""
    for note in tlv.notes:
        node.note(note)
    if tlv.missing:
        node.fail(tlv.content.end, f"{tlv.label} is cut off: {tlv.missing} bytes are missing")


def show(context: Context, node: Node, tlv: Tlv, kind: Kind) -> None:
    """Show an element of which something is expected."""
    place(node, tlv)
    if kind.identifier is not None and kind.identifier != tlv.identifier:
        node.value = tlv.content.rest()
        raise Stop(tlv.at, f"{label(kind.identifier, kind.identifier & 0x1F)} is due here, and {tlv.label} stands here")
    kind.read(context, node, tlv)


def one(context: Context, node: Node, span: Span, kind: Kind) -> None:
    """Show the only element of a window, in `node` itself."""
    show(context, node, element(span), kind)
    trailing(node, span)


def dump(context: Context, node: Node, tlv: Tlv) -> None:
    """Show what has no name here by its tags."""
    if not tlv.identifier & CONSTRUCTED:
        node.value = tlv.content.rest()
        return
    while tlv.content.left():
        inner = element(tlv.content)
        child = node.add(inner.label, inner.at, inner.length)
        place(child, inner)
        with contain(child):
            dump(context, child, inner)


ANYTHING: Final = Kind(None, dump)


def sequence(fields: Mapping[int, tuple[str, Kind]], required: tuple[int, ...] = ()) -> Kind:
    """A SEQUENCE of explicitly tagged fields, by the number of their tag; `required` ones are missed."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        met: list[int] = []
        while tlv.content.left():
            outer = element(tlv.content)
            known = fields.get(outer.number) if outer.identifier >> 5 == _CONTEXT >> 5 else None
            child = node.add(known[0] if known else outer.label, outer.at, outer.length)
            place(child, outer)
            if known is None:
                child.note("no field of this structure has this tag")
                with contain(child):
                    dump(context, child, outer)
                continue
            if met and outer.number <= met[-1]:
                child.note("twice" if outer.number in met else "fields are out of order")
            met.append(outer.number)
            with contain(child):
                one(context, child, outer.content, known[1])
        for number in required:
            if number not in met and not tlv.content.cut:
                node.note(f"{fields[number][0]} is missing")

    return Kind(SEQUENCE, read)


def sequence_of(name: str, kind: Kind) -> Kind:
    """A SEQUENCE OF."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        while tlv.content.left():
            inner = element(tlv.content)
            child = node.add(name, inner.at, inner.length)
            with contain(child):
                show(context, child, inner, kind)

    return Kind(SEQUENCE, read)


def tagged(identifier: int, kind: Kind) -> Kind:
    """A kind inside an explicit tag, as an [APPLICATION n]."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        one(context, node, tlv.content, kind)

    return Kind(identifier, read)


def named(names: Mapping[int, str], identifier: int = 0x02, *, closed: bool = False) -> Kind:
    """An INTEGER (or ENUMERATED) whose values have names; one without a name is noted where the list is `closed`."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        raw = tlv.content.rest()
        if not raw:
            raise Stop(tlv.at, "an INTEGER without content")
        if len(raw) > 1 and raw[0] in (0, 0xFF) and (raw[0] ^ raw[1]) < 0x80:
            node.note("the INTEGER is not minimal")
        if len(raw) > _MAX_NUMBER_OCTETS + 1:
            node.value = raw
            return
        node.value = int.from_bytes(raw, "big", signed=True)
        node.meaning = names.get(node.value, "")
        if closed and not node.meaning:
            node.note("a number without a name")

    return Kind(identifier, read)


def nested(read_inside: Callable[[Context, Node, Span], None]) -> Kind:
    """An OCTET STRING that holds something to be read."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        if not tlv.content.left():
            node.value = b""
            return
        read_inside(context, node, tlv.content)

    return Kind(0x04, read)


def string(identifier: int, encoding: str) -> Kind:
    """A string type, as text."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        text(node, tlv.content.rest(), encoding)

    return Kind(identifier, read)


def flags(names: Mapping[int, str]) -> Kind:
    """A BIT STRING whose bits have names, counted from the first."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        raw = tlv.content.rest()
        if not raw:
            raise Stop(tlv.at, "a BIT STRING without content")
        node.value = raw[1:]
        bits = [n for n in range(min(64, 8 * (len(raw) - 1))) if raw[1 + n // 8] >> (7 - n % 8) & 1]
        node.meaning = ", ".join(names.get(n, f"bit {n}") for n in bits)

    return Kind(0x03, read)


def _octets(context: Context, node: Node, tlv: Tlv) -> None:
    node.value = tlv.content.rest()


def _time(context: Context, node: Node, tlv: Tlv) -> None:
    text(node, tlv.content.rest(), "ascii")
    try:
        node.meaning = datetime.strptime(str(node.value), "%Y%m%d%H%M%SZ").isoformat() + "Z"
    except ValueError:
        node.note("not a time of the form YYYYMMDDHHMMSSZ")


def oid_text(raw: bytes) -> str:
    """An object identifier in numbers and dots; `ValueError` where the octets are none."""
    if not raw or raw[-1] & 0x80 or len(raw) > 64:
        raise ValueError("not an object identifier")
    arcs, value = [], 0
    for octet in raw:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def oids(names: Mapping[str, str]) -> Kind:
    """An OBJECT IDENTIFIER, with its name where it has one."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        raw = tlv.content.rest()
        try:
            node.value = oid_text(raw)
        except ValueError:
            node.value = raw
            raise Stop(tlv.at, "not an object identifier") from None
        node.meaning = names.get(node.value, "")

    return Kind(0x06, read)


INTEGER: Final = named({})
OCTETS: Final = Kind(0x04, _octets)
TIME: Final = Kind(0x18, _time)
GENERAL_STRING: Final = string(0x1B, "utf-8")
"""GeneralString of Kerberos, which is UTF-8 in practice (RFC 4120 5.2.1)."""

__all__ = [
    "ANYTHING",
    "CONSTRUCTED",
    "GENERAL_STRING",
    "INTEGER",
    "OCTETS",
    "SEQUENCE",
    "TIME",
    "Kind",
    "Tlv",
    "dump",
    "element",
    "flags",
    "named",
    "nested",
    "oid_text",
    "oids",
    "one",
    "place",
    "sequence",
    "sequence_of",
    "show",
    "string",
    "tagged",
]
