"""What is fuzzed of NTLM: functions of bytes that return where all is well, and raise where a promise is broken.

The promises: whatever comes, nothing but a `Rejected` with a reason that is the peer's fault comes back, quickly; what
was read can be written, and then reads the same; nobody gets in without the proof; whoever knows the secret and writes
what he likes gets in only by the rules. `tools.fuzz` draws the bytes with coverage, `test_corpus` replays those kept.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Final

from tests.protocols.ntlm_pair import ALICE, ENTROPY, INFO, NONCE, NOW, WEAK

from secpkg.protocols.ntlm import (
    Acceptor,
    AcceptorPolicy,
    Authenticate,
    AvPairs,
    BindingPolicy,
    Challenge,
    Challenged,
    Channel,
    Done,
    Fault,
    Initiator,
    MicPolicy,
    Negotiate,
    NegotiateSent,
    NtlmV2Response,
    Presented,
    Protection,
    Reason,
    Rejected,
    Role,
    Session,
)
from secpkg.protocols.ntlm import flags as f
from secpkg.protocols.ntlm.authenticate import build, with_mic
from secpkg.protocols.ntlm.bindings import NO_BINDINGS
from secpkg.protocols.ntlm.hashes import mic, nt_proof, ntowf_v2, rc4k, session_base_key
from secpkg.protocols.ntlm.responses import encode_temp

LENIENT: Final = AcceptorPolicy(
    strength=WEAK, mic=MicPolicy.WHEN_PROMISED, bindings=BindingPolicy.NEVER, echo=False, ntlm_v1=True, anonymous=True
)
CHANNEL: Final = Channel((bytes(range(16)),), frozenset({"HTTP/server.example.com"}))


class Broken(Exception):
    """A promise was not kept. (Not an assertion: nothing here is to be switched off.)"""


def need(holds: bool, promise: str) -> None:
    if not holds:
        raise Broken(promise)


def named(rejected: Rejected) -> None:
    """The peer's fault, by a name that is for peers."""
    need(rejected.fault is Fault.PEER and rejected.reason is not Reason.BAD_ARGUMENT, f"the peer's fault: {rejected}")


def opened(policy: AcceptorPolicy = LENIENT, nonce: bytes = NONCE) -> tuple[bytes, Challenged, bytes]:
    _, negotiate = Initiator().start()
    state, challenge = Acceptor(target=INFO, policy=policy).start(negotiate, server_challenge=nonce, now=NOW)
    return negotiate, state, challenge


def negotiate(data: bytes) -> None:
    """An acceptor's first message."""
    try:
        read = Negotiate.parse(data)
    except Rejected as rejected:
        return named(rejected)
    again = Negotiate.parse(read.build())
    need((again.domain, again.workstation) == (read.domain, read.workstation), "names are written as they were read")
    try:
        state, token = Acceptor(target=INFO, policy=LENIENT).start(data, server_challenge=NONCE, now=NOW)
    except Rejected as rejected:
        return named(rejected)
    offered = Challenge.parse(token).flags
    need(state.challenge_token == token, "what was sent is what is remembered")
    ours = f.TARGET_INFO | f.TARGET_TYPE_SERVER | f.TARGET_TYPE_DOMAIN
    need(not offered & ~(read.flags | ours), "no flag is granted that was not asked for")
    return None


def challenge(data: bytes) -> None:
    """An initiator's answer to whatever an acceptor says."""
    for initiator in (Initiator(), Initiator(strength=WEAK)):
        sent, _ = initiator.start()
        _answered(sent, data, initiator.request)
    _answered(Initiator(strength=WEAK).start_datagram(), data, Initiator().request | f.DATAGRAM)


def _answered(sent: NegotiateSent, data: bytes, asked: int) -> None:
    try:
        done, token = sent.receive(data, ALICE, entropy=ENTROPY, now=NOW)
    except Rejected as rejected:
        return named(rejected)
    message = Authenticate.parse(token)
    need(message.user == ALICE.user and message.domain == ALICE.domain, "the initiator says who it is")
    need(
        not message.flags & ~(asked | f.TARGET_INFO | f.VERSION | f.SIGN), "no flag is agreed on that was not asked for"
    )
    response = NtlmV2Response.parse(message.nt_response)
    need(
        bool((response.pairs.flags or 0) & 2) is (message.mic is not None) is done.mic, "a MIC is where it is promised"
    )
    theirs = Challenge.parse(data).target_info
    need((theirs is not None and theirs.timestamp is not None) is done.mic, "a MIC for everybody who sends a time")
    return None


def authenticate(data: bytes) -> None:
    """An acceptor's last message, from one who does not know the secret; what he has seen answers another nonce."""
    try:
        _, state, _ = opened(nonce=bytes(8))
        received = state.receive(data)
    except Rejected as rejected:
        return named(rejected)
    if isinstance(received, Done):
        need(received.anonymous and not received.session.flags & f.PROTECTION, "nobody has no session security")
        return None
    try:
        received.verify(ALICE.nt_hash, now=NOW)
    except Rejected as rejected:
        return named(rejected)
    raise Broken("nobody gets in without the proof")


