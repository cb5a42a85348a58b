"""Our initiator with our acceptor; verifiers, names and passwords; the table."""

import itertools
import re
import subprocess
import sys
from types import MappingProxyType

import pytest

from secpkg.protocols.scram import (
    TLS_EXPORTER,
    TLS_SERVER_END_POINT,
    TLS_UNIQUE,
    Acceptor,
    BindingPolicy,
    ChannelBinding,
    Done,
    Fault,
    Initiator,
    Reason,
    Rejected,
    Verifier,
    check_password,
    error,
    printable_nonce,
    salted_password,
    transitions,
)
from secpkg.protocols.scram.saslprep import prepare
from secpkg.protocols.scram.transitions import TABLE, Message, State, advance, diagram

SALT = bytes(range(16))
SALTED = salted_password("pencil", SALT, 4096)
VERIFIER = Verifier.from_salted_password(SALTED, salt=SALT, iterations=4096)
CLIENT_NONCE, SERVER_NONCE = printable_nonce(bytes(18)), printable_nonce(bytes(range(18)))
POINT = ChannelBinding(TLS_SERVER_END_POINT, bytes(32))
OTHER_POINT = ChannelBinding(TLS_SERVER_END_POINT, bytes(31) + b"\1")
EXPORTER = ChannelBinding(TLS_EXPORTER, bytes(32))
UNIQUE = ChannelBinding(TLS_UNIQUE, bytes(12))
NEVER, WHEN, REQUIRE = BindingPolicy.NEVER, BindingPolicy.WHEN_SUPPORTED, BindingPolicy.REQUIRE


def run(
    binding: ChannelBinding | None = None,
    expected: list[ChannelBinding] | None = None,
    policy: BindingPolicy = WHEN,
    *,
    supports: bool = False,
    username: str = "user",
    verifier: Verifier = VERIFIER,
) -> tuple[Done, Done]:
    opened, message = Initiator().start(username, CLIENT_NONCE, binding, supports_binding=supports)
    challenged, message = Acceptor().start(message, SERVER_NONCE).challenge(verifier)
    proved, message = opened.receive(message, lambda *_: SALTED)
    theirs, message = challenged.receive(message, expected=expected, policy=policy)
    return proved.receive(message), theirs


def reason_of(call: object, *args: object, **kwargs: object) -> Reason:
    assert callable(call)
    with pytest.raises(Rejected) as caught:
        call(*args, **kwargs)
    return caught.value.reason


@pytest.mark.parametrize(
    ("binding", "supports", "expected", "policy", "outcome"),
    [
        (None, False, None, NEVER, None),
        (None, False, [POINT], NEVER, None),
        (None, True, None, NEVER, None),
        (None, True, [POINT], NEVER, None),
        (POINT, False, None, NEVER, Reason.BINDING_UNSUPPORTED),
        (POINT, False, [POINT], NEVER, Reason.BINDING_UNSUPPORTED),
        (None, False, None, WHEN, None),
        (None, False, [POINT], WHEN, None),
        (None, True, None, WHEN, None),
        (None, True, [POINT], WHEN, Reason.DOWNGRADE),
        (POINT, False, None, WHEN, Reason.BINDING_UNSUPPORTED),
        (POINT, False, [POINT], WHEN, TLS_SERVER_END_POINT),
        (POINT, False, [OTHER_POINT], WHEN, Reason.BINDING_MISMATCH),
        (POINT, False, [EXPORTER], WHEN, Reason.BINDING_UNSUPPORTED),
        (EXPORTER, False, [POINT, EXPORTER], WHEN, TLS_EXPORTER),
        (UNIQUE, True, [UNIQUE], WHEN, TLS_UNIQUE),
        (None, False, None, REQUIRE, Reason.BINDING_REQUIRED),
        (None, False, [POINT], REQUIRE, Reason.BINDING_REQUIRED),
        (None, True, None, REQUIRE, Reason.BINDING_REQUIRED),
        (None, True, [POINT], REQUIRE, Reason.DOWNGRADE),
        (POINT, False, None, REQUIRE, Reason.BINDING_UNSUPPORTED),
        (POINT, False, [POINT], REQUIRE, TLS_SERVER_END_POINT),
        (POINT, False, [OTHER_POINT], REQUIRE, Reason.BINDING_MISMATCH),
    ],
)
def test_bindings(
    binding: ChannelBinding | None,
    supports: bool,
    expected: list[ChannelBinding] | None,
    policy: BindingPolicy,
    outcome: Reason | str | None,
) -> None:
    """RFC 5802 section 6, each flag under each policy."""
    if isinstance(outcome, Reason):
        assert reason_of(run, binding, expected, policy, supports=supports) is outcome
    else:
        ours, theirs = run(binding, expected, policy, supports=supports)
        assert ours.binding_name == theirs.binding_name == outcome
        assert ours.session_key == theirs.session_key


def test_the_session_key_is_bound_to_the_channel() -> None:
    assert run(POINT, [POINT])[0].session_key != run(OTHER_POINT, [OTHER_POINT])[0].session_key


