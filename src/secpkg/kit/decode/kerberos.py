"""Kerberos (RFC 4120) for display: the messages, the envelopes of what is encrypted, and their frames.

Nothing is decrypted. A message stands alone (to and from a KDC by UDP), behind four bytes of length (by TCP), or in a
token of the GSS-API behind two bytes of TOK_ID (RFC 4121 4.1); the per-message tokens of RFC 4121 4.2.6 have no other
frame.
"""

from __future__ import annotations

from typing import Final

from secpkg.kit.decode import der
from secpkg.kit.decode.der import ANYTHING, GENERAL_STRING, INTEGER, OCTETS, TIME, Kind, sequence, sequence_of, tagged
from secpkg.kit.decode.kerberos_names import ADDRESSES, APPLICATION, CHECKSUMS, ENCRYPTION, ERRORS, NAME_TYPES, PA_TYPES
from secpkg.kit.decode.seen import Context
from secpkg.kit.decode.tree import Node, Span, Stop, trailing
from secpkg.protocols.ntlm.values import Role

_KDC_OPTIONS: Final = {
    1: "forwardable",
    2: "forwarded",
    3: "proxiable",
    4: "proxy",
    5: "allow-postdate",
    6: "postdated",
    8: "renewable",
    14: "request-anonymous",
    15: "canonicalize",
    16: "constrained-delegation",
    26: "disable-transited-check",
    27: "renewable-ok",
    28: "enc-tkt-in-skey",
    30: "renew",
    31: "validate",
}
_AP_OPTIONS: Final = {1: "use-session-key", 2: "mutual-required"}