def pairs(data: bytes) -> None:
    """AV pairs, and what begins like a list that is known."""
    known = INFO.encode(NOW)
    try:
        read = AvPairs.parse(data)
    except Rejected as rejected:
        named(rejected)
    else:
        need(bytes(read.raw) == data[: len(read.raw)], "a list is its own bytes")
        again = AvPairs.build(read.items)
        need(again.items == read.items and again.texts == read.texts, "a list is written as it was read")
    joined = bytes(known.raw[:-4]) + data
    results = []
    for hint in (None, known):
        try:
            read = AvPairs.parse(joined, hint)
            results.append((bytes(read.raw), dict(read.texts), read.flags, read.timestamp, read.single_host))
        except Rejected as rejected:
            named(rejected)
            results.append((rejected.reason,))  # type: ignore[arg-type]
    need(results[0] == results[1], "what is known changes nothing")


def insider(data: bytes) -> None:
    """Somebody who knows Alice's secret, and writes flags, names and AV pairs as he likes, under a proof that holds.

    The first bytes: choices (MIC, key, policy), four of flags; the rest are AV pairs.
    """
    if len(data) < 5:
        return None
    choices, rest = data[0], data[5:]
    flags = int.from_bytes(data[1:5], "little") & ~f.OEM | f.UNICODE
    policy = AcceptorPolicy() if choices & 8 else LENIENT
    sent, state, challenge_token = opened(policy)
    key = ntowf_v2(ALICE.nt_hash, ALICE.user, ALICE.domain)
    temp = encode_temp(NOW, ENTROPY[:8], bytes(INFO.encode(NOW).raw[:-4]) + rest if choices & 16 else rest)
    proof = nt_proof(key, NONCE, temp)
    base = session_base_key(key, proof)
    encrypted = ENTROPY[8:] if choices & 2 else b""
    used = rc4k(base, encrypted) if encrypted and flags & f.KEY_EXCH else base
    token = build(
        flags,
        domain=ALICE.domain,
        user=ALICE.user,
        workstation="",
        lm_response=bytes(24),
        nt_response=proof + temp,
        encrypted_session_key=encrypted,
        mic=bool(choices & 1),
    )
    if choices & 1:
        token = with_mic(token, bytes(16) if choices & 4 else mic(used, sent, challenge_token, token))
    try:
        presented = state.receive(token)
        need(isinstance(presented, Presented), "who names himself is not anonymous")
        assert isinstance(presented, Presented)
        done = presented.verify(ALICE.nt_hash, now=NOW, channel=CHANNEL)
    except Rejected as rejected:
        return named(rejected)
    return _rules(policy, done, presented, choices, used)


def _rules(policy: AcceptorPolicy, done: Done, presented: Presented, choices: int, used: bytes) -> None:
    """What must be so where an insider got in."""
    response = presented.response
    assert isinstance(response, NtlmV2Response)
    said, has_mic = response.pairs, bool(choices & 1) and not choices & 4
    need(hmac.compare_digest(done.session.exported_session_key, used), "both have the same key")
    need(done.mic is has_mic, "a MIC is counted where one holds")
    need(has_mic or not (said.flags or 0) & 2, "a promise is kept")
    policy.strength.check(done.session.flags)
    if policy.mic is MicPolicy.WHEN_ABLE:
        need(has_mic or (said.flags is None and not said.target_name), "who is able has a MIC")
    if policy.echo:
        sent = presented.challenged.challenge.target_info
        assert sent is not None
        theirs = dict(said.items)
        need(all(theirs.get(number) == value for number, value in sent.items), "our pairs come back")
    bound = said.channel_bindings not in (None, NO_BINDINGS)
    if policy.bindings is not BindingPolicy.NEVER:
        need(done.bound is bound, "a binding that is sent is ours")


def sealed(data: bytes) -> None:
    """A message of a finished session: garbage is refused, and spoils nothing that came before it."""
    if len(data) < 21:
        return None
    flags = int.from_bytes(data[:4], "little") & ~f.DATAGRAM | f.SIGN
    cut, signature, text = data[4], data[5:21], data[21:]
    if cut & 2:
        signature = b"\1\0\0\0" + signature[4:12] + b"\1\0\0\0"
    session = Session(flags, ENTROPY[:16])
    receiving = Protection(session, Role.ACCEPTOR)
    sending = Protection(session, Role.INITIATOR)
    first = sending.sign(b"first")
    receiving.verify(b"first", first)
    good = sending.sign(text)
    try:
        if flags & f.SEAL and cut & 1:
            receiving.unseal_parts(((text[: cut >> 2], True), (text[cut >> 2 :], False)), signature)
        else:
            receiving.verify(text, signature)
    except Rejected as rejected:
        named(rejected)
    else:
        need(signature == good or not flags & f.EXTENDED_SESSIONSECURITY, "no message is accepted by guess")
    return None


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    target.__name__: target for target in (negotiate, challenge, authenticate, pairs, insider, sealed)
}
