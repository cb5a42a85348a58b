"""Processes that take part in a measurement: a command in, an answer out, each a line of JSON."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

import msgspec


class Span(msgspec.Struct):
    """What a process did: from when to when (monotonic seconds), and how long each call took where that was asked."""

    start: float
    end: float
    each: list[float] = []


class Child:
    """``python -m bench.child ROLE ARGUMENTS``."""

    def __init__(self, role: str, *arguments: object, pass_fds: Sequence[int] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.child", role, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=pass_fds,
        )
        self.pid = self._process.pid

    def ready(self) -> None:
        """Wait until it has said that it is ready."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("a process of the benchmark failed; see above")

    def tell(self, count: float) -> None:
        """Begin: so many calls (or, for some roles, seconds)."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(count) + b"\n")
        self._process.stdin.flush()

    def answer(self) -> Span:
        """Wait for the end of what it was told."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the benchmark failed; see above")
        return msgspec.json.decode(line, type=Span)

    def ask(self, count: float) -> Span:
        """`tell`, then `answer`."""
        self.tell(count)
        return self.answer()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.read()
        self._process.stdout.close()
        self._process.wait()


def together(children: Sequence[Child], count: int) -> float:
    """All at once, ``count`` calls each: seconds per call of the aggregate."""
    for child in children:
        child.tell(count)
    spans = [child.answer() for child in children]
    elapsed = max(span.end for span in spans) - min(span.start for span in spans)
    return elapsed / (count * len(children))


def pin(servers: Iterable[int], clients: Iterable[int], place: str) -> None:
    """Where these processes may run, by the name of a place of `PLACES`.

    Those that the scheduler places begin apart, whatever came before: it leaves a pair that was together together, and
    a ratio would compare where two measurements happened to begin.
    """
    servers, clients = list(servers), list(clients)
    first, second = sorted(ALL)[0], sorted(ALL)[min(1, len(ALL) - 1)]
    for pid in servers:
        os.sched_setaffinity(pid, {first})
    for pid in clients:
        os.sched_setaffinity(pid, {first} if place == ONE else {second})
    if place == FREE:
        for pid in (*servers, *clients):
            os.sched_setaffinity(pid, {first, second})


ONE, TWO, FREE = "one CPU", "two CPUs", "two CPUs as the scheduler likes"
PLACES = (ONE, TWO, FREE)
"""Everything on one CPU; servers on one and clients on another; both on both, which is for information: see
docs/benchmarks.md.
"""
ALL = frozenset(os.sched_getaffinity(0))