def test_decoy_is_steady_differs_by_name_and_fails_as_a_wrong_password_does() -> None:
    decoy = Verifier.decoy(bytes(32), "nobody", 4096)
    assert decoy.encode() == Verifier.decoy(bytes(32), "nobody", 4096).encode()
    assert decoy.salt != Verifier.decoy(bytes(32), "noone", 4096).salt
    assert decoy.salt != Verifier.decoy(bytes(31) + b"1", "nobody", 4096).salt
    assert len(decoy.salt) == len(VERIFIER.salt)
    wrong = Verifier.derive("Pencil", salt=SALT, iterations=4096)
    assert reason_of(run, verifier=decoy) is reason_of(run, verifier=wrong) is Reason.PROOF_MISMATCH
    assert reason_of(check_password, decoy, "pencil") is Reason.PROOF_MISMATCH
    assert reason_of(check_password, VERIFIER, "Pencil") is Reason.PROOF_MISMATCH
    assert reason_of(Verifier.decoy, b"short", "nobody", 4096) is Reason.BAD_ARGUMENT


def test_the_peer_is_told_one_of_two_things() -> None:
    assert {error(reason) for reason in Reason} == {b"e=invalid-proof", b"e=other-error"}
    assert [reason for reason in Reason if error(reason) == b"e=invalid-proof"] == [Reason.PROOF_MISMATCH]
    opened, _ = Initiator().start("user", CLIENT_NONCE)
    assert reason_of(opened.receive, error(Reason.MALFORMED), lambda *_: SALTED) is Reason.SERVER_ERROR


def test_verifier_is_read_back_and_nothing_like_it_is() -> None:
    stored = VERIFIER.encode()
    assert Verifier.decode(stored).encode() == stored
    assert check_password(Verifier.decode(stored), "pencil") == SALTED
    for bad in (
        *(stored[:n] for n in range(len(stored))),
        stored + b"\n",
        stored.replace(b"256", b"512"),
        stored.replace(b"$4096", b"$4095"),
        stored.replace(b"$4096", b"$04096"),
        stored.replace(b"$4096", b"$1000001"),
        stored.replace(b":", b"$"),
        b"x" * 2000,
    ):
        with pytest.raises(Rejected) as caught:
            Verifier.decode(bad)
        assert (caught.value.reason, caught.value.fault) == (Reason.VERIFIER_MALFORMED, Fault.STORE)


def test_secrets_have_no_repr() -> None:
    opened, first = Initiator().start("user", CLIENT_NONCE, POINT)
    challenged, second = Acceptor().start(first, SERVER_NONCE).challenge(VERIFIER)
    proved, third = opened.receive(second, lambda *_: SALTED)
    done, _ = challenged.receive(third, expected=[POINT], policy=REQUIRE)
    for value in (VERIFIER, POINT, opened, challenged, proved, done):
        assert repr(value) == str(value) == f"<{type(value).__name__}>"
        assert not list(value.__rich_repr__())


@pytest.mark.parametrize(("state", "message"), list(itertools.product(State, Message)))
def test_every_move_of_the_table(state: State, message: Message) -> None:
    """The machines take the moves of the table and refuse all others."""
    samples = {
        Message.CLIENT_FIRST: Initiator().start("user", CLIENT_NONCE)[1],
        Message.SERVER_FIRST: Acceptor().start(b"n,,n=user,r=" + CLIENT_NONCE, SERVER_NONCE).challenge(VERIFIER)[1],
        Message.SERVER_ERROR: b"e=other-error",
    }
    opened, _ = Initiator().start("user", CLIENT_NONCE)
    proved, samples[Message.CLIENT_FINAL] = opened.receive(samples[Message.SERVER_FIRST], lambda *_: SALTED)
    challenged, _ = Acceptor().start(samples[Message.CLIENT_FIRST], SERVER_NONCE).challenge(VERIFIER)
    _, samples[Message.SERVER_FINAL] = challenged.receive(samples[Message.CLIENT_FINAL], expected=None, policy=WHEN)
    receivers = {
        State.INITIAL: lambda m: Acceptor().start(m, SERVER_NONCE),
        State.OPENED: lambda m: opened.receive(m, lambda *_: SALTED),
        State.CHALLENGED: lambda m: challenged.receive(m, expected=None, policy=WHEN),
        State.PROVED: proved.receive,
    }
    if (state, message) not in TABLE:
        assert reason_of(advance, state, message) is Reason.UNEXPECTED_MESSAGE
        if state in receivers:
            assert reason_of(receivers[state], samples[message]) is Reason.UNEXPECTED_MESSAGE
    elif advance(state, message) is State.FAILED:
        assert reason_of(receivers[state], samples[message]) is Reason.SERVER_ERROR
    else:
        receivers[state](samples[message])


