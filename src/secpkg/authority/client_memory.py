"""The memory of a client, as one call into a package sees it (AllocateClientBuffer and its kin).

No process is looked into: what the documents call an address of the client is here a number that names a *region* of
this call, and an address inside a region is its base plus an offset. What the application sent is mapped, read-only and
not charged (the request was); what the package allocates is charged to the client's quota (R127) and given back exactly
once: by FreeClientBuffer, with the reply whose buffer it is, or at the end of the call. Numbers are of one connection
and never used twice, so a stale address finds nothing, and one of another client reaches nothing of that client's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection, ConnectionTable

MAX_COPY: Final = 128 * 1024
"""Bytes of one copy to or from the client; a longer buffer is copied in pieces."""
MAX_REGIONS: Final = 256
"""Regions of one call."""
OVERHEAD: Final = 64
"""Bytes charged for a region beside its contents."""
_WINDOW: Final = 1 << 32
"""Addresses of one region: its base is a multiple of this."""


class _Region(msgspec.Struct, eq=False):
    data: bytearray | bytes
    charged: int = 0
    """0 for what the application sent."""


class ClientMemory:
    """The regions of one call, or of a call and the packages that it calls with the client's addresses."""

    __slots__ = ("_connection", "_connections", "_regions")

    def __init__(self, connections: ConnectionTable, connection: Connection) -> None:
        self._connections = connections
        self._connection = connection
        self._regions: dict[int, _Region] = {}

    def __len__(self) -> int:
        return len(self._regions)

    def map(self, data: bytes) -> int:
        """The address of what the application sent; 0 for nothing."""
        return self._enter(_Region(data)) if data else 0

    def allocate(self, length: int) -> int:
        """AllocateClientBuffer: the address of ``length`` zero bytes. STATUS_NO_MEMORY (R127), STATUS_INVALID_PARAMETER
        for what is no length.
        """
        if not 0 <= length < _WINDOW:
            raise _invalid("client_buffer_length")
        self._connection.require_open()
        if len(self._regions) >= MAX_REGIONS:
            raise SecurityError(Status.STATUS_NO_MEMORY, reason="client_buffers_too_many")
        amount = length + OVERHEAD
        try:
            self._connections.charge(self._connection, amount)
        except SecurityError as refused:
            raise SecurityError(Status.STATUS_NO_MEMORY, reason=refused.reason) from None
        return self._enter(_Region(bytearray(length), amount))

    def free(self, address: int) -> None:
        """FreeClientBuffer: 0 does nothing (R126); STATUS_INVALID_PARAMETER for what `allocate` did not give, and the
        second time.
        """
        if address:
            self._allocated(address)
            self._remove(address)

    def write(self, address: int, data: bytes) -> None:
        """CopyToClientBuffer: STATUS_INVALID_PARAMETER where no region is or it ends too early, STATUS_ACCESS_DENIED
        for what the application sent. Nothing is written then.
        """
        region, offset = self._at(address, len(data))
        if isinstance(region.data, bytes):
            raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="client_buffer_read_only")
        region.data[offset : offset + len(data)] = data

    def read(self, address: int, length: int) -> bytes:
        """CopyFromClientBuffer: a copy; STATUS_INVALID_PARAMETER where no region is or it ends too early."""
        region, offset = self._at(address, length)
        return bytes(region.data[offset : offset + length])

    def holds(self, address: int) -> bool:
        """Whether the address is inside a region."""
        return address & ~(_WINDOW - 1) in self._regions

    def take(self, address: int, limit: int) -> bytes:
        """The contents of an allocated region, which is released with that: it goes to the application (R50, R79).
        STATUS_QUOTA_EXCEEDED beyond ``limit`` bytes.
        """
        region = self._allocated(address)
        if len(region.data) > limit:
            raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="client_buffer_too_large")
        self._remove(address)
        return bytes(region.data)

    def release(self) -> None:
        """The end of the call."""
        for base in tuple(self._regions):
            self._remove(base)

    def _enter(self, region: _Region) -> int:
        self._connection.last_region += 1
        base = self._connection.last_region * _WINDOW
        self._regions[base] = region
        return base

    def _remove(self, base: int) -> None:
        region = self._regions.pop(base)
        self._connections.refund(self._connection, region.charged)

    def _allocated(self, base: int) -> _Region:
        region = self._regions.get(base)
        if region is None or not region.charged:
            raise _invalid("client_address_unknown")
        return region

    def _at(self, address: int, length: int) -> tuple[_Region, int]:
        if not 0 <= length <= MAX_COPY:
            raise _invalid("client_copy_length")
        region = self._regions.get(address & ~(_WINDOW - 1))
        if region is None:
            raise _invalid("client_address_unknown")
        offset = address & (_WINDOW - 1)
        if offset + length > len(region.data):
            raise _invalid("client_buffer_ends")
        return region, offset


def _invalid(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_INVALID_PARAMETER, reason=reason)
