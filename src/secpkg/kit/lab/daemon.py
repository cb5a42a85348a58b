"""The lab's authority: a daemon in a directory that goes with it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from secpkg.lsa import Lsa, register_logon_process

DOMAIN: Final = "LAB"
USER: Final = "alice"
_STOP: Final = 10.0
_START: Final = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: it ends with the lab, however that ends
if os.getppid() != int(sys.argv.pop(1)):
    sys.exit(1)
from secpkg.cli.__main__ import main
main()
"""


class LabFault(Exception):
    """The lab itself cannot work; ``following`` is what to do next."""

    def __init__(self, wrong: str, following: str) -> None:
        super().__init__(wrong)
        self.following = following


class LabDaemon:
    """Started by ``with``; ``lsa`` is a trusted connection, ``place`` a directory for whoever needs one."""

    lsa: Lsa

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="secpkg-lab-"))
        self.place = self.root / "place"
        self.place.mkdir()
        self.address = f"unix:{self.root}/authority/lsa.sock"
        self.password = secrets.token_urlsafe(12)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
            self.lsa = register_logon_process("secpkg-lab", self.address)
        except BaseException:
            self._end()
            raise
        return self

    def _start(self) -> None:
        read, write = os.pipe()
        command = [sys.executable, "-c", _START, str(os.getpid())]
        command += ["authority", "run", "--dir", str(self.root / "authority")]
        # Packages run as whoever runs the lab: it is theirs, and nobody may be able to read where the source stands.
        command += ["--domain", DOMAIN, "--accounts", "memory", "--worker-uid", str(os.geteuid())]
        with open(self.root / "errors", "ab") as errors:
            self._process = subprocess.Popen(
                [*command, "--ready-fd", str(write)],
                pass_fds=(write,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is the lab's to hear
            )
        os.close(write)
        with open(read, "rb") as ready:
            if not ready.readline():
                said = (self.root / "errors").read_text("utf-8", "replace").strip().splitlines()
                raise LabFault(f"the authority did not start: {' '.join(said[-2:])}", "mend that, then try again")

    def _end(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.root)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lsa.close()
        self._end()
