"""A descriptor whose adoption nobody waits for any more."""

from __future__ import annotations

import asyncio
import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from secpkg.ipc.aio_client import AsyncSocketLink


class SlowLink(SimpleNamespace):
    """A blocking link that says which file the descriptor stands for, once it may."""

    def __init__(self) -> None:
        super().__init__(domain_name="", clock=None, trusted=False, tell=None, close=None)
        self.begun, self.may, self.done = threading.Event(), threading.Event(), threading.Event()
        self.descriptor = -1
        self.inode = 0

    def adopt_token(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.begun.set()
        assert self.may.wait(10)
        self.inode = os.fstat(descriptor).st_ino
        self.done.set()


def test_the_caller_may_close_its_own_when_its_wait_is_cancelled() -> None:
    read, write = os.pipe()
    inode = os.fstat(read).st_ino
    blocking: Any = SlowLink()

    async def main() -> None:
        task = asyncio.ensure_future(AsyncSocketLink(blocking).adopt_token(read))
        assert await asyncio.to_thread(blocking.begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        os.close(read)
        blocking.may.set()
        assert await asyncio.to_thread(blocking.done.wait, 10)

    asyncio.run(main())
    os.close(write)
    assert blocking.inode == inode
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(blocking.descriptor)
