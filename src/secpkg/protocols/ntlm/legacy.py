"""NTLMv1 and LM (MS-NLMP 3.3.1, 3.4.5.1): here to be recognised, checked against the vectors, and refused.

One form can be allowed by a policy that is off by default: NTLMv1 with extended session security. The responses are
three DES encryptions under parts of the NT hash, and the third part is two bytes long: who records one response finds
the hash in days on one machine. No initiator of ours makes one, and nothing accepts the others.
"""

from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from .errors import bad_argument
from .flags import EXTENDED_SESSIONSECURITY, LM_KEY, REQUEST_NON_NT_SESSION_KEY
from .md4 import md4
from .md5 import hmac_md5, md5

RESPONSE_SIZE: Final = 24
_LM_CHARACTERS: Final = 14
_LM_TEXT: Final = b"KGS!@#$%"
_LM_FILL: Final = b"\xbd" * 6


def des(key: bytes, block: bytes) -> bytes:
    """DES (section 6) of 8 bytes under 7 bytes of key: triple DES with one key three times is DES."""
    bits = int.from_bytes(key, "big")
    spread = bytes((bits >> 49 - 7 * n & 0x7F) << 1 for n in range(8))
    return Cipher(TripleDES(spread * 3), modes.ECB()).encryptor().update(block)


def desl(key: bytes, block: bytes) -> bytes:
    """DESL (section 6): 16 bytes of key as 7, 7 and 2."""
    padded = key + bytes(5)
    return b"".join(des(padded[n : n + 7], block) for n in (0, 7, 14))


def lm_hash(password: str, oem: str) -> bytes:
    """LMOWFv1 (3.3.1). Rejected, the caller's fault, for more than 14 characters: it cannot be computed."""
    text = password.upper().encode(oem)
    if len(text) > _LM_CHARACTERS:
        raise bad_argument("MS-NLMP 3.3.1: LMOWFv1 of more than 14 characters cannot be computed")
    padded = text.ljust(_LM_CHARACTERS, b"\0")
    return des(padded[:7], _LM_TEXT) + des(padded[7:], _LM_TEXT)


def nt_response_v1(hashed: bytes, flags: int, server_challenge: bytes, client_challenge: bytes) -> bytes:
    """NTLM_RESPONSE (3.3.1): with extended session security over both nonces, else over the acceptor's alone."""
    if flags & EXTENDED_SESSIONSECURITY:
        return desl(hashed, md5(server_challenge + client_challenge)[:8])
    return desl(hashed, server_challenge)


def session_base_key_v1(hashed: bytes) -> bytes:
    """SessionBaseKey (3.3.1). It has neither nonce in it."""
    return md4(hashed)


def key_exchange_key_v1(
    flags: int, base_key: bytes, server_challenge: bytes, lm_response: bytes, hashed_lm: bytes = b""
) -> bytes:
    """KXKEY (3.4.5.1). `hashed_lm` is used without extended session security only, where a flag asks for it."""
    if flags & EXTENDED_SESSIONSECURITY:
        return hmac_md5(base_key, server_challenge + lm_response[:8])
    if flags & LM_KEY:
        block = lm_response[:8]
        return des(hashed_lm[:7], block) + des(hashed_lm[7:8] + _LM_FILL, block)
    if flags & REQUEST_NON_NT_SESSION_KEY:
        return hashed_lm[:8] + bytes(8)
    return base_key
