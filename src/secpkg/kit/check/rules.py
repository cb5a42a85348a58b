"""The rules that a check goes through, as data (``rules.toml``), and what findings come to under each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from secpkg.kit.check.model import Finding, Outcome, RuleResult

HOST = "binds the authority and its hosts, not the author of a package"


class Rule(msgspec.Struct, frozen=True):
    """One rule: where the reference has it, one line, its pages, and the powers of a package that it binds."""

    section: str
    line: str
    page: str = ""
    needs: str = ""
    """Words, all of which the package must have; empty: no package is bound. ``any``: every package is."""
    reason: str = HOST
    """Why no package is bound."""
    wire: bool = False
    """A wire protocol may decide otherwise, and its author say so (`target.Target.exempt`)."""

    def lacking(self, powers: frozenset[str]) -> tuple[str, ...]:
        """Powers that the rule is about and the package has not."""
        return tuple(word for word in self.needs.split() if word != "any" and word not in powers)


@cache
def rules() -> Mapping[str, Rule]:
    """All rules by number, in their order: R1 to R281, then the K rules."""
    text = files("secpkg.kit.check").joinpath("rules.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Rule])


def results(
    findings: Iterable[Finding],
    powers: frozenset[str],
    tried: frozenset[str],
    exempt: Mapping[str, str] = MappingProxyType({}),
) -> tuple[RuleResult, ...]:
    """Every rule with its outcome. ``tried`` are the rules of the probes that were asked for. An ``exempt`` rule does
    not apply, for its author's reason, where a wire protocol may decide it; for any other it counts nothing.
    """
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        if not finding.kit_fault:
            by_rule.setdefault(finding.rule, []).append(finding)
    return tuple(
        _of(number, rule, Outcome.NOT_APPLICABLE, f"exempt, its author says: {exempt[number]}")
        if rule.wire and exempt.get(number)
        else _result(number, rule, tuple(by_rule.get(number, ())), powers, tried)
        for number, rule in rules().items()
    )


def _result(
    number: str, rule: Rule, found: tuple[Finding, ...], powers: frozenset[str], tried: frozenset[str]
) -> RuleResult:
    for outcome in (Outcome.BROKEN, Outcome.KEPT, Outcome.NOT_APPLICABLE, Outcome.NOT_TRIED):
        chosen = [finding for finding in found if finding.outcome is outcome]
        if chosen:
            return _of(number, rule, outcome, chosen[0].text, found)
    if not rule.needs:
        return _of(number, rule, Outcome.NOT_APPLICABLE, rule.reason)
    lacking = rule.lacking(powers)
    if lacking:
        return _of(number, rule, Outcome.NOT_APPLICABLE, f"the package has no {' and no '.join(lacking)}")
    asked = "no attempt came to it" if number in tried else "no probe of this run tries it"
    return _of(number, rule, Outcome.NOT_TRIED, asked)


def _of(number: str, rule: Rule, outcome: Outcome, reason: str, findings: tuple[Finding, ...] = ()) -> RuleResult:
    return RuleResult(
        rule=number, section=rule.section, line=rule.line, outcome=outcome, reason=reason, findings=findings
    )
