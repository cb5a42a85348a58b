"""Both ends of a conversation, leg by leg."""

from __future__ import annotations

import random
from base64 import b64encode
from pathlib import Path

import pytest
from tests.testing.conftest import PASSWORD

from secpkg.contract import SecurityError, Status
from secpkg.sspi.client import Client
from secpkg.testing import LabAuthority, Pair

ONE, TWO = b"tls-exporter:" + bytes(range(32)), b"tls-exporter:" + bytes(range(32, 64))


def hello(lab: LabAuthority, **others: bytes | None) -> Pair:
    return Pair(lab, "Hello", username="alice", password=PASSWORD, target="HTTP/host", **others)  # type: ignore[arg-type]


def test_legs_in_turn_until_both_ends_are_complete(lab: LabAuthority) -> None:
    with hello(lab) as pair:
        turns = []
        while not pair.complete:
            turns.append((pair.turn, bool(pair.step())))
        assert turns == [("client", True), ("server", True), ("client", True), ("server", True), ("client", False)]
        assert len(pair.tokens) == 4
        assert (pair.server.peer, pair.client.peer) == ("LAB\\alice", "HTTP/host")
        pair.talk()
        with pytest.raises(RuntimeError, match="over"):
            pair.step()
        assert pair.run() is pair


def test_a_token_may_be_changed_on_its_way(lab: LabAuthority) -> None:
    with hello(lab) as pair:
        for _ in range(3):
            pair.step()
        pair.tokens[-1] = pair.tokens[-1][:-2] + b"A="
        with pytest.raises(SecurityError) as raised:
            pair.run()
        assert pair.error is raised.value
        assert not pair.complete
        with pytest.raises(RuntimeError, match="over"):
            pair.step()


def test_bindings_of_the_two_ends(lab: LabAuthority) -> None:
    with hello(lab, channel_bindings=ONE) as same:
        same.run()
    with hello(lab, channel_bindings=ONE, server_bindings=TWO) as other:
        with pytest.raises(SecurityError) as raised:
            other.run()
        assert raised.value.status is Status.SEC_E_BAD_BINDINGS


def test_a_plain_ssp_draws_time_and_chance_from_the_lab(lab: LabAuthority, tmp_path: Path) -> None:
    keys = tmp_path / "config" / "secpkg" / "sampssp.keys"
    keys.parent.mkdir(parents=True)
    keys.write_text(f"alice:{b64encode(random.Random(1).randbytes(32)).decode()}\n")
    keys.chmod(0o600)
    lab.add_provider("sampssp")
    lab.entropy.source = lambda size: bytes([7] * size)
    with Pair(lab, "SampSSP", username="alice", target="x") as pair:
        pair.run().talk(b"")
        assert bytes([7] * 32) in pair.tokens[0]
    with pytest.raises(SecurityError, match="provider_is_added"):
        lab.add_provider("sampssp")
    lab.close()
    with pytest.raises(SecurityError):
        Client("SampSSP", authority=lab)


def test_an_end_that_cannot_be_made_leaves_no_other(lab: LabAuthority) -> None:
    with pytest.raises(SecurityError):
        Pair(lab, "Nobody", username="alice", password=PASSWORD)
