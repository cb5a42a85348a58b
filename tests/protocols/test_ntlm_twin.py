"""Our initiator with our acceptor: every combination of what can be negotiated, every policy, every kind of message."""

from itertools import product

import pytest
from tests.protocols.ntlm_pair import ALICE, ENTROPY, INFO, NONCE, NOW, WEAK, exchange, recorded

from secpkg.protocols.ntlm import (
    DEFAULT_REQUEST,
    Acceptor,
    AcceptorPolicy,
    BindingPolicy,
    Channel,
    ChannelBindings,
    Credential,
    Datagram,
    Done,
    Half,
    Initiator,
    MicPolicy,
    Protection,
    Reason,
    Rejected,
    Role,
    Session,
    SingleHost,
    Strength,
    Target,
    TargetInfo,
    TargetNamePolicy,
    TargetType,
    Version,
    decoy_nt_hash,
)
from secpkg.protocols.ntlm import flags as f
from secpkg.protocols.ntlm.hashes import upper
from secpkg.protocols.ntlm.md5 import hmac_md5
from secpkg.protocols.ntlm.policy import TICKS
from secpkg.protocols.ntlm.transitions import CONNECTION, DATAGRAM, Message, State, advance, diagram

BASE = f.NTLM | f.ALWAYS_SIGN | f.REQUEST_TARGET
CHOICES = (f.SIGN, f.SEAL, f.EXTENDED_SESSIONSECURITY, f.KEY_128, f.KEY_56, f.KEY_EXCH)
BINDING = ChannelBindings(b"tls-server-end-point:" + bytes(range(32))).hash()
OTHER_BINDING = ChannelBindings(b"tls-server-end-point:" + bytes(32)).hash()
LOOSE = AcceptorPolicy(strength=WEAK)


def refused(**options: object) -> Reason:
    with pytest.raises(Rejected) as caught:
        exchange(**options)  # type: ignore[arg-type]
    return caught.value.reason


def speak(ours: Session, theirs: Session) -> None:
    """Messages both ways, in turn, of all kinds that the flags allow; and none of the others."""
    mine, yours = Protection(ours, Role.INITIATOR), Protection(theirs, Role.ACCEPTOR)
    for number, (sender, receiver) in enumerate([(mine, yours), (yours, mine), (mine, yours)]):
        text = b"message %d" % number
        receiver.verify(text, sender.sign(text))
        if ours.flags & f.SEAL:
            sealed, signature = sender.seal(text)
            assert sealed != text
            assert receiver.unseal(sealed, signature) == text
            parts, signature = sender.seal_parts([(b"header", False), (text, True), (b"trailer", False)])
            clear = receiver.unseal_parts([(b"header", False), (parts[0], True), (b"trailer", False)], signature)
            assert clear == [text]
        else:
            with pytest.raises(Rejected) as caught:
                sender.seal(text)
            assert caught.value.reason is Reason.NOT_NEGOTIATED


@pytest.mark.parametrize("character_set", [f.UNICODE, f.OEM, f.UNICODE | f.OEM])
def test_every_combination_of_flags(character_set: int) -> None:
    """Whatever is asked for is had, with the same key on both sides; messages hold, or there is no way to make them."""
    for chosen in product((False, True), repeat=len(CHOICES)):
        request = BASE | character_set | sum(flag for flag, yes in zip(CHOICES, chosen, strict=True) if yes)
        initiator = Initiator(request=request, strength=WEAK, workstation="CLIENT", version=Version(6, 1, 7601))
        ours, theirs = exchange(initiator=initiator, policy=LOOSE)
        assert ours.session.flags == theirs.session.flags
        assert ours.session.exported_session_key == theirs.session.exported_session_key
        assert (theirs.user, theirs.domain, theirs.workstation) == ("Alice", "EXAMPLE", "CLIENT")
        assert ours.mic and theirs.mic
        wanted = request | (f.SIGN if request & f.SEAL else 0)
        assert theirs.session.flags & sum(CHOICES) == wanted & sum(CHOICES)
        if wanted & f.PROTECTION:
            speak(ours.session, theirs.session)
        else:
            with pytest.raises(Rejected) as caught:
                Protection(theirs.session, Role.ACCEPTOR)
            assert caught.value.reason is Reason.NOT_NEGOTIATED


