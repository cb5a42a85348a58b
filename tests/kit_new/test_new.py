"""``secpkg new``: what it writes is right at once, and it writes nothing over."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from secpkg.cli.__main__ import cli
from secpkg.kit.lab.project import find
from secpkg.kit.new import ROLES, NewFault, Role, make, names_of

RULES = "E,F,W,I,B,UP,SIM,RUF,PL"
IGNORED = "PLR0904,PLR0911,PLR0912,PLR0913,PLR0917,PLR2004,PLC0415"


def run(directory: Path, *command: str, path: Path | None = None, patience: float = 110) -> str:
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=patience, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("role", ROLES)
def test_at_most_five_places_are_marked_and_numbered(role: Role, tmp_path: Path) -> None:
    made = make("Badge", role, tmp_path / "badge")
    assert [decision.number for decision in made.decisions] == list(range(1, len(made.decisions) + 1))
    assert 3 <= len(made.decisions) <= 5
    for decision in made.decisions:
        line = (tmp_path / "badge" / decision.file).read_text().splitlines()[decision.line - 1]
        assert f"# DECIDE {decision.number}: " in line
    written = {str(path.relative_to(tmp_path / "badge")) for path in (tmp_path / "badge").rglob("*") if path.is_file()}
    assert written == set(made.files)
    text = "".join((tmp_path / "badge" / name).read_text() for name in made.files)
    assert not any(word in text for word in ("NewPackage", "new_package", "newpackage", "new-package"))


@pytest.mark.parametrize("role", ROLES)
def test_what_is_written_is_well_laid_out(role: Role, tmp_path: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not here")
    make("Badge", role, tmp_path / "badge")
    run(tmp_path / "badge", str(ruff), "check", "--no-cache", "--select", RULES, "--ignore", IGNORED, ".")
    run(tmp_path / "badge", str(ruff), "format", "--no-cache", "--check", ".")


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_it_installs_is_typed_and_passes_its_own_tests(role: Role, tmp_path: Path) -> None:
    """Role by role: installed from its pyproject into a directory, mypy --strict over source and tests, and pytest: a
    load in a lab, a handshake or a logon, and what must be refused.
    """
    project, site = tmp_path / "project", tmp_path / "site"
    make("Badge", role, project)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps")
    run(project, *pip, "--no-build-isolation", "--no-index", "--target", str(site), ".")
    shutil.rmtree(project / "src")  # the tests are of what was installed
    tested = run(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path=site)
    assert " passed" in tested and "skipped" not in tested
    make("Badge", role, tmp_path / "again")
    run(tmp_path / "again", sys.executable, "-m", "mypy", "--cache-dir", os.devnull, path=site)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
def test_it_passes_the_conformance_kit(role: Role, tmp_path: Path) -> None:
    """Every rule that binds it is tried and kept, and every attack of a quick run fails."""
    make("Badge", role, tmp_path / "badge")
    (subject,) = find(str(tmp_path / "badge"), tmp_path)
    command = (sys.executable, "-m", "secpkg.cli", "check", "badge", "--quick", "--json")
    report = json.loads(run(tmp_path, *command, path=Path(subject.path), patience=280))
    outcomes = {rule["rule"]: rule["outcome"] for rule in report["rules"]}
    assert set(outcomes.values()) <= {"kept", "not applicable", "not tried"}
    assert sum(outcome == "kept" for outcome in outcomes.values()) >= 25


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("", "is no name"),
        ("1st", "is no name"),
        ("a-b", "is no name"),
        ("Ünder", "is no name"),
        ("../x", "is no name"),
        ("class", "is no name"),
        ("_x", "is no name"),
        ("A" * 128, "128 characters"),
        ("ntlm", "inbox"),
        ("Negotiate", "inbox"),
        ("Context", "in the sample"),
        ("print", "in the sample"),
        ("Hello", "offers a module 'hello'"),
        ("SampSSP", "offers a module 'sampssp'"),
    ],
)
def test_names_that_no_package_can_have(name: str, wrong: str) -> None:
    """R13, R87, and what Python and the samples mean by a word."""
    with pytest.raises(NewFault, match=wrong) as raised:
        names_of(name)
    assert raised.value.following


def test_a_name_becomes_four() -> None:
    names = names_of("My_Badge2")
    assert (names.package, names.module, names.imported, names.distribution) == (
        "My_Badge2",
        "my_badge2",
        "secpkg_my_badge2",
        "secpkg-my-badge2",
    )


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file, full, link, empty = (tmp_path / name for name in ("file", "full", "link", "empty"))
    file.write_text("mine")
    full.mkdir()
    (full / "mine").write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    empty.mkdir()
    for target in (file, full, link):
        with pytest.raises(NewFault, match="is there already"):
            make("Badge", "ap", target)
    assert file.read_text() == "mine"
    assert [path.name for path in full.iterdir()] == ["mine"]
    make("Badge", "ap", empty)
    assert (empty / "pyproject.toml").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full", "link"]


def test_nothing_is_left_of_what_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        make("Badge", "ap", tmp_path / "badge")
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["new", "Badge", "--role", "ssp-ap", "--json"])
    assert done.exit_code == 0, done.output
    made = json.loads(done.output)
    assert (made["directory"], made["names"]["module"], len(made["decisions"])) == ("secpkg-badge", "badge", 5)
    assert {path for path in made["files"] if path.startswith("tests/")} == {"tests/test_secpkg_badge.py"}
    again = CliRunner().invoke(cli, ["new", "Badge", "--role", "ap"])
    assert again.exit_code == 1
    assert "secpkg: secpkg-badge is there already\n  nothing is overwritten" in again.output
    other = CliRunner().invoke(cli, ["new", "Badge", "--role", "ap", "--directory", "b"])
    assert other.exit_code == 0
    assert "secpkg check badge" in other.output
