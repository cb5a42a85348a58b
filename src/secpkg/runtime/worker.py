"""A worker: one process, one module, one thread, one epoll loop.

It is started with ``python -I -m secpkg.runtime.worker FD``: a clean environment, a session of its own, every other
descriptor closed. FD is the control channel to the authority; its end is the worker's end, so no worker survives its
authority. The first message says which module to load and how much the process may use.

Application channels arrive by descriptor with the identity of who is at the other end (lock 1); their frames are
answered here without waking the authority. Before each piece of a package's code the worker stamps the shared page that
the authority scans: a package that hangs is found by a stamp that grows old.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.contract.flags import MachineState, PackageChange
from secpkg.contract.lsa_mode.events import PackageChangeEvent
from secpkg.contract.requests import PARKED, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo, PackageParameters
from secpkg.host.lsa_mode.channel import Channel
from secpkg.host.lsa_mode.dispatcher import SIGNATURES
from secpkg.host.lsa_mode.functions import SIGNATURES as LSA_SIGNATURES
from secpkg.host.lsa_mode.load import LoadFault, explain
from secpkg.host.lsa_mode.running import TraceEvent, as_security_error
from secpkg.ipc.channel import UNDECODABLE
from secpkg.ipc.control import (
    Abandon,
    Adopt,
    ChannelClosed,
    Control,
    Drain,
    Drained,
    Draining,
    Loaded,
    LoadedPackage,
    LoadFailed,
    LoadModule,
    LsaCall,
    LsaFailed,
    LsaResult,
    PackageCall,
    PackageChanged,
    PackageFailed,
    PackageResult,
    SetTrace,
    Stop,
    Traced,
    TracedCalls,
    Unload,
)
from secpkg.ipc.errors import FrameRefused
from secpkg.ipc.poll import Loop, Peer
from secpkg.ipc.rights import OwnedFds
from secpkg.ipc.schema import ClientCallback, Failed, FromWorker, decode_to_worker, encode
from secpkg.runtime.applications import handle
from secpkg.runtime.client_callbacks import WorkerClients
from secpkg.runtime.lsa_module import LsaModule
from secpkg.runtime.modules import ModuleDescription, lsa_mode_initialize
from secpkg.runtime.reports import traced
from secpkg.runtime.scheduling import LoopScheduler

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.threads import Threads

_decode_control: Final = msgspec.msgpack.Decoder(Control).decode
STAMP_SIZE: Final = struct.calcsize("d")
TRACE_GATHER: Final = 0.005
"""Seconds that an observed call may wait for others before it is reported."""
TRACE_MOST: Final = 64
"""Observed calls in one report; they fit into a frame."""
_DEFAULT_TIMEOUT: Final = 30.0
_LONG_AGO: Final = 1e-3
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_PDEATHSIG: Final = 1


class Application(Peer):
    """An application's channel in this worker."""

    __slots__ = ("_channel", "_worker")

    def __init__(self, worker: Worker, sock: socket.socket, channel: Channel) -> None:
        super().__init__(worker.loop, sock)
        self._worker = worker
        self._channel = channel

    def on_frame(self, data: bytes, fds: OwnedFds) -> None:
        try:
            message = decode_to_worker(data)
        except UNDECODABLE:
            self.close()  # who speaks another language is not answered
            return
        worker = self._worker
        page = worker.page
        page[0] = monotonic()
        try:
            handle(worker.module.dispatcher, self._channel, message, self._reply)
        finally:
            if worker.forked:
                os._exit(1)  # the page is the parent's too
            page[0] = 0.0

    def _reply(self, message: FromWorker) -> None:
        try:
            self.send(encode(message))
        except FrameRefused:
            self.send(encode(Failed(message.id, Status.SEC_E_INTERNAL_ERROR, reason="reply_too_large")))

    def on_close(self) -> None:
        worker = self._worker
        worker.applications.pop(self._channel.number, None)
        worker.stamp()
        worker.clients.gone(self._channel.number)
        worker.module.dispatcher.close(self._channel)
        worker.unstamp()
        worker.tell_traced()
        worker.authority.send(encode(ChannelClosed(self._channel.number)))
        worker.report_drained()