@pytest.mark.parametrize("move", [m for m, after in TABLE.items() if after is not State.FAILED], ids=str)
def test_the_machines_obey_the_table(move: tuple[State, Message], monkeypatch: pytest.MonkeyPatch) -> None:
    """A move that is taken out of the table can no longer be made."""
    fewer = MappingProxyType({m: after for m, after in TABLE.items() if m != move})
    monkeypatch.setattr(transitions, "TABLE", fewer)
    assert reason_of(run) is Reason.UNEXPECTED_MESSAGE


def test_diagram_draws_every_move_once() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+): ([\w-]+)$", diagram(), re.M)
    assert sorted(drawn) == sorted((str(a), str(b), str(m)) for (a, m), b in TABLE.items())


def test_saslprep_examples() -> None:
    """RFC 4013 section 3, and what a stored string may not hold (RFC 3454 section 7)."""

    def prepared(text: str, stored: bool = True) -> bytes:
        return prepare(text, stored=stored, reason=Reason.PASSWORD_PROHIBITED, fault=Fault.CALLER)

    assert prepared("I\u00adX") == b"IX"
    assert prepared("user") == b"user"
    assert prepared("USER") == b"USER"
    assert prepared("\u00aa") == b"a"
    assert prepared("\u2168") == b"IX"
    assert prepared("a\u00a0b\u3000c") == b"a b c"
    assert prepared("\u0627\u0031\u0628") == "\u0627\u0031\u0628".encode()
    assert prepared("\u0221", stored=False) == "\u0221".encode()
    prohibited = ("\x07", "\ud800", "\ue000", "\ufdd0", "\ufffd", "\u2ff0", "\u200e", "\U000e0001")
    for bad in (*prohibited, "\u06271", "a\u05d0", "\u0221", "", "\u00ad"):
        assert reason_of(prepared, bad) is Reason.PASSWORD_PROHIBITED
    assert reason_of(prepared, "a" * 1025) is Reason.TOO_LONG
    assert reason_of(prepared, "\ufdfa" * 1000) is Reason.TOO_LONG


@pytest.mark.parametrize("username", ["a=b,c", "=2C", ",,==", "Jos\u00e9", "\u2168", "\U0001f600", "a b", "=" * 1024])
def test_names_arrive_prepared(username: str) -> None:
    ours, theirs = run(username=username)
    name = prepare(username, stored=False, reason=Reason.MALFORMED, fault=Fault.PEER).decode()
    assert ours.username == theirs.username == name


def test_spellings_of_one_password_are_one_password() -> None:
    verifier = Verifier.derive("Jose\u0301\u00ad", salt=SALT, iterations=4096)
    check_password(verifier, "Jos\u00e9")
    assert reason_of(check_password, verifier, "Jose") is Reason.PROOF_MISMATCH


def test_arguments_of_the_caller() -> None:
    start = Initiator().start
    assert reason_of(start, "user", b"short") is Reason.BAD_ARGUMENT
    assert reason_of(start, "user", b"a" * 257) is Reason.BAD_ARGUMENT
    assert reason_of(start, "user", b"a,b" * 10) is Reason.BAD_ARGUMENT
    assert reason_of(printable_nonce, b"x" * 8) is Reason.BAD_ARGUMENT
    assert reason_of(start, "", CLIENT_NONCE) is Reason.USERNAME_PROHIBITED
    assert reason_of(start, "a" * 1025, CLIENT_NONCE) is Reason.TOO_LONG
    assert reason_of(ChannelBinding, "tls,unique", b"x") is Reason.BAD_ARGUMENT
    assert reason_of(ChannelBinding, "", b"x") is Reason.BAD_ARGUMENT
    assert reason_of(ChannelBinding, TLS_UNIQUE, b"") is Reason.BAD_ARGUMENT
    assert reason_of(ChannelBinding, TLS_UNIQUE, bytes(1025)) is Reason.BAD_ARGUMENT
    assert reason_of(ChannelBinding, TLS_EXPORTER, bytes(31)) is Reason.BAD_ARGUMENT
    assert reason_of(salted_password, "x", bytes(7), 4096) is Reason.SALT_OUT_OF_RANGE
    assert reason_of(salted_password, "x", SALT, 4095) is Reason.ITERATIONS_OUT_OF_RANGE
    assert reason_of(salted_password, "", SALT, 4096) is Reason.PASSWORD_PROHIBITED
    assert reason_of(Verifier, SALT, 4096, bytes(31), bytes(32)) is Reason.BAD_ARGUMENT
    opened, first = start("user", CLIENT_NONCE)
    assert reason_of(Acceptor().start, first, CLIENT_NONCE) is Reason.NONCE_MISMATCH
    _, second = Acceptor().start(first, SERVER_NONCE).challenge(VERIFIER)
    assert reason_of(opened.receive, second, lambda *_: b"short") is Reason.BAD_ARGUMENT


def test_ascii_needs_no_tables_and_nothing_needs_chance() -> None:
    """Start-up: stringprep waits for the first name that is not ASCII."""
    program = (
        "import sys; from secpkg.protocols.scram import *; salted_password('pencil', bytes(16), 4096);"
        "sys.exit('stringprep' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
