"""A real daemon in a directory of its own, and clients that speak its raw messages."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from secpkg.contract import AuthIdentity, LogonRequest, LogonType, SecurityError, Status
from secpkg.ipc import schema
from secpkg.ipc.channel import Channel
from secpkg.ipc.client import SocketLink, link
from secpkg.ipc.link import failure, next_id
from secpkg.runtime.supervisor import Limits

PATIENCE: Final = 15.0
"""Seconds after which something that was waited for is missing."""
PASSWORD: Final = "correct horse"
_PR_SET_CHILD_SUBREAPER: Final = 36
_START: Final = """\
import sys, msgspec
from pathlib import Path
from secpkg.runtime.config import DaemonConfig
from secpkg.runtime.daemon import run
from secpkg.runtime.supervisor import Limits
config, limits = msgspec.json.decode(sys.argv[1])
config["directory"] = Path(config["directory"])
sys.exit(run(DaemonConfig(**config), msgspec.convert(limits, Limits)))
"""

opened: Final[list[Callable[[], object]]] = []
"""What closes the links and channels of the running test."""


def close_opened() -> None:
    """Close the links and channels of the running test."""
    while opened:
        opened.pop()()


T = TypeVar("T")
WorkerChannel = Channel[schema.ToWorker, schema.FromWorker]


def answered(kind: type[T], reply: object) -> T:
    """The reply, which must be of ``kind``."""
    assert isinstance(reply, kind), described(reply)
    return reply


def refused(reply: object) -> tuple[Status, str]:
    """Status and reason of a reply that must be `Failed`."""
    assert isinstance(reply, schema.Failed), reply
    return Status(reply.status), reply.reason


def described(reply: object) -> str:
    """A reply for people."""
    if isinstance(reply, schema.Failed | schema.Stepped):
        return f"{Status.known(reply.status)!r} {reply!r}"
    return repr(reply)


def processes() -> Iterator[tuple[int, int, str]]:
    """(pid, parent, state) of every process."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
                yield int(entry), int(fields[1]), fields[0].decode()


def children(pid: int) -> dict[int, str]:
    """The children of a process and their states."""
    return {child: state for child, parent, state in processes() if parent == pid}


