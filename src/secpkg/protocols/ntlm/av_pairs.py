"""AV_PAIR lists (MS-NLMP 2.2.2.1): what acceptor and initiator say about themselves, identifier, length, value.

A list that was read keeps its bytes as they came, and its values as views of them: a proof is over what was sent, not
over what we would have written. Text here is Unicode whatever else is negotiated. A value may stand on any byte, and
the order is the sender's; identifiers without a meaning are kept and passed on.
"""

import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from .errors import Reason, Rejected, bad_argument
from .flags import AvId
from .messages import decode_unicode, encode_text

MAX_PAIRS: Final = 64
HASH_SIZE: Final = 16
MACHINE_ID_SIZE: Final = 32

_EOL: Final = 0
_FLAGS: Final = 6
_TIMESTAMP: Final = 7
_SINGLE_HOST: Final = 8
_TARGET_NAME: Final = 9
_CHANNEL_BINDINGS: Final = 10
_SIZES: Final = {_EOL: 0, _FLAGS: 4, _TIMESTAMP: 8, _CHANNEL_BINDINGS: HASH_SIZE}
_TEXTS: Final = frozenset((1, 2, 3, 4, 5, _TARGET_NAME))
_PAIR: Final = struct.Struct("<HH")
_unpack_pair: Final = _PAIR.unpack_from
_HOST: Final = struct.Struct("<I4xII32s")
_NO_TEXTS: Final[Mapping[int, str]] = MappingProxyType({})


class SingleHost(msgspec.Struct, frozen=True):
    """2.2.2.2 Single_Host_Data: the machine that the initiator runs on, by a number made at its start.

    ``machine_id`` is 32 bytes. ``custom_data`` is of the sender's platform, None where it says that there is none.
    """

    machine_id: bytes
    custom_data: int | None = None

    def __post_init__(self) -> None:
        if len(self.machine_id) != MACHINE_ID_SIZE:
            raise bad_argument("MS-NLMP 2.2.2.2: MachineID is 32 bytes")
        if self.custom_data is not None and not 0 <= self.custom_data <= 0xFFFFFFFF:
            raise bad_argument("MS-NLMP 2.2.2.2: CustomData is 32 bits")

    @classmethod
    def decode(cls, value: memoryview) -> "SingleHost":
        # A longer structure of a later version would begin with these fields.
        if len(value) < _HOST.size:
            raise Rejected(Reason.AV_PAIR_LENGTH, "MS-NLMP 2.2.2.2: Single_Host_Data is 48 bytes")
        size, present, custom, machine_id = _HOST.unpack_from(value)
        if size != len(value):
            raise Rejected(Reason.AV_PAIR_LENGTH, "MS-NLMP 2.2.2.2: Size is that of the structure")
        return cls(machine_id, custom if present else None)

    def encode(self) -> bytes:
        present = self.custom_data is not None
        return _HOST.pack(_HOST.size, present, self.custom_data or 0, self.machine_id)


class AvPairs(msgspec.Struct, frozen=True, eq=False):
    """An AV_PAIR list: ``raw`` as it came or goes, and the values in it; None where there is no such pair.

    ``items`` are all pairs but the end, in order, with their bytes. ``texts`` are those that hold text, by identifier.
    ``timestamp`` is a FILETIME. ``channel_bindings`` all zero stays all zero here; `bindings` says what it means.
    """

    raw: bytes | memoryview
    items: tuple[tuple[int, memoryview], ...]
    texts: Mapping[int, str] = _NO_TEXTS
    flags: int | None = None
    timestamp: int | None = None
    single_host: SingleHost | None = None
    channel_bindings: bytes | None = None

    @property
    def target_name(self) -> str | None:
        """MsvAvTargetName: the SPN that the initiator meant to reach; may be empty."""
        return self.texts.get(_TARGET_NAME)

    @classmethod
    def parse(cls, data: bytes | memoryview, known: "AvPairs | None" = None) -> "AvPairs":
        """The list at the beginning of `data`; what stands behind its end is not looked at.

        `known` is a list that this one may begin with, without its end: then those pairs are not read again.
        """
        view = memoryview(data)
        last = len(view) - _PAIR.size
        items: list[tuple[int, memoryview]] = []
        texts: dict[int, str] = {}
        others: set[int] = set()
        flags = timestamp = single_host = channel_bindings = None
        at = 0
        if known is not None and view[: len(known.raw) - _PAIR.size] == known.raw[: -_PAIR.size]:
            at = len(known.raw) - _PAIR.size
            items, texts = list(known.items), dict(known.texts)
            others = {number for number, _ in items if number not in texts}
            flags, timestamp = known.flags, known.timestamp
            single_host, channel_bindings = known.single_host, known.channel_bindings
        while at <= last:
            number, length = _unpack_pair(view, at)
            start = at + _PAIR.size
            at = start + length
            value = view[start:at]
            if len(value) != length:
                raise Rejected(Reason.AV_PAIR_TRUNCATED, "MS-NLMP 2.2.2.1: a value ends behind the list")
            if number in _TEXTS:
                if length & 1:
                    raise Rejected(Reason.AV_PAIR_LENGTH, "MS-NLMP 2.2.2.1: Unicode text has an even length")
                if number in texts:
                    raise _duplicate()
                texts[number] = decode_unicode(value)
            else:
                if length != _SIZES.get(number, length):
                    raise Rejected(Reason.AV_PAIR_LENGTH, "MS-NLMP 2.2.2.1: the size of this value is fixed")
                if number == _EOL:
                    return cls(view[:at], tuple(items), texts, flags, timestamp, single_host, channel_bindings)
                if number in others:
                    raise _duplicate()
                others.add(number)
                if number == _FLAGS:
                    flags = int.from_bytes(value, "little")
                elif number == _TIMESTAMP:
                    timestamp = int.from_bytes(value, "little")
                elif number == _SINGLE_HOST:
                    single_host = SingleHost.decode(value)
                elif number == _CHANNEL_BINDINGS:
                    channel_bindings = bytes(value)
            items.append((number, value))
            if len(items) > MAX_PAIRS:
                raise Rejected(Reason.TOO_LONG, "at most 64 AV pairs")
        raise Rejected(Reason.AV_END_MISSING, "MS-NLMP 2.2.2.1: MsvAvEOL is the last pair of a list")

    @classmethod
    def build(cls, pairs: Iterable[tuple[int, bytes | memoryview]]) -> "AvPairs":
        """The list of `pairs` in this order, and its end. Rejected, the caller's fault, where it would not be one."""
        raw = encode_pairs(pairs)
        try:
            return cls.parse(raw)
        except Rejected as rejected:
            raise bad_argument(rejected.rule) from None


def _duplicate() -> Rejected:
    return Rejected(Reason.AV_PAIR_DUPLICATE, "MS-NLMP 2.2.2.1: an identifier stands twice")


def encode_pairs(pairs: Iterable[tuple[int, bytes | memoryview]]) -> bytes:
    """The bytes of a list, with its end."""
    parts: list[bytes | memoryview] = []
    for number, value in pairs:
        if len(value) > 0xFFFF:
            raise bad_argument("MS-NLMP 2.2.2.1: AvLen is 16 bits")
        parts += (_PAIR.pack(number, len(value)), value)
    parts.append(bytes(4))
    return b"".join(parts)


def text_pair(number: AvId, text: str) -> tuple[int, bytes]:
    """A pair that holds text."""
    return int(number), encode_text(text, None)
