"""CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2): what the acceptor chose, its nonce, and who it says it is."""

import struct
from typing import Final

import msgspec

from .av_pairs import AvPairs
from .errors import bad_argument
from .flags import TARGET_INFO, VERSION
from .messages import (
    OEM_CODE_PAGE,
    SIGNATURE,
    Version,
    character_set,
    decode_text,
    decode_version,
    encode_text,
    encode_version,
    expect,
    payload_start,
)
from .transitions import Message

CHALLENGE_SIZE: Final = 8
_HEADER: Final = struct.Struct("<8sIHHII8s8xHHI")
_PAYLOAD: Final = _HEADER.size + 8


class Challenge(msgspec.Struct, frozen=True):
    """A CHALLENGE_MESSAGE. ``server_challenge`` is 8 bytes; ``target_info`` is None where the acceptor sent none."""

    flags: int
    server_challenge: bytes
    target_name: str = ""
    target_info: AvPairs | None = None
    version: Version | None = None

    def __post_init__(self) -> None:
        if len(self.server_challenge) != CHALLENGE_SIZE:
            raise bad_argument("MS-NLMP 2.2.1.2: ServerChallenge is 8 bytes")
        if not 0 <= self.flags <= 0xFFFFFFFF:
            raise bad_argument("MS-NLMP 2.2.2.5: flags are 32 bits")

    @classmethod
    def parse(cls, token: bytes | memoryview, *, oem: str = OEM_CODE_PAGE) -> "Challenge":
        """The message in `token`; Rejected otherwise. Target information that no flag announces is ignored."""
        view = expect(token, Message.CHALLENGE, _HEADER.size)
        _, _, name, _, name_at, flags, nonce, info, _, info_at = _HEADER.unpack_from(view)
        if not flags & TARGET_INFO:
            info = 0
        start = payload_start(((name, name_at), (info, info_at)), _HEADER.size, len(view))
        return cls(
            flags,
            nonce,
            decode_text(view, name, name_at, character_set(flags, oem)),
            AvPairs.parse(view[info_at : info_at + info]) if info else None,
            decode_version(view, _HEADER.size) if flags & VERSION and start >= _PAYLOAD else None,
        )

    def build(self, *, oem: str = OEM_CODE_PAGE) -> bytes:
        """The token. The flags that announce target information and version follow what there is."""
        name = encode_text(self.target_name, character_set(self.flags, oem))
        info = b"" if self.target_info is None else self.target_info.raw
        flags = self.flags & ~(TARGET_INFO | VERSION)
        flags |= TARGET_INFO * bool(info) | VERSION * (self.version is not None)
        # The name may have an odd length in an OEM code page; AV pairs need no alignment (2.2.2.1).
        sizes = (len(info), len(info), _PAYLOAD + len(name) if info else 0)
        header = _HEADER.pack(SIGNATURE, 2, len(name), len(name), _PAYLOAD, flags, self.server_challenge, *sizes)
        return b"".join((header, encode_version(self.version), name, info))
