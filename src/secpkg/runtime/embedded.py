"""Embedded mode: application, authority and packages in one process. No daemon, no root, no files unless asked for.

There is no isolation: a package can do to the process what any of its code can. One lock guards the whole; a call runs
to its end in the caller's thread.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from secpkg.accounts.store import AccountStore
from secpkg.accounts.vault import Vault
from secpkg.authority.audit import AuditRecord, derive_key
from secpkg.authority.connections import Connection
from secpkg.authority.functions import judged
from secpkg.authority.policy import Policy
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.lsa_mode.events import PackageChangeEvent
from secpkg.contract.requests import PARKED, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo, Setting
from secpkg.host.lsa_mode.channel import Channel
from secpkg.host.lsa_mode.load import LoadFault
from secpkg.host.lsa_mode.running import TraceEvent
from secpkg.host.lsa_mode.scheduling import Scheduler
from secpkg.ipc import fork, where
from secpkg.ipc.control import LoadedPackage
from secpkg.ipc.errors import ChannelClosed, ChannelError, ChannelForked
from secpkg.ipc.link import failure, next_id
from secpkg.ipc.schema import (
    PROTOCOL_VERSION,
    Connect,
    Connected,
    Failed,
    FromAuthority,
    FromWorker,
    OpenPackage,
    PackageOpened,
    ToAuthority,
    TokenOpened,
    ToWorker,
)
from secpkg.runtime.applications import handle
from secpkg.runtime.client_callbacks import LocalClients
from secpkg.runtime.inbox import is_inbox
from secpkg.runtime.lsa_module import LsaModule
from secpkg.runtime.machine import Machine, Module
from secpkg.runtime.management import Management
from secpkg.runtime.modules import LsaModeInitialize, ModuleDescription, describe, lsa_mode_initialize
from secpkg.runtime.ports import Events, Legs, Opened, answer
from secpkg.runtime.reports import attributed, traced
from secpkg.runtime.scheduling import ThreadScheduler
from secpkg.runtime.service import unheard

if TYPE_CHECKING:
    from secpkg.runtime.config import PassthroughConfig
    from secpkg.runtime.passthrough import EmbeddedPassthrough

STEP_TIMEOUT: Final = 30.0
_DOMAIN: Final = "LOCAL"


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
        channel, port = self._channel, self._port
        if self._why is not None or channel.closed:
            raise (self._why or ChannelClosed)("the channel is closed")
        replies: list[FromWorker] = []
        with self._lock:
            handle(port.module.dispatcher, channel, message, replies.append)
            if not replies:
                raise ChannelClosed("the context was closed while its leg ran")
            if port.draining:
                port.report_drained()
        return replies[0]

    def tell(self, message: ToWorker, /) -> bool:
        channel, port = self._channel, self._port
        if self._why is not None or channel.closed:
            raise (self._why or ChannelClosed)("the channel is closed")
        with self._lock:
            handle(port.module.dispatcher, channel, message, unheard)
            if port.draining:
                port.report_drained()
        return True

    def close(self) -> None:
        if self._why is None:
            self._why = ChannelClosed
            with self._lock:
                self._port.close_channel(self._channel.number)

    def forked(self) -> None:
        """The contexts are the parent's (lock 6)."""
        self._why = ChannelForked


