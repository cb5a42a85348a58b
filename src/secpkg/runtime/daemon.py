"""The daemon: ``secpkg authority run``. One thread, one epoll loop; two listening sockets; a worker per module.

Every application is known by the credentials of the socket that it connected to (lock 1). The trusted socket (mode
0600)
is for those who hold SeTcbPrivilege; the other one is everybody's. A connection that says nothing is closed after a
while, and one whose process has exited is closed even if a forked child still holds its end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.accounts.memory import MemoryAccountStore
from secpkg.accounts.store import AccountStore
from secpkg.accounts.vault import Vault
from secpkg.authority.audit import AuditRecord, derive_key
from secpkg.authority.connections import Connection
from secpkg.authority.policy import Policy
from secpkg.authority.registry import Registry, RegistryError
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo, QuotaLimits
from secpkg.ipc.channel import UNDECODABLE
from secpkg.ipc.control import LoadModule
from secpkg.ipc.errors import FrameRefused, PeerRefused
from secpkg.ipc.peer import peer_credentials, pidfd_of
from secpkg.ipc.poll import Loop, Peer, Source
from secpkg.ipc.rights import OwnedFds
from secpkg.ipc.schema import Failed, FromAuthority, ToAuthority, encode
from secpkg.ipc.where import trusted_address
from secpkg.runtime import state
from secpkg.runtime.audit_reading import AUDIT_FILE
from secpkg.runtime.config import NOBODY, DaemonConfig, read_passthrough, read_settings
from secpkg.runtime.descriptors import TokenDescriptors
from secpkg.runtime.inbox import DISTRIBUTION, INBOX_MODULES, RESERVED_PACKAGES
from secpkg.runtime.machine import Machine, Module
from secpkg.runtime.management import Management
from secpkg.runtime.modules import ModuleDescription, describe
from secpkg.runtime.ports import Events, ModulePort
from secpkg.runtime.state import StateFault as DaemonFault
from secpkg.runtime.supervisor import Limits, WorkerPort

if TYPE_CHECKING:
    from secpkg.runtime.passthrough import LoopPassthrough

_decode: Final = msgspec.msgpack.Decoder(ToAuthority).decode
_PR_SET_DUMPABLE: Final = 4
HELLO_LIMIT: Final = 10.0
"""Seconds that a new connection has for its first message."""
MAX_STRANGERS: Final = 256
"""Connections that have not said anything yet."""
MAX_STRANGERS_OF_A_UID: Final = 64
START_LIMIT: Final = 5.0
"""Seconds that applications wait at the start for a module that does not come to an end."""
STOP_LIMIT: Final = 4.0


class ApplicationPeer(Peer):
    """One application's connection."""

    __slots__ = ("_caller", "_connection", "_daemon", "_patience", "_pidfd", "_watch")

    def __init__(self, daemon: Daemon, sock: socket.socket, caller: ClientInfo, pidfd: int) -> None:
        super().__init__(daemon.loop, sock, max_fds=1)
        self._daemon = daemon
        self._caller = caller
        self._connection: Connection | None = None
        self._pidfd = pidfd
        self._watch: Source = daemon.loop.register(pidfd, self.close)
        self._patience = daemon.loop.call_at(daemon.loop.clock() + HELLO_LIMIT, self.close)

    @property
    def uid(self) -> int:
        """Whose process connected."""
        return self._caller.uid

    def on_frame(self, data: bytes, fds: OwnedFds) -> None:
        try:
            message = _decode(data)
        except UNDECODABLE:
            self.close()
            return
        service = self._daemon.machine.service
        if self._connection is None:
            self._no_stranger()
            self._connection = service.connect(message, self._caller, self._reply)
            if self._connection is None:
                self.finish()
            return
        service.handle(self._connection, message, self._reply, fds.peek()[0] if len(fds) else -1)

    def _reply(self, message: FromAuthority, passed: object = None) -> None:
        if isinstance(passed, socket.socket):
            with passed:
                self.send(encode(message), (passed.fileno(),))
            return
        try:
            self.send(encode(message))
        except FrameRefused:
            failed = Failed(message.id, Status.STATUS_INSUFFICIENT_RESOURCES, reason="reply_too_large")
            self.send(encode(failed))

    def on_close(self) -> None:
        self._no_stranger()
        self._watch.unregister()
        os.close(self._pidfd)
        if self._connection is not None:
            self._daemon.machine.service.disconnect(self._connection)

    def _no_stranger(self) -> None:
        self._daemon.strangers.discard(self)
        self._patience.cancel()


