"""What the tests of ipc share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import msgspec


class Message(msgspec.Struct, frozen=True):
    id: int
    body: bytes = b""


def encode(message: object) -> bytes:
    return msgspec.msgpack.encode(message)


decode = msgspec.msgpack.Decoder(Message).decode


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def in_child(body: Callable[[], bool]) -> bool:
    """What `body` says in the child of a fork; False where it raised or hung."""
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        good = False
        try:
            good = body()
        finally:
            os._exit(0 if good else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
