"""The parts of ``secpkg lab`` that need no authority."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from secpkg.cli.__main__ import cli
from secpkg.contract import SecurityError, Status
from secpkg.kit.lab import watching
from secpkg.kit.lab.diagnose import diagnose
from secpkg.kit.lab.faults import faults_of
from secpkg.kit.lab.model import Fault, Kind, Spec
from secpkg.kit.lab.peers import requirements
from secpkg.kit.lab.project import ProjectFault, Subject, find
from secpkg.kit.new import make

PROJECT = '[project]\nname = "x-y"\nversion = "1"\n'
ENTRY = '[project.entry-points."secpkg.lsa_mode"]\nx = "xy.lsa:start"\n'


def test_only_source_files_that_differ_are_changes(tmp_path: Path) -> None:
    (tmp_path / "package" / "__pycache__").mkdir(parents=True)
    one, two = tmp_path / "package" / "one.py", tmp_path / "package" / "two.py"
    for path in (one, two, tmp_path / "package" / "notes.txt", tmp_path / "package" / "__pycache__" / "one.py"):
        path.write_text("1")
    roots = (str(tmp_path / "package"), str(tmp_path / "missing"))
    before = watching.state(roots)
    assert set(before) == {str(one), str(two)}
    assert watching.changed(before, watching.state(roots)) == ()
    one.write_text("12")
    os.unlink(two)
    three = tmp_path / "package" / "three.py"
    three.write_text("")
    after, files = watching.wait(roots, before)
    assert files == tuple(sorted(map(str, (one, two, three))))
    assert after == watching.state(roots)


def test_what_python_keeps_of_a_changed_file_is_forgotten(tmp_path: Path) -> None:
    """Two edits within a second that leave the size alone look the same to it."""
    import importlib.util
    import py_compile

    path = tmp_path / "one.py"
    path.write_text("1")
    py_compile.compile(str(path))
    assert os.path.exists(importlib.util.cache_from_source(str(path)))
    watching.forget_compiled((str(path), str(tmp_path / "gone.py"), str(tmp_path / "pyproject.toml")))
    assert not os.path.exists(importlib.util.cache_from_source(str(path)))


def test_a_fault_is_the_authors_innermost_line_of_each_exception(tmp_path: Path) -> None:
    ours = tmp_path / "ours.py"
    ours.write_text("import json\n\n\ndef parse(text):\n    return json.loads(text)\n")
    scope: dict[str, object] = {}
    exec(compile(ours.read_text(), str(ours), "exec"), scope)
    parse = scope["parse"]
    assert callable(parse)
    with pytest.raises(SecurityError) as raised:
        try:
            parse("{")
        except ValueError as error:
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR) from error
    found = faults_of(raised.value, (str(tmp_path),))
    assert [(fault.file, fault.line, fault.source) for fault in found] == [(str(ours), 5, "return json.loads(text)")]
    assert found[0].error.startswith("JSONDecodeError: ")
    assert faults_of(raised.value, (str(tmp_path / "elsewhere"),)) == ()


def test_a_project_that_is_not_installed_is_found_by_its_directory(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    make("Badge", "ssp-ap", tmp_path / "badge")
    (subject,) = find(str(tmp_path / "badge"), place)
    assert subject == Subject(
        "badge",
        False,
        str(place / "project-secpkg-badge"),
        (str(tmp_path / "badge" / "src" / "secpkg_badge"),),
        str(tmp_path / "badge" / "pyproject.toml"),
    )
    assert (place / "project-secpkg-badge" / "secpkg_badge" / "user_mode.py").is_file()
    assert find(str(tmp_path / "badge"), place) == (subject,)
    (hello,) = find("hello", place)
    assert (hello.name, hello.path, hello.provider) == ("hello", "", False)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "cannot be used"),
        ("[project", "cannot be used"),
        (PROJECT, "has no entry point"),
        (PROJECT + ENTRY, "has no xy"),
    ],
)
def test_projects_that_offer_nothing(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ProjectFault, match=wrong) as raised:
        find(str(tmp_path), tmp_path)
    assert raised.value.following


def test_what_is_no_module_is_told_in_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    none = CliRunner().invoke(cli, ["lab", "--once"])
    assert none.exit_code == 1
    assert (
        none.output
        == "secpkg: no module is named, and there is no pyproject.toml here\n  name one: secpkg lab MODULE\n"
    )


def test_everything_that_is_announced_is_asked_for() -> None:
    """R174: in the bits of either side."""
    from secpkg.contract import AscReq, Capability, IscReq

    everything = Capability.INTEGRITY | Capability.PRIVACY | Capability.MUTUAL_AUTH
    protection = IscReq.CONFIDENTIALITY | IscReq.SEQUENCE_DETECT | IscReq.REPLAY_DETECT
    assert requirements(everything) == protection | IscReq.MUTUAL_AUTH | IscReq.INTEGRITY
    assert requirements(everything, server=True) == int(protection) | AscReq.INTEGRITY
    assert requirements(0) == 0


def diagnosed(tmp_path: Path, old: str, new: str, kind: Kind, file: str = "lsa_mode.py") -> tuple[Fault, int]:
    """The fault found in a project after an edit, and the line of ``new``."""
    project = tmp_path / "badge"
    make("Badge", "ssp-ap", project)
    source = project / "src" / "secpkg_badge" / file
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))
    (subject,) = find(str(project), tmp_path)
    spec = Spec("badge", "Badge", kind, False, "", "alice", "correct horse", "", 0x13, "", subject.path, subject.roots)
    faults = diagnose(spec)
    assert faults, "nothing was found"
    assert faults[0].file == str(source)
    return faults[0], source.read_text()[: source.read_text().index(new)].count("\n") + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "kind", "says"),
    [
        ("SALT = 16\n", "SALT = 16 +\n", "load", "SyntaxError: "),
        ("SALT = 16\n", "import no_such_module\n", "load", "ModuleNotFoundError: "),
        ("SALT = 16\n", "SALT = nothing\n", "load", "NameError: "),
        ("    async def logon_user_ex2(", "    async def logon_user_ex_2(", "load", "logon_user_ex_2: no documented"),
        (
            "    async def initialize_package(",
            "    def initialize_package(",
            "load",
            "initialize_package: must be async",
        ),
        ("salt = call.entropy(SALT)", "salt = call.entropy('x')", "logon", "TypeError: "),
        ("name = names[:length].decode()", "name = names[9999]", "handshake", "IndexError: "),
        (
            "        key, context.key = context.key, b''".replace("''", '""'),
            "        while True:\n            pass",
            "handshake",
            "a step that does not end",
        ),
    ],
)
def test_mistakes_are_found_where_they_are(tmp_path: Path, old: str, new: str, kind: Kind, says: str) -> None:
    fault, line = diagnosed(tmp_path, old, new, kind)
    assert fault.error.startswith(says)
    assert line <= fault.line <= line + 1