class LocalLink:
    """`secpkg.ipc.link.AuthorityLink` into this process."""

    __slots__ = ("__weakref__", "_connection", "_embedded", "_why", "domain_name", "trusted")

    in_place = True

    def __init__(self, embedded: EmbeddedAuthority, caller: ClientInfo, logon_process_name: str | None) -> None:
        self._embedded = embedded
        self._why: type[ChannelError] | None = None
        replies: list[FromAuthority] = []
        message = Connect(next_id(), PROTOCOL_VERSION, logon_process_name)
        with embedded.lock:
            connection = embedded.machine.service.connect(message, caller, lambda m, _p=None: replies.append(m))
        (reply,) = replies
        if isinstance(reply, Failed) or connection is None or not isinstance(reply, Connected):
            assert isinstance(reply, Failed)
            raise failure(reply.status, reply.substatus, reply.reason)
        self._connection = connection
        self.domain_name = reply.domain_name
        self.trusted = reply.trusted
        fork.guard(self)

    @property
    def closed(self) -> bool:
        return self._why is not None or self._connection.closed

    @property
    def clock(self) -> Callable[[], float]:
        return self._embedded.machine.authority.clock

    def _exchange(self, message: ToAuthority) -> tuple[FromAuthority, object]:
        if self._why is not None or self._connection.closed:
            raise (self._why or ChannelClosed)("the connection is closed")
        replies: list[tuple[FromAuthority, object]] = []
        with self._embedded.lock:
            self._embedded.machine.service.handle(
                self._connection, message, lambda m, passed=None: replies.append((m, passed))
            )
        if not replies:
            raise ChannelClosed("no reply")
        return replies[0]

    def call(self, message: ToAuthority, /) -> FromAuthority:
        return self._exchange(message)[0]

    def tell(self, message: ToAuthority, /) -> bool:
        if self._why is not None or self._connection.closed:
            raise (self._why or ChannelClosed)("the connection is closed")
        with self._embedded.lock:
            self._embedded.machine.service.handle(self._connection, message, unheard)
        return True

    def open_channel(self, name: str, token: int, /) -> tuple[PackageOpened, LocalChannel]:
        reply, channel = self._exchange(OpenPackage(next_id(), name, token))
        if isinstance(reply, Failed):
            raise failure(reply.status, reply.substatus, reply.reason)
        assert isinstance(reply, PackageOpened) and isinstance(channel, LocalChannel)
        return reply, channel

    def token_descriptor(self, token: int, /) -> int:
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="embedded_has_no_token_descriptors")

    def adopt_token(self, descriptor: int, /) -> TokenOpened:
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="embedded_has_no_token_descriptors")

    def close(self) -> None:
        if self._why is None:
            self._why = ChannelClosed
            with self._embedded.lock:
                self._embedded.machine.service.disconnect(self._connection)

    def forked(self) -> None:
        """The connection is the parent's (lock 6)."""
        self._why = ChannelForked


class EmbeddedAuthority:
    """An authority of this process. ``modules`` are names of installed modules, or pairs of a description and its
    SpLsaModeInitialize for code that is not installed (tests).
    """

    def __init__(
        self,
        *,
        store: AccountStore | None = None,
        domain: str = _DOMAIN,
        master_key: bytes | None = None,
        modules: Sequence[str | tuple[ModuleDescription, LsaModeInitialize]] = (),
        primary_credentials: bool = False,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = os.urandom,
        scheduler: Scheduler | None = None,
        settings: Mapping[str, Mapping[str, Setting]] | None = None,
    ) -> None:
        from secpkg.accounts.memory import MemoryAccountStore

        self.lock = threading.RLock()
        self._initializers: dict[str, LsaModeInitialize] = {}
        vault = Vault(master_key if master_key is not None else entropy(32))
        chosen = policy if policy is not None else Policy()
        self._clock = clock
        self._entropy = entropy
        self._thread = ThreadScheduler(self.lock)
        self._scheduler: Scheduler = self._thread if scheduler is None else scheduler
        self.machine = Machine(
            store=store if store is not None else MemoryAccountStore(domain, vault, lockout=chosen.lockout),
            vault=vault,
            audit=AuditRecord(None, derive_key(vault), clock=clock),
            policy=chosen,
            clock=clock,
            entropy=entropy,
            start_port=self._start_port,
            settings=settings,
        )
        self.management = Management(self.machine, None)
        self._passthrough: EmbeddedPassthrough | None = None
        for module in modules:
            self.add_module(module, primary_credentials=primary_credentials)

    def _start_port(self, description: ModuleDescription, first_package_id: int, events: Events) -> LocalPort:
        initialize = self._initializers.get(description.name)
        if initialize is None:
            try:
                initialize = lsa_mode_initialize(description)
            except LoadFault as fault:
                raise SecurityError(Status.SEC_E_CANNOT_INSTALL, reason=str(fault)) from None
        return LocalPort(
            lambda: self.machine,
            description,
            first_package_id,
            events,
            initialize,
            self._clock,
            self._entropy,
            self.lock,
            self._scheduler,
        )

    def add_module(
        self, module: str | tuple[ModuleDescription, LsaModeInitialize], *, primary_credentials: bool = False
    ) -> Module:
        """AddSecurityPackage: load a module now. SEC_E_CANNOT_INSTALL with the reason when it is broken as a whole; a
        package of it that is broken is listed with its reason and hidden from enumeration (spec/README 1, R18).
        """
        if isinstance(module, str):
            description = describe(module)
        else:
            description, initialize = module
            self._initializers[description.name] = initialize
        with self.lock:
            loaded = self.machine.add_module(
                description,
                lambda _module: None,
                primary_credentials=primary_credentials,
                inbox=is_inbox(description.name, description.distribution),
            )
        if loaded.state == "broken":
            raise SecurityError(Status.SEC_E_CANNOT_INSTALL, reason=loaded.reason)
        return loaded

    def link(self, logon_process_name: str | None = None) -> LocalLink:
        """A connection of this process. An embedded authority has one trust domain, its own process."""
        caller = ClientInfo(os.getpid(), os.getuid(), os.getgid(), has_tcb_privilege=True)
        return LocalLink(self, caller, logon_process_name)

    def set_password(self, name: str, password: str, *, must_change: bool = False) -> None:
        """Set an account's password; every package derives its own verifier."""
        with self.lock:
            answer(
                self.machine.authority.set_password(name, password, must_change=must_change),
                self.machine.service.ask,
                _nobody,
            )

    def use_passthrough(self, config: PassthroughConfig) -> EmbeddedPassthrough:
        """Reach other authorities, and be reached where ``config`` listens (docs/adr/0014). `StateFault` when that
        cannot be done. It ends with this authority.
        """
        from secpkg.runtime.passthrough import EmbeddedPassthrough

        if self._passthrough is not None:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="passthrough_is_there")
        self._passthrough = EmbeddedPassthrough(config, self.machine.service, self.lock)
        self.machine.authority.passthrough = self._passthrough
        return self._passthrough

    def close(self) -> None:
        """SpShutdown of every package; then the store."""
        if self._passthrough is not None:
            self._passthrough.close()
        with self.lock:
            for module in reversed(list(self.machine.modules.values())):
                self.machine.finish(module)
            self._thread.close()
            self.machine.authority.store.close()
            self.machine.authority.audit.close()