class Daemon:
    """Everything that the process holds, from start to stop."""

    def __init__(self, config: DaemonConfig, limits: Limits | None = None) -> None:
        self.config = config
        self.limits = limits if limits is not None else Limits()
        self.loop = Loop(self._complain)
        self.strangers: set[ApplicationPeer] = set()
        self._listeners: list[tuple[socket.socket, bool]] = []
        self._sources: list[Source] = []
        self._stopping = False
        self._worker_uid = _worker_uid(config.worker_uid)
        directory = config.directory
        state.prepare(directory, mode=0o700 if os.geteuid() else 0o755)
        self._lock = state.exclusive(directory)
        handed = config.master_key_fd
        keys = state.master_key(directory / "master.key") if handed is None else state.master_key_of(handed)
        vault = keys.vault()
        settings = read_settings(config.settings_path)
        logon = settings.logon
        self.policy = Policy(
            trusted_uids=(*config.trusted_uids, os.geteuid()),
            logon_providers={0: logon.default_provider, 2: logon.winnt40_provider, 3: logon.winnt50_provider},
            process_quotas=QuotaLimits(*msgspec.structs.astuple(logon.quotas)),
            trusted_domains=logon.trusted_domains,
            allow_foreign_principals=logon.allow_foreign_principals,
        )
        self.registry = Registry(directory / "registry.toml", INBOX_MODULES, RESERVED_PACKAGES)
        self.machine = Machine(
            store=self._store(vault),
            vault=vault,
            audit=AuditRecord(
                directory / AUDIT_FILE,
                derive_key(vault),
                clock=time.time,
                durable=settings.audit.durable,
                segment=settings.audit.segment_bytes,
                keep=settings.audit.keep_segments,
            ),
            policy=self.policy,
            clock=time.time,
            entropy=os.urandom,
            start_port=self._start_port,
            descriptors=None,
            settings=settings.settings,
        )
        self.machine.authority.domain_policy.keep_in(directory / "domain-policy")
        self.descriptors = TokenDescriptors(self.loop, self.machine.authority.tokens, self.machine.authority.quotas)
        self.machine.service.descriptors = self.descriptors
        self.machine.service.security_providers = lambda: self.registry.read().security_providers
        self.passthrough = self._passes_through()
        self.management = Management(
            self.machine,
            self.registry,
            after=lambda seconds, call: self.loop.call_at(self.loop.clock() + seconds, call),
            stop=self.stop,
            address=f"unix:{config.socket_path}",
        )

    def _passes_through(self) -> LoopPassthrough | None:
        config = read_passthrough(self.config.settings_path)
        if config is None:
            return None
        from secpkg.runtime.passthrough import LoopPassthrough

        made = LoopPassthrough(config, self.machine.service, self.loop, self._complain)
        self.machine.authority.passthrough = made
        return made

    def _store(self, vault: Vault) -> AccountStore:
        lockout = self.policy.lockout
        if self.config.accounts == "memory":
            return MemoryAccountStore(self.config.domain, vault, lockout=lockout)
        from secpkg.accounts.sqlite import SqliteAccountStore

        path = self.config.directory / "accounts.db"
        return SqliteAccountStore(path, vault, domain=self.config.domain, lockout=lockout)

    def _start_port(self, description: ModuleDescription, first_package_id: int, events: Events) -> ModulePort:
        port = WorkerPort(
            self.loop, description, first_package_id, self._load_message, events, self.limits, uid=self._worker_uid
        )
        port.start()
        return port

    def _load_message(self, description: ModuleDescription, first_package_id: int) -> LoadModule:
        parameters = self.machine.parameters(description)
        return LoadModule(
            description.name,
            description.distribution,
            description.version,
            description.digest,
            description.target,
            description.path,
            first_package_id,
            parameters.domain_name,
            parameters.domain_sid,
            parameters.machine_state,
            parameters.seed,
            self.machine.tracing,
            self.limits.memory,
            self.limits.descriptors,
            30.0,
            parameters.settings,
            self.limits.blocked if description.blocking else 0.0,
        )

    def load_registered(self, loaded: Callable[[Module], None]) -> list[Module]:
        """Every module of the operator's lists; what cannot be found is listed as broken and stops nobody else.
        ``loaded`` is told of each when it serves, or is broken or given up.
        """
        contents = self.registry.read()
        self.machine.authority.subauthentication = contents.subauthentication
        started = [self._load_inbox(name, loaded) for name in INBOX_MODULES]
        for list_name in ("security_packages", "authentication_packages"):
            for entry in getattr(contents, list_name):
                description = ModuleDescription(
                    entry.module,
                    entry.distribution,
                    entry.version,
                    bytes.fromhex(entry.digest),
                    "",
                    has_user_half=True,
                    path=entry.path,
                    blocking=entry.blocking,
                )
                with contextlib.suppress(SecurityError):
                    found = describe(entry.module, entry.path)
                    # What was registered stays what is loaded; only where its code stands is looked up anew.
                    description = msgspec.structs.replace(
                        description, target=found.target, has_user_half=found.has_user_half
                    )
                started.append(
                    self.machine.add_module(
                        description,
                        loaded,
                        list_name=list_name,
                        primary_credentials=entry.primary_credentials,
                    )
                )
        return started

    def _load_inbox(self, name: str, loaded: Callable[[Module], None]) -> Module:
        """A module of ours. One that is not found, or that another distribution offers, is listed as broken."""
        try:
            description = describe(name)
        except SecurityError:
            description = ModuleDescription(name, DISTRIBUTION, "", b"", "", has_user_half=True)
        description = msgspec.structs.replace(description, distribution=DISTRIBUTION)
        return self.machine.add_module(description, loaded, list_name="inbox", primary_credentials=True, inbox=True)

    def serve(self, ready: Callable[[], None]) -> None:
        """Load what is registered, and open both sockets. Who connects is answered, and ``ready`` called, when every
        module is loaded or has failed to: nobody is told of a registered package that there is none. A module that
        takes longer than `START_LIMIT` keeps nobody waiting beyond it.
        """
        loading: set[str] = set()
        begun = False

        def begin() -> None:
            nonlocal begun
            if not begun and not self._stopping:
                begun = True
                self._answer()
                ready()

        def loaded(module: Module) -> None:
            loading.discard(module.key)
            if not loading:
                begin()

        loading.update(m.key for m in self.load_registered(loaded) if m.state == "loading")
        self.listen()
        if loading:
            self.loop.call_at(self.loop.clock() + START_LIMIT, begin)
        else:
            begin()

    def _answer(self) -> None:
        for listener, is_trusted in self._listeners:

            def accept(listener: socket.socket = listener, is_trusted: bool = is_trusted) -> bool:
                return self._accept(listener, is_trusted)

            self._sources.append(self.loop.register(listener.fileno(), accept, weight=16))

    def listen(self) -> None:
        """Open both sockets; the kernel keeps who connects."""
        path = self.config.socket_path
        trusted = Path(trusted_address(f"unix:{path}").partition(":")[2])
        # A uid that the operator listed could not open another's file of 0600; the peer's uid is checked anyway.
        operators = 0o666 if self.config.trusted_uids else 0o600
        for address, mode, is_trusted in ((path, 0o666, False), (trusted, operators, True)):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(os.lstat(address).st_mode):
                    os.unlink(address)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
            before = os.umask(0o177)
            try:
                listener.bind(os.fspath(address))
            finally:
                os.umask(before)
            os.chmod(address, mode)
            listener.listen(128)
            self._listeners.append((listener, is_trusted))

    def _accept(self, listener: socket.socket, trusted: bool) -> bool:
        try:
            sock, _address = listener.accept()
        except BlockingIOError:
            return False
        try:
            credentials = peer_credentials(sock)
            pidfd = pidfd_of(sock)
        except (PeerRefused, OSError):
            sock.close()
            return True
        tcb = trusted and self.policy.is_trusted(credentials.uid)
        caller = ClientInfo(credentials.pid, credentials.uid, credentials.gid, has_tcb_privilege=tcb)
        peer = ApplicationPeer(self, sock, caller, pidfd)
        if not self._room_for_stranger(credentials.uid):
            peer.send(encode(Failed(0, Status.STATUS_PORT_CONNECTION_REFUSED, reason="connection_refused")))
            peer.close()
        else:
            self.strangers.add(peer)
        return True

    def _room_for_stranger(self, uid: int) -> bool:
        """Whether another connection may stay before it has said anything. No user can take every place."""
        if len(self.strangers) >= MAX_STRANGERS:
            return False
        return sum(peer.uid == uid for peer in self.strangers) < MAX_STRANGERS_OF_A_UID

    def stop(self) -> None:
        """SpShutdown of every package in reverse order, then leave."""
        if self._stopping:
            return
        self._stopping = True
        for source in self._sources:
            source.unregister()
        for listener, _trusted in self._listeners:
            listener.close()
        modules = list(self.machine.modules.values())
        waiting = len(modules)
        self.loop.call_at(self.loop.clock() + STOP_LIMIT, self.loop.stop)

        def gone() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting <= 0:
                self.loop.call_soon(self.loop.stop)

        if not modules:
            self.loop.call_soon(self.loop.stop)
        for module in reversed(modules):
            module.gone = gone
            self.machine.finish(module)

    def close(self) -> None:
        """Give everything back."""
        for port in list(self.machine.service.ports.values()):
            if isinstance(port, WorkerPort):
                port.kill("authority_stopped")
        if self.passthrough is not None:
            self.passthrough.close()
        self.descriptors.close()
        self.loop.close()
        self.machine.authority.store.close()
        self.machine.authority.audit.close()
        path = self.config.socket_path
        for address in (os.fspath(path), trusted_address(f"unix:{path}").partition(":")[2]):
            with contextlib.suppress(OSError):
                os.unlink(address)
        os.close(self._lock)

    def _complain(self, where: object, error: Exception) -> None:
        print(f"secpkg authority: {type(error).__name__} in {where!r}: {error}", file=sys.stderr, flush=True)


