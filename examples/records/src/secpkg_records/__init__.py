"""Records: an example of a stream package, a plain SSP. It frames what it sends, so that it runs over bare bytes.

Both peers have one secret, the password of their identities. Handshake tokens and messages are records::

    kind, length of the rest (2 bytes) | rest
    1 nonce    2 nonce, proof of the acceptor    3 proof of the initiator    4 sealed data    5 a sealed goodbye

A record that is not whole is SEC_E_INCOMPLETE_MESSAGE with the number of bytes that are MISSING, and changes nothing
(R226); what follows a record comes back as EXTRA, untouched (R225).
"""

from __future__ import annotations

import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secpkg.contract import (
    Acquired,
    AscRet,
    AuthIdentity,
    Buffer,
    Call,
    Capability,
    Complete,
    ContextAttribute,
    ContextAttributes,
    ContextRequest,
    Continue,
    CredentialUse,
    IscRet,
    Message,
    NeedMore,
    PackageInfo,
    Refused,
    SecurityError,
    Status,
    Step,
)
from secpkg.contract.attributes import StreamSizes
from secpkg.contract.flags import BufferType
from secpkg.contract.security_provider import SecurityProvider

_HEAD = struct.Struct(">BH")
_TAG, _PROOF, _NONCE, _DATA, _GOODBYE, MAXIMUM = 16, 32, 32, 4, 5, 16_384
INFO = PackageInfo(
    name="Records",
    capabilities=Capability.INTEGRITY | Capability.PRIVACY | Capability.STREAM | Capability.MUTUAL_AUTH,
    max_token=_HEAD.size + _NONCE + _PROOF,
)
_GRANTED = "STREAM", "CONFIDENTIALITY", "INTEGRITY", "SEQUENCE_DETECT", "REPLAY_DETECT", "MUTUAL_AUTH"
_INITIATOR, _ACCEPTOR = (sum(int(flags[name]) for name in _GRANTED) for flags in (IscRet, AscRet))


class Context:
    """A conversation: ``transcript`` while the keys are being agreed upon, ciphers and counters afterwards."""

    def __init__(self, initiator: bool, secret: bytes, transcript: bytes) -> None:
        self.initiator, self.secret, self.transcript = initiator, secret, transcript
        self.expected, self.closing = b"", False
        self.sent = self.received = 0

    def derive(self, nonce: bytes) -> tuple[bytes, bytes]:
        """Keys of both directions; the proofs of initiator and acceptor."""
        keys = HKDF(SHA256(), 128, self.transcript + nonce, b"secpkg Records 1").derive(self.secret)
        ours, theirs = (keys[:32], keys[32:64]) if self.initiator else (keys[32:64], keys[:32])
        self.seal, self.open = ChaCha20Poly1305(ours), ChaCha20Poly1305(theirs)
        self.transcript = b""
        return keys[64:96], keys[96:]

    def record(self, kind: int, data: Buffer) -> tuple[bytes, bytes]:
        """The header of the next record that is sent, and the rest."""
        header = _HEAD.pack(kind, len(data) + _TAG)
        rest = self.seal.encrypt(self.sent.to_bytes(12, "big"), data, header)
        self.sent += 1
        return header, rest


