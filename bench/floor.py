"""The messages of a step with one call to the authority and nothing else: three processes in bare Python, what the
step costs before any handle, check, limit or stamp. `bench.calls` prints it beside the real one.

The frames are `bench.child.FRAME` bytes and the like of `LsaCall` and `LsaResult`; worker and authority are epoll loops
over SOCK_SEQPACKET, the package is a coroutine that is parked.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Final

import msgspec

from secpkg.ipc.control import LsaCall, LsaResult
from secpkg.ipc.schema import AcceptContext, Stepped, encode

ROOM: Final = 4096
_decode: Final = msgspec.msgpack.Decoder(AcceptContext | Stepped | LsaCall | LsaResult).decode
_decode_argument: Final = msgspec.msgpack.Decoder(tuple[int]).decode
_NIL: Final = msgspec.Raw(encode(None))
_SESSION: Final = 1 << 48


class _Ask:
    """What the package awaits."""

    def __await__(self) -> Generator[_Ask, None, None]:
        yield self


async def _package(token: bytes) -> bytes:
    await _Ask()
    return token


def _loop(readers: Mapping[socket.socket, Callable[[bytes], None]]) -> None:
    """Until one of them has ended."""
    poll = select.epoll()
    by_fd = {sock.fileno(): (sock.recv, read) for sock, read in readers.items()}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    while True:
        for fd, _events in poll.poll():
            receive, read = by_fd[fd]
            frame = receive(ROOM)
            if not frame:
                return
            read(frame)


def worker(application: socket.socket, control: socket.socket) -> None:
    """Answer steps, each after one call to the authority."""
    parked: dict[int, tuple[int, Coroutine[object, None, bytes]]] = {}
    arguments = msgspec.Raw(encode((_SESSION,)))

    def step(frame: bytes) -> None:
        message = _decode(frame)
        assert isinstance(message, AcceptContext)
        coroutine = _package(message.token)
        coroutine.send(None)
        parked[message.id] = message.context, coroutine
        control.send(encode(LsaCall(message.id, 1, 1, message.id, "create_logon_session", arguments)))

    def answer(frame: bytes) -> None:
        message = _decode(frame)
        assert isinstance(message, LsaResult)
        context, coroutine = parked.pop(message.id)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            application.send(encode(Stepped(message.id, 0x0009_0312, context, stop.value)))

    _loop({application: step, control: answer})


def authority(control: socket.socket) -> None:
    """Make a logon session in one call and delete it in the next."""
    sessions: set[int] = set()

    def call(frame: bytes) -> None:
        message = _decode(frame)
        assert isinstance(message, LsaCall)
        (logon_id,) = _decode_argument(message.arguments)
        if logon_id in sessions:
            sessions.discard(logon_id)
        else:
            sessions.add(logon_id)
        control.send(encode(LsaResult(message.id, _NIL)))

    _loop({control: call})


def caller(application: socket.socket, count: int, token: bytes) -> None:
    """So many steps, one after the other."""
    send, recv = application.send, application.recv
    for number in range(count):
        send(encode(AcceptContext(number, 1, 1, token)))
        _decode(recv(ROOM))
