"""A handshake that is compared with an earlier one, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.testing.conftest import PASSWORD

from secpkg.testing import Difference, FrozenClock, LabAuthority, Pair, Recording, SeededEntropy, record, replay


@contextmanager
def prepared(*, seed: int = 1, now: float = 1e9, password: str = PASSWORD) -> Iterator[Pair]:
    with LabAuthority(modules=["hello"], clock=FrozenClock(now), entropy=SeededEntropy(seed)) as lab:
        lab.add_user("alice", password=PASSWORD)
        with Pair(lab, "Hello", username="alice", password=password, target="HTTP/host") as pair:
            yield pair


@pytest.fixture(scope="module")
def recording() -> Recording:
    with prepared() as pair:
        return record(pair)


def test_a_recording_says_what_was_drawn_when_and_what_came_of_it(recording: Recording, tmp_path: Path) -> None:
    assert [leg.who for leg in recording.legs] == ["client", "server"] * 2 + ["client"]
    assert [leg.status for leg in recording.legs] == ["SEC_I_CONTINUE_NEEDED"] * 3 + ["SEC_E_OK"] * 2
    assert [bool(leg.drawn) for leg in recording.legs] == [True, True, False, False, False]
    assert {leg.now for leg in recording.legs} == {1e9}
    recording.save(tmp_path / "recording.json")
    assert Recording.load(tmp_path / "recording.json") == recording
    assert PASSWORD.encode() not in (tmp_path / "recording.json").read_bytes()


def test_the_same_handshake_is_the_same_at_another_time_with_other_chance(recording: Recording) -> None:
    with prepared(now=2e9) as pair:
        pair.lab.entropy.source = SeededEntropy("another")
        replay(recording, pair)
        assert pair.complete
        assert pair.lab.time() == 2e9
        assert isinstance(pair.lab.entropy.source, SeededEntropy)


def test_the_first_byte_that_differs_is_named(recording: Recording) -> None:
    legs = list(recording.legs)
    token = bytearray.fromhex(legs[1].token)
    token[17] ^= 1
    legs[1] = msgspec.structs.replace(legs[1], token=token.hex())
    with (
        prepared() as pair,
        pytest.raises(Difference, match=r"leg 2 \(server\): the token differs at byte 17") as found,
    ):
        replay(msgspec.structs.replace(recording, legs=tuple(legs)), pair)
    assert (found.value.leg, found.value.what, found.value.offset) == (2, "token", 17)


def test_a_salt_of_another_seed_is_seen(recording: Recording) -> None:
    with prepared(seed=2) as pair, pytest.raises(Difference) as found:
        replay(recording, pair)
    assert (found.value.leg, found.value.who, found.value.what) == (2, "server", "token")


def test_other_draws_and_other_outcomes_are_named(recording: Recording) -> None:
    first = recording.legs[0]
    more = msgspec.structs.replace(first, drawn=(*first.drawn, "00"))
    less = msgspec.structs.replace(first, drawn=())
    longer = msgspec.structs.replace(first, drawn=(first.drawn[0] + "00",))
    for leg, text in ((more, "1 fewer draws"), (less, "recorded none"), (longer, "of 18 bytes, recorded 19")):
        with prepared() as pair, pytest.raises(Difference, match=text) as found:
            replay(msgspec.structs.replace(recording, legs=(leg, *recording.legs[1:])), pair)
        assert found.value.what == "entropy"
    ended = msgspec.structs.replace(recording, legs=recording.legs[:3])
    with prepared() as pair, pytest.raises(Difference, match=r"leg 4 .*the handshake goes on"):
        replay(ended, pair)
    longer_one = msgspec.structs.replace(recording, legs=(*recording.legs, recording.legs[0]))
    with prepared() as pair, pytest.raises(Difference, match="ended after 5"):
        replay(longer_one, pair)


def test_a_refusal_is_recorded_too() -> None:
    with prepared(password="wrong") as pair:
        refused = record(pair)
    assert [leg.status for leg in refused.legs][-1] == "SEC_E_LOGON_DENIED"
    with prepared(password="wrong") as pair:
        replay(refused, pair)
    with prepared() as pair, pytest.raises(Difference, match="leg 3"):
        replay(refused, pair)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"package":"x","legs":[],"format":2}', b'{"package":"x","legs":[],"more":1}']
)
def test_what_is_no_recording_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=r"x is no recording|has format 2"):
        Recording.load(tmp_path / "x")
