"""NtChallengeResponse and LmChallengeResponse (MS-NLMP 2.2.2.3 to 2.2.2.8): which kind came, and what it says.

An NTLMv2 response is 16 bytes of proof and then the NTLMv2_CLIENT_CHALLENGE that was proved: versions, time, nonce, AV
pairs, and whatever the initiator put behind them. The proof is checked over those bytes as they came.
"""

import struct
from typing import Final

import msgspec

from .av_pairs import AvPairs
from .errors import Reason, Rejected
from .legacy import RESPONSE_SIZE

PROOF_SIZE: Final = 16
NONCE_SIZE: Final = 8
_FIXED: Final = struct.Struct("<BBHIQ8sI")
_SHORTEST: Final = PROOF_SIZE + _FIXED.size + 4
_TAIL: Final = bytes(4)


class NtlmV2Response(msgspec.Struct, frozen=True, eq=False):
    """NTLMv2_RESPONSE (2.2.2.8). ``temp`` is the NTLMv2_CLIENT_CHALLENGE as it came; ``timestamp`` is a FILETIME."""

    proof: memoryview
    temp: memoryview
    timestamp: int
    client_challenge: bytes
    pairs: AvPairs

    @classmethod
    def parse(cls, response: memoryview, known: AvPairs | None = None) -> "NtlmV2Response":
        """`known` are the AV pairs of the challenge that this answers, where they are at hand (`AvPairs.parse`)."""
        if len(response) < _SHORTEST:
            raise Rejected(Reason.RESPONSE_MALFORMED, "MS-NLMP 2.2.2.8: shorter than an NTLMv2_RESPONSE")
        kind, highest, _, _, timestamp, nonce, _ = _FIXED.unpack_from(response, PROOF_SIZE)
        if kind != 1 or highest != 1:
            raise Rejected(Reason.RESPONSE_MALFORMED, "MS-NLMP 2.2.2.7: RespType and HiRespType are 1")
        pairs = AvPairs.parse(response[PROOF_SIZE + _FIXED.size :], known)
        return cls(response[:PROOF_SIZE], response[PROOF_SIZE:], timestamp, nonce, pairs)


class NtlmV1Response(msgspec.Struct, frozen=True, eq=False):
    """NTLM_RESPONSE (2.2.2.6), and the LM_RESPONSE beside it, which holds the initiator's nonce."""

    response: memoryview
    lm_response: memoryview


def encode_temp(timestamp: int, client_challenge: bytes, pairs: bytes | memoryview) -> bytes:
    """The NTLMv2_CLIENT_CHALLENGE (3.3.2 ``temp``) with an encoded AV pair list; four zero bytes end it."""
    return b"".join((_FIXED.pack(1, 1, 0, 0, timestamp, client_challenge, 0), pairs, _TAIL))


def is_anonymous(user: str, lm_response: memoryview, nt_response: memoryview) -> bool:
    """3.2.5.1.2: no user and no response; the LM response of an anonymous initiator is empty or one zero byte."""
    return not user and not nt_response and (not lm_response or bytes(lm_response) == b"\0")


def read_response(
    lm_response: memoryview, nt_response: memoryview, known: AvPairs | None = None
) -> NtlmV2Response | NtlmV1Response:
    """The kind of response that came, by its length; Rejected(LM_RESPONSE) where there is an LM response only."""
    if not nt_response:
        raise Rejected(Reason.LM_RESPONSE, "MS-NLMP 2.2.2.3: an LM or LMv2 response alone is refused")
    if len(nt_response) == RESPONSE_SIZE:
        if len(lm_response) not in (0, RESPONSE_SIZE):
            raise Rejected(Reason.RESPONSE_MALFORMED, "MS-NLMP 2.2.2.3: an LM_RESPONSE is 24 bytes")
        return NtlmV1Response(nt_response, lm_response)
    return NtlmV2Response.parse(nt_response, known)
