"""The SSP half: credentials handles, and SCRAM-SHA-256 leg by leg."""

from __future__ import annotations

from collections.abc import Callable

from secpkg.contract import (
    Acquired,
    AscReq,
    AscRet,
    AuthData,
    AuthIdentity,
    Call,
    Complete,
    ContextRequest,
    Continue,
    CredentialUse,
    IscReq,
    IscRet,
    LogonAudit,
    Refused,
    SecurityError,
    Status,
    Step,
    TokenReference,
)
from secpkg.contract.values import NEVER
from secpkg.protocols import scram
from secpkg.protocols.scram import Fault, Reason, Rejected
from secpkg_hello.lsa_mode.accounts import SALTED, WRONG_PASSWORD, Accounts, account_part, credential_key, qualified
from secpkg_hello.lsa_mode.bindings import binding_of, expected
from secpkg_hello.packed_context import PackedContext

MAX_ITERATIONS = 100_000
"""More than this a server cannot make us compute."""
_CACHED_KEYS = 8
_PROTECTION = IscRet.MUTUAL_AUTH | IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT | IscRet.CONFIDENTIALITY
_INITIATOR = int(_PROTECTION | IscRet.INTEGRITY)
_ACCEPTOR = int(AscRet(_PROTECTION) | AscRet.INTEGRITY | AscRet.EXTENDED_ERROR)  # four bits agree
_DETECTION = int(IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT)
_STATUS = {
    Reason.PROOF_MISMATCH: Status.SEC_E_LOGON_DENIED,
    Reason.SERVER_ERROR: Status.SEC_E_LOGON_DENIED,
    Reason.SERVER_SIGNATURE_MISMATCH: Status.SEC_E_MUTUAL_AUTH_FAILED,
    Reason.BINDING_MISMATCH: Status.SEC_E_BAD_BINDINGS,
    Reason.BINDING_UNSUPPORTED: Status.SEC_E_BAD_BINDINGS,
    Reason.BINDING_REQUIRED: Status.SEC_E_BAD_BINDINGS,
    Reason.BAD_ARGUMENT: Status.SEC_E_BAD_BINDINGS,
    Reason.DOWNGRADE: Status.SEC_E_BAD_BINDINGS,
}


class Credential:
    """A credentials handle: a name with a password, or with the session that keeps its SaltedPassword."""

    __slots__ = ("keys", "logon_id", "name", "password", "use")

    def __init__(self, use: CredentialUse, name: str = "", password: str = "", logon_id: int | None = None) -> None:
        self.use, self.name, self.password, self.logon_id = use, name, password, logon_id
        self.keys: dict[tuple[bytes, int], bytes] = {}

    def key(self, salt: bytes, iterations: int) -> bytes:
        """The SaltedPassword, derived once for each salt and count."""
        if iterations > MAX_ITERATIONS:
            raise Rejected(Reason.ITERATIONS_OUT_OF_RANGE, "Hello derives with at most 100000 iterations")
        salted = self.keys.get((salt, iterations))
        if salted is None:
            salted = scram.salted_password(self.password, salt, iterations)
            if len(self.keys) >= _CACHED_KEYS:
                del self.keys[next(iter(self.keys))]
            self.keys[salt, iterations] = salted
        return salted


class Handshake:
    """A half-built context. Its state is taken out before use, so that no leg is tried twice."""

    __slots__ = ("auth", "name", "reason", "state")

    def __init__(self, state: object, name: str, auth: AuthData | None = None, reason: str = "") -> None:
        self.state, self.name, self.auth, self.reason = state, name, auth, reason

    def take(self) -> object:
        state, self.state = self.state, None
        return state


