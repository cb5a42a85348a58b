"""NTLM in every order: many initiators and acceptors at once, and an enemy who hands any message to anybody, as often
as he likes. Who gets in is who answered that very challenge with the right secret, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.protocols.ntlm_pair import ALICE, INFO, NOW, WEAK

from secpkg.protocols.ntlm import (
    Acceptor,
    AcceptorPolicy,
    Challenged,
    Credential,
    Done,
    Initiator,
    NegotiateSent,
    Presented,
    Protection,
    Reason,
    Rejected,
    Role,
    classify,
)
from secpkg.protocols.ntlm import flags as f
from secpkg.protocols.ntlm.transitions import Message

GUESS: Final = Credential.from_password("Alice", "EXAMPLE", "guess")
POLICY: Final = AcceptorPolicy(strength=WEAK)
REQUESTS: Final = tuple(
    Initiator(request=Initiator().request & ~left, strength=WEAK) for left in (0, f.SEAL, f.KEY_EXCH)
)
NUMBER: Final = st.integers(0, 63)
DENIED: Final = {Reason.PROOF_MISMATCH, Reason.MIC_MISMATCH}


@dataclass(frozen=True)
class Offer:
    """An initiator that waits, and what it sent."""

    state: NegotiateSent
    negotiate: bytes


@dataclass(frozen=True)
class Wait:
    """An acceptor that waits, what it got and what it sent."""

    state: Challenged
    negotiate: bytes
    challenge: bytes


@dataclass(frozen=True)
class Answer:
    """What an initiator answered to which challenge, and whether it knew the secret."""

    token: bytes
    negotiate: bytes
    challenge: bytes
    knows: bool
    done: Done


class Line:
    """What one side of a finished pair sends and the other receives."""

    def __init__(self, ours: Done, theirs: Done) -> None:
        self.session = theirs.session
        self.sender = Protection(ours.session, Role.INITIATOR)
        self.receiver = Protection(theirs.session, Role.ACCEPTOR)
        self.sent: list[tuple[bytes, bytes]] = []
        self.received = 0


class Conversations(RuleBasedStateMachine):
    """The lists are what the enemy holds; nothing that he uses is used up. Numbers choose from them, modulo."""

    def __init__(self) -> None:
        super().__init__()
        self.chance = 0
        self.offers: list[Offer] = []
        self.waits: list[Wait] = []
        self.answers: list[Answer] = []
        self.lines: list[Line] = []
        for number in range(2):
            self.initiator_begins(REQUESTS[number])
            self.acceptor_begins(-1)
            self.initiator_answers(number, -1, knows=True)
            self.acceptor_judges(number, number)

    def entropy(self, size: int) -> bytes:
        """Never the same twice."""
        self.chance += 1
        return self.chance.to_bytes(size, "big")

    @property
    def tokens(self) -> list[bytes]:
        """Everything that has passed; what came last is near the end."""
        answers, waits = [a.token for a in self.answers], [w.challenge for w in self.waits]
        return [*answers, *waits, *[offer.negotiate for offer in self.offers]]

    @rule(initiator=st.sampled_from(REQUESTS))
    def initiator_begins(self, initiator: Initiator) -> None:
        state, token = initiator.start()
        assert classify(token) is Message.NEGOTIATE
        self.offers.append(Offer(state, token))

    @rule(token=NUMBER)
    def acceptor_begins(self, token: int) -> None:
        given = self.tokens[token % len(self.tokens)]
        acceptor = Acceptor(target=INFO, policy=POLICY)
        try:
            state, challenge = acceptor.start(given, server_challenge=self.entropy(8), now=NOW)
        except Rejected as rejected:
            assert rejected.reason is Reason.UNEXPECTED_MESSAGE
            assert classify(given) is not Message.NEGOTIATE
            return
        assert classify(given) is Message.NEGOTIATE
        self.waits.append(Wait(state, given, challenge))

    @rule(offer=NUMBER, wait=NUMBER, knows=st.booleans())
    def initiator_answers(self, offer: int, wait: int, knows: bool) -> None:
        """Any challenge, its own acceptor's or another's; also twice: the state cannot know."""
        asking, given = self.offers[offer % len(self.offers)], self.waits[wait % len(self.waits)].challenge
        credential = ALICE if knows else GUESS
        done, token = asking.state.receive(given, credential, entropy=self.entropy(24), now=NOW)
        self.answers.append(Answer(token, asking.negotiate, given, knows, done))

    @rule(offer=NUMBER, token=NUMBER)
    def initiator_is_given_anything(self, offer: int, token: int) -> None:
        given = self.tokens[token % len(self.tokens)]
        try:
            self.offers[offer % len(self.offers)].state.receive(given, ALICE, entropy=self.entropy(24), now=NOW)
        except Rejected as rejected:
            assert rejected.reason is Reason.UNEXPECTED_MESSAGE
            assert classify(given) is not Message.CHALLENGE
            return
        assert classify(given) is Message.CHALLENGE

    @rule(wait=NUMBER, token=NUMBER)
    def acceptor_is_given_anything(self, wait: int, token: int) -> None:
        given = self.tokens[token % len(self.tokens)]
        try:
            self.waits[wait % len(self.waits)].state.receive(given)
        except Rejected as rejected:
            assert rejected.reason is Reason.UNEXPECTED_MESSAGE
            assert classify(given) is not Message.AUTHENTICATE
            return
        assert classify(given) is Message.AUTHENTICATE

    @rule(wait=NUMBER, answer=NUMBER)
    def acceptor_judges(self, wait: int, answer: int) -> None:
        """Relayed, replayed and crossed answers are refused; the one to this challenge is accepted, if it is right."""
        waiting, given = self.waits[wait % len(self.waits)], self.answers[answer % len(self.answers)]
        presented = waiting.state.receive(given.token)
        assert isinstance(presented, Presented)
        passed = (given.negotiate, given.challenge) == (waiting.negotiate, waiting.challenge)
        try:
            done = presented.verify(ALICE.nt_hash, now=NOW)
        except Rejected as rejected:
            assert rejected.reason in DENIED
            assert not (passed and given.knows)
            event(f"refused: {rejected.reason}")
            return
        assert passed
        assert given.knows
        assert done.mic
        assert (done.user, done.domain) == (ALICE.user, ALICE.domain)
        assert done.session.flags == given.done.session.flags
        assert done.session.exported_session_key == given.done.session.exported_session_key
        self.lines.append(Line(given.done, done))
        event("accepted")

    @rule(line=NUMBER, text=st.binary(max_size=40))
    def message_is_sent(self, line: int, text: bytes) -> None:
        chosen = self.lines[line % len(self.lines)]
        chosen.sent.append((text, chosen.sender.sign(text)))

    @rule(line=NUMBER, at=NUMBER)
    def message_arrives(self, line: int, at: int) -> None:
        """In turn it holds; early or again it does not, and spoils nothing."""
        chosen = self.lines[line % len(self.lines)]
        if not chosen.sent:
            return
        at %= len(chosen.sent)
        try:
            chosen.receiver.verify(*chosen.sent[at])
        except Rejected as rejected:
            assert rejected.reason is Reason.OUT_OF_SEQUENCE
            assert at != chosen.received
            event("out of turn")
            return
        assert at == chosen.received
        chosen.received += 1
        event("in turn")

    @rule(line=NUMBER, other=NUMBER)
    def first_message_of_another_session(self, line: int, other: int) -> None:
        """Each handshake has keys of its own, be it between the same two."""
        ours, theirs = self.lines[line % len(self.lines)], self.lines[other % len(self.lines)]
        if ours.session.exported_session_key == theirs.session.exported_session_key or not theirs.sent:
            return
        with pytest.raises(Rejected) as caught:
            Protection(ours.session, Role.ACCEPTOR).verify(*theirs.sent[0])
        assert caught.value.reason is Reason.SIGNATURE_MISMATCH
        event("another session's")


Conversations.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
TestConversations = Conversations.TestCase
