"""`secpkg.host.lsa_mode.scheduling.Scheduler` on the epoll loop: a worker's own, or for embedded mode that of a thread.

The thread is started when the first thing is scheduled, and calls with the authority's lock held, as an application's
thread does. All that touches its loop is posted to it; a flag, read under the lock, makes `cancel` hold at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic

from secpkg.host.lsa_mode.scheduling import Cancels, Watch
from secpkg.ipc.poll import Loop, Source, Timer

Call = Callable[[], object]


class LoopScheduler:
    """On a loop, in its thread. ``around`` is given every call before it is made (a worker stamps there)."""

    def __init__(self, loop: Loop, around: Callable[[Call], object]) -> None:
        self._loop = loop
        self._around = around

    def now(self) -> float:
        return self._loop.clock()

    def call_soon(self, call: Call) -> Timer:
        return self.call_at(self.now(), call)

    def call_at(self, when: float, call: Call) -> Timer:
        return self._loop.call_at(when, partial(self._around, call))

    def watch(self, fd: int, call: Call) -> LoopWatch:
        return LoopWatch(self._loop, os.dup(fd), partial(self._around, call))


class LoopWatch:
    """A descriptor of its own, which rests after each call until `rearm`."""

    def __init__(self, loop: Loop, fd: int, call: Call) -> None:
        self._loop = loop
        self._fd = fd
        self._call = call
        self._source: Source | None = None
        try:
            self.rearm()
        except BaseException:
            self.cancel()
            raise

    def rearm(self) -> None:
        if self._fd >= 0 and self._source is None:
            self._source = self._loop.register(self._fd, self._ready)

    def _rest(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.unregister()

    def _ready(self) -> None:
        self._rest()
        self._call()

    def cancel(self) -> None:
        self._rest()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class ThreadScheduler:
    """In a daemon thread, under ``lock``. To be used with the lock held."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._loop: Loop | None = None
        self._process = 0
        self.thread: threading.Thread | None = None
        """The thread, once something was scheduled."""
        self._closed = False

    def now(self) -> float:
        return monotonic()

    def call_soon(self, call: Call) -> Cancels:
        return self.call_at(monotonic(), call)

    def call_at(self, when: float, call: Call) -> Cancels:
        pending = _Pending(self)
        self.post(partial(pending.arm, lambda inner: inner.call_at(when, partial(pending.run, call))))
        return pending

    def watch(self, fd: int, call: Call) -> Watch:
        pending = _Pending(self)
        copy = os.dup(fd)

        def register(inner: LoopScheduler) -> Cancels:
            try:
                return inner.watch(copy, partial(pending.run, call))
            finally:
                os.close(copy)

        self.post(partial(pending.arm, register))
        return pending

    def post(self, call: Callable[[LoopScheduler], object]) -> None:
        """Have the thread do something with its loop."""
        if self._closed or (self._loop is not None and self._process != os.getpid()):
            return  # what was to come, comes no more; nor in the child of a fork, where the thread is not
        if self._loop is None:
            self._loop = Loop(_silent)
            self._process = os.getpid()
            self.thread = threading.Thread(target=self._run, args=(self._loop,), name="secpkg-callbacks", daemon=True)
            self.thread.start()
        self._loop.call_soon_threadsafe(partial(call, LoopScheduler(self._loop, self._locked)))

    def _locked(self, call: Call) -> None:
        with self._lock:
            if not self._closed:
                call()

    @staticmethod
    def _run(loop: Loop) -> None:
        try:
            loop.run()
        finally:
            loop.close()

    def close(self) -> None:
        """Call nothing more, and let the thread end. Harmless when repeated."""
        closed, self._closed = self._closed, True
        if not closed and self._loop is not None and self._process == os.getpid():
            self._loop.stop()


class _Pending:
    """Something that the thread was asked to arrange."""

    __slots__ = ("_arranged", "_cancelled", "_scheduler")

    def __init__(self, scheduler: ThreadScheduler) -> None:
        self._scheduler = scheduler
        self._arranged: Cancels | None = None
        self._cancelled = False

    def arm(self, arrange: Callable[[LoopScheduler], Cancels], inner: LoopScheduler) -> None:
        self._arranged = arrange(inner)
        if self._cancelled:
            self._arranged.cancel()

    def run(self, call: Call) -> None:
        if not self._cancelled:
            call()

    def rearm(self) -> None:
        self._scheduler.post(self._rearm)

    def _rearm(self, _inner: LoopScheduler) -> None:
        if isinstance(self._arranged, LoopWatch) and not self._cancelled:
            self._arranged.rearm()

    def cancel(self) -> None:
        self._cancelled = True
        self._scheduler.post(self._disarm)

    def _disarm(self, _inner: LoopScheduler) -> None:
        if self._arranged is not None:
            self._arranged.cancel()


def _silent(_where: object, _error: Exception) -> None:
    """What packages raise is in the trace; a descriptor that cannot be watched is one that never comes."""
