"""Packages that block: their functions run on threads, and everything of the host stays on its loop.

A *piece* is what runs of a coroutine until it awaits or ends. Pieces go to a pool; what a piece awaits is answered
on the loop, as for any package, and the next piece gets the answer. So the calls of one context still run alone
(spec/README 7), those of different contexts at the same time: whoever registers a module as blocking says that it may
be called so.

A thread cannot be ended. A piece that runs longer than it may ends its process, by what `hung` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import msgspec

from secpkg.contract.requests import PARKED, Ask, Done, ForeignAwait, Request, Resume, drive
from secpkg.contract.status import SecurityError, Status
from secpkg.host.lsa_mode.scheduling import Cancels, Scheduler

MOST: Final = 16
"""Threads of a module; further calls wait for one."""
_PIECE: Final = object()
"""``Request.target`` of what goes to a thread."""


class _Ended(msgspec.Struct):
    """A coroutine came to its end."""

    value: object = None
    error: BaseException | None = None

    __repr__ = object.__repr__


class Threads:
    """The threads of one module. ``post`` has something called on the loop, from any thread and in order; ``hung`` is
    called there when a piece has run for ``limit`` seconds.
    """

    __slots__ = ("_hung", "_limit", "_pool", "_post", "_process", "_scheduler")

    def __init__(
        self,
        scheduler: Scheduler,
        post: Callable[[Callable[[], object]], object],
        hung: Callable[[], object],
        limit: float,
    ) -> None:
        self._scheduler = scheduler
        self._post = post
        self._hung = hung
        self._limit = limit
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="secpkg-blocking")

    def start(self, function: Callable[..., object], arguments: tuple[object, ...], ask: Ask, done: Done) -> None:
        """Call a package's function; ``ask`` and ``done`` are called on the loop, ``done`` exactly once."""
        drive(_on_threads(function, arguments), partial(self._ask, ask), done)

    def _ask(self, ask: Ask, request: Request[object], resume: Resume) -> object:
        if request.target is not _PIECE:
            return ask(request, resume)
        (piece,) = request.arguments
        timers: list[Cancels] = []

        def begun() -> None:
            timers.append(self._scheduler.call_at(self._scheduler.now() + self._limit, self._hung))

        def ended(outcome: object) -> None:
            for timer in timers:
                timer.cancel()
            resume(outcome, None)

        def work() -> None:
            self._post(begun)  # the time that it waited for a thread is not its own
            outcome = piece()  # type: ignore[operator]  # `_on_threads` made it
            if os.getpid() != self._process:
                os._exit(1)  # the package forked, and the parent comes back too
            self._post(partial(ended, outcome))

        self._pool.submit(work)
        return PARKED


async def _on_threads(function: Callable[..., object], arguments: tuple[object, ...]) -> object:
    """A package's function, piece by piece; between two pieces it awaits what the package awaited."""
    outcome = await Request[object]("", (partial(_begin, function, arguments),), _PIECE)
    while not isinstance(outcome, _Ended):
        assert isinstance(outcome, tuple)
        coroutine, request = outcome
        value: object = None
        error: BaseException | None = None
        if type(request) is not Request or request.target is _PIECE:
            error = ForeignAwait(request)
        else:
            try:
                value = await request
            except SecurityError as refused:
                error = refused
        outcome = await Request[object]("", (partial(_piece, coroutine, value, error),), _PIECE)
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def _begin(function: Callable[..., object], arguments: tuple[object, ...]) -> object:
    try:
        coroutine = function(*arguments)
    except BaseException as raised:
        return _Ended(error=raised)
    if not isinstance(coroutine, Coroutine):
        return _Ended(error=SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="package_function_is_no_coroutine"))
    return _piece(coroutine, None, None)


def _piece(coroutine: Coroutine[object, object, object], value: object, error: BaseException | None) -> object:
    """The coroutine and what it awaits, or its end."""
    try:
        request = coroutine.send(value) if error is None else coroutine.throw(error)
    except StopIteration as stop:
        return _Ended(stop.value)
    except BaseException as raised:
        return _Ended(error=raised)
    return coroutine, request
