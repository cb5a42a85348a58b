"""TLS records (RFC 8446, RFC 5246) for display: record by record, with the handshake messages that lie in one of them.

A token may hold many records. What comes behind a ChangeCipherSpec is encrypted and shown as bytes; in TLS 1.3 what is
encrypted calls itself application_data. A handshake message that goes on in the next record is said to, and not put
together: its offsets would be those of nothing that passed.
"""

from __future__ import annotations

from typing import Final

from secpkg.kit.decode.seen import Context
from secpkg.kit.decode.tls_hello import client_hello, server_hello
from secpkg.kit.decode.tls_names import ALERTS, CONTENT, HANDSHAKE, LEVELS, VERSIONS
from secpkg.kit.decode.tree import Node, Span, Stop, contain, trailing

_HEADER: Final = 5
_LONGEST: Final = 0x4000 + 2048
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION = 20, 21, 22, 23
_CERTIFICATE: Final = 11


def recognise(data: bytes) -> bool:
    """Whether this begins as a record: its type, and a version 3.x, as far as it goes."""
    return len(data) >= 2 and data[0] in CONTENT and data[1] == 3 and data[2:3] <= b"\x04"


def read(context: Context, node: Node, span: Span) -> None:
    """Show the records of a token."""
    encrypted = False
    while span.left():
        if not recognise(span.peek(3)) and span.left() >= 3:
            trailing(node, span)
            return
        record = node.add("TLSRecord", span.at, span.left())
        kind = _record(record, span, encrypted=encrypted)
        encrypted = encrypted or kind == _CHANGE_CIPHER_SPEC


def _record(node: Node, span: Span, *, encrypted: bool) -> int:
    start = span.at
    kind = span.number(node, "type", 1, CONTENT)
    span.number(node, "legacy_record_version", 2, VERSIONS, "big")
    length = span.number(node, "length", 2, order="big")
    if length > _LONGEST:
        node.note("longer than a record may be")
    missing = length - span.left()
    if missing > 0:
        node.fail(span.end, f"the record is cut off: {missing} bytes are missing")
    fragment = Span(span.data, span.at, min(span.end, span.at + length), cut=missing > 0)
    span.at = fragment.end
    node.length = span.at - start
    node.meaning = CONTENT[kind]
    with contain(node):
        if kind == _APPLICATION or encrypted:
            fragment.octets(node, "encrypted", fragment.left())
        elif kind == _ALERT:
            _alert(node, fragment)
        elif kind == _HANDSHAKE:
            _handshake(node, fragment)
        else:
            fragment.octets(node, "fragment", fragment.left())
    return kind


def _alert(node: Node, span: Span) -> None:
    if span.left() != 2:
        span.octets(node, "encrypted", span.left()).note("an alert in clear is 2 bytes")
        return
    span.number(node, "level", 1, LEVELS)
    span.number(node, "description", 1, ALERTS)


def _handshake(node: Node, span: Span) -> None:
    while span.left():
        message = node.add("Handshake", span.at, span.left())
        with contain(message):
            kind = span.number(message, "msg_type", 1, HANDSHAKE)
            if kind not in HANDSHAKE:
                message.note("no handshake message: encrypted, or the rest of a message of the record before")
                span.octets(message, "fragment", span.left())
                return
            message.name = HANDSHAKE[kind]
            length = span.number(message, "length", 3, order="big")
            body = Span(span.data, span.at, min(span.end, span.at + length), cut=length > span.left() or span.cut)
            if length > span.left() and not span.cut:
                message.note("goes on in the next record")
            span.at = body.end
            message.length = span.at - message.offset
            _body(message, kind, body)
        if message.fault is not None and message.length == 0:
            return


def _body(node: Node, kind: int, body: Span) -> None:
    if kind == 1:
        client_hello(node, body)
    elif kind == 2:
        server_hello(node, body)
    elif kind == _CERTIFICATE:
        _certificates(node, body)
        return
    elif body.left():
        body.octets(node, "body", body.left())
    trailing(node, body)


def _certificates(node: Node, body: Span) -> None:
    """The certificates of TLS 1.2 by their sizes; TLS 1.3 encrypts them, so they are never seen in clear."""
    total = body.number(node, "certificate_list length", 3, order="big")
    if total > body.left() and not body.cut:
        raise Stop(body.at, f"the list is {total} bytes, and {body.left()} are left")
    while body.left():
        size = int.from_bytes(body.take("length of a certificate", 3), "big")
        if body.cut:
            size = min(size, body.left())
        body.octets(node, "certificate", size)


__all__ = ["read", "recognise"]