_PRINCIPAL: Final = sequence(
    {0: ("name-type", der.named(NAME_TYPES)), 1: ("name-string", sequence_of("component", GENERAL_STRING))}, (0, 1)
)
_ENCRYPTED: Final = sequence({0: ("etype", der.named(ENCRYPTION)), 1: ("kvno", INTEGER), 2: ("cipher", OCTETS)}, (0, 2))
_CHECKSUM: Final = sequence({0: ("cksumtype", der.named(CHECKSUMS)), 1: ("checksum", OCTETS)}, (0, 1))
_ADDRESS: Final = sequence({0: ("addr-type", der.named(ADDRESSES)), 1: ("address", OCTETS)}, (0, 1))
_ADDRESSES: Final = sequence_of("HostAddress", _ADDRESS)
_PA_DATA: Final = sequence_of(
    "PA-DATA", sequence({1: ("padata-type", der.named(PA_TYPES)), 2: ("padata-value", OCTETS)}, (1, 2))
)
_TICKET: Final = tagged(
    0x61,
    sequence(
        {
            0: ("tkt-vno", INTEGER),
            1: ("realm", GENERAL_STRING),
            2: ("sname", _PRINCIPAL),
            3: ("enc-part", _ENCRYPTED),
        },
        (0, 1, 2, 3),
    ),
)
_TYPE: Final = der.named(APPLICATION)
_KDC_REQ_BODY: Final = sequence(
    {
        0: ("kdc-options", der.flags(_KDC_OPTIONS)),
        1: ("cname", _PRINCIPAL),
        2: ("realm", GENERAL_STRING),
        3: ("sname", _PRINCIPAL),
        4: ("from", TIME),
        5: ("till", TIME),
        6: ("rtime", TIME),
        7: ("nonce", INTEGER),
        8: ("etype", sequence_of("etype", der.named(ENCRYPTION))),
        9: ("addresses", _ADDRESSES),
        10: ("enc-authorization-data", _ENCRYPTED),
        11: ("additional-tickets", sequence_of("Ticket", _TICKET)),
    },
    (0, 2, 5, 7, 8),
)
_KDC_REQ: Final = sequence(
    {1: ("pvno", INTEGER), 2: ("msg-type", _TYPE), 3: ("padata", _PA_DATA), 4: ("req-body", _KDC_REQ_BODY)}, (1, 2, 4)
)
_KDC_REP: Final = sequence(
    {
        0: ("pvno", INTEGER),
        1: ("msg-type", _TYPE),
        2: ("padata", _PA_DATA),
        3: ("crealm", GENERAL_STRING),
        4: ("cname", _PRINCIPAL),
        5: ("ticket", _TICKET),
        6: ("enc-part", _ENCRYPTED),
    },
    (0, 1, 3, 4, 5, 6),
)
_AP_REQ: Final = sequence(
    {
        0: ("pvno", INTEGER),
        1: ("msg-type", _TYPE),
        2: ("ap-options", der.flags(_AP_OPTIONS)),
        3: ("ticket", _TICKET),
        4: ("authenticator", _ENCRYPTED),
    },
    (0, 1, 2, 3, 4),
)
_AP_REP: Final = sequence({0: ("pvno", INTEGER), 1: ("msg-type", _TYPE), 2: ("enc-part", _ENCRYPTED)}, (0, 1, 2))
_SAFE_BODY: Final = sequence(
    {
        0: ("user-data", OCTETS),
        1: ("timestamp", TIME),
        2: ("usec", INTEGER),
        3: ("seq-number", INTEGER),
        4: ("s-address", _ADDRESS),
        5: ("r-address", _ADDRESS),
    },
    (0, 4),
)
_SAFE: Final = sequence(
    {0: ("pvno", INTEGER), 1: ("msg-type", _TYPE), 2: ("safe-body", _SAFE_BODY), 3: ("cksum", _CHECKSUM)}, (0, 1, 2, 3)
)
_PRIV: Final = sequence({0: ("pvno", INTEGER), 1: ("msg-type", _TYPE), 3: ("enc-part", _ENCRYPTED)}, (0, 1, 3))
_CRED: Final = sequence(
    {
        0: ("pvno", INTEGER),
        1: ("msg-type", _TYPE),
        2: ("tickets", sequence_of("Ticket", _TICKET)),
        3: ("enc-part", _ENCRYPTED),
    },
    (0, 1, 2, 3),
)
_ERROR: Final = sequence(
    {
        0: ("pvno", INTEGER),
        1: ("msg-type", _TYPE),
        2: ("ctime", TIME),
        3: ("cusec", INTEGER),
        4: ("stime", TIME),
        5: ("susec", INTEGER),
        6: ("error-code", der.named(ERRORS, closed=True)),
        7: ("crealm", GENERAL_STRING),
        8: ("cname", _PRINCIPAL),
        9: ("realm", GENERAL_STRING),
        10: ("sname", _PRINCIPAL),
        11: ("e-text", GENERAL_STRING),
        12: ("e-data", OCTETS),
    },
    (0, 1, 4, 5, 6, 9, 10),
)
_MESSAGES: Final = {
    1: _TICKET.read,
    10: tagged(0x6A, _KDC_REQ).read,
    11: tagged(0x6B, _KDC_REP).read,
    12: tagged(0x6C, _KDC_REQ).read,
    13: tagged(0x6D, _KDC_REP).read,
    14: tagged(0x6E, _AP_REQ).read,
    15: tagged(0x6F, _AP_REP).read,
    20: tagged(0x74, _SAFE).read,
    21: tagged(0x75, _PRIV).read,
    22: tagged(0x76, _CRED).read,
    30: tagged(0x7E, _ERROR).read,
}
_INITIATORS: Final = frozenset({10, 12, 14})
_TOKENS: Final = {
    b"\x01\x00": "KRB_AP_REQ",
    b"\x02\x00": "KRB_AP_REP",
    b"\x03\x00": "KRB_ERROR",
    b"\x04\x00": "KERB_TGT_REQUEST",
    b"\x04\x01": "KERB_TGT_REPLY",
    b"\x05\x01": "IAKERB_PROXY",
}
_MIC_TOKEN: Final = b"\x04\x04"
_WRAP_TOKEN: Final = b"\x05\x04"
_WRAP_FLAGS: Final = {1: "SentByAcceptor", 2: "Sealed", 4: "AcceptorSubkey"}
_TAGS: Final = frozenset(0x60 | number for number in _MESSAGES)


