"""A report as JUnit's XML: one test case for each rule."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from secpkg.kit.check.model import Outcome, Report, RuleResult, printable


def render(report: Report) -> str:
    """The document."""
    skipped = report.count(Outcome.NOT_APPLICABLE) + report.count(Outcome.NOT_TRIED)
    cases = "".join(_case(report, result) for result in report.rules)
    cases += "".join(
        f"<testcase classname={_attribute(report.module)} name={_attribute('kit ' + fault.probe)}>"
        f"<error message={_attribute(fault.text)}>{escape(_lines(fault.evidence))}</error></testcase>\n"
        for fault in report.faults
    )
    count = len(report.rules) + len(report.faults)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name={_attribute("secpkg check " + report.module)} tests="{count}" '
        f'failures="{len(report.broken)}" errors="{len(report.faults)}" skipped="{skipped}" '
        f'time="{report.seconds:.3f}">\n{cases}</testsuite>\n'
    )


def _case(report: Report, result: RuleResult) -> str:
    head = f"<testcase classname={_attribute(report.module)} name={_attribute(result.rule + ' ' + result.line)}"
    if result.outcome is Outcome.KEPT:
        return head + "/>\n"
    if result.outcome is Outcome.BROKEN:
        told = [
            line
            for finding in result.findings
            if finding.outcome is Outcome.BROKEN
            for line in (f"{finding.probe}: {finding.text}", *finding.evidence)
        ]
        return (
            f"{head}><failure message={_attribute(result.reason)}>{escape(_lines(tuple(told)))}</failure></testcase>\n"
        )
    return f"{head}><skipped message={_attribute(f'{result.outcome.value}: {result.reason}')}/></testcase>\n"


def _lines(lines: tuple[str, ...]) -> str:
    return "\n".join(map(printable, lines))


def _attribute(text: str) -> str:
    return quoteattr(printable(text))
