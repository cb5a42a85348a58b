"""The sound packages are sound: no finding about a broken package comes from what it was derived from."""

from __future__ import annotations

import pytest
from tests.broken_packages import sound_letters
from tests.broken_packages.modules import module, provider, pure
from tests.broken_packages.plain import SoundPlain
from tests.broken_packages.pure import SoundPure
from tests.broken_packages.sound_ap import Sound
from tests.broken_packages.sound_seldom import (
    SoundCard,
    SoundCompleting,
    SoundNegotiating,
    SoundPacking,
    SoundSetting,
)

from secpkg.contract import InterfaceVersion
from secpkg.kit.check.model import Outcome
from secpkg.kit.check.run import check
from secpkg.kit.check.target import Target, find

SOUND = (
    module(Sound),
    provider(SoundPlain),
    pure(SoundPure),
    provider(SoundCompleting),
    module(SoundNegotiating, max(InterfaceVersion)),
    module(SoundSetting, max(InterfaceVersion)),
    module(SoundPacking, max(InterfaceVersion)),
    pure(SoundCard),
    find((sound_letters.lsa_mode_initialize, sound_letters.user_mode_initialize)),
)


def _look(target: Target, *, quick: bool) -> None:
    report = check(target, quick=quick)
    assert [(rule.rule, rule.reason) for rule in report.broken] == []
    assert [fault.text for fault in report.faults] == []
    assert report.count(Outcome.KEPT) > 0


@pytest.mark.slow
@pytest.mark.parametrize("target", SOUND, ids=lambda target: target.name)
def test_the_sound_packages_break_no_rule(target: Target) -> None:
    """No false alarm, and no fault of the kit, in a quick check."""
    _look(target, quick=True)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", SOUND, ids=lambda target: target.name)
def test_the_sound_packages_break_no_rule_in_a_whole_check(target: Target) -> None:
    """No false alarm, and no fault of the kit, when nothing is sampled."""
    _look(target, quick=False)
