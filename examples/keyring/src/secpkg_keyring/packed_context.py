"""What passes from Keyring's LSA half to its user half, and from process to process: role, counters, key, peer."""

from __future__ import annotations

import struct

from secpkg.contract import SecurityError, Status

HEAD = struct.Struct(">BBQQ32s")  # version, role (R161), sent, received, key; the peer's name follows
Unpacked = tuple[bool, int, int, bytes, str]


def pack(initiator: bool, sent: int, received: int, key: bytes, peer: str) -> bytes:
    """The bytes that `unpack` takes."""
    return HEAD.pack(1, initiator, sent, received, key) + peer.encode()


def unpack(data: bytes) -> Unpacked:
    """SEC_E_INVALID_TOKEN for anything that `pack` did not make."""
    try:
        version, role, sent, received, key = HEAD.unpack_from(data)
        if version == 1 and role in (0, 1):
            return role == 1, sent, received, key, data[HEAD.size :].decode()
    except (struct.error, UnicodeDecodeError):
        pass
    raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="packed_context_malformed")
