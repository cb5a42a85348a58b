"""Blocking packages: pieces on threads, everything else on the loop, which is this test's thread."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from secpkg.contract.requests import PARKED, Request, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.host.lsa_mode.scheduling import Cancels, Watch
from secpkg.host.lsa_mode.threads import MOST, Threads

HERE = threading.get_ident()
PATIENCE = 20.0


class Timer:
    """Of `Loop`."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self.call = None


class Loop:
    """What is posted, called by the test; timers that come when the test says so."""

    def __init__(self) -> None:
        self.posted: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.timers: list[Timer] = []
        self.hung = 0
        self.asked: list[tuple[str, int]] = []
        self.ended: list[tuple[object, BaseException | None]] = []
        self.parked: list[Resume] = []
        self.threads = Threads(self, self.posted.put, self.hangs, 7.0)

    def now(self) -> float:
        return 100.0

    def call_soon(self, call: Callable[[], object]) -> Cancels:
        return self.call_at(self.now(), call)

    def call_at(self, when: float, call: Callable[[], object]) -> Cancels:
        assert when == 107.0
        self.timers.append(Timer(call))
        return self.timers[-1]

    def watch(self, fd: int, call: Callable[[], object]) -> Watch:
        raise NotImplementedError

    def hangs(self) -> None:
        self.hung += 1

    def ask(self, request: Request[object], resume: Resume) -> object:
        self.asked.append((request.function, threading.get_ident()))
        if request.function == "refused":
            raise SecurityError(Status.STATUS_ACCESS_DENIED)
        if request.function == "later":
            self.parked.append(resume)
            return PARKED
        return request.function.upper()

    def start(self, function: Callable[..., object], *arguments: object) -> None:
        self.threads.start(function, arguments, self.ask, lambda value, error: self.ended.append((value, error)))

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            self.posted.get(timeout=max(0.0, end - time.monotonic()))()

    def outcome(self, function: Callable[..., object], *arguments: object) -> tuple[object, BaseException | None]:
        self.start(function, *arguments)
        self.until(lambda: self.ended)
        (ended,) = self.ended
        return ended


def test_pieces_run_on_threads_and_requests_are_answered_on_the_loop() -> None:
    loop, ran = Loop(), list[int]()

    async def package(argument: str) -> list[object]:
        ran.append(threading.get_ident())
        first = await Request[object](argument)
        ran.append(threading.get_ident())
        try:
            await Request[object]("refused")
        except SecurityError as refused:
            return [first, refused.status]
        return []

    assert loop.outcome(package, "a") == (["A", Status.STATUS_ACCESS_DENIED], None)
    assert loop.asked == [("a", HERE), ("refused", HERE)]
    assert HERE not in ran and len(ran) == 2
    assert len(loop.timers) == 3 and all(timer.call is None for timer in loop.timers)


def test_a_request_may_be_answered_later() -> None:
    loop = Loop()

    async def package() -> object:
        return await Request[object]("later")

    loop.start(package)
    loop.until(lambda: loop.parked)
    assert not loop.ended
    loop.parked[0]("answer", None)
    loop.until(lambda: loop.ended)
    assert loop.ended == [("answer", None)]


class Foreign:
    """Awaits something that no host answers."""

    def __await__(self) -> object:
        yield 42


def test_what_is_raised_reaches_done_and_what_is_no_coroutine_is_refused_by_name() -> None:
    def plain() -> object:
        return 1

    def raising() -> object:
        raise ValueError

    async def leaving() -> object:
        raise SystemExit(3)

    async def foreign() -> object:
        return await Foreign()  # type: ignore[misc]  # what a package may do

    found = [Loop().outcome(function)[1] for function in (plain, raising, leaving, foreign)]
    assert [type(error).__name__ for error in found] == ["SecurityError", "ValueError", "SystemExit", "ForeignAwait"]
    assert isinstance(found[0], SecurityError) and found[0].reason == "package_function_is_no_coroutine"
    assert isinstance(found[3], SecurityError) and found[3].reason == "foreign_await_int"


def test_a_piece_that_is_late_is_reported_and_one_that_waits_for_a_thread_is_not() -> None:
    loop, gate = Loop(), threading.Event()

    async def package() -> None:
        gate.wait(PATIENCE)

    for _ in range(MOST + 1):
        loop.start(package)
    loop.until(lambda: len(loop.timers) == MOST)
    assert loop.posted.empty()
    late = loop.timers[0].call
    assert late is not None
    late()
    assert loop.hung == 1
    gate.set()
    loop.until(lambda: len(loop.ended) == MOST + 1)
    assert len(loop.timers) == MOST + 1 and all(timer.call is None for timer in loop.timers)
