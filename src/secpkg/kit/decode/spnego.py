"""SPNEGO (RFC 4178, MS-SPNG) for display, and the frame of RFC 2743 3.1 that a first token of any mechanism has.

NegTokenInit and NegTokenInit2 have one tag and differ in their field [3]: an OCTET STRING is the mechListMIC of the
first, a SEQUENCE the negHints of the second, whose mechListMIC is [4].
"""

from __future__ import annotations

from typing import Final

from secpkg.kit.decode import der, kerberos, ntlm_signature
from secpkg.kit.decode.der import ANYTHING, OCTETS, Kind, Tlv, sequence
from secpkg.kit.decode.mechanisms import KERBEROS, MECHANISMS, SPNEGO
from secpkg.kit.decode.seen import Context, Protected
from secpkg.kit.decode.tree import Node, Span, trailing
from secpkg.protocols.ntlm.values import Role

_STATES: Final = {0: "accept-completed", 1: "accept-incomplete", 2: "reject", 3: "request-mic"}
_REQUEST: Final = dict(enumerate(("deleg", "mutual", "replay", "sequence", "anon", "conf", "integ")))
_OID: Final = der.oids(MECHANISMS)
_FRAME: Final = b"\x60"
_SPNEGO_OID: Final = bytes.fromhex("06062b0601050502")
_INIT: Final = 0xA0
_RESPONSE: Final = 0xA1


def recognise(data: bytes) -> bool:
    """Whether this begins as a NegotiationToken, in a frame that says so or without one."""
    if data[:1] in (b"\xa0", b"\xa1"):
        return data[1:2] >= b"\x02"
    return recognise_framed(data) and _SPNEGO_OID in data[:16]


def recognise_framed(data: bytes) -> bool:
    """Whether this begins as a framed token of the GSS-API (RFC 2743 3.1): the frame, and an object identifier."""
    if data[:1] != b"\x60" or len(data) < 2:
        return False
    size = data[1] & 0x7F if data[1] & 0x80 else 0
    return size <= 4 and data[2 + size : 3 + size] in (b"", b"\x06")


def _inner(context: Context, node: Node, span: Span) -> None:
    from secpkg.kit.decode.formats import nested

    nested(context, node, span)


def _mech_types(context: Context, node: Node, tlv: Tlv) -> None:
    context.mech_types = tlv.content.data[tlv.at : tlv.content.end]
    _MECH_TYPE_LIST.read(context, node, tlv)
    if not node.children:
        node.note("no mechanism is offered")


def _mech_list_mic(context: Context, node: Node, tlv: Tlv) -> None:
    span = tlv.content
    start, end = span.at, span.end
    if not ntlm_signature.begins(span):
        node.value = span.rest()
        return
    ntlm_signature.signature(context, node, span)
    trailing(node, span)
    covers = b"" if context.mech_types is None else context.mech_types
    context.events.append(
        Protected("mechListMIC", span.data, start, end, node, context.sender, context.token, covers=covers)
    )


def _third(context: Context, node: Node, tlv: Tlv) -> None:
    if tlv.identifier == der.SEQUENCE:
        node.name = "negHints"
        der.show(context, node, tlv, _HINTS)
    else:
        der.show(context, node, tlv, _MIC)


_MECH_TYPE_LIST: Final = der.sequence_of("MechType", _OID)
_MIC: Final = Kind(0x04, _mech_list_mic)
_HINTS: Final = sequence({0: ("hintName", der.GENERAL_STRING), 1: ("hintAddress", OCTETS)})
_NEG_TOKEN_INIT: Final = sequence(
    {
        0: ("mechTypes", Kind(der.SEQUENCE, _mech_types)),
        1: ("reqFlags", der.flags(_REQUEST)),
        2: ("mechToken", der.nested(_inner)),
        3: ("mechListMIC", Kind(None, _third)),
        4: ("mechListMIC", _MIC),
    },
    (0,),
)
_NEG_TOKEN_RESP: Final = sequence(
    {
        0: ("negState", der.named(_STATES, 0x0A, closed=True)),
        1: ("supportedMech", _OID),
        2: ("responseToken", der.nested(_inner)),
        3: ("mechListMIC", _MIC),
    }
)


def read(context: Context, node: Node, span: Span) -> None:
    """Show a framed token, or a NegotiationToken without a frame."""
    if span.peek(1) == _FRAME:
        _framed(context, node, span)
        return
    _negotiation(context, node, span)


def _framed(context: Context, node: Node, span: Span) -> None:
    node.name = "InitialContextToken"
    outer = der.element(span)
    der.place(node, outer)
    inner = outer.content
    mechanism = der.element(inner)
    this = node.add("thisMech", mechanism.at, mechanism.length)
    der.show(context, this, mechanism, _OID)
    if not inner.left():
        node.note("there is nothing behind the mechanism")
    elif this.value == SPNEGO:
        _negotiation(context, node.add("innerContextToken", inner.at, inner.left()), inner)
    elif this.value in KERBEROS:
        kerberos.read_framed(context, node.add("innerContextToken", inner.at, inner.left()), inner)
    else:
        _inner(context, node.add("innerContextToken", inner.at, inner.left()), inner)
    trailing(node, span)


def _negotiation(context: Context, node: Node, span: Span) -> None:
    token = der.element(span)
    der.place(node, token)
    sender: Role | None = None
    if token.identifier == _INIT:
        node.name, kind = "NegTokenInit", _NEG_TOKEN_INIT
    elif token.identifier == _RESPONSE:
        node.name, kind = "NegTokenResp", _NEG_TOKEN_RESP
    else:
        node.note("neither NegTokenInit nor NegTokenResp")
        kind = ANYTHING
    der.one(context, node, token.content, kind)
    if node.name == "NegTokenInit":
        hinted = any(child.name == "negHints" for child in node.children)
        sender = Role.ACCEPTOR if hinted else Role.INITIATOR
        if hinted:
            node.name = "NegTokenInit2"
    if context.sender is None:
        context.sender = sender
    trailing(node, span)
    tokens = {child.name: child for child in node.children}
    mic, response = tokens.get("mechListMIC"), tokens.get("responseToken")
    if mic is not None and response is not None and _raw(span, mic) == _raw(span, response):
        mic.note("a copy of the responseToken, as Windows 2000 sends it, and no MIC")


def _raw(span: Span, node: Node) -> bytes:
    """The content of a field's inner element: both have a tag of one octet and the same lengths before it."""
    return span.data[node.offset + 1 : node.offset + node.length]


__all__ = ["read", "recognise", "recognise_framed"]
