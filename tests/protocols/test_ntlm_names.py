"""Hostile names: what a user is called decides about the proof, so two names are one or they are not."""

from __future__ import annotations

import unicodedata

import pytest
from tests.protocols.ntlm_pair import ALICE, exchange

from secpkg.protocols.ntlm import Credential, Fault, Initiator, Reason, Rejected, Target
from secpkg.protocols.ntlm.hashes import ntowf_v2, upper
from secpkg.protocols.ntlm.messages import MAX_NAME


def proves(sent: str, account: str) -> bool:
    """Whether a proof made for the name `sent` is one for `account`, with the same secret and domain."""
    return ntowf_v2(ALICE.nt_hash, sent, "EXAMPLE") == ntowf_v2(ALICE.nt_hash, account, "EXAMPLE")


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("alice", "ALICE"),
        ("élodie", "ÉLODIE"),
        ("ωmega", "ΩMEGA"),
        ("жанна", "ЖАННА"),
        ("ﬁona", "ﬁONA"),  # a ligature has no single capital
        ("straße", "STRAßE"),
        ("ıstan", "ıSTAN"),  # dotless
        ("ſam", "ſAM"),  # long s
        ("𐐨𐐩", "𐐨𐐩"),  # beyond the basic plane
        ("אליס", "אליס"),
        ("ｆｕｌｌ", "ＦＵＬＬ"),
    ],
)
def test_capitals_unit_by_unit(name: str, raised: str) -> None:
    """Nothing grows, and nothing becomes another letter's capital."""
    assert upper(name) == raised
    assert len(upper(name)) == len(name)
    assert proves(name, raised)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ſam", "sam"),  # casefold takes these for one
        ("straße", "strasse"),
        ("ıstan", "istan"),
        ("K", "\u212a"),  # the Kelvin sign
        ("ﬁona", "fiona"),
        ("ａlice", "alice"),  # NFKC takes these for one
        ("é", unicodedata.normalize("NFD", "é")),  # NFC takes these for one
        ("аlice", "alice"),  # Cyrillic а
        ("alice", "alice "),
        ("alice", "al\u200dice"),  # a joiner that nobody sees
        ("alice", "alice\u200f"),
    ],
)
def test_names_that_look_alike_prove_nothing_for_each_other(one: str, other: str) -> None:
    assert one != other
    assert not proves(one, other)


BAD = [
    "al\0ice",
    "alice\n",
    "alice\x7f",
    "alice\u0085",
    "alice\u2028",
    "\u202ecila",  # right to left, over whatever a log says
    "alice\u202c",
    "\u2066alice\u2069",
    "alice\ud800",
    "\udfffalice",
]


@pytest.mark.parametrize("bad", [*BAD, "x" * (MAX_NAME + 1)])
@pytest.mark.parametrize("field", ["user", "domain", "workstation", "target"])
def test_names_that_are_none(bad: str, field: str) -> None:
    """Refused before anything is sent, as the caller's fault."""
    names = {"user": "Alice", "domain": "EXAMPLE", "workstation": "CLIENT", "target": "HTTP/server", field: bad}
    with pytest.raises(Rejected) as caught:
        exchange(
            initiator=Initiator(workstation=names["workstation"]),
            credential=Credential(names["user"], names["domain"], ALICE.nt_hash),
            target=Target(names["target"]),
        )
    assert caught.value.reason is (Reason.TOO_LONG if len(bad) > MAX_NAME else Reason.TEXT_MALFORMED)
    assert caught.value.fault is Fault.CALLER


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("field", ["user", "domain", "workstation", "target"])
def test_names_that_are_none_from_a_peer(bad: str, field: str) -> None:
    """A peer that has no such scruples: the good name that it sends becomes a bad one on the way."""
    good = "Z" * len(bad)
    names = {"user": "Alice", "domain": "EXAMPLE", "workstation": "CLIENT", "target": "HTTP/server", field: good}

    def plant(leg: str, message: bytes) -> bytes:
        there = good.encode("utf-16-le")
        assert leg != "authenticate" or there in message
        return message.replace(there, bad.encode("utf-16-le", "surrogatepass"))

    with pytest.raises(Rejected) as caught:
        exchange(
            plant,
            initiator=Initiator(workstation=names["workstation"]),
            credential=Credential(names["user"], names["domain"], ALICE.nt_hash),
            target=Target(names["target"]),
        )
    assert caught.value.reason is Reason.TEXT_MALFORMED
    assert caught.value.fault is Fault.PEER


@pytest.mark.parametrize(
    "name", ["אליס", "أليس", "爱丽丝", "Алиса", "👩‍💻", "a" * MAX_NAME, "Alice O'Hara", "a\u200cb"]
)
def test_names_of_people_pass(name: str) -> None:
    """Right to left by their letters, beyond the basic plane, with joiners: a name is as it is written."""
    done, theirs = exchange(
        credential=Credential(name, "EXAMPLE", ALICE.nt_hash), initiator=Initiator(workstation=name)
    )
    assert (theirs.user, theirs.workstation) == (name, name)
    assert done.session.exported_session_key == theirs.session.exported_session_key
