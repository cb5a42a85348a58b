"""NTLM's messages: every field in its place, and what is odd is said."""

from __future__ import annotations

import json
import struct

import pytest
from tests.kit_decode.finding import find, names, notes, read
from tests.kit_decode.samples import BINDING, VECTORS, ntlm, vectors
from tests.protocols.ntlm_pair import recorded

from secpkg.protocols.ntlm import AvFlag, AvId, NegotiateFlag
from secpkg.protocols.ntlm import flags as f
from secpkg.protocols.ntlm.authenticate import Authenticate, build
from secpkg.protocols.ntlm.av_pairs import AvPairs, encode_pairs, text_pair
from secpkg.protocols.ntlm.challenge import Challenge
from secpkg.protocols.ntlm.messages import SIGNATURE
from secpkg.protocols.ntlm.responses import encode_temp


def authenticate(
    pairs: list[tuple[int, bytes]],
    *,
    flags: int = f.UNICODE | f.EXTENDED_SESSIONSECURITY,
    lm: bytes = bytes(24),
    mic: bool = False,
    key: bytes = b"",
) -> bytes:
    response = bytes(range(16)) + encode_temp(1, bytes(range(8)), encode_pairs(pairs))
    return build(
        flags,
        domain="D",
        user="U",
        workstation="W",
        lm_response=lm,
        nt_response=response,
        mic=mic,
        encrypted_session_key=key,
    )


def with_word(token: bytes, at: int, value: int) -> bytes:
    return token[:at] + struct.pack("<I", value) + token[at + 4 :]


@pytest.mark.parametrize("leg", ntlm())
def test_what_it_shows_is_what_the_parser_reads(leg: str) -> None:
    """The reader has a layout of its own: held against the parser that decides."""
    token, report = ntlm()[leg], read(ntlm()[leg])
    flags = find(report, "NegotiateFlags")
    assert isinstance(flags.value, int)
    assert [part.name for part in flags.fields] == [one.native for one in NegotiateFlag if one & flags.value]
    if leg == "challenge":
        challenge = Challenge.parse(token)
        assert challenge.target_info is not None
        assert find(report, "ServerChallenge").value == challenge.server_challenge
        assert find(report, "TargetName").value == challenge.target_name
        shown = find(report, "TargetInfo").fields
        numbers = [*(number for number, _ in challenge.target_info.items), 0]
        assert [part.name for part in shown] == [AvId(n).native for n in numbers]
    if leg == "authenticate":
        message = Authenticate.parse(token)
        for name, value in (("UserName", message.user), ("DomainName", message.domain), ("MIC", message.mic)):
            assert find(report, name).value == value, name
        for field in (find(report, "UserName"), find(report, "Workstation")):
            assert token[field.offset : field.offset + field.length].decode("utf-16-le") == field.value
        assert find(report, "MsvAvChannelBindings").value == BINDING
        assert [part.name for part in find(report, "MsvAvFlags").fields] == ["MIC", "UNTRUSTED_TARGET"]
        assert find(report, "MachineID").value == bytes(range(32))
        assert find(report, "TimeStamp").meaning == "2023-11-14T22:13:20.000000Z"


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_the_vectors_of_the_document(vector: dict[str, str]) -> None:
    report = read(bytes.fromhex(vector["challenge_message"]), bytes.fromhex(vector["authenticate_message"]))
    assert report.faults == []
    assert [token.sender for token in report.tokens] == ["acceptor", "initiator"]
    assert find(report, "ServerChallenge").value == bytes.fromhex(vector["server_challenge"])
    assert find(report, "UserName", 2).value == vector["user"]
    if "nt_proof" in vector:
        assert find(report, "NTProofStr", 2).value == bytes.fromhex(vector["nt_proof"])
        assert find(report, "ChallengeFromClient", 2).value == bytes.fromhex(vector["client_challenge"])
        assert "LM response present" in notes(report, 2)
    else:
        assert any("NTLMv1 response" in note for note in notes(report, 2))


MIC_PAIR = (int(AvId.FLAGS), int(AvFlag.MIC).to_bytes(4, "little"))
ODD = {
    "all-zero channel bindings: absent": authenticate([(int(AvId.CHANNEL_BINDINGS), bytes(16))]),
    "no channel bindings": authenticate([]),
    "MIC promised and missing": authenticate([MIC_PAIR]),
    "LM response present": authenticate([], lm=bytes(range(1, 25))),
    "a session key without KEY_EXCH": authenticate([], key=bytes(16)),
    "KEY_EXCH with SIGN or SEAL takes a key of 16 bytes": authenticate([], flags=f.UNICODE | f.KEY_EXCH | f.SIGN),
    "neither UNICODE nor OEM": with_word(authenticate([]), 60, 0),
    "reserved bits, and not zero": with_word(authenticate([]), 60, f.UNICODE | 0x100),
    "trailing bytes: no field claims them": authenticate([]) + b"x",
    "no field claims these bytes": with_word(authenticate([]) + b"..UU", 40, len(authenticate([])) + 2),
    "the payload field overlaps another field": with_word(authenticate([]), 40, 72),
    "the payload field overlaps the header": with_word(authenticate([]), 40, 60),
    "the maximum length differs from the length, and is ignored": authenticate([])[:38]
    + b"\x09"
    + authenticate([])[39:],
    "the initiator does not trust its target name": authenticate([(int(AvId.FLAGS), b"\4\0\0\0")]),
    "is always 1": authenticate([]).replace(bytes(range(16)) + b"\1\1", bytes(range(16)) + b"\1\2"),
    "reserved, and not zero": ntlm()["challenge"][:33] + b"\1" + ntlm()["challenge"][34:],
    "all zero: not a nonce": ntlm()["challenge"][:24] + bytes(8) + ntlm()["challenge"][32:],
    "only an initiator says this": Challenge(
        f.UNICODE | f.NTLM, bytes(range(8)), target_info=AvPairs.build([MIC_PAIR])
    ).build(),
    "no TargetInfo: no time of the acceptor, and so no MIC of the initiator": Challenge(f.UNICODE, bytes(8)).build(),
    "anonymous: no user and no response": build(
        f.UNICODE, domain="", user="", workstation="W", lm_response=b"\0", nt_response=b""
    ),
    "an identifier stands twice": authenticate([text_pair(AvId.TARGET_NAME, "a"), text_pair(AvId.TARGET_NAME, "b")]),
}


