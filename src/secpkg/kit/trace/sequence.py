"""Who called whom, in time: calls as arrows between lifelines, before anybody draws them.

A lifeline is an application's process, the authority, or a package in its worker. A call gives two moves, there and
back, each at its own moment, so that what happens in between stands in between. A call inside one lifeline (a user
half's function, a callback) is one move.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from secpkg.kit.trace.model import AUTHORITY, CALLBACK, LSA, USER, Event

_APPLICATION: Final = 0
_AUTHORITY: Final = 1
_PACKAGE: Final = 2

Direction = Literal["call", "return", "self"]


class Lifeline(msgspec.Struct, frozen=True, order=True):
    """Applications stand on the left, then the authority, then packages."""

    place: int
    process: int
    package: str = ""

    @property
    def name(self) -> str:
        """What stands above it."""
        if self.place == _AUTHORITY:
            return "authority"
        if self.place == _APPLICATION:
            return f"application {self.process}" if self.process else "application"
        return f"{self.package} in {self.process}" if self.process else self.package


class Move(msgspec.Struct, frozen=True):
    """One arrow; ``at`` is seconds after the first."""

    at: float
    direction: Direction
    source: Lifeline
    target: Lifeline
    event: Event

    @property
    def label(self) -> str:
        """What stands on the arrow."""
        event = self.event
        if self.direction == "call":
            return _called(event)
        outcome = event.status_name + (f" ({event.reason})" if event.reason else "")
        sent = f", {event.sent} B" if event.sent else ""
        answered = f"{outcome} {event.seconds * 1000:.2f} ms{sent}"
        return answered if self.direction == "return" else f"{_called(event)} = {answered}"


class Sequence(msgspec.Struct, frozen=True):
    """A diagram: lifelines from left to right, moves from top to bottom."""

    lifelines: tuple[Lifeline, ...]
    moves: tuple[Move, ...]


def _called(event: Event) -> str:
    handle = f" #{event.handle:x}" if event.handle else ""
    return event.function + handle + (f", {event.received} B" if event.received else "")


def ends(event: Event) -> tuple[Lifeline, Lifeline]:
    """From where to where a call went."""
    package = Lifeline(_PACKAGE, event.process, event.package)
    authority = Lifeline(_AUTHORITY, 0)
    application = Lifeline(_APPLICATION, event.application)
    if event.kind == USER:
        return application, application
    if event.kind == CALLBACK:
        return package, package
    if event.kind == AUTHORITY:
        return application, authority
    if event.kind == LSA:
        return package, authority
    return (application if event.channel else authority), package


def sequence(events: Iterable[Event]) -> Sequence:
    """The diagram of calls, in whatever order they were reported."""
    # Of calls that began together the one that was reported last is the outer one.
    ordered = sorted(reversed(list(events)), key=lambda event: (event.time, -event.seconds))
    if not ordered:
        return Sequence((), ())
    begin = ordered[0].time
    moves: list[tuple[tuple[float, int, int], Move]] = []
    lifelines: set[Lifeline] = set()
    for number, event in enumerate(ordered):
        source, target = ends(event)
        lifelines |= {source, target}
        start, end = event.time - begin, event.ended - begin
        if source == target:
            moves.append(((start, 1, number), Move(start, "self", source, target, event)))
            continue
        moves.append(((start, 1, number), Move(start, "call", source, target, event)))
        # Of returns at one moment the inner comes first, and all of them before a call; but none before its own call.
        moves.append(((end, 2 if end == start else 0, -number), Move(end, "return", target, source, event)))
    moves.sort(key=lambda pair: pair[0])
    return Sequence(tuple(sorted(lifelines)), tuple(move for _key, move in moves))
