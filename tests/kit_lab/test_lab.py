"""``secpkg lab`` as a whole: a real authority, peers, edits. Tests wait for what the lab says, and for nothing else."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import secpkg
from secpkg.kit.lab.project import ProjectFault, find
from secpkg.kit.new import make

pytestmark = pytest.mark.slow
PATIENCE = 60.0

Line = dict[str, Any]


class Running:
    """A lab in a process of its own, told line by line."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "secpkg.cli", "lab", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seen: list[Line] = []
        self._watchdog = threading.Timer(PATIENCE, self.process.kill)
        self._watchdog.start()

    def until(self, condition: Callable[[Line], bool]) -> Line:
        """The next line of which this is true."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            line = json.loads(text)
            self.seen.append(line)
            if condition(line):
                return dict(line)
        assert self.process.stderr is not None
        raise AssertionError(f"the lab ended: {self.process.stderr.read()}\n{self.seen[-3:]}")

    def outcome(self, kind: str) -> Line:
        """The next outcome of this kind."""
        return self.until(lambda line: line["type"] == "outcome" and line["kind"] == kind)

    def end(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()
        self._watchdog.cancel()
        return self.process.returncode

    def kill(self) -> None:
        self._watchdog.cancel()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.communicate()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make("Badge", "ssp-ap", tmp_path / "badge")
    return tmp_path / "badge"


@pytest.fixture
def lab(project: Path) -> Iterator[Running]:
    running = Running(str(project))
    yield running
    running.kill()


def edit(project: Path, old: str, new: str, file: str = "lsa_mode.py") -> int:
    """Write a source file as editors do, by another that takes its place: the line of what is new."""
    source = project / "src" / "secpkg_badge" / file
    text = source.read_text()
    assert old in text
    draft = source.with_suffix(".draft")
    draft.write_text(text.replace(old, new, 1))
    os.replace(draft, source)
    return source.read_text()[: source.read_text().index(new)].count("\n") + 1


def test_an_edit_is_loaded_by_a_new_worker_and_tried_again(lab: Running, project: Path) -> None:
    first = lab.until(lambda line: line["type"] == "loaded")
    assert (first["state"], first["packages"]) == ("loaded", ["Badge"])
    assert lab.outcome("logon")["passed"]
    passed = lab.outcome("handshake")
    assert (passed["passed"], passed["said"]) == (True, "LAB\\alice: sealed messages both ways")
    called = {line["function"] for line in lab.seen if line["type"] == "called"}
    assert {"SpAcceptLsaModeContext", "GetAuthDataForUser", "SpUnsealMessage"} <= called

    # Behaviour of the LSA half: another name for the peer.
    edit(project, "peer = f", 'peer = "another " + f')
    changed = lab.until(lambda line: line["type"] == "changed")
    assert changed["files"] == [str(project / "src" / "secpkg_badge" / "lsa_mode.py")]
    second = lab.until(lambda line: line["type"] == "loaded")
    assert second["worker"] not in (0, first["worker"])
    assert lab.outcome("handshake")["said"] == "another LAB\\alice: sealed messages both ways"

    # A mistake in it, which a worker tells by name only.
    line = edit(project, "bound, proof = token", "bound, proof = 1 / 0, token")
    failed = lab.outcome("handshake")
    assert (failed["passed"], failed["who"], failed["status"]) == (False, "server", "SEC_E_INTERNAL_ERROR")
    assert failed["reason"] == "package_raised_ZeroDivisionError"
    assert [(fault["file"], fault["line"]) for fault in failed["faults"]] == [(changed["files"][0], line)]

    # One in the user half, where the peers see it.
    edit(project, "bound, proof = 1 / 0, token", "bound, proof = token")
    assert lab.outcome("handshake")["passed"]
    line = edit(project, "sealed = self.outgoing.seal", "sealed = self.outgoing.sael", "protection.py")
    failed = lab.outcome("handshake")
    assert not failed["passed"]
    assert [(Path(fault["file"]).name, fault["line"]) for fault in failed["faults"]] == [("protection.py", line)]
    assert "AttributeError" in failed["faults"][0]["error"]

    # A file that is none of Python's; the lab goes on.
    line = edit(project, "SALT = 16", "SALT = 16 +")
    broken = lab.outcome("load")
    assert (broken["passed"], broken["status"]) == (False, "SEC_E_CANNOT_INSTALL")
    assert (broken["faults"][0]["line"], broken["faults"][0]["error"]) == (line, "SyntaxError: invalid syntax")
    edit(project, "SALT = 16 +", "SALT = 16")
    edit(project, "outgoing.sael", "outgoing.seal", "protection.py")
    lab.until(lambda line: line["type"] == "outcome" and line["kind"] == "handshake" and line["passed"])

    place = Path(next(line for line in lab.seen if line["type"] == "began")["authority"].removeprefix("unix:"))
    assert place.exists()
    assert lab.end() == 0
    assert not place.parents[1].exists()


def test_the_authority_ends_with_a_lab_that_was_killed() -> None:
    running = Running("hello")
    address = running.until(lambda line: line["type"] == "began")["authority"]
    try:
        with secpkg.lsa.register_logon_process("tests", address) as lsa:
            status = lsa.manage("authority.status")
        assert isinstance(status, dict)
        with open(os.pidfd_open(status["pid"]), "rb") as authority:
            running.process.kill()
            assert select.select([authority], [], [], PATIENCE)[0]
    finally:
        running.kill()
        shutil.rmtree(Path(address.removeprefix("unix:")).parents[1])


def once(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "secpkg.cli", "lab", "--once", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout


def test_once_says_what_it_tried_and_ends_with_it() -> None:
    code, text = once("keyring", "hello")
    assert code == 0, text
    assert "PASS Keyring, handshake: alice: signed messages both ways" in text
    assert "PASS Hello, logon: alice is logged on" in text
    found = re.search(r"^user +alice, password (\S+) \(shown this once\)$", text, re.MULTILINE)
    assert found is not None
    assert text.count(found.group(1)) == 1


def test_once_fails_where_a_module_does(project: Path) -> None:
    line = edit(project, "async def accept_lsa_mode_context", "async def acept_lsa_mode_context")
    code, text = once(str(project))
    assert code == 1
    assert "FAIL badge, load: authority: SEC_E_CANNOT_INSTALL: acept_lsa_mode_context: no documented function" in text
    assert f"lsa_mode.py:{line}: acept_lsa_mode_context" in text


def test_a_plain_ssp_is_tried_with_the_keys_that_its_author_gives(tmp_path: Path) -> None:
    make("Badge", "ssp", tmp_path / "badge")
    code, text = once(str(tmp_path / "badge"))
    assert code == 0, text
    assert "PASS badge, handshake: alice: sealed messages both ways" in text


def test_streams_and_datagrams_talk() -> None:
    """R224 to R226, R228, R229: records in pieces; a client that signs at once, a server that challenges it twice."""
    code, text = once("records", "datagrams")
    assert code == 0, text
    assert re.search(r"^PASS records, handshake: somebody: 4 records each way, read in [2-9]\d+ pieces", text, re.M)
    said = "signed datagrams both ways, established 2 times; one was lost, one that came again was refused"
    assert f"PASS datagrams, handshake: somebody: {said}" in text


def test_a_datagram_package_talks_from_a_worker(tmp_path: Path) -> None:
    """R229: its LSA half makes the context again at each challenge, and the application maps what it packs."""
    project = tmp_path / "letters"
    (project / "src").mkdir(parents=True)
    source = Path(__file__).parents[1] / "broken_packages" / "sound_letters.py"
    (project / "src" / "letters_module.py").write_text(source.read_text())
    (project / "pyproject.toml").write_text(
        '[project]\nname = "letters"\nversion = "1.0"\n'
        '[project.entry-points."secpkg.lsa_mode"]\nletters = "letters_module:lsa_mode_initialize"\n'
        '[project.entry-points."secpkg.user_mode"]\nletters = "letters_module:user_mode_initialize"\n'
    )
    code, text = once(str(project))
    assert code == 0, text
    assert "PASS Letters, handshake: somebody: signed datagrams both ways, established 2 times" in text
    assert text.count("SpAcceptLsaModeContext #") == 4 and text.count("SpInitLsaModeContext #") == 3


def copied(name: str, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of an example under a name that is not installed: the project and its source."""
    project = tmp_path / f"other_{name}"
    shutil.copytree(Path(__file__).parents[2] / "examples" / name, project)
    (project / "src" / f"secpkg_{name}").rename(project / "src" / f"other_{name}")
    described = project / "pyproject.toml"
    text = described.read_text().replace(f"secpkg_{name}", f"other_{name}")
    described.write_text(text.replace(f"\n{name} = ", f"\nother-{name} = ").replace("secpkg-example", "other-example"))
    return project, project / "src" / f"other_{name}" / "__init__.py"


