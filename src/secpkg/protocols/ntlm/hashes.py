"""The one-way functions of NTLMv2 (MS-NLMP 3.3.2) and the keys that come of them (3.1.5.1.2, 3.4.5.1).

``NTOWFv2 = HMAC_MD5(MD4(UTF-16LE(password)), UTF-16LE(Upper(user) || domain))``; the proof is an HMAC under it over the
acceptor's nonce and what the initiator answers; an HMAC over the proof is the session base key, which is the
key exchange key; RC4 under that carries the exported session key from the initiator. Who has the NT hash can pose as
the user and needs no password: it is a secret like one.
"""

import hmac
from codecs import utf_16_le_encode
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext

from .errors import bad_argument
from .md4 import md4
from .md5 import hmac_md5

KEY_SIZE: Final = 16
MAX_PASSWORD: Final = 1024
_MIN_SEED: Final = 16
_INVARIANT: Final = frozenset("\u0131\u017f")


def nt_hash(password: str) -> bytes:
    """NTOWFv1 (3.3.1): MD4 of the password in UTF-16LE, 16 bytes. At most 1024 characters."""
    if len(password) > MAX_PASSWORD:
        raise bad_argument("a password is at most 1024 characters")
    try:
        return md4(password.encode("utf-16-le"))
    except UnicodeEncodeError:
        raise bad_argument("a password is Unicode text") from None


def upper(name: str) -> str:
    """``UpperCase`` (section 6) of a user name.

    Windows maps UTF-16 units one by one: nothing grows (the sharp s stays), nothing outside the basic plane changes,
    and the dotless i and the long s, whose capitals are those of other letters, stay. inference: MS-NLMP has no table.
    """
    if name.isascii():
        return name.upper()
    return "".join(
        raised if len(raised := c.upper()) == 1 and c <= "\uffff" and c not in _INVARIANT else c for c in name
    )


def ntowf_v2(hashed: bytes, user: str, domain: str) -> bytes:
    """NTOWFv2 (3.3.2), and LMOWFv2, which is the same: the response key of a user in a domain, as both were sent."""
    if len(hashed) != KEY_SIZE:
        raise bad_argument("an NT hash is 16 bytes")
    return hmac_md5(hashed, utf_16_le_encode(upper(user) + domain)[0])


def nt_proof(response_key: bytes, server_challenge: bytes, temp: bytes | memoryview) -> bytes:
    """NTProofStr (3.3.2) over `temp`, the NTLMv2_CLIENT_CHALLENGE as it stands on the wire."""
    return hmac_md5(response_key, b"".join((server_challenge, temp)))


def lm_v2_response(response_key: bytes, server_challenge: bytes, client_challenge: bytes) -> bytes:
    """LMv2_RESPONSE (2.2.2.4), 24 bytes."""
    return hmac_md5(response_key, server_challenge + client_challenge) + client_challenge


def session_base_key(response_key: bytes, proof: bytes | memoryview) -> bytes:
    """SessionBaseKey (3.3.2), with NTLMv2 the KeyExchangeKey too (3.4.5.1)."""
    return hmac_md5(response_key, bytes(proof))


def rc4_stream(key: bytes) -> CipherContext:
    """RC4Init (section 6): a key stream to draw from by ``update``."""
    return Cipher(ARC4(key), None).encryptor()


def rc4k(key: bytes, data: bytes | memoryview) -> bytes:
    """RC4K (section 6), which encrypts and decrypts."""
    return rc4_stream(key).update(data)


def mic(exported_session_key: bytes, *messages: bytes | memoryview) -> bytes:
    """MIC (3.1.5.1.2): the three messages as they passed, the last with its MIC field zero."""
    return hmac_md5(exported_session_key, b"".join(messages))


def decoy_nt_hash(seed: bytes, user: str, domain: str) -> bytes:
    """The NT hash of an account that does not exist: the same every time, the same work, and no password has it.

    `seed` is the acceptor's own, lasting and secret, at least 16 bytes.
    """
    if len(seed) < _MIN_SEED:
        raise bad_argument("the seed of decoys is at least 16 bytes")
    name = f"{upper(user)}\0{upper(domain)}".encode("utf-8", "surrogatepass")
    return hmac.digest(seed, b"NTLM decoy\0" + name, "sha256")[:KEY_SIZE]
