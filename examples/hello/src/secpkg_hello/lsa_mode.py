"""Hello in the authority: an AP that logs users on with a password, and an SSP that speaks SCRAM-SHA-256.

What the account store keeps for Hello is a SCRAM verifier (RFC 5803). The AP half checks a password against it; the SSP
half proves a password to it without sending one (RFC 5802, RFC 7677), both ways, bound to the channel if there is one.
A user who is unknown, or has no verifier, is answered with a decoy: same work, same look, no password fits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from secpkg.contract import (
    Acquired,
    AscReq,
    AscRet,
    AuthData,
    AuthIdentity,
    Call,
    Capability,
    Complete,
    ContextRequest,
    Continue,
    CredentialUse,
    InterfaceVersion,
    IscReq,
    IscRet,
    LogonAudit,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LogonType,
    LsaDispatchTable,
    LsaFunctions,
    ModuleTables,
    PackageInfo,
    PackageParameters,
    PrimaryCredential,
    PrimaryCredentialFlag,
    Refused,
    SecurityError,
    Status,
    Step,
    SupplementalCredential,
    TokenReference,
)
from secpkg.contract.values import NEVER
from secpkg.protocols import scram
from secpkg.protocols.scram import Fault, Reason, Rejected
from secpkg_hello.packed_context import PackedContext

ITERATIONS = 10_000
"""Of new verifiers and of decoys: above the 4096 of RFC 7677, and a few milliseconds of the worker for each logon."""
MAX_ITERATIONS = 100_000
"""More than this a server cannot make us compute."""
_CACHED_KEYS = 8
_CREDENTIAL_KEY = struct.Struct(">I")  # iterations; the salt follows
_SALTED = 32
_SEED = 16
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
_TLS = (scram.TLS_EXPORTER, scram.TLS_SERVER_END_POINT, scram.TLS_UNIQUE)
_WRONG = "wrong_password"


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


class Hello:
    """The LSA half: one object per authority."""

    info = PackageInfo(
        name="Hello",
        comment="An example: password logon, and SCRAM-SHA-256 with channel binding",
        capabilities=Capability.INTEGRITY | Capability.PRIVACY | Capability.CONNECTION | Capability.LOGON
        | Capability.MUTUAL_AUTH | Capability.IMPERSONATION | Capability.EXTENDED_ERROR | Capability.ACCEPT_WIN32_NAME
        | Capability.READONLY_WITH_CHECKSUM,
        max_token=4096,
    )  # fmt: skip

    authority: LsaFunctions
    parameters: PackageParameters

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        """SpInitialize."""
        self.authority, self.parameters = authority, parameters
        if len(parameters.seed) < _SEED:
            raise SecurityError(Status.SEC_E_CANNOT_INSTALL, reason="no_seed_for_decoys")

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        """LsaApInitializePackage."""
        return self.info.name

    # AP

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        """LsaApLogonUserEx2: a name and a password, for an interactive, unlock or network logon."""
        name = f"{request.domain}\\{request.username}" if request.domain else request.username
        if request.logon_type not in (LogonType.INTERACTIVE, LogonType.UNLOCK, LogonType.NETWORK):
            return LogonRefused(Status.STATUS_INVALID_LOGON_TYPE, name, reason="logon_type_not_offered")
        if not request.username or request.password is None or request.authentication_information:
            return LogonRefused(Status.STATUS_BAD_VALIDATION_CLASS, name, reason="not_name_and_password")
        auth, verifier, reason = await self._account(name)
        try:
            salted = scram.check_password(verifier, request.password)
        except Rejected:
            return LogonRefused(Status.STATUS_LOGON_FAILURE, auth.account_name if auth else name, reason=reason)
        if auth is None or reason != _WRONG:  # A password that fits a decoy: not before the sun burns out.
            return LogonRefused(Status.STATUS_LOGON_FAILURE, name, reason=reason)

        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        if request.logon_type is LogonType.INTERACTIVE:
            key = _CREDENTIAL_KEY.pack(verifier.iterations) + verifier.salt
            try:
                await self.authority.add_credential(logon_id, key, salted + _qualified(auth).encode())
            except BaseException:
                await self.authority.delete_logon_session(logon_id)  # R45
                raise
        primary = PrimaryCredential(
            logon_id, auth.account_name, auth.domain_name, auth.user_sid, request.password,
            flags=PrimaryCredentialFlag.CLEAR_PASSWORD, upn=auth.upn,
        )  # fmt: skip
        return LogonResult(
            logon_id, auth.token_information, auth.account_name, auth.domain_name, primary_credentials=primary
        )

    async def accept_credentials(
        self, call: Call, logon_type: LogonType, account_name: str, primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> SupplementalCredential | None:  # fmt: skip
        """SpAcceptCredentials: when a password was set, the verifier that the account keeps for Hello."""
        if primary.logon_id or primary.password is None or not primary.flags & PrimaryCredentialFlag.UPDATE:
            return None
        try:
            verifier = scram.Verifier.derive(primary.password, salt=call.entropy(16), iterations=ITERATIONS)
        except Rejected as rejected:
            raise SecurityError(Status.STATUS_ILL_FORMED_PASSWORD, reason=rejected.reason) from None
        return SupplementalCredential(self.info.name, verifier.encode())

    async def logon_terminated(self, logon_id: int) -> None:
        """LsaApLogonTerminated: drops what was kept for default credentials (R94)."""
        try:
            while True:
                stored = await self.authority.get_credentials(logon_id)
                await self.authority.delete_credential(logon_id, stored.key)
        except SecurityError as error:
            if error.status not in (Status.ERROR_GEN_FAILURE, Status.STATUS_NO_SUCH_LOGON_SESSION):
                raise

    async def _account(self, name: str) -> tuple[AuthData | None, scram.Verifier, str]:
        """The account, its verifier or a decoy, and what it means if no password fits. One call to the authority."""
        auth, reason = None, "unknown_user"
        try:
            auth = await self.authority.get_auth_data_for_user(name)
            reason = "no_verifier"
            if auth.supplemental is not None:
                return auth, scram.Verifier.decode(auth.supplemental), _WRONG
        except SecurityError as error:
            if error.status not in (Status.STATUS_NO_SUCH_USER, Status.STATUS_NO_SUCH_DOMAIN):
                raise
        except Rejected:
            reason = "verifier_malformed"
        # Every spelling of an account shows one salt, and so must every spelling of none.
        spelling = _account_part(auth.account_name if auth else name)
        return auth, scram.Verifier.decoy(self.parameters.seed, spelling, ITERATIONS), reason

    # SSP

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
        if principal is not None and principal.casefold() not in (name.casefold(), _account_part(name)):
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
            if stored.key != _CREDENTIAL_KEY.pack(iterations) + salt:
                raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="another_salt")
            return stored.credentials[:_SALTED]

        return stored.credentials[_SALTED:].decode(), key

    async def init_lsa_mode_context(
        self, call: Call, credential: Credential, context: Handshake | None, request: ContextRequest
    ) -> Step:
        """SpInitLsaModeContext: client-first, client-final, and the server's proof."""
        try:
            if context is None:
                if not credential.use & CredentialUse.OUTBOUND:
                    return Refused(Status.SEC_E_NO_CREDENTIALS, reason="not_outbound")
                opened, token = scram.Initiator().start(
                    credential.name, scram.printable_nonce(call.entropy(18)), _binding(request),
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
                auth, verifier, reason = await self._account(first.username)
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
            binding = _binding(request)
            required = binding is not None and not request.requirements & AscReq.ALLOW_MISSING_BINDINGS  # R234
            policy = scram.BindingPolicy.REQUIRE if required else scram.BindingPolicy.WHEN_SUPPORTED
            done, token = state.receive(request.token, expected=[binding] if binding else None, policy=policy)
            if context.auth is None or context.reason != _WRONG:
                raise Rejected(Reason.PROOF_MISMATCH, "a decoy has no password")
        except Rejected as rejected:
            refused = _refused(rejected, request.requirements, context.reason)
            status = Status.STATUS_LOGON_FAILURE if refused.status is Status.SEC_E_LOGON_DENIED else refused.status
            await self.authority.audit_logon(LogonAudit(status, context.name, reason=refused.reason))
            return refused
        try:
            converted = await self.authority.convert_auth_data_to_token(context.auth)
        except SecurityError as error:
            told = _error_token(Reason.SERVER_ERROR, request.requirements)
            return Refused(error.status, told, error.reason, error.substatus)
        expiry = context.auth.token_information.expiration
        peer = _qualified(context.auth)
        return _complete(call, False, done, peer, request.requirements, token, converted.token, expiry)

    async def delete_context(self, call: Call, context: Handshake | None) -> None:
        """SpDeleteContext: the LSA half of a finished context is nothing."""
        if context is not None:
            context.take()


def _qualified(auth: AuthData) -> str:
    return f"{auth.domain_name}\\{auth.account_name}" if auth.domain_name else auth.account_name


def _account_part(name: str) -> str:
    return name.rpartition("\\")[2].casefold()


def _binding(request: ContextRequest) -> scram.ChannelBinding | None:
    """SSPI's application data is ``tls-...:data``; other data is bound as it is. Empty and zeros are no binding."""
    data = request.channel_bindings
    if not data or not any(data):
        return None
    prefix, _, rest = data.partition(b":")
    for name in _TLS:
        if prefix == name.encode() and rest:
            return scram.ChannelBinding(name, rest)
    return scram.ChannelBinding("application-data", data)


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


def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
    """SpLsaModeInitialize."""
    return ModuleTables(InterfaceVersion.V1, (Hello(),))
