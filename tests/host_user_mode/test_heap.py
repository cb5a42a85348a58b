"""Blocks are released exactly once, however: by hand, by the last reference, by the end of their owner (R123, R133)."""

from __future__ import annotations

import gc
import threading

import pytest

from secpkg.contract.status import SecurityError, Status
from secpkg.host import heap as heap_module
from secpkg.host.heap import BLOCK_COST, Heap

LIMIT = 10_000


def heap(*, wipe: bool = False) -> Heap:
    return Heap(LIMIT, Status.STATUS_NO_MEMORY, wipe=wipe)


def test_a_block_is_zeros_and_belongs_to_who_asked() -> None:
    blocks = heap()
    first, second = blocks.allocate(3), blocks.allocate(3)
    first[:] = b"abc"
    assert first == b"abc" and second == bytes(3) and blocks.charged == 2 * (3 + BLOCK_COST)


@pytest.mark.parametrize("wipe", [False, True])
def test_a_block_in_a_cycle_is_released_by_the_collector(wipe: bool) -> None:
    blocks = heap(wipe=wipe)
    cycle: list[object] = [blocks.allocate(100)]
    cycle.append(cycle)
    assert blocks.charged
    del cycle
    gc.collect()
    assert blocks.charged == 0


def test_a_block_that_grew_gives_back_what_it_was_charged() -> None:
    blocks = heap(wipe=True)
    block = blocks.allocate(10)
    block += b"secret" * 100
    blocks.free(block)
    assert blocks.charged == 0 and block == bytes(610)


def test_a_view_of_a_wiped_block_sees_nothing() -> None:
    blocks = heap(wipe=True)
    block = blocks.allocate(6)
    block[:] = b"secret"
    view = memoryview(block)
    blocks.free(block)
    assert bytes(view) == bytes(6)


def test_of_two_threads_that_free_a_block_one_does() -> None:
    for _ in range(200):
        blocks = heap()
        block = blocks.allocate(10)
        refused: list[Status | int] = []
        ready = threading.Barrier(2)

        def free() -> None:
            ready.wait(20)  # noqa: B023 - joined within the turn
            try:
                blocks.free(block)  # noqa: B023
            except SecurityError as error:
                refused.append(error.status)  # noqa: B023

        threads = [threading.Thread(target=free) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == [Status.STATUS_INVALID_PARAMETER] and blocks.charged == 0


def test_a_refused_allocation_charges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = heap()
    for length in (-1, LIMIT):
        with pytest.raises(SecurityError) as caught:
            blocks.allocate(length)
        assert caught.value.status is Status.STATUS_NO_MEMORY and blocks.charged == 0
    monkeypatch.setattr(heap_module, "MAX_BLOCKS", 2)
    kept = [blocks.allocate(0), blocks.allocate(0)]
    with pytest.raises(SecurityError):
        blocks.allocate(0)
    del kept
    assert blocks.allocate(0) == b""


def test_the_end_of_the_owner_comes_once_too() -> None:
    blocks = heap(wipe=True)
    block = blocks.allocate(6)
    block[:] = b"secret"
    blocks.close()
    blocks.close()
    assert blocks.charged == 0 and block == bytes(6)
    with pytest.raises(SecurityError):
        blocks.free(block)
    del block
    assert blocks.charged == 0
