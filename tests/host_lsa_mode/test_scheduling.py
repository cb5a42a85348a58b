"""Where callbacks come from: a worker's loop, embedded mode's thread; and how they reach an application."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from secpkg.contract.requests import PARKED
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.poll import Loop
from secpkg.ipc.schema import ClientCallback
from secpkg.runtime.client_callbacks import MAX_OUTSTANDING, WorkerClients
from secpkg.runtime.scheduling import LoopScheduler, ThreadScheduler
from secpkg.testing import FrozenClock
from secpkg.testing.scheduling import HandScheduler

PATIENCE = 20.0


class Worked:
    """A worker's scheduler on a loop that is turned by hand, in time that stands."""

    def __init__(self) -> None:
        self.clock = FrozenClock(100.0)
        self.errors: list[object] = []
        self.loop = Loop(lambda _where, error: self.errors.append(error), clock=self.clock)
        self.around = 0
        self.scheduler = LoopScheduler(self.loop, self._around)

    def _around(self, call: object) -> None:
        self.around += 1
        call()  # type: ignore[operator]


@pytest.fixture
def worked() -> Iterator[Worked]:
    worked = Worked()
    yield worked
    worked.loop.close()


@pytest.fixture
def event() -> Iterator[int]:
    descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def test_a_workers_callbacks_come_in_time_and_within_its_stamp(worked: Worked) -> None:
    told: list[str] = []
    worked.scheduler.call_soon(lambda: told.append("soon"))
    worked.scheduler.call_at(105, lambda: told.append("later"))
    worked.scheduler.call_at(105, lambda: told.append("never")).cancel()
    assert told == []
    worked.loop.turn(0)
    assert told == ["soon"]
    worked.clock.advance(5)
    worked.loop.turn(0)
    assert told == ["soon", "later"] and worked.around == 2


def test_a_watch_rests_until_it_is_armed_and_has_a_descriptor_of_its_own(worked: Worked, event: int) -> None:
    told: list[int] = []
    before = len(os.listdir("/proc/self/fd"))
    watch = worked.scheduler.watch(event, lambda: told.append(1))
    os.eventfd_write(event, 1)
    for _ in range(3):
        worked.loop.turn(0)
    assert told == [1]
    watch.rearm()
    watch.rearm()
    worked.loop.turn(0)
    assert told == [1, 1] and worked.around == 2
    watch.cancel()
    watch.cancel()
    watch.rearm()
    worked.loop.turn(0)
    assert told == [1, 1] and len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("make", [lambda worked: worked.scheduler, lambda _: HandScheduler(FrozenClock())])
def test_what_cannot_be_watched_is_refused_and_nothing_stays_open(worked: Worked, make: object) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        make(worked).watch(1 << 20, print)  # type: ignore[operator]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_is_no_use_to_a_loop(worked: Worked) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with open(__file__, "rb") as file, pytest.raises(PermissionError):
        worked.scheduler.watch(file.fileno(), print)
    assert len(os.listdir("/proc/self/fd")) == before


