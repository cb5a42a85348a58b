"""SampSSP: an example of a plain SSP. It lives in the application and needs no authority.

Peers share a key (see `keys`). Three tokens prove to each that the other has it::

    opening    "SSP1" | nonce | SHA-256 of the initiator's channel bindings, or zeros | name | target
    answer     "SSP2" | nonce | HMAC-SHA-256 under the acceptor's proof key
    closing    "SSP3" | HMAC-SHA-256 under the initiator's proof key

All keys come by HKDF-SHA-256 from the shared key, salted with a hash of the opening and of the acceptor's nonce, and
each proof is over the tokens before it: so nonces, names and bindings are proved, and no proof serves for another role.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from pathlib import Path

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
    ContextFlags,
    ContextRequest,
    Continue,
    CredentialUse,
    IscReq,
    IscRet,
    Lifespan,
    Message,
    Names,
    PackageInfo,
    Refused,
    SecurityError,
    SessionKey,
    Sizes,
    Status,
    Step,
)
from secpkg.contract.channel_bindings import judge
from secpkg.contract.security_provider import SecurityProvider
from secpkg.contract.values import NEVER
from secpkg_sampssp import protection
from secpkg_sampssp.keys import default_path, read_keys
from secpkg_sampssp.protection import Direction

_OPENING = struct.Struct(">4s32s32sBH")  # magic, nonce, bindings, length of name and of target; both follow
_MAX_TARGET = 1024
_ANSWER, _CLOSING = 4 + 32 + 32, 4 + 32
_NO_BINDINGS = bytes(32)
INFO = PackageInfo(
    name="SampSSP",
    comment="An example: keys from a file",
    capabilities=Capability.INTEGRITY | Capability.PRIVACY | Capability.CONNECTION | Capability.MUTUAL_AUTH,
    max_token=_OPENING.size + 255 + _MAX_TARGET,
)
_INITIATOR = int(
    IscRet.MUTUAL_AUTH | IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT | IscRet.CONFIDENTIALITY | IscRet.INTEGRITY
)
_ACCEPTOR = int(
    AscRet.MUTUAL_AUTH | AscRet.REPLAY_DETECT | AscRet.SEQUENCE_DETECT | AscRet.CONFIDENTIALITY | AscRet.INTEGRITY
)
_DETECTION = int(IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT)


class Credential:
    """Keys by name. ``name`` is the initiator's own, or the target that an acceptor answers to (empty: any)."""

    def __init__(self, use: CredentialUse, name: str, keys: dict[str, bytes]) -> None:
        self.use, self.name, self.keys = use, name, keys


class Handshake:
    """A half-built context. Its secret is taken out before use, so that no leg is tried twice."""

    def __init__(self, initiator: bool, secret: bytes, transcript: bytes, peer: str) -> None:
        self.initiator, self.secret, self.transcript, self.peer = initiator, secret, transcript, peer

    def take(self) -> bytes:
        secret, self.secret = self.secret, b""
        return secret


class Schedule:
    """What is derived from the shared key and the tokens so far (opening, "SSP2", nonce)."""

    def __init__(self, key: bytes, transcript: bytes) -> None:
        salt = hashlib.sha256(transcript).digest()
        keys = HKDF(SHA256(), 224, salt, b"secpkg SampSSP 1").derive(key)
        self.acceptor_proof = hmac.digest(keys[:32], transcript, "sha256")
        self.initiator_proof = hmac.digest(keys[32:64], transcript + self.acceptor_proof, "sha256")
        self.initiator, self.acceptor, self.session_key = keys[64:128], keys[128:192], keys[192:]