def test_session_keys_differ_with_every_part_of_the_exchange() -> None:
    """Key strength, nonces and direction all enter the keys; and the key is the initiator's where one is exchanged."""
    ours, _ = exchange()
    assert ours.session.exported_session_key == ENTROPY[8:]
    no_exchange = Initiator(request=f.UNICODE | BASE | f.SIGN | f.EXTENDED_SESSIONSECURITY | f.KEY_128)
    keys = {
        exchange(initiator=no_exchange, nonce=nonce, entropy=entropy)[1].session.exported_session_key
        for nonce in (NONCE, bytes(8))
        for entropy in (ENTROPY, bytes(24))
    }
    assert len(keys) == 4
    first, second = Protection(ours.session, Role.INITIATOR), Protection(ours.session, Role.ACCEPTOR)
    assert first.sign(b"x") != second.sign(b"x")


@pytest.mark.parametrize(
    ("strength", "asked", "reason"),
    [
        (Strength(), BASE | f.SIGN | f.KEY_128, Reason.EXTENDED_SESSION_SECURITY_MISSING),
        (Strength(), BASE | f.SIGN | f.EXTENDED_SESSIONSECURITY | f.KEY_56, Reason.KEY_TOO_SHORT),
        (Strength(integrity=True), BASE | f.EXTENDED_SESSIONSECURITY | f.KEY_128, Reason.INTEGRITY_MISSING),
        (
            Strength(confidentiality=True),
            BASE | f.SIGN | f.EXTENDED_SESSIONSECURITY | f.KEY_128,
            Reason.CONFIDENTIALITY_MISSING,
        ),
    ],
)
def test_too_weak_is_refused_by_either_side(strength: Strength, asked: int, reason: Reason) -> None:
    weak = Initiator(request=asked | f.UNICODE, strength=WEAK)
    assert refused(initiator=weak, policy=AcceptorPolicy(strength=strength)) is reason
    strict = Initiator(request=asked | f.UNICODE, strength=strength)
    assert refused(initiator=strict, policy=LOOSE) is reason


def test_no_protection_needs_no_strength() -> None:
    """HTTP clients that negotiate neither signing nor long keys log on by default."""
    bare = Initiator(request=f.OEM | f.REQUEST_TARGET | f.NTLM | f.ALWAYS_SIGN | f.EXTENDED_SESSIONSECURITY)
    ours, theirs = exchange(initiator=bare)
    assert ours.session.exported_session_key == theirs.session.exported_session_key
    assert not theirs.session.flags & f.PROTECTION


def test_wrong_password_and_unknown_user_are_the_same_refusal() -> None:
    wrong = Credential.from_password("Alice", "EXAMPLE", "incorrect horse")
    assert refused(credential=wrong) is Reason.PROOF_MISMATCH
    decoy = decoy_nt_hash(bytes(range(16)), "alice", "example")
    assert decoy == decoy_nt_hash(bytes(range(16)), "ALICE", "EXAMPLE") != decoy_nt_hash(bytes(16), "alice", "example")
    assert refused(nt_hash=decoy) is Reason.PROOF_MISMATCH