class ContextHalf(Accounts):
    """Credentials handles and contexts."""

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        """SpAcquireCredentialsHandle: an `AuthIdentity`, or the caller's session; a server needs neither."""
        if isinstance(authorization_data, AuthIdentity):
            identity = authorization_data
            name = f"{identity.domain}\\{identity.user}" if identity.domain else identity.user
            return Acquired(Credential(use, name, identity.password))
        if authorization_data is not None:
            raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="not_an_auth_identity")
        if not use & CredentialUse.OUTBOUND:
            return Acquired(Credential(use))
        name, _ = await self._default(logon_id)
        if principal is not None and principal.casefold() not in (name.casefold(), account_part(name)):
            raise SecurityError(Status.SEC_E_NOT_OWNER, reason="another_principal")
        return Acquired(Credential(use, name, logon_id=logon_id))

    async def free_credentials_handle(self, call: Call, credential: Credential) -> None:
        """SpFreeCredentialsHandle."""
        credential.keys.clear()
        credential.password = ""

    async def _default(self, logon_id: int | None) -> tuple[str, Callable[[bytes, int], bytes]]:
        """The name in a session and its SaltedPassword for the one salt that it is good for (R142)."""
        if logon_id is None:
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="no_session")
        try:
            stored = await self.authority.get_credentials(logon_id)
        except SecurityError as error:
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="session_without_password") from error

        def key(salt: bytes, iterations: int) -> bytes:
            if stored.key != credential_key(salt, iterations):
                raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="another_salt")
            return stored.credentials[:SALTED]

        return stored.credentials[SALTED:].decode(), key

    async def init_lsa_mode_context(
        self, call: Call, credential: Credential, context: Handshake | None, request: ContextRequest
    ) -> Step:
        """SpInitLsaModeContext: client-first, client-final, and the server's proof."""
        try:
            if context is None:
                if not credential.use & CredentialUse.OUTBOUND:
                    return Refused(Status.SEC_E_NO_CREDENTIALS, reason="not_outbound")
                opened, token = scram.Initiator().start(
                    credential.name, scram.printable_nonce(call.entropy(18)), binding_of(request.channel_bindings),
                    supports_binding=request.channel_bindings is not None,
                )  # fmt: skip
                return Continue(token, Handshake(opened, credential.name))
            state = context.take()
            if isinstance(state, scram.ClientFirstSent):
                key = credential.key if credential.logon_id is None else (await self._default(credential.logon_id))[1]
                context.state, token = state.receive(request.token, key)
                return Continue(token, context)
            if isinstance(state, scram.ClientFinalSent):
                done = state.receive(request.token)
                return _complete(call, True, done, request.target or "", request.requirements)
            return Refused(Status.SEC_E_INVALID_HANDLE, reason="context_is_spent")
        except Rejected as rejected:
            return _refused(rejected)

    async def accept_lsa_mode_context(
        self, call: Call, credential: Credential, context: Handshake | None, request: ContextRequest
    ) -> Step:
        """SpAcceptLsaModeContext: server-first, and server-final. One call to the authority for each."""
        try:
            if context is None:
                if not credential.use & CredentialUse.INBOUND:
                    return Refused(Status.SEC_E_NO_CREDENTIALS, reason="not_inbound")
                first = scram.Acceptor().start(request.token, scram.printable_nonce(call.entropy(18)))
                auth, verifier, reason = await self.account(first.username)
                state, token = first.challenge(verifier)
                return Continue(token, Handshake(state, auth.account_name if auth else first.username, auth, reason))
            challenged = context.take()
            if not isinstance(challenged, scram.Challenged):
                return Refused(Status.SEC_E_INVALID_HANDLE, reason="context_is_spent")
            return await self._finish(call, context, challenged, request)
        except Rejected as rejected:
            return _refused(rejected, request.requirements)

    async def _finish(self, call: Call, context: Handshake, state: scram.Challenged, request: ContextRequest) -> Step:
        try:
            binding, policy, mismatch = expected(state, request)
            done, token = state.receive(request.token, expected=[binding] if binding else None, policy=policy)
            if context.auth is None or context.reason != WRONG_PASSWORD:
                raise Rejected(Reason.PROOF_MISMATCH, "a decoy has no password")
        except Rejected as rejected:
            refused = _refused(rejected, request.requirements, context.reason)
            status = Status.STATUS_LOGON_FAILURE if refused.status is Status.SEC_E_LOGON_DENIED else refused.status
            await self.authority.audit_logon(LogonAudit(status, context.name, reason=refused.reason))
            return refused
        if mismatch:  # R238
            await self.authority.audit_logon(LogonAudit(Status.SEC_E_BAD_BINDINGS, context.name, reason=mismatch))
        try:
            converted = await self.authority.convert_auth_data_to_token(context.auth)
        except SecurityError as error:
            if error.status is Status.STATUS_LOGON_FAILURE:  # a delay runs: a right proof looks like a wrong one
                told = _error_token(Reason.PROOF_MISMATCH, request.requirements)
                return Refused(Status.SEC_E_LOGON_DENIED, told, error.reason)
            told = _error_token(Reason.SERVER_ERROR, request.requirements)
            return Refused(error.status, told, error.reason, error.substatus)
        expiry = context.auth.token_information.expiration
        peer = qualified(context.auth)
        return _complete(call, False, done, peer, request.requirements, token, converted.token, expiry)

    async def delete_context(self, call: Call, context: Handshake | None) -> None:
        """SpDeleteContext: the LSA half of a finished context is nothing."""
        if context is not None:
            context.take()


def _refused(rejected: Rejected, requirements: int = 0, why: str = "") -> Refused:
    blame = Status.SEC_E_UNKNOWN_CREDENTIALS if rejected.fault is Fault.CALLER else Status.SEC_E_INVALID_TOKEN
    reason = why if why and rejected.reason is Reason.PROOF_MISMATCH else rejected.reason.value
    return Refused(_STATUS.get(rejected.reason, blame), _error_token(rejected.reason, requirements), reason)


def _error_token(reason: Reason, requirements: int) -> bytes:
    """What the initiator is told, where the server asked for that (R185)."""
    return scram.error(reason) if requirements & AscReq.EXTENDED_ERROR else b""


def _complete(
    call: Call, initiator: bool, done: scram.Done, peer: str, requirements: int,
    token: bytes = b"", access_token: TokenReference | None = None, expiry: float = NEVER,
) -> Complete:  # fmt: skip
    granted = requirements & (_INITIATOR if initiator else _ACCEPTOR)
    if granted & _DETECTION:
        granted |= IscRet.INTEGRITY if initiator else AscRet.INTEGRITY  # R177
    if initiator and requirements & IscReq.NO_INTEGRITY:
        granted &= ~(IscRet.INTEGRITY | _DETECTION)  # R179
    packed = PackedContext(initiator, int(granted), call.now, expiry, done.session_key, peer).pack()
    return Complete(None, token, packed, int(granted), expiry, access_token)
