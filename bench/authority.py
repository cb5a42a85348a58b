"""A daemon in a directory of its own, for the time of a benchmark."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from bench import echo
from secpkg.ipc import schema
from secpkg.ipc.client import SocketLink, link
from secpkg.ipc.link import next_id, status_of

DOMAIN: Final = "BENCH"
USER: Final = "alice"
PASSWORD: Final = "correct horse battery"
_RUN: Final = """
import os
import sys
from pathlib import Path
from secpkg.runtime.config import DaemonConfig
from secpkg.runtime.daemon import run
config = DaemonConfig(
    directory=Path(sys.argv[1]), domain=sys.argv[2], ready_fd=int(sys.argv[3]), worker_uid=os.geteuid()
)
run(config)
"""


class Authority:
    """``with Authority() as authority``: Hello and the packages of `bench.echo` are registered, alice has a
    password.
    """

    def __init__(self, *, furnished: bool = True) -> None:
        self._exit = contextlib.ExitStack()
        self.directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="secpkg-bench-")))
        self.address = f"unix:{self.directory / 'state' / 'lsa.sock'}"
        self._furnished = furnished
        self._link: SocketLink | None = None
        self.started_in = 0.0
        self.pid = 0

    def __enter__(self) -> Self:
        begun = time.perf_counter()
        ready, told = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, os.fspath(self.directory / "state"), DOMAIN, str(told)], pass_fds=(told,)
        )
        os.close(told)
        self.pid = process.pid
        self._exit.callback(process.wait)
        self._exit.callback(process.terminate)
        try:
            os.read(ready, 16)
            os.close(ready)
            self._link = link(self.address, "bench")
            self.manage("authority.status")
            self.started_in = time.perf_counter() - begun
            if self._furnished:
                self._furnish()
        except BaseException:
            self._exit.close()
            raise
        return self

    def _furnish(self) -> None:
        site = self.directory / "site"
        site.mkdir()
        echo.install(site)
        self.manage("packages.add", module=echo.MODULE, path=os.fspath(site))
        self.manage("packages.add", module="hello", primary_credentials=True)
        self.manage("accounts.add", name=USER, password=PASSWORD)

    def manage(self, operation: str, **arguments: object) -> object:
        """An operator's call."""
        assert self._link is not None
        reply = self._link.call(schema.Manage(next_id(), operation, msgspec.Raw(schema.encode(arguments))))
        if not isinstance(reply, schema.Answered):
            failed = reply if isinstance(reply, schema.Failed) else None
            raise RuntimeError(f"{operation}: {failed and (status_of(failed.status), failed.reason)}")
        return msgspec.msgpack.decode(reply.value)

    def worker(self, package: str) -> int:
        """The process id of a package's worker."""
        listed = msgspec.convert(self.manage("packages.list"), list[dict[str, object]])
        (found,) = (entry["worker"] for entry in listed if entry["name"] == package)
        return msgspec.convert(found, dict[str, int])["pid"]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link is not None:
            self._link.close()
        self._exit.close()
