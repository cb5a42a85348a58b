"""What NTLM's LSA half hands to its user half when a context is complete (ContextData)."""

from __future__ import annotations

import struct
from itertools import accumulate
from typing import ClassVar

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Value

VERSION = 1
INITIATOR, ACCEPTOR = 1, 2
_HEAD = struct.Struct("<BBQIdd16s4H")
_MAX_TEXT = 4096
# version, role, attributes, negotiate flags, start, expiry, exported session key, characters of the four texts; the
# texts, one after the other


class PackedContext(Value, frozen=True):
    """A finished handshake, of one role. ``attributes`` are ISC_RET_* or ASC_RET_* (R161, R174); ``negotiated`` the
    flags of the AUTHENTICATE_MESSAGE (MS-NLMP 2.2.2.5), from which every key is derived.
    """

    _secrets: ClassVar[tuple[str, ...]] = ("exported_session_key",)

    initiator: bool
    attributes: int
    negotiated: int
    start: float
    expiry: float
    exported_session_key: bytes
    client: str = ""
    """DOMAIN\\user that was authenticated."""
    server: str = ""
    """The NetBIOS name of the acceptor's machine, as it said it itself."""
    target: str = ""
    """The SPN that the initiator meant."""
    workstation: str = ""

    def pack(self) -> bytes:
        """SEC_E_CANNOT_PACK for names that are too long."""
        lengths = (len(self.client), len(self.server), len(self.target), len(self.workstation))
        if len(self.exported_session_key) != 16 or max(lengths) > _MAX_TEXT:
            raise SecurityError(Status.SEC_E_CANNOT_PACK, reason="packed_context_does_not_fit")
        role = INITIATOR if self.initiator else ACCEPTOR
        head = _HEAD.pack(
            VERSION, role, self.attributes, self.negotiated, self.start, self.expiry, self.exported_session_key,
            *lengths,
        )  # fmt: skip
        texts = f"{self.client}{self.server}{self.target}{self.workstation}"
        return head + texts.encode("utf-8", "surrogatepass")

    @classmethod
    def unpack(cls, data: bytes) -> PackedContext:
        """Accepts what `pack` made and nothing else: SEC_E_INVALID_TOKEN."""
        try:
            version, role, attributes, negotiated, start, expiry, key, *lengths = _HEAD.unpack_from(data)
            text = str(data[_HEAD.size :], "utf-8", "surrogatepass")
            server, target, workstation, end = accumulate(lengths)
            # NaN compares unequal to everything, so it is refused here too.
            if version == VERSION and role in (INITIATOR, ACCEPTOR) and start <= expiry and end == len(text):
                texts = text[:server], text[server:target], text[target:workstation], text[workstation:]
                return cls(role == INITIATOR, attributes, negotiated, start, expiry, key, *texts)
        except (struct.error, UnicodeDecodeError):
            pass
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="packed_context_malformed")