def test_an_unknown_user_takes_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many hashes over as many bytes for a decoy as for a wrong password."""
    work: list[tuple[int, int]] = []

    def counted(key: bytes, data: bytes) -> bytes:
        work.append((len(key), len(data)))
        return hmac_md5(key, data)

    monkeypatch.setattr("secpkg.protocols.ntlm.hashes.hmac_md5", counted)
    done = []
    for nt_hash in (bytes(16), decoy_nt_hash(bytes(16), "Alice", "EXAMPLE")):
        work.clear()
        assert refused(nt_hash=nt_hash) is Reason.PROOF_MISMATCH
        done.append(list(work))
    assert done[0] == done[1]
    assert len(done[0]) > 4


def test_user_without_case_domain_with_case() -> None:
    """MS-NLMP 3.3.2: the user's name is raised, the domain's is not; an acceptor has the names as they were sent."""
    for name in ("alice", "ALICE", "ünïcode", "straße", "ﬁ", "ı", "İ", "😀", "ǆ"):
        _, theirs = exchange(credential=Credential(name, "", ALICE.nt_hash))
        assert theirs.user == name
    assert upper("straße") == "STRAßE"
    assert upper("ıſ") == "ıſ"
    assert upper("éω") == "ÉΩ"
    assert upper("\U00010428") == "\U00010428"


def test_domain_left_out_of_the_proof() -> None:
    """MS-NLMP 3.2.5.1.2: acceptors support initiators that compute with no domain, if the policy does."""
    fields = recorded(credential=Credential("Alice", "", ALICE.nt_hash))
    assert b"E\0X\0A\0M\0P\0L\0E\0" not in fields["authenticate"][:140]

    def named(leg: str, message: bytes) -> bytes:
        # The domain is written into the message after its proof was made; a MIC would notice, so there is none.
        if leg != "authenticate":
            return message
        at = len(message)
        field = b"\x0e\0\x0e\0" + (at + at % 2).to_bytes(4, "little")
        return message[:28] + field + message[36:] + bytes(at % 2) + "EXAMPLE".encode("utf-16-le")

    lone = Credential("Alice", "", ALICE.nt_hash)
    silent = _silent_challenge
    exchange(lambda leg, m: named(leg, silent(leg, m)), credential=lone, policy=_promised(True))
    with pytest.raises(Rejected) as caught:
        exchange(lambda leg, m: named(leg, silent(leg, m)), credential=lone, policy=_promised(False))
    assert caught.value.reason is Reason.PROOF_MISMATCH


def _promised(empty: bool) -> AcceptorPolicy:
    return AcceptorPolicy(mic=MicPolicy.WHEN_PROMISED, empty_domain_in_proof=empty, echo=False)


def _silent_challenge(leg: str, message: bytes) -> bytes:
    """The challenge of an acceptor that sends no time: the initiator answers without a MIC."""
    if leg != "challenge":
        return message
    return message.replace(b"\x07\0\x08\0", b"\x77\0\x08\0")


@pytest.mark.parametrize(
    ("policy", "sent", "ours", "outcome"),
    [
        (BindingPolicy.NEVER, None, (), False),
        (BindingPolicy.NEVER, BINDING, (OTHER_BINDING,), False),
        (BindingPolicy.WHEN_SUPPORTED, None, (BINDING,), False),
        (BindingPolicy.WHEN_SUPPORTED, bytes(16), (BINDING,), False),
        (BindingPolicy.WHEN_SUPPORTED, BINDING, (OTHER_BINDING, BINDING), True),
        (BindingPolicy.WHEN_SUPPORTED, BINDING, (OTHER_BINDING,), Reason.BINDING_MISMATCH),
        (BindingPolicy.WHEN_SUPPORTED, BINDING, (), Reason.BINDING_UNSUPPORTED),
        (BindingPolicy.REQUIRE, BINDING, (BINDING,), True),
        (BindingPolicy.REQUIRE, None, (BINDING,), Reason.BINDING_REQUIRED),
        (BindingPolicy.REQUIRE, bytes(16), (BINDING,), Reason.BINDING_REQUIRED),
        (BindingPolicy.REQUIRE, OTHER_BINDING, (BINDING,), Reason.BINDING_MISMATCH),
    ],
)
def test_channel_bindings(
    policy: BindingPolicy, sent: bytes | None, ours: tuple[bytes, ...], outcome: bool | Reason
) -> None:
    """All zero is none, whatever the policy."""
    options = {"policy": AcceptorPolicy(bindings=policy), "bindings": sent, "channel": Channel(ours)}
    if isinstance(outcome, Reason):
        assert refused(**options) is outcome
    else:
        initiating, accepting = exchange(**options)  # type: ignore[arg-type]
        assert accepting.bound is outcome
        assert initiating.bound is (sent not in (None, bytes(16)))


@pytest.mark.parametrize(
    ("policy", "sent", "names", "outcome"),
    [
        (TargetNamePolicy.NEVER, Target("cifs/other"), {"HTTP/server"}, None),
        (TargetNamePolicy.WHEN_SUPPLIED, Target("http/SERVER"), {"HTTP/server"}, "http/SERVER"),
        (TargetNamePolicy.WHEN_SUPPLIED, Target(), {"HTTP/server"}, None),
        (TargetNamePolicy.WHEN_SUPPLIED, Target("HTTP/other"), set(), None),
        (TargetNamePolicy.WHEN_SUPPLIED, Target("HTTP/other", untrusted=True), {"HTTP/server"}, None),
        (TargetNamePolicy.WHEN_SUPPLIED, Target("HTTP/other"), {"HTTP/server"}, Reason.TARGET_NAME_MISMATCH),
        (TargetNamePolicy.REQUIRE, Target("HTTP/server"), {"HTTP/server"}, "HTTP/server"),
        (TargetNamePolicy.REQUIRE, Target("HTTP/server"), set(), Reason.TARGET_NAME_MISMATCH),
        (TargetNamePolicy.REQUIRE, Target(), {"HTTP/server"}, Reason.TARGET_NAME_MISSING),
        (
            TargetNamePolicy.REQUIRE,
            Target("HTTP/server", untrusted=True),
            {"HTTP/server"},
            Reason.TARGET_NAME_UNTRUSTED,
        ),
    ],
)
def test_target_name(policy: TargetNamePolicy, sent: Target, names: set[str], outcome: str | Reason | None) -> None:
    options = {"policy": AcceptorPolicy(target_name=policy), "target": sent, "channel": Channel(names=frozenset(names))}
    if isinstance(outcome, Reason):
        assert refused(**options) is outcome
    else:
        assert exchange(**options)[1].target_name == outcome  # type: ignore[arg-type]


def test_clock_skew() -> None:
    """The initiator answers with the acceptor's own time; one that got none answers with its own."""
    exchange(client_now=0)
    assert refused(policy=AcceptorPolicy(max_skew=10, echo=False), **_late(11)) is Reason.CLOCK_SKEW
    exchange(policy=AcceptorPolicy(max_skew=10, echo=False), **_late(10))  # type: ignore[arg-type]
    exchange(policy=AcceptorPolicy(max_skew=None, echo=False), **_late(10**6))  # type: ignore[arg-type]


