"""Datagrams: an example of a datagram package, a plain SSP that signs what may arrive twice, late or never.

Both peers have one secret, the password of their identities. A client signs at once, without a token (R228). A server
that meets a conversation which it does not know, or dropped, challenges it, and the client establishes its context
again, as often as that happens (R229)::

    server is given    the signature of a datagram of that conversation
    challenge          32 bytes
    answer             HMAC-SHA-256 over the challenge

Epoch 0 is signed with keys of the conversation alone; a challenge gives keys of epoch 1 and begins to count anew. A
signature is: the caller's sequence number, which arrives as it was given (R230), the number of the conversation, our
own number, the epoch, and an HMAC.
"""

from __future__ import annotations

import hmac
import struct

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secpkg.contract import (
    Acquired,
    AscRet,
    AuthIdentity,
    Call,
    Capability,
    Complete,
    ContextAttribute,
    ContextAttributes,
    ContextRequest,
    Continue,
    CredentialUse,
    IscReq,
    IscRet,
    Message,
    PackageInfo,
    Refused,
    SecBuffer,
    SecurityError,
    SessionKey,
    Sizes,
    Status,
    Step,
)
from secpkg.contract.flags import BufferFlag, BufferType
from secpkg.contract.security_provider import SecurityProvider

_HEAD = struct.Struct(">I16sQB")  # the caller's number, conversation, our number, epoch
_SIGNATURE = _HEAD.size + 32
_ID, _CHALLENGE = 16, 32
_WINDOW = 64
INFO = PackageInfo(
    name="Datagrams",
    capabilities=Capability.INTEGRITY | Capability.DATAGRAM,
    max_token=_CHALLENGE,
)
_GRANTED = "DATAGRAM", "INTEGRITY", "REPLAY_DETECT"
_INITIATOR, _ACCEPTOR = (sum(int(flags[name]) for name in _GRANTED) for flags in (IscRet, AscRet))


class Epoch:
    """Keys of both directions, the number of the next datagram, and which of the last ones were seen."""

    def __init__(self, context: Context, challenge: bytes) -> None:
        keys = HKDF(SHA256(), 96, context.conversation + challenge, b"secpkg Datagrams 1").derive(context.secret)
        self.ours, self.theirs = (keys[:32], keys[32:64]) if context.initiator else (keys[32:64], keys[:32])
        self.session_key = keys[64:]
        self.sent, self.highest, self.seen = 0, -1, 0

    def see(self, number: int) -> bool:
        """Whether this datagram is new: not seen, and not older than the window."""
        if number > self.highest:
            self.seen = (self.seen << min(number - self.highest, _WINDOW) | 1) & (1 << _WINDOW) - 1
            self.highest = number
            return True
        bit = 1 << self.highest - number
        if self.highest - number >= _WINDOW or self.seen & bit:
            return False
        self.seen |= bit
        return True


class Context:
    """A conversation. It signs in its newest epoch and verifies in every one that it has."""

    def __init__(self, initiator: bool, secret: bytes, conversation: bytes) -> None:
        self.initiator, self.secret, self.conversation = initiator, secret, conversation
        self.challenge = b""
        self.epochs = [Epoch(self, bytes(_CHALLENGE))]

    def answer(self, challenge: bytes) -> bytes:
        """What proves the secret to whoever sent the challenge."""
        return hmac.digest(self.secret, b"answer" + self.conversation + challenge, "sha256")

    def establish(self, challenge: bytes) -> None:
        """From now on the keys are those of this challenge: the same at both ends, whatever went before (R229)."""
        self.epochs = [self.epochs[0], Epoch(self, challenge)]


