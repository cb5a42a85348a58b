"""The AP half: LsaLogonUser, and what a logon or a new password leaves with session and account.

A logon is a password (interactive, unlock, batch, service; over the network in clear) or a challenge and its responses
(`msv1_0.Lm20Logon`, over the network). Where it is decided: by a subauthentication routine if one is named (R262), by
the account of this authority, or by the authority that has the account (R244), to which a password goes as the
response to a challenge made here and never as itself; where that cannot be reached, by what was cached (R245).
"""

from __future__ import annotations

from typing import Final, TypeAlias

from secpkg.contract import msv1_0
from secpkg.contract.flags import LogonType, PrimaryCredentialFlag
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    AuthData,
    Call,
    LogonRefused,
    LogonRequest,
    LogonResult,
    PrimaryCredential,
    SupplementalCredential,
)
from secpkg.packages.ntlm.lsa_mode.accept import AcceptHalf
from secpkg.packages.ntlm.lsa_mode.accounts import WRONG_PASSWORD, credential_of, pack_entry, same_password
from secpkg.packages.ntlm.lsa_mode.cache import LogonCache
from secpkg.packages.ntlm.lsa_mode.challenges import Challenges
from secpkg.packages.ntlm.lsa_mode.passthrough import PACKAGE
from secpkg.packages.ntlm.lsa_mode.responses import question
from secpkg.packages.ntlm.lsa_mode.subauth import SubauthenticationHalf
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import NegotiateFlag, NtlmV1Response, Reason, Rejected

_WITH_PASSWORD: Final = frozenset(
    {
        LogonType.INTERACTIVE,
        LogonType.BATCH,
        LogonType.SERVICE,
        LogonType.UNLOCK,
        LogonType.NETWORK,
        LogonType.NETWORK_CLEARTEXT,
        LogonType.REMOTE_INTERACTIVE,
    }
)
_NETWORK: Final = frozenset({LogonType.NETWORK, LogonType.NETWORK_CLEARTEXT})
_KEEPS: Final = frozenset({LogonType.INTERACTIVE, LogonType.BATCH, LogonType.SERVICE, LogonType.REMOTE_INTERACTIVE})
"""Logons whose session gets a credential for its clients."""
_NO_LOGON: Final = (Status.SEC_E_LOGON_DENIED, Status.SEC_E_NO_CREDENTIALS)
"""A proof that does not hold, and what nobody could prove: names and passwords that NTLM cannot say."""
_PENDING: Final = 64
_V1_FLAGS: Final = int(NegotiateFlag.EXTENDED_SESSIONSECURITY | NegotiateFlag.NTLM)

Outcome: TypeAlias = tuple[AuthData, bytes]
"""Who it is, and the session key of the proof; nothing of it where a password was compared."""


