"""What a check of a package is made of: a probe looks at a subject and gives findings, each under one rule.

A rule is ``R…`` of the reference of documented behaviour, or ``K…``: what every package promises here and no page says
(`secpkg.kit.check.rules`). A finding about a rule that was broken says how it was seen, so that the author can see it
again; it never holds a secret (`shown` gives bytes by length and digest, tokens of a handshake in hex).
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from secpkg.kit.check.subject import Subject

MAX_SHOWN: Final = 48
"""Bytes of a token that are shown in hex."""
_AROUND: Final = 8
_MOST: Final = 7
"""Faults that are told beside the first."""


class Outcome(enum.Enum):
    """What became of a rule."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_APPLICABLE = "not applicable"
    NOT_TRIED = "not tried"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One result of one probe. ``text`` is one line for the author, ``evidence`` what was done and seen."""

    rule: str
    outcome: Outcome
    text: str
    probe: str = ""
    package: str = ""
    evidence: tuple[str, ...] = ()
    kit_fault: bool = False
    """The probe itself failed: it says nothing about the package."""


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and what all findings about it come to."""

    rule: str
    section: str
    line: str
    outcome: Outcome
    reason: str
    findings: tuple[Finding, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole check."""

    module: str
    packages: tuple[str, ...]
    powers: tuple[str, ...]
    seed: int
    quick: bool
    seconds: float
    rules: tuple[RuleResult, ...]
    faults: tuple[Finding, ...] = ()
    """Of the kit, not of the package."""
    transcript: tuple[tuple[str, int], ...] = ()
    """The handshake that was found: who sent how many bytes."""

    @property
    def broken(self) -> tuple[RuleResult, ...]:
        """Rules that the module breaks."""
        return tuple(rule for rule in self.rules if rule.outcome is Outcome.BROKEN)

    def count(self, outcome: Outcome) -> int:
        """How many rules came to this."""
        return sum(rule.outcome is outcome for rule in self.rules)


Run = Callable[["Subject"], Iterator[Finding]]


class Probe(msgspec.Struct, frozen=True):
    """One family of attempts. ``needs`` are powers that the subject must have, or its ``rules`` are not applicable."""

    name: str
    run: Run
    rules: tuple[str, ...]
    needs: frozenset[str] = frozenset()
    deadline: float = 30.0
    """Seconds after which a package that hangs is cut off."""


PROBES: Final[list[Probe]] = []
"""All probes, in the order of their definition; `secpkg.kit.check.probes.load` fills it."""


def probe(name: str, *rules: str, needs: str = "", deadline: float = 30.0) -> Callable[[Run], Run]:
    """Register a generator function as a probe."""

    def register(run: Run) -> Run:
        PROBES.append(Probe(name, run, rules, frozenset(needs.split()), deadline))
        return run

    return register


def kept(rule: str, text: str, *evidence: str) -> Finding:
    """The rule was tried and holds."""
    return Finding(rule=rule, outcome=Outcome.KEPT, text=text, evidence=evidence)


def broken(rule: str, text: str, *evidence: str) -> Finding:
    """The rule was tried and does not hold."""
    return Finding(rule=rule, outcome=Outcome.BROKEN, text=text, evidence=evidence)


def skipped(rule: str, text: str, *evidence: str) -> Finding:
    """The rule says nothing about this package."""
    return Finding(rule=rule, outcome=Outcome.NOT_APPLICABLE, text=text, evidence=evidence)


def untried(rule: str, text: str, *evidence: str) -> Finding:
    """The rule could not be tried."""
    return Finding(rule=rule, outcome=Outcome.NOT_TRIED, text=text, evidence=evidence)


def judged(rule: str, faults: list[str], good: str) -> Finding:
    """Kept when there are no faults, else broken: the first one says how, the others are evidence."""
    if not faults:
        return kept(rule, good)
    others = faults[1 : 1 + _MOST]
    more = len(faults) - 1 - len(others)
    return broken(rule, faults[0], *others, *([f"and {more} more"] if more else []))


def printable(text: str) -> str:
    """The text with everything that is no printable character escaped: what comes from packages is never obeyed."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def shown(data: bytes) -> str:
    """A token of a handshake for evidence: they travel in the clear."""
    head = data[:MAX_SHOWN].hex()
    return f"{head}{'…' if len(data) > MAX_SHOWN else ''} ({len(data)} bytes)"


def differing(was: bytes, became: bytes) -> str:
    """Two tokens of a handshake, from the first byte in which they differ."""
    pairs = enumerate(zip(was, became, strict=False))
    first = next((place for place, (one, other) in pairs if one != other), min(len(was), len(became)))
    one, other = (data[first : first + _AROUND].hex() or "its end" for data in (was, became))
    return f"of {len(was)} bytes {len(became)} came; at byte {first} {one} became {other}"


def hidden(data: bytes) -> str:
    """Bytes that may be secret: their length and the beginning of their SHA-256."""
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:12]}"
