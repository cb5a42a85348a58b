"""NTLM's three messages (MS-NLMP 2.2.1) for display.

`protocols.ntlm` reads the same messages to decide, and refuses most of what is interesting here. This reader has the
layout as tables of its own, because it must give each field its place and go on behind a bad one; numbers, names and
sizes are those of `protocols.ntlm`. Fields of the payload are shown in the order in which they stand.
"""

from __future__ import annotations

import struct
from typing import Final

from secpkg.kit.decode.ntlm_values import (
    FlagsMet,
    av_pairs,
    code_page,
    lm_response,
    negotiate_flags,
    nt_response,
    version,
)
from secpkg.kit.decode.seen import Context, NtlmMessage
from secpkg.kit.decode.tree import Node, Span, Stop, contain, text
from secpkg.protocols.ntlm.authenticate import MIC_SIZE, SESSION_KEY_SIZE
from secpkg.protocols.ntlm.challenge import CHALLENGE_SIZE
from secpkg.protocols.ntlm.flags import (
    KEY_EXCH,
    OEM_DOMAIN_SUPPLIED,
    OEM_WORKSTATION_SUPPLIED,
    PROTECTION,
    TARGET_INFO,
    VERSION,
)
from secpkg.protocols.ntlm.messages import MAX_MESSAGE, SIGNATURE
from secpkg.protocols.ntlm.transitions import Message
from secpkg.protocols.ntlm.values import Role

_TYPES: Final = {1: Message.NEGOTIATE, 2: Message.CHALLENGE, 3: Message.AUTHENTICATE}
_SENDERS: Final = {
    Message.NEGOTIATE: Role.INITIATOR,
    Message.CHALLENGE: Role.ACCEPTOR,
    Message.AUTHENTICATE: Role.INITIATOR,
}
_VERSION_SIZE: Final = 8
_FIELDS: Final = struct.Struct("<HHI")


class _Place:
    """A payload field as its header announces it: offsets are of the message."""

    __slots__ = ("header", "length", "name", "offset")

    def __init__(self, header: Node, name: str, length: int, offset: int) -> None:
        self.header, self.name, self.length, self.offset = header, name, length, offset


def recognise(data: bytes) -> bool:
    """Whether this begins as an NTLM message does, or as far as it goes."""
    return len(data) > 0 and SIGNATURE.startswith(data[: len(SIGNATURE)]) and len(data) >= 4


def read(context: Context, node: Node, span: Span) -> None:
    """Show an NTLM message, which fills `span`."""
    start = span.at
    # One byte more than a message may have shows that it is longer, to whoever parses it.
    raw = span.peek(MAX_MESSAGE + 1)
    span.octets(node, "Signature", len(SIGNATURE)).value = SIGNATURE.decode()
    number = span.number(node, "MessageType", 4)
    kind = _TYPES.get(number)
    if kind is None:
        raise Stop(span.at - 4, f"MessageType is 1, 2 or 3, and not {number}")
    node.children[-1].meaning = node.name = kind.value
    if len(raw) > MAX_MESSAGE:
        node.note(f"longer than {MAX_MESSAGE} bytes, which secpkg accepts")
    if context.sender is None:
        context.sender = _SENDERS[kind]
    elif context.sender is not _SENDERS[kind]:
        node.note(f"this message is the {_SENDERS[kind].value}'s, and came from the {context.sender.value}")
    flags_node: Node | None = None
    try:
        flags_node = _READERS[kind](node, span, start)
    finally:
        if flags_node is None:
            flags_node = next((child for child in node.children if child.name == "NegotiateFlags"), None)
        context.events.append(NtlmMessage(kind, raw, node, flags_node, context.token))


def _negotiate(node: Node, span: Span, start: int) -> Node:
    flags, flags_node = negotiate_flags(node, span)
    domain = _field(node, span, "DomainName")
    workstation = _field(node, span, "Workstation")
    for place, flag in ((domain, OEM_DOMAIN_SUPPLIED), (workstation, OEM_WORKSTATION_SUPPLIED)):
        if place.length and not flags & flag:
            place.header.note("no flag announces it, so it is ignored")
    _optional_version(node, span, start, (domain, workstation), flags)
    _payload(node, span, start, (domain, workstation), FlagsMet(flags, oem=True))
    return flags_node


def _challenge(node: Node, span: Span, start: int) -> Node:
    target = _field(node, span, "TargetName")
    flags, flags_node = negotiate_flags(node, span)
    nonce = span.octets(node, "ServerChallenge", CHALLENGE_SIZE)
    if not any(nonce.value if isinstance(nonce.value, bytes) else b""):
        nonce.note("all zero: not a nonce")
    span.zeros(node, "Reserved", 8)
    places = [target]
    if span.left() >= 8:
        places.append(_field(node, span, "TargetInfo"))
    else:
        node.note("the oldest form: without TargetInfoFields")
    _optional_version(node, span, start, places, flags)
    if len(places) > 1 and places[1].length and not flags & TARGET_INFO:
        places[1].header.note("no flag announces it, so it is ignored")
    if len(places) == 1 or not places[1].length:
        node.note("no TargetInfo: no time of the acceptor, and so no MIC of the initiator")
    _payload(node, span, start, places, FlagsMet(flags))
    return flags_node


