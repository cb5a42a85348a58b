"""A master key handed over by descriptor (lock 4): it is nowhere in the directory, and no other key opens it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.daemon.harness import PASSWORD, directories

from secpkg import LogonType, lsa

KEY = bytes(range(32))


@contextmanager
def running(directory: Path, key: bytes) -> Iterator[tuple[subprocess.Popen[str], bool]]:
    """A daemon that was handed this key, and whether it came up."""
    given, give = os.pipe()
    os.write(give, key)
    os.close(give)
    ready, told = os.pipe()
    command = [sys.executable, "-m", "secpkg.cli", "authority", "run", "--dir", str(directory), "--domain", "EXAMPLE"]
    command += ["--master-key-fd", str(given), "--ready-fd", str(told)]
    if os.geteuid() == 0:  # the uid nobody may be unable to read this checkout
        command += ["--worker-uid", "0"]
    process = subprocess.Popen(command, pass_fds=(given, told), stderr=subprocess.PIPE, text=True)
    os.close(given)
    os.close(told)
    with open(ready, "rb") as line:
        came = bool(line.readline())
    try:
        yield process, came
    finally:
        process.terminate()
        process.communicate(timeout=15)


@pytest.mark.slow
def test_the_key_that_is_handed_over_opens_what_it_sealed_and_is_kept_nowhere() -> None:
    with directories() as place:
        directory = place / "authority"
        address = f"unix:{directory}/lsa.sock"
        with running(directory, KEY) as (process, came):
            assert came
            with lsa.register_logon_process("operator", address) as operator:
                operator.manage("accounts.add", name="alice", password=PASSWORD)
            if os.geteuid() == 0:  # nobody else may look (lock 8)
                descriptors = Path(f"/proc/{process.pid}/fd")
                pipes = [one for one in descriptors.iterdir() if os.readlink(one).startswith("pipe:")]
                assert not [one for one in pipes if _holds(one)]
        assert not (directory / "master.key").exists()
        assert not [path for path in directory.rglob("*") if path.is_file() and KEY in path.read_bytes()]
        with running(directory, KEY) as (_, came):
            assert came
            with lsa.connect(address) as connection:
                connection.logon_user("NTLM", LogonType.INTERACTIVE, username="alice", password=PASSWORD)
        with running(directory, KEY[::-1]) as (process, came):
            assert not came and process.wait(15) != 0


def _holds(descriptor: Path) -> bool:
    """Whether the master key can still be read there."""
    try:
        with open(os.open(descriptor, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return KEY in (file.read() or b"")
    except OSError:
        return False


@pytest.mark.parametrize("key", [b"", KEY[1:], KEY + b"\0"], ids=["nothing", "short", "long"])
def test_anything_but_32_bytes_is_no_key(key: bytes) -> None:
    with directories() as place, running(place / "authority", key) as (process, came):
        assert not came and process.wait(15) != 0
        assert process.stderr is not None and "must give 32 bytes and end" in process.stderr.read()