def _late(seconds: int) -> dict[str, object]:
    """An old initiator, whose clock is fast."""
    return {"tamper": _silent_challenge, "client_now": NOW + seconds * TICKS, "target": None}


def test_single_host_and_loopback() -> None:
    host = SingleHost(bytes(range(32)), custom_data=7)
    here = Channel(machine_id=bytes(range(32)))
    exchange(single_host=host, channel=here)
    strict = AcceptorPolicy(loopback=False)
    assert refused(single_host=host, channel=here, policy=strict) is Reason.REFLECTION
    exchange(single_host=SingleHost(bytes(32)), channel=here, policy=strict)
    exchange(single_host=host, policy=strict)


@pytest.mark.parametrize("kind", list(TargetType))
def test_what_the_acceptor_says_of_itself(kind: TargetType) -> None:
    from secpkg.protocols.ntlm import Challenge

    info = TargetInfo("SERVER", "EXAMPLE", dns_computer_name="server.example.com", type=kind)
    challenge = Challenge.parse(recorded(acceptor=Acceptor(target=info, version=Version(10, 0, 17763)))["challenge"])
    assert challenge.flags & kind.value
    assert challenge.target_name == ("EXAMPLE" if kind is TargetType.DOMAIN else "SERVER")
    assert challenge.target_info is not None
    assert challenge.target_info.timestamp == NOW
    assert challenge.target_info.flags is None, "an initiator that copies it would promise a MIC"
    assert challenge.version == Version(10, 0, 17763)
    silent = Initiator(version=None)
    challenge = Challenge.parse(recorded(acceptor=Acceptor(target=info), initiator=silent)["challenge"])
    assert challenge.version is None, "announced to who announces one"


