"""Reading the trace of a running authority, or of a lab in this process, as it happens.

Reading is what switches observation on, and the last reader's end what switches it off: `follow` says that it is done,
and if it cannot, the end of its connection says it (`secpkg.runtime.watching`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator
from typing import Final, Protocol

import msgspec

from secpkg.contract.status import SecurityError
from secpkg.host.user_mode.trace import UserModeCall, observe_user_mode
from secpkg.ipc.errors import ChannelError
from secpkg.kit.trace.model import Event, Events, Started, of_user_half

WAIT: Final = 1.0
"""Seconds that one read waits for something to happen."""
MAX_KEPT: Final = 100_000
"""Calls of user halves kept until somebody takes them."""


class Manages(Protocol):
    """A trusted connection (`secpkg.lsa.Lsa`)."""

    def manage(self, operation: str, **arguments: object) -> object:
        """An operator's call."""
        ...


class Follower:
    """The calls of an authority from now on. Iterating ends after ``count`` calls that ``keep`` lets through, after
    ``duration`` seconds, or when nothing happened for ``idle`` seconds. ``lost`` counts those that were gone before
    they were read.
    """

    def __init__(
        self,
        authority: Manages,
        *,
        keep: Callable[[Event], bool] = lambda _event: True,
        count: int | None = None,
        duration: float | None = None,
        idle: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost = 0
        self._authority = authority
        self._keep = keep
        self._count = count
        self._duration = duration
        self._idle = idle
        self._clock = clock

    def __iter__(self) -> Generator[Event, None, None]:
        cursor = msgspec.convert(self._authority.manage("trace.start"), Started).cursor
        try:
            yield from self._follow(cursor)
        finally:
            with contextlib.suppress(ChannelError, ConnectionError, SecurityError):
                self._authority.manage("trace.stop")

    def _follow(self, cursor: int) -> Iterator[Event]:
        shown = 0
        begun = quiet = self._clock()
        while True:
            now = self._clock()
            left = [WAIT]
            if self._duration is not None:
                left.append(self._duration - (now - begun))
            if self._idle is not None:
                left.append(self._idle - (now - quiet))
            answer = msgspec.convert(
                self._authority.manage("trace.read", cursor=cursor, wait=max(0.0, min(left))), Events
            )
            cursor = answer.cursor
            self.lost += answer.lost
            for event in answer.events:
                if self._keep(event):
                    yield event
                    shown += 1
                    if shown == self._count:
                        return
            if answer.events:
                quiet = self._clock()
            elif min(left) <= 0 or (self._idle is not None and self._clock() - quiet >= self._idle):
                return
            if self._duration is not None and self._clock() - begun >= self._duration:
                return


class LabTrace:
    """``with LabTrace(connection) as trace``: everything that happens meanwhile in an authority of this process, what
    user halves do in it included - those that are loaded from now on, since a table is observed when it is built.
    ``events()`` gives what was seen, in the order of time.
    """

    def __init__(self, authority: Manages) -> None:
        self._authority = authority
        self._epoch = time.time() - time.monotonic()
        self._seen: list[Event] = []
        self._cursor = 0
        self._open = False

    def __enter__(self) -> LabTrace:
        self._cursor = msgspec.convert(self._authority.manage("trace.start"), Started).cursor
        observe_user_mode(self._called)
        self._open = True
        return self

    def __exit__(self, *_error: object) -> None:
        observe_user_mode(None)
        self._open = False
        self._read()
        self._authority.manage("trace.stop")

    def _called(self, call: UserModeCall) -> None:
        if len(self._seen) < MAX_KEPT:
            self._seen.append(of_user_half(call, os.getpid(), os.getuid(), self._epoch))

    def _read(self) -> None:
        while True:
            answer = msgspec.convert(self._authority.manage("trace.read", cursor=self._cursor), Events)
            self._cursor = answer.cursor
            self._seen.extend(answer.events)
            if not answer.events:
                return

    def events(self) -> tuple[Event, ...]:
        """What was seen so far."""
        if self._open:
            self._read()
        return tuple(sorted(self._seen, key=lambda event: (event.time, -event.seconds)))
