"""The key schedule of RFC 5802 section 3, and what we derive from it.

``SaltedPassword = PBKDF2(Normalize(password), salt, i)``, ``ClientKey = HMAC(SaltedPassword, "Client Key")``,
``StoredKey = H(ClientKey)``, ``ServerKey = HMAC(SaltedPassword, "Server Key")``; the signatures are HMACs over
``AuthMessage``, the bytes of the exchange as they passed.

The session key is that of RFC 5802 section 8.2, ``HMAC(StoredKey, "GSS-API session key" || ClientKey || AuthMessage)``.
The RFC keeps the rightmost 128 bits for Kerberos per-message tokens; we keep the whole output (32 bytes with SHA-256),
to be used as input of a further derivation, never as two keys. AuthMessage holds both nonces and the channel binding,
so the key is fresh and bound. There is no forward secrecy: who has the verifier (or the password) and a
recording of the exchange has the session key.
"""

import hashlib
import hmac
from typing import Final

import msgspec


class Mechanism(msgspec.Struct, frozen=True):
    """A hash function under its SASL mechanism name. The one to use is `SCRAM_SHA_256`."""

    name: str
    hash_name: str
    size: int

    def hash(self, data: bytes) -> bytes:
        """``H(str)``."""
        return hashlib.new(self.hash_name, data).digest()

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """``HMAC(key, str)``."""
        return hmac.digest(key, data, self.hash_name)

    def client_key(self, salted_password: bytes) -> bytes:
        return hmac.digest(salted_password, b"Client Key", self.hash_name)

    def server_key(self, salted_password: bytes) -> bytes:
        return hmac.digest(salted_password, b"Server Key", self.hash_name)

    def session_key(self, stored_key: bytes, client_key: bytes, auth_message: bytes) -> bytes:
        return hmac.digest(stored_key, b"GSS-API session key" + client_key + auth_message, self.hash_name)

    def xor(self, left: bytes, right: bytes) -> bytes:
        return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(self.size, "big")


SCRAM_SHA_256: Final = Mechanism("SCRAM-SHA-256", "sha256", 32)
"""RFC 7677."""
