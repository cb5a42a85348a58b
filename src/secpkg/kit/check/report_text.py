"""A report for people: what is broken first, with how it was seen; then the sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.kit.check.model import Outcome, Report, RuleResult

STYLES: Final = {
    Outcome.KEPT: "green",
    Outcome.BROKEN: "red",
    Outcome.NOT_APPLICABLE: "",
    Outcome.NOT_TRIED: "yellow",
}
_WORDS: Final = {Outcome.KEPT: "kept", Outcome.BROKEN: "BROKEN", Outcome.NOT_APPLICABLE: "n/a", Outcome.NOT_TRIED: "?"}


def lines(report: Report, *, everything: bool = False) -> Iterator[tuple[str, str]]:
    """Lines and the colours that they may have."""
    packages = ", ".join(report.packages) or "no package"
    yield f"{report.module}: {packages} ({', '.join(report.powers) or 'no powers'})", ""
    if report.transcript:
        yield "handshake: " + ", ".join(f"{who} {size}" for who, size in report.transcript) + " bytes", ""
    yield "", ""
    for result in report.rules:
        if result.outcome is Outcome.BROKEN:
            yield from _broken(result)
        elif everything or result.outcome is Outcome.NOT_TRIED:
            yield f"{_WORDS[result.outcome]:6} {result.rule:5} {result.line}", STYLES[result.outcome]
            yield f"{'':12} {result.reason}", ""
    for fault in report.faults:
        yield f"KIT    {fault.text}", "yellow"
        for line in fault.evidence:
            yield f"{'':12} {line}", ""
    if report.broken or report.faults or everything or report.count(Outcome.NOT_TRIED):
        yield "", ""
    counted = ", ".join(f"{report.count(outcome)} {outcome.value}" for outcome in Outcome)
    yield f"{counted}; seed {report.seed}, {report.seconds:.1f} s", "red" if report.broken else "green"


def _broken(result: RuleResult) -> Iterator[tuple[str, str]]:
    yield f"BROKEN {result.rule:5} {result.line}", "red"
    for finding in result.findings:
        if finding.outcome is Outcome.BROKEN:
            yield f"{'':12} {finding.probe}: {finding.text}", ""
            for line in finding.evidence:
                yield f"{'':14} {line}", ""
