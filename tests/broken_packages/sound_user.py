"""Sound's user half: each direction has a counter and two keys; a TOKEN is a nonce and a tag."""

from __future__ import annotations

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from tests.broken_packages import wire
from tests.broken_packages.packed import PackedContext

from secpkg import contract as c

NONCE = struct.Struct(">IQ")  # the application's number, the message's
TAG = 16
TRAILER = NONCE.size + TAG
ULONG = 0xFFFFFFFF


class Direction:
    """One way of a context."""

    def __init__(self, keys: bytes, in_sequence: bool) -> None:
        self.seal, self.sign = ChaCha20Poly1305(keys[:32]), ChaCha20Poly1305(keys[32:])
        self.number, self.in_sequence = 0, in_sequence

    def next(self, sequence_number: int) -> bytes:
        """The nonce of the message to send."""
        self.number += 1
        return NONCE.pack(sequence_number & ULONG if self.in_sequence else 0, self.number - 1)

    def open(self, cipher: ChaCha20Poly1305, token: c.Buffer, text: c.Buffer, covered: bytes, number: int) -> bytes:
        nonce = bytes(token[: NONCE.size])
        if len(token) != TRAILER:
            raise altered()
        try:
            opened = cipher.decrypt(nonce, bytes(text) + bytes(token[NONCE.size :]), covered)
        except InvalidTag:
            raise altered() from None
        theirs, due = NONCE.unpack(nonce)
        self.check(due, bool(number) and theirs != number & ULONG)
        self.number = due + 1
        return opened

    def check(self, number: int, another: bool) -> None:
        """Whether a message that is authentic is the one due."""
        if number < self.number or (self.in_sequence and (number != self.number or another)):
            raise c.SecurityError(c.Status.SEC_E_OUT_OF_SEQUENCE, reason="replayed_or_missing")


class Context:
    """A finished context."""

    direction: type[Direction] = Direction

    def __init__(self, packed: PackedContext) -> None:
        flags: type[c.IscRet | c.AscRet] = c.IscRet if packed.initiator else c.AscRet
        self.packed = packed
        self.can_sign = bool(packed.attributes & flags.INTEGRITY)
        self.can_seal = bool(packed.attributes & flags.CONFIDENTIALITY)
        in_sequence = bool(packed.attributes & flags.SEQUENCE_DETECT)
        ours, theirs = self.keys(packed)
        self.outgoing, self.incoming = self.direction(ours, in_sequence), self.direction(theirs, in_sequence)

    def keys(self, packed: PackedContext) -> tuple[bytes, bytes]:
        """Of what is sent and of what is received."""
        keys = HKDFExpand(SHA256(), 128, b"Sound 1 messages").derive(packed.session_key)
        return (keys[:64], keys[64:]) if packed.initiator else (keys[64:], keys[:64])


class SoundUser:
    """The user half."""

    name = "Sound"

    def init_user_mode_context(self, packed_context: bytes) -> Context:
        return Context(PackedContext.unpack(packed_context))

    def delete_user_mode_context(self, context: Context) -> None:
        del context.outgoing, context.incoming, context.packed

    def make_signature(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        agreed(context.can_sign and not quality_of_protection)
        token, data = split(message, c.Status.SEC_E_INVALID_TOKEN)
        nonce = context.outgoing.next(number)
        token.data = nonce + context.outgoing.sign.encrypt(nonce, b"", b"".join(one.data for one in data))

    def verify_signature(self, context: Context, message: c.Message, number: int) -> int:
        agreed(context.can_sign)
        token, data = split(message, c.Status.SEC_E_INVALID_TOKEN)
        covered = b"".join(one.data for one in data)
        context.incoming.open(context.incoming.sign, token.data, b"", covered, number)
        return 0

    def seal_message(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        agreed(context.can_seal and not quality_of_protection, quality_of_protection)
        token, (data,) = split(message, c.Status.STATUS_INVALID_PARAMETER, one=True)
        nonce = context.outgoing.next(number)
        sealed = context.outgoing.seal.encrypt(nonce, bytes(data.data), None)
        data.data, token.data = sealed[:-TAG], nonce + sealed[-TAG:]

    def unseal_message(self, context: Context, message: c.Message, number: int) -> int:
        agreed(context.can_seal, 0)
        token, (data,) = split(message, c.Status.STATUS_INVALID_PARAMETER, one=True)
        data.data = context.incoming.open(context.incoming.seal, token.data, data.data, b"", number)
        return 0

    def query_context_attributes(self, context: Context, attribute: int) -> c.ContextAttributes:
        packed = context.packed
        match attribute:
            case c.ContextAttribute.SIZES:
                sign, seal = TRAILER * context.can_sign, TRAILER * context.can_seal
                return c.Sizes(wire.MAX_TOKEN, sign, 1, seal)
            case c.ContextAttribute.NAMES:
                return c.Names(packed.peer)
            case c.ContextAttribute.LIFESPAN:
                return c.Lifespan(packed.start, packed.expiry)
            case c.ContextAttribute.SESSION_KEY:
                return c.SessionKey(HKDFExpand(SHA256(), 32, b"Sound 1 exported").derive(packed.session_key))
            case c.ContextAttribute.FLAGS:
                return c.ContextFlags(packed.attributes)
        raise c.SecurityError(c.Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_offered")


def altered() -> c.SecurityError:
    return c.SecurityError(c.Status.SEC_E_MESSAGE_ALTERED, reason="tag_mismatch")


def agreed(agreed: bool, sealing: int | None = None) -> None:
    """R220; ``sealing`` is the quality of protection that was asked for, None of a signature."""
    if not agreed:
        status = c.Status.SEC_E_QOP_NOT_SUPPORTED if sealing is None or sealing else c.Status.STATUS_INVALID_HANDLE
        raise c.SecurityError(status, reason="protection_not_negotiated")


def split(message: c.Message, no_token: c.Status, *, one: bool = False) -> tuple[c.SecBuffer, list[c.SecBuffer]]:
    """The TOKEN buffer and the DATA buffers that may be changed or are signed (R209-R212)."""
    if any(buffer.type & c.BufferFlag.READONLY_WITH_CHECKSUM for buffer in message):
        raise c.SecurityError(c.Status.SEC_E_INVALID_TOKEN, reason="checksum_buffers_not_offered")
    writable = [buffer for buffer in message if not buffer.type & c.BufferFlag.READONLY]
    tokens = [buffer for buffer in writable if buffer.buffer_type is c.BufferType.TOKEN]
    data = [buffer for buffer in writable if buffer.buffer_type is c.BufferType.DATA]
    if len(tokens) != 1:
        raise c.SecurityError(no_token, reason="not_one_token_buffer")  # R215, R219
    if not data or (one and len(data) != 1):
        raise c.SecurityError(c.Status.SEC_E_INVALID_TOKEN, reason="not_the_data_buffers_needed")  # R221
    return tokens[0], data
