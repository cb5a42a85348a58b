"""Connections of their own for handshakes: what `httpx_auth.PinningTransport` and its siblings are made of.

httpx picks a connection for each request, whichever is free. Here a request goes to a *lane*: a transport of the
library that holds one connection. A flow takes a lane with its first request and keeps it until its last response: all
legs are on one connection, whoever else is at work. Free lanes are used again, the last one first, so that connections
that are authenticated already serve what comes next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping
from typing import Final, Generic, TypeVar

L = TypeVar("L")

PIN: Final = "secpkg.pin"
"""The extension of a request under which its flow's `Pin` is."""

MAX_FREE: Final = 100
"""Lanes that are kept for later."""


class Pin(Generic[L]):
    """One flow's claim on a lane. ``pinned``: a transport has heard of it."""

    __slots__ = ("_free", "_lane", "busy", "origin", "released")

    def __init__(self) -> None:
        self.origin: object = None
        self.busy = 0
        self.released = False
        self._lane: L | None = None
        self._free: Callable[[object, L], None] | None = None

    @property
    def pinned(self) -> bool:
        """Whether all requests of the flow take one connection."""
        return self._lane is not None

    def release(self) -> None:
        """The flow is over; the lane is free when its last response has been read."""
        self.released = True
        self.settle()

    def settle(self) -> None:
        """Give the lane back, if nothing needs it any more."""
        if self.released and not self.busy and self._lane is not None and self._free is not None:
            lane, self._lane = self._lane, None
            self._free(self.origin, lane)


class Lanes(Generic[L]):
    """The free lanes of a transport, by origin."""

    def __init__(self, make: Callable[[], L]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._free: dict[object, list[L]] = {}
        self._all: list[L] = []
        self._surplus: list[L] = []

    def lane(self, origin: object, extensions: MutableMapping[str, object]) -> tuple[L, Pin[L]]:
        """The lane for a request; the pin to `end` when its response has been closed."""
        pin = extensions.get(PIN)
        if not isinstance(pin, Pin) or pin.released or (pin.pinned and pin.origin != origin):
            pin = Pin()
            pin.released = True  # a request of its own, or one that a redirect led elsewhere
        with self._lock:
            if pin._lane is None:
                free = self._free.get(origin)
                if free:
                    pin._lane = free.pop()
                else:
                    pin._lane = self._make()
                    self._all.append(pin._lane)
                pin.origin, pin._free = origin, self._give_back
            pin.busy += 1
            return pin._lane, pin

    def end(self, pin: Pin[L]) -> None:
        """A response was closed, or there was none."""
        pin.busy -= 1
        pin.settle()

    def surplus(self) -> list[L]:
        """Lanes to close: more than are worth keeping."""
        with self._lock:
            surplus, self._surplus = self._surplus, []
            return surplus

    def drain(self) -> list[L]:
        """All lanes, to be closed."""
        with self._lock:
            lanes, self._all = self._all, []
            self._free.clear()
            self._surplus.clear()
            return lanes

    def _give_back(self, origin: object, lane: L) -> None:
        with self._lock:
            if lane not in self._all:
                return
            free = self._free.setdefault(origin, [])
            if len(free) < MAX_FREE:
                free.append(lane)
            else:
                self._all.remove(lane)
                self._surplus.append(lane)
