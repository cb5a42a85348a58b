"""Buffers of a message: what is checked before a package sees them, what it sees, and what comes back.

A package works on descriptors of its own (`lend`), so that whatever it does, a caller's READONLY buffer is as it was
(R211), and a call that fails has changed nothing. No byte is copied on this way: descriptors are new, data are not.

Two forms. In the usual one the order does not matter and the type does (R209): one writable DATA buffer, a TOKEN
buffer, perhaps PADDING. A stream's is HEADER, DATA, TRAILER and EMPTY buffers in this order, and what is received is
DATA and four EMPTY ones, which become HEADER, DATA, TRAILER and EXTRA (R224, R225, R227).

The room of an output buffer is the length of its data; none at all means that the caller takes what comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secpkg.contract.flags import BufferType
from secpkg.contract.floor import is_view
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Buffer, Message, SecBuffer, Sizes

if TYPE_CHECKING:
    from secpkg.contract.attributes import StreamSizes

EMPTY: Final = int(BufferType.EMPTY)
DATA: Final = int(BufferType.DATA)
TOKEN: Final = int(BufferType.TOKEN)
MISSING: Final = int(BufferType.MISSING)
EXTRA: Final = int(BufferType.EXTRA)
TRAILER: Final = int(BufferType.STREAM_TRAILER)
HEADER: Final = int(BufferType.STREAM_HEADER)
PADDING: Final = int(BufferType.PADDING)
STREAM: Final = int(BufferType.STREAM)
TYPE_MASK: Final = 0x0FFFFFFF
READONLY: Final = 0x90000000
"""SECBUFFER_READONLY and SECBUFFER_READONLY_WITH_CHECKSUM."""
MAX_BUFFERS: Final = 4096

_ULONG: Final = 0xFFFFFFFF
_RECEIVED: Final = frozenset({EMPTY, DATA, TRAILER, HEADER, PADDING, EXTRA, TOKEN})
_IN_STREAM: Final = frozenset({HEADER, TRAILER})


def numbers(quality_of_protection: object, sequence_number: object) -> None:
    """Both are ULONG: SEC_E_INVALID_PARAMETER for anything else."""
    for value in (quality_of_protection, sequence_number):
        if not isinstance(value, int) or not 0 <= value <= _ULONG:
            raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="not_an_unsigned_long")


def kinds(message: object) -> list[int]:
    """The buffers' types without their flag bits (R210), -1 for one that the package may not change (R211).

    SEC_E_INVALID_TOKEN for what is no list of buffers, or too long a one.
    """
    if not isinstance(message, list) or len(message) > MAX_BUFFERS:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="buffers")
    found = []
    for buffer in message:
        if not (
            isinstance(buffer, SecBuffer)
            and isinstance(buffer.type, int)
            and (isinstance(buffer.data, bytes | bytearray) or is_view(buffer.data))
        ):
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="buffers")
        found.append(-1 if buffer.type & READONLY else buffer.type & TYPE_MASK)
    return found


def _sized(message: Message, found: list[int], kind: int, needed: int) -> bool:
    """Whether there is one buffer of this kind, with room or without a limit."""
    return found.count(kind) == 1 and not 0 < len(message[found.index(kind)].data) < needed


def check_signing(message: Message, max_signature: int) -> None:
    """MakeSignature and VerifySignature: one TOKEN buffer of cbMaxSignature bytes and something to sign, else
    SEC_E_INVALID_TOKEN (R215).
    """
    found = kinds(message)
    if not _sized(message, found, TOKEN, max_signature):
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="token_buffer_missing")
    if not any(buffer.type & TYPE_MASK == DATA for buffer in message):
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="data_buffer_missing")


def is_stream(message: Message) -> bool:
    """Whether EncryptMessage was given the buffers of a stream."""
    return any(kind in _IN_STREAM for kind in kinds(message))


def check_sealing(message: Message, sizes: Sizes) -> None:
    """EncryptMessage: no writable DATA buffer is SEC_E_INVALID_TOKEN (R211, R221); more than one, and a TOKEN buffer
    that is missing or too small, STATUS_INVALID_PARAMETER (R219). A block cipher needs PADDING of its block's size.
    """
    found = kinds(message)
    if DATA not in found:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="data_buffer_missing")
    if found.count(DATA) > 1 or not _sized(message, found, TOKEN, sizes.security_trailer):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="buffers")
    if sizes.block_size > 1:
        if PADDING not in found:
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="padding_buffer_missing")
        if not _sized(message, found, PADDING, sizes.block_size):
            raise SecurityError(Status.SEC_E_BUFFER_TOO_SMALL, reason="padding_buffer")


def check_stream(message: Message, sizes: StreamSizes) -> None:
    """EncryptMessage in a stream: HEADER, DATA, TRAILER and EMPTY in this order (R209), else SEC_E_INVALID_TOKEN; not
    sized from the stream sizes SEC_E_BUFFER_TOO_SMALL; more data than a record takes SEC_E_INVALID_PARAMETER (R227).
    """
    found = kinds(message)
    if found[:3] != [HEADER, DATA, TRAILER] or any(found[3:]):
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="stream_buffers_order")
    for place, needed in ((0, sizes.header), (2, sizes.trailer)):
        if 0 < len(message[place].data) < needed:
            raise SecurityError(Status.SEC_E_BUFFER_TOO_SMALL, reason="stream_buffer")
    if len(message[1].data) > sizes.maximum_message:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="maximum_message_exceeded")


def check_received(message: Message) -> bool:
    """DecryptMessage: no DATA (or STREAM) buffer is SEC_E_INVALID_TOKEN (R221). True for the input of a stream: one
    DATA buffer and EMPTY ones, which must be at least three (R224).
    """
    found = kinds(message)
    if DATA not in found and STREAM not in found:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="data_buffer_missing")
    if any(found[1:]) or found[0] != DATA:
        return False
    if len(found) < 4:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="stream_buffers_few")
    return True


def lend(message: Message, *, unchanged: bool = False) -> Message:
    """The message as a package sees it: descriptors of its own over the caller's data, which it can change nowhere but
    in writable buffers, and with ``unchanged`` only in TOKEN ones (a signature leaves the data alone).
    """
    return [
        SecBuffer(
            buffer.type,
            _view(buffer.data)
            if buffer.type & READONLY or (unchanged and buffer.type & TYPE_MASK != TOKEN)
            else buffer.data,
        )
        for buffer in message
    ]


def _view(data: Buffer) -> Buffer:
    return data if isinstance(data, bytes) else memoryview(data).toreadonly()


def signed(message: Message, lent: Message, max_signature: int) -> None:
    """Hand back what MakeSignature gave: the TOKEN buffer and nothing else."""
    for buffer, result in zip(message, lent, strict=False):
        if buffer.type & TYPE_MASK == TOKEN and not buffer.type & READONLY:
            if len(result.data) > max_signature:
                raise _fault("signature_size")
            buffer.data = result.data


def sealed(message: Message, lent: Message, limits: dict[int, int]) -> None:
    """Hand back what EncryptMessage gave. DATA keeps its length; the others have at most the length in ``limits``."""
    _same_descriptors(message, lent)
    for buffer, result in zip(message, lent, strict=True):
        kind = buffer.type & TYPE_MASK
        if buffer.type & READONLY:
            continue
        if kind == DATA:
            if len(result.data) != len(buffer.data):
                raise _fault("data_size")
        elif len(result.data) > limits.get(kind, 0):
            raise _fault("buffer_size")
    for buffer, result in zip(message, lent, strict=True):
        if not buffer.type & READONLY and buffer.type & TYPE_MASK in (DATA, *limits):
            buffer.data = result.data


def opened(message: Message, lent: Message) -> None:
    """Hand back what DecryptMessage gave in the usual form: the data of writable buffers."""
    _same_descriptors(message, lent)
    for buffer, result in zip(message, lent, strict=True):
        if not buffer.type & READONLY:
            buffer.data = result.data


def received(message: Message, lent: Message) -> None:
    """Hand back what DecryptMessage gave in a stream: types and data; EXTRA must be the unprocessed end (R225)."""
    given = memoryview(message[0].data)
    if len(lent) != len(message):
        raise _fault("stream_result")
    for result in lent:
        if result.type & TYPE_MASK not in _RECEIVED:
            raise _fault("stream_result")
        if result.type & TYPE_MASK == EXTRA and (not result.data or given[-len(result.data) :] != result.data):
            raise _fault("extra_is_not_the_end")
    for buffer, result in zip(message, lent, strict=True):
        buffer.type, buffer.data = result.type, result.data


def missing(message: Message, lent: Message) -> None:
    """SEC_E_INCOMPLETE_MESSAGE: an EMPTY buffer says how much is MISSING, when the package knows; nothing else has
    changed (R226).
    """
    for buffer, result in zip(message, lent, strict=False):
        if buffer.type & TYPE_MASK == EMPTY and result.type & TYPE_MASK == MISSING and len(result.data) == 4:
            buffer.type, buffer.data = MISSING, result.data
            return


def _same_descriptors(message: Message, lent: Message) -> None:
    if [buffer.type for buffer in message] != [result.type for result in lent]:
        raise _fault("buffers_changed")


def _fault(reason: str) -> SecurityError:
    return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=reason)
