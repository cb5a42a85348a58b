"""NTLM over HTTP: what a handshake that waits for its last leg costs the service, and what a flood of guesses does to
users who know their passwords.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bench.authority import DOMAIN, PASSWORD, USER
from bench.children import Child
from bench.figures import Figure, Samples, at_least, at_most, median, ratio
from bench.site import CERTIFICATE, ENEMIES, enemy
from secpkg import Client
from secpkg.testing import LabAuthority

_CHUNK: Final = 65_536
_GOOD: Final = 20
"""Logons of a user who knows the password, in each round."""


class Visit:
    """One connection over TLS, kept alive."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        certificate = self._socket.getpeercert(binary_form=True) or b""
        self.bindings: Final = b"tls-server-end-point:" + hashlib.sha256(certificate).digest()
        self._received = b""

    def send(self, token: bytes) -> None:
        """A request with a token, or without one."""
        shown = b"Authorization: NTLM " + base64.b64encode(token) + b"\r\n" if token else b""
        self._socket.sendall(b"GET /whoami HTTP/1.1\r\nHost: localhost\r\n" + shown + b"\r\n")

    def answer(self) -> tuple[int, bytes]:
        """The status, and the token that came with it."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        named = [line.partition(b":") for line in lines]
        headers = {name.lower(): value.strip() for name, _, value in named}
        length = int(headers.get(b"content-length", b"0"))
        while len(self._received) < length:
            self._more()
        self._received = self._received[length:]
        token = headers.get(b"www-authenticate", b"").removeprefix(b"NTLM").strip()
        return int(first.split()[1]), base64.b64decode(token)

    def wait(self) -> None:
        """Wait until an answer has begun, and leave it for `answer`."""
        if not self._received:
            self._more()

    def _more(self) -> None:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("the service closed the connection")
        self._received += data

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class Service:
    """A running `bench.site`, as its clients see it."""

    def __init__(self, port: int, certificate: Path, authority: object) -> None:
        self._port, self._authority = port, authority
        self._context = ssl.create_default_context(cafile=certificate)

    def visit(self) -> Visit:
        """A new connection."""
        return Visit(self._port, self._context)

    def client(self, visit: Visit, user: str, password: str) -> Client:
        """A new initiator, bound to the connection."""
        return Client(
            "NTLM",
            username=user,
            domain=DOMAIN,
            password=password,
            target="HTTP/localhost",
            channel_bindings=visit.bindings,
            authority=self._authority,
        )

    def end(self, visit: Visit, client: Client) -> int:
        """The last leg: the status that it came to."""
        _, challenge = visit.answer()
        visit.send(client.step(challenge) or b"")
        client.close()
        return visit.answer()[0]


def guesser(service: Service) -> Callable[[float], list[float]]:
    """Guesses so many passwords, on `ENEMIES` connections of which each waits for its answer."""
    visits = [service.visit() for _ in range(ENEMIES)]

    def guess(guesses: Iterator[int], number: int) -> None:
        for _ in guesses:
            client = service.client(visits[number], enemy(number), "wrong horse battery")
            visits[number].send(client.step() or b"")
            if service.end(visits[number], client) != 401:
                raise RuntimeError("a guess was let in")

    def run(count: float) -> list[float]:
        guesses = iter(range(int(count)))
        with ThreadPoolExecutor(ENEMIES) as pool:
            for done in [pool.submit(guess, guesses, number) for number in range(ENEMIES)]:
                done.result()
        return []

    return run


class Http:
    """The group; ``half_open`` handshakes wait at once, ``flood`` guesses are made over all rounds together."""

    title = "NTLM over HTTP (the example service over TLS, authority embedded)"

    def __init__(self, exit_stack: contextlib.ExitStack, half_open: int, flood: int, rounds: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * half_open)), hard))
        directory = Path(exit_stack.enter_context(tempfile.TemporaryDirectory(prefix="secpkg-bench-")))
        lab = exit_stack.enter_context(LabAuthority(domain=DOMAIN, modules=["ntlm"]))
        self._server = subprocess.Popen(
            [sys.executable, "-m", "bench.site", directory], stdout=subprocess.PIPE, text=True
        )
        exit_stack.callback(self._server.wait)
        exit_stack.callback(self._server.terminate)
        assert self._server.stdout is not None
        self._port = int(self._server.stdout.readline())
        certificate = directory / CERTIFICATE
        self._service = Service(self._port, certificate, lab)
        self._half_open, self._flood = half_open, flood // rounds
        self._guesser = Child("guesser", self._port, certificate)
        exit_stack.callback(self._guesser.close)
        self._guesser.ready()

    def _begin(self) -> tuple[Visit, Client]:
        visit = self._service.visit()
        client = self._service.client(visit, USER, PASSWORD)
        visit.send(client.step() or b"")
        return visit, client

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        return {"alone": self._logon, "flooded": self._flooded}

    def _logon(self) -> float:
        each = []
        for _ in range(_GOOD):
            begun = time.perf_counter()
            visit, client = self._begin()
            assert self._service.end(visit, client) == 200
            each.append(time.perf_counter() - begun)
            visit.close()
        return median(each)

    def _flooded(self) -> float:
        """The same while a process guesses passwords."""
        self._guesser.tell(self._flood)
        each = []
        while self._guesser.busy:
            each.append(self._logon())
        self._guesser.answer()
        return median(each)

    def _resident(self) -> float:
        """KiB of the service's process."""
        (line,) = [
            line
            for line in Path(f"/proc/{self._server.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS")
        ]
        return float(line.split()[1])

    def figures(self, samples: Samples) -> Iterator[Figure]:
        half = self._half_open // 2
        waiting: list[tuple[Visit, Client]] = []
        grown: list[float] = []
        for _ in range(2):
            before = self._resident()
            visits = [self._service.visit() for _ in range(half)]
            for visit in visits:
                visit.send(b"")
                visit.answer()
            between = self._resident()
            for visit in visits:
                client = self._service.client(visit, USER, PASSWORD)
                visit.send(client.step() or b"")
                visit.wait()
                waiting.append((visit, client))
            grown += ((between - before) / half, (self._resident() - between) / half)
        connection, first, _, second = grown
        served = 0
        for visit, client in waiting:
            served += self._service.end(visit, client) == 200
            visit.close()
        yield at_most("resident memory of a connection over TLS", connection, "KiB")
        yield at_most(f"for each of {half} half-open handshakes on it", first, "KiB")
        yield at_most(f"for each of {half} more", second, "KiB")
        yield at_most("these, to the first", second / first, "×", 1.1)
        yield at_least("half-open handshakes that were then completed", served, "", 2 * half)
        yield at_most("a good client's logon, alone", median(samples["alone"]) * 1e3, "ms")
        yield at_most(f"a good client's logon, beside {ENEMIES} that guess", median(samples["flooded"]) * 1e3, "ms")
        yield at_most("beside them, to alone", ratio(samples, "flooded", "alone"), "×", 2)