@pytest.mark.parametrize("note", ODD)
def test_what_is_odd_is_said(note: str) -> None:
    assert note in notes(read(ODD[note]))


def test_what_is_in_order_is_not_odd() -> None:
    for leg in ("negotiate", "challenge"):
        assert notes(read(ntlm()[leg])) == []
    assert notes(read(ntlm()["authenticate"])) == ["the initiator does not trust its target name"]


SAID = {
    "malformed": ("are due and", "no known format", "the token is empty", "MessageType is", "no field claims"),
    "unexpected_message": ("",),
    "field_out_of_range": ("behind the message",),
    "field_overlap": ("the payload field overlaps",),
    "field_misaligned": ("at an odd offset, or of an odd length",),
    "character_set_missing": ("neither UNICODE nor OEM",),
    "text_malformed": ("not utf-16-le", "characters that do not print"),
    "av_end_missing": ("MsvAvEOL is missing",),
    "av_pair_truncated": ("behind the list",),
    "av_pair_length": ("the value of", "not utf-16-le", "Size is not that"),
    "av_pair_duplicate": ("an identifier stands twice",),
    "lm_response": ("no NT response",),
    "response_malformed": ("are due and", "is always 1"),
}
"""What is said of a message that the parser refuses, by the parser's reason."""
NEGATIVE = json.loads((VECTORS / "negative.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", NEGATIVE, ids=lambda vector: vector["name"])
def test_what_the_parser_refuses_is_seen_to_be_odd(vector: dict[str, str]) -> None:
    report = read(bytes.fromhex(vector["message"]))
    said = [*notes(report), *(fault.what for _, fault in report.faults)]
    assert any(part in one for one in said for part in SAID[vector["outcome"]]), said


def test_flags_that_nobody_asked_for() -> None:
    seen = recorded()
    asked = with_word(seen["negotiate"], 12, f.UNICODE | f.NTLM)
    report = read(asked, seen["challenge"], seen["authenticate"])
    flag = next(part for part in find(report, "NegotiateFlags", 2).fields if part.name == "NTLMSSP_NEGOTIATE_SEAL")
    assert flag.notes == ("nobody asked for it in the NEGOTIATE_MESSAGE",)
    assert notes(read(*seen.values()), 2) == []
    assert not any("nobody asked" in note for note in notes(read(*seen.values()), 3))


def test_pairs_that_are_not_those_of_the_challenge() -> None:
    seen, other = recorded(), recorded(server_now=133444736009999999)
    report = read(seen["negotiate"], other["challenge"], seen["authenticate"])
    assert find(report, "MsvAvTimestamp", 3).notes == ("not the value that the challenge has",)
    without = Challenge(f.UNICODE | f.NTLM, bytes(8), target_info=AvPairs.build([text_pair(AvId.DNS_TREE_NAME, "x")]))
    report = read(without.build(), seen["authenticate"])
    assert "the challenge has no such pair" in find(report, "MsvAvTimestamp", 2).notes


def test_a_field_behind_the_message_is_a_fault_with_its_place_and_the_others_are_shown() -> None:
    token = with_word(ntlm()["authenticate"], 40, 5000)
    report = read(token)
    assert "UserName" not in names(report) and find(report, "DomainName").value == "EXAMPLE"
    assert [(fault.offset, fault.what) for _, fault in report.faults] == [
        (len(token), f"UserName ends {5000 + 10 - len(token)} bytes behind the message")
    ]


def test_av_pairs_without_an_end_are_shown_up_to_there() -> None:
    token = ntlm()["challenge"][:-4]
    token = token[:40] + struct.pack("<HH", len(token) - 68, len(token) - 68) + token[44:]
    report = read(token)
    assert "MsvAvTimestamp" in names(report) and "MsvAvEOL" not in names(report)
    assert "MsvAvEOL is missing" in [fault.what for _, fault in report.faults]


def test_a_type_that_there_is_not() -> None:
    report = read(SIGNATURE + struct.pack("<I", 4) + bytes(40))
    assert [(fault.offset, fault.what) for _, fault in report.faults] == [(8, "MessageType is 1, 2 or 3, and not 4")]


def test_text_that_is_none_is_shown_and_noted() -> None:
    token = authenticate([]).replace("U".encode("utf-16-le") + b"W", b"\0\xd8W")
    report = read(token)
    assert "not utf-16-le" in find(report, "UserName").notes
