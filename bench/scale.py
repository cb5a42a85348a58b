"""What an open context costs, and what it costs the others: time per handshake beside 10, 1 000 and 10 000 of them."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bench.authority import DOMAIN, PASSWORD, USER, Authority
from bench.figures import Figure, Samples, at_most, median, progress
from bench.hello import Pair
from secpkg import Client, Server
from secpkg.testing import LabAuthority

_PAGE: Final = resource.getpagesize()


def resident(pid: int) -> int:
    """Bytes; also of a process that keeps its memory to itself."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * _PAGE


def _descriptors(pid: int) -> int | None:
    """None where this user may not look."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None


class Scale:
    """The group: both sides' contexts stay open, the acceptors' with the access token and its logon session."""

    title = "Open contexts"

    def __init__(self, exit_stack: contextlib.ExitStack, steps: tuple[int, ...], count: int) -> None:
        self._steps = steps
        self._count = count
        self._authority = exit_stack.enter_context(Authority())
        self._daemon = Pair(self._authority.address, DOMAIN, USER, PASSWORD)
        lab = exit_stack.enter_context(LabAuthority(domain=DOMAIN, modules=["hello"]))
        lab.add_user(USER, password=PASSWORD)
        self._embedded = Pair(lab, DOMAIN, USER, PASSWORD)

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        return {}

    def _each(self, pair: Pair) -> float:
        each = []
        for _ in range(self._count):
            begun = time.perf_counter()
            pair.handshake()
            each.append(time.perf_counter() - begun)
        return median(each)

    def figures(self, samples: Samples) -> Iterator[Figure]:
        worker, authority = self._authority.worker("Hello"), self._authority.pid
        for name, pair in (("daemon", self._daemon), ("embedded", self._embedded)):
            contexts: list[Client | Server] = []
            pids = (worker, authority) if pair is self._daemon else (os.getpid(),)
            self._each(pair)
            memory, descriptors = [resident(pid) for pid in pids], [_descriptors(pid) for pid in pids]
            first = 0.0
            for step in self._steps:
                progress(f"{step} open contexts, {name}")
                while len(contexts) < step:
                    contexts.extend(pair.contexts())
                each = self._each(pair)
                yield at_most(f"{name}: a handshake beside {step} open contexts", each * 1e6, "µs")
                if not first:
                    first = each
                elif step == self._steps[-1]:
                    yield at_most(f"{name}: beside {step}, to beside {self._steps[0]}", each / first, "×", 1.5)
            grown = [resident(pid) - before for pid, before in zip(pids, memory, strict=True)]
            more = [
                now - before
                for now, before in zip(map(_descriptors, pids), descriptors, strict=True)
                if now is not None and before is not None
            ]
            who = "worker and authority" if pair is self._daemon else "everything in one process"
            yield at_most(f"{name}: resident memory per open context, {who}", sum(grown) / len(contexts) / 1024, "KiB")
            if more:
                yield at_most(f"{name}: descriptors per open context, {who}", sum(more) / len(contexts), "")
            for context in contexts:
                context.close()
        progress("")
