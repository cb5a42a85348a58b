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


def _at(role: str, *ends: socket.socket) -> Child:
    """A process with these ends of sockets, which are its own from now on."""
    numbers = [end.fileno() for end in ends]
    child = Child(role, *numbers, pass_fds=numbers)
    for end in ends:
        end.close()
    return child


class Calls:
    """The group; ``count`` calls a round for each contender."""

    title = f"A call on an open context, frame of {FRAME} B"

    def __init__(self, authority: Authority, exit_stack: contextlib.ExitStack, count: int) -> None:
        self._count = count
        (ours, theirs), (application, served), (asked, answering) = (
            socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)
        )
        mirror, self._bare = _at("mirror", theirs), _at("bare", ours)
        floor = _at("floor_authority", answering), _at("floor_worker", served, asked)
        self._floor = _at("floor_caller", application)
        address = authority.address
        self._callers = [Child("caller", address, echo.ECHO) for _ in range(ACTIVE)]
        self._asking = Child("caller", address, echo.ASKING)
        self._quiet = Child("quiet", address, echo.ECHO)
        self._flood = Child("flood", address, echo.ECHO)
        clients = [self._bare, *self._callers, self._asking, self._quiet, self._flood, self._floor]
        servers = [*floor, mirror]  # closed last: each serves until whom it serves is gone
        for child in (*servers, *clients):
            exit_stack.callback(child.close)
            child.ready()
        for child in servers:
            child.tell(1)
        self._clients = [child.pid for child in clients]
        self._servers = [authority.worker(echo.ECHO), authority.pid, *(child.pid for child in servers)]

    def _pinned(self, place: str, measure: Callable[[], float]) -> Callable[[], float]:
        def pinned() -> float:
            pin(self._servers, self._clients, place)
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
            found[f"floor, {place}"] = self._pinned(place, alone([self._floor], count // 2))
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
                ("the messages of such a step and nothing else", "floor", None),
            ):
                times = ratio(samples, f"{contender}, {place}", bare)
                yield at_most(f"{what} to bare, {place}", times, "×", budget)
            waited = median(samples[f"quiet, {place}"]) * 1e3
            yield at_most(f"quiet client beside a flooding one, {place}", waited, "ms", 1.0 if promised else None)
