"""The examples pass: no rule broken, no fault of the kit, and much that was tried."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from secpkg.cli.__main__ import cli
from secpkg.kit.check.model import Outcome
from secpkg.kit.check.run import check

pytest_plugins = ["pytester"]

EXAMPLES = [("hello", 80), ("keyring", 60), ("curfew", 15), ("sampssp", 40), ("records", 30), ("datagrams", 35)]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "least"), EXAMPLES)
def test_an_example_breaks_no_rule(module: str, least: int) -> None:
    report = check(module, quick=True)
    assert [(one.rule, one.reason) for one in report.broken] == []
    assert [one.text for one in report.faults] == []
    assert report.count(Outcome.KEPT) >= least


@pytest.mark.slow
def test_the_whole_check_of_hello_is_clean_and_leaves_no_rule_untried() -> None:
    report = check("hello")
    assert [(one.rule, one.reason) for one in report.broken] == []
    assert report.count(Outcome.NOT_TRIED) == 0 and report.seconds < 120


def test_the_command_writes_its_reports_and_exits_with_success(tmp_path: Path) -> None:
    page, junit = tmp_path / "check.html", tmp_path / "check.xml"
    arguments = ["check", "curfew", "--quick", "--html", str(page), "--junit", str(junit), "--json"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["packages"] == ["Curfew"]
    assert page.read_text().startswith("<!doctype html>") and "<testsuite" in junit.read_text()


def test_the_command_fails_where_a_rule_is_broken(tmp_path: Path) -> None:
    module = tmp_path / "nothing_of_a_module.py"
    module.write_text("def lsa_mode_initialize(version):\n    raise RuntimeError('not today')\n")
    done = CliRunner().invoke(cli, ["check", str(module), "--no-isolation"])
    assert done.exit_code == 1 and "BROKEN R20" in done.output and "not today" in done.output
    assert CliRunner().invoke(cli, ["check", "no-such-module"]).exit_code == 2


def test_only_some_rules(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["check", "curfew", "--only", "R80,loading", "--no-isolation", "--all"])
    assert done.exit_code == 0, done.output
    shown = [line.split()[1] for line in done.output.splitlines() if line.startswith("kept")]
    assert shown == ["R20", "R21", "R22", "R27", "R33", "R34", "R38", "R80"]


def test_the_pytest_plug_in_has_one_test_for_each_rule(pytester: pytest.Pytester) -> None:
    offered = metadata.entry_points(group="pytest11", name="secpkg-check")
    arguments = [] if offered else ["-p", "secpkg.kit.check.pytest_plugin"]  # not yet installed again
    arguments += ["-p", "no:cacheprovider", "--secpkg-check", "curfew"]
    done = pytester.runpytest_inprocess(*arguments, "--secpkg-check-quick", "-q")
    outcomes = done.parseoutcomes()
    assert outcomes["passed"] >= 15 and outcomes["skipped"] > 50 and "failed" not in outcomes