class LogonHalf(SubauthenticationHalf, AcceptHalf):
    """LsaApLogonUserEx2, SpAcceptCredentials, LsaApLogonTerminated."""

    def __init__(self) -> None:
        self.sessions: dict[int, msv1_0.UserInfo] = {}
        """Of the logons by this package, as long as they last."""
        self.pending: dict[int, msv1_0.UserInfo] = {}
        """Logons that the authority has not admitted yet, and some that it never did."""
        self.cache = LogonCache()
        self.challenges = Challenges()
        self.kept = set()

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        """LsaApLogonUserEx2. STATUS_LOGON_FAILURE for every proof that does not hold, STATUS_INVALID_LOGON_TYPE (R57),
        STATUS_BAD_VALIDATION_CLASS for a form that does not go with the logon type (R56).
        """
        name = _qualified(request.domain, request.username)
        try:
            if request.logon_type not in _WITH_PASSWORD:
                raise SecurityError(Status.STATUS_INVALID_LOGON_TYPE, reason="logon_type_not_offered")
            if request.authentication_information:
                return await self._network(call, request, _logon_in(request))
            if not request.username or request.password is None:
                raise SecurityError(Status.STATUS_BAD_VALIDATION_CLASS, reason="neither_password_nor_response")
            domain, user = request.domain, request.username
            if not domain and "\\" in user:
                domain, _, user = user.partition("\\")
            auth, _key = await self._by_password(call, request, user, domain, request.password)
            return await self.granted(call, request, auth, request.password)
        except Rejected as rejected:
            return LogonRefused(Status.STATUS_LOGON_FAILURE, name, reason=rejected.reason.value)
        except SecurityError as error:
            status = Status.STATUS_LOGON_FAILURE if error.status in _NO_LOGON else error.status
            return LogonRefused(status, name, error.substatus, error.reason)

    # --- passwords -----------------------------------------------------------------------------------------------

    async def _by_password(self, call: Call, request: LogonRequest, user: str, domain: str, password: str) -> Outcome:
        if self.is_ours(domain):
            found = await self.account(user, domain)
            if not same_password(password, found.nt_hash) or not found.usable or found.auth is None:
                raise _denied(found.reason)
            return found.auth, b""
        credential = credential_of(user, domain, password)
        asked = question(credential, call, request.logon_type, request.workstation)
        try:
            auth, key = await self.validate_elsewhere(asked)
        except SecurityError as error:
            if error.status is not Status.STATUS_NO_LOGON_SERVERS or request.logon_type in _NETWORK:
                raise
            return self.cache.check(credential, call.now), b""  # R245
        if request.logon_type not in _NETWORK:
            self.cache.remember(credential, auth, call, self.settings.cached_logons)
        return auth, key

    # --- challenge and response ----------------------------------------------------------------------------------

    async def _network(self, call: Call, request: LogonRequest, logon: msv1_0.Logon) -> LogonResult | LogonRefused:
        if request.logon_type not in _NETWORK:
            raise SecurityError(Status.STATUS_BAD_VALIDATION_CLASS, reason="response_of_no_network_logon")
        if len(logon.challenge_to_client) != msv1_0.CHALLENGE_LENGTH:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="challenge_length")
        if isinstance(logon, msv1_0.SubAuthenticationLogon) or logon.sub_auth_package_id:
            decided = await self.logon_by_routine(request, logon)
            if isinstance(decided, LogonRefused):
                return decided
            return await self.granted(call, request, decided[0], None, decided[1].pack())
        if not self.challenges.spend(call, logon.challenge_to_client):
            raise _denied("challenge_not_given")
        asked = msv1_0.NetworkValidationRequest(
            request.logon_type,
            logon.logon_domain_name,
            logon.user_name,
            logon.workstation,
            logon.challenge_to_client,
            logon.case_sensitive_challenge_response,
            logon.case_insensitive_challenge_response,
        )
        try:
            auth, key = await self.validate(asked)
        except SecurityError as error:
            status = Status.STATUS_LOGON_FAILURE if error.status is Status.SEC_E_LOGON_DENIED else error.status
            name = _qualified(logon.logon_domain_name, logon.user_name)
            return LogonRefused(status, name, error.substatus, error.reason)
        profile = msv1_0.Lm20LogonProfile(
            auth.domain_name, self.settings.machine, key, kick_off_time=auth.token_information.expiration
        )
        return await self.granted(call, request, auth, None, profile.pack())

    async def validate(self, asked: msv1_0.NetworkValidationRequest) -> Outcome:
        """A challenge and its responses, by whoever has the account. SEC_E_LOGON_DENIED."""
        if not self.is_ours(asked.logon_domain_name):
            return await self.validate_elsewhere(asked)
        return await self.validate_here(asked)

    async def validate_here(self, asked: msv1_0.NetworkValidationRequest) -> Outcome:
        """The same, of an account of this authority: NTLMv2, and NTLMv1 with session security where it is allowed."""
        user, domain = asked.user_name, asked.logon_domain_name
        found = await self.account(user, domain)
        lm, nt = memoryview(asked.lm_challenge_response), memoryview(asked.nt_challenge_response)
        try:
            response = ntlm.read_response(lm, nt)
            if isinstance(response, NtlmV1Response):
                if not self.settings.ntlm_v1:
                    raise Rejected(Reason.NTLM_V1, "MS-NLMP 2.2.2.6: an NTLMv1 response is refused")
                flags = asked.negotiate_flags or _V1_FLAGS
                key = ntlm.check_v1(found.nt_hash, flags, asked.lm_challenge, response)
            else:
                key = ntlm.check_v2(found.nt_hash, user, domain, asked.lm_challenge, response)
        except Rejected as rejected:
            why = found.reason if rejected.reason is Reason.PROOF_MISMATCH else rejected.reason.value
            raise _denied(why) from None
        if not found.usable or found.auth is None:
            raise _denied(found.reason)
        return found.auth, key

    # --- what comes of it ------------------------------------------------------------------------------------------

    async def granted(
        self, call: Call, request: LogonRequest, auth: AuthData, password: str | None, profile: bytes = b""
    ) -> LogonResult:
        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        primary = None
        if password is not None:
            primary = PrimaryCredential(
                logon_id, auth.account_name, auth.domain_name, auth.user_sid, password,
                flags=PrimaryCredentialFlag.CLEAR_PASSWORD, upn=auth.upn,
            )  # fmt: skip
            if request.logon_type in _KEEPS:
                try:
                    await self.keep(logon_id, credential_of(auth.account_name, auth.domain_name, password), new=True)
                except BaseException:
                    await self.authority.delete_logon_session(logon_id)  # R45
                    raise
            if not profile:
                profile = msv1_0.InteractiveProfile(logon_server=self.settings.machine).pack()
        if len(self.pending) >= _PENDING:
            del self.pending[next(iter(self.pending))]
        self.pending[logon_id] = msv1_0.UserInfo(
            auth.user_sid, auth.account_name, auth.domain_name, self.settings.machine, request.logon_type
        )
        return LogonResult(
            logon_id, auth.token_information, auth.account_name, auth.domain_name, self.settings.machine,
            profile, primary,
        )  # fmt: skip

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> SupplementalCredential | None:
        """SpAcceptCredentials: of a password that was set, the NT hash for the account; of a logon or an update, for
        the session, whichever package logged the user on (R246).
        """
        logon_id = primary.logon_id
        if logon_id in self.pending:
            self.sessions[logon_id] = self.pending.pop(logon_id)
            return None  # the session has its credential
        protected = primary.flags & PrimaryCredentialFlag.PROTECTED_USER
        if primary.password is None or len(primary.password) > ntlm.MAX_PASSWORD or protected:
            return None
        if not logon_id:
            if not primary.flags & PrimaryCredentialFlag.UPDATE or not self.settings.nt_hashes:
                return None
            return SupplementalCredential(PACKAGE, pack_entry(ntlm.nt_hash(primary.password)))
        await self.keep(logon_id, credential_of(primary.downlevel_name, primary.domain_name, primary.password))
        return None

    async def logon_terminated(self, logon_id: int) -> None:
        """LsaApLogonTerminated: drops what is kept for the session (R94)."""
        self.sessions.pop(logon_id, None)
        self.pending.pop(logon_id, None)
        if logon_id in self.kept:
            await self.forget(logon_id)


def _logon_in(request: LogonRequest) -> msv1_0.Logon:
    try:
        found: msv1_0.Logon = msv1_0.decoded(request.authentication_information, msv1_0.Logon)
    except SecurityError:
        raise SecurityError(Status.STATUS_BAD_VALIDATION_CLASS, reason="logon_structure_malformed") from None
    return found


def _qualified(domain: str, user: str) -> str:
    return f"{domain}\\{user}" if domain else user


def _denied(reason: str) -> SecurityError:
    return SecurityError(Status.SEC_E_LOGON_DENIED, reason=reason or WRONG_PASSWORD)
