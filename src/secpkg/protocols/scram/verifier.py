"""What an acceptor keeps of a password (RFC 5802 section 3): enough to check a proof, not enough to make one.

The stored form is that of RFC 5803 (``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>``, base64), which
other servers read and write too. The scheme name in front is its version: another format will have another name.
"""

import hashlib
import hmac

from .errors import Fault, Reason, Rejected
from .mechanism import SCRAM_SHA_256, Mechanism
from .messages import MAX_ITERATIONS, MAX_SALT, MIN_ITERATIONS, MIN_SALT, decode_base64, decode_count, encode_base64
from .saslprep import prepare
from .values import Sealed

_MAX_ENCODED = 1024
_MIN_SECRET = 16
_DECOY_SALT = 16


class Verifier(Sealed, frozen=True):
    """RFC 5802 section 3: salt, iteration count, StoredKey and ServerKey of one user.

    ``salt`` is 8 to 256 bytes, ``iterations`` 4096 to 1000000. Who has it can pose as the server, and can guess
    passwords off line: it is a secret.
    """

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes
    mechanism: Mechanism = SCRAM_SHA_256

    def __post_init__(self) -> None:
        _check_parameters(self.salt, self.iterations)
        if len(self.stored_key) != self.mechanism.size or len(self.server_key) != self.mechanism.size:
            raise Rejected(Reason.BAD_ARGUMENT, "RFC 5802 section 3: keys have the size of the hash", Fault.CALLER)

    @classmethod
    def from_salted_password(
        cls, salted: bytes, *, salt: bytes, iterations: int, mechanism: Mechanism = SCRAM_SHA_256
    ) -> "Verifier":
        """The verifier of a SaltedPassword that was computed with this salt and count."""
        check_salted(salted, mechanism)
        stored_key = mechanism.hash(mechanism.client_key(salted))
        return cls(salt, iterations, stored_key, mechanism.server_key(salted), mechanism)

    @classmethod
    def derive(cls, password: str, *, salt: bytes, iterations: int, mechanism: Mechanism = SCRAM_SHA_256) -> "Verifier":
        """The verifier of a password; the salt is fresh entropy of the caller's. Costs `iterations` HMACs."""
        salted = salted_password(password, salt, iterations, mechanism)
        return cls.from_salted_password(salted, salt=salt, iterations=iterations, mechanism=mechanism)

    @classmethod
    def decoy(cls, secret: bytes, username: str, iterations: int, mechanism: Mechanism = SCRAM_SHA_256) -> "Verifier":
        """What an unknown user is challenged with: the same every time, the same work, and no password fits.

        `secret` is the acceptor's own, lasting, at least 16 bytes. `username` is in the form that accounts are compared
        in: two spellings of one account share a salt, and so must those of an unknown one. `iterations` is the count
        that verifiers are made with.
        """
        if len(secret) < _MIN_SECRET:
            raise Rejected(Reason.BAD_ARGUMENT, "the secret of decoys is at least 16 bytes", Fault.CALLER)
        name = username.encode("utf-8", "surrogatepass")
        salt, stored, server = (mechanism.hmac(secret, use + name) for use in (b"salt\0", b"stored\0", b"server\0"))
        return cls(salt[:_DECOY_SALT], iterations, stored, server, mechanism)

    def encode(self) -> bytes:
        """The RFC 5803 form, ASCII."""
        salt, stored, server = map(encode_base64, (self.salt, self.stored_key, self.server_key))
        scheme = self.mechanism.name.encode("ascii")
        return b"%b$%d:%b$%b:%b" % (scheme, self.iterations, salt, stored, server)

    @classmethod
    def decode(cls, data: bytes, mechanism: Mechanism = SCRAM_SHA_256) -> "Verifier":
        """The verifier that `encode` wrote; anything else is Rejected(VERIFIER_MALFORMED), the store's fault."""
        try:
            if len(data) > _MAX_ENCODED:
                raise ValueError
            scheme, info, keys = data.split(b"$")
            if scheme != mechanism.name.encode("ascii"):
                raise ValueError
            iterations, salt = info.split(b":")
            stored_key, server_key = map(decode_base64, keys.split(b":"))
            return cls(decode_base64(salt), decode_count(iterations), stored_key, server_key, mechanism)
        except (ValueError, Rejected):
            raise Rejected(Reason.VERIFIER_MALFORMED, "RFC 5803 section 2", Fault.STORE) from None


def salted_password(password: str, salt: bytes, iterations: int, mechanism: Mechanism = SCRAM_SHA_256) -> bytes:
    """RFC 5802 section 3 SaltedPassword: Hi(Normalize(password), salt, i). Slow by design; releases the GIL."""
    _check_parameters(salt, iterations)
    prepared = prepare(password, stored=True, reason=Reason.PASSWORD_PROHIBITED, fault=Fault.CALLER)
    return hashlib.pbkdf2_hmac(mechanism.hash_name, prepared, salt, iterations)


def check_password(verifier: Verifier, password: str) -> bytes:
    """The SaltedPassword of `password`, when it is the one that `verifier` was made of.

    Raises Rejected: PROOF_MISMATCH, PASSWORD_PROHIBITED, TOO_LONG. A decoy takes as long as a verifier.
    """
    mechanism = verifier.mechanism
    salted = salted_password(password, verifier.salt, verifier.iterations, mechanism)
    if not hmac.compare_digest(mechanism.hash(mechanism.client_key(salted)), verifier.stored_key):
        raise Rejected(Reason.PROOF_MISMATCH, "RFC 5802 section 3: StoredKey", Fault.CALLER)
    return salted


def _check_parameters(salt: bytes, iterations: int) -> None:
    if not MIN_SALT <= len(salt) <= MAX_SALT:
        raise Rejected(Reason.SALT_OUT_OF_RANGE, "a salt is 8 to 256 bytes", Fault.CALLER)
    if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        raise Rejected(Reason.ITERATIONS_OUT_OF_RANGE, "4096 to 1000000 iterations", Fault.CALLER)


def check_salted(salted: bytes, mechanism: Mechanism) -> None:
    if len(salted) != mechanism.size:
        raise Rejected(Reason.BAD_ARGUMENT, "RFC 5802 section 3: SaltedPassword has the size of the hash", Fault.CALLER)
