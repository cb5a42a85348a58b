"""Chance that is the same in every run."""

from __future__ import annotations

import pytest
from tests.testing.conftest import PASSWORD

import secpkg
from secpkg.testing import FrozenClock, LabAuthority, SeededEntropy


def test_draws_follow_from_the_seed() -> None:
    one, same, other = SeededEntropy(1), SeededEntropy(1), SeededEntropy("1")
    drawn = [one(16) for _ in range(3)]
    assert len(set(drawn)) == 3
    assert drawn == [same(16) for _ in range(3)]
    assert drawn[0] != other(16)
    one.restart()
    assert one(32)[:16] == drawn[0]
    assert (one.draws, one(0)) == (1, b"")
    with pytest.raises(ValueError, match="fewer"):
        one(-1)


def tokens(seed: int) -> list[bytes]:
    found: list[bytes] = []
    with LabAuthority(modules=["hello"], clock=FrozenClock(), entropy=SeededEntropy(seed)) as lab:
        account = lab.add_user("alice", password=PASSWORD)
        with (
            secpkg.Client("Hello", username="alice", password=PASSWORD, authority=lab) as client,
            secpkg.Server("Hello", authority=lab) as server,
        ):
            token = client.step()
            while token:
                found.append(token)
                turn = server if len(found) % 2 else client
                token = turn.step(token)
            found.append(str(account.sid).encode())
    return found


def test_a_lab_with_a_seed_repeats_itself_sids_and_salts_included() -> None:
    assert tokens(3) == tokens(3)
    assert tokens(3) != tokens(4)
