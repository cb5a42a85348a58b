"""What strangers are known to do otherwise, and what we do about it: a failure here says that somebody has changed."""

from __future__ import annotations

import pytest
from tests.strangers.meeting import Meeting
from tests.strangers.peers import PEERS
from tests.strangers.talk import ELSEWHERE, TLS, Refused, Wish, handshake

from secpkg.protocols.ntlm import Authenticate, Challenge, NegotiateFlag, NtlmV2Response, read_response

PYSPNEGO, GSS, WINPR, SAMBA = (PEERS[name] for name in ("pyspnego", "gss-ntlmssp", "WinPR", "ntlm_auth"))


@GSS.marks
def test_gss_ntlmssp_says_that_it_makes_no_mic(meeting: Meeting) -> None:
    """Its raw tokens have MsvAvFlags without the bit, and no MIC: the policy must ask for promised ones only."""
    for bindings in (b"", TLS):
        initiator = meeting.end(GSS, Wish(side="initiator", bindings=bindings))
        with pytest.raises(Refused, match="SEC_E_LOGON_DENIED"):
            handshake(initiator, meeting.ours.acceptor(Wish(side="acceptor", bindings=bindings)))
        initiator = meeting.end(GSS, Wish(side="initiator", bindings=bindings))
        seen = handshake(initiator, meeting.ours.acceptor(Wish(side="acceptor", bindings=bindings), promised_mic=True))
        assert seen.response.pairs.flags == 0
        assert seen.message.mic is None
    assert meeting.ours.refusals() == ["mic_missing"] * 2


@GSS.marks
def test_gss_ntlmssp_protects_no_empty_message(meeting: Meeting) -> None:
    acceptor = meeting.end(GSS, Wish(side="acceptor"))
    initiator = meeting.ours.initiator(Wish(side="initiator"))
    handshake(initiator, acceptor)
    with pytest.raises(Refused, match="ParameterReadError"):
        acceptor.seal(b"")


@PYSPNEGO.marks
def test_pyspnego_takes_the_all_zero_binding_for_one(meeting: Meeting) -> None:
    """On a channel it accepts an initiator that says it has none; ours counts that as absent."""
    acceptor = meeting.end(PYSPNEGO, Wish(side="acceptor", bindings=TLS))
    seen = handshake(meeting.ours.initiator(Wish(side="initiator")), acceptor)
    assert seen.response.pairs.channel_bindings == bytes(16)


@WINPR.marks
def test_pyspnego_refuses_proofs_that_it_would_have_written_otherwise(meeting: Meeting) -> None:
    """It compares a proof of the pairs as it writes them, not as they came. Ours has no such trouble."""
    with pytest.raises(Refused):
        handshake(meeting.end(WINPR, Wish(side="initiator")), meeting.end(PYSPNEGO, Wish(side="acceptor")))


@WINPR.marks
def test_winpr_compares_no_bindings_and_one_password(meeting: Meeting) -> None:
    """Its acceptor takes any channel and any name, so long as the password is the one that it was given."""
    acceptor = meeting.end(WINPR, Wish(side="acceptor", bindings=ELSEWHERE))
    assert handshake(meeting.ours.initiator(Wish(side="initiator", bindings=TLS)), acceptor).bound
    acceptor = meeting.end(WINPR, Wish(side="acceptor"))
    handshake(meeting.ours.initiator(Wish(side="initiator", user="somebody", domain="ELSEWHERE")), acceptor)


@WINPR.marks
def test_winpr_has_no_other_version_than_an_announced_one(meeting: Meeting) -> None:
    """The eight bytes of a Version without the flag it takes for payload, and its MIC leaves out the last eight."""
    initiator = meeting.end(WINPR, Wish(side="initiator"))
    acceptor = meeting.ours.acceptor(Wish(side="acceptor"))
    seen = handshake(initiator, acceptor)
    assert NegotiateFlag.VERSION in seen.flags
    assert Challenge.parse(seen.challenge).version is not None


@SAMBA.marks
def test_ntlm_auth_without_protection_has_a_mic_that_it_does_not_promise(meeting: Meeting) -> None:
    """And a session key that the pages give to protected sessions alone. The MIC holds, so it counts."""
    acceptor = meeting.ours.acceptor(Wish(side="acceptor", sign=False, seal=False))
    initiator = meeting.end(SAMBA, Wish(side="initiator", sign=False, seal=False))
    seen = handshake(initiator, acceptor)
    assert seen.flags & (NegotiateFlag.SIGN | NegotiateFlag.SEAL) == 0
    assert seen.response.pairs.flags is None
    assert seen.message.mic is not None
    assert acceptor.session_key() == initiator.session_key()


@SAMBA.marks
def test_ntlm_auth_without_protection_and_with_another_mic(meeting: Meeting) -> None:
    acceptor = meeting.ours.acceptor(Wish(side="acceptor", sign=False, seal=False))
    initiator = meeting.end(SAMBA, Wish(side="initiator", sign=False, seal=False))
    token = initiator.step(acceptor.step(initiator.step(None)))
    assert token is not None
    message = Authenticate.parse(token)
    assert isinstance(read_response(message.lm_response, message.nt_response), NtlmV2Response)
    with pytest.raises(Refused, match="SEC_E_LOGON_DENIED"):
        acceptor.step(message.without_mic())
    assert meeting.ours.refusals() == ["mic_missing"]
