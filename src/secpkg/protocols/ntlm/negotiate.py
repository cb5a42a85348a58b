"""NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1): what the initiator can do."""

import struct
from typing import Final

import msgspec

from .errors import bad_argument
from .flags import OEM_DOMAIN_SUPPLIED, OEM_WORKSTATION_SUPPLIED, VERSION
from .messages import (
    OEM_CODE_PAGE,
    SIGNATURE,
    Version,
    decode_text,
    decode_version,
    encode_text,
    encode_version,
    expect,
    payload_start,
)
from .transitions import Message

_HEADER: Final = struct.Struct("<8sIIHHIHHI")
_PAYLOAD: Final = _HEADER.size + 8


class Negotiate(msgspec.Struct, frozen=True):
    """A NEGOTIATE_MESSAGE. Names are in the OEM code page, whatever else is negotiated; empty where not supplied."""

    flags: int
    domain: str = ""
    workstation: str = ""
    version: Version | None = None

    @classmethod
    def parse(cls, token: bytes | memoryview, *, oem: str = OEM_CODE_PAGE) -> "Negotiate":
        """The message in `token`; Rejected otherwise. Fields that no flag announces are ignored, as 2.2.1.1 asks."""
        view = expect(token, Message.NEGOTIATE, _HEADER.size)
        _, _, flags, domain, _, domain_at, workstation, _, workstation_at = _HEADER.unpack_from(view)
        if not flags & OEM_DOMAIN_SUPPLIED:
            domain = 0
        if not flags & OEM_WORKSTATION_SUPPLIED:
            workstation = 0
        start = payload_start(((domain, domain_at), (workstation, workstation_at)), _HEADER.size, len(view))
        return cls(
            flags,
            decode_text(view, domain, domain_at, oem),
            decode_text(view, workstation, workstation_at, oem),
            decode_version(view, _HEADER.size) if flags & VERSION and start >= _PAYLOAD else None,
        )

    def build(self, *, oem: str = OEM_CODE_PAGE) -> bytes:
        """The token. The flags that announce names and version follow what there is; they are not given."""
        if not 0 <= self.flags <= 0xFFFFFFFF:
            raise bad_argument("MS-NLMP 2.2.2.5: flags are 32 bits")
        domain, workstation = encode_text(self.domain, oem), encode_text(self.workstation, oem)
        flags = self.flags & ~(OEM_DOMAIN_SUPPLIED | OEM_WORKSTATION_SUPPLIED | VERSION)
        flags |= OEM_DOMAIN_SUPPLIED * bool(domain) | OEM_WORKSTATION_SUPPLIED * bool(workstation)
        flags |= VERSION * (self.version is not None)
        sizes = (len(workstation), len(workstation), _PAYLOAD if workstation else 0)
        domain_at = _PAYLOAD + len(workstation) if domain else 0
        header = _HEADER.pack(SIGNATURE, 1, flags, len(domain), len(domain), domain_at, *sizes)
        return header + encode_version(self.version) + workstation + domain
