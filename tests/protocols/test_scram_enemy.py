"""SCRAM against truncation, flipped bits, garbage and messages that come back."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secpkg.protocols.scram import (
    TLS_EXPORTER,
    Acceptor,
    BindingPolicy,
    ChannelBinding,
    Done,
    Initiator,
    Reason,
    Rejected,
    Verifier,
    check_password,
    printable_nonce,
)

SALT = bytes(range(16))
SALTED = bytes(range(32))
VERIFIER = Verifier.from_salted_password(SALTED, salt=SALT, iterations=4096)
CLIENT_NONCE, SERVER_NONCE = printable_nonce(bytes(18)), printable_nonce(bytes(range(18)))
BINDING = ChannelBinding(TLS_EXPORTER, bytes(range(32)))
LEGS = ("client_first", "server_first", "client_final", "server_final")


def exchange(
    tamper: Callable[[str, bytes], bytes], name: str = "us=er", binding: ChannelBinding | None = BINDING
) -> tuple[Done, Done]:
    """A whole exchange in which `tamper` is on the line. The key depends on salt and count, as a true one does."""
    keys = {(SALT, 4096): SALTED}
    opened, message = Initiator().start(name, CLIENT_NONCE, binding)
    challenged, message = Acceptor().start(tamper("client_first", message), SERVER_NONCE).challenge(VERIFIER)
    proved, message = opened.receive(
        tamper("server_first", message), lambda salt, count: keys.get((salt, count), bytes(32))
    )
    theirs, message = challenged.receive(
        tamper("client_final", message),
        expected=[binding] if binding else None,
        policy=BindingPolicy.WHEN_SUPPORTED,
    )
    return proved.receive(tamper("server_final", message)), theirs


def record(binding: ChannelBinding | None) -> dict[str, bytes]:
    seen: dict[str, bytes] = {}

    def watch(leg: str, message: bytes) -> bytes:
        seen[leg] = message
        return message

    exchange(watch, binding=binding)
    return seen


def replaced(leg: str, bad: bytes, binding: ChannelBinding | None = BINDING) -> Reason:
    with pytest.raises(Rejected) as caught:
        exchange(lambda at, message: bad if at == leg else message, binding=binding)
    return caught.value.reason


@pytest.mark.parametrize("binding", [BINDING, None], ids=["bound", "unbound"])
@pytest.mark.parametrize("leg", LEGS)
def test_every_truncation_is_rejected(leg: str, binding: ChannelBinding | None) -> None:
    whole = record(binding)[leg]
    for size in range(len(whole)):
        replaced(leg, whole[:size], binding)


def flips(message: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(message)):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


ALLOWED = {
    "client_first": {
        Reason.MALFORMED,
        Reason.UNEXPECTED_MESSAGE,
        Reason.USERNAME_PROHIBITED,
        Reason.BINDING_UNSUPPORTED,
        Reason.NONCE_MISMATCH,
        Reason.PROOF_MISMATCH,
    },
    "server_first": {
        Reason.MALFORMED,
        Reason.UNEXPECTED_MESSAGE,
        Reason.NONCE_MISMATCH,
        Reason.DOWNGRADE,
        Reason.ITERATIONS_OUT_OF_RANGE,
        Reason.PROOF_MISMATCH,
        Reason.MANDATORY_EXTENSION,
    },
    "client_final": {
        Reason.MALFORMED,
        Reason.UNEXPECTED_MESSAGE,
        Reason.BINDING_MISMATCH,
        Reason.NONCE_MISMATCH,
        Reason.PROOF_MISMATCH,
        Reason.MANDATORY_EXTENSION,
    },
    "server_final": {Reason.MALFORMED, Reason.UNEXPECTED_MESSAGE, Reason.SERVER_SIGNATURE_MISMATCH},
}


@pytest.mark.parametrize("binding", [BINDING, None], ids=["bound", "unbound"])
@pytest.mark.parametrize("leg", LEGS)
def test_every_flipped_bit_is_rejected(leg: str, binding: ChannelBinding | None) -> None:
    """Each bit is either syntax or signed; a flip in the name alone survives until the proof."""
    assert {replaced(leg, bad, binding) for bad in flips(record(binding)[leg])} <= ALLOWED[leg]


def test_a_changed_name_fails_at_the_proof() -> None:
    first = record(BINDING)["client_first"]
    assert replaced("client_first", first.replace(b"us=3Der", b"vs=3Der")) is Reason.PROOF_MISMATCH


def test_a_removed_binding_is_noticed() -> None:
    """The man in the middle turns p= into n, which the c= that is signed contradicts."""
    first = record(BINDING)["client_first"]
    bare = first[first.index(b",,") :]
    assert replaced("client_first", b"n" + bare) is Reason.BINDING_MISMATCH
    assert replaced("client_first", b"y" + bare) is Reason.DOWNGRADE


def test_an_unknown_extension_is_ignored_and_signed() -> None:
    """RFC 5802 section 5.1. The acceptor ignores it; added on the way it fails at the proof."""
    first = record(BINDING)["client_first"]
    assert Acceptor().start(first + b",x=a=b", SERVER_NONCE).username == "us=er"
    assert replaced("client_first", first + b",x=a=b") is Reason.PROOF_MISMATCH
    assert replaced("server_first", record(BINDING)["server_first"] + b",x=1") is Reason.PROOF_MISMATCH


@pytest.mark.parametrize("leg", LEGS)
def test_every_other_message_in_its_place(leg: str) -> None:
    """Reflection: a message of the exchange that comes back, or early, or again."""
    seen = record(BINDING)
    for other in LEGS:
        if other != leg:
            assert replaced(leg, seen[other]) is Reason.UNEXPECTED_MESSAGE


def test_replay_fails_with_another_nonce() -> None:
    seen = record(None)
    challenged, _ = Acceptor().start(seen["client_first"], printable_nonce(bytes(range(1, 19)))).challenge(VERIFIER)
    with pytest.raises(Rejected) as caught:
        challenged.receive(seen["client_final"], expected=None, policy=BindingPolicy.NEVER)
    assert caught.value.reason is Reason.NONCE_MISMATCH


def test_reflected_nonce() -> None:
    salt_and_count = record(None)["server_first"].partition(b",")[2]
    for nonce in (CLIENT_NONCE, CLIENT_NONCE * 2, SERVER_NONCE, SERVER_NONCE + CLIENT_NONCE):
        assert replaced("server_first", b"r=" + nonce + b"," + salt_and_count) is Reason.NONCE_MISMATCH


BEGINNINGS = [b"n", b"y", b"p=", b"a=", b"m=", b"n=", b"r=", b"c=", b"s=", b"i=", b"v=", b"e="]
VALUES = [CLIENT_NONCE, SERVER_NONCE, b"biws", b"4096", b"AAAAAAAAAAA=", b"other-error", b"\0", b"\xff", b"\xc3\xa9"]
PIECES = st.sampled_from([b",", b",,", b"=", b"=2C", b"=3D", *BEGINNINGS, *VALUES])
GARBAGE = st.one_of(
    st.binary(max_size=200), st.lists(st.one_of(PIECES, st.binary(max_size=4)), max_size=16).map(b"".join)
)


@given(GARBAGE)
def test_garbage_is_rejected(garbage: bytes) -> None:
    """Nothing but Rejected comes out, and nothing of it gets in; a well-formed first message only claims a name."""
    for leg in LEGS:
        replaced(leg, garbage)
    with pytest.raises(Rejected):
        Verifier.decode(garbage)


@given(st.text(max_size=40), st.text(max_size=40))
def test_hostile_text_is_prepared_or_rejected(username: str, password: str) -> None:
    try:
        ours, theirs = exchange(lambda _, message: message, name=username)
        assert ours.username == theirs.username
    except Rejected as rejected:
        assert rejected.reason in (Reason.USERNAME_PROHIBITED, Reason.TOO_LONG)
    with pytest.raises(Rejected) as caught:
        check_password(VERIFIER, password)
    assert caught.value.reason in (Reason.PROOF_MISMATCH, Reason.PASSWORD_PROHIBITED)
