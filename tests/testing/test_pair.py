"""Both ends of a conversation, leg by leg."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.testing.conftest import PASSWORD

from secpkg.contract import SecurityError, Status
from secpkg.contract.flags import AscReq, CredentialUse, IscReq
from secpkg.sspi.client import Client
from secpkg.sspi.credential import Credential
from secpkg.testing import Datagram, Fate, LabAuthority, Network, Pair
from secpkg.testing.datagrams import MAX_DATAGRAMS
from secpkg.testing.pair import PairOptions

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


def test_a_network_is_for_packages_of_datagrams(lab: LabAuthority) -> None:
    """R228: their client makes no first token."""
    with hello(lab) as pair, pytest.raises(AssertionError, match="R228"):
        pair.datagrams()
    with hello(lab) as pair:
        pair.step()
        with pytest.raises(RuntimeError, match="before"):
            pair.datagrams()


@pytest.fixture
def datagrams(lab: LabAuthority) -> Iterator[Callable[..., Network]]:
    lab.add_provider("datagrams")
    inbound = Credential("Datagrams", CredentialUse.INBOUND, username="a", password=PASSWORD, authority=lab)
    wanted, accepted = IscReq.DATAGRAM | IscReq.INTEGRITY, AscReq.DATAGRAM | AscReq.INTEGRITY
    options: PairOptions = {
        "username": "a",
        "password": PASSWORD,
        "server_credential": inbound,
        "requirements": wanted,
        "server_requirements": accepted,
    }
    with inbound, Pair(lab, "Datagrams", **options) as pair:
        yield pair.datagrams


def test_what_is_on_its_way(datagrams: Callable[..., Network]) -> None:
    network = datagrams(Fate.LATE, Fate.ARRIVES, Fate.LOST, Fate.TWICE, Fate.LATE)
    for text in b"abcde":
        network.send("client", bytes([text]))
    assert [each.message for each in network.flight] == [b"b", b"a", b"d", b"d", b"e"]
    assert [each.message for each in network.sent] == [b"a", b"b", b"c", b"d", b"e"]
    assert repr(network.sent[0]) == "Datagram(sender='client')"


def test_only_what_is_late_is_left_and_arrives(datagrams: Callable[..., Network]) -> None:
    network = datagrams(Fate.LATE)
    network.send("client", b"late")
    assert network.deliver() and [d.message for d in network.dropped] == [b"late"] and not network.established
    network.run()
    assert network.established and not network.deliver()


def test_a_token_that_nobody_asked_for_is_thrown_away(datagrams: Callable[..., Network]) -> None:
    """An answer that comes again does not end the context that stands."""
    network = datagrams(Fate.ARRIVES, Fate.ARRIVES, Fate.TWICE)
    network.establish()
    assert [(d.sender, d.message is None) for d in network.dropped] == [("client", False), ("client", True)]
    assert network.established and not network.refused


def test_a_challenge_that_was_changed_ends_the_client(datagrams: Callable[..., Network]) -> None:
    network = datagrams()
    network.send("client", b"x")
    network.deliver()
    network._flight[0] = Datagram("server", b"not a challenge")
    with pytest.raises(SecurityError) as raised:
        network.deliver()
    assert network.pair.error is raised.value and network.refused == [raised.value]


def test_ends_without_end(datagrams: Callable[..., Network]) -> None:
    network = datagrams(*[Fate.LOST] * MAX_DATAGRAMS)
    with pytest.raises(RuntimeError, match="no end"):
        network.establish(tries=MAX_DATAGRAMS + 1)


def test_a_pair_of_datagrams_has_no_legs_in_turn(datagrams: Callable[..., Network]) -> None:
    network = datagrams()
    with pytest.raises(RuntimeError, match="nothing is there to send"):
        network.pair.step()
