"""Responses to somebody's challenge, made with a credential that is kept here."""

from __future__ import annotations

from typing import Final

from secpkg.contract import msv1_0
from secpkg.contract.flags import LogonType
from secpkg.contract.values import Call
from secpkg.protocols import ntlm

_NONCE: Final = 8


def respond(credential: ntlm.Credential, server_challenge: bytes, call: Call) -> msv1_0.ChallengeResponse:
    """NTLMv2 and LMv2 responses (MS-NLMP 3.3.2), and their session base key. The challenge came without AV pairs."""
    made = ntlm.respond_v2(credential, server_challenge, call.entropy(_NONCE), ntlm.filetime(call.now))
    return msv1_0.ChallengeResponse(
        made.nt_response, made.lm_response, credential.user, credential.domain, made.session_base_key
    )


def question(
    credential: ntlm.Credential, call: Call, logon_type: LogonType, workstation: str
) -> msv1_0.NetworkValidationRequest:
    """A password, as the authority that has its account may be asked: a challenge made here, and the response."""
    challenge = call.entropy(msv1_0.CHALLENGE_LENGTH)
    made = respond(credential, challenge, call)
    return msv1_0.NetworkValidationRequest(
        logon_type,
        credential.domain,
        credential.user,
        workstation,
        challenge,
        made.case_sensitive_challenge_response,
        made.case_insensitive_challenge_response,
    )
