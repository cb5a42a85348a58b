"""NegoEx (MS-NEGOEX 2.2) for display: one token holds any number of messages behind each other.

Each message has a header of fixed form and, behind it, arrays that the header points at; offsets are from the
beginning of the message. Mechanisms inside are named by GUID and not by OID; what they exchange is read as any other
nested token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from secpkg.kit.decode.seen import Context
from secpkg.kit.decode.tree import Node, Span, Stop, contain, trailing
from secpkg.protocols.ntlm.values import Role

SIGNATURE: Final = b"NEGOEXTS"
_TYPES: Final = {
    0: "INITIATOR_NEGO",
    1: "ACCEPTOR_NEGO",
    2: "INITIATOR_META_DATA",
    3: "ACCEPTOR_META_DATA",
    4: "CHALLENGE",
    5: "AP_REQUEST",
    6: "VERIFY",
    7: "ALERT",
}
_SENDERS: Final = {
    0: Role.INITIATOR,
    1: Role.ACCEPTOR,
    2: Role.INITIATOR,
    3: Role.ACCEPTOR,
    4: Role.ACCEPTOR,
    5: Role.INITIATOR,
}
_HEADER: Final = 40
_GUID: Final = 16
_CRITICAL: Final = 0x80000000
_SCHEMES: Final = {"235f69ad-73fb-4dbc-8203-0629e739339b": "PKU2U"}
_CHECKSUM_SCHEMES: Final = {1: "RFC 3961"}
_ALERTS: Final = {1: "ALERT_TYPE_PULSE"}
_REASONS: Final = {1: "ALERT_VERIFY_NO_KEY"}


def recognise(data: bytes) -> bool:
    """Whether this begins as a message of NegoEx, or as far as it goes."""
    return len(data) >= 4 and SIGNATURE.startswith(data[: len(SIGNATURE)])


def read(context: Context, node: Node, span: Span) -> None:
    """Show the messages of a token."""
    while span.left():
        if not SIGNATURE.startswith(span.peek(len(SIGNATURE))):
            trailing(node, span)
            return
        message = node.add("MESSAGE", span.at, span.left())
        _message(context, message, span)


def _message(context: Context, node: Node, span: Span) -> None:
    start = span.at
    signature = span.octets(node, "Signature", len(SIGNATURE))
    signature.value = SIGNATURE.decode()
    kind = span.number(node, "MessageType", 4, _TYPES)
    node.name = _TYPES.get(kind, node.name)
    span.number(node, "SequenceNum", 4)
    header = span.number(node, "cbHeaderLength", 4)
    total = span.number(node, "cbMessageLength", 4)
    _guid(node, span, "ConversationId")
    if total < _HEADER:
        raise Stop(start + 20, f"cbMessageLength is {total}, and the header alone is {_HEADER} bytes")
    missing = start + total - span.end
    if missing > 0:
        node.fail(span.end, f"the message is cut off: {missing} bytes are missing")
    window = Span(span.data, span.at, min(span.end, start + total), cut=missing > 0)
    node.length = window.end - start
    span.at = window.end
    if context.sender is None:
        context.sender = _SENDERS.get(kind)
    reader = _READERS.get(kind)
    with contain(node):
        if reader is None:
            trailing(node, window)
            return
        reader(context, node, window, start)
        fixed = window.at - start
        if not fixed <= header <= total:
            node.note(f"cbHeaderLength is {header}, and the fixed fields end at {fixed}")


def _nego(context: Context, node: Node, span: Span, start: int) -> None:
    span.octets(node, "Random", 32)
    if span.number(node, "ProtocolVersion", 8):
        node.children[-1].note("the only version is 0")
    schemes = _vector(node, span, "AuthSchemes")
    extensions = _vector(node, span, "Extensions")
    for window in _elements(node, span, start, schemes, _GUID):
        _guid(node, window, "AuthScheme")
    if not schemes[2]:
        node.note("no mechanism is offered")
    for window in _elements(node, span, start, extensions, 12):
        part = window.part(node, "EXTENSION", 12)
        number = window.number(part, "ExtensionType", 4)
        if number & _CRITICAL:
            part.note("critical: who does not know it must fail")
        _bytes(context, part, window, "ExtensionValue", start, span.end, None)


def _exchange(context: Context, node: Node, span: Span, start: int) -> None:
    from secpkg.kit.decode.formats import nested

    _guid(node, span, "AuthScheme")
    _bytes(context, node, span, "Exchange", start, span.end, nested)


def _verify(context: Context, node: Node, span: Span, start: int) -> None:
    _guid(node, span, "AuthScheme")
    checksum = span.part(node, "Checksum", 20)
    with contain(checksum):
        if span.number(checksum, "cbHeaderLength", 4) != 20:
            checksum.children[-1].note("a CHECKSUM is 20 bytes")
        span.number(checksum, "ChecksumScheme", 4, _CHECKSUM_SCHEMES)
        span.number(checksum, "ChecksumType", 4)
        _bytes(context, checksum, span, "ChecksumValue", start, span.end, None)


def _alert(context: Context, node: Node, span: Span, start: int) -> None:
    _guid(node, span, "AuthScheme")
    code = span.number(node, "ErrorCode", 4)
    node.children[-1].meaning = f"0x{code:08X}"
    for window in _elements(node, span, start, _vector(node, span, "Alerts"), 12):
        part = window.part(node, "ALERT", 12)
        pulse = window.number(part, "AlertType", 4, _ALERTS) == 1
        _bytes(context, part, window, "AlertValue", start, span.end, _pulse if pulse else None)


def _pulse(context: Context, node: Node, span: Span) -> None:
    if span.number(node, "cbHeaderLength", 4) != 8:
        node.children[-1].note("an ALERT_PULSE is 8 bytes")
    span.number(node, "Reason", 4, _REASONS)
    trailing(node, span)


_READERS: Final = {0: _nego, 1: _nego, 2: _exchange, 3: _exchange, 4: _exchange, 5: _exchange, 6: _verify, 7: _alert}


def _guid(node: Node, span: Span, name: str) -> None:
    at = span.at
    value = str(UUID(bytes_le=span.take(name, _GUID)))
    node.add(name, at, _GUID, value, _SCHEMES.get(value, ""))


def _vector(node: Node, span: Span, name: str) -> tuple[Node, int, int]:
    """A vector's header (offset, count, two bytes of padding): the node, the offset and the count."""
    part = span.part(node, name, 8)
    with contain(part):
        offset = span.number(part, "ArrayOffset", 4)
        count = span.number(part, "Count", 2)
        span.zeros(part, "padding", min(2, span.left()))
        return part, offset, count
    raise Stop(span.at, f"{name} is cut off")