def test_anonymous() -> None:
    """MS-NLMP 3.2.5.1.2, 3.4: nobody is recognised, refused unless allowed, and has no session security."""

    def attempt(policy: AcceptorPolicy) -> Done:
        opened, message = Initiator(strength=Strength()).start()
        waiting, message = Acceptor(target=INFO, policy=policy).start(message, server_challenge=NONCE, now=NOW)
        ours, message = opened.receive_as_nobody(message)
        theirs = waiting.receive(message)
        assert isinstance(theirs, Done)
        assert ours.anonymous and theirs.anonymous
        assert not (ours.session.flags | theirs.session.flags) & f.PROTECTION
        return theirs

    assert attempt(AcceptorPolicy(anonymous=True)).user == ""
    for policy, reason in (
        (AcceptorPolicy(), Reason.ANONYMOUS),
        (AcceptorPolicy(anonymous=True, strength=Strength(integrity=True)), Reason.INTEGRITY_MISSING),
        (AcceptorPolicy(anonymous=True, mic=MicPolicy.REQUIRE), Reason.MIC_MISSING),
        (AcceptorPolicy(anonymous=True, bindings=BindingPolicy.REQUIRE), Reason.BINDING_REQUIRED),
        (AcceptorPolicy(anonymous=True, target_name=TargetNamePolicy.REQUIRE), Reason.TARGET_NAME_MISSING),
    ):
        with pytest.raises(Rejected) as caught:
            attempt(policy)
        assert caught.value.reason is reason


def test_datagram() -> None:
    """MS-NLMP 3.2.5.2, 3.4: the challenge comes first; messages hold in any order, each under its own number."""
    ours, theirs = exchange(datagram=True)
    assert ours.mic and theirs.mic
    mine, yours = Datagram(ours.session, Role.INITIATOR), Datagram(theirs.session, Role.ACCEPTOR)
    sealed = {number: mine.seal(b"datagram %d" % number, number) for number in (0, 1, 7, 0xFFFFFFFF)}
    for number in (7, 0xFFFFFFFF, 0, 1):
        assert yours.unseal(*sealed[number], number) == b"datagram %d" % number
    mine.verify(b"back", yours.sign(b"back", 3), 3)
    for message, number in ((sealed[1], 0), ((sealed[1][0], sealed[0][1]), 0)):
        with pytest.raises(Rejected):
            yours.unseal(*message, number)
    assert yours.unseal(*sealed[1], 1) == b"datagram 1", "a forgery spoils nothing"
    with pytest.raises(Rejected) as caught:
        Protection(ours.session, Role.INITIATOR)
    assert caught.value.reason is Reason.NOT_NEGOTIATED
    with pytest.raises(Rejected):
        Datagram(exchange()[0].session, Role.INITIATOR)


