"""A call on an open context, from an application to the worker and back, beside a bare ping-pong of the same frame."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bench import echo
from bench.authority import Authority
from bench.child import FRAME
from bench.children import FREE, PLACES, TWO, Child, pin, together
from bench.figures import Figure, Samples, at_most, median, ratio

ACTIVE: Final = 8


class Calls:
    """The group; ``count`` calls a round for each contender."""

    title = f"A call on an open context, frame of {FRAME} B"

    def __init__(self, authority: Authority, exit_stack: contextlib.ExitStack, count: int) -> None:
        self._count = count
        self._authority = authority
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._mirror = Child("mirror", theirs.fileno(), pass_fds=[theirs.fileno()])
        self._bare = Child("bare", ours.fileno(), pass_fds=[ours.fileno()])
        ours.close()
        theirs.close()
        address = authority.address
        self._callers = [Child("caller", address, echo.ECHO) for _ in range(ACTIVE)]
        self._asking = Child("caller", address, echo.ASKING)
        self._quiet = Child("quiet", address, echo.ECHO)
        self._flood = Child("flood", address, echo.ECHO)
        self._children = [self._mirror, self._bare, *self._callers, self._asking, self._quiet, self._flood]
        for child in self._children:
            exit_stack.callback(child.close)
            child.ready()
        self._mirror.tell(1)
        self._worker = authority.worker(echo.ECHO)

    def _pinned(self, place: str, measure: Callable[[], float]) -> Callable[[], float]:
        servers = (self._worker, self._authority.pid, self._mirror.pid)
        clients = [child.pid for child in self._children if child is not self._mirror]

        def pinned() -> float:
            pin(servers, clients, place)
            return measure()

        return pinned

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        count = self._count

        def alone(children: Sequence[Child], calls: int) -> Callable[[], float]:
            return lambda: together(children, calls)

        def beside_a_flood() -> float:
            self._flood.tell(0.25)
            each = self._quiet.ask(100).each
            self._flood.answer()
            return median(each)

        found = {}
        for place in PLACES:
            found[f"bare, {place}"] = self._pinned(place, alone([self._bare], count))
            found[f"one, {place}"] = self._pinned(place, alone(self._callers[:1], count))
            found[f"asking, {place}"] = self._pinned(place, alone([self._asking], count // 2))
            found[f"many, {place}"] = self._pinned(place, alone(self._callers, count // 4))
            found[f"quiet, {place}"] = self._pinned(place, beside_a_flood)
        return found

    def figures(self, samples: Samples) -> Iterator[Figure]:
        for place in PLACES:
            bare = f"bare, {place}"
            promised = place != FREE
            yield at_most(f"bare ping-pong, {place}", median(samples[bare]) * 1e6, "µs")
            yield at_most(f"one client, {place}", median(samples[f"one, {place}"]) * 1e6, "µs")
            for what, contender, budget in (
                ("one client", "one", 2.5 if promised else None),
                (f"{ACTIVE} active clients, time per call,", "many", 1.5 if place == TWO else None),
                ("a step with a call to the authority", "asking", 5.0 if promised else None),
            ):
                times = ratio(samples, f"{contender}, {place}", bare)
                yield at_most(f"{what} to bare, {place}", times, "×", budget)
            waited = median(samples[f"quiet, {place}"]) * 1e3
            yield at_most(f"quiet client beside a flooding one, {place}", waited, "ms", 1.0 if promised else None)