def _elements(node: Node, span: Span, start: int, vector: tuple[Node, int, int], size: int) -> list[Span]:
    """The elements that a vector points at, as far as they are there."""
    part, offset, count = vector
    there = max(0, span.end - start - offset) // size
    if count > there:
        part.fail(min(span.end, start + offset), f"{count} elements of {size} bytes are due, {there} are there")
    if count and offset < span.at - start:
        part.note("the array overlaps the header")
    at = start + offset
    starts = range(at, min(at + count * size, span.end), size)
    return [Span(span.data, one, min(one + size, span.end), cut=one + size > span.end) for one in starts]


def _bytes(
    context: Context,
    node: Node,
    span: Span,
    name: str,
    start: int,
    end: int,
    inside: Callable[[Context, Node, Span], None] | None,
) -> None:
    """A BYTE_VECTOR and the bytes that it points at, between the message's `start` and `end`."""
    vector = span.part(node, f"{name} vector", 8)
    with contain(vector):
        offset = span.number(vector, "ByteArrayOffset", 4)
        length = span.number(vector, "ByteArrayLength", 4)
        at, stop = min(start + offset, end), min(start + offset + length, end)
        if start + offset + length > end:
            vector.fail(at, f"{name} ends {start + offset + length - end} bytes behind the message")
        if length and offset < _HEADER:
            vector.note("the bytes overlap the header")
        part = node.add(name, at, stop - at)
        if inside is None or stop == at:
            part.value = span.data[at:stop]
            return
        with contain(part):
            inside(context, part, Span(span.data, at, stop, cut=stop - at < length))


__all__ = ["read", "recognise"]
