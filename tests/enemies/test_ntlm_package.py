"""The enemies of the inbox package NTLM, at what an application calls: relay, replay, reflection, downgrade, mutants,
names. What the protocol itself refuses byte by byte is in tests/protocols; here it is what becomes of it: the status
that the peer learns, one audit record with the reason, and a context that is good for nothing more.
"""

from __future__ import annotations

import os
import random
import time
import unicodedata
from collections.abc import Iterator
from typing import Final

import pytest
from tests.protocols.test_ntlm_enemy import FLAGS_AT, mutated, set_flags
from tests.strangers.ends import OurEnd, Ours
from tests.strangers.talk import DOMAIN, ELSEWHERE, PASSWORD, TLS, Refused, Wish

from secpkg.protocols.ntlm import Credential, Initiator, filetime
from secpkg.protocols.ntlm import flags as f

pytestmark = pytest.mark.slow  # each takes a while, and there are many

CLIENT: Final = Wish(side="initiator")
SERVER: Final = Wish(side="acceptor")
BEARABLE: Final = {
    "SEC_E_LOGON_DENIED",
    "SEC_E_INVALID_TOKEN",
    "SEC_E_UNSUPPORTED_FUNCTION",
}
"""What an acceptor may say of a message: that it is none, that it is too weak, or that the logon is denied."""


@pytest.fixture
def ours() -> Iterator[Ours]:
    made = Ours()
    yield made
    made.close()


def legs(client: OurEnd, server: OurEnd) -> list[bytes]:
    """The three messages, of which the last has not been given to the server."""
    negotiate = client.step(None)
    assert negotiate is not None
    challenge = server.step(negotiate)
    assert challenge is not None
    authenticate = client.step(challenge)
    assert authenticate is not None
    return [negotiate, challenge, authenticate]


def raw(
    server: OurEnd, user: str, domain: str = DOMAIN, workstation: str = "CLIENT", password: str = PASSWORD
) -> list[bytes]:
    """The same from an enemy who writes his messages himself: no account of ours, and no rule but the protocol's."""
    sent, negotiate = Initiator(workstation=workstation).start()
    challenge = server.step(negotiate)
    assert challenge is not None
    credential = Credential.from_password(user, domain, password)
    _, token = sent.receive(challenge, credential, entropy=os.urandom(24), now=filetime(time.time()))
    return [negotiate, challenge, token]


def denied(ours: Ours, server: OurEnd, token: bytes, reason: str, status: str = "SEC_E_LOGON_DENIED") -> None:
    before = len(ours.refusals())
    with pytest.raises(Refused) as caught:
        server.step(token)
    assert str(caught.value) == status
    assert not server.complete
    assert [reason in found for found in ours.refusals()[before:]] == [True], ours.refusals()


def test_relayed_to_another_service(ours: Ours) -> None:
    """The client meant the enemy's service; the enemy hands its answer to ours. The name that it meant shows it."""
    client = ours.initiator(Wish(side="initiator", target="HTTP/enemy.example.net"))
    server = ours.acceptor(SERVER)
    denied(ours, server, legs(client, server)[-1], "target_name_mismatch")


def test_relayed_over_another_channel(ours: Ours) -> None:
    """The client is bound to the enemy's TLS."""
    client = ours.initiator(Wish(side="initiator", bindings=ELSEWHERE))
    server = ours.acceptor(Wish(side="acceptor", bindings=TLS))
    denied(ours, server, legs(client, server)[-1], "NOTVALID_MISMATCH", "SEC_E_BAD_BINDINGS")


def test_relayed_without_a_channel_where_one_is_required(ours: Ours) -> None:
    server = ours.acceptor(Wish(side="acceptor", bindings=TLS), require_bindings=True)
    denied(ours, server, legs(ours.initiator(CLIENT), server)[-1], "NOTVALID_MISSING", "SEC_E_BAD_BINDINGS")


def test_replayed_to_another_context(ours: Ours) -> None:
    """A proof that held once is one for that challenge alone."""
    server = ours.acceptor(SERVER)
    seen = legs(ours.initiator(CLIENT), server)
    assert server.step(seen[-1]) is None
    again = ours.acceptor(SERVER)
    again.step(seen[0])
    denied(ours, again, seen[-1], "wrong_password")


def test_a_second_guess_at_one_challenge(ours: Ours) -> None:
    """After a refusal the right answer comes too late, and after the end there is none."""
    server = ours.acceptor(SERVER)
    good = legs(ours.initiator(CLIENT), server)[-1]
    denied(ours, server, good[:-1] + bytes([good[-1] ^ 1]), "mic_mismatch")
    with pytest.raises(Refused):
        server.step(good)
    assert not server.complete
    finished = ours.acceptor(SERVER)
    good = legs(ours.initiator(CLIENT), finished)[-1]
    finished.step(good)
    with pytest.raises(Refused):
        finished.step(good)


