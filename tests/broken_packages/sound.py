"""Sound: a small SSP/AP without a fault. Each broken package is this one with one place overridden.

An account keeps a key derived from the password; an interactive session keeps it for default credentials. The contexts
speak the protocol of `wire`; `sound_user` is the user half.
"""

from __future__ import annotations

import hashlib
import hmac

from tests.broken_packages import wire
from tests.broken_packages.packed import PackedContext
from tests.broken_packages.wire import Answer, Closing, Malformed, Opening, Schedule

from secpkg import contract as c
from secpkg.contract.flags_seldom import ChannelBindingsResult
from secpkg.contract.values import NEVER

KEY = b"sound"
ABSENT = (c.Status.ERROR_GEN_FAILURE, c.Status.STATUS_NO_SUCH_LOGON_SESSION)
UNKNOWN = (c.Status.STATUS_NO_SUCH_USER, c.Status.STATUS_NO_SUCH_DOMAIN)
_DETECTION = int(c.IscReq.REPLAY_DETECT | c.IscReq.SEQUENCE_DETECT)
_SHARED = c.IscRet.MUTUAL_AUTH | c.IscRet.REPLAY_DETECT | c.IscRet.SEQUENCE_DETECT | c.IscRet.CONFIDENTIALITY


class Credential:
    """A credentials handle: a name, and its key (empty: of an acceptor)."""

    def __init__(self, use: c.CredentialUse, name: str = "", key: bytes = b"") -> None:
        self.use, self.name, self.key = use, name, key


class Initiating:
    """An initiator's half-built context. ``keys`` are there once the closing was sent."""

    def __init__(self, opening: bytes, bindings: bytes) -> None:
        self.opening, self.bindings = opening, bindings
        self.answer, self.closing = b"", b""
        self.keys: Schedule | None = None
        self.spent = False


class Accepting:
    """An acceptor's half-built context."""

    def __init__(self, opening: bytes, answer: bytes, name: str, key: bytes, auth: c.AuthData | None) -> None:
        self.opening, self.answer, self.name, self.key, self.auth = opening, answer, name, key, auth
        self.spent = False


