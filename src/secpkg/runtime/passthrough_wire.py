"""What two authorities say to each other inside TLS: one question and one answer, each a frame.

A frame is its length in four bytes, most significant first, and a body in MessagePack. Decoding is typed: a body gives
a valid message or is refused, and nothing longer than `MAX_FRAME` is waited for.
"""

from __future__ import annotations

from typing import Final

import msgspec

from secpkg.authority.passthrough import PassthroughCall

VERSION: Final = 1
MAX_FRAME: Final = 72 * 1024
"""Bytes of a body: a submit or return buffer of 64 KiB, and the names around it."""
_LENGTH: Final = 4


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """The one question of a connection."""

    version: int
    call: PassthroughCall


class Reply(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """The service was attempted: its reply buffer and ProtocolStatus (R77)."""

    data: bytes
    protocol_status: int


class Refuse(msgspec.Struct, frozen=True, array_like=True, tag="f"):
    """It was not; why is for the other side's record alone."""

    status: int
    substatus: int = 0


Answer = Reply | Refuse


class WireFault(Exception):
    """What came is no frame of ours; ``reason`` names the rule."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_ask: Final = msgspec.msgpack.Decoder(Ask).decode
_decode_answer: Final = msgspec.msgpack.Decoder(Answer).decode


def frame(message: Ask | Answer) -> bytes:
    """A message to its frame. `WireFault` (``frame_too_large``)."""
    body = _encode(message)
    if len(body) > MAX_FRAME:
        raise WireFault("frame_too_large")
    return len(body).to_bytes(_LENGTH, "big") + body


def asked(body: bytes) -> PassthroughCall:
    """The question of a frame. `WireFault` (``question_invalid``, ``version_unknown``)."""
    try:
        ask = _decode_ask(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WireFault("question_invalid") from None
    if ask.version != VERSION:
        raise WireFault("version_unknown")
    return ask.call


def answered(body: bytes) -> Answer:
    """The answer of a frame. `WireFault` (``answer_invalid``)."""
    try:
        answer: Answer = _decode_answer(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WireFault("answer_invalid") from None
    return answer


class OneFrame:
    """Takes bytes until the one frame of this direction is whole."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, data: bytes) -> bytes | None:
        """The body, or None as long as something is missing. `WireFault` (``frame_too_large``, ``frame_empty``,
        ``more_than_one_frame``).
        """
        self._buffer += data
        if len(self._buffer) < _LENGTH:
            return None
        length = int.from_bytes(self._buffer[:_LENGTH], "big")
        if length > MAX_FRAME:
            raise WireFault("frame_too_large")
        if not length:
            raise WireFault("frame_empty")
        if len(self._buffer) > _LENGTH + length:
            raise WireFault("more_than_one_frame")
        return bytes(self._buffer[_LENGTH:]) if len(self._buffer) == _LENGTH + length else None
