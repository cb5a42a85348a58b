"""The processes of `bench.children`: each role takes the number of calls to make, and says when they were made."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from typing import Final, cast

import msgspec

from bench import floor
from bench.children import Span
from secpkg.ipc import schema
from secpkg.ipc.channel import Channel
from secpkg.ipc.client import SocketLink, link
from secpkg.ipc.link import next_id

FRAME: Final = 256
_CLOCK: Final = time.perf_counter

_kept: list[SocketLink] = []
"""Connections: with its end the worker lets go of the application's contexts."""

WorkerChannel = Channel[schema.ToWorker, schema.FromWorker]
Run = Callable[[float], list[float]]


def bare(fd: str) -> Run:
    """One end of a bare ping-pong: sends a frame and waits for it."""
    sock = socket.socket(fileno=int(fd))
    frame = bytes(FRAME)

    def run(count: float) -> list[float]:
        send, recv = sock.send, sock.recv
        for _ in range(int(count)):
            send(frame)
            recv(FRAME)
        return []

    return run


def mirror(fd: str) -> Run:
    """The other end: until the first is gone."""
    sock = socket.socket(fileno=int(fd))

    def run(_count: float) -> list[float]:
        send, recv = sock.send, sock.recv
        while frame := recv(FRAME):
            send(frame)
        return []

    return run


def floor_worker(application: str, control: str) -> Run:
    """The worker of `bench.floor`: until its application or its authority is gone."""
    ends = socket.socket(fileno=int(application)), socket.socket(fileno=int(control))

    def run(_count: float) -> list[float]:
        floor.worker(*ends)
        return []

    return run


def floor_authority(control: str) -> Run:
    """The authority of `bench.floor`: until its worker is gone."""
    sock = socket.socket(fileno=int(control))

    def run(_count: float) -> list[float]:
        floor.authority(sock)
        return []

    return run


def floor_caller(application: str) -> Run:
    """The application of `bench.floor`."""
    sock = socket.socket(fileno=int(application))
    token = bytes(FRAME - len(schema.encode(_message(1, 1, b""))) - 2)

    def run(count: float) -> list[float]:
        floor.caller(sock, int(count), token)
        return []

    return run


def _message(credential: int, context: int, token: bytes) -> schema.AcceptContext:
    return schema.AcceptContext(next_id(), credential, context, token)


def open_context(channel: WorkerChannel, package: int) -> tuple[int, int, bytes]:
    """A credential, a context, and a token that makes a leg's frame `FRAME` bytes long."""
    acquired = channel.call(schema.AcquireCredentials(next_id(), package, 1))
    assert isinstance(acquired, schema.CredentialsAcquired)
    token = bytes(FRAME - len(schema.encode(_message(acquired.credential, 0, b""))) - 2)
    stepped = channel.call(_message(acquired.credential, 0, token))
    assert isinstance(stepped, schema.Stepped)
    return acquired.credential, stepped.context, token


def caller(address: str, package: str) -> Run:
    """Calls on an open context, one after the other."""
    connection = link(address)
    opened, channel = connection.open_channel(package, 0)
    _kept.append(connection)
    credential, context, token = open_context(channel, opened.package)

    def run(count: float) -> list[float]:
        call, message = channel.call, schema.AcceptContext
        for _ in range(int(count)):
            call(message(next_id(), credential, context, token))
        return []

    return run


def quiet(address: str, package: str) -> Run:
    """Calls with a pause between them: how long each took."""
    connection = link(address)
    opened, channel = connection.open_channel(package, 0)
    _kept.append(connection)
    credential, context, token = open_context(channel, opened.package)

    def run(count: float) -> list[float]:
        each = []
        for _ in range(int(count)):
            time.sleep(0.001)
            begun = _CLOCK()
            channel.call(_message(credential, context, token))
            each.append(_CLOCK() - begun)
        return each

    return run


def flood(address: str, package: str) -> Run:
    """For so many seconds as many calls as the worker takes, without waiting for a reply before the next."""
    connection = link(address)
    opened, sock = connection.open_socket(package, 0)
    _kept.append(connection)
    channel: WorkerChannel = Channel(sock.dup(), schema.encode, schema.decode_from_worker)
    credential, context, token = open_context(channel, opened.package)
    frame = schema.encode(_message(credential, context, token))

    def run(seconds: float) -> list[float]:
        sock.setblocking(False)
        end = _CLOCK() + seconds
        owed = 0
        while owed or _CLOCK() < end:
            try:
                while _CLOCK() < end:
                    sock.send(frame)
                    owed += 1
            except BlockingIOError:
                pass
            try:
                while owed:
                    sock.recv(2 * FRAME)
                    owed -= 1
            except BlockingIOError:
                pass
        return []

    return run


def handshaker(address: str, domain: str, user: str, password: str) -> Run:
    """Hello handshakes with a credential that has its key."""
    from bench.hello import Pair

    pair = Pair(address, domain, user, password)
    pair.handshake()

    def run(count: float) -> list[float]:
        each = []
        for _ in range(int(count)):
            begun = _CLOCK()
            pair.handshake()
            each.append(_CLOCK() - begun)
        return each

    return run


def http_example(descriptor: str, address: str, certificate: str, key: str) -> Run:
    """The HTTP example on a listening socket, until this process ends."""
    from bench.http_child import serve

    serve(int(descriptor), address, certificate, key)
    return lambda _count: []


def main(role: str, *arguments: str) -> None:
    """Serve commands until there are no more."""
    run = cast(Callable[..., Run], globals()[role])(*arguments)
    output = sys.stdout.buffer
    output.write(b"ready\n")
    output.flush()
    for line in sys.stdin.buffer:
        count = msgspec.json.decode(line, type=float)
        start = time.monotonic()
        each = run(count)
        output.write(msgspec.json.encode(Span(start, time.monotonic(), each)) + b"\n")
        output.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
