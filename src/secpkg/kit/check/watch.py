"""Sees every call into the package and every LSA function that it calls, and makes the latter fail on demand.

The package's table is wrapped after the load, so that the package is its author's object and nothing else; the way to
the authority is wrapped where the host keeps it. What must hold of every single call (`invariants`) is looked at here,
whatever a probe is after.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Final, cast

from secpkg.contract.requests import Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.host.lsa_mode.running import Link

Function = Callable[..., object]
_Async = Callable[..., Awaitable[object]]

_KEPT: Final = 4000


class LsaCall:
    """One LSA function that a package called, and how it ended."""

    __slots__ = ("arguments", "error", "function", "value")

    def __init__(self, function: str, arguments: tuple[object, ...]) -> None:
        self.function = function
        self.arguments = arguments
        self.error: SecurityError | None = None
        self.value: object = None


class Seen:
    """One call into the package."""

    __slots__ = ("arguments", "error", "function", "lsa", "result", "seconds", "worked")

    def __init__(self, function: str, arguments: tuple[object, ...]) -> None:
        self.function = function
        self.arguments = arguments
        self.result: object = None
        self.error: BaseException | None = None
        self.lsa: list[LsaCall] = []
        self.seconds = 0.0
        self.worked = 0.0
        """Seconds of processor time, of all that went by."""


Judge = Callable[[Seen], None]


class Watch:
    """What a package did. ``judge`` is told of every call when it has ended."""

    def __init__(self, judge: Judge | None = None) -> None:
        self.calls: deque[Seen] = deque(maxlen=_KEPT)
        self.counts: dict[str, int] = {}
        self._open: list[Seen] = []
        self._judge = judge
        self.asked = 0
        """LSA functions asked for so far."""
        self.fail_at: int | None = None
        """The number of the LSA function call to fail, counted from now as 1."""
        self.fail_with = Status.STATUS_INTERNAL_ERROR
        self.before: Callable[[str], None] | None = None
        """Told of each LSA function before it is asked for."""
        self.failed: str = ""
        """The LSA function that was made to fail."""
        self.failed_in: str = ""
        """The package's function that called it."""

    @property
    def open(self) -> tuple[Seen, ...]:
        """Calls that have not ended."""
        return tuple(self._open)

    def fail(self, number: int, status: Status) -> None:
        """Let the ``number``-th LSA function call from now on fail."""
        self.asked, self.fail_at, self.fail_with, self.failed = 0, number, status, ""

    def of(self, *functions: str) -> list[Seen]:
        """The calls of these functions, oldest first."""
        return [seen for seen in self.calls if seen.function in functions]

    def last(self, function: str) -> Seen | None:
        """The newest call of this function."""
        return next((seen for seen in reversed(self.calls) if seen.function == function), None)

    def count(self, function: str) -> int:
        """How often it was called."""
        return self.counts.get(function, 0)

    def _begin(self, function: str, arguments: tuple[object, ...]) -> Seen:
        seen = Seen(function, arguments)
        self.calls.append(seen)
        self.counts[function] = self.counts.get(function, 0) + 1
        self._open.append(seen)
        seen.seconds, seen.worked = time.monotonic(), time.thread_time()
        return seen

    def _end(self, seen: Seen) -> None:
        seen.seconds, seen.worked = time.monotonic() - seen.seconds, time.thread_time() - seen.worked
        if seen in self._open:
            self._open.remove(seen)
        if self._judge is not None:
            self._judge(seen)

    def table(self, table: dict[str, Function]) -> None:
        """Wrap every function of a table in place."""
        for name, function in tuple(table.items()):
            table[name] = self._wrapped(name, function)

    def _wrapped(self, name: str, function: Function) -> Function:
        if iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__func__", None)):

            async def spied(*arguments: object) -> object:
                seen = self._begin(name, arguments)
                try:
                    seen.result = await cast(_Async, function)(*arguments)
                    return seen.result
                except BaseException as error:
                    seen.error = error
                    raise
                finally:
                    self._end(seen)

            return spied

        def called(*arguments: object) -> object:
            seen = self._begin(name, arguments)
            try:
                seen.result = function(*arguments)
                return seen.result
            except BaseException as error:
                seen.error = error
                raise
            finally:
                self._end(seen)

        return called

    def link(self, link: Link) -> Link:
        """The way to the authority, watched."""
        return _WatchedLink(link, self)

    def ask(self, function: str, arguments: tuple[object, ...], go: Callable[[], object]) -> object:
        """An LSA function on its way."""
        made = LsaCall(function, arguments)
        if self._open:
            self._open[-1].lsa.append(made)
        self.asked += 1
        if self.before is not None:
            self.before(function)
        try:
            if self.asked == self.fail_at:
                self.failed = function
                self.failed_in = self._open[-1].function if self._open else ""
                raise SecurityError(self.fail_with, reason="made_to_fail_by_secpkg_check")
            made.value = go()
        except SecurityError as error:
            # Without its traceback, which would hold whatever the kit has open.
            made.error = SecurityError(error.status, reason=error.reason)
            raise
        return made.value


class _WatchedLink:
    def __init__(self, link: Link, watch: Watch) -> None:
        self._link, self._watch = link, watch

    def ask(
        self, package: int, channel: int, call: int, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        return self._watch.ask(
            function, arguments, lambda: self._link.ask(package, channel, call, function, arguments, resume)
        )

    def unload(self, package: int) -> None:
        self._link.unload(package)
