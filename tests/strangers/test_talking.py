"""NTLM with strangers, both ways: by password and by NT hash, on a channel and on none, and with what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.strangers.meeting import Meeting
from tests.strangers.peers import PEERS, Peer
from tests.strangers.talk import ELSEWHERE, TLS, End, Refused, handshake, same_key

from secpkg.protocols.ntlm import NegotiateFlag

pytestmark = pytest.mark.slow  # each takes a while, and there are many


def cases(when: Callable[[Peer, str], bool] = lambda peer, side: True) -> pytest.MarkDecorator:
    """Each stranger at each side that it plays, where `when` holds."""
    found = [
        pytest.param(peer, side, id=f"{peer.name}-{side}", marks=peer.marks)
        for peer in PEERS.values()
        for side in peer.sides
        if when(peer, side)
    ]
    assert found
    return pytest.mark.parametrize(("peer", "side"), found)


def tells_nothing(peer: Peer, side: str) -> bool:
    """WinPR's acceptor compares no bindings and knows one user only, whatever he is called."""
    return peer.name == "WinPR" and side == "acceptor"


def refused(meeting: Meeting, side: str, initiator: End, acceptor: End, status: str, reason: str) -> None:
    """No handshake. Where ours is the acceptor, the peer learns the status and the audit record the reason."""
    with pytest.raises(Refused) as caught:
        handshake(initiator, acceptor)
    assert not acceptor.complete
    if side == "initiator":
        assert str(caught.value) == status
        (found,) = meeting.ours.refusals()
        assert reason in found


STRONG = (
    NegotiateFlag.UNICODE
    | NegotiateFlag.NTLM
    | NegotiateFlag.EXTENDED_SESSIONSECURITY
    | NegotiateFlag.KEY_128
    | NegotiateFlag.KEY_EXCH
    | NegotiateFlag.SIGN
    | NegotiateFlag.SEAL
)


@cases()
def test_by_password(meeting: Meeting, peer: Peer, side: str) -> None:
    initiator, acceptor = meeting.pair(peer, side)
    seen = handshake(initiator, acceptor)
    assert STRONG in seen.flags
    assert seen.mic is (side == "acceptor" or peer.mic)
    assert not seen.bound
    assert same_key(initiator, acceptor) is (peer.name != "WinPR")
    peer.talk(initiator, acceptor)


@cases(lambda peer, side: peer.by_hash)
def test_by_nt_hash(meeting: Meeting, peer: Peer, side: str) -> None:
    """As initiator the stranger has no password; as acceptor it has none anyway."""
    if side == "initiator":
        initiator, acceptor = meeting.pair(peer, side, password=None)
    else:
        initiator, acceptor = meeting.pair(peer, side)
    handshake(initiator, acceptor)
    peer.talk(initiator, acceptor)


@cases(lambda peer, side: peer.binds)
def test_on_the_same_channel(meeting: Meeting, peer: Peer, side: str) -> None:
    initiator, acceptor = meeting.pair(peer, side, bindings=TLS, require=True)
    assert handshake(initiator, acceptor).bound
    peer.talk(initiator, acceptor)


@cases(lambda peer, side: peer.binds and not tells_nothing(peer, side))
def test_on_another_channel(meeting: Meeting, peer: Peer, side: str) -> None:
    initiator, acceptor = meeting.pair(peer, side, bindings=TLS, channel=ELSEWHERE)
    refused(meeting, side, initiator, acceptor, "SEC_E_BAD_BINDINGS", "SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH")


@cases(lambda peer, side: side == "initiator")
def test_on_no_channel_where_one_is_required(meeting: Meeting, peer: Peer, side: str) -> None:
    """Whether it says nothing or sends the all-zero binding."""
    initiator, acceptor = meeting.pair(peer, side, channel=TLS, require=True)
    refused(meeting, side, initiator, acceptor, "SEC_E_BAD_BINDINGS", "SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING")


@pytest.mark.parametrize("wrong", ["guess", "Correct horse"])
@cases()
def test_with_a_wrong_password(meeting: Meeting, peer: Peer, side: str, wrong: str) -> None:
    initiator, acceptor = meeting.pair(peer, side, password=wrong)
    refused(meeting, side, initiator, acceptor, "SEC_E_LOGON_DENIED", "wrong_password")


@cases(lambda peer, side: not tells_nothing(peer, side))
def test_of_an_unknown_user(meeting: Meeting, peer: Peer, side: str) -> None:
    initiator, acceptor = meeting.pair(peer, side, user="mallory")
    refused(meeting, side, initiator, acceptor, "SEC_E_LOGON_DENIED", "unknown_user")


@cases()
def test_a_flipped_bit_of_the_last_message(meeting: Meeting, peer: Peer, side: str) -> None:
    """The proof, the sealed key, the MIC: the acceptor notices, whoever it is."""
    initiator, acceptor = meeting.pair(peer, side)
    challenge = acceptor.step(initiator.step(None))
    token = initiator.step(challenge)
    assert token is not None
    at = int.from_bytes(token[24:28], "little")
    with pytest.raises(Refused):
        acceptor.step(token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :])
    assert not acceptor.complete
    assert meeting.ours.refusals() == ["wrong_password"] * (side == "initiator")


@cases(lambda peer, side: peer.seals)
def test_messages_out_of_order_are_refused(meeting: Meeting, peer: Peer, side: str) -> None:
    """Sealed by the stranger, seen by us: a message that comes twice, and one that comes too early."""
    initiator, acceptor = meeting.pair(peer, side)
    handshake(initiator, acceptor)
    theirs, ours = (initiator, acceptor) if side == "initiator" else (acceptor, initiator)
    first, second = theirs.seal(b"first"), theirs.seal(b"second")
    with pytest.raises(Refused, match="SEC_E_OUT_OF_SEQUENCE"):
        ours.unseal(second)
    assert ours.unseal(first) == b"first"
    with pytest.raises(Refused, match="SEC_E_OUT_OF_SEQUENCE"):
        ours.unseal(first)
    assert ours.unseal(second) == b"second"
    bad = bytearray(theirs.seal(b"third"))
    bad[-1] ^= 1
    with pytest.raises(Refused, match="SEC_E_MESSAGE_ALTERED"):
        ours.unseal(bytes(bad))
