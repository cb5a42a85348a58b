"""What is made of findings: rules with their outcomes, and the four forms of a report."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import msgspec
import pytest

from secpkg.kit.check import report_html, report_junit, report_text
from secpkg.kit.check.model import MAX_SHOWN, Finding, Outcome, Report, broken, hidden, judged, kept, shown, untried
from secpkg.kit.check.rules import results, rules

NOTHING: frozenset[str] = frozenset()


def report(*findings: Finding, powers: frozenset[str] = NOTHING) -> Report:
    faults = tuple(one for one in findings if one.kit_fault)
    return Report(
        module="mod", packages=("Mod",), powers=(), seed=3, quick=True, seconds=1.5,
        rules=results(findings, powers, NOTHING), faults=faults, transcript=(("client", 12),),
    )  # fmt: skip


def of(made: Report, number: str) -> tuple[Outcome, str]:
    (rule,) = (one for one in made.rules if one.rule == number)
    return rule.outcome, rule.reason


def test_every_rule_of_the_reference_is_there_with_its_section_and_page() -> None:
    numbers = [number for number in rules() if number.startswith("R")]
    assert numbers == [f"R{number}" for number in range(1, 282)]
    assert all(rule.section and rule.line for rule in rules().values())
    assert sum(bool(rules()[number].needs) for number in numbers) > 80


def test_the_worst_finding_decides_and_a_fault_of_the_kit_does_not() -> None:
    made = report(kept("R35", "good"), broken("R35", "bad"), kept("K1", "good"), untried("R218", "no way"))
    assert of(made, "R35") == (Outcome.BROKEN, "bad")
    assert of(made, "K1") == (Outcome.KEPT, "good")
    assert of(made, "R218") == (Outcome.NOT_TRIED, "no way")
    fault = Finding(rule="R35", outcome=Outcome.BROKEN, text="mine", kit_fault=True)
    assert of(report(fault), "R35")[0] is Outcome.NOT_APPLICABLE
    assert [one.rule for one in made.broken] == ["R35"]


def test_a_rule_that_binds_no_package_or_needs_a_power_says_so() -> None:
    made = report(powers=frozenset({"lsa"}))
    assert of(made, "R19") == (Outcome.NOT_APPLICABLE, "binds the authority and its hosts, not the author of a package")
    assert of(made, "R154") == (Outcome.NOT_APPLICABLE, "the package has no user")
    assert of(made, "R20")[0] is Outcome.NOT_TRIED


def test_evidence_is_bounded_and_secrets_are_never_in_it() -> None:
    made = judged("R1", [f"fault {number}" for number in range(20)], "good")
    assert made.outcome is Outcome.BROKEN and len(made.evidence) == 8 and made.evidence[-1] == "and 12 more"
    assert judged("R1", [], "good").outcome is Outcome.KEPT
    assert shown(b"\1" * 100) == "01" * MAX_SHOWN + "… (100 bytes)"
    assert b"secret".hex() not in hidden(b"secret") and "secret" not in hidden(b"secret")


@pytest.fixture
def bad() -> Report:
    fault = Finding(rule="", outcome=Outcome.NOT_TRIED, text="probe <x> failed", kit_fault=True, probe="x")
    return report(broken("K1", "a <b> & \x1b[0m", "seen: \"<>&'"), kept("K2", "good"), fault)


def test_text_tells_what_is_broken_and_the_sums(bad: Report) -> None:
    lines = [line for line, _ in report_text.lines(bad)]
    assert any(line.startswith("BROKEN K1") for line in lines)
    assert any("seen: \"<>&'" in line for line in lines)
    assert lines[-1].startswith("1 kept, 1 broken, ")
    assert not any(line.startswith("kept") for line in lines)
    assert any(line.startswith("kept") for line, _ in report_text.lines(bad, everything=True))


def test_junit_is_a_document_with_one_case_for_each_rule(bad: Report) -> None:
    suite = ET.fromstring(report_junit.render(bad))
    assert suite.get("failures") == "1" and suite.get("errors") == "1"
    cases = suite.findall("testcase")
    assert len(cases) == len(bad.rules) + 1 == int(suite.get("tests") or 0)
    (failure,) = suite.findall("testcase/failure")
    assert "seen: \"<>&'" in (failure.text or "")


def test_html_is_one_page_without_script_or_anything_from_elsewhere(bad: Report) -> None:
    page = report_html.render(bad)
    assert "<script" not in page and "http" not in page.replace("http-equiv", "") and "<link" not in page
    assert "a &lt;b&gt; &amp;" in page and "<svg" in page and page.count("<rect") == len(bad.rules) + len(Outcome)


def test_json_is_read_back(bad: Report) -> None:
    assert msgspec.json.decode(msgspec.json.encode(bad), type=Report) == bad
