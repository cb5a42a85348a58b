"""Sections that a package shares with its clients (R131), and an allocator that believes nothing in them.

Whoever maps a section writes into it as he likes. So the sizes and places of the pieces are kept here, outside the
shared bytes, and no byte of a section is ever read by the host. Which application maps a section is ADR 16.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final

from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.functions import SharedPiece
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.running import Running

MAX_SECTION: Final = 16 * 1024 * 1024
MAX_PIECES: Final = 65_536
_ALIGNMENT: Final = 16
_ADR: Final = "the section and its pieces are real; no application maps it yet (ADR 16)"


class Section:
    """A section: sealed pages of memory without a name, and where its pieces are."""

    __slots__ = ("_free", "_mapping", "_memory", "_pieces", "handle")

    def __init__(self, handle: int, size: int) -> None:
        self.handle = handle
        descriptor = os.memfd_create("secpkg-section", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, size)
            # Whoever gets the descriptor cannot cut the pages away under us.
            _seal(descriptor)
            self._mapping = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._memory = memoryview(self._mapping)
        self._free: list[tuple[int, int]] = [(0, size)]
        self._pieces: dict[int, tuple[int, int, memoryview]] = {}

    def allocate(self, size: int) -> SharedPiece:
        """The first place where it fits."""
        length = -(-size // _ALIGNMENT) * _ALIGNMENT
        if not length:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="piece_of_no_bytes")
        if len(self._pieces) >= MAX_PIECES:
            raise SecurityError(Status.STATUS_NO_MEMORY, reason="quota_pieces")
        for index, (start, room) in enumerate(self._free):
            if room >= length:
                self._free[index : index + 1] = [(start + length, room - length)] if room > length else []
                view = self._memory[start : start + size]
                self._pieces[start + _ALIGNMENT] = (start, length, view)
                return SharedPiece(start + _ALIGNMENT, view)
        raise SecurityError(Status.STATUS_NO_MEMORY, reason="section_full")

    def free(self, address: int) -> None:
        """Give a piece back; its view ends."""
        piece = self._pieces.pop(address, None)
        if piece is None:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="not_a_piece_of_this_section")
        start, length, view = piece
        self._memory[start : start + length] = bytes(length)
        _release(view)
        place = bisect_left(self._free, (start, 0))
        if place < len(self._free) and self._free[place][0] == start + length:
            length += self._free.pop(place)[1]
        if place and sum(self._free[place - 1]) == start:
            start, before = self._free.pop(place - 1)
            length += before
        insort(self._free, (start, length))

    def end(self, *, of_package: bool) -> None:
        """Every view ends, then the mapping. Views that the package made of views keep their pages until they go."""
        pieces, self._pieces = self._pieces, {}
        for _start, _length, view in pieces.values():
            _release(view)
        _release(self._memory)
        try:
            self._mapping.close()
        except BufferError:
            return


def _seal(descriptor: int) -> None:
    """No shrinking, no growing, no further seals."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)


def _release(view: memoryview) -> None:
    try:
        view.release()
    except BufferError:
        return


def _section(running: Running, handle: int) -> Section:
    section = running.holdings.held(handle, Section)
    if section is None:
        raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="section_unknown")
    return section


@implements("lsa_secpkg", "CreateSharedMemory", "duty", _ADR)
def create_shared_memory(running: Running, max_size: int, initial_size: int) -> int:
    """CreateSharedMemory: the handle of a section of this package, zeros. Pages come as they are touched, so that
    ``initial_size`` is a promise only. STATUS_INVALID_PARAMETER for sizes that contradict each other, STATUS_NO_MEMORY
    beyond `MAX_SECTION`, STATUS_INSUFFICIENT_RESOURCES.
    """
    if not max_size or initial_size > max_size:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="section_size")
    if max_size > MAX_SECTION:
        raise SecurityError(Status.STATUS_NO_MEMORY, reason="section_limit")
    pages = -(-max_size // mmap.PAGESIZE) * mmap.PAGESIZE
    return running.holdings.hold(lambda handle: Section(handle, pages)).handle


@implements("lsa_secpkg", "AllocateSharedMemory", "duty", _ADR)
def allocate_shared_memory(running: Running, shared_memory: int, size: int) -> SharedPiece:
    """AllocateSharedMemory: a piece and its address in the section. Nothing that is read from it may be trusted.
    STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER for no bytes, STATUS_NO_MEMORY when the section is full.
    """
    return _section(running, shared_memory).allocate(size)


@implements("lsa_secpkg", "FreeSharedMemory", "duty", _ADR)
def free_shared_memory(running: Running, shared_memory: int, memory: int) -> None:
    """FreeSharedMemory: the piece's bytes are wiped and its view ends. STATUS_INVALID_HANDLE; STATUS_INVALID_PARAMETER
    for an address that is no piece, or none any more.
    """
    _section(running, shared_memory).free(memory)


@implements("lsa_secpkg", "DeleteSharedMemory", "duty", _ADR)
def delete_shared_memory(running: Running, shared_memory: int) -> bool:
    """DeleteSharedMemory: True when it was there; its pieces are gone with it."""
    section = running.holdings.held(shared_memory, Section)
    if section is None:
        return False
    running.holdings.drop(shared_memory)
    return True