def test_reflected(ours: Ours) -> None:
    """What an end has sent comes back to it, or to its like."""
    seen = legs(ours.initiator(CLIENT), ours.acceptor(SERVER))
    for number, token in enumerate(seen):
        client = ours.initiator(CLIENT)
        client.step(None)
        server = ours.acceptor(SERVER)
        for end, due in ((client, 1), (server, 0)):
            if number != due:
                with pytest.raises(Refused, match="SEC_E_INVALID_TOKEN"):
                    end.step(token)
                assert not end.complete


@pytest.mark.parametrize("flag", [f.SIGN, f.SEAL, f.EXTENDED_SESSIONSECURITY, f.KEY_128, f.KEY_EXCH, f.VERSION])
@pytest.mark.parametrize("leg", FLAGS_AT)
def test_downgraded_on_the_way(ours: Ours, leg: str, flag: int) -> None:
    """A flag taken from one of the messages: nobody ends with less than was agreed on, and no message passes."""
    client, server = ours.initiator(CLIENT), ours.acceptor(SERVER)

    def passed(at: str, token: bytes | None) -> bytes:
        assert token is not None
        return set_flags(token, FLAGS_AT[at], clear=flag) if at == leg else token

    with pytest.raises(Refused):
        challenge = passed("challenge", server.step(passed("negotiate", client.step(None))))
        server.step(passed("authenticate", client.step(challenge)))
    assert not server.complete
    assert not client.complete or ours.refusals()


def test_a_client_that_wants_no_protection(ours: Ours) -> None:
    """It is not what the server asked for: there is no context, whatever the proof."""
    server = ours.acceptor(SERVER)
    token = legs(ours.initiator(Wish(side="initiator", sign=False, seal=False)), server)[-1]
    with pytest.raises(Refused, match="SEC_E_SECURITY_QOS_FAILED"):
        server.step(token)
    assert not server.complete


def test_mutants_are_refused_and_recorded(ours: Ours) -> None:
    """Whatever an acceptor gets instead of the last message: a bearable status, and one record of it."""
    chance = random.Random(20_05)
    statuses: list[str] = []
    for _ in range(3_000):
        server = ours.acceptor(SERVER)
        seen = raw(server, "Alice")
        mutant = mutated(chance, seen[-1], seen)
        if mutant == seen[-1]:
            continue
        with pytest.raises(Refused) as caught:
            server.step(mutant)
        statuses.append(str(caught.value))
        assert not server.complete
        server.party.close()
    assert set(statuses) <= BEARABLE
    assert statuses.count("SEC_E_LOGON_DENIED") > 100
    reasons = ours.refusals()
    assert len(reasons) == len(statuses)
    assert all(reasons)


def test_a_domain_that_is_no_name(ours: Ours) -> None:
    """It is as unknown as any other that is not ours."""
    server = ours.acceptor(SERVER)
    denied(ours, server, raw(server, "Alice", "EXAMPLE\uffff")[-1], "unknown_domain")


def test_a_domain_that_is_not_ours(ours: Ours) -> None:
    server = ours.acceptor(SERVER)
    denied(ours, server, raw(server, "Alice", "ELSEWHERE")[-1], "unknown_domain")


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        ("Alice", True),
        ("ALICE", True),
        ("ａlice", True),  # the store's NFKC: the same account, with its own password
        ("alice@EXAMPLE", True),
        ("EXAMPLE\\alice", True),
        ("аlice", False),  # Cyrillic а
        ("al\u200dice", False),
        ("alice\u200f", False),
        ("\ufeffalice", False),
        ("alice\u00ad", False),
        (" alice", False),
        ("alice.", False),
        ("..", False),
        ("@", False),
        ("\\", False),
        ("*", False),
        ("%s%n", False),
        ("\ufdfa" * 100, False),  # NFKC makes each of them eighteen
        ("\U0010ffff", False),
        ("x" * 512, False),
        ("Administrator", False),
        ("S-1-5-18", False),
    ],
)
def test_names_that_clients_send(ours: Ours, sent: str, known: bool) -> None:
    """Known by the store's rule or not at all; who gets in is called by the account's name, and no other."""
    for domain in (DOMAIN, ""):
        server = ours.acceptor(SERVER)
        token = raw(server, sent, domain)[-1]
        if known:
            assert server.step(token) is None
            assert server.party.peer == f"{DOMAIN}\\Alice"
        else:
            denied(ours, server, token, "unknown_user")


def test_decomposed_and_composed_are_one_account(ours: Ours) -> None:
    """The proof is over the name as it was sent, the account is found by its key: both forms prove one password."""
    ours.lab().add_user("Zoë", password=PASSWORD)
    for form in ("NFC", "NFD"):
        client = ours.initiator(Wish(side="initiator", user=unicodedata.normalize(form, "Zoë")))
        server = ours.acceptor(SERVER)
        assert server.step(legs(client, server)[-1]) is None
        assert server.party.peer == f"{DOMAIN}\\Zoë"