def gone(pid: int, patience: float = PATIENCE) -> bool:
    """Wait until a process has exited; whether it has."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(patience * 1000))
    finally:
        os.close(pidfd)


def descriptors(pid: int) -> int:
    """How many descriptors a process has open; 0 where only root may look, since authority and workers let nobody
    else (lock 8): there the counts are compared as root, in CI.
    """
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        if os.getuid() == 0:
            raise
        return 0


def at_end(sock: socket.socket) -> bool:
    """Wait until the other end of a socket is closed; False when something else comes first."""
    sock.settimeout(PATIENCE)
    try:
        return sock.recv(1 << 18) == b""
    except ConnectionResetError:
        return True


class Daemon:
    """`secpkg.runtime.daemon.run` in a process, reached as applications and operators reach it."""

    def __init__(self, directory: Path, *, limits: Limits | None = None, **config: object) -> None:
        self.directory = directory
        self.address = f"unix:{directory}/lsa.sock"
        # As root, workers would be nobody's, who may not read where this checkout and its Python are.
        self.config = {"domain": "EXAMPLE", "worker_uid": os.getuid(), **config, "directory": str(directory)}
        self.limits = limits if limits is not None else Limits()
        self.expected: set[str] = set()
        """Exceptions that the tests made the authority complain of."""
        self._operator: SocketLink | None = None
        self.process: subprocess.Popen[bytes]

    def start(self) -> Daemon:
        """Start it and wait until it is ready."""
        read, write = os.pipe()
        arguments = msgspec.json.encode([{**self.config, "ready_fd": write}, self.limits]).decode()
        with open(self.directory.parent / "stderr", "ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, arguments],
                pass_fds=(write,),
                stderr=errors,
                stdout=subprocess.DEVNULL,
            )
        os.close(write)
        with open(read, "rb") as ready:
            line = ready.read()
        assert line == b"READY\n", self.errors()
        return self

    def errors(self) -> str:
        """What the authority and its workers complained about."""
        return (self.directory.parent / "stderr").read_text()

    @property
    def operator(self) -> SocketLink:
        """A trusted connection."""
        if self._operator is None or self._operator.closed:
            self._operator = link(self.address, "tests")
        return self._operator

    def link(self) -> SocketLink:
        """An application's connection; it lasts as long as the test."""
        made = link(self.address)
        opened.append(made.close)
        return made

    def trusted_link(self) -> SocketLink:
        """A logon process's connection; it lasts as long as the test."""
        made = link(self.address, "another")
        opened.append(made.close)
        return made

    def manage(self, operation: str, **arguments: object) -> Any:
        """An operator's call: its result, or SecurityError."""
        raw = msgspec.Raw(schema.encode(arguments))
        reply = self.operator.call(schema.Manage(next_id(), operation, raw))
        if isinstance(reply, schema.Failed):
            raise failure(reply.status, reply.substatus, reply.reason)
        return msgspec.msgpack.decode(answered(schema.Answered, reply).value)

    def packages(self, module: str) -> list[dict[str, Any]]:
        """The rows of a module in packages.list."""
        return [row for row in self.manage("packages.list") if row["module"] == module]

    def row(self, module: str) -> dict[str, Any]:
        """The one row of a module."""
        (row,) = self.packages(module)
        return row

    def worker(self, module: str) -> int:
        """The process id of a module's worker, which is waited for."""
        pid = self.until(lambda: self.packages(module)[0]["worker"]["pid"])
        assert isinstance(pid, int)
        return pid

    def until(self, condition: Callable[[], T]) -> T:
        """Ask until the answer is true. Each asking is an exchange with the daemon, which takes its time for it."""
        end = time.monotonic() + PATIENCE
        while True:
            answer = condition()
            if answer:
                return answer
            assert time.monotonic() < end, (answer, self.errors()[-2000:])
            self.manage("trace.read", cursor=2**62, wait=0.01)

    def counts(self, *modules: str) -> dict[str, object]:
        """What may leak: descriptors of the authority and of workers, sessions, connections."""
        status = self.manage("authority.status")
        found: dict[str, object] = {
            "authority": descriptors(self.process.pid),
            "sessions": status["sessions"],
            "connections": status["connections"],
        }
        for module in modules:
            row = self.packages(module)[0]
            found[module] = (descriptors(row["worker"]["pid"]), row["worker"]["channels"])
        return found

    def settled(self, *modules: str) -> dict[str, object]:
        """`counts` as they are when nobody but the operator is connected, after one whole handshake."""
        authority = self.link()
        ends = Ends(authority)
        ends.handshake()
        ends.close()
        # The worker tells that it closed the channel; of one that goes with its connection the authority knows first.
        self.until(lambda: all(row["worker"]["channels"] == 0 for name in modules for row in self.packages(name)))
        authority.close()
        self.until(lambda: self.manage("authority.status")["connections"] == 1)
        return self.counts(*modules)

    def settles(self, settled: dict[str, object]) -> None:
        """Wait until everything that may leak is as it was."""
        modules = [name for name in settled if name not in ("authority", "sessions", "connections")]
        end = time.monotonic() + PATIENCE
        while (counted := self.counts(*modules)) != settled:
            assert time.monotonic() < end, (counted, settled)
            self.manage("trace.read", cursor=2**62, wait=0.01)

    def trace(self, cursor: int) -> list[dict[str, Any]]:
        """Every event after ``cursor``."""
        events: list[dict[str, Any]] = []
        while True:
            read = self.manage("trace.read", cursor=cursor)
            if not read["events"]:
                return events
            events += read["events"]
            cursor = read["cursor"]

    def kill(self) -> None:
        """SIGKILL to the authority; its workers go by themselves."""
        workers = list(children(self.process.pid))
        self.close_operator()
        self.process.kill()
        self.process.wait()
        for worker in workers:
            assert gone(worker), f"worker {worker} outlived its authority"

    def close_operator(self) -> None:
        """Forget the trusted connection."""
        if self._operator is not None:
            self._operator.close()
            self._operator = None

    def stop(self) -> None:
        """Stop it as an operator does, and check that it leaves with 0 and takes everything along."""
        zombies = [pid for pid, state in children(self.process.pid).items() if state == "Z"]
        workers = list(children(self.process.pid))
        self.manage("authority.stop")
        self.close_operator()
        assert self.process.wait(PATIENCE) == 0, self.errors()
        assert not zombies
        for worker in workers:
            assert gone(worker), f"worker {worker} outlived its authority"
        complaints = [line for line in self.errors().splitlines() if line.startswith("secpkg authority:")]
        unexpected = [line for line in complaints if line.split()[2] not in self.expected]
        assert not unexpected, unexpected[:10]
        assert not [name for name in os.listdir(self.directory) if name.endswith(".sock")]


