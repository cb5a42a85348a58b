"""What NTLM's messages are made of (MS-NLMP 2.2.2), for display: flags, version, AV pairs, responses."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Final

from secpkg.kit.decode.tree import Node, Span, Stop, contain, text, trailing
from secpkg.protocols.ntlm.authenticate import MIC_SIZE
from secpkg.protocols.ntlm.av_pairs import HASH_SIZE, MACHINE_ID_SIZE, MAX_PAIRS
from secpkg.protocols.ntlm.bindings import NO_BINDINGS
from secpkg.protocols.ntlm.flags import (
    AV_FLAG_MIC,
    AV_FLAG_UNTRUSTED_TARGET,
    EXTENDED_SESSIONSECURITY,
    LM_KEY,
    OEM,
    UNICODE,
    AvFlag,
    AvId,
    NegotiateFlag,
)
from secpkg.protocols.ntlm.legacy import RESPONSE_SIZE
from secpkg.protocols.ntlm.messages import OEM_CODE_PAGE
from secpkg.protocols.ntlm.responses import NONCE_SIZE, PROOF_SIZE

_REVISION: Final = 15
_VERSION: Final = struct.Struct("<BBH3sB")
_TEXTS: Final = frozenset(
    {
        AvId.NB_COMPUTER_NAME,
        AvId.NB_DOMAIN_NAME,
        AvId.DNS_COMPUTER_NAME,
        AvId.DNS_DOMAIN_NAME,
        AvId.DNS_TREE_NAME,
        AvId.TARGET_NAME,
    }
)
_INITIATORS: Final = frozenset({AvId.FLAGS, AvId.SINGLE_HOST, AvId.TARGET_NAME, AvId.CHANNEL_BINDINGS})
_SIZES: Final = {AvId.FLAGS: 4, AvId.TIMESTAMP: 8, AvId.CHANNEL_BINDINGS: HASH_SIZE}
_AV_NAMES: Final = {int(one): one.native for one in AvId}
_BEGINNING: Final = datetime(1601, 1, 1, tzinfo=UTC)


class FlagsMet:
    """What is known of a message when its payload is read: its flags, its MIC."""

    __slots__ = ("flags", "mic", "oem", "timestamped")

    def __init__(self, flags: int, *, oem: bool = False) -> None:
        self.flags = flags
        self.oem = oem
        self.mic: Node | None = None
        self.timestamped = False


def filetime(value: int) -> str:
    """A FILETIME as an instant; nothing where it is none that a calendar has."""
    try:
        return (_BEGINNING + timedelta(microseconds=value // 10)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except OverflowError:
        return ""


def code_page(flags: int, *, oem: bool = False) -> str:
    """The character set of a message's text: Unicode wins (2.2.2.5 A, B)."""
    return OEM_CODE_PAGE if oem or not flags & UNICODE else "utf-16-le"


def negotiate_flags(node: Node, span: Span) -> tuple[int, Node]:
    """2.2.2.5, one part for each flag that is set."""
    at = span.at
    flags = span.number(node, "NegotiateFlags", 4)
    mine = node.children[-1]
    mine.meaning = f"0x{flags:08X}"
    for flag in NegotiateFlag:
        if flags & flag:
            mine.add(flag.native, at, 4, int(flag), flag.letter)
    if unnamed := flags & ~sum(NegotiateFlag):
        mine.add("reserved", at, 4, unnamed).note("reserved bits, and not zero")
    if flags & UNICODE and flags & OEM and node.name != "NEGOTIATE_MESSAGE":
        mine.note("UNICODE and OEM together: UNICODE wins")
    if not flags & (UNICODE | OEM):
        mine.note("neither UNICODE nor OEM")
    if flags & EXTENDED_SESSIONSECURITY and flags & LM_KEY and node.name != "NEGOTIATE_MESSAGE":
        mine.note("EXTENDED_SESSIONSECURITY and LM_KEY together: LM_KEY is ignored")
    return flags, mine