def recognise(data: bytes) -> bool:
    """Whether this begins as a message of Kerberos: its tag, a SEQUENCE inside; also behind a length of four bytes."""
    if len(data) > 8 and int.from_bytes(data[:4], "big") == len(data) - 4:
        data = data[4:]
    if len(data) < 2 or data[0] not in _TAGS:
        return False
    size = data[1] & 0x7F if data[1] & 0x80 else 0
    inner = data[2 + size : 3 + size]
    return size <= 4 and inner in (b"", b"\x30")


def recognise_protected(data: bytes) -> bool:
    """Whether this is a per-message token of RFC 4121 4.2.6."""
    return data[:2] in (_MIC_TOKEN, _WRAP_TOKEN) and len(data) >= 16 and data[3] == 0xFF


def read(context: Context, node: Node, span: Span) -> None:
    """Show a message; `span` holds nothing else."""
    if span.left() > 4 and span.data[span.at] not in _TAGS:
        span.number(node, "length", 4, order="big")
    message = der.element(span)
    name = APPLICATION.get(message.number, "")
    inner = _MESSAGES.get(message.number) if message.identifier in _TAGS else None
    if inner is None:
        raise Stop(message.at, f"no message of Kerberos has the tag {message.label}")
    node.name = name
    if context.sender is None and message.number in _INITIATORS:
        context.sender = Role.INITIATOR
    der.show(context, node, message, Kind(message.identifier, inner))
    trailing(node, span)


def read_framed(context: Context, node: Node, span: Span) -> None:
    """Show what stands behind the mechanism of a framed token: TOK_ID, and a message."""
    at = span.at
    identifier = span.take("TOK_ID", 2)
    name = _TOKENS.get(identifier, "")
    token = node.add("TOK_ID", at, 2, identifier, name)
    if identifier in (_MIC_TOKEN, _WRAP_TOKEN):
        span.at = at
        node.children.pop()
        read_protected(context, node, span)
    elif not name:
        token.note("no TOK_ID that is known")
        trailing(node, span, "token")
    elif name.startswith("KRB_"):
        read(context, node.add("message", span.at, span.left()), span)
    else:
        inner = der.element(span)
        part = node.add("message", inner.at, inner.length)
        der.show(context, part, inner, ANYTHING)
        trailing(node, span)


def read_protected(context: Context, node: Node, span: Span) -> None:
    """RFC 4121 4.2.6: MIC and Wrap tokens. Big-endian, unlike what surrounds them on Windows."""
    identifier = span.take("TOK_ID", 2)
    wrapped = identifier == _WRAP_TOKEN
    node.name = "Wrap token" if wrapped else "MIC token"
    node.add("TOK_ID", span.at - 2, 2, identifier)
    flags = span.number(node, "Flags", 1)
    node.children[-1].meaning = ", ".join(name for bit, name in _WRAP_FLAGS.items() if flags & bit)
    if context.sender is None:
        context.sender = Role.ACCEPTOR if flags & 1 else Role.INITIATOR
    filler = span.octets(node, "Filler", 1 if wrapped else 5)
    if filler.value != b"\xff" * filler.length:
        filler.note("the filler is FF")
    if wrapped:
        span.number(node, "EC", 2, order="big")
        span.number(node, "RRC", 2, order="big")
    span.number(node, "SND_SEQ", 8, order="big")
    span.octets(node, "sealed data" if wrapped and flags & 2 else "data and checksum", span.left())


__all__ = ["read", "read_framed", "read_protected", "recognise", "recognise_protected"]
