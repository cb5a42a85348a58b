"""NTLM against recorded handshakes of WinPR (FreeRDP), gss-ntlmssp, Samba and pyspnego (vectors/ntlm/strangers)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.protocols.test_ntlm_vectors import Vector, load

from secpkg.protocols.ntlm import (
    Acceptor,
    AcceptorPolicy,
    BindingPolicy,
    Challenge,
    Channel,
    ChannelBindings,
    Done,
    MicPolicy,
    NtlmV2Response,
    Presented,
    Protection,
    Reason,
    Rejected,
    Role,
    TargetInfo,
    nt_hash,
)
from secpkg.protocols.ntlm.acceptor import Challenged
from secpkg.protocols.ntlm.av_pairs import encode_pairs
from secpkg.protocols.ntlm.hashes import nt_proof, ntowf_v2
from secpkg.protocols.ntlm.responses import encode_temp
from secpkg.protocols.ntlm.transitions import CONNECTION

every = pytest.mark.parametrize("vector", load("strangers"), ids=lambda v: v["name"])


def presented(vector: Vector, authenticate: bytes | None = None) -> Presented:
    """Where our acceptor is when it has read the recorded messages."""
    bindings = BindingPolicy.REQUIRE if vector.bindings else BindingPolicy.WHEN_SUPPORTED
    policy = AcceptorPolicy(mic=MicPolicy.WHEN_PROMISED, bindings=bindings, max_skew=60)
    challenge = Challenge.parse(vector.challenge_message)
    acceptor = Acceptor(target=TargetInfo("SERVER", "EXAMPLE"), policy=policy)
    state = Challenged(acceptor, CONNECTION, vector.negotiate_message, challenge, vector.challenge_message)
    received = state.receive(vector.authenticate_message if authenticate is None else authenticate)
    assert isinstance(received, Presented)
    return received


def verified(vector: Vector, state: Presented) -> Done:
    expected = (ChannelBindings(vector.bindings).hash(),) if vector.bindings else ()
    return state.verify(nt_hash(vector.password), now=vector.time, channel=Channel(expected))


@every
def test_a_recorded_handshake_is_accepted(vector: dict[str, Any]) -> None:
    v = Vector(vector)
    done = verified(v, presented(v))
    assert v.outcome == "done"
    assert (done.user, done.domain, done.mic, done.bound) == (v.user, v.domain, v.has_mic, bool(v.bindings))
    assert done.session.exported_session_key == v.session_key
    if v.message:
        assert Protection(done.session, Role.ACCEPTOR).unseal(v.message[16:], v.message[:16]) == v.clear


@every
def test_every_bit_of_a_proved_blob_counts(vector: dict[str, Any]) -> None:
    """What the proof is over is what came: padding and reserved fields too, which nobody reads."""
    v = Vector(vector)
    token = v.authenticate_message
    size, start = int.from_bytes(token[20:22], "little"), int.from_bytes(token[24:28], "little")
    for at in range(start, start + size):
        changed = token[:at] + bytes([token[at] ^ 0x40]) + token[at + 1 :]
        with pytest.raises(Rejected):
            verified(v, presented(v, changed))


@pytest.mark.parametrize(
    "vector", [v for v in load("strangers") if v["name"].startswith("WinPR")], ids=lambda v: v["name"]
)
def test_freerdp_proves_another_blob_than_we_would_write(vector: dict[str, Any]) -> None:
    """The raw-blob proof: an acceptor that encodes the response anew gets other bytes, and refuses a valid client."""
    v = Vector(vector)
    state = presented(v)
    response = state.response
    assert isinstance(response, NtlmV2Response)
    anew = encode_temp(response.timestamp, response.client_challenge, encode_pairs(response.pairs.items))
    assert anew != response.temp
    key = ntowf_v2(nt_hash(v.password), v.user, v.domain)
    nonce = Challenge.parse(v.challenge_message).server_challenge
    assert nt_proof(key, nonce, anew) != response.proof
    assert nt_proof(key, nonce, response.temp) == response.proof


@every
def test_a_recorded_handshake_with_another_password(vector: dict[str, Any]) -> None:
    v = Vector(vector)
    with pytest.raises(Rejected) as caught:
        presented(v).verify(nt_hash("another"), now=v.time)
    assert caught.value.reason is Reason.PROOF_MISMATCH
