"""What NTLM's LSA half hands to its user half when a context is complete (ContextData)."""

from __future__ import annotations

import struct
from typing import ClassVar

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Value

VERSION = 1
INITIATOR, ACCEPTOR = 1, 2
_HEAD = struct.Struct("<BBQIdd16s4H")
_MAX_TEXT = 4096
# version, role, attributes, negotiate flags, start, expiry, exported session key, lengths of the four texts; the texts


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
        texts = [text.encode("utf-8", "surrogatepass") for text in self._texts()]
        if len(self.exported_session_key) != 16 or max(map(len, texts)) > _MAX_TEXT:
            raise SecurityError(Status.SEC_E_CANNOT_PACK, reason="packed_context_does_not_fit")
        role = INITIATOR if self.initiator else ACCEPTOR
        head = _HEAD.pack(
            VERSION, role, self.attributes, self.negotiated, self.start, self.expiry, self.exported_session_key,
            *map(len, texts),
        )  # fmt: skip
        return b"".join((head, *texts))

    def _texts(self) -> tuple[str, str, str, str]:
        return self.client, self.server, self.target, self.workstation

    @classmethod
    def unpack(cls, data: bytes) -> PackedContext:
        """Accepts what `pack` made and nothing else: SEC_E_INVALID_TOKEN."""
        try:
            version, role, attributes, negotiated, start, expiry, key, *lengths = _HEAD.unpack_from(data)
            texts, at = [], _HEAD.size
            for length in lengths:
                texts.append(str(data[at : at + length], "utf-8", "surrogatepass"))
                at += length
            # NaN compares unequal to everything, so it is refused here too.
            if version == VERSION and role in (INITIATOR, ACCEPTOR) and start <= expiry and at == len(data):
                return cls(role == INITIATOR, attributes, negotiated, start, expiry, key, *texts)
        except (struct.error, UnicodeDecodeError):
            pass
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="packed_context_malformed")
