"""NTLM against truncation, flipped bits, moved fields, downgrade, replay, reflection and garbage."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.ntlm_pair import ALICE, ENTROPY, INFO, LEGS, NONCE, NOW, WEAK, exchange, recorded

from secpkg.protocols.ntlm import (
    Acceptor,
    AcceptorPolicy,
    Authenticate,
    AvId,
    AvPairs,
    Challenge,
    Channel,
    Credential,
    Done,
    Initiator,
    MicPolicy,
    Presented,
    Protection,
    Reason,
    Rejected,
    Role,
    Strength,
    Target,
)
from secpkg.protocols.ntlm import flags as f
from secpkg.protocols.ntlm.acceptor import Challenged
from secpkg.protocols.ntlm.authenticate import build
from secpkg.protocols.ntlm.av_pairs import encode_pairs
from secpkg.protocols.ntlm.hashes import mic, nt_proof, ntowf_v2, session_base_key
from secpkg.protocols.ntlm.responses import encode_temp

NAMED = set(Reason) - {Reason.BAD_ARGUMENT}


def replaced(leg: str, bad: bytes | Callable[[bytes], bytes], **options: object) -> Reason:
    """Why the exchange ends when one message is another."""

    def tamper(at: str, message: bytes) -> bytes:
        if at != leg:
            return message
        return bad if isinstance(bad, bytes) else bad(message)

    with pytest.raises(Rejected) as caught:
        exchange(tamper, **options)  # type: ignore[arg-type]
    return caught.value.reason


def flip(message: bytes, bit: int) -> bytes:
    changed = bytearray(message)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def set_flags(message: bytes, at: int, *, clear: int = 0, add: int = 0) -> bytes:
    flags = int.from_bytes(message[at : at + 4], "little") & ~clear | add
    return message[:at] + flags.to_bytes(4, "little") + message[at + 4 :]


FLAGS_AT = {"negotiate": 12, "challenge": 20, "authenticate": 60}


@pytest.mark.parametrize("leg", LEGS)
def test_every_prefix_is_refused(leg: str) -> None:
    whole = recorded()[leg]
    for size in range(len(whole)):
        assert replaced(leg, whole[:size]) in NAMED


@pytest.mark.parametrize("leg", LEGS)
def test_every_flipped_bit_is_refused(leg: str) -> None:
    """The MIC covers all three messages: there is no bit that a man in the middle may choose."""
    whole = recorded()[leg]
    for bit in range(len(whole) * 8):
        assert replaced(leg, flip(whole, bit)) in NAMED


def test_flipped_bits_without_a_mic_change_no_identity() -> None:
    """Where no MIC protects it the proof still holds user, domain, nonces and AV pairs."""
    policy = AcceptorPolicy(mic=MicPolicy.WHEN_PROMISED, echo=False)

    def no_time(leg: str, message: bytes) -> bytes:
        return message.replace(b"\x07\0\x08\0", b"\x77\0\x08\0") if leg == "challenge" else message

    whole: dict[str, bytes] = {}

    def watch(leg: str, message: bytes) -> bytes:
        whole[leg] = no_time(leg, message)
        return whole[leg]

    ours, _ = exchange(watch, policy=policy)
    message = whole["authenticate"]
    accepted = 0
    for bit in range(len(message) * 8):

        def tamper(leg: str, original: bytes, bit: int = bit) -> bytes:
            return flip(original, bit) if leg == "authenticate" else no_time(leg, original)

        try:
            _, theirs = exchange(tamper, policy=policy)
        except Rejected as rejected:
            assert rejected.reason in NAMED
            continue
        accepted += 1
        assert theirs.user.upper() == ours.user.upper()
        assert theirs.domain in (ours.domain, "")
        if theirs.session.exported_session_key == ours.session.exported_session_key:
            continue
        sealed = Protection(ours.session, Role.INITIATOR).seal(b"secret")
        with pytest.raises(Rejected):
            Protection(theirs.session, Role.ACCEPTOR).unseal(*sealed)
    assert accepted, "maximum lengths and the workstation are free"


@pytest.mark.parametrize("flag", [f.SIGN, f.SEAL, f.EXTENDED_SESSIONSECURITY, f.KEY_128, f.KEY_56, f.KEY_EXCH])
@pytest.mark.parametrize("leg", LEGS)
def test_downgrade_of_each_flag(leg: str, flag: int) -> None:
    """A flag that is taken away on the line is missed: by the strength of either side, else by the MIC."""

    def clear(message: bytes) -> bytes:
        return set_flags(message, FLAGS_AT[leg], clear=flag)

    strict = replaced(leg, clear)
    lenient = replaced(leg, clear, initiator=Initiator(strength=WEAK), policy=AcceptorPolicy(strength=WEAK))
    assert {strict, lenient} <= {
        Reason.INTEGRITY_MISSING,
        Reason.CONFIDENTIALITY_MISSING,
        Reason.EXTENDED_SESSION_SECURITY_MISSING,
        Reason.KEY_TOO_SHORT,
        Reason.MIC_MISMATCH,
    }
    assert lenient is Reason.MIC_MISMATCH


def test_lm_keys_and_datagram_cannot_be_slipped_in() -> None:
    weak = {"initiator": Initiator(strength=WEAK), "policy": AcceptorPolicy(strength=WEAK)}
    for leg in LEGS:
        found = replaced(leg, lambda m, leg=leg: set_flags(m, FLAGS_AT[leg], add=f.DATAGRAM), **weak)  # type: ignore[misc]
        assert found is Reason.DATAGRAM_MISMATCH
    lm = replaced("authenticate", lambda m: set_flags(m, 60, clear=f.EXTENDED_SESSIONSECURITY, add=f.LM_KEY), **weak)
    assert lm is Reason.LM_SESSION_KEY
    assert replaced("authenticate", lambda m: set_flags(m, 60, clear=f.NTLM)) is Reason.NTLM_MISSING


def answer(
    challenge: bytes,
    pairs: list[tuple[int, bytes]],
    *,
    negotiate: bytes = b"",
    has_mic: bool | None,
    timestamp: int = NOW,
) -> bytes:
    """An AUTHENTICATE_MESSAGE by somebody who knows Alice's hash and writes the AV pairs that he likes.

    It has a MIC, none, or (None) the space of one with something else in it.
    """
    key = ntowf_v2(ALICE.nt_hash, ALICE.user, ALICE.domain)
    temp = encode_temp(timestamp, ENTROPY[:8], encode_pairs(pairs))
    proof = nt_proof(key, NONCE, temp)
    flags = f.UNICODE | f.NTLM | f.SIGN | f.EXTENDED_SESSIONSECURITY | f.KEY_128
    token = build(
        flags,
        domain=ALICE.domain,
        user=ALICE.user,
        workstation="",
        lm_response=bytes(24),
        nt_response=proof + temp,
        mic=has_mic is not False,
    )
    if not has_mic:
        return token
    code = mic(session_base_key(key, proof), negotiate, challenge, token)
    return token[:72] + code + token[88:]


def waiting(policy: AcceptorPolicy) -> tuple[Challenged, bytes, bytes]:
    _, negotiate = Initiator().start()
    challenged, challenge = Acceptor(target=INFO, policy=policy).start(negotiate, server_challenge=NONCE, now=NOW)
    return challenged, negotiate, challenge


def judged(challenged: Challenged, token: bytes) -> Done:
    presented = challenged.receive(token)
    assert isinstance(presented, Presented)
    return presented.verify(ALICE.nt_hash, now=NOW, channel=Channel(names=frozenset({"HTTP/server"})))


PROMISE = (int(AvId.FLAGS), b"\2\0\0\0")
NO_PROMISE = (int(AvId.FLAGS), b"\0\0\0\0")
NAME = (int(AvId.TARGET_NAME), "HTTP/server".encode("utf-16-le"))


@pytest.mark.parametrize(
    ("policy", "pairs", "has_mic", "reason"),
    [
        (MicPolicy.WHEN_PROMISED, [PROMISE], False, Reason.MIC_MISSING),
        (MicPolicy.WHEN_PROMISED, [PROMISE], None, Reason.MIC_MISMATCH),
        (MicPolicy.WHEN_PROMISED, [PROMISE], True, None),
        (MicPolicy.WHEN_PROMISED, [], False, None),
        (MicPolicy.WHEN_PROMISED, [], None, None),
        (MicPolicy.WHEN_PROMISED, [NAME], False, None),
        (MicPolicy.WHEN_ABLE, [PROMISE], False, Reason.MIC_MISSING),
        (MicPolicy.WHEN_ABLE, [NO_PROMISE], False, Reason.MIC_MISSING),
        (MicPolicy.WHEN_ABLE, [NO_PROMISE], None, Reason.MIC_MISSING),
        (MicPolicy.WHEN_ABLE, [NO_PROMISE], True, None),
        (MicPolicy.WHEN_ABLE, [NAME], None, Reason.MIC_MISSING),
        (MicPolicy.WHEN_ABLE, [NAME], True, None),
        (MicPolicy.WHEN_ABLE, [], False, None),
        (MicPolicy.REQUIRE, [], False, Reason.MIC_MISSING),
        (MicPolicy.REQUIRE, [], None, Reason.MIC_MISSING),
        (MicPolicy.REQUIRE, [], True, None),
        (MicPolicy.REQUIRE, [PROMISE], True, None),
    ],
)
def test_mic_stripped(
    policy: MicPolicy, pairs: list[tuple[int, bytes]], has_mic: bool | None, reason: Reason | None
) -> None:
    """A promise under the proof must be kept, and a field of the right size is none; a MIC that holds is one."""
    challenged, negotiate, challenge = waiting(AcceptorPolicy(mic=policy, echo=False))
    token = answer(challenge, pairs, negotiate=negotiate, has_mic=has_mic)
    if reason is None:
        assert judged(challenged, token).mic is bool(has_mic)
        return
    with pytest.raises(Rejected) as caught:
        judged(challenged, token)
    assert caught.value.reason is reason


def test_mic_removed_on_the_line() -> None:
    """The 16 bytes cut out and every offset moved, as the real attack did; and the promise cut out as well."""

    def strip(message: bytes) -> bytes:
        moved = bytearray(message[:72] + message[88:])
        for at in range(16, 64, 8):
            moved[at : at + 4] = (int.from_bytes(moved[at : at + 4], "little") - 16).to_bytes(4, "little")
        return bytes(moved)

    assert replaced("authenticate", strip) is Reason.MIC_MISSING
    unpromised = replaced("authenticate", lambda m: strip(m).replace(b"\6\0\4\0\2\0\0\0", b"\6\0\4\0\0\0\0\0"))
    assert unpromised is Reason.PROOF_MISMATCH


def test_the_time_taken_from_the_challenge() -> None:
    """An initiator that sees no time makes no MIC; that its answer lacks the time is how the acceptor knows."""

    def take(message: bytes) -> bytes:
        return message.replace(b"\x07\0\x08\0", b"\x77\0\x08\0")

    assert replaced("challenge", take) is Reason.TARGET_INFO_MISMATCH
    lenient = AcceptorPolicy(echo=False)
    _, theirs = exchange(lambda leg, m: take(m) if leg == "challenge" else m, policy=lenient)
    assert not theirs.mic


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([(1, "OTHER".encode("utf-16-le"))], Reason.TARGET_INFO_MISMATCH),
        ([(2, "OTHER".encode("utf-16-le"))], Reason.TARGET_INFO_MISMATCH),
        ([(7, bytes(8))], Reason.TARGET_INFO_MISMATCH),
        ([(1, b"S\0"), (1, b"S\0")], Reason.AV_PAIR_DUPLICATE),
        ([PROMISE, NO_PROMISE], Reason.AV_PAIR_DUPLICATE),
        ([(9, b"\0\xd8")], Reason.TEXT_MALFORMED),
        ([(9, b"a\0\0\0")], Reason.TEXT_MALFORMED),
        ([(8, bytes(48))], Reason.AV_PAIR_LENGTH),
        ([(10, bytes(15))], Reason.AV_PAIR_LENGTH),
    ],
)
def test_bad_pairs_under_a_good_proof(pairs: list[tuple[int, bytes]], reason: Reason) -> None:
    """Who knows the hash may still not say what he likes: a relayed challenge shows in the names answered."""
    challenged, negotiate, challenge = waiting(AcceptorPolicy(mic=MicPolicy.WHEN_PROMISED, echo=False))
    with pytest.raises(Rejected) as caught:
        judged(challenged, answer(challenge, pairs, negotiate=negotiate, has_mic=False))
    assert caught.value.reason is reason


def test_initiator_drops_pairs_that_are_its_own_to_say() -> None:
    """An acceptor that plants a binding, a name, a host or a promise does not get them back under our proof."""
    planted = [
        (int(AvId.NB_DOMAIN_NAME), b"D\0"),
        (int(AvId.NB_COMPUTER_NAME), b"S\0"),
        (int(AvId.CHANNEL_BINDINGS), bytes(range(16))),
        (int(AvId.TARGET_NAME), "cifs/elsewhere".encode("utf-16-le")),
        PROMISE,
        (0x77, b"unknown"),
    ]
    _, negotiate = (sent := Initiator().start())
    flags = Challenge.parse(recorded()["challenge"]).flags
    challenge = Challenge(flags, NONCE, "S", AvPairs.build(planted)).build()
    _, token = sent[0].receive(challenge, ALICE, entropy=ENTROPY, now=NOW)
    assert negotiate
    answered = AvPairs.parse(Authenticate.parse(token).nt_response[44:])
    assert [number for number, _ in answered.items] == [AvId.NB_DOMAIN_NAME, AvId.NB_COMPUTER_NAME, 0x77]


def test_challenges_that_no_initiator_answers() -> None:
    """MS-NLMP 3.1.5.1.2."""
    good = Challenge.parse(recorded()["challenge"])
    one_name = AvPairs.build([(1, b"S\0")])
    for flags, pairs, reason in (
        (good.flags, None, Reason.TARGET_INFO_MISSING),
        (good.flags, one_name, Reason.TARGET_INFO_MISSING),
        (good.flags & ~f.KEY_128, good.target_info, Reason.KEY_TOO_SHORT),
        (good.flags & ~f.NTLM, good.target_info, Reason.NTLM_MISSING),
    ):
        challenge = Challenge(flags, NONCE, "S", pairs).build()
        assert replaced("challenge", challenge) is reason
    only_oem = Challenge(good.flags & ~f.UNICODE | f.OEM, NONCE, "S", good.target_info).build()
    request = Initiator(request=f.UNICODE | f.NTLM, strength=Strength())
    assert replaced("challenge", only_oem, initiator=request) is Reason.CHARACTER_SET_MISSING


def test_replay_to_another_challenge() -> None:
    old = recorded()
    assert replaced("authenticate", old["authenticate"], nonce=bytes(8)) is Reason.PROOF_MISMATCH
    assert replaced("authenticate", old["authenticate"], server_now=NOW + 1) is Reason.MIC_MISMATCH


def test_messages_in_the_wrong_place() -> None:
    """Reflection: what we sent comes back, or comes twice."""
    seen = recorded()
    for leg in LEGS:
        for other in LEGS:
            if other != leg:
                assert replaced(leg, seen[other]) is Reason.UNEXPECTED_MESSAGE


def test_reflection_through_our_own_machine() -> None:
    """Our challenge, relayed to our initiator by a stranger under another name, is answered for that name."""
    stranger = Target("HTTP/stranger")
    ours = Channel(names=frozenset({"HTTP/server"}))
    with pytest.raises(Rejected) as caught:
        exchange(target=stranger, channel=ours)
    assert caught.value.reason is Reason.TARGET_NAME_MISMATCH


def test_wrong_key_lengths() -> None:
    """Where a key is exchanged there is one; where none is, what stands in its place is not looked at."""
    assert replaced("authenticate", lambda m: m[:52] + b"\x0f\0" + m[54:]) is Reason.FIELD_LENGTH
    assert replaced("authenticate", lambda m: m[:52] + b"\0\0" + m[54:]) is Reason.FIELD_LENGTH
    bare = Initiator(request=f.UNICODE | f.NTLM | f.KEY_EXCH)
    ours, theirs = exchange(initiator=bare)
    assert ours.session.exported_session_key == theirs.session.exported_session_key


def test_anonymous_flag_beside_a_user() -> None:
    found = replaced("authenticate", lambda m: set_flags(m, 60, add=f.ANONYMOUS), policy=AcceptorPolicy(anonymous=True))
    assert found is Reason.MALFORMED


PIECES = [b"\0", b"\xff", b"\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\xd8", b"NTLMSSP\0", b"\x0a\0\x10\0"]


def mutated(chance: random.Random, message: bytes, others: list[bytes]) -> bytes:
    """Bytes changed, cut, doubled, overwritten, pointed elsewhere, and spliced from another message."""
    mutant = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        at, piece = chance.randrange(len(mutant)), chance.choice(PIECES)
        match chance.randrange(6):
            case 0:
                mutant[at : at + len(piece)] = piece
            case 1:
                mutant[at:at] = piece
            case 2:
                del mutant[at : at + chance.randint(1, 8)]
            case 3:
                mutant[at : at + 4] = chance.randrange(len(mutant) + 8).to_bytes(4, "little")
            case 4:
                mutant[at:] = chance.choice(others)[at:]
            case _:
                mutant[at] = chance.randrange(256)
        if not mutant:
            mutant += b"\0"
    return bytes(mutant)


@pytest.mark.slow
def test_a_hundred_thousand_mutants() -> None:
    """Whatever comes instead of one of the three messages, a named refusal comes back."""
    chance = random.Random(20_01)
    target = Target("HTTP/server")
    seen = recorded(target=target)
    refusals = set()
    tried = 0
    while tried < 100_000:
        leg = chance.choice(LEGS)
        mutant = mutated(chance, seen[leg], list(seen.values()))
        if mutant == seen[leg]:
            continue
        tried += 1
        try:
            exchange(lambda at, message, leg=leg, mutant=mutant: mutant if at == leg else message, target=target)  # type: ignore[misc]
        except Rejected as rejected:
            refusals.add(rejected.reason)
        else:
            raise AssertionError(f"accepted: {leg} {mutant.hex()}")
    assert refusals <= NAMED
    assert len(refusals) > 15


@pytest.mark.slow
def test_mutants_where_there_is_no_mic() -> None:
    """An acceptor that asks for little, and a client that makes no MIC: what is accepted is Alice, and only Alice."""
    chance = random.Random(20_02)
    policy = AcceptorPolicy(strength=WEAK, mic=MicPolicy.WHEN_PROMISED, echo=False, max_skew=None)
    challenged, _, challenge = waiting(policy)
    good = answer(challenge, [NAME], has_mic=False)
    accepted = 0
    for _ in range(20_000):
        mutant = mutated(chance, good, [challenge])
        try:
            done = judged(challenged, mutant)
        except Rejected as rejected:
            assert rejected.reason in NAMED
            continue
        accepted += 1
        assert (done.user.upper(), done.domain) in (("ALICE", "EXAMPLE"), ("ALICE", ""))
        assert not done.session.flags & f.LM_KEY or done.session.flags & f.EXTENDED_SESSIONSECURITY
    assert accepted, "maximum lengths and flags are free"


@given(st.binary(max_size=300), st.sampled_from(LEGS))
def test_garbage_is_refused(garbage: bytes, leg: str) -> None:
    number = LEGS.index(leg) + 1
    assert replaced(leg, garbage) in NAMED
    assert replaced(leg, b"NTLMSSP\0" + bytes([number, 0, 0, 0]) + garbage) in NAMED


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_hostile_unicode(user: str, domain: str, workstation: str) -> None:
    """Names arrive as they were sent, or are refused before anything is sent."""
    try:
        credential = Credential(user, domain, ALICE.nt_hash)
        _, theirs = exchange(initiator=Initiator(workstation=workstation), credential=credential)
    except Rejected as rejected:
        assert rejected.reason in (Reason.TEXT_MALFORMED, Reason.BAD_ARGUMENT)
        return
    assert (theirs.user, theirs.domain, theirs.workstation) == (user, domain, workstation)


@given(st.binary(max_size=60))
def test_hostile_av_pairs(data: bytes) -> None:
    try:
        pairs = AvPairs.parse(data)
    except Rejected as rejected:
        assert rejected.reason in NAMED
    else:
        assert bytes(pairs.raw) == data[: len(pairs.raw)]
        assert bytes(encode_pairs(pairs.items)) == bytes(pairs.raw)


def test_a_token_that_changes_after_it_was_read() -> None:
    """What is verified is what was read: the acceptor keeps no view of the caller's buffer."""
    challenged, negotiate, challenge = waiting(AcceptorPolicy(echo=False))
    token = bytearray(answer(challenge, [PROMISE], negotiate=negotiate, has_mic=True))
    presented = challenged.receive(memoryview(token))
    assert isinstance(presented, Presented)
    token[:] = bytes(len(token))
    assert presented.verify(ALICE.nt_hash, now=NOW).user == "Alice"


def test_rejections_hold_nothing_of_the_exchange() -> None:
    with pytest.raises(Rejected) as caught:
        exchange(credential=Credential.from_password("mallory", "EXAMPLE", "guess"))
    assert "mallory" not in str(caught.value)
    assert caught.value.rule.startswith("MS-NLMP 3.3.2")