class Authority(Peer):
    """The control channel, which is also the link for LSA functions."""

    __slots__ = ("_next_id", "_waiting", "_worker")

    def __init__(self, worker: Worker, sock: socket.socket) -> None:
        super().__init__(worker.loop, sock, max_fds=1, weight=64)
        self._worker = worker
        self._waiting: dict[int, tuple[str, Resume]] = {}
        self._next_id = 1

    def ask(
        self, package: int, channel: int, call: int, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        """Send an LSA function call; the coroutine is parked until the authority answers."""
        number = self._next_id
        self._next_id = number + 1
        self._waiting[number] = (function, resume)
        try:
            self.send(encode(LsaCall(number, package, channel, call, function, msgspec.Raw(encode(arguments)))))
        except (TypeError, ValueError, OverflowError):
            del self._waiting[number]
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=f"arguments_of_{function}") from None
        return PARKED

    def unload(self, package: int) -> None:
        """Take a package out of service."""
        self._worker.unload(package)

    def on_frame(self, data: bytes, fds: OwnedFds) -> None:
        worker = self._worker
        worker.page[0] = monotonic()
        try:
            message = _decode_control(data)
            if type(message) is LsaResult:
                function, resume = self._waiting.pop(message.id)
                try:
                    value = LSA_SIGNATURES[function].decode_result(message.value)
                except SecurityError as refused:
                    resume(None, refused)
                else:
                    resume(value, None)
            else:
                self._obey(message, fds)
        except Exception as error:
            _complain(self, error)
            os._exit(1)  # what the authority believes of this worker no longer holds
        if worker.forked:
            os._exit(1)
        worker.page[0] = 0.0

    def _obey(self, message: Control, fds: OwnedFds) -> None:
        worker = self._worker
        if isinstance(message, LsaFailed):
            _function, resume = self._waiting.pop(message.id)
            resume(None, _failure(message))
        elif isinstance(message, Adopt):
            worker.adopt(message, fds.take(0))
        elif isinstance(message, PackageCall):
            worker.package_call(message)
        elif isinstance(message, Abandon):
            application = worker.applications.get(message.channel)
            if application is not None:
                application.close()
        elif isinstance(message, SetTrace):
            worker.set_trace(message.on)
        elif isinstance(message, PackageChanged):
            change = PackageChangeEvent(PackageChange(message.change), message.package, message.name)
            worker.module.package_changed(change)
        elif isinstance(message, Drain):
            worker.drain(message.package)
        elif isinstance(message, Stop):
            worker.stop()
        else:
            assert isinstance(message, LoadModule)
            worker.load(message, fds.take(0))

    def on_close(self) -> None:
        os._exit(0)  # the authority is gone: nothing here has a purpose any more


def _failure(message: LsaFailed) -> SecurityError:
    status = Status.known(message.status) or Status.STATUS_INTERNAL_ERROR
    substatus = Status.known(message.substatus) or Status.STATUS_SUCCESS
    return SecurityError(status, substatus=substatus, reason=message.reason)


