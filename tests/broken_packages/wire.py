"""The protocol of the sound packages: four tokens, and what is derived from the key that both sides know.

    opening    "SND1" | flags | 2 reserved bytes | nonce | name
    answer     "SND2" | flags | nonce
    closing    "SND3" | hash of the channel bindings, or zeros | target | proof | MIC
    final      "SND4" | proof

The initiator's proof is over both nonces, the names, the bindings and the flags; the MIC and the acceptor's proof are
over every byte that was received or sent before them.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secpkg import contract as c
from secpkg.contract.channel_bindings import Judgement, judge

NONCE, HASH = 16, 32
OPENING = struct.Struct(f">4sBH{NONCE}sB")  # magic, flags, reserved, nonce, length of the name; the name follows
ANSWER = struct.Struct(f">4sB{NONCE}s")
CLOSING = struct.Struct(f">4s{HASH}sH")  # magic, bindings, length of the target; target, proof and MIC follow
MIC, SEALS = 1, 2
FLAGS = MIC | SEALS
MAX_TARGET = 512
MAX_TOKEN = CLOSING.size + MAX_TARGET + 2 * HASH
NO_BINDINGS = bytes(HASH)


class Malformed(Exception):
    """A token that nobody made; the text names the rule."""


class Opening(c.Value, frozen=True):
    """What the initiator says first."""

    flags: int
    nonce: bytes
    name: str
    reserved: int = 0

    def encode(self) -> bytes:
        name = self.name.encode()
        return OPENING.pack(b"SND1", self.flags, self.reserved, self.nonce, len(name)) + name

    @classmethod
    def decode(cls, token: bytes) -> Opening:
        try:
            magic, flags, reserved, nonce, length = OPENING.unpack_from(token)
            name = token[OPENING.size :].decode()
        except (struct.error, UnicodeDecodeError):
            raise Malformed("opening_malformed") from None
        if magic != b"SND1" or not length or len(token) != OPENING.size + length:
            raise Malformed("opening_malformed")
        return cls(flags, nonce, name, reserved)


class Answer(c.Value, frozen=True):
    """What the acceptor says to that: the flags that both have."""

    flags: int
    nonce: bytes

    def encode(self) -> bytes:
        return ANSWER.pack(b"SND2", self.flags, self.nonce)

    @classmethod
    def decode(cls, token: bytes) -> Answer:
        if len(token) != ANSWER.size or not token.startswith(b"SND2"):
            raise Malformed("answer_malformed")
        return cls(*ANSWER.unpack(token)[1:])


class Closing(c.Value, frozen=True):
    """The initiator's proof."""

    bindings: bytes
    target: str
    proof: bytes = b""
    mic: bytes = b""

    def encode(self) -> bytes:
        target = self.target.encode("utf-8", "surrogatepass")
        return CLOSING.pack(b"SND3", self.bindings, len(target)) + target + self.proof + self.mic

    @classmethod
    def decode(cls, token: bytes) -> Closing:
        try:
            magic, bindings, length = CLOSING.unpack_from(token)
            rest = token[CLOSING.size :]
            target = rest[:length].decode("utf-8", "surrogatepass")
        except (struct.error, UnicodeDecodeError):
            raise Malformed("closing_malformed") from None
        if magic != b"SND3" or length > MAX_TARGET or len(rest) != length + 2 * HASH:
            raise Malformed("closing_malformed")
        return cls(bindings, target, rest[length : length + HASH], rest[length + HASH :])


def final(proof: bytes) -> bytes:
    return b"SND4" + proof


class Schedule:
    """What both sides derive when they have seen opening and answer."""

    def __init__(self, key: bytes, opening: bytes, answer: bytes) -> None:
        keys = HKDF(SHA256(), 5 * HASH, hashlib.sha256(opening + answer).digest(), b"Sound 1").derive(key)
        self.head = opening + answer
        self.initiator, self.acceptor, self.integrity = keys[:32], keys[32:64], keys[64:96]
        self.session_key = keys[96:128]

    def initiator_proof(self, closing: Closing) -> bytes:
        said = closing.bindings + closing.target.encode("utf-8", "surrogatepass")
        return hmac.digest(self.initiator, self.head + said, "sha256")

    def mic(self, closing: bytes) -> bytes:
        """Over the closing as it is on the wire, but for its last field, which is this."""
        return hmac.digest(self.integrity, self.head + closing[:-HASH], "sha256")

    def acceptor_proof(self, closing: bytes) -> bytes:
        return hmac.digest(self.acceptor, self.head + closing, "sha256")


def bindings_of(request: c.ContextRequest) -> bytes:
    """Hash of the channel bindings (R233); empty ones and zeros are none."""
    data = request.channel_bindings
    return digest(data) if data and any(data) else NO_BINDINGS


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def judged(theirs: bytes, request: c.ContextRequest) -> Judgement:
    """What an acceptor makes of the initiator's bindings."""
    return judge(request.channel_bindings or b"", theirs, requirements=request.requirements, digest=digest)
