"""What the three messages have in common (MS-NLMP 2.2): signature, type, version, and payload fields.

A payload field is ``length, maximum length, offset``; the maximum is ignored on receipt, as the pages ask. A field with
length zero has no place, wherever it points. The others lie behind the fixed part, inside the message, and apart from
each other: what two fields share could be read as two things, and the sender has no need of it.

A parsed message holds views of the token that it was read from: whoever keeps it keeps the token.
"""

import re
import struct
from codecs import utf_16_le_decode, utf_16_le_encode
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from .errors import Fault, Reason, Rejected, bad_argument
from .flags import OEM, UNICODE
from .transitions import Message

SIGNATURE: Final = b"NTLMSSP\0"
MAX_MESSAGE: Final = 16384
"""The longest message that is looked at, in bytes. MS-NLMP has no limit of its own."""
MAX_NAME: Final = 512
"""Characters in a name; the longest SPN and account names of Windows are shorter."""
OEM_CODE_PAGE: Final = "cp437"
"""What OEM text is taken for when nobody says otherwise; the protocol does not name the code page."""

_BEGIN: Final = struct.Struct("<8sI")
_TYPES: Final = {1: Message.NEGOTIATE, 2: Message.CHALLENGE, 3: Message.AUTHENTICATE}
_CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_VERSION: Final = struct.Struct("<BBH3xB")
_NO_VERSION: Final = bytes(8)


class Version(msgspec.Struct, frozen=True):
    """2.2.2.10 VERSION: for debugging only. ``revision`` is 15 (NTLMSSP_REVISION_W2K3) everywhere."""

    major: int
    minor: int
    build: int
    revision: int = 15

    def __post_init__(self) -> None:
        if not (
            0 <= self.major <= 0xFF
            and 0 <= self.minor <= 0xFF
            and 0 <= self.build <= 0xFFFF
            and 0 <= self.revision <= 0xFF
        ):
            raise bad_argument("MS-NLMP 2.2.2.10: the ranges of a version")

    def encode(self) -> bytes:
        return _VERSION.pack(self.major, self.minor, self.build, self.revision)


ANNOUNCED: Final = Version(6, 1, 0)
"""What both machines announce unless told otherwise. Some version there should be: WinPR takes the eight bytes of one
that is not announced for payload, and then makes another MIC than everybody else."""


def encode_version(version: Version | None) -> bytes:
    return _NO_VERSION if version is None else version.encode()


def decode_version(message: memoryview, offset: int) -> Version:
    return _version(bytes(message[offset : offset + _VERSION.size]))


@lru_cache(maxsize=64)
def _version(octets: bytes) -> Version:
    return Version(*_VERSION.unpack(octets))


def classify(token: bytes | memoryview) -> Message:
    """Which message this claims to be; Rejected where it is none, or longer than `MAX_MESSAGE`."""
    if len(token) > MAX_MESSAGE:
        raise Rejected(Reason.TOO_LONG, "a message is at most 16384 bytes")
    if len(token) < _BEGIN.size:
        raise Rejected(Reason.MALFORMED, "MS-NLMP 2.2: shorter than Signature and MessageType")
    signature, number = _BEGIN.unpack_from(token)
    if signature != SIGNATURE:
        raise Rejected(Reason.MALFORMED, "MS-NLMP 2.2: Signature is NTLMSSP and a zero")
    kind = _TYPES.get(number)
    if kind is None:
        raise Rejected(Reason.MALFORMED, "MS-NLMP 2.2: MessageType is 1, 2 or 3")
    return kind


def expect(token: bytes | memoryview, message: Message, fixed: int) -> memoryview:
    """A byte view of a token that is `message`, with its whole fixed part."""
    view = memoryview(token)
    if view.itemsize != 1 or not view.contiguous:
        raise bad_argument("a token is a contiguous buffer of bytes")
    if classify(view) is not message:
        raise Rejected(Reason.UNEXPECTED_MESSAGE, "MS-NLMP 1.3.1: not the message due here")
    if len(view) < fixed:
        raise Rejected(Reason.MALFORMED, "MS-NLMP 2.2.1: the fixed part is cut off")
    return view


def payload_start(fields: Iterable[tuple[int, int]], fixed: int, total: int) -> int:
    """Where the payload begins: the first byte of the first field that has any, or the end of the message.

    `fields` are (length, offset). What stands between `fixed` and there is optional header: version and MIC.
    """
    spans = sorted([(offset, offset + length) for length, offset in fields if length])
    end = fixed
    for start, stop in spans:
        if start < end:
            raise Rejected(Reason.FIELD_OVERLAP, "MS-NLMP 2.2: a payload field lies over another or the fixed part")
        end = stop
    if end > total:
        raise Rejected(Reason.FIELD_OUT_OF_RANGE, "MS-NLMP 2.2: a payload field ends behind the message")
    return spans[0][0] if spans else total


def character_set(flags: int, oem: str) -> str | None:
    """The code page of a message's text: None is Unicode (UTF-16LE), which wins where both are set (2.2.2.5 A, B)."""
    if flags & UNICODE:
        return None
    if flags & OEM:
        return oem
    raise Rejected(Reason.CHARACTER_SET_MISSING, "MS-NLMP 2.2.2.5: neither UNICODE nor OEM")


def check_code_page(oem: str) -> None:
    """Rejected, the caller's fault, where `oem` is not the name of a character set (`bytes.decode` knows)."""
    try:
        b"A".decode(oem)
    except LookupError:
        raise bad_argument("an OEM code page that Python does not know") from None


def decode_text(message: memoryview, length: int, offset: int, oem: str | None) -> str:
    """A name in the payload. Control characters are refused, those of lines and of writing direction too: no name has
    them, and a log in which one stands says something else.
    """
    if not length:
        return ""
    if oem is None:
        if (length | offset) & 1:
            raise Rejected(Reason.FIELD_MISALIGNED, "MS-NLMP 2.2.1: Unicode text has an even offset and length")
        return decode_unicode(message[offset : offset + length])
    try:
        return check_text(str(message[offset : offset + length], oem))
    except UnicodeDecodeError:
        raise Rejected(Reason.TEXT_MALFORMED, "not a text of the OEM code page") from None


def decode_unicode(text: memoryview) -> str:
    """UTF-16LE of an even length; a lone surrogate is refused."""
    try:
        decoded = utf_16_le_decode(text, "strict", True)[0]
        # The common case is decided here: this is called for every name of every message.
        return decoded if len(decoded) <= MAX_NAME and decoded.isprintable() else check_text(decoded)
    except UnicodeDecodeError:
        raise Rejected(Reason.TEXT_MALFORMED, "MS-NLMP 2.2: not UTF-16LE") from None


def check_text(text: str, fault: Fault = Fault.PEER) -> str:
    if len(text) > MAX_NAME:
        raise Rejected(Reason.TOO_LONG, "a name is at most 512 characters", fault)
    if not text.isprintable() and _CONTROL.search(text):
        raise Rejected(Reason.TEXT_MALFORMED, "a name has no control characters and no lone surrogates", fault)
    return text


def encode_text(text: str, oem: str | None) -> bytes:
    """A name for the payload: UTF-16LE, or the OEM code page; Rejected, the caller's fault, where it does not fit."""
    if len(text) > MAX_NAME or not text.isprintable():
        check_text(text, Fault.CALLER)
    try:
        return utf_16_le_encode(text)[0] if oem is None else text.encode(oem)
    except UnicodeEncodeError:
        raise bad_argument("a name that the character set cannot write") from None