class Context:
    """A finished context."""

    def __init__(self, handshake: Handshake, keys: Schedule, requirements: int, now: float) -> None:
        flags: type[IscRet | AscRet] = IscRet if handshake.initiator else AscRet
        granted = requirements & (_INITIATOR if handshake.initiator else _ACCEPTOR)
        if granted & _DETECTION:
            granted |= flags.INTEGRITY  # R177
        if handshake.initiator and requirements & IscReq.NO_INTEGRITY:
            granted &= ~(flags.INTEGRITY | _DETECTION)  # R179
        in_sequence = bool(granted & flags.SEQUENCE_DETECT)
        ours, theirs = (keys.initiator, keys.acceptor) if handshake.initiator else (keys.acceptor, keys.initiator)
        self.outgoing, self.incoming = Direction(ours, in_sequence), Direction(theirs, in_sequence)
        self.can_sign, self.can_seal = bool(granted & flags.INTEGRITY), bool(granted & flags.CONFIDENTIALITY)
        self.attributes, self.peer, self.start = int(granted), handshake.peer, now
        self.session_key = keys.session_key


class SampSSP:
    """The SSPI function table of this provider."""

    def enumerate_security_packages(self) -> tuple[PackageInfo, ...]:
        """EnumerateSecurityPackages."""
        return (INFO,)

    def acquire_credentials_handle(
        self, call: Call, package: str, principal: str | None, use: CredentialUse, authorization_data: object
    ) -> Acquired:
        """AcquireCredentialsHandle: with the path of a key file, an `AuthIdentity` without a password, or None."""
        path: str | bytes | Path = default_path()
        if isinstance(authorization_data, str | bytes):
            path = authorization_data
        elif isinstance(authorization_data, AuthIdentity) and not authorization_data.password:
            principal = authorization_data.user
        elif authorization_data is not None:
            raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="neither_path_nor_name")
        keys = read_keys(path)
        if use & CredentialUse.OUTBOUND:
            name = principal or next(iter(keys), "")
            if name not in keys:
                raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="no_key_of_that_name")
            return Acquired(Credential(use, name, keys))
        return Acquired(Credential(use, principal or "", keys))

    def free_credentials_handle(self, credential: Credential) -> None:
        """FreeCredentialsHandle."""
        credential.keys.clear()

    def initialize_security_context(
        self, call: Call, credential: Credential, context: Handshake | None, request: ContextRequest
    ) -> Step:
        """InitializeSecurityContext: makes the opening, checks the answer, makes the closing."""
        if context is None:
            target = (request.target or "").encode("utf-8", "surrogatepass")
            if not credential.use & CredentialUse.OUTBOUND:
                return Refused(Status.SEC_E_NO_CREDENTIALS, reason="not_outbound")
            if len(target) > _MAX_TARGET:
                return Refused(Status.SEC_E_TARGET_UNKNOWN, reason="target_too_long")
            name = credential.name.encode()
            head = _OPENING.pack(b"SSP1", call.entropy(32), _bindings(request), len(name), len(target))
            opening = head + name + target
            return Continue(opening, Handshake(True, credential.keys[credential.name], opening, request.target or ""))
        secret, answer = context.take(), request.token
        if not secret or not context.initiator:
            return Refused(Status.SEC_E_INVALID_HANDLE, reason="context_is_spent")
        if len(answer) != _ANSWER or not answer.startswith(b"SSP2"):
            return Refused(Status.SEC_E_INVALID_TOKEN, reason="answer_malformed")
        keys = Schedule(secret, context.transcript + answer[:36])
        if not hmac.compare_digest(answer[36:], keys.acceptor_proof):
            return Refused(Status.SEC_E_MUTUAL_AUTH_FAILED, reason="acceptor_proof_mismatch")
        finished = Context(context, keys, request.requirements, call.now)
        return Complete(finished, b"SSP3" + keys.initiator_proof, attributes=finished.attributes)

    def accept_security_context(
        self, call: Call, credential: Credential, context: Handshake | None, request: ContextRequest
    ) -> Step:
        """AcceptSecurityContext: checks the opening, makes the answer, checks the closing."""
        if context is None:
            return self._answer(call, credential, request)
        secret, closing = context.take(), request.token
        if not secret or context.initiator:
            return Refused(Status.SEC_E_INVALID_HANDLE, reason="context_is_spent")
        if len(closing) != _CLOSING or not closing.startswith(b"SSP3"):
            return Refused(Status.SEC_E_INVALID_TOKEN, reason="closing_malformed")
        keys = Schedule(secret, context.transcript)
        if not hmac.compare_digest(closing[4:], keys.initiator_proof):
            return Refused(Status.SEC_E_LOGON_DENIED, reason="initiator_proof_mismatch")
        finished = Context(context, keys, request.requirements, call.now)
        return Complete(finished, attributes=finished.attributes)

    def _answer(self, call: Call, credential: Credential, request: ContextRequest) -> Step:
        opening = request.token
        try:
            magic, _, theirs, length, rest = _OPENING.unpack_from(opening)
            names = opening[_OPENING.size :]
            name, target = names[:length].decode(), names[length:].decode()
        except (struct.error, UnicodeDecodeError):
            return Refused(Status.SEC_E_INVALID_TOKEN, reason="opening_malformed")
        if magic != b"SSP1" or not length or rest > _MAX_TARGET or len(names) != length + rest:
            return Refused(Status.SEC_E_INVALID_TOKEN, reason="opening_malformed")
        if not credential.use & CredentialUse.INBOUND:
            return Refused(Status.SEC_E_NO_CREDENTIALS, reason="not_inbound")
        if credential.name and credential.name != target:
            return Refused(Status.SEC_E_WRONG_PRINCIPAL, reason="another_target")
        bound = judge(request.channel_bindings or b"", theirs, requirements=request.requirements, digest=_digest)
        if bound.status.is_error:
            return Refused(bound.status, reason=bound.result.native)
        # A name without a key is answered too, with a proof that fits no key.
        key = credential.keys.get(name) or call.entropy(32)
        transcript = opening + b"SSP2" + call.entropy(32)
        answer = transcript[len(opening) :] + Schedule(key, transcript).acceptor_proof
        return Continue(answer, Handshake(False, key, transcript, name))

    def delete_security_context(self, context: Handshake | Context) -> None:
        """DeleteSecurityContext."""
        if isinstance(context, Handshake):
            context.take()
        else:
            del context.outgoing, context.incoming, context.session_key

    def make_signature(
        self, context: Context, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        """MakeSignature."""
        _agreed(context.can_sign and not quality_of_protection)
        protection.make_signature(context.outgoing, message, sequence_number)

    def verify_signature(self, context: Context, message: Message, sequence_number: int) -> int:
        """VerifySignature."""
        _agreed(context.can_sign)
        protection.verify_signature(context.incoming, message, sequence_number)
        return 0

    def seal_message(
        self, context: Context, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        """EncryptMessage."""
        _agreed(context.can_seal and not quality_of_protection)
        protection.seal_message(context.outgoing, message, sequence_number)

    def unseal_message(self, context: Context, message: Message, sequence_number: int) -> int:
        """DecryptMessage."""
        _agreed(context.can_seal)
        protection.unseal_message(context.incoming, message, sequence_number)
        return 0

    def query_context_attributes(self, context: Context, attribute: int) -> ContextAttributes:
        """QueryContextAttributes."""
        size = protection.TRAILER
        match attribute:
            case ContextAttribute.SIZES:
                return Sizes(INFO.max_token, size if context.can_sign else 0, 1, size if context.can_seal else 0)
            case ContextAttribute.NAMES:
                return Names(context.peer)
            case ContextAttribute.LIFESPAN:
                return Lifespan(context.start, NEVER)
            case ContextAttribute.SESSION_KEY:
                return SessionKey(context.session_key)
            case ContextAttribute.FLAGS:
                return ContextFlags(context.attributes)
            case ContextAttribute.PACKAGE_INFO:
                return INFO
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_offered")


def _bindings(request: ContextRequest) -> bytes:
    """Of the channel bindings (R233); empty ones and zeros are none."""
    data = request.channel_bindings
    return _digest(data) if data and any(data) else _NO_BINDINGS


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _agreed(agreed: bool) -> None:
    if not agreed:
        raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="protection_not_negotiated")  # R220


def init_security_interface() -> SecurityProvider:
    """InitSecurityInterface."""
    return SampSSP()
