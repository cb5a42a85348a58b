"""The walk: stage after stage, to the first thing that is wrong."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Final

from secpkg.kit.doctor.causes import CAUSES
from secpkg.kit.doctor.facts import AUTHENTICATION_PACKAGES, LSA_MODE, SECURITY_PROVIDER, USER_MODE, Facts
from secpkg.kit.doctor.model import STAGES, Cause, Finding, Mark, Report, Stage, State

_OFFLINE: Final[tuple[Stage, ...]] = (
    "lists",
    "entry point",
    "environment",
    "import",
    "table",
    "initialize",
    "registration",
    "user half",
)
"""What can be looked at without the authority."""
_READY: Final = ("mend", "again", "secpkg")
"""Values of evidence that are commands already."""


def walk(facts: Facts) -> Report:
    """The first thing that is wrong, and what was right on the way. Where the authority cannot be reached, what else is
    wrong as far as it can be seen without.
    """
    first: Finding | None = None
    also: list[Finding] = []
    marks: list[Mark] = []
    for stage in STAGES:
        if first is not None and not (first.stage == "authority" and stage in _OFFLINE):
            marks.append(Mark(stage, "not reached", ""))
            continue
        finding = find(facts, stage)
        if finding is None:
            marks.append(Mark(stage, *_RIGHT[stage](facts)))
            continue
        marks.append(Mark(stage, "wrong", finding.title))
        if first is None:
            first = finding
        else:
            also.append(finding)
            break
    looked = {mark.stage for mark in marks}
    marks.extend(Mark(stage, "not reached", "") for stage in STAGES if stage not in looked)
    return Report(facts.name, facts.module, first, tuple(also), tuple(marks))


def find(facts: Facts, stage: Stage) -> Finding | None:
    """The first cause of a stage that holds."""
    for cause in CAUSES:
        if cause.stage == stage:
            evidence = cause.check(facts)
            if evidence is not None:
                return _finding(cause, facts, evidence.values, evidence.lines)
    return None


def _finding(cause: Cause, facts: Facts, values: Mapping[str, str], lines: tuple[str, ...]) -> Finding:
    common = {"module": facts.module, "name": facts.name or facts.module, "package": facts.module, **values}
    # A name that somebody else chose must stay one word of a command that an operator copies.
    quoted = {name: value if name in _READY else shlex.quote(value) for name, value in common.items()}
    commands = {"secpkg": facts.secpkg, "again": facts.again}
    return Finding(
        cause.id,
        cause.stage,
        cause.title.format_map({**commands, **common}),
        cause.mend.format_map({**commands, **quoted}),
        lines,
    )


# --- what was right ---------------------------------------------------------------------------------------------------


def _configuration(facts: Facts) -> tuple[State, str]:
    return "right", f"the authority is {facts.configured.address}, says {facts.configured.source}"


def _authority(facts: Facts) -> tuple[State, str]:
    if facts.embedded:
        return "right", "embedded: each process is its own authority"
    return "right", f"it answers, and trusts this user (it runs {facts.loading.python})"


def _lists(facts: Facts) -> tuple[State, str]:
    if facts.entry is not None:
        name = "Authentication Packages" if facts.entry.list == AUTHENTICATION_PACKAGES else "Security Packages"
        path = f", from {facts.entry.path}" if facts.entry.path else ""
        return "right", f"{facts.module} is on {name}{path}"
    if facts.module in facts.providers:
        return "right", f"{facts.module} is on SecurityProviders"
    if facts.listed:
        return "right", f"{facts.module} is loaded until the authority stops, and on no list"
    return "unknown", "the lists are not to be read from here" if not facts.registry_known else "nothing is asked about"


def _entry_point(facts: Facts) -> tuple[State, str]:
    for group in (LSA_MODE, SECURITY_PROVIDER):
        for offer in facts.loading.of(group, facts.module):
            return "right", f"{offer.name} = {offer.value} in {offer.group}, of {offer.distribution} {offer.version}"
    return "unknown", "offered in a place that is not to be seen from here"


def _environment(facts: Facts) -> tuple[State, str]:
    entry = facts.entry
    if entry is None or not entry.digest or not facts.loading.digest:
        return "unknown", "nothing is registered to compare with"
    return "right", f"{entry.distribution} {entry.version}, with the files that were registered"


def _import(facts: Facts) -> tuple[State, str]:
    if facts.is_provider:
        return "unknown", "a plain SSP is imported by applications"
    if facts.listed:
        return "right", "the module was imported by its worker"
    return ("right", "the module can be imported") if facts.probe.stage == "loaded" else ("unknown", "not tried")


def _table(facts: Facts) -> tuple[State, str]:
    functions = ", ".join(f"{row.name}: {len(row.functions)} functions" for row in facts.own if row.functions)
    return ("right", functions) if functions else ("unknown", "no table was seen")


def _initialize(facts: Facts) -> tuple[State, str]:
    return ("right", "every package was initialized") if facts.own else ("unknown", "not tried")


def _registration(facts: Facts) -> tuple[State, str]:
    names = ", ".join(row.name for row in facts.listed if row.state == "loaded")
    if names:
        return "right", f"loaded: {names}"
    loads = ", ".join(row.name for row in facts.own if row.state == "loaded")
    return "unknown", f"would be loaded: {loads}" if loads else "no package was seen"


def _worker(facts: Facts) -> tuple[State, str]:
    for row in facts.listed:
        if row.worker is not None:
            restarts = f", started again {row.worker.restarts} times" if row.worker.restarts else ""
            return "right", f"process {row.worker.pid}, {row.worker.channels} channels{restarts}"
    return "unknown", "no worker: packages run in the application" if facts.embedded else "no worker was seen"


def _user_half(facts: Facts) -> tuple[State, str]:
    if facts.user_half.tried and facts.loading.of(USER_MODE, facts.module):
        return "right", "applications of this environment can load it"
    if facts.loading.of(USER_MODE, facts.module):
        return "unknown", "offered, and not tried"
    return "right", "none, and none is announced"


def _calls(facts: Facts) -> tuple[State, str]:
    if facts.is_provider:
        return "unknown", "a plain SSP is called in applications, where nobody counts"
    if facts.counts is None:
        return "unknown", "nobody counts calls in an authority of another process"
    names = {row.name.casefold() for row in facts.own}
    asked = [row for row in facts.counts.asked if row.name.casefold() in names and row.count > row.refused]
    told = ", ".join(f"{_HOW.get(row.how, row.how)}: {row.count - row.refused}" for row in asked)
    return ("right", f"it is loaded and called: {told}") if told else ("unknown", "no call was seen")


_HOW: Final = {
    "context": "opened for contexts",
    "logon": "logons",
    "call": "calls of LsaCallAuthenticationPackage",
    "call_untrusted": "calls of LsaCallAuthenticationPackage by untrusted callers",
    "lookup": "looked up",
}
_RIGHT: Final[dict[Stage, Callable[[Facts], tuple[State, str]]]] = {
    "configuration": _configuration,
    "authority": _authority,
    "lists": _lists,
    "entry point": _entry_point,
    "environment": _environment,
    "import": _import,
    "table": _table,
    "initialize": _initialize,
    "registration": _registration,
    "worker": _worker,
    "user half": _user_half,
    "calls": _calls,
}
