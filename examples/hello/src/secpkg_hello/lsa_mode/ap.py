"""The AP half: logs users on with a password, and makes the verifiers."""

from __future__ import annotations

from secpkg.contract import (
    Call,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LogonType,
    PrimaryCredential,
    PrimaryCredentialFlag,
    SecurityError,
    Status,
    SupplementalCredential,
)
from secpkg.protocols import scram
from secpkg.protocols.scram import Rejected
from secpkg_hello.lsa_mode.accounts import (
    ITERATIONS,
    WRONG_PASSWORD,
    Accounts,
    credential_key,
    qualified,
)


class LogonHalf(Accounts):
    """LsaAp* and SpAcceptCredentials."""

    def __init__(self) -> None:
        self.kept: set[int] = set()
        """Sessions with which something is kept for default credentials."""

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        """LsaApLogonUserEx2: a name and a password, for an interactive, unlock or network logon."""
        name = f"{request.domain}\\{request.username}" if request.domain else request.username
        if request.logon_type not in (LogonType.INTERACTIVE, LogonType.UNLOCK, LogonType.NETWORK):
            return LogonRefused(Status.STATUS_INVALID_LOGON_TYPE, name, reason="logon_type_not_offered")
        if not request.username or request.password is None or request.authentication_information:
            return LogonRefused(Status.STATUS_BAD_VALIDATION_CLASS, name, reason="not_name_and_password")
        auth, verifier, reason = await self.account(name)
        try:
            salted = scram.check_password(verifier, request.password)
        except Rejected:
            return LogonRefused(Status.STATUS_LOGON_FAILURE, auth.account_name if auth else name, reason=reason)
        if auth is None or reason != WRONG_PASSWORD:  # A password that fits a decoy: not before the sun burns out.
            return LogonRefused(Status.STATUS_LOGON_FAILURE, name, reason=reason)

        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        if request.logon_type is LogonType.INTERACTIVE:
            key = credential_key(verifier.salt, verifier.iterations)
            try:
                await self.authority.add_credential(logon_id, key, salted + qualified(auth).encode())
                self.kept.add(logon_id)
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
        return SupplementalCredential("Hello", verifier.encode())

    async def logon_terminated(self, logon_id: int) -> None:
        """LsaApLogonTerminated: drops what was kept for default credentials (R94)."""
        if logon_id not in self.kept:
            return
        try:
            while True:
                stored = await self.authority.get_credentials(logon_id)
                await self.authority.delete_credential(logon_id, stored.key)
        except SecurityError as error:
            if error.status not in (Status.ERROR_GEN_FAILURE, Status.STATUS_NO_SUCH_LOGON_SESSION):
                raise
        self.kept.discard(logon_id)