def version(node: Node, span: Span, *, announced: bool) -> None:
    """2.2.2.10 VERSION."""
    part = span.octets(node, "Version", _VERSION.size)
    major, minor, build, reserved, revision = _VERSION.unpack_from(span.data, part.offset)
    part.meaning = f"{major}.{minor}.{build}, revision {revision}"
    if any(reserved):
        part.note("reserved, and not zero")
    if announced and revision != _REVISION:
        part.note(f"the revision is {_REVISION} everywhere else")
    if not announced and any((major, minor, build, revision)):
        part.note("no flag announces a version")


def av_pairs(node: Node, span: Span, met: FlagsMet, *, acceptor: bool) -> None:
    """2.2.2.1, up to MsvAvEOL. What stands behind it is left to the caller where that is the initiator's list."""
    seen: set[int] = set()
    while True:
        at = span.at
        if span.left() < 4:
            raise Stop(at, "MsvAvEOL is missing")
        number = int.from_bytes(span.data[at : at + 2], "little")
        length = int.from_bytes(span.data[at + 2 : at + 4], "little")
        pair = node.add(_AV_NAMES.get(number, f"AvId {number}"), at, 4 + length)  # shortened where it is cut off
        if number not in _AV_NAMES:
            pair.note("a number without a name")
        span.take("AvId and AvLen", 4)
        if length > span.left():
            missing = length - span.left()
            pair.length -= missing
            pair.value = span.rest()
            if number == AvId.SINGLE_HOST:
                with contain(pair):
                    _single_host(pair, span)
            raise Stop(at, f"{pair.name} ends {missing} bytes behind the list")
        value = span.window("Value", length)
        if number == AvId.EOL:
            if length:
                pair.note("MsvAvEOL has no value")
            break
        if number in seen:
            pair.note("an identifier stands twice")
        if acceptor and number in _INITIATORS:
            pair.note("only an initiator says this")
        seen.add(number)
        if len(seen) > MAX_PAIRS:
            node.note(f"more than {MAX_PAIRS} pairs, which secpkg refuses")
        with contain(pair):
            _av_value(pair, number, value, met)
    if acceptor:
        trailing(node, span)
        if AvId.TIMESTAMP not in seen:
            node.note("no time: an initiator sends no MIC then")
        return
    met.timestamped = AvId.TIMESTAMP in seen
    if AvId.CHANNEL_BINDINGS not in seen:
        node.note("no channel bindings")
    if AvId.FLAGS not in seen and met.mic is not None and met.mic.value != bytes(MIC_SIZE):
        met.mic.note("a MIC that no MsvAvFlags promises: nobody looks at it")


def _av_value(pair: Node, number: int, value: Span, met: FlagsMet) -> None:
    raw = value.rest()
    pair.value = raw
    due = _SIZES.get(AvId(number)) if number in _AV_NAMES else None
    if due is not None and len(raw) != due:
        raise Stop(value.at, f"the value of {pair.name} is {due} bytes, and not {len(raw)}")
    if number in _TEXTS:
        text(pair, raw, "utf-16-le")
    elif number == AvId.FLAGS:
        _av_flags(pair, value, met)
    elif number == AvId.TIMESTAMP:
        pair.value = int.from_bytes(raw, "little")
        pair.meaning = filetime(pair.value)
    elif number == AvId.SINGLE_HOST:
        _single_host(pair, value)
    elif number == AvId.CHANNEL_BINDINGS and raw == NO_BINDINGS:
        pair.note("all-zero channel bindings: absent")