class Worker:
    """The process: its loop, its module, its channels."""

    def __init__(self, control: socket.socket) -> None:
        self.loop = Loop(_complain)
        self.authority = Authority(self, control)
        self.applications: dict[int, Application] = {}
        self.scheduler = LoopScheduler(self.loop, self._stamped)
        self.clients = WorkerClients(self.scheduler, self._send)
        self.module = self._module(_DEFAULT_TIMEOUT)
        self._draining: set[int] = set()
        self._traced: list[Traced] = []
        self.page: memoryview[float] = memoryview(bytearray(STAMP_SIZE)).cast("d")
        """The shared page as one number: when the piece of the package's code began that runs, 0 while none does."""
        self.forked = False
        os.register_at_fork(after_in_child=self._in_child)

    def _in_child(self) -> None:
        """A package forked. The child keeps no channel open and goes when this process goes; should it come back out of
        the package's code, it ends there, since its parent comes back too.
        """
        self.forked = True
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for peer in (self.authority, *self.applications.values()):
            if not peer.closed:
                os.dup2(nothing, peer.fileno(), inheritable=False)
        os.close(nothing)

    def _module(self, timeout: float) -> LsaModule:
        return LsaModule(
            self.authority,
            clock=time.time,
            entropy=os.urandom,
            timeout=timeout,
            scheduler=self.scheduler,
            clients=self.clients,
        )

    def _stamped(self, call: Callable[[], object]) -> None:
        """A callback of a package is its code as well."""
        self.stamp()
        try:
            call()
        finally:
            self.unstamp()

    def _send(self, channel: int, message: ClientCallback) -> bool:
        application = self.applications.get(channel)
        if application is None or application.closed:
            return False
        application.send(encode(message))
        return True

    def stamp(self) -> None:
        """A piece of the package's code begins."""
        self.page[0] = monotonic()

    def unstamp(self) -> None:
        """It has ended."""
        if self.forked:
            os._exit(1)
        self.page[0] = 0.0

    def load(self, message: LoadModule, page: int) -> None:
        """Load the module; `Loaded` or `LoadFailed` follows."""
        self.page = memoryview(mmap.mmap(page, STAMP_SIZE)).cast("d")
        os.close(page)
        self.stamp()
        _limit(resource.RLIMIT_AS, message.memory_limit)
        _limit(resource.RLIMIT_NOFILE, message.descriptor_limit)
        self.module = self._module(message.timeout)
        if message.blocking:
            self.module.surroundings.threads = self._threads(message.blocking)
        self.set_trace(message.trace)
        description = ModuleDescription(
            message.name, message.distribution, message.version, message.digest, message.target, False, message.path
        )
        try:
            initialize = lsa_mode_initialize(description)
        except LoadFault as fault:
            self._loaded(str(fault))
            return
        except Exception as error:
            self._loaded(f"looking for {message.target} failed: {explain(error)}")
            return
        parameters = PackageParameters(
            message.domain_name,
            message.domain_sid,
            machine_state=MachineState(message.machine_state),
            seed=message.seed,
            settings=message.settings,
        )
        self.module.load(initialize, message.first_package_id, parameters, self._loaded)

    def _threads(self, limit: float) -> Threads:
        from secpkg.host.lsa_mode.threads import Threads

        return Threads(self.scheduler, self.loop.call_soon_threadsafe, self._hang, limit)

    def _hang(self) -> None:
        """A thread does not come back. It cannot be ended, so this process is: by the authority, which sees that it
        hangs, and names it.
        """
        self.page[0] = _LONG_AGO
        while True:
            signal.pause()

    def _loaded(self, fault: str) -> None:
        if fault:
            self.authority.send(encode(LoadFailed(fault[:1000])))
            return
        packages = tuple(
            LoadedPackage(
                package.package_id, package.info, tuple(sorted(package.table)), package.broken[:1000], package.thunks
            )
            for package in self.module.packages
        )
        self.authority.send(encode(Loaded(packages)))

    def adopt(self, message: Adopt, fd: int) -> None:
        """Serve an application."""
        caller = ClientInfo(message.process_id, message.uid, message.gid, message.has_tcb_privilege, message.logon_id)
        sock = socket.socket(fileno=fd)
        self.applications[message.channel] = Application(self, sock, Channel(message.channel, caller))

    def package_call(self, message: PackageCall) -> None:
        """Call a function of a package for the authority."""
        number = message.id

        def done(value: object, error: BaseException | None) -> None:
            self.tell_traced()
            if error is not None:
                failure = as_security_error(error)
                self.authority.send(encode(PackageFailed(number, failure.status, failure.substatus, failure.reason)))
                return
            try:
                raw = msgspec.Raw(encode(value))
            except (TypeError, ValueError, OverflowError):
                self.authority.send(
                    encode(PackageFailed(number, Status.SEC_E_INTERNAL_ERROR, 0, "package_returned_nonsense"))
                )
                return
            try:
                self.authority.send(encode(PackageResult(number, raw)))
            except FrameRefused:
                self.authority.send(encode(PackageFailed(number, Status.SEC_E_INTERNAL_ERROR, 0, "result_too_large")))

        pid, uid, gid, tcb, logon_id = message.caller
        try:
            arguments = SIGNATURES[message.function].decode_arguments(message.arguments)
            caller = ClientInfo(pid, uid, gid, tcb, logon_id)
            self.module.dispatcher.package_call(
                message.package, message.function, arguments, caller, done, number, message.client_buffer_base
            )
        except SecurityError as error:
            done(None, error)

    def set_trace(self, on: bool) -> None:
        """Report every call, or stop to."""
        self.module.surroundings.observer = self._observe if on else None

    def _observe(self, event: TraceEvent) -> None:
        if not self._traced:
            self.loop.call_at(self.loop.clock() + TRACE_GATHER, self.tell_traced)
        self._traced.append(traced(event))
        if len(self._traced) >= TRACE_MOST:
            self.tell_traced()

    def tell_traced(self) -> None:
        """Report what was observed since the last time."""
        if self._traced:
            calls, self._traced = tuple(self._traced), []
            self.authority.send(encode(TracedCalls(calls)))

    def drain(self, package_id: int) -> None:
        """No new contexts and credentials of this package."""
        for package in self.module.packages:
            if package.package_id == package_id:
                package.draining = True
                self._draining.add(package_id)
        self.authority.send(encode(Draining(package_id)))
        self.report_drained()

    def report_drained(self) -> None:
        """Tell the authority which draining packages have no contexts left."""
        if not self._draining:
            return
        used = {
            context.package.package_id
            for application in self.applications.values()
            for context in application._channel.contexts.values()
        }
        for package_id in sorted(self._draining - used):
            self._draining.discard(package_id)
            self.authority.send(encode(Drained(package_id)))
        if self._draining:
            self.loop.call_at(self.loop.clock() + 0.2, self.report_drained)

    def unload(self, package_id: int) -> None:
        """UnloadPackage (R39)."""
        self.module.unload(package_id)
        self.authority.send(encode(Unload(package_id)))

    def stop(self) -> None:
        """SpShutdown in reverse order, then leave."""
        for application in list(self.applications.values()):
            application.close()
        self.module.shutdown(lambda: self.loop.call_soon(self.loop.stop))


def _limit(kind: int, value: int) -> None:
    if value:
        _soft, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _complain(where: object, error: Exception) -> None:
    # Names only: the text of a package's exception may hold secrets.
    print(f"secpkg worker: {type(error).__name__} in {where!r}", file=sys.stderr, flush=True)


def harden() -> None:
    """What a worker gives up before it loads anything (lock 8)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def main(argv: list[str]) -> int:
    """Serve until the authority says stop or is gone."""
    control = socket.socket(fileno=int(argv[1]))
    harden()
    # A package that prints must not reach the control channel or the terminal of whoever started the authority.
    sys.stdout = sys.stderr
    Worker(control).loop.run()
    return 0


__all__ = ["Worker", "main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv))