class Datagrams:
    """The SSPI functions."""

    def enumerate_security_packages(self) -> tuple[PackageInfo, ...]:
        return (INFO,)

    def acquire_credentials_handle(
        self, call: Call, package: str, principal: str | None, use: CredentialUse, authorization_data: object
    ) -> Acquired:
        """AcquireCredentialsHandle: an identity whose password is the secret."""
        if not isinstance(authorization_data, AuthIdentity) or not authorization_data.password:
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="no_secret")
        return Acquired(authorization_data.password.encode())

    def initialize_security_context(
        self, call: Call, credential: bytes, context: Context | None, request: ContextRequest
    ) -> Step:
        """InitializeSecurityContext: no token at first; then an answer for each challenge."""
        if context is None:
            if not request.requirements & IscReq.DATAGRAM:
                return Refused(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="datagram_semantics_only")
            return Complete(Context(True, credential, call.entropy(_ID)), attributes=_INITIATOR)
        if len(request.token) != _CHALLENGE:
            return Refused(Status.SEC_E_INVALID_TOKEN, reason="challenge_malformed")
        context.establish(request.token)
        return Complete(context, context.answer(request.token), attributes=_INITIATOR)

    def accept_security_context(
        self, call: Call, credential: bytes, context: Context | None, request: ContextRequest
    ) -> Step:
        """AcceptSecurityContext: a challenge for the conversation that a datagram names, then the client's answer."""
        if context is None or len(request.token) == _SIGNATURE:
            conversation = request.token[4 : 4 + _ID]
            if len(request.token) != _SIGNATURE or (context and context.conversation != conversation):
                return Refused(Status.SEC_E_INVALID_TOKEN, reason="not_a_datagram_of_the_conversation")
            context = context or Context(False, credential, conversation)
            context.challenge = call.entropy(_CHALLENGE)
            return Continue(context.challenge, context)
        challenge, context.challenge = context.challenge, b""
        if not challenge or not hmac.compare_digest(request.token, context.answer(challenge)):
            return Refused(Status.SEC_E_LOGON_DENIED, reason="answer_mismatch")
        context.establish(challenge)
        return Complete(context, attributes=_ACCEPTOR)

    def make_signature(
        self, context: Context, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        """MakeSignature."""
        if quality_of_protection:
            raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="quality_of_protection")
        token, data = _split(message)
        index = len(context.epochs) - 1
        epoch = context.epochs[index]
        head = _HEAD.pack(sequence_number, context.conversation, epoch.sent, index)
        epoch.sent += 1
        token.data = head + _mac(epoch.ours, head, data)

    def verify_signature(self, context: Context, message: Message, sequence_number: int) -> int:
        """VerifySignature: the caller's number is the first four bytes of the signature (R230)."""
        token, data = _split(message)
        if len(token.data) != _SIGNATURE:
            raise SecurityError(Status.SEC_E_MESSAGE_ALTERED, reason="signature_length")
        head, given = token.data[: _HEAD.size], token.data[_HEAD.size :]
        theirs, _, number, index = _HEAD.unpack(head)
        epoch = context.epochs[index] if index < len(context.epochs) else None
        if epoch is None or not hmac.compare_digest(given, _mac(epoch.theirs, head, data)):
            raise SecurityError(Status.SEC_E_MESSAGE_ALTERED, reason="signature_mismatch")
        if (sequence_number and theirs != sequence_number) or not epoch.see(number):
            raise SecurityError(Status.SEC_E_OUT_OF_SEQUENCE, reason="replayed_or_another_number")
        return 0

    def query_context_attributes(self, context: Context, attribute: int) -> ContextAttributes:
        if attribute == ContextAttribute.SIZES:
            return Sizes(INFO.max_token, _SIGNATURE, 1, 0)
        if attribute == ContextAttribute.SESSION_KEY:
            return SessionKey(context.epochs[-1].session_key)
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_offered")


def _split(message: Message) -> tuple[SecBuffer, list[SecBuffer]]:
    """The TOKEN buffer, and what is signed: not what is READONLY without a checksum (R212)."""
    tokens = [buffer for buffer in message if buffer.buffer_type == BufferType.TOKEN]
    data = [b for b in message if b.buffer_type == BufferType.DATA and not b.type & BufferFlag.READONLY]
    if len(tokens) != 1 or not data:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="not_one_token_and_data")
    return tokens[0], data


def _mac(key: bytes, head: bytes | bytearray | memoryview, data: list[SecBuffer]) -> bytes:
    mac = hmac.new(key, head, "sha256")
    for buffer in data:
        mac.update(buffer.data)
    return mac.digest()


def init_security_interface() -> SecurityProvider:
    return Datagrams()
