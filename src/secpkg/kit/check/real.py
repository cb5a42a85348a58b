"""An authority in a process of its own, with a worker for the module: for what needs processes that can be killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, cast

import msgspec

from secpkg.contract.flags import CredentialUse
from secpkg.contract.values import ContextRequest
from secpkg.ipc import schema
from secpkg.ipc.client import SocketLink, link
from secpkg.ipc.link import failure, next_id
from secpkg.kit.check.bench import DOMAIN, PASSWORDS
from secpkg.kit.check.door import LsaDoor
from secpkg.kit.check.target import Credentials
from secpkg.runtime.embedded_link import LocalLink

PATIENCE: Final = 10.0
_START: Final = """\
import sys, msgspec
from pathlib import Path
from secpkg.runtime.config import DaemonConfig
from secpkg.runtime.daemon import run
config = msgspec.json.decode(sys.argv[1])
config["directory"] = Path(config["directory"])
sys.exit(run(DaemonConfig(**config)))
"""


class RealAuthority:
    """A running authority. Everything that fails here is an OSError, a TimeoutError or a SecurityError."""

    def __init__(self, place: Path, module: str) -> None:
        self.directory = place / "authority"
        self.address = f"unix:{self.directory}/lsa.sock"
        self._module = module
        read, write = os.pipe()
        config = {"directory": str(self.directory), "domain": DOMAIN, "worker_uid": os.getuid(), "ready_fd": write}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, msgspec.json.encode(config).decode()],
            pass_fds=(write,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with open(read, "rb") as ready:
            if ready.read() != b"READY\n":
                raise OSError("the authority did not start")
        self._operator: SocketLink = link(self.address, "secpkg check")
        self.manage("packages.add", module=module, primary_credentials=True)
        for user, password in PASSWORDS.items():
            self.manage("accounts.add", name=user, password=password)

    def manage(self, operation: str, **arguments: object) -> object:
        """An operator's call."""
        reply = self._operator.call(schema.Manage(next_id(), operation, msgspec.Raw(schema.encode(arguments))))
        if isinstance(reply, schema.Failed):
            raise failure(reply.status, reply.substatus, reply.reason)
        decoded: object = msgspec.msgpack.decode(cast(schema.Answered, reply).value)
        return decoded

    def counts(self) -> dict[str, object]:
        """What is open, and which process the worker is."""
        status = cast(dict[str, object], self.manage("authority.status"))
        rows = cast(list[dict[str, object]], self.manage("packages.list"))
        worker = next(cast(dict[str, object], row["worker"]) for row in rows if row["module"] == self._module)
        return {
            "sessions": status["sessions"],
            "connections": status["connections"],
            "channels": worker["channels"],
            "worker": worker["pid"],
        }

    def settles(self, wanted: dict[str, object]) -> dict[str, object]:
        """What is still open that was not, after some patience."""
        end = time.monotonic() + PATIENCE
        while (counted := self.counts()) != wanted:
            if time.monotonic() > end:
                return {name: value for name, value in counted.items() if value != wanted[name]}
            self.manage("trace.read", cursor=2**62, wait=0.01)
        return {}

    def stop(self) -> None:
        """End it, and its workers with it."""
        with suppress(Exception):
            self.manage("authority.stop")
        self._operator.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(module: str) -> Iterator[RealAuthority]:
    """A real authority with this module."""
    place = Path(tempfile.mkdtemp(prefix="secpkg-check-"))
    place.chmod(0o755)
    made: RealAuthority | None = None
    try:
        made = RealAuthority(place, module)
        yield made
    finally:
        if made is not None:
            made.stop()
        shutil.rmtree(place, ignore_errors=True)


def kill_after(action: Callable[[], object]) -> None:
    """Do something in a child process, and SIGKILL it when it is done. TimeoutError when that takes too long."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(read)
            action()
            os.write(write, b".")
            signal.pause()
        finally:
            os._exit(1)
    os.close(write)
    try:
        with open(read, "rb", buffering=0) as done:
            if done.read(1) != b".":
                raise OSError("the client failed before it was killed")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def speak(address: str, package: str, given: Credentials, requirements: tuple[int, int], legs: int) -> object:
    """Both sides of a handshake over one connection, for so many legs: what must not be closed."""
    door = LsaDoor(cast(LocalLink, link(address)), package)
    sides = [door.acquire(CredentialUse.OUTBOUND, given), door.acquire(CredentialUse.INBOUND, Credentials())]
    contexts: list[object] = [None, None]
    token = b""
    for number in range(legs):
        end = number % 2
        request = ContextRequest(token, None if end else "host/kit", requirements[end])
        leg = door.leg(bool(end), sides[end], contexts[end], request)
        contexts[end], token = leg.context, leg.token
        if leg.refused or not token:
            break
    return door, sides, contexts


__all__ = ["RealAuthority", "kill_after", "running", "speak"]