class Threaded:
    """Embedded mode's scheduler, with a lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.scheduler = ThreadScheduler(self.lock)
        self.told: list[object] = []
        self.came = threading.Semaphore(0)

    def tell(self, what: object) -> None:
        self.told.append((what, threading.current_thread() is self.scheduler.thread))
        self.came.release()

    def wait(self) -> None:
        assert self.came.acquire(timeout=PATIENCE)


@pytest.fixture
def threaded() -> Iterator[Threaded]:
    threaded = Threaded()
    yield threaded
    threaded.scheduler.close()
    if threaded.scheduler.thread is not None:
        threaded.scheduler.thread.join(PATIENCE)
        assert not threaded.scheduler.thread.is_alive()


def test_no_thread_is_started_before_it_is_wanted(threaded: Threaded) -> None:
    assert threaded.scheduler.thread is None


def test_callbacks_come_in_the_thread_under_the_lock(threaded: Threaded, event: int) -> None:
    with threaded.lock:
        threaded.scheduler.call_soon(lambda: threaded.tell("soon"))
        threaded.scheduler.call_at(threaded.scheduler.now(), lambda: threaded.tell("at"))
        watch = threaded.scheduler.watch(event, lambda: threaded.tell("event"))
        os.eventfd_write(event, 1)
        never = threaded.scheduler.call_soon(lambda: threaded.tell("never"))
        never.cancel()
        assert threaded.told == []
    for _ in range(3):
        threaded.wait()
    assert sorted(threaded.told, key=str) == [("at", True), ("event", True), ("soon", True)]
    watch.rearm()
    threaded.wait()
    assert threaded.told[-1] == ("event", True)
    with threaded.lock:
        watch.cancel()
        threaded.scheduler.call_soon(lambda: threaded.tell("last"))
    threaded.wait()
    assert threaded.told[-1] == ("last", True)


def test_nothing_comes_after_the_end(threaded: Threaded) -> None:
    threaded.scheduler.call_soon(lambda: threaded.tell("first"))
    threaded.wait()
    with threaded.lock:
        threaded.scheduler.call_soon(lambda: threaded.tell("never"))
        threaded.scheduler.close()
    assert threaded.scheduler.thread is not None
    threaded.scheduler.thread.join(PATIENCE)
    threaded.scheduler.call_soon(lambda: threaded.tell("never"))
    assert threaded.told == [("first", True)]


def test_lock_6_a_child_of_a_fork_has_no_callbacks(threaded: Threaded) -> None:
    threaded.scheduler.call_soon(lambda: threaded.tell("first"))
    threaded.wait()

    def child() -> bool:
        threaded.scheduler.call_soon(lambda: threaded.tell("child")).cancel()
        threaded.scheduler.close()
        return threaded.told == [("first", True)]

    pid = os.fork()
    if not pid:
        good = False
        try:
            good = child()
        finally:
            os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    threaded.scheduler.call_soon(lambda: threaded.tell("parent"))
    threaded.wait()
    assert threaded.told[-1] == ("parent", True)


# --- ClientCallback over a worker's channels ---------------------------------------------------------------------


class Applications:
    """A worker's applications: what was sent to which, and what came of it."""

    def __init__(self) -> None:
        self.clock = FrozenClock(0.0)
        self.scheduler = HandScheduler(self.clock)
        self.sent: list[tuple[int, ClientCallback]] = []
        self.outcomes: list[tuple[object, BaseException | None]] = []
        self.clients = WorkerClients(self.scheduler, self._send)

    def _send(self, channel: int, message: ClientCallback) -> bool:
        self.sent.append((channel, message))
        return channel < 100

    def ask(self, channel: int) -> int:
        """Its number."""
        answer = self.clients.callback(
            channel, 1, 2, 3, b"x", 10.0, lambda value, error: self.outcomes.append((value, error))
        )
        assert answer is PARKED
        return self.sent[-1][1].id

    @property
    def failure(self) -> tuple[Status | int, str]:
        (_value, error) = self.outcomes[-1]
        assert isinstance(error, SecurityError)
        return error.status, error.reason


def test_R165_the_coroutine_waits_for_the_applications_answer() -> None:
    applications = Applications()
    number = applications.ask(5)
    assert number < 0 and applications.sent == [(5, ClientCallback(number, 1, 2, 3, b"x"))]
    applications.clients.returned(6, number, 0, b"of another application")
    applications.clients.returned(5, number - 1, 0, b"of another call")
    assert applications.outcomes == []
    applications.clients.returned(5, number, 0, b"answer")
    applications.clients.returned(5, number, 0, b"again")
    applications.scheduler.advance(60)
    assert applications.outcomes == [(b"answer", None)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.STATUS_NOT_FOUND, Status.STATUS_NOT_FOUND),
        (0xDEADBEEF, Status.SEC_E_INTERNAL_ERROR),
    ],
)
def test_R165_a_failure_of_the_application_is_one_of_the_call(status: int, expected: Status) -> None:
    applications = Applications()
    applications.clients.returned(5, applications.ask(5), status, b"ignored")
    assert applications.failure == (expected, "client_callback_failed")


def test_R165_an_application_that_does_not_answer_is_not_waited_for() -> None:
    applications = Applications()
    number = applications.ask(5)
    applications.scheduler.advance(9)
    assert applications.outcomes == []
    applications.scheduler.advance(1)
    assert applications.failure == (Status.STATUS_UNSUCCESSFUL, "client_did_not_answer")
    applications.clients.returned(5, number, 0, b"late")
    assert len(applications.outcomes) == 1


def test_R165_an_application_that_goes_fails_its_own_callbacks() -> None:
    applications = Applications()
    applications.ask(5)
    applications.ask(6)
    applications.clients.gone(5)
    assert applications.failure == (Status.STATUS_UNSUCCESSFUL, "client_is_gone")
    assert len(applications.outcomes) == 1
    with pytest.raises(SecurityError, match="client_is_gone"):
        applications.ask(100)


def test_R165_so_many_callbacks_wait_and_no_more() -> None:
    applications = Applications()
    for _ in range(MAX_OUTSTANDING):
        applications.ask(5)
    with pytest.raises(SecurityError, match="quota_callbacks"):
        applications.ask(6)
    assert len(applications.sent) == MAX_OUTSTANDING
