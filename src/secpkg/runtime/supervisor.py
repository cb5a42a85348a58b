"""Workers of the daemon: started, watched, restarted with back-off, quarantined.

A worker is a process in a session of its own with a clean environment and two descriptors: its end of the control
channel, and nothing else. It is killed with its whole process group, so that what a package forked goes with it. A
death
fails the calls under way by name (`worker_died`), closes its channels (each application finds the end of its own), and
starts the module again: at once the first time, then with growing delays; after `CRASHES` deaths within `WINDOW`
seconds the module is quarantined, with the reason, until an operator revives it.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from secpkg.authority.connections import Connection
from secpkg.authority.targets import ModuleFailed, PackageTarget
from secpkg.contract.lsa_mode.events import PackageChangeEvent
from secpkg.contract.requests import Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo
from secpkg.ipc.control import (
    Abandon,
    ChannelClosed,
    Drain,
    Drained,
    Draining,
    Loaded,
    LoadFailed,
    LoadModule,
    LsaCall,
    PackageChanged,
    PackageFailed,
    PackageResult,
    Report,
    SetTrace,
    Stop,
    TracedCalls,
    Unload,
)
from secpkg.ipc.poll import Loop, Peer, Source, Timer
from secpkg.ipc.rights import OwnedFds
from secpkg.ipc.schema import encode
from secpkg.runtime.modules import ModuleDescription
from secpkg.runtime.ports import Events, Opened
from secpkg.runtime.reports import attributed
from secpkg.runtime.traffic import Traffic

_decode_report: Final = msgspec.msgpack.Decoder(Report).decode
_STAMP: Final = struct.Struct("d")

CRASHES: Final = 5
WINDOW: Final = 60.0
BACK_OFF: Final = (0.0, 0.1, 0.5, 2.0)
"""Seconds before the first, second … restart within the window."""
MEMORY_LIMIT: Final = 1024 * 1024 * 1024
DESCRIPTOR_LIMIT: Final = 16_384
STEP_LIMIT: Final = 5.0
"""Seconds that one piece of a package's code may run without giving the loop back."""
BLOCKED_LIMIT: Final = 30.0
"""The same on a thread of a blocking module, where it keeps nobody else waiting."""
LOAD_LIMIT: Final = 20.0
STOP_LIMIT: Final = 2.0
_LAST_WORDS: Final = 0.1


class Limits(msgspec.Struct, frozen=True):
    """What the operator allows a worker."""

    memory: int = MEMORY_LIMIT
    descriptors: int = DESCRIPTOR_LIMIT
    step: float = STEP_LIMIT
    load: float = LOAD_LIMIT
    blocked: float = BLOCKED_LIMIT
    crashes: int = CRASHES
    window: float = WINDOW
    back_off: tuple[float, ...] = BACK_OFF


class _Control(Peer):
    """The authority's end of a worker's control channel."""

    __slots__ = ("_worker",)

    def __init__(self, worker: WorkerPort, loop: Loop, sock: socket.socket) -> None:
        super().__init__(loop, sock, weight=64)
        self._worker = worker

    def on_frame(self, data: bytes, fds: OwnedFds) -> None:
        report = _decode_report(data)
        if type(report) is LsaCall:
            self._worker.traffic.lsa_call(self, report)
        else:
            self._worker.on_report(report)

    def on_close(self) -> None:
        self._worker.on_death(self)


