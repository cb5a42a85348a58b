"""Plain SSPs on the operator's list of a running authority (R12, R17, spec/README 12)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.harness import Daemon, running

_PROGRAM = """
import json, secpkg
from secpkg.sspi import raw

names = [info.name for info in raw.enumerate_security_packages()[1]]
try:
    with secpkg.Client("SampSSP", username="alice", target="server") as client:
        token = len(client.step())
except secpkg.SecurityError as error:
    token = error.status.native
print(json.dumps([names, token]))
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


def program(daemon: Daemon, home: Path) -> tuple[list[str], object]:
    """What a program of this environment sees that is told of nothing but the authority."""
    environment = {"PATH": os.environ["PATH"], "SECPKG_AUTHORITY": daemon.address, "XDG_CONFIG_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    names, token = json.loads(done.stdout)
    return names, token


def test_an_application_finds_the_plain_ssp_that_the_operator_listed_R12_R17(daemon: Daemon, tmp_path: Path) -> None:
    keys = tmp_path / "secpkg" / "sampssp.keys"
    keys.parent.mkdir()
    keys.touch(0o600)
    keys.write_text(f"alice:{base64.b64encode(bytes(32)).decode()}\n")

    assert program(daemon, tmp_path) == (["NTLM", "Hello"], "SEC_E_SECPKG_NOT_FOUND")
    daemon.manage("packages.add", module="sampssp", list="security_providers")
    try:
        names, token = program(daemon, tmp_path)
        assert names == ["SampSSP", "NTLM", "Hello"] and isinstance(token, int) and token > 0
        daemon.manage("packages.add", module="not-installed", list="security_providers")
        assert program(daemon, tmp_path)[0] == ["SampSSP", "NTLM", "Hello"]
        daemon.manage("packages.remove", name="not-installed")
    finally:
        daemon.manage("packages.remove", name="sampssp")
    assert program(daemon, tmp_path) == (["NTLM", "Hello"], "SEC_E_SECPKG_NOT_FOUND")
