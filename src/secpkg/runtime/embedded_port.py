"""A module in the authority's own process, and an application's channel to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from secpkg.authority.connections import Connection
from secpkg.authority.functions import judged
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.lsa_mode.events import PackageChangeEvent
from secpkg.contract.requests import PARKED, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo
from secpkg.host.lsa_mode.channel import Channel
from secpkg.host.lsa_mode.running import TraceEvent
from secpkg.host.lsa_mode.scheduling import Scheduler
from secpkg.ipc import fork
from secpkg.ipc.control import LoadedPackage
from secpkg.ipc.errors import ChannelClosed, ChannelError, ChannelForked
from secpkg.ipc.schema import FromWorker, ToWorker
from secpkg.runtime.applications import handle
from secpkg.runtime.client_callbacks import LocalClients
from secpkg.runtime.lsa_module import LsaModule
from secpkg.runtime.machine import Machine
from secpkg.runtime.modules import LsaModeInitialize, ModuleDescription
from secpkg.runtime.ports import Events, Legs, Opened
from secpkg.runtime.reports import attributed, traced
from secpkg.runtime.service import unheard

STEP_TIMEOUT: Final = 30.0


class LocalPort:
    """A module in this process; it is its own link to the authority."""

    def __init__(
        self,
        machine: Callable[[], Machine],
        description: ModuleDescription,
        first_package_id: int,
        events: Events,
        initialize: LsaModeInitialize,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        lock: threading.RLock,
        scheduler: Scheduler,
    ) -> None:
        self.description = description
        self._events = events
        self._lock = lock
        self._legs: dict[int, Legs] = {}
        self._channels: dict[int, Channel] = {}
        self._calls: dict[int, Origin] = {}
        self.draining = False
        """Whether a package of the module is to have no new contexts."""
        self._serial = 0
        self._clock = clock
        clients = LocalClients(description)
        self.module = LsaModule(
            self, clock=clock, entropy=entropy, timeout=STEP_TIMEOUT, scheduler=scheduler, clients=clients
        )
        self.module.load(initialize, first_package_id, machine().parameters(description), self._loaded)

    def _loaded(self, fault: str) -> None:
        packages = tuple(
            LoadedPackage(
                package.package_id, package.info, tuple(sorted(package.table)), package.broken, package.thunks
            )
            for package in self.module.packages
        )
        self._events.loaded(packages, fault)

    def ask(
        self, package: int, channel: int, call: int, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        """An LSA function, answered in place."""
        if channel:
            legs = self._legs.get(channel)
            if legs is None:
                raise SecurityError(Status.STATUS_NO_SECURITY_CONTEXT, reason="channel_is_gone")
            origin = legs.origin(package, call)
        elif call:
            origin = self._calls[call]
        else:
            origin = Origin(package, None, ClientInfo(os.getpid(), os.getuid(), os.getgid()))
        return self._events.lsa_call(origin, function, judged(function, arguments), resume)

    def unload(self, package: int) -> None:
        """UnloadPackage (R39)."""
        self.module.unload(package)
        self._events.unload(package)

    def package_call(
        self, target: PackageTarget, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        self._serial += 1
        number = self._serial
        self._calls[number] = target.origin
        outcome: list[tuple[object, BaseException | None]] = []

        def done(value: object, error: BaseException | None) -> None:
            outcome.append((value, error))

        try:
            self.module.dispatcher.package_call(
                target.package_id, function, arguments, target.caller, done, number, target.client_buffer_base
            )
        finally:
            del self._calls[number]
        if not outcome:  # embedded calls are answered in place, all the way down
            return PARKED
        ((value, error),) = outcome
        if error is not None:
            raise (
                error
                if isinstance(error, SecurityError)
                else SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"package_raised_{type(error).__name__}")
            )
        return value

    def open_channel(self, number: int, caller: ClientInfo, connection: Connection, opened: Opened) -> None:
        channel = Channel(number, caller)
        self._legs[number] = Legs(connection, caller)
        self._channels[number] = channel
        opened(LocalChannel(self, channel, self._lock), None)

    def close_channel(self, number: int) -> None:
        channel = self._channels.pop(number, None)
        if channel is not None:
            self.module.dispatcher.close(channel)
            self._legs.pop(number).end()
            self._events.channel_closed(number)
            self.report_drained()

    def drain(self, package_id: int) -> None:
        for package in self.module.packages:
            if package.package_id == package_id:
                package.draining = self.draining = True
        self._events.draining(package_id)
        self.report_drained()

    def report_drained(self) -> None:
        """Tell of the draining packages that have lost their last context."""
        for package in self.module.packages:
            if package.draining and not any(
                context.package is package
                for channel in self._channels.values()
                for context in channel.contexts.values()
            ):
                self._events.drained(package.package_id)

    def package_changed(self, change: PackageChangeEvent) -> None:
        self.module.package_changed(change)

    def set_trace(self, on: bool) -> None:
        self.module.surroundings.observer = self._observe if on else None

    def _observe(self, event: TraceEvent) -> None:
        legs, known = self._legs.get(event.channel), self._calls.get(event.call)
        caller = None
        if event.channel:
            caller = None if legs is None else legs.caller
        elif known is not None and known.connection is not None:
            caller = known.call
        self._events.traced(os.getpid(), attributed(traced(event), caller))

    def revive(self) -> None:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="embedded_is_never_quarantined")

    def status(self) -> dict[str, object] | None:
        return None

    def stop(self, stopped: Callable[[], None]) -> None:
        for number in list(self._channels):
            self.close_channel(number)
        self.module.shutdown(stopped)


class LocalChannel:
    """`secpkg.ipc.link.WorkerChannel` into this process."""

    __slots__ = ("__weakref__", "_channel", "_lock", "_port", "_why")

    def __init__(self, port: LocalPort, channel: Channel, lock: threading.RLock) -> None:
        self._port = port
        self._channel = channel
        self._lock = lock
        self._why: type[ChannelError] | None = None
        fork.guard(self)

    @property
    def closed(self) -> bool:
        return self._why is not None or self._channel.closed

    def call(self, message: ToWorker, /) -> FromWorker:
        replies: list[FromWorker] = []
        self._handle(message, replies.append)
        if not replies:
            raise ChannelClosed("the context was closed while its leg ran")
        return replies[0]

    def tell(self, message: ToWorker, /) -> bool:
        self._handle(message, unheard)
        return True

    def _handle(self, message: ToWorker, reply: Callable[[FromWorker], object]) -> None:
        channel, port = self._channel, self._port
        if self._why is not None or channel.closed:
            raise (self._why or ChannelClosed)("the channel is closed")
        with self._lock:
            handle(port.module.dispatcher, channel, message, reply)
            if port.draining:
                port.report_drained()

    def close(self) -> None:
        if self._why is None:
            self._why = ChannelClosed
            with self._lock:
                self._port.close_channel(self._channel.number)

    def forked(self) -> None:
        """The contexts are the parent's (lock 6)."""
        self._why = ChannelForked