def _av_flags(pair: Node, value: Span, met: FlagsMet) -> None:
    flags = int.from_bytes(value.rest(), "little")
    pair.value, pair.meaning = flags, f"0x{flags:08X}"
    for flag in AvFlag:
        if flags & flag:
            pair.add(str(flag.name), value.at, 4, int(flag))
    if unnamed := flags & ~sum(AvFlag):
        pair.add("reserved", value.at, 4, unnamed).note("bits without a name")
    if flags & AV_FLAG_MIC and (met.mic is None or met.mic.value == bytes(MIC_SIZE)):
        pair.note("MIC promised and missing")
    if flags & AV_FLAG_UNTRUSTED_TARGET:
        pair.note("the initiator does not trust its target name")


def _single_host(part: Node, value: Span) -> None:
    """2.2.2.2 Single_Host_Data."""
    part.value, whole = None, value.left()
    if value.number(part, "Size", 4) != whole:
        part.note("Size is not that of the structure")
    value.zeros(part, "Z4", 4)
    present = value.number(part, "DataPresent", 4)
    custom = value.number(part, "CustomData", 4)
    if custom and not present:
        part.note("CustomData without DataPresent")
    value.octets(part, "MachineID", MACHINE_ID_SIZE)
    trailing(part, value)


def nt_response(part: Node, span: Span, met: FlagsMet) -> None:
    """2.2.2.6 NTLM_RESPONSE or 2.2.2.8 NTLMv2_RESPONSE, told apart by their length."""
    if span.left() == RESPONSE_SIZE and not span.cut:
        part.meaning = "NTLM_RESPONSE"
        strong = met.flags & EXTENDED_SESSIONSECURITY
        part.note(f"an NTLMv1 response {'with' if strong else 'without'} extended session security")
        span.octets(part, "Response", RESPONSE_SIZE)
        return
    part.meaning = "NTLMv2_RESPONSE"
    span.octets(part, "NTProofStr", PROOF_SIZE)
    temp = part.add("NTLMv2_CLIENT_CHALLENGE", span.at, span.left())
    with contain(temp):
        for name in ("RespType", "HiRespType"):
            if span.number(temp, name, 1) != 1:
                temp.children[-1].note("is always 1")
        span.zeros(temp, "Reserved1", 2)
        span.zeros(temp, "Reserved2", 4)
        time = span.number(temp, "TimeStamp", 8)
        temp.children[-1].meaning = filetime(time)
        span.octets(temp, "ChallengeFromClient", NONCE_SIZE)
        span.zeros(temp, "Reserved3", 4)
        pairs = temp.add("AvPairs", span.at, span.left())
        with contain(pairs):
            av_pairs(pairs, span, met, acceptor=False)
            pairs.length = span.at - pairs.offset
        if pairs.fault is None:
            _behind(temp, span)


def _behind(temp: Node, span: Span) -> None:
    """3.3.2: four zero bytes end what is proved; whatever else an initiator puts there is proved, too."""
    rest = span.rest()
    if rest == bytes(4):
        span.octets(temp, "Reserved4", 4)
    elif not rest:
        temp.note("without the four zero bytes at the end")
    else:
        span.octets(temp, "Reserved4", len(rest)).note("other than four zero bytes; the proof is over them, too")


def lm_response(part: Node, span: Span, met: FlagsMet) -> None:
    """2.2.2.3 LM_RESPONSE or 2.2.2.4 LMv2_RESPONSE; which one depends on the NT response."""
    raw = span.rest()
    part.value = raw
    if raw in (b"\0", bytes(RESPONSE_SIZE)):
        part.meaning = "empty: no LM response"
        return
    if len(raw) != RESPONSE_SIZE:
        raise Stop(span.at, f"an LM response is {RESPONSE_SIZE} bytes, and not {len(raw)}")
    if raw[NONCE_SIZE:] == bytes(RESPONSE_SIZE - NONCE_SIZE):
        part.meaning = "the initiator's nonce, and zeros"
        return
    part.note("LM response present")


__all__ = ["FlagsMet", "av_pairs", "code_page", "filetime", "lm_response", "negotiate_flags", "nt_response", "version"]
