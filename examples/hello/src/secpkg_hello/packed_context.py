"""What Hello's LSA half hands to its user half when a context is complete (ContextData): all that the two share."""

from __future__ import annotations

import struct
from typing import ClassVar

from secpkg.contract import SecurityError, Status
from secpkg.contract.values import Value

_VERSION = 1
_HEAD = struct.Struct(">BBQdd32s")  # version, role, attributes, start, expiry, session key; the peer's name follows
_MAX_PEER = 4096


class PackedContext(Value, frozen=True):
    """A finished handshake. ``attributes`` are ISC_RET_* of an initiator, ASC_RET_* of an acceptor (R161, R174)."""

    _secrets: ClassVar[tuple[str, ...]] = ("session_key",)

    initiator: bool
    attributes: int
    start: float
    expiry: float
    session_key: bytes
    peer: str

    def pack(self) -> bytes:
        """At most 64 KiB by far. SEC_E_CANNOT_PACK when the peer's name is too long or the key is not 32 bytes."""
        peer = self.peer.encode("utf-8", "surrogatepass")
        if len(peer) > _MAX_PEER or len(self.session_key) != 32:
            raise SecurityError(Status.SEC_E_CANNOT_PACK, reason="packed_context_does_not_fit")
        return _HEAD.pack(_VERSION, self.initiator, self.attributes, self.start, self.expiry, self.session_key) + peer

    @classmethod
    def unpack(cls, data: bytes) -> PackedContext:
        """Accepts what `pack` made and nothing else: SEC_E_INVALID_TOKEN."""
        try:
            version, role, attributes, start, expiry, key = _HEAD.unpack_from(data)
            unpacked = cls(role == 1, attributes, start, expiry, key, str(data[_HEAD.size :], "utf-8", "surrogatepass"))
            # NaN compares unequal to everything, so it is refused here too.
            if version == _VERSION and role in (0, 1) and start <= expiry and len(data) <= _HEAD.size + _MAX_PEER:
                return unpacked
        except (struct.error, UnicodeDecodeError):
            pass
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="packed_context_malformed")
