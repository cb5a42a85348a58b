"""Memory: what has no Python work and a duty (spec/README 11), what is the client's, what is shared, what is secret."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from secpkg.contract.values import (
    SecBuffer,
    Value,
)


class SharedPiece(Value, frozen=True):
    """Result of AllocateSharedMemory: an address within the section, and the bytes there, writable. Clients write into
    them too (R131). The view ends with the piece.
    """

    address: int
    memory: memoryview


class LsaHeap(Protocol):
    """Memory that passes between package and LSA (R123): no Python work, only the duty (spec/README 11)."""

    def allocate_lsa_heap(self, length: int) -> Awaitable[bytearray]:
        """AllocateLsaHeap: zeros, charged to the package until they are freed, or nobody holds them.
        STATUS_NO_MEMORY. Page: ntsecpkg/nc-ntsecpkg-lsa_allocate_lsa_heap.
        """
        ...

    def free_lsa_heap(self, base: bytearray) -> Awaitable[None]:
        """FreeLsaHeap: STATUS_INVALID_PARAMETER for what is no block of this heap, and for the second time.
        Page: ntsecpkg/nc-ntsecpkg-lsa_free_lsa_heap.
        """
        ...


class ClientBuffers(Protocol):
    """Memory of the client (R124, R125), charged to its quota."""

    def allocate_client_buffer(self, length: int) -> Awaitable[int]:
        """AllocateClientBuffer: STATUS_NO_MEMORY when the quota is used up (R127).
        Page: ntsecpkg/nc-ntsecpkg-lsa_allocate_client_buffer.
        """
        ...

    def free_client_buffer(self, client_base_address: int) -> Awaitable[None]:
        """FreeClientBuffer: 0 is accepted and does nothing (R126). Page:
        ntsecpkg/nc-ntsecpkg-lsa_free_client_buffer.
        """
        ...

    def copy_to_client_buffer(self, client_base_address: int, data: bytes) -> Awaitable[None]:
        """CopyToClientBuffer. Page: ntsecpkg/nc-ntsecpkg-lsa_copy_to_client_buffer."""
        ...

    def copy_from_client_buffer(self, client_base_address: int, length: int) -> Awaitable[bytes]:
        """CopyFromClientBuffer. Page: ntsecpkg/nc-ntsecpkg-lsa_copy_from_client_buffer."""
        ...


class ProtectedMemory(Protocol):
    """Secrets in memory."""

    def protect_memory(self, buffer: bytearray) -> Awaitable[None]:
        """LsaProtectMemory: encrypts in place (R121), 1 MiB at most. Page: ntsecpkg/nc-ntsecpkg-lsa_protect_memory."""
        ...

    def unprotect_memory(self, buffer: bytearray) -> Awaitable[None]:
        """LsaUnprotectMemory: decrypts in place (R121). Page: ntsecpkg/nc-ntsecpkg-lsa_protect_memory."""
        ...

    def allocate_private_heap(self, length: int) -> Awaitable[bytearray]:
        """AllocatePrivateHeap: as `LsaHeap.allocate_lsa_heap`; the bytes are wiped when they are released.
        Page: ntsecpkg/nc-ntsecpkg-lsa_allocate_private_heap.
        """
        ...

    def free_private_heap(self, base: bytearray) -> Awaitable[None]:
        """FreePrivateHeap: as `LsaHeap.free_lsa_heap`. Page: ntsecpkg/nc-ntsecpkg-lsa_free_private_heap."""
        ...

    def map_buffer(self, buffer: SecBuffer) -> Awaitable[SecBuffer]:
        """MapBuffer (R128): of a buffer that the client marked SECBUFFER_UNMAPPED a read-only view, valid for this call
        only; any other is repeated as a descriptor. Page: ntsecpkg/nc-ntsecpkg-lsa_map_buffer.
        """
        ...


class SharedMemory(Protocol):
    """Sections shared with clients, whose contents nobody may trust (R131)."""

    def create_shared_memory(self, max_size: int, initial_size: int) -> Awaitable[int]:
        """CreateSharedMemory: the handle of a section (docs/adr/0016). STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY,
        STATUS_INSUFFICIENT_RESOURCES. Page: ntsecpkg/nc-ntsecpkg-lsa_create_shared_memory.
        """
        ...

    def allocate_shared_memory(self, shared_memory: int, size: int) -> Awaitable[SharedPiece]:
        """AllocateSharedMemory: STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY.
        Page: ntsecpkg/nc-ntsecpkg-lsa_allocate_shared_memory.
        """
        ...

    def free_shared_memory(self, shared_memory: int, memory: int) -> Awaitable[None]:
        """FreeSharedMemory, by the piece's address: STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER.
        Page: ntsecpkg/nc-ntsecpkg-lsa_free_shared_memory.
        """
        ...

    def delete_shared_memory(self, shared_memory: int) -> Awaitable[bool]:
        """DeleteSharedMemory: False when there is no such section. Page:
        ntsecpkg/nc-ntsecpkg-lsa_delete_shared_memory.
        """
        ...
