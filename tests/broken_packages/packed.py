"""What passes from Sound's LSA half to its user half."""

from __future__ import annotations

import struct
from typing import ClassVar

from secpkg import contract as c

HEAD = struct.Struct(">BBQdd32s")  # version, role, attributes, start, expiry, session key; the peer's name follows
MAX_PEER = 4096


class PackedContext(c.Value, frozen=True):
    """A finished handshake; ``attributes`` are ISC_RET_* or ASC_RET_*, as the role is (R161, R174)."""

    _secrets: ClassVar[tuple[str, ...]] = ("session_key",)

    initiator: bool
    attributes: int
    start: float
    expiry: float
    session_key: bytes
    peer: str

    def pack(self) -> bytes:
        head = HEAD.pack(1, self.initiator, self.attributes, self.start, self.expiry, self.session_key)
        return head + self.peer.encode("utf-8", "surrogatepass")[:MAX_PEER]

    @classmethod
    def unpack(cls, data: bytes) -> PackedContext:
        try:
            version, role, attributes, start, expiry, key = HEAD.unpack_from(data)
            peer = str(data[HEAD.size :], "utf-8", "surrogatepass")
        except (struct.error, UnicodeDecodeError):
            raise malformed() from None
        if version != 1 or role not in (0, 1) or not start <= expiry or len(data) > HEAD.size + MAX_PEER:
            raise malformed()
        return cls(role == 1, attributes, start, expiry, key, peer)


def malformed() -> c.SecurityError:
    return c.SecurityError(c.Status.SEC_E_INVALID_TOKEN, reason="packed_context_malformed")
