"""`secpkg check` finds each planted fault under the rule that it breaks.

A fault is looked for by the probes that try its rule; what those probes find besides must be explained by it
(`Fault.also`). A whole check of a broken package, which asks the other probes as well, takes seconds: every twelfth is
looked at here, all of them by `make thorough`. The inner loop (`make quick`) looks for every twelfth, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest
from tests.broken_packages import FAULTS, Fault

from secpkg.kit.check.model import Report
from secpkg.kit.check.probes import load
from secpkg.kit.check.run import check

_EVERY: Final = 12
_HANGS: Final = {"HangsOnGarbage": 4.0, "SleepsOnFailure": 4.0}
"""Seconds after which what never comes back is cut off."""


def _each() -> Sequence[object]:
    return [
        pytest.param(fault, id=fault.name, marks=[pytest.mark.slow] if fault.slow or place % _EVERY else [])
        for place, fault in enumerate(FAULTS)
    ]


def _sampled() -> Sequence[object]:
    return [
        pytest.param(fault, id=fault.name, marks=[] if place % _EVERY == 0 else [pytest.mark.thorough])
        for place, fault in enumerate(fault for fault in FAULTS if not fault.slow)
    ] + [pytest.param(fault, id=fault.name, marks=[pytest.mark.thorough]) for fault in FAULTS if fault.slow]


def _judge(fault: Fault, report: Report) -> None:
    found = {rule.rule: rule.reason for rule in report.broken}
    assert fault.rule in found, f"{fault.why}: {found}"
    assert set(found) - {fault.rule} <= fault.also, f"{fault.why}: {found}"


@pytest.mark.parametrize("fault", _each())
def test_a_planted_fault_is_caught_under_its_rule(fault: Fault) -> None:
    """By the probes that try this rule, and as nothing that it is not."""
    probes = [one.name for one in load() if fault.rule in one.rules]
    limit = _HANGS.get(fault.name, 20.0)
    _judge(fault, check(fault.make(), quick=True, only=probes or ("loading",), limit=limit))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", _sampled())
def test_a_planted_fault_is_all_that_a_whole_check_finds(fault: Fault) -> None:
    """No probe tells more than the fault explains."""
    _judge(fault, check(fault.make(), quick=True))


def test_there_are_enough_faults() -> None:
    """The set is as large as promised, and no fault is planted twice under one name."""
    assert len(FAULTS) >= 45
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
