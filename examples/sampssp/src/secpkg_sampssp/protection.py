"""Messages under a finished context.

A TOKEN is a nonce and a tag. The nonce is the application's sequence number (32 bits, 0: it keeps none, R216) and the
number of the message in its direction (64 bits); each direction has one counter and two keys, to seal and to sign, so
no nonce serves a key twice. A message that is authentic and not the one due is out of sequence; any other is altered
(R218). Neither changes the state.
"""

from __future__ import annotations

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from secpkg.contract import Buffer, Message, SecBuffer, SecurityError, Status
from secpkg.contract.flags import BufferFlag, BufferType

_NONCE = struct.Struct(">IQ")
_TAG = 16
TRAILER = _NONCE.size + _TAG
_LAST = 2**64 - 1
_ULONG = 0xFFFFFFFF


class Direction:
    """One way of a context."""

    __slots__ = ("in_sequence", "number", "seal", "sign")

    def __init__(self, keys: bytes, in_sequence: bool) -> None:
        self.seal, self.sign = ChaCha20Poly1305(keys[:32]), ChaCha20Poly1305(keys[32:])
        self.number, self.in_sequence = 0, in_sequence

    def next_nonce(self, sequence_number: int) -> bytes:
        """The nonce of the message to send. An exhausted counter refuses."""
        if self.number >= _LAST:
            raise SecurityError(Status.SEC_E_CONTEXT_EXPIRED, reason="counter_exhausted")
        self.number += 1
        return _NONCE.pack(sequence_number & _ULONG if self.in_sequence else 0, self.number - 1)  # R217

    def open(
        self, cipher: ChaCha20Poly1305, token: Buffer, text: Buffer, covered: bytes, sequence_number: int
    ) -> bytes:
        """The plain text of a message that was received, if it is the one due."""
        nonce = bytes(token[: _NONCE.size])
        try:
            if len(token) != TRAILER:
                raise InvalidTag
            opened = cipher.decrypt(nonce, b"".join((text, token[_NONCE.size :])), covered)
        except InvalidTag:
            raise SecurityError(Status.SEC_E_MESSAGE_ALTERED, reason="tag_mismatch") from None
        theirs, number = _NONCE.unpack(nonce)
        missing = number != self.number or (sequence_number and theirs != sequence_number & _ULONG)
        if number < self.number or (self.in_sequence and missing):
            raise SecurityError(Status.SEC_E_OUT_OF_SEQUENCE, reason="replayed_or_missing")
        self.number = number + 1
        return opened


def make_signature(direction: Direction, message: Message, sequence_number: int) -> None:
    token, data = split(message, Status.SEC_E_INVALID_TOKEN)
    nonce = direction.next_nonce(sequence_number)
    token.data = nonce + direction.sign.encrypt(nonce, b"", b"".join(buffer.data for buffer in data))


def verify_signature(direction: Direction, message: Message, sequence_number: int) -> None:
    token, data = split(message, Status.SEC_E_INVALID_TOKEN)
    covered = b"".join(buffer.data for buffer in data)
    direction.open(direction.sign, token.data, b"", covered, sequence_number)


def seal_message(direction: Direction, message: Message, sequence_number: int) -> None:
    token, (data,) = split(message, Status.STATUS_INVALID_PARAMETER, one=True)
    nonce = direction.next_nonce(sequence_number)
    sealed = direction.seal.encrypt(nonce, data.data, None)
    data.data = memoryview(sealed)[:-_TAG]
    token.data = nonce + sealed[-_TAG:]


def unseal_message(direction: Direction, message: Message, sequence_number: int) -> None:
    token, (data,) = split(message, Status.STATUS_INVALID_PARAMETER, one=True)
    data.data = direction.open(direction.seal, token.data, data.data, b"", sequence_number)


def split(message: Message, no_token: Status, *, one: bool = False) -> tuple[SecBuffer, list[SecBuffer]]:
    """The TOKEN buffer and the DATA buffers. READONLY ones are passed over (R212); READONLY_WITH_CHECKSUM ones are not
    offered (SECPKG_FLAG_READONLY_WITH_CHECKSUM), and refused rather than left uncovered.
    """
    tokens, data = [], []
    for buffer in message:
        if buffer.type & BufferFlag.READONLY_WITH_CHECKSUM:
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="checksum_buffers_not_offered")
        if buffer.type & BufferFlag.READONLY:
            continue
        if buffer.buffer_type == BufferType.TOKEN:
            tokens.append(buffer)
        elif buffer.buffer_type == BufferType.DATA:
            data.append(buffer)
    if len(tokens) != 1:
        raise SecurityError(no_token, reason="not_one_token_buffer")  # R215, R219
    if not data or (one and len(data) != 1):
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="not_the_data_buffers_needed")  # R221
    return tokens[0], data
