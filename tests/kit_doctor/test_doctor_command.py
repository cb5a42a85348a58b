"""``secpkg doctor``: its first line, its marks, its JSON, its exit codes; and that no cause goes without a test."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run, run
from tests.kit_doctor.conftest import Clinic, configure

from secpkg.kit.doctor.causes import CAUSES
from secpkg.kit.doctor.facts import Configured, Environment, Facts, Reached
from secpkg.kit.doctor.model import STAGES
from secpkg.kit.doctor.walk import walk

pytestmark = pytest.mark.slow  # each takes a while, and there are many

__all__ = ["run"]


def test_the_first_line_says_what_is_wrong_and_what_mends_it(run: Run, clinic: Clinic) -> None:
    clinic.plant("typo", "class P(Package):\n    async def delete_contekst(self, call, context): ...\n"
                         "def initialize(v): return tables(P({name!r}))\n")  # fmt: skip
    result = run("--authority", clinic.daemon.address, "doctor", "typo")
    first, *others = result.stdout.splitlines()
    assert result.exit_code == 1 and result.stderr == ""
    assert first == (
        "Typo defines delete_contekst, which is no documented function; delete_context is meant - mend it: "
        f"rename delete_contekst to delete_context, then secpkg --authority {clinic.daemon.address} packages "
        f"remove typo && secpkg --authority {clinic.daemon.address} packages add typo --path {clinic.place}"
    )
    marks = [line[0] for line in others if line[:1] in "✓✗?·" and line]
    assert marks == ["✓"] * 6 + ["✗"] + ["·"] * 5


def test_json(run: Run, clinic: Clinic) -> None:
    result = run("--authority", clinic.daemon.address, "doctor", "helo", "--json")
    (report,) = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["finding"]["cause"] == "name_misspelt" and report["line"].startswith("there is no module")
    assert [mark["stage"] for mark in report["marks"]] == list(STAGES)


def test_without_a_name_every_module_is_looked_at(run: Run, clinic: Clinic) -> None:
    clinic.plant("broken_one", "initialize = 42\n")
    result = run("--authority", clinic.daemon.address, "doctor")
    assert result.exit_code == 1
    assert "broken_one:initialize is not callable" in result.stdout.splitlines()[0] or "hello" in result.stdout
    reports = json.loads(run("--authority", clinic.daemon.address, "doctor", "--json").stdout)
    causes = {report["module"]: report["finding"] and report["finding"]["cause"] for report in reports}
    assert causes["broken_one"] == "target_not_callable" and "hello" in causes


def test_embedded_and_right(run: Run, home: Path) -> None:
    configure(home, 'security_packages = ["hello"]\n')
    result = run("doctor", "hello")
    assert result.exit_code == 0
    assert result.stdout.startswith("nothing is wrong with hello: ")


def test_down(run: Run, home: Path) -> None:
    result = run("--authority", f"unix:{home}/lsa.sock", "doctor", "hello")
    assert result.exit_code == 1
    assert result.stdout.startswith("the authority is down: there is no socket ")
    assert "says --authority" in result.stdout


def test_watching_first_shows_what_is_refused_meanwhile(run: Run, clinic: Clinic) -> None:
    result = run("--authority", clinic.daemon.address, "doctor", "hello", "--watch", "0")
    assert "watching for 0 s" in result.stderr
    assert clinic.daemon.manage("calls.counts")["readers"] == 0


# --- the table --------------------------------------------------------------------------------------------------------


def test_causes_have_one_name_each_and_stand_in_the_order_of_the_walk() -> None:
    names = [cause.id for cause in CAUSES]
    assert len(set(names)) == len(names) >= 25
    stages = [STAGES.index(cause.stage) for cause in CAUSES]
    assert stages == sorted(stages) and set(stages) == set(range(len(STAGES)))


def test_every_cause_is_planted_by_a_test() -> None:
    named: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)
    assert sorted(cause.id for cause in CAUSES if cause.id not in named) == []


@pytest.mark.parametrize("reached", [Reached("embedded"), Reached("up", trusted=True)])
def test_of_nothing_nothing_is_made_up(reached: Reached) -> None:
    """Facts that could not be had give no finding about a module, but for a name that nobody knows."""
    facts = Facts("", "", Configured("x", "unix:/x", security_packages=("x",)), reached, Environment("python", 0, ()))
    report = walk(facts)
    assert report.finding is None, report.line
    assert len(report.marks) == len(STAGES)