def _worker_uid(wanted: int | None) -> int | None:
    """Whom workers run as; None: as this process does. Tried before anything else, since a worker that cannot start
    would be found by the first logon.
    """
    if os.geteuid() != 0 or wanted == 0:
        return None
    uid = NOBODY if wanted is None else wanted
    command = [sys.executable, "-I", "-c", "import secpkg.runtime.worker"]
    try:
        done = subprocess.run(
            command, user=uid, group=uid, extra_groups=(), env={}, cwd="/", capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        works = False
    else:
        works = done.returncode == 0
    if not works:
        raise DaemonFault(
            f"uid {uid} cannot run {sys.executable}: install secpkg where that uid can read it, name another uid with "
            "--worker-uid, or, giving up what separates packages from root, --worker-uid 0"
        )
    return uid


@contextlib.contextmanager
def _signals(daemon: Daemon) -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        daemon.loop.call_soon_threadsafe(daemon.stop)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(ready_fd: int | None) -> None:
    if ready_fd is not None:
        with open(ready_fd, "wb") as ready:
            ready.write(b"READY\n")


def run(config: DaemonConfig, limits: Limits | None = None) -> int:
    """Serve until SIGTERM, SIGINT or ``secpkg authority stop``. `DaemonFault` or `RegistryError` when it cannot
    start.
    """
    os.umask(0o077)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # connections and token descriptors of everybody
    # A core file or a debugger of the same uid would see every session's secrets (lock 8).
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise DaemonFault("prctl(PR_SET_DUMPABLE) failed: the authority does not run where its memory can be read")
    daemon = Daemon(config, limits)
    try:
        with _signals(daemon):
            daemon.serve(lambda: _tell(config.ready_fd))
            daemon.loop.run()
    finally:
        daemon.close()
    return 0


__all__ = ["Daemon", "DaemonFault", "RegistryError", "run"]
