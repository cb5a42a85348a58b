"""The list of Debian packages, and that in CI nobody is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests import needs

pytest_plugins = ["pytester"]

MODULE = """
import pytest

@pytest.mark.stranger("winbind")
def test_installed():
    pass

@pytest.mark.stranger
def test_left_out():
    pytest.skip("no mood")

def test_of_ours_left_out():
    pytest.skip("no need")
"""


def test_every_line_of_the_list_is_whole() -> None:
    for package, (sign, consequence) in needs.packages().items():
        assert package
        assert sign
        assert consequence


def test_what_is_there_and_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "debian.txt"
    listed.write_text(
        f"# a comment\none | sh | nothing\ntwo | {tmp_path}/deb*.txt | nothing\nthree | /nowhere/* | all\n"
    )
    monkeypatch.setattr(needs, "LIST", listed)
    assert needs.missing("one") is None
    assert needs.missing("two") is None
    assert needs.missing("three") == "the Debian package three is not installed: all"
    with pytest.raises(KeyError):
        needs.missing("four")


@pytest.mark.parametrize("ci", [False, True])
def test_in_ci_no_stranger_is_skipped(pytester: pytest.Pytester, ci: bool) -> None:
    """Neither for a package that is missing nor for another reason; elsewhere the reason is printed."""
    root = Path(__file__).parent.parent
    pytester.makeconftest((root / "tests" / "conftest.py").read_text())
    pytester.makepyfile(MODULE)
    pytester.makepyprojecttoml("[tool.pytest]\nmarkers = ['stranger']\n")
    listed = pytester.path / "debian.txt"
    listed.write_text("winbind | /nowhere/ntlm_auth | Samba\n")
    # A process of its own: the settings of hypothesis are the process's.
    start = (
        "import pathlib, pytest, sys; from tests import needs; "
        "needs.LIST = pathlib.Path('debian.txt'); sys.exit(pytest.main(['-rsf', '-p', 'no:cacheprovider']))"
    )
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), **({"CI": "true"} if ci else {})}
    done = subprocess.run(
        [sys.executable, "-c", start], cwd=pytester.path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == int(ci), done.stdout + done.stderr
    assert ("1 failed, 1 skipped, 1 error" if ci else "3 skipped") in done.stdout
    assert "the Debian package winbind is not installed: Samba" in done.stdout
    assert ("in CI no stranger may be missing" in done.stdout) is ci