@contextlib.contextmanager
def directories() -> Iterator[Path]:
    """A directory that other users may pass through, for a daemon's and for modules."""
    place = Path(tempfile.mkdtemp(prefix="secpkg-daemon-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)


@contextlib.contextmanager
def running(*, limits: Limits | None = None, hello: bool = True, **config: object) -> Iterator[Daemon]:
    """A daemon, with Hello and alice where wanted; stopped and checked at the end. Orphans come to this process, where
    they are seen.
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = set(children(os.getpid()))
    try:
        with directories() as place:
            daemon = Daemon(place / "authority", limits=limits, **config).start()
            try:
                if hello:
                    add_hello(daemon)
                yield daemon
            except BaseException:
                daemon.process.kill()
                daemon.process.wait()
                raise
            else:
                if daemon.process.poll() is None:
                    daemon.stop()
            finally:
                daemon.close_operator()
                # A child of a worker that was killed with it comes here too, dead; it only has to be buried.
                orphans = {pid: state for pid, state in children(os.getpid()).items() if pid not in before}
                for orphan in orphans:
                    with contextlib.suppress(OSError):
                        os.kill(orphan, signal.SIGKILL)
                        os.waitpid(orphan, 0)
        assert set(orphans.values()) <= {"Z"}, f"processes that outlived the daemon: {orphans}"
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def add_hello(daemon: Daemon) -> None:
    """Register Hello, and make alice."""
    added = daemon.manage("packages.add", module="hello", primary_credentials=True)
    assert added["state"] == "loaded", added
    daemon.manage("accounts.add", name="alice", password=PASSWORD)


class Ends:
    """Both ends of a conversation over one channel of one application: the client's and the server's credentials."""

    def __init__(self, authority: SocketLink, package: str = "Hello", token: int = 0, user: str = "alice") -> None:
        self.link = authority
        self.opened, self.channel = authority.open_channel(package, token)
        opened.append(self.channel.close)
        self.client = self.acquire(2, AuthIdentity(user, "EXAMPLE", PASSWORD))
        self.server = self.acquire(1)

    def acquire(self, use: int, identity: AuthIdentity | None = None) -> int:
        """A credential handle."""
        request = schema.AcquireCredentials(next_id(), self.opened.package, use, identity=identity)
        return answered(schema.CredentialsAcquired, self.channel.call(request)).credential

    def initiate(self, context: int, token: bytes) -> schema.Stepped:
        """One leg of the client."""
        request = schema.InitializeContext(next_id(), self.client, context, token, "HTTP/host", 0x1001E)
        return answered(schema.Stepped, self.channel.call(request))

    def accept(self, context: int, token: bytes) -> schema.Stepped:
        """One leg of the server."""
        request = schema.AcceptContext(next_id(), self.server, context, token, 0x2001E)
        return answered(schema.Stepped, self.channel.call(request))

    def handshake(self) -> tuple[schema.Stepped, schema.Stepped]:
        """A whole handshake: the last reply of either side."""
        first = self.initiate(0, b"")
        challenge = self.accept(0, first.token)
        proof = self.initiate(first.context, challenge.token)
        verdict = self.accept(challenge.context, proof.token)
        final = self.initiate(first.context, verdict.token)
        assert final.status == Status.SEC_E_OK, described(final)
        assert verdict.status == Status.SEC_E_OK, described(verdict)
        return final, verdict

    def delete(self, context: int) -> object:
        """DeleteSecurityContext."""
        return self.channel.call(schema.DeleteContext(next_id(), context))

    def query(self, context: int, attribute: int = 2) -> object:
        """QueryContextAttributes of the LSA half."""
        return self.channel.call(schema.QueryContext(next_id(), context, attribute))

    def close(self) -> None:
        """Close the channel; the link stays."""
        self.channel.close()


def works(daemon: Daemon) -> None:
    """Hello serves."""
    authority = daemon.link()
    ends = Ends(authority)
    final, verdict = ends.handshake()
    assert final.packed_context
    assert verdict.access_token is not None
    redeemed = answered(schema.TokenOpened, authority.call(schema.RedeemToken(next_id(), verdict.access_token)))
    assert redeemed.account_name == "alice"
    ends.close()
    authority.close()


def logon(authority: SocketLink, password: str = PASSWORD) -> schema.LoggedOn:
    """Log alice on interactively."""
    package = answered(schema.PackageNumber, authority.call(schema.LookupPackage(next_id(), "Hello"))).package
    request = LogonRequest(LogonType.INTERACTIVE, "alice", password=password)
    return answered(schema.LoggedOn, authority.call(schema.LogonUser(next_id(), package, request)))


def reason_of(call: Callable[[], object]) -> tuple[Status, str]:
    """Status and reason of a call that must be refused."""
    try:
        found = call()
    except SecurityError as error:
        return error.status, error.reason
    raise AssertionError(f"not refused: {found!r}")
