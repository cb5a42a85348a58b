"""Memory that is handed over by hand in the documents: a block is a bytearray, and the duty is what stays of it.

A block is charged to its owner's limit until it is released, which happens exactly once: by the function that frees, by
the last reference to it, or by the end of the owner, whichever comes first. The heap keeps no block alive.

An application's threads share a heap, and a finalizer may come in anywhere. So there is no lock: who takes a block's
charge out of the dictionary, which one thread does, is the one that releases it.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakValueDictionary

from secpkg.contract.status import SecurityError, Status

MAX_BLOCKS: Final = 65_536
"""Blocks of one heap at a time."""
BLOCK_COST: Final = 64
"""Bytes charged for a block whatever its length."""


class Block(bytearray):
    """One block. It belongs to whoever allocated it."""

    __slots__ = ("__weakref__", "_heap")

    _heap: Heap

    def __del__(self) -> None:
        heap = getattr(self, "_heap", None)
        if heap is not None:
            heap._release(self)


class Heap:
    """The blocks of one owner. With ``wipe`` a block's bytes are overwritten when it is released."""

    __slots__ = ("_blocks", "_charges", "_failure", "_limit", "_wipe", "charged")

    def __init__(self, limit: int, failure: Status, *, wipe: bool = False) -> None:
        self._limit = limit
        self._failure = failure
        self._wipe = wipe
        self._blocks: WeakValueDictionary[int, Block] = WeakValueDictionary()
        self._charges: dict[int, int] = {}
        self.charged = 0
        """Bytes that are charged now."""

    def allocate(self, length: int) -> bytearray:
        """A block of zeros. The failure that stands for NULL where the limit is reached."""
        charge = length + BLOCK_COST
        if length < 0 or self.charged + charge > self._limit or len(self._charges) >= MAX_BLOCKS:
            raise SecurityError(self._failure, reason="heap_limit")
        block = Block(length)
        self._charges[id(block)] = charge
        self._blocks[id(block)] = block
        block._heap = self
        self.charged += charge
        return block

    def free(self, base: bytearray) -> None:
        """Release a block of this heap. STATUS_INVALID_PARAMETER for any other, and for the second time."""
        if not isinstance(base, Block) or base._heap is not self or not self._release(base):
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="not_a_block_of_this_heap")

    def close(self) -> None:
        """The owner's end: release what is left."""
        for block in list(self._blocks.values()):
            self._release(block)

    def _release(self, block: Block) -> bool:
        charge = self._charges.pop(id(block), None)
        if charge is None:
            return False
        self.charged -= charge
        self._blocks.pop(id(block), None)
        if self._wipe:
            block[:] = bytes(len(block))
        return True
