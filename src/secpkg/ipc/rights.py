"""Descriptors that travel with a frame (SCM_RIGHTS, unix(7)).

Whoever holds an `OwnedFds` owes the kernel a close for each descriptor in it. A reader takes what it wants with `take`;
what is left is closed by `close`, by the end of a `with` block, and at the latest when the object dies. A sender keeps
its descriptors: the kernel gives the receiver copies.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from types import TracebackType
from typing import Final

# SCM_MAX_FD of the kernel: one more and sendmsg says EINVAL.
MAX_FDS: Final = 253
_INT: Final = array.array("i").itemsize


class OwnedFds:
    """Received descriptors, closed unless taken. Not thread-safe."""

    __slots__ = ("_fds",)

    def __init__(self, fds: Iterable[int] = ()) -> None:
        self._fds: list[int | None] = list(fds)

    def __len__(self) -> int:
        return len(self._fds)

    def __repr__(self) -> str:
        return f"OwnedFds({self._fds!r})"

    def take(self, index: int) -> int:
        """The descriptor at `index`; the caller closes it from now on. IndexError where there is none, ValueError where
        it was taken.
        """
        fd = self._fds[index]
        if fd is None:
            raise ValueError(f"descriptor {index} was already taken or closed")
        self._fds[index] = None
        return fd

    def peek(self) -> list[int]:
        """Every descriptor not yet taken, in order; they stay owned here."""
        return [fd for fd in self._fds if fd is not None]

    def take_all(self) -> list[int]:
        """Every descriptor not yet taken, in order; the caller closes them from now on."""
        fds, self._fds = self._fds, [None] * len(self._fds)
        return [fd for fd in fds if fd is not None]

    def close(self) -> None:
        """Close what was not taken. Harmless when repeated."""
        close_all(self.take_all())

    def __enter__(self) -> OwnedFds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._fds:
            self.close()


# Shared by every frame that carried nothing: there is nothing in it to take, so nobody can disturb anybody.
NO_FDS: Final = OwnedFds()


def close_all(fds: Iterable[int]) -> None:
    """Close every one of them, also after one of them fails: Linux has freed the number whatever close(2) returned."""
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            continue


def duplicate(fds: Sequence[int]) -> OwnedFds:
    """Copies (close-on-exec) that outlive the caller's; all or, with OSError, none."""
    made = OwnedFds()
    try:
        for fd in fds:
            made._fds.append(os.dup(fd))
    except BaseException:
        made.close()
        raise
    return made


@cache
def ancillary_size(count: int) -> int:
    """Room for exactly `count` descriptors. CMSG_SPACE would round up to a place for one more, which then arrives
    unannounced.
    """
    return socket.CMSG_LEN(count * _INT) if count else 0


def control(fds: Sequence[int]) -> list[tuple[int, int, array.array[int]]]:
    """What sendmsg takes to pass `fds`."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]


def received(ancillary: Iterable[tuple[int, int, bytes]]) -> Iterator[int]:
    """Every descriptor in what recvmsg returned."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(data[: len(data) - len(data) % _INT])
            yield from numbers