class Records:
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
        """InitializeSecurityContext: nonce, then the answer's proof is checked and ours is made."""
        if context is None:
            nonce = call.entropy(_NONCE)
            return Continue(_HEAD.pack(1, _NONCE) + nonce, Context(True, credential, nonce))
        if not context.transcript:
            return self._goodbye(context, _INITIATOR)
        found = _take(request.token, 2, _NONCE + _PROOF)
        if not isinstance(found, memoryview):
            return found
        initiator, acceptor = context.derive(bytes(found[:_NONCE]))
        if not hmac.compare_digest(found[_NONCE:], acceptor):
            return Refused(Status.SEC_E_MUTUAL_AUTH_FAILED, reason="acceptor_proof_mismatch")
        token, rest = _HEAD.pack(3, _PROOF) + initiator, len(request.token) - _HEAD.size - len(found)
        return Complete(context, token, attributes=_INITIATOR, leftover=rest)

    def accept_security_context(
        self, call: Call, credential: bytes, context: Context | None, request: ContextRequest
    ) -> Step:
        """AcceptSecurityContext: nonce and proof for a nonce, then the proof of the initiator."""
        if context is None:
            found = _take(request.token, 1, _NONCE)
            if not isinstance(found, memoryview):
                return found
            context, nonce = Context(False, credential, bytes(found)), call.entropy(_NONCE)
            context.expected, proof = context.derive(nonce)
            return Continue(_HEAD.pack(2, _NONCE + _PROOF) + nonce + proof, context)
        if not context.expected:
            return self._goodbye(context, _ACCEPTOR)
        found = _take(request.token, 3, _PROOF)
        if not isinstance(found, memoryview):
            return found
        expected, context.expected = context.expected, b""
        if not hmac.compare_digest(found, expected):
            return Refused(Status.SEC_E_LOGON_DENIED, reason="initiator_proof_mismatch")
        return Complete(context, attributes=_ACCEPTOR, leftover=len(request.token) - _HEAD.size - _PROOF)

    def apply_control_token(self, context: Context, token: bytes) -> None:
        """ApplyControlToken: whatever it says, the next leg makes the goodbye."""
        context.closing = True

    def _goodbye(self, context: Context, attributes: int) -> Step:
        if not context.closing:
            return Refused(Status.SEC_E_OUT_OF_SEQUENCE, reason="context_is_complete")
        context.closing = False
        return Complete(context, b"".join(context.record(_GOODBYE, b"")), attributes=attributes)

    def seal_message(
        self, context: Context, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        if quality_of_protection:
            raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="quality_of_protection")
        header, data, trailer = message[:3]
        header.data, rest = context.record(_DATA, data.data)
        data.data, trailer.data = memoryview(rest)[:-_TAG], rest[-_TAG:]

    def unseal_message(self, context: Context, message: Message, sequence_number: int) -> int:
        """DecryptMessage: DATA and EMPTY buffers become HEADER, DATA, TRAILER and EXTRA (R224)."""
        given = memoryview(message[0].data)
        size = _HEAD.size + _TAG
        if len(given) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(given)
            if kind not in (_DATA, _GOODBYE) or not _TAG <= length <= MAXIMUM + _TAG:
                raise SecurityError(Status.SEC_E_MESSAGE_ALTERED, reason="record_malformed")
            size = _HEAD.size + length
        if len(given) < size:
            message[1].type, message[1].data = BufferType.MISSING, (size - len(given)).to_bytes(4, "little")
            raise SecurityError(Status.SEC_E_INCOMPLETE_MESSAGE, reason="record_not_whole")
        header = given[: _HEAD.size]
        try:
            opened = context.open.decrypt(context.received.to_bytes(12, "big"), given[_HEAD.size : size], header)
        except InvalidTag:
            raise SecurityError(Status.SEC_E_MESSAGE_ALTERED, reason="tag_mismatch") from None
        context.received += 1
        parts: tuple[Buffer, ...] = (header, opened, given[size - _TAG : size], given[size:])
        last = BufferType.EXTRA if parts[3] else BufferType.EMPTY
        kinds = (BufferType.STREAM_HEADER, BufferType.DATA, BufferType.STREAM_TRAILER, last)
        for buffer, part, as_kind in zip(message, parts, kinds, strict=False):
            buffer.type, buffer.data = as_kind, part
        if header[0] == _GOODBYE:
            raise SecurityError(Status.SEC_I_CONTEXT_EXPIRED, reason="goodbye")
        return 0

    def query_context_attributes(self, context: Context, attribute: int) -> ContextAttributes:
        """QueryContextAttributes: the sizes of a record (R227)."""
        if attribute == ContextAttribute.STREAM_SIZES:
            return StreamSizes(_HEAD.size, _TAG, MAXIMUM)
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_offered")


def _take(token: bytes, kind: int, length: int) -> memoryview | Step:
    """What a handshake record says, or why it cannot be read."""
    if token[:1] not in (b"", bytes([kind])) or (len(token) >= 3 and token[1:3] != length.to_bytes(2, "big")):
        return Refused(Status.SEC_E_INVALID_TOKEN, reason="record_malformed")
    if len(token) < _HEAD.size + length:
        return NeedMore(_HEAD.size + length - len(token))
    return memoryview(token)[_HEAD.size : _HEAD.size + length]


def init_security_interface() -> SecurityProvider:
    return Records()
