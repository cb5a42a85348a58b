"""Memory of a package: the two heaps, secrets in place, and buffers that are still the client's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secpkg.contract.flags import BufferFlag
from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import SecBuffer

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.running import Running

MAX_PROTECTED: Final = 1024 * 1024
"""Bytes that LsaProtectMemory takes at a time: it runs while others wait."""
_UNMAPPED: Final = int(BufferFlag.UNMAPPED)


class ClientMemory:
    """The data of a buffer that is marked SECBUFFER_UNMAPPED (R129): nothing that can be read, until MapBuffer."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)


def received(kind: int, data: bytes) -> SecBuffer:
    """An input buffer as its package gets it: one that the client marked SECBUFFER_UNMAPPED stays out of reach."""
    if kind & _UNMAPPED:
        return SecBuffer(kind, ClientMemory(data))  # type: ignore[arg-type]  # no data, on purpose
    return SecBuffer(kind, data)


_HEAP: Final = "the block is a bytearray; charged, and released exactly once"


@implements("lsa_dispatch", "AllocateLsaHeap", "duty", _HEAP)
@implements("lsa_secpkg", "AllocateLsaHeap", "duty", _HEAP)
def allocate_lsa_heap(running: Running, length: int) -> bytearray:
    """AllocateLsaHeap: zeros, charged to the package. What the package returns to the LSA is released by that (R123).
    STATUS_NO_MEMORY beyond the package's limit.
    """
    return running.holdings.lsa_heap.allocate(length)


@implements("lsa_dispatch", "FreeLsaHeap", "duty", _HEAP)
@implements("lsa_secpkg", "FreeLsaHeap", "duty", _HEAP)
def free_lsa_heap(running: Running, base: bytearray) -> None:
    """FreeLsaHeap: STATUS_INVALID_PARAMETER for what is no block of this package's LSA heap, or none any more."""
    running.holdings.lsa_heap.free(base)


@implements("lsa_secpkg", "AllocatePrivateHeap", "duty", _HEAP)
def allocate_private_heap(running: Running, length: int) -> bytearray:
    """AllocatePrivateHeap: as AllocateLsaHeap, for what stays in the LSA; the bytes are wiped at the release."""
    return running.holdings.private_heap.allocate(length)


@implements("lsa_secpkg", "FreePrivateHeap", "duty", _HEAP)
def free_private_heap(running: Running, base: bytearray) -> None:
    """FreePrivateHeap: wiped, then released; STATUS_INVALID_PARAMETER as for FreeLsaHeap."""
    running.holdings.private_heap.free(base)


@implements("lsa_secpkg", "LsaProtectMemory")
def protect_memory(running: Running, buffer: bytearray) -> None:
    """LsaProtectMemory: in place (R121). STATUS_INVALID_PARAMETER beyond `MAX_PROTECTED` bytes."""
    _protect(running, buffer)


@implements("lsa_secpkg", "LsaUnprotectMemory")
def unprotect_memory(running: Running, buffer: bytearray) -> None:
    """LsaUnprotectMemory: in place; the stream is its own inverse."""
    _protect(running, buffer)


def _protect(running: Running, buffer: bytearray) -> None:
    if len(buffer) > MAX_PROTECTED:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="buffer_too_large")
    running.surroundings.protect(buffer)


@implements("lsa_secpkg", "MapBuffer")
def map_buffer(running: Running, buffer: SecBuffer) -> SecBuffer:
    """MapBuffer (R128): of a buffer that is still the client's, a read-only view, which ends with the call; its bytes
    are wiped then, so that no part of the view tells them later. A mapped buffer is repeated as a descriptor.
    """
    data: object = buffer.data
    if not buffer.type & _UNMAPPED:
        return SecBuffer(buffer.type, buffer.data)
    if not isinstance(data, ClientMemory):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="not_client_memory")
    if running.call is None:
        raise SecurityError(Status.STATUS_UNSUCCESSFUL, reason="no_client")
    mapped = bytearray(data._data)
    view = memoryview(mapped).toreadonly()
    running.at_end(lambda: _unmap(mapped, view))
    return SecBuffer(buffer.type & ~_UNMAPPED, view)


def _unmap(mapped: bytearray, view: memoryview) -> None:
    mapped[:] = bytes(len(mapped))
    try:
        view.release()
    except BufferError:
        return  # something was made of it, which reads zeros from now on
