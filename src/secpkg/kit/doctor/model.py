"""Causes, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from secpkg.kit.doctor.facts import Facts

Stage = Literal[
    "configuration",
    "authority",
    "lists",
    "entry point",
    "environment",
    "import",
    "table",
    "initialize",
    "registration",
    "worker",
    "user half",
    "calls",
]
STAGES: Final[tuple[Stage, ...]] = (
    "configuration",
    "authority",
    "lists",
    "entry point",
    "environment",
    "import",
    "table",
    "initialize",
    "registration",
    "worker",
    "user half",
    "calls",
)
"""The way from the configuration to a call, in the order of the walk."""

State = Literal["right", "wrong", "unknown", "not reached"]


class Evidence(msgspec.Struct, frozen=True):
    """What a check found: ``values`` fill the title and the mend command, ``lines`` are shown as they are."""

    values: Mapping[str, str] = {}
    lines: tuple[str, ...] = ()


Check = Callable[[Facts], Evidence | None]


class Cause(msgspec.Struct, frozen=True):
    """One thing that can be wrong. ``title`` and ``mend`` are templates over the evidence's values and the names that
    every finding has: ``module``, ``name``, ``secpkg`` (the command with the authority that was chosen) and ``again``
    (what registers the module anew, as it was).
    """

    id: str
    stage: Stage
    title: str
    mend: str
    check: Check


class Finding(msgspec.Struct, frozen=True):
    """A cause that holds: what is wrong, and the command or the change that mends it."""

    cause: str
    stage: Stage
    title: str
    mend: str
    evidence: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The first line of an answer."""
        return f"{self.title} - mend it: {self.mend}"


class Mark(msgspec.Struct, frozen=True):
    """One stage of the walk."""

    stage: Stage
    state: State
    text: str


class Report(msgspec.Struct, frozen=True):
    """The answer: the first thing that is wrong (None: nothing is), what else is wrong as far as could be seen without
    the authority, and the walk.
    """

    name: str
    module: str
    finding: Finding | None
    also: tuple[Finding, ...]
    marks: tuple[Mark, ...]

    @property
    def line(self) -> str:
        """The first line."""
        if self.finding is not None:
            return self.finding.line
        return f"nothing is wrong with {self.name}: {self.marks[-1].text}"