def _authenticate(node: Node, span: Span, start: int) -> Node | None:
    names = ("LmChallengeResponse", "NtChallengeResponse", "DomainName", "UserName", "Workstation")
    places = [_field(node, span, name) for name in names]
    flags, flags_node = 0, None
    if _first_payload(places, 52, span.end - start) > 52:
        places.append(_field(node, span, "EncryptedRandomSessionKey"))
        flags, flags_node = negotiate_flags(node, span)
    else:
        node.note("the oldest form: without session key and flags")
    met = FlagsMet(flags)
    fixed = span.at - start
    optional = _first_payload(places, fixed, span.end - start) - fixed
    if optional >= _VERSION_SIZE and optional != MIC_SIZE:
        version(node, span, announced=bool(flags & VERSION))
    if optional >= MIC_SIZE:
        met.mic = span.octets(node, "MIC", MIC_SIZE)
        if met.mic.value == bytes(MIC_SIZE):
            met.mic.note("all zero")
    _payload(node, span, start, places, met)
    key = places[5] if len(places) > 5 else None
    if key is not None and flags & KEY_EXCH and flags & PROTECTION and key.length != SESSION_KEY_SIZE:
        key.header.note("KEY_EXCH with SIGN or SEAL takes a key of 16 bytes")
    if key is not None and key.length and not flags & KEY_EXCH:
        key.header.note("a session key without KEY_EXCH")
    if not places[1].length:
        anonymous = not places[3].length and places[0].length <= 1
        node.note("anonymous: no user and no response" if anonymous else "no NT response")
    return flags_node


_READERS: Final = {Message.NEGOTIATE: _negotiate, Message.CHALLENGE: _challenge, Message.AUTHENTICATE: _authenticate}


def _field(node: Node, span: Span, name: str) -> _Place:
    """Length, maximum length and offset of a payload field, as one field."""
    at = span.at
    length, maximum, offset = _FIELDS.unpack(span.take(f"{name}Fields", _FIELDS.size))
    header = node.add(f"{name}Fields", at, _FIELDS.size, None, f"length {length}, maximum {maximum}, offset {offset}")
    if maximum != length:
        header.note("the maximum length differs from the length, and is ignored")
    return _Place(header, name, length, offset)


def _first_payload(places: list[_Place] | tuple[_Place, ...], fixed: int, total: int) -> int:
    """Where the payload begins: what stands before it is optional header."""
    return min((place.offset for place in places if place.length and place.offset >= fixed), default=total)


def _optional_version(
    node: Node, span: Span, start: int, places: list[_Place] | tuple[_Place, ...], flags: int
) -> None:
    """The version, where there is room for one before the payload. Without a payload, less is a piece of one."""
    fixed, total = span.at - start, span.end - start
    first = _first_payload(places, fixed, total)
    if first >= fixed + _VERSION_SIZE or fixed < first == total:
        version(node, span, announced=bool(flags & VERSION))


def _payload(node: Node, span: Span, start: int, places: list[_Place] | tuple[_Place, ...], met: FlagsMet) -> None:
    """The fields behind the fixed part, in the order in which they stand, and the bytes that no field claims."""
    header_end = span.at - start
    total = span.end - start
    reached = header_end
    for place in sorted((one for one in places if one.length), key=lambda one: one.offset):
        end = place.offset + place.length
        if end > total:
            inside = max(0, total - place.offset)
            place.header.fail(
                min(span.end, start + place.offset), f"{place.name} ends {end - total} bytes behind the message"
            )
            if not inside:
                continue
            end = total
        if place.offset < reached:
            what = "the header" if place.offset < header_end else "another field"
            place.header.note(f"the payload field overlaps {what}")
        elif place.offset > reached:
            node.add("unclaimed bytes", start + reached, place.offset - reached).note("no field claims these bytes")
        reached = max(reached, end)
        part = node.add(place.name, start + place.offset, end - place.offset)
        window = Span(span.data, start + place.offset, start + end, cut=end - place.offset < place.length)
        with contain(part):
            _value(part, window, place, met)
    if reached < total:
        node.add("trailing bytes", start + reached, total - reached, span.data[start + reached : span.end]).note(
            "trailing bytes: no field claims them"
        )
    span.at = span.end


def _value(part: Node, window: Span, place: _Place, met: FlagsMet) -> None:
    if part.name == "TargetInfo":
        av_pairs(part, window, met, acceptor=True)
    elif part.name == "NtChallengeResponse":
        nt_response(part, window, met)
    elif part.name == "LmChallengeResponse":
        lm_response(part, window, met)
    elif part.name == "EncryptedRandomSessionKey":
        part.value = window.rest()
    else:
        encoding = code_page(met.flags, oem=met.oem)
        if encoding == "utf-16-le" and (window.left() | place.offset) & 1:
            part.note("Unicode text at an odd offset, or of an odd length")
        text(part, window.rest(), encoding)


__all__ = ["read", "recognise"]
