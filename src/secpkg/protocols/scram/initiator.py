"""The initiator (RFC 5802 section 5, the client). `acceptor` is its mirror.

Each state is a value of its own that owns what is true in it, and its one method leads to the next. A state is for one
use; its machine cannot know whether the caller kept a copy.
"""

import hmac
from collections.abc import Callable
from typing import ClassVar

import msgspec

from .errors import Fault, Reason, Rejected
from .mechanism import SCRAM_SHA_256, Mechanism
from .messages import MAX_USERNAME, ServerFirst, encode_base64, escape, parse_server_final, server_error
from .saslprep import prepare
from .transitions import Message, State, advance, classify
from .values import MAX_NONCE, ChannelBinding, Done, Sealed, check_own_nonce
from .verifier import check_salted


class Initiator(msgspec.Struct, frozen=True):
    """The beginning of the initiator's side."""

    state: ClassVar[State] = State.INITIAL
    mechanism: Mechanism = SCRAM_SHA_256

    def start(
        self, username: str, nonce: bytes, binding: ChannelBinding | None = None, *, supports_binding: bool = False
    ) -> "tuple[ClientFirstSent, bytes]":
        """The client-first-message.

        `nonce` is fresh, 16 to 256 printable bytes (`printable_nonce`). With `binding` it is used (``p=``); without,
        `supports_binding` says that we could have and believe that the acceptor cannot (``y``), which lets the
        acceptor notice a downgrade. Raises Rejected, the caller's fault.
        """
        check_own_nonce(nonce)
        name = prepare(
            username, stored=False, reason=Reason.USERNAME_PROHIBITED, fault=Fault.CALLER, max_bytes=MAX_USERNAME
        )
        if binding is None:
            header, data, binding_name = b"y,," if supports_binding else b"n,,", b"", None
        else:
            header, data, binding_name = b"p=%b,," % binding.name.encode("ascii"), binding.data, binding.name
        channel = encode_base64(header + data)
        bare = b"n=%b,r=%b" % (escape(name), nonce)
        advance(self.state, Message.CLIENT_FIRST)
        sent = ClientFirstSent(self.mechanism, name.decode(), nonce, bare, channel, binding_name)
        return sent, header + bare


class ClientFirstSent(Sealed, frozen=True):
    """The acceptor's challenge is due."""

    state: ClassVar[State] = State.OPENED
    mechanism: Mechanism
    username: str
    nonce: bytes
    bare: bytes
    channel: bytes
    binding_name: str | None

    def receive(self, server_first: bytes, key: Callable[[bytes, int], bytes]) -> "tuple[ClientFinalSent, bytes]":
        """The client-final-message.

        `key(salt, iterations)` gives the SaltedPassword (`salted_password`, or a cache of it); it is not asked before
        the challenge has passed every check. Raises Rejected.
        """
        state = advance(self.state, classify(server_first))
        if state is State.FAILED:
            raise server_error(server_first)
        challenge = ServerFirst.parse(server_first)
        theirs = challenge.nonce.removeprefix(self.nonce)
        if theirs == challenge.nonce or not theirs:
            raise Rejected(Reason.NONCE_MISMATCH, "RFC 5802 section 5.1: our nonce and more after it")
        if theirs == self.nonce:
            raise Rejected(Reason.NONCE_MISMATCH, "our own nonce came back as the acceptor's")
        if len(theirs) > MAX_NONCE:
            raise Rejected(Reason.TOO_LONG, "each side's nonce is at most 256 bytes")
        advance(state, Message.CLIENT_FINAL)

        mechanism = self.mechanism
        salted = key(challenge.salt, challenge.iterations)
        check_salted(salted, mechanism)
        without_proof = b"c=%b,r=%b" % (self.channel, challenge.nonce)
        auth_message = b"%b,%b,%b" % (self.bare, server_first, without_proof)
        client_key = mechanism.client_key(salted)
        stored_key = mechanism.hash(client_key)
        proof = mechanism.xor(client_key, mechanism.hmac(stored_key, auth_message))
        sent = ClientFinalSent(
            self.username,
            mechanism.hmac(mechanism.server_key(salted), auth_message),
            mechanism.session_key(stored_key, client_key, auth_message),
            self.binding_name,
        )
        return sent, b"%b,p=%b" % (without_proof, encode_base64(proof))


class ClientFinalSent(Sealed, frozen=True):
    """The acceptor's own proof is due; until it has come nothing is handed out."""

    state: ClassVar[State] = State.PROVED
    username: str
    server_signature: bytes
    session_key: bytes
    binding_name: str | None

    def receive(self, server_final: bytes) -> Done:
        """The end. Raises Rejected: SERVER_SIGNATURE_MISMATCH, SERVER_ERROR, and what a bad message gives."""
        state = advance(self.state, classify(server_final))
        if state is State.FAILED:
            raise server_error(server_final)
        signature = parse_server_final(server_final, len(self.server_signature))
        if not hmac.compare_digest(signature, self.server_signature):
            raise Rejected(Reason.SERVER_SIGNATURE_MISMATCH, "RFC 5802 section 3: ServerSignature")
        return Done(self.username, self.session_key, self.binding_name)
