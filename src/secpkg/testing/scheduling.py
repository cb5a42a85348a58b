"""Callbacks of packages, driven by hand: time stands until the test moves it."""

from __future__ import annotations

import heapq
import os
import select
from collections.abc import Callable
from typing import Final

from secpkg.testing.clock import FrozenClock

Call = Callable[[], object]

_ENDLESS: Final = 100_000
"""Callbacks of one `HandScheduler.advance` after which they are taken to have no end."""


class HandScheduler:
    """`secpkg.host.lsa_mode.scheduling.Scheduler` for tests: nothing is called but by `advance`."""

    def __init__(self, clock: FrozenClock) -> None:
        self._clock = clock
        self._timers: list[tuple[float, int, _Once]] = []
        self._watches: list[_Watch] = []
        self._count = 0

    def now(self) -> float:
        return self._clock()

    def call_soon(self, call: Call) -> _Once:
        return self.call_at(self._clock(), call)

    def call_at(self, when: float, call: Call) -> _Once:
        once = _Once(call)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, once))
        return once

    def watch(self, fd: int, call: Call) -> _Watch:
        watch = _Watch(os.dup(fd), call, self._watches)
        self._watches.append(watch)
        return watch

    def advance(self, seconds: float) -> None:
        """Call what is due, in order of time, while the clock moves by so many seconds: with 0, what is due now.
        Descriptors are looked at once, at the beginning.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        until = self._clock() + seconds
        for watch in tuple(self._watches):
            watch.look()
        for _ in range(_ENDLESS):
            if not self._timers or self._timers[0][0] > until:
                break
            when, _count, once = heapq.heappop(self._timers)
            self._clock.now = max(self._clock(), when)
            once.run()
        else:
            raise RuntimeError("callbacks without end")
        self._clock.now = until


class _Once:
    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call: Call | None = call

    def run(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()

    def cancel(self) -> None:
        self._call = None


class _Watch:
    __slots__ = ("_all", "_armed", "_call", "_fd")

    def __init__(self, fd: int, call: Call, everything: list[_Watch]) -> None:
        self._fd = fd
        self._call = call
        self._armed = True
        self._all = everything

    def look(self) -> None:
        if self._armed and self._fd >= 0 and select.select([self._fd], [], [], 0)[0]:
            self._armed = False
            self._call()

    def rearm(self) -> None:
        self._armed = True

    def cancel(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._all.remove(self)
            os.close(fd)
