"""Hello handshakes: how many a second, what each leg costs, and where the time goes."""

from __future__ import annotations

import contextlib
import time
import timeit
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from bench.authority import DOMAIN, PASSWORD, USER, Authority
from bench.children import Child, together
from bench.figures import Figure, Samples, at_least, at_most, median, ratio
from bench.hello import Pair
from secpkg.host.lsa_mode.running import Surroundings
from secpkg.testing import LabAuthority

CLIENTS: Final = (1, 2, 8)


class _Event(msgspec.Struct):
    seconds: float
    kind: str
    function: str


class _Events(msgspec.Struct):
    cursor: int
    events: list[_Event]


class Handshakes:
    """The group; ``count`` handshakes a round for each contender."""

    title = "Hello handshakes (SCRAM-SHA-256, both sides, opened and closed)"

    def __init__(self, authority: Authority, exit_stack: contextlib.ExitStack, count: int) -> None:
        self._count = count
        self._authority = authority
        lab = exit_stack.enter_context(LabAuthority(domain=DOMAIN, modules=["hello"]))
        lab.add_user(USER, password=PASSWORD)
        self._embedded = Pair(lab, DOMAIN, USER, PASSWORD)
        self._embedded.handshake()
        self._children = [Child("handshaker", authority.address, DOMAIN, USER, PASSWORD) for _ in range(CLIENTS[-1])]
        for child in self._children:
            exit_stack.callback(child.close)
            child.ready()

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        count = self._count

        def timed(call: Callable[[], None], times: int) -> float:
            begun = time.perf_counter()
            for _ in range(times):
                call()
            return (time.perf_counter() - begun) / times

        def clients(number: int) -> Callable[[], float]:
            return lambda: together(self._children[:number], max(10, count // number))

        def traced() -> float:
            self._authority.manage("trace.start")
            try:
                return together(self._children[:1], count)
            finally:
                self._authority.manage("trace.stop")

        return {
            "embedded": lambda: timed(self._embedded.handshake, count),
            "embedded, cold": lambda: timed(self._embedded.cold, max(5, count // 10)),
            **{f"daemon, {number}": clients(number) for number in CLIENTS},
            "traced": traced,
        }

    def figures(self, samples: Samples) -> Iterator[Figure]:
        yield at_least("embedded, key warm", 1 / median(samples["embedded"]), "/s")
        yield at_least("embedded, key cold (10 000 iterations)", 1 / median(samples["embedded, cold"]), "/s")
        for number in CLIENTS:
            name = f"daemon, {number} client{'s' if number > 1 else ''}, key warm"
            yield at_least(name, 1 / median(samples[f"daemon, {number}"]), "/s")
        yield at_most("daemon with the trace on, to off", ratio(samples, "traced", "daemon, 1"), "×", 1.2)
        share = 100 * looks(self._embedded.handshake) * look() / median(samples["embedded"])
        yield at_most("what it costs to ask whether anybody traces, of an embedded handshake", share, "%", 1.0)
        yield from self._legs()

    def _legs(self) -> Iterator[Figure]:
        """From a trace of the daemon: medians by function, as the worker saw them."""
        started = msgspec.convert(self._authority.manage("trace.start"), dict[str, int])
        self._children[0].ask(100)
        read = msgspec.convert(self._authority.manage("trace.read", cursor=started["cursor"]), _Events)
        self._authority.manage("trace.stop")
        found: dict[str, list[float]] = defaultdict(list)
        for event in read.events:
            found[event.function].append(event.seconds)
        for function, seconds in sorted(found.items()):
            yield at_most(f"of it, by the trace: {function}", median(seconds) * 1e6, "µs")


class _Counted:
    """A slot whose readings are counted."""

    def __init__(self, slot: Any) -> None:
        self.slot, self.read = slot, 0

    def __get__(self, instance: object, owner: type) -> object:
        self.read += 1
        return self.slot.__get__(instance, owner)

    def __set__(self, instance: object, value: object) -> None:
        self.slot.__set__(instance, value)


def looks(handshake: Callable[[], None]) -> int:
    """How often a handshake that nobody traces asks for an observer."""
    name = "observer"
    counted = _Counted(Surroundings.__dict__[name])
    setattr(Surroundings, name, counted)
    try:
        handshake()
    finally:
        setattr(Surroundings, name, counted.slot)
    return counted.read


def look() -> float:
    """Seconds that one such question takes."""

    class Asked:
        __slots__ = ("observer",)
        observer: object

    asked, times = Asked(), 200_000
    asked.observer = None
    seconds = min(timeit.repeat("asked.observer is not None", globals={"asked": asked}, number=times, repeat=5))
    return seconds / times
