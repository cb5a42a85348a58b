"""Datagrams through SSPI: signed at once, lost, doubled, late, and a server that forgets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secpkg.contract import AuthIdentity, Status
from secpkg.contract.flags import AscReq, AscRet, BufferFlag, BufferType, CredentialUse, IscReq, IscRet
from secpkg.contract.values import SecBuffer
from secpkg.host.user_mode import providers
from secpkg.sspi import Credential, raw
from secpkg.testing import Datagram, Fate, FrozenClock, LabAuthority, Network, Pair, SeededEntropy
from secpkg_datagrams import init_security_interface

OK, MORE = Status.SEC_E_OK, Status.SEC_I_CONTINUE_NEEDED
LATE, ALTERED = Status.SEC_E_OUT_OF_SEQUENCE, Status.SEC_E_MESSAGE_ALTERED
Context = raw.ContextHandle


@pytest.fixture(autouse=True)
def provider() -> Iterator[None]:
    providers.add("datagrams-under-test", init_security_interface)
    yield
    providers.remove("datagrams-under-test")


def credential(secret: str = "a secret that both know") -> raw.CredentialHandle:
    status, handle, _ = raw.acquire_credentials_handle(
        None, "Datagrams", CredentialUse.BOTH, auth_data=AuthIdentity("", "", secret)
    )
    assert status is OK and handle is not None
    return handle


def begin() -> Context:
    status, client, output, attributes, _ = raw.initialize_security_context(credential(), None, None, IscReq.DATAGRAM)
    assert status is OK and client is not None and output == [], "R228: no token"
    assert IscRet(attributes) & IscRet.DATAGRAM
    return client


def sign(context: Context, data: bytes, number: int = 0) -> bytes:
    message = [SecBuffer(BufferType.DATA, data), SecBuffer(BufferType.TOKEN)]
    assert raw.make_signature(context, 0, message, number) is OK
    return bytes(message[1].data)


def verify(context: Context, data: bytes, signature: bytes, number: int = 0) -> Status:
    message = [SecBuffer(BufferType.DATA, data), SecBuffer(BufferType.TOKEN, signature)]
    return raw.verify_signature(context, message, number)[0]


def establish(client: Context, signature: bytes, server: Context | None = None) -> Context:
    key = credential() if server is None else None
    status, server, challenge, *_ = raw.accept_security_context(
        key, server, [SecBuffer(BufferType.TOKEN, signature)], AscReq.DATAGRAM
    )
    assert status is MORE and server is not None
    status, again, answer, *_ = raw.initialize_security_context(None, client, None, IscReq.DATAGRAM, challenge)
    assert status is OK and again is client
    status, server, _, attributes, _ = raw.accept_security_context(None, server, answer, AscReq.DATAGRAM)
    assert status is OK and server is not None and AscRet(attributes) & AscRet.DATAGRAM
    return server


def test_a_client_signs_before_anybody_was_asked() -> None:
    """R228: and the server verifies it, once it knows whose it is."""
    client = begin()
    first = sign(client, b"first")
    server = establish(client, first)
    assert verify(server, b"first", first) is OK
    assert verify(client, b"reply", sign(server, b"reply")) is OK


def test_established_as_often_as_the_server_forgets() -> None:
    """R229: keys and numbers are the same at both ends after each time."""
    client = begin()
    server = establish(client, sign(client, b"0"))
    old = sign(client, b"before")
    for number in range(3):
        signature = sign(client, b"next")
        server = establish(client, signature, None if number else server)
        assert verify(server, b"before", old) is ALTERED, "keys that are gone"
        assert verify(server, b"after", sign(client, b"after")) is OK
        assert verify(client, b"answer", sign(server, b"answer")) is OK


def test_a_client_that_does_not_know_the_secret() -> None:
    client = begin()
    _, server, challenge, *_ = raw.accept_security_context(
        credential("something else"), None, [SecBuffer(BufferType.TOKEN, sign(client, b"x"))], AscReq.DATAGRAM
    )
    _, _, answer, *_ = raw.initialize_security_context(None, client, None, IscReq.DATAGRAM, challenge)
    assert raw.accept_security_context(None, server, answer, AscReq.DATAGRAM)[0] is Status.SEC_E_LOGON_DENIED


def test_lost_doubled_and_late() -> None:
    client = begin()
    server = establish(client, sign(client, b"0"))
    sent = [sign(client, b"%d" % number) for number in range(100)]
    for number in (1, 0, 50, 49, 99):
        assert verify(server, b"%d" % number, sent[number]) is OK
        assert verify(server, b"%d" % number, sent[number]) is LATE
    assert verify(server, b"20", sent[20]) is LATE, "older than the window"
    assert verify(server, b"60", sent[61]) is ALTERED
    assert verify(server, b"60", sent[60]) is OK


def test_the_callers_number_arrives() -> None:
    """R230."""
    client = begin()
    server = establish(client, sign(client, b"0"))
    signature = sign(client, b"numbered", 0xFEDCBA98)
    assert signature[:4] == bytes.fromhex("fedcba98")
    assert verify(server, b"numbered", signature, 5) is LATE
    assert verify(server, b"numbered", bytes(4) + signature[4:]) is ALTERED
    assert verify(server, b"numbered", signature, 0xFEDCBA98) is OK


def test_only_datagrams() -> None:
    """R231: what the package announces is what it does."""
    assert raw.initialize_security_context(credential(), None, None, 0)[0] is Status.SEC_E_UNSUPPORTED_FUNCTION


def test_what_is_readonly_is_signed_with_a_checksum_only() -> None:
    """R212."""
    client = begin()
    server = establish(client, sign(client, b"0"))
    for flag, status in ((BufferFlag.READONLY, OK), (BufferFlag.READONLY_WITH_CHECKSUM, ALTERED)):
        head = SecBuffer(BufferType.DATA | flag, b"head")
        message = [head, SecBuffer(BufferType.DATA, b"text"), SecBuffer(BufferType.TOKEN)]
        assert raw.make_signature(client, 0, message) is OK
        head.data = b"HEAD"
        assert raw.verify_signature(server, message)[0] is status


# --- the same on the paved path, over a network that loses, doubles and delays --------------------------------------

WANTED = IscReq.DATAGRAM | IscReq.INTEGRITY | IscReq.REPLAY_DETECT
ACCEPTED = AscReq.DATAGRAM | AscReq.INTEGRITY | AscReq.REPLAY_DETECT


@contextmanager
def network(*fates: Fate, server_secret: str = "a secret that both know") -> Iterator[Network]:
    with (
        LabAuthority(clock=FrozenClock(), entropy=SeededEntropy(1)) as lab,
        Credential(
            "Datagrams", CredentialUse.INBOUND, username="server", password=server_secret, authority=lab
        ) as inbound,
        Pair(
            lab,
            "Datagrams",
            username="client",
            password="a secret that both know",
            server_credential=inbound,
            requirements=WANTED,
            server_requirements=ACCEPTED,
        ) as pair,
    ):
        yield pair.datagrams(*fates)


def messages(network: Network) -> list[bytes | None]:
    return [datagram.message for datagram in network.received]


def test_message_challenge_answer() -> None:
    """R228, R229: in this order, and the message that was challenged is not taken for one that was verified."""
    with network() as between:
        between.establish(b"first")
        assert [(d.sender, d.message) for d in between.sent] == [
            ("client", b"first"),
            ("server", None),
            ("client", None),
        ]
        assert not between.received and not between.refused
        between.send("client", b"there")
        between.send("server", b"back")
        between.run()
        assert messages(between) == [b"there", b"back"]


@pytest.mark.parametrize(("at", "what"), [(0, "message"), (1, "challenge"), (2, "answer")])
@pytest.mark.parametrize("fate", [Fate.LOST, Fate.TWICE, Fate.LATE])
def test_each_datagram_of_a_handshake_lost_doubled_or_late(at: int, what: str, fate: Fate) -> None:
    with network(*[Fate.ARRIVES] * at, fate) as between:
        between.establish()
        between.send("client", b"after")
        between.run()
        assert messages(between)[-1] == b"after", what


@given(st.lists(st.sampled_from(Fate), max_size=12), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_whatever_the_network_does_a_message_is_taken_once_and_as_it_was_sent(fates: list[Fate], times: int) -> None:
    with network(*fates) as between:
        between.establish()
        for number in range(8):
            between.send("client", b"%d" % number)
            if number == 4 and times:
                for _ in range(times):
                    between.run()
                    between.forget()
                    between.establish()
        between.run()
        taken = [d.message for d in between.received if d.message and d.message.isdigit()]
        assert len(taken) == len(set(taken)) and set(taken) <= {b"%d" % number for number in range(8)}
        if not fates:
            assert {b"5", b"6", b"7"} <= set(taken)


@pytest.mark.parametrize(
    ("fate", "taken", "refused"),
    [
        (Fate.ARRIVES, [b"0", b"1", b"2"], []),
        (Fate.LOST, [b"1", b"2"], []),
        (Fate.TWICE, [b"0", b"1", b"2"], [LATE]),
        (Fate.LATE, [b"1", b"0", b"2"], []),
    ],
)
def test_a_message_lost_doubled_or_late(fate: Fate, taken: list[bytes], refused: list[Status]) -> None:
    with network(*[Fate.ARRIVES] * 3, fate) as between:
        between.establish()
        for number in range(3):
            between.send("client", b"%d" % number)
        between.run()
        assert messages(between) == taken
        assert [error.status for error in between.refused] == refused


def test_a_server_challenges_again_and_keeps_its_context() -> None:
    """R229."""
    with network() as between:
        between.establish()
        server = between.pair.server
        for number in range(3):
            between.challenge()
            between.establish(b"renew")
            between.send("client", b"%d" % number)
            between.send("server", b"%d" % number)
            between.run()
        assert between.pair.server is server and not between.refused
        assert messages(between) == [b"0", b"0", b"1", b"1", b"2", b"2"]


def test_another_secret_is_never_established() -> None:
    with network(server_secret="something else") as between:
        with pytest.raises(RuntimeError, match="not established after 3"):
            between.establish(tries=3)
        assert [error.status for error in between.refused] == [Status.SEC_E_LOGON_DENIED] * 3
        assert not between.received


def test_the_same_network_twice_is_the_same_byte_for_byte() -> None:
    def conversation() -> list[Datagram]:
        with network(Fate.TWICE, Fate.LOST, Fate.LATE) as between:
            between.establish()
            return between.sent

    assert conversation() == conversation()