@pytest.mark.parametrize(
    ("name", "sound", "faulty", "who"),
    [
        ("datagrams", "entropy(_ID)), attributes", "entropy(_ID)), b'hello', attributes", "client"),
        ("records", "zip(message, parts, kinds", "zip(message, (header, b'x', *parts[2:]), kinds", "server"),
    ],
)
def test_a_datagram_client_that_speaks_first_and_a_record_that_is_another_fail(
    name: str, sound: str, faulty: str, who: str, tmp_path: Path
) -> None:
    project, source = copied(name, tmp_path)
    text = source.read_text()
    assert sound in text
    source.write_text(text.replace(sound, faulty, 1))
    code, said = once(str(project))
    assert code == 1 and f"FAIL other-{name}, handshake: {who}: " in said and "raised_ValueError" in said, said


def test_a_project_that_is_installed_from_another_place_is_not_run_in_silence(tmp_path: Path) -> None:
    """What is installed comes first: edits of another copy would be loaded by nobody."""
    project = tmp_path / "records"
    shutil.copytree(Path(__file__).parents[2] / "examples" / "records", project)
    with pytest.raises(ProjectFault, match="secpkg_records is installed from another place") as raised:
        find(str(project), tmp_path)
    assert raised.value.following.startswith(f"install this one: pip install -e {project}")
    (project / "src" / "secpkg_records").rename(project / "src" / "other_records")
    described = project / "pyproject.toml"
    described.write_text(described.read_text().replace("secpkg_records", "other_records"))
    assert [subject.name for subject in find(str(project), tmp_path)] == ["records"]
    described.write_text(described.read_text().replace("secpkg-example", "other-example"))
    with pytest.raises(ProjectFault, match="'records' is taken: the installed distribution secpkg-example-records"):
        find(str(project), tmp_path)
