"""The acceptor (RFC 5802 section 5, the server). `initiator` is its mirror.

What is verified is what was received, never a re-encoding of it. The order at the end is the channel binding, the
nonce, the proof: the first two say nothing about the user, and an unknown user, challenged with `Verifier.decoy`,
fails at the third like a wrong password.
"""

import hmac
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from .errors import Fault, Reason, Rejected
from .mechanism import SCRAM_SHA_256, Mechanism
from .messages import ClientFinal, ClientFirst, encode_base64
from .transitions import Message, State, advance, classify
from .values import BindingPolicy, ChannelBinding, Done, Sealed, check_own_nonce
from .verifier import Verifier


class Acceptor(msgspec.Struct, frozen=True):
    """The beginning of the acceptor's side."""

    state: ClassVar[State] = State.INITIAL
    mechanism: Mechanism = SCRAM_SHA_256

    def start(self, client_first: bytes, nonce: bytes) -> "ClientFirstReceived":
        """Reads the client-first-message. `nonce` is fresh, 16 to 256 printable bytes. Raises Rejected."""
        check_own_nonce(nonce)
        advance(self.state, classify(client_first))
        first = ClientFirst.parse(client_first)
        if first.nonce == nonce:
            raise Rejected(Reason.NONCE_MISMATCH, "the two nonces are the same: ours was not fresh", Fault.CALLER)
        return ClientFirstReceived(self.mechanism, first, nonce)


class ClientFirstReceived(Sealed, frozen=True):
    """We know who wants in; the challenge is ours to make."""

    state: ClassVar[State] = State.OPENED
    mechanism: Mechanism
    first: ClientFirst
    nonce: bytes

    @property
    def username(self) -> str:
        """Prepared by SASLprep, and no more than claimed."""
        return self.first.username

    @property
    def wants_binding(self) -> str | None:
        """The channel binding type that the initiator says it uses."""
        return self.first.binding_name

    def challenge(self, verifier: Verifier) -> "tuple[Challenged, bytes]":
        """The server-first-message. For an unknown user, `verifier` is a decoy."""
        if verifier.mechanism != self.mechanism:
            raise Rejected(Reason.BAD_ARGUMENT, "the verifier is of another mechanism", Fault.CALLER)
        advance(self.state, Message.SERVER_FIRST)
        nonce = self.first.nonce + self.nonce
        server_first = b"r=%b,s=%b,i=%d" % (nonce, encode_base64(verifier.salt), verifier.iterations)
        return Challenged(self.first, server_first, nonce, verifier), server_first


class Challenged(Sealed, frozen=True):
    """The initiator's proof is due. One try: a second one on the same challenge would be a free guess."""

    state: ClassVar[State] = State.CHALLENGED
    first: ClientFirst
    server_first: bytes
    nonce: bytes
    verifier: Verifier

    def bound(self, client_final: bytes) -> ChannelBinding | None:
        """What the initiator says that it is bound to; not before `receive` has accepted it as expected is that proved.

        For acceptors that take a channel which they do not see, or only want to know. None: nothing. Raises Rejected.
        """
        advance(self.state, classify(client_final))
        final = ClientFinal.parse(client_final, self.verifier.mechanism.size)
        name, header = self.first.binding_name, self.first.gs2_header
        if name is None or not final.channel_binding.startswith(header):
            return None
        return ChannelBinding(name, final.channel_binding[len(header) :])

    def receive(
        self, client_final: bytes, *, expected: Sequence[ChannelBinding] | None, policy: BindingPolicy
    ) -> tuple[Done, bytes]:
        """The end and the server-final-message.

        `expected` are the bindings of our own channel, one per type; None or empty if it has none. Raises Rejected;
        `error` of its reason is what the initiator may be told.
        """
        state = advance(self.state, classify(client_final))
        mechanism = self.verifier.mechanism
        final = ClientFinal.parse(client_final, mechanism.size)
        channel = self.first.gs2_header + _binding_data(self.first, expected or (), policy)
        if not hmac.compare_digest(final.channel_binding, channel):
            raise Rejected(Reason.BINDING_MISMATCH, "RFC 5802 section 5.1: c= is gs2-header and channel binding data")
        if not hmac.compare_digest(final.nonce, self.nonce):
            raise Rejected(Reason.NONCE_MISMATCH, "RFC 5802 section 5.1: r= is the nonce of the challenge")

        auth_message = b"%b,%b,%b" % (self.first.bare, self.server_first, final.without_proof)
        stored_key = self.verifier.stored_key
        client_key = mechanism.xor(final.proof, mechanism.hmac(stored_key, auth_message))
        if not hmac.compare_digest(mechanism.hash(client_key), stored_key):
            raise Rejected(Reason.PROOF_MISMATCH, "RFC 5802 section 3: ClientProof")
        advance(state, Message.SERVER_FINAL)
        signature = mechanism.hmac(self.verifier.server_key, auth_message)
        session_key = mechanism.session_key(stored_key, client_key, auth_message)
        return Done(self.first.username, session_key, self.first.binding_name), b"v=" + encode_base64(signature)


def error(reason: Reason) -> bytes:
    """The server-final-message of a refusal.

    Of the RFC 5802 ``server-error-value``s two are used: a wrong proof, which any stranger knows that he sent, and
    everything else. The reason itself belongs to the audit record.
    """
    return b"e=invalid-proof" if reason is Reason.PROOF_MISMATCH else b"e=other-error"


def _binding_data(first: ClientFirst, expected: Sequence[ChannelBinding], policy: BindingPolicy) -> bytes:
    """RFC 5802 section 6: what the flag of the initiator and our policy make of each other."""
    if first.binding_name is not None:
        known = () if policy is BindingPolicy.NEVER else expected
        for binding in known:
            if binding.name == first.binding_name:
                return binding.data
        raise Rejected(Reason.BINDING_UNSUPPORTED, "RFC 5802 section 6: a binding that we do not support")
    if first.could_bind and expected and policy is not BindingPolicy.NEVER:
        raise Rejected(Reason.DOWNGRADE, "RFC 5802 section 6: the initiator was told that we cannot bind")
    if policy is BindingPolicy.REQUIRE:
        raise Rejected(Reason.BINDING_REQUIRED, "this acceptor requires channel binding")
    return b""
