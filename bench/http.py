"""NTLM over the HTTP example, with TLS and a daemon: half-open handshakes, and good clients beside a flood.

The clients are coroutines with sockets and the protocol's own machine, and no HTTP library: what is measured is the
service. They come from many addresses of loopback, since the service's limits are counted by address.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from bench.authority import DOMAIN, PASSWORD, USER, Authority
from bench.children import Child
from bench.figures import Figure, Samples, at_least, at_most, median, progress
from bench.scale import resident
from secpkg.http import bindings, framing
from secpkg.protocols.ntlm import ChannelBindings, Credential, Initiator, Target, filetime

_WAVES: Final = 3
PER_ADDRESS: Final = 100
"""Connections that come from one address."""
FLOODERS: Final = 16
"""Connections of the flood, each of which tries the next password when it has been told that the last was wrong."""
_KIB: Final = 1024


class Service:
    """The example in a process of its own, and what its clients need to know."""

    def __init__(self, authority: Authority) -> None:
        from secpkg_http_service.certificate import make

        self._folder = tempfile.TemporaryDirectory(prefix="secpkg-bench-")
        certificate, key = make(Path(self._folder.name), "localhost")
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self.port: int = listener.getsockname()[1]
            descriptor = listener.fileno()
            self._child = Child("http_example", descriptor, authority.address, certificate, key, pass_fds=(descriptor,))
            self._child.ready()
        self.pids = (self._child.pid, authority.worker("NTLM"), authority.pid)
        self.tls = ssl.create_default_context(cafile=os.fspath(certificate))
        self.bound = ChannelBindings(bindings.of_pem(certificate)).hash()

    def memory(self) -> int:
        """Resident bytes of the service, the worker and the authority."""
        return sum(map(resident, self.pids))

    def close(self) -> None:
        self._child.close()
        self._folder.cleanup()


class Visitor:
    """One connection."""

    def __init__(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._service, self._reader, self._writer = service, reader, writer
        self._sent, self._negotiate = _INITIATOR.start()
        self._challenge = b""

    @classmethod
    async def arrive(cls, service: Service, number: int) -> Visitor:
        """The ``number``-th connection, with TLS."""
        address = f"127.0.{1 + number // PER_ADDRESS}.1"
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", service.port, ssl=service.tls, server_hostname="localhost", local_addr=(address, 0)
        )
        return cls(service, reader, writer)

    async def ask(self, token: bytes = b"") -> tuple[int, bytes]:
        """A request: the status, and the token that came with it."""
        field = f"Authorization: {framing.header('NTLM', token)}\r\n" if token else ""
        self._writer.write(f"GET /whoami HTTP/1.1\r\nHost: localhost\r\n{field}\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        fields = [line.partition(b": ") for line in head.lower().split(b"\r\n")]
        (length,) = (int(value) for name, _, value in fields if name == b"content-length")
        await self._reader.readexactly(length)
        at = head.lower().find(b"www-authenticate: ntlm ")
        data = b"" if at < 0 else head[at + 23 : head.index(b"\r\n", at)]
        return int(head[9:12]), framing.decode(data.decode()) if data else b""

    async def open(self) -> bool:
        """Half a handshake."""
        self._sent, self._negotiate = _INITIATOR.start()
        status, self._challenge = await self.ask(self._negotiate)
        return status == 401 and bool(self._challenge)

    async def prove(self, credential: Credential) -> int:
        """The other half: the status."""
        _, token = self._sent.receive(
            self._challenge,
            credential,
            entropy=os.urandom(24),
            now=filetime(time.time()),
            target=Target("HTTP/localhost"),
            bindings=self._service.bound,
        )
        status, _ = await self.ask(token)
        return status

    async def leave(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()


_INITIATOR: Final = Initiator(workstation="BENCH")


class Http:
    """The group: ``half_open`` handshakes at once, ``flood`` wrong passwords, ``good`` clients beside and without."""

    title = "NTLM over the HTTP example (TLS, channel bindings required, daemon)"

    def __init__(self, exit_stack: contextlib.ExitStack, half_open: int, flood: int, good: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
        self._half_open, self._flood, self._good = half_open, flood, good
        authority = exit_stack.enter_context(Authority())
        authority.manage("accounts.add", name="mallory", password=PASSWORD)
        self._service = Service(authority)
        exit_stack.callback(self._service.close)
        self._alice = Credential.from_password(USER, DOMAIN, PASSWORD)

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        return {}

    def figures(self, samples: Samples) -> Iterator[Figure]:
        yield from asyncio.run(self._many())
        yield from asyncio.run(self._flooded())
        progress("")

    async def _many(self) -> Sequence[Figure]:
        """Three times: all connect, all make half a handshake, all finish it, all leave."""
        service, count = self._service, self._half_open
        grown: list[int] = []
        rested: list[int] = []
        opened = finished = 0
        await self._visit()
        for wave in range(_WAVES):
            progress(f"{count} half-open handshakes, {wave + 1} of {_WAVES}")
            guests = await _batches([partial(Visitor.arrive, service, number) for number in range(count)])
            await _batches([guest.ask for guest in guests])
            for half in (guests[: count // 2], guests[count // 2 :]):
                before = service.memory()
                opened += sum(await _batches([guest.open for guest in half]))
                grown.append(service.memory() - before)
            statuses = await _batches([partial(guest.prove, self._alice) for guest in guests])
            finished += statuses.count(200)
            await _batches([guest.leave for guest in guests])
            await self._visit()  # what has ended is let go of with the next request
            rested.append(service.memory())
        each = [grown[half] / (count // 2) / _KIB for half in (0, 1)]
        growth = (rested[2] - rested[1]) / count / _KIB
        who = "service, worker and authority"
        return (
            at_least(f"handshakes half open, {count} at once, {_WAVES} times over", opened, "", _WAVES * count),
            at_most("of them lost", _WAVES * count - finished, "", 0),
            at_most(f"resident memory per half-open handshake, the first half of them, {who}", each[0], "KiB"),
            at_most("the second half, to the first", each[1] / each[0], "×", 1.2),
            at_most("left of each when all are gone, the third time over the second", growth, "KiB", 0.5),
        )

    async def _flooded(self) -> Sequence[Figure]:
        """Good clients alone, beside the flood, and alone again."""
        progress("good clients alone")
        alone = [await self._visit() for _ in range(self._good)]
        progress(f"good clients beside {self._flood} wrong passwords")
        left = [self._flood]
        begun = time.perf_counter()
        statuses: list[int] = []
        flood = [asyncio.create_task(self._guess(number, left, statuses)) for number in range(FLOODERS)]
        beside: list[float] = []
        while left[0] > 0:
            beside.append(await self._visit())
        await asyncio.gather(*flood)
        taken = time.perf_counter() - begun
        alone += [await self._visit() for _ in range(self._good)]
        return (
            at_least(f"wrong passwords, {FLOODERS} connections at once", len(statuses) / taken, "/s"),
            at_most("of them let in", statuses.count(200), "", 0),
            at_most("a good client's visit alone: TLS, three messages, the page", median(alone) * 1e3, "ms"),
            at_most("a good client's visit beside the flood", median(beside) * 1e3, "ms"),
            at_most("beside the flood, to alone", median(beside) / median(alone), "×", 2.0),
        )

    async def _visit(self) -> float:
        begun = time.perf_counter()
        guest = await Visitor.arrive(self._service, 0)
        await guest.open()
        status = await guest.prove(self._alice)
        taken = time.perf_counter() - begun
        await guest.leave()
        if status != 200:
            raise RuntimeError(f"a good client was answered {status}")
        return taken

    async def _guess(self, number: int, left: list[int], statuses: list[int]) -> None:
        guest = await Visitor.arrive(self._service, (1 + number) * PER_ADDRESS)
        while left[0] > 0:
            left[0] -= 1
            wrong = Credential("mallory", DOMAIN, os.urandom(16))
            if await guest.open():
                statuses.append(await guest.prove(wrong))
            else:
                statuses.append(503)
        await guest.leave()


T = TypeVar("T")


async def _batches(jobs: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """All of them, fifty at a time."""
    done: list[T] = []
    for start in range(0, len(jobs), 50):
        done += await asyncio.gather(*(job() for job in jobs[start : start + 50]))
    return done