class WorkerPort:
    """A module in a worker process."""

    def __init__(
        self,
        loop: Loop,
        description: ModuleDescription,
        first_package_id: int,
        make_load: Callable[[ModuleDescription, int], LoadModule],
        events: Events,
        limits: Limits,
        *,
        uid: int | None = None,
    ) -> None:
        self.loop = loop
        self.description = description
        self.events = events
        self.limits = limits
        self.restarts = 0
        self.reason = ""
        self._first_package_id = first_package_id
        self._make_load = make_load
        self._uid = uid
        self._control: _Control | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._page: mmap.mmap | None = None
        self._ready = False
        self._stopping = False
        self._stopped: Callable[[], None] | None = None
        self.traffic = Traffic(first_package_id, events.lsa_call)
        self._queued: list[Callable[[BaseException | None], None]] = []
        self._deaths: list[float] = []
        self._timer: Timer | None = None
        self._exit: Source | None = None
        self._pidfd = -1

    # --- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process and send it what to load."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        page = os.memfd_create("secpkg-watchdog", os.MFD_CLOEXEC)
        try:
            os.ftruncate(page, _STAMP.size)
            self._page = mmap.mmap(page, _STAMP.size)
            self._process = subprocess.Popen(  # our own interpreter, no shell
                [sys.executable, "-I", "-m", "secpkg.runtime.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
                cwd="/",
                close_fds=True,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                user=self._uid,
                group=self._uid,
                extra_groups=None if self._uid is None else (),
                umask=0o077,
            )
            theirs.close()
            self._control = _Control(self, self.loop, ours)
            self._watch(self._control, self._process.pid)
            load = self._make_load(self.description, self._first_package_id)
            self._control.send(encode(load), (page,))
        except OSError:
            ours.close()
            raise
        finally:
            os.close(page)
            theirs.close()
        self._arm(self.limits.load)

    def _watch(self, control: _Control, pid: int) -> None:
        """Notice the exit of the process too: what it forked without Python's knowledge may hold the channel open."""
        self._pidfd = os.pidfd_open(pid)

        def exited() -> None:
            self._unwatch()
            # What it said last may still have to be read; the end of the channel behind it usually comes first.
            self.loop.call_at(self.loop.clock() + _LAST_WORDS, control.close)

        self._exit = self.loop.register(self._pidfd, exited)

    def _unwatch(self) -> None:
        if self._exit is not None:
            self._exit.unregister()
            self._exit = None
            os.close(self._pidfd)

    def _arm(self, limit: float) -> None:
        """Look at the stamp again soon."""
        if self._timer is not None:
            self._timer.cancel()
        process = self._process
        started = self.loop.clock()

        def look() -> None:
            self._timer = None
            if process is not self._process or process is None:
                return
            now = self.loop.clock()
            if not self._ready and now - started > limit:
                self.kill("load_took_too_long")
                return
            (stamp,) = _STAMP.unpack_from(self._page, 0) if self._page is not None else (0.0,)
            allowed = self.limits.step if self._ready else limit
            if stamp and now - stamp > allowed:
                self.kill("step_hung")
                return
            self._timer = self.loop.call_at(now + min(0.25, self.limits.step / 2), look)

        self._timer = self.loop.call_at(started + min(0.25, self.limits.step / 2), look)

    def kill(self, reason: str) -> None:
        """End the worker and everything it started."""
        self.reason = reason
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        if self._control is not None:
            self._control.close()

    def on_death(self, control: _Control) -> None:
        """The control channel has ended: the process is dead or as good as dead."""
        if control is not self._control:
            return
        self._control = None
        self._ready = False
        process, self._process = self._process, None
        code: int | None = None
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls, channels = self.traffic.abandon()
        for function, resume in calls:
            resume(None, ModuleFailed(Status.SEC_E_INTERNAL_ERROR, reason=f"worker_died_in_{function}"))
        for number in channels:
            self.events.channel_closed(number)
        self.events.died()
        if self._stopping:
            self._finish_stop()
            return
        if not self.reason and code is not None:
            self.reason = f"killed_by_signal_{-code}" if code < 0 else f"exited_with_{code}"
        self._again()

    def _again(self) -> None:
        """Start once more, later each time, unless it died too often."""
        now = self.loop.clock()
        self._deaths = [*(death for death in self._deaths if now - death < self.limits.window), now]
        if len(self._deaths) >= self.limits.crashes:
            reason = f"{len(self._deaths)} crashes within {self.limits.window:.0f} s, the last: {self.reason}"
            self.events.quarantined(reason)
            self._fail_queued("module_quarantined")
            return
        delays = self.limits.back_off
        delay = delays[min(len(self._deaths) - 1, len(delays) - 1)]
        self.reason = ""
        self.restarts += 1
        if delay:
            self.loop.call_at(now + delay, self._restart)
        else:
            self.loop.call_soon(self._restart)

    def _restart(self) -> None:
        if self._process is not None or self._stopping:
            return
        try:
            self.start()
        except OSError as error:  # no process, memory or descriptor to be had now: that counts as a crash
            self.reason = f"cannot_be_started_{errno.errorcode.get(error.errno or 0, 'unknown')}"
            control, self._control = self._control, None
            if control is not None:
                control.close()
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None
            self._again()

    def revive(self) -> None:
        """Forget the crashes and start again."""
        self._deaths.clear()
        self.reason = ""
        self._restart()

    def stop(self, stopped: Callable[[], None]) -> None:
        """SpShutdown, then the end; killed when that takes too long."""
        self._stopping = True
        self._stopped = stopped
        self._fail_queued("module_stopping")
        if self._control is None:
            self._finish_stop()
            return
        if self._ready:
            self._control.send(encode(Stop()))
        else:
            self.kill("stopped")
            return

        def late() -> None:
            if self._control is not None:
                self.kill("stop_took_too_long")

        self.loop.call_at(self.loop.clock() + STOP_LIMIT, late)

    def _finish_stop(self) -> None:
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped()

    def _fail_queued(self, reason: str) -> None:
        queued, self._queued = self._queued, []
        for begin in queued:
            begin(SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason=reason))

    # --- calls and channels: while there is a process ------------------------------------------------------------

    def package_call(
        self, target: PackageTarget, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        if self._control is None or not self._ready:
            raise ModuleFailed(Status.SEC_E_INTERNAL_ERROR, reason="worker_not_running")
        return self.traffic.package_call(self._control, target, function, arguments, resume)

    def on_report(self, report: Report) -> None:
        """A message from the worker that is no `LsaCall`."""
        traffic = self.traffic
        if isinstance(report, PackageResult | PackageFailed):
            traffic.answered(report)
        elif isinstance(report, Loaded):
            self._ready = True
            self.events.loaded(report.packages, "")
            queued, self._queued = self._queued, []
            for begin in queued:
                begin(None)
        elif isinstance(report, LoadFailed):
            self._stopping = True
            self.events.loaded((), report.reason)
            self._fail_queued("module_broken")
            self.kill("broken")
        elif isinstance(report, TracedCalls):
            process = 0 if self._process is None else self._process.pid
            for call in report.calls:
                self.events.traced(process, attributed(call, traffic.caller_of(call)))
        elif isinstance(report, Draining):
            self.events.draining(report.package)
        elif isinstance(report, Drained):
            self.events.drained(report.package)
        elif isinstance(report, ChannelClosed):
            if traffic.close(report.channel):
                self.events.channel_closed(report.channel)
        else:
            assert isinstance(report, Unload)
            self.events.unload(report.package)

    def open_channel(self, number: int, caller: ClientInfo, connection: Connection, opened: Opened) -> None:
        def begin(error: BaseException | None) -> None:
            if error is not None or self._control is None:
                opened(None, error or SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="worker_not_running"))
                return
            try:
                ours = self.traffic.open(self._control, number, caller, connection, self.limits.descriptors)
            except SecurityError as refused:
                opened(None, refused)
            else:
                opened(ours, None)

        if self._ready:
            begin(None)
        elif self._stopping:
            begin(SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="module_is_gone"))
        elif self._process is None and len(self._deaths) >= self.limits.crashes:
            begin(SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="module_quarantined"))
        elif len(self._queued) >= 1024:
            begin(SecurityError(Status.SEC_E_INSUFFICIENT_MEMORY, reason="worker_starting"))
        else:
            self._queued.append(begin)

    def close_channel(self, number: int) -> None:
        if self.traffic.close(number) and self._control is not None:
            self._control.send(encode(Abandon(number)))

    def drain(self, package_id: int) -> None:
        if self._control is not None and self._ready:
            self._control.send(encode(Drain(package_id)))
        else:
            self.events.draining(package_id)
            self.events.drained(package_id)

    def package_changed(self, change: PackageChangeEvent) -> None:
        if self._control is not None and self._ready:
            self._control.send(encode(PackageChanged(change.change_type, change.package_id, change.package_name)))

    def set_trace(self, on: bool) -> None:
        if self._control is not None:
            self._control.send(encode(SetTrace(on)))

    def status(self) -> dict[str, object] | None:
        process = self._process
        return {
            "pid": None if process is None else process.pid,
            "restarts": self.restarts,
            "channels": len(self.traffic.channels),
        }


__all__ = ["Limits", "WorkerPort"]
