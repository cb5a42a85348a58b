"""The fixtures, in a test run of their own, as an author has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = """
PASSWORD = "correct horse"


def test_hello(secpkg_lab, secpkg_pair, secpkg_recorded):
    secpkg_lab.add_module("hello")
    secpkg_lab.add_user("alice", password=PASSWORD)
    pair = secpkg_pair("Hello", username="alice", password=PASSWORD)
    secpkg_recorded(pair)
    pair.talk()
"""


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTEST_ADDOPTS": "", "SECPKG_AUTHORITY": "unix:/nowhere"}
    environment["PYTEST_DEBUG_TEMPROOT"] = str(directory)  # that of another run is not for this one to tidy up
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *arguments]
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_a_handshake_is_recorded_once_and_compared_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "test_hello.py").write_text(TEST)
    missing = run(tmp_path)
    assert missing.returncode == 1
    assert "run this test once with --secpkg-record" in missing.stdout
    assert run(tmp_path, "--secpkg-record").returncode == 0
    assert run(tmp_path).returncode == 0
    path = tmp_path / "recordings" / "test_hello.json"
    kept = json.loads(path.read_text())
    kept["legs"][2]["token"] = "00" + kept["legs"][2]["token"][2:]
    path.write_text(json.dumps(kept))
    changed = run(tmp_path)
    assert changed.returncode == 1
    assert "leg 3 (client): the token differs at byte 0: 63, recorded 00" in changed.stdout


@pytest.mark.slow
def test_a_run_that_does_not_ask_for_it_sees_nothing_of_it(tmp_path: Path) -> None:
    heavy = ("secpkg.runtime", "secpkg.authority", "secpkg.sspi", "secpkg.testing.lab", "msgspec", "cryptography")
    found = f"[name for name in sys.modules if name.startswith({heavy})]"
    (tmp_path / "test_other.py").write_text(f"import sys\n\ndef test_other():\n    assert {found} == []\n")
    done = run(tmp_path, "--strict-markers")
    assert done.returncode == 0, done.stdout