def test_restart_of_the_stream_for_spnego() -> None:
    """MS-SPNG 3.3.5.1: after a mechListMIC the stream begins anew, and the counter goes on."""
    ours, theirs = exchange()
    mine, yours = Protection(ours.session, Role.INITIATOR), Protection(theirs.session, Role.ACCEPTOR)
    fresh = Protection(ours.session, Role.INITIATOR)
    yours.verify(b"mechanisms", mine.sign(b"mechanisms"))
    mine.outgoing.restart_stream()
    yours.incoming.restart_stream()
    sealed, signature = mine.seal(b"first")
    assert sealed == fresh.seal(b"first")[0]
    assert signature[12:] == b"\1\0\0\0"
    assert yours.unseal(sealed, signature) == b"first"


def test_a_session_goes_on_from_its_counter_and_position() -> None:
    """What a moved context takes along is enough; long messages are skipped like short ones."""
    ours, theirs = exchange()
    mine, yours = Protection(ours.session, Role.INITIATOR), Protection(theirs.session, Role.ACCEPTOR)
    for size in (1, 5000, 64):
        yours.unseal(*mine.seal(bytes(size)))
    at = mine.outgoing
    moved = Half.of(ours.session, Role.INITIATOR, counter=at.counter, position=at.position)
    (sealed,), signature = moved.protect([(b"moved", True)])
    assert yours.unseal(sealed, signature) == b"moved"


def test_an_exhausted_counter_refuses() -> None:
    ours, _ = exchange()
    half = Half.of(ours.session, Role.INITIATOR, counter=0xFFFFFFFF)
    other = Half.of(ours.session, Role.INITIATOR, counter=0xFFFFFFFF)
    _, signature = half.protect([(b"last", False)])
    other.open([(b"last", False)], signature)
    for refuse in (lambda: half.protect([(b"x", False)]), lambda: other.open([(b"last", False)], signature)):
        with pytest.raises(Rejected) as caught:
            refuse()
        assert caught.value.reason is Reason.SEQUENCE_EXHAUSTED


def test_order_and_forgery() -> None:
    """MS-NLMP 3.4.4: a wrong counter changes nothing; a forgery that drew from the stream ends the receiving side."""
    ours, theirs = exchange()
    mine, yours = Protection(ours.session, Role.INITIATOR), Protection(theirs.session, Role.ACCEPTOR)
    first, second = mine.seal(b"first"), mine.seal(b"second")
    for message, reason in (
        (second, Reason.OUT_OF_SEQUENCE),
        ((b"", b""), Reason.SIGNATURE_MISMATCH),
        ((first[0], b"\2" + first[1][1:]), Reason.SIGNATURE_MISMATCH),
    ):
        with pytest.raises(Rejected) as caught:
            yours.unseal(*message)
        assert caught.value.reason is reason
    assert yours.unseal(*first) == b"first"
    for expected in (Reason.SIGNATURE_MISMATCH, Reason.STREAM_BROKEN):
        with pytest.raises(Rejected) as caught:
            yours.unseal(b"sec0nd", second[1])
        assert caught.value.reason is expected
    mine.verify(b"the other direction", yours.sign(b"the other direction"))


def test_secrets_have_no_repr() -> None:
    ours, _ = exchange()
    for value in (ours, ours.session, ALICE, Protection(ours.session, Role.INITIATOR)):
        assert repr(value) == f"<{type(value).__name__}>"


def test_only_the_legal_moves() -> None:
    """Each table has its moves and no other; the diagram is drawn from it."""
    assert diagram().count("-->") == len(CONNECTION) + 2
    for table in (CONNECTION, DATAGRAM):
        for state, message in product(State, Message):
            if (state, message) in table:
                assert advance(table, state, message) is table[state, message]
                continue
            with pytest.raises(Rejected) as caught:
                advance(table, state, message)
            assert caught.value.reason is Reason.UNEXPECTED_MESSAGE


def test_identify() -> None:
    """MS-NLMP 2.2.2.5 Q: both sides know that the acceptor may look and not act."""
    ours, theirs = exchange(initiator=Initiator(request=DEFAULT_REQUEST | f.IDENTIFY))
    assert ours.session.identify and theirs.session.identify
    assert not exchange()[1].session.identify