class Contexts:
    """The SSP half."""

    authority: c.LsaFunctions
    seed: bytes

    def derive(self, password: str, name: str) -> bytes:
        """The key of an account, by its name as the accounts have it."""
        salt = b"Sound " + wire_name(name).encode("utf-8", "surrogatepass")
        return hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "surrogatepass"), salt, 200)

    async def account(self, name: str, acceptor: Credential | None = None) -> tuple[c.AuthData | None, bytes]:
        """The account and its key, or a decoy's: the same work and look for nobody."""
        decoy = hmac.digest(self.seed, wire_name(name).encode("utf-8", "surrogatepass"), "sha256")
        try:
            auth = await self.authority.get_auth_data_for_user(name)
        except c.SecurityError as error:
            if error.status not in UNKNOWN:
                raise
            return None, decoy
        return (auth, auth.supplemental) if auth.supplemental else (None, decoy)

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        if isinstance(authorization_data, c.AuthIdentity):
            given = authorization_data
            name = f"{given.domain}\\{given.user}" if given.domain else given.user
            return c.Acquired(Credential(use, name, self.derive(given.password, name)))
        if authorization_data is not None:
            raise c.SecurityError(c.Status.SEC_E_UNKNOWN_CREDENTIALS, reason="not_an_auth_identity")
        if not use & c.CredentialUse.OUTBOUND:
            return c.Acquired(Credential(use))
        if logon_id is None:
            raise c.SecurityError(c.Status.SEC_E_NO_CREDENTIALS, reason="no_session")
        try:
            stored = await self.authority.get_credentials(logon_id, key=KEY)
        except c.SecurityError as error:
            if error.status not in ABSENT:
                raise
            raise c.SecurityError(c.Status.SEC_E_NO_CREDENTIALS, reason="session_without_key") from None
        name = stored.credentials[wire.HASH :].decode("utf-8", "surrogatepass")
        if principal is not None and wire_name(principal) != wire_name(name):
            raise c.SecurityError(c.Status.SEC_E_NOT_OWNER, reason="another_principal")
        return c.Acquired(Credential(use, name, stored.credentials[: wire.HASH]))

    async def free_credentials_handle(self, call: c.Call, credential: Credential) -> None:
        credential.key = b""

    async def init_lsa_mode_context(
        self, call: c.Call, credential: Credential, context: Initiating | None, request: c.ContextRequest
    ) -> c.Step:
        try:
            if context is None:
                return self.open(call, credential, request)
            if context.spent:
                return c.Refused(c.Status.SEC_E_INVALID_HANDLE, reason="context_is_spent")
            if context.keys is None:
                return self.close(call, credential, context, request)
            context.spent = True
            if not self.server_proved(self.final(context.keys, context.closing), request.token):
                return c.Refused(c.Status.SEC_E_MUTUAL_AUTH_FAILED, reason="acceptor_proof_mismatch")
            return self.complete(call, True, context.keys, context.answer, request.target or "", request.requirements)
        except Malformed as fault:
            if context is not None:
                context.spent = True
            return c.Refused(c.Status.SEC_E_INVALID_TOKEN, reason=str(fault))

    def server_proved(self, expected: bytes, received: bytes) -> bool:
        return hmac.compare_digest(expected, received)

    def open(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        if not credential.use & c.CredentialUse.OUTBOUND or not credential.key:
            return c.Refused(c.Status.SEC_E_NO_CREDENTIALS, reason="not_outbound")
        if len((request.target or "").encode("utf-8", "surrogatepass")) > wire.MAX_TARGET:
            return c.Refused(c.Status.SEC_E_TARGET_UNKNOWN, reason="target_too_long")
        if not 0 < len(credential.name.encode("utf-8", "replace")) <= 255:
            return c.Refused(c.Status.SEC_E_UNKNOWN_CREDENTIALS, reason="name_too_long")
        nonce = self.nonce(call)
        try:
            opening = Opening(wire.FLAGS, nonce, credential.name).encode()
        except UnicodeEncodeError:
            return c.Refused(c.Status.SEC_E_UNKNOWN_CREDENTIALS, reason="name_is_no_text")
        return c.Continue(opening, Initiating(opening, self.bindings(request)))

    def bindings(self, request: c.ContextRequest) -> bytes:
        return wire.bindings_of(request)

    def nonce(self, call: c.Call) -> bytes:
        return call.entropy(wire.NONCE)

    def close(self, call: c.Call, credential: Credential, context: Initiating, request: c.ContextRequest) -> c.Step:
        answer = Answer.decode(request.token)
        if not answer.flags & wire.MIC or answer.flags & ~wire.FLAGS:
            raise Malformed("flags_not_offered")
        context.answer, context.keys = request.token, self.schedule(credential.key, context.opening, request.token)
        closing = Closing(context.bindings, request.target or "")
        closing = Closing(closing.bindings, closing.target, context.keys.initiator_proof(closing), bytes(wire.HASH))
        unsigned = closing.encode()
        context.closing = unsigned[: -wire.HASH] + context.keys.mic(unsigned)
        return c.Continue(context.closing, context)

    def schedule(self, key: bytes, opening: bytes, answer: bytes) -> Schedule:
        return Schedule(key, opening, answer)

    async def accept_lsa_mode_context(
        self, call: c.Call, credential: Credential, context: Accepting | None, request: c.ContextRequest
    ) -> c.Step:
        try:
            if context is None:
                return await self.answer(call, credential, request)
            if context.spent:
                return c.Refused(c.Status.SEC_E_INVALID_HANDLE, reason="context_is_spent")
            context.spent = True
            return await self.finish(call, context, request)
        except Malformed as fault:
            return c.Refused(c.Status.SEC_E_INVALID_TOKEN, reason=str(fault))

    async def answer(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        if not credential.use & c.CredentialUse.INBOUND:
            return c.Refused(c.Status.SEC_E_NO_CREDENTIALS, reason="not_inbound")
        opening = Opening.decode(request.token)
        if not opening.flags & wire.MIC:
            raise Malformed("mic_not_offered")
        answer = Answer(opening.flags & wire.FLAGS, self.nonce(call)).encode()
        auth, key = await self.account(opening.name, credential)
        return c.Continue(answer, Accepting(request.token, answer, opening.name, key, auth))

    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        closing = self.closing(request.token)
        keys = self.schedule(context.key, context.opening, context.answer)
        expected = keys.initiator_proof(closing) + keys.mic(request.token)
        if not self.proved(expected, closing.proof + closing.mic) or context.auth is None:
            await self.record(context, "proof_mismatch" if context.auth else "unknown_user")
            return c.Refused(c.Status.STATUS_LOGON_FAILURE, reason="proof_mismatch")
        judgement = wire.judged(closing.bindings, request)
        if not self.bound(closing.bindings, request):
            await self.record(context, judgement.result.native)
            return c.Refused(c.Status.SEC_E_BAD_BINDINGS, reason="bindings_mismatch")
        if judgement.result & ChannelBindingsResult.NOTVALID:
            await self.report(context, judgement.result)
        token = await self.access_token(context.auth)
        peer = qualified(context.auth)
        proof = self.final(keys, request.token)
        return self.complete(call, False, keys, context.answer, peer, request.requirements, proof, token)

    def final(self, keys: Schedule, closing: bytes) -> bytes:
        return wire.final(keys.acceptor_proof(closing))

    def closing(self, token: bytes) -> Closing:
        return Closing.decode(token)

    def proved(self, expected: bytes, received: bytes) -> bool:
        return hmac.compare_digest(expected, received)

    def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
        """Whether the initiator is at the other end of this channel, or may be elsewhere (R234, R235, R238, R239)."""
        return wire.bindings_of(request) == wire.NO_BINDINGS or not wire.judged(theirs, request).status.is_error

    async def report(self, context: Accepting, result: ChannelBindingsResult) -> None:
        """What is tolerated (R238)."""
        said = c.LogonAudit(c.Status.SEC_E_BAD_BINDINGS, context.name, reason=result.native)
        await self.authority.audit_logon(said)

    async def record(self, context: Accepting, reason: str) -> None:
        await self.authority.audit_logon(c.LogonAudit(c.Status.STATUS_LOGON_FAILURE, context.name, reason=reason))

    async def access_token(self, auth: c.AuthData) -> c.TokenReference | None:
        return (await self.authority.convert_auth_data_to_token(auth)).token

    def complete(
        self,
        call: c.Call,
        initiator: bool,
        keys: Schedule,
        answer: bytes,
        peer: str,
        requirements: int,
        token: bytes = b"",
        access_token: c.TokenReference | None = None,
    ) -> c.Step:
        granted = self.granted(initiator, requirements, bool(Answer.decode(answer).flags & wire.SEALS))
        packed = self.packed(PackedContext(initiator, granted, call.now, NEVER, keys.session_key, peer))
        return c.Complete(None, token, packed, granted, access_token=access_token)

    def granted(self, initiator: bool, requirements: int, seals: bool) -> int:
        integrity = int(c.IscRet.INTEGRITY if initiator else c.AscRet.INTEGRITY)
        granted = requirements & (int(_SHARED) | integrity)
        if not seals:
            granted &= ~int(c.IscRet.CONFIDENTIALITY)
        if granted & _DETECTION:
            granted |= integrity  # R177
        if initiator and requirements & c.IscReq.NO_INTEGRITY:
            granted &= ~(integrity | _DETECTION)  # R179
        return granted

    def packed(self, packed: PackedContext) -> bytes:
        return packed.pack()

    async def delete_context(self, call: c.Call, context: Initiating | Accepting | None) -> None:
        if context is not None:
            context.spent = True


def qualified(auth: c.AuthData) -> str:
    return f"{auth.domain_name}\\{auth.account_name}" if auth.domain_name else auth.account_name


def wire_name(name: str) -> str:
    """One spelling for all spellings of an account."""
    return name.rpartition("\\")[2].casefold()