def _nobody(_value: object, _error: BaseException | None) -> None:
    raise AssertionError("embedded calls are answered in place")


_default: EmbeddedAuthority | None = None
_default_lock = threading.Lock()


def _in_child() -> None:
    # The parent's authority is the parent's, sessions and all; and a thread that is not here may hold its lock.
    global _default, _default_lock
    _default, _default_lock = None, threading.Lock()


def _at_exit() -> None:
    if _default is not None:
        _default.close()


os.register_at_fork(after_in_child=_in_child)


def link(address: str, logon_process_name: str | None = None) -> LocalLink:
    """A connection to the process's own embedded authority, made at the first use as the configuration files say:
    ``security_packages`` are its modules, ``directory`` keeps its accounts. Without them it has no packages, and
    accounts in memory. It ends, SpShutdown and all, with the process.

    SecurityError when that cannot be done: SEC_E_SECPKG_NOT_FOUND, SEC_E_CANNOT_INSTALL, and
    SEC_E_NO_AUTHENTICATING_AUTHORITY (``directory_not_absolute``) for the directory. The next call tries again.
    """
    global _default  # noqa: PLW0603
    with _default_lock:
        if _default is None:
            _default = _configured(where.configuration())
            atexit.register(_at_exit)
        return _default.link(logon_process_name)


def _configured(configuration: where.Configuration) -> EmbeddedAuthority:
    from secpkg.runtime.inbox import INBOX_MODULES

    made = EmbeddedAuthority() if configuration.directory is None else _kept(configuration.directory)
    try:
        for name in (*INBOX_MODULES, *configuration.security_packages):
            try:
                made.add_module(name, primary_credentials=True)
            except SecurityError as error:
                error.add_note(f"module {name} of the key security_packages")
                raise
    except BaseException:
        made.close()
        raise
    return made


def _kept(path: str) -> EmbeddedAuthority:
    from secpkg.accounts.sqlite import SqliteAccountStore
    from secpkg.runtime import state

    directory = Path(path)
    if not directory.is_absolute():
        raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="directory_not_absolute")
    state.prepare(directory)
    key = state.master_key(directory / "master.key")
    store = SqliteAccountStore(directory / "accounts.db", Vault(key), domain=_DOMAIN, lockout=Policy().lockout)
    made = EmbeddedAuthority(store=store, master_key=key)
    made.machine.authority.domain_policy.keep_in(directory / "domain-policy")
    return made
