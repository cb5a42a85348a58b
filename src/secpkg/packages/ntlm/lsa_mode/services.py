"""LsaCallAuthenticationPackage: the messages of MSV1_0 that make sense here, and the pass-through of other authorities.

A service that was reached and refused says so in ProtocolStatus; what is no message, or one that its caller may not
send, is raised and was not attempted (R77).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from secpkg.contract import msv1_0
from secpkg.contract.flags import LogonType, PrimaryCredentialFlag
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData, Call, LogonAudit, PrimaryCredential, ProtocolReply
from secpkg.packages.ntlm.lsa_mode.accounts import ABSENT, credential_of, same_password
from secpkg.packages.ntlm.lsa_mode.logon import LogonHalf
from secpkg.packages.ntlm.lsa_mode.responses import respond
from secpkg.protocols.ntlm import Credential

_PASSTHROUGH: Final = (LogonType.NETWORK, LogonType.NETWORK_CLEARTEXT, LogonType.INTERACTIVE, LogonType.UNLOCK,
                       LogonType.BATCH, LogonType.SERVICE, LogonType.REMOTE_INTERACTIVE)  # fmt: skip


class ServicesHalf(LogonHalf):
    """LsaApCallPackage*, SpChangeAccountPassword."""

    async def change_account_password(
        self,
        call: Call,
        domain_name: str,
        account_name: str,
        old_password: str,
        new_password: str,
        impersonating: bool,
    ) -> bytes:
        """SpChangeAccountPassword (R206): the old password first, with the same work for everybody. A wrong one counts
        towards the delay of account and origin.
        """
        if not self.is_ours(domain_name):
            raise SecurityError(Status.STATUS_NO_SUCH_DOMAIN, reason="account_of_another_domain")
        found = await self.account(account_name, domain_name)
        if not same_password(old_password, found.nt_hash) or not found.usable or found.auth is None:
            status = Status.STATUS_WRONG_PASSWORD
            name = found.auth.account_name if found.auth is not None else account_name
            await self.authority.audit_logon(LogonAudit(status, name, reason=f"change_password_{found.reason}"))
            raise SecurityError(status, reason=found.reason)
        flags = PrimaryCredentialFlag.UPDATE | PrimaryCredentialFlag.CLEAR_PASSWORD
        auth = found.auth
        await self.authority.update_credentials(
            PrimaryCredential(0, auth.account_name, auth.domain_name, password=new_password, flags=flags)
        )
        await self._renew(call, auth, credential_of(auth.account_name, auth.domain_name, new_password))
        return b""

    async def _renew(self, call: Call, auth: AuthData, credential: Credential) -> None:
        """The new password in the sessions of this user that the package logged on, and in the caller's own."""
        theirs = [logon_id for logon_id, info in self.sessions.items() if info.user_sid == auth.user_sid]
        mine = call.caller.logon_id
        if mine in self.kept and mine not in theirs:
            own = await self.own(mine)
            if (own.user.casefold(), own.domain.casefold()) == (
                credential.user.casefold(),
                credential.domain.casefold(),
            ):
                theirs.append(mine)
        for logon_id in theirs:
            if logon_id in self.kept:
                try:
                    await self.keep(logon_id, credential)
                except SecurityError as error:  # the session has ended meanwhile
                    if error.status not in ABSENT:
                        raise

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """LsaApCallPackage: `msv1_0.Submit` in, its reply out. STATUS_INVALID_PARAMETER for anything else."""
        request = msv1_0.decoded(submit_buffer, msv1_0.Submit)
        service: Callable[[Any, Call, Any], Awaitable[msv1_0.Structure | None]] = _SERVICES[type(request)]
        try:
            reply = await service(self, call, request)
        except SecurityError as refused:
            return ProtocolReply(b"", refused.status)
        return ProtocolReply(b"" if reply is None else reply.pack())

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """LsaApCallPackageUntrusted: what needs nothing but a proof in the message, or the caller's own session."""
        if not isinstance(msv1_0.decoded(submit_buffer, msv1_0.Submit), _UNTRUSTED):
            raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="trusted_connection_needed")
        return await self.call_package(call, submit_buffer)

    async def call_package_passthrough(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """LsaApCallPackagePassthrough (R244): another authority asks whether a proof holds for an account of ours.

        The authority admits the account before anything is answered, and has a wrong proof on its own record.
        """
        asked = msv1_0.NetworkValidationRequest.unpack(submit_buffer)
        if asked.logon_type not in _PASSTHROUGH or len(asked.lm_challenge) != msv1_0.CHALLENGE_LENGTH:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="question_malformed")
        if not self.is_ours(asked.logon_domain_name):
            raise SecurityError(Status.STATUS_NO_SUCH_DOMAIN, reason="asked_for_another_domain")
        try:
            auth, key = await self.validate_here(asked)
        except SecurityError as error:
            if error.status is not Status.SEC_E_LOGON_DENIED:
                raise
            status = Status.STATUS_LOGON_FAILURE
            await self.authority.audit_logon(
                LogonAudit(status, asked.user_name, workstation=asked.workstation, reason=error.reason)
            )
            return ProtocolReply(b"", status)
        try:
            await self.authority.convert_auth_data_to_token(
                auth, logon_type=asked.logon_type, authority_name=auth.domain_name, workstation=asked.workstation
            )
        except SecurityError as error:
            return ProtocolReply(b"", error.status)
        information = auth.token_information
        answer = msv1_0.NetworkValidation(
            auth.account_name,
            auth.domain_name,
            auth.user_sid,
            information.groups,
            key,
            information.expiration,
            auth.upn,
        )
        return ProtocolReply(answer.pack())

    # --- the services, one a message -------------------------------------------------------------------------------

    async def _lm20_challenge_request(
        self, call: Call, request: msv1_0.Lm20ChallengeRequest
    ) -> msv1_0.Lm20ChallengeResponse:
        """MsV1_0Lm20ChallengeRequest: a challenge for a later MSV1_0_LM20_LOGON."""
        return msv1_0.Lm20ChallengeResponse(self.challenges.give(call))

    async def _lm20_get_challenge_response(
        self, call: Call, request: msv1_0.GetChallengeResponse
    ) -> msv1_0.ChallengeResponse:
        """MsV1_0Lm20GetChallengeResponse: with the credential of the caller's session, or of any for a trusted one."""
        if len(request.challenge_to_client) != msv1_0.CHALLENGE_LENGTH:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="challenge_length")
        _require_session(call, request.logon_id)
        return respond(await self.own(request.logon_id), request.challenge_to_client, call)

    async def _enumerate_users(self, call: Call, request: msv1_0.EnumerateUsers) -> msv1_0.EnumeratedUsers:
        """MsV1_0EnumerateUsers."""
        return msv1_0.EnumeratedUsers(tuple(sorted(self.sessions)))

    async def _get_user_info(self, call: Call, request: msv1_0.GetUserInfo) -> msv1_0.UserInfo:
        """MsV1_0GetUserInfo: STATUS_NO_SUCH_LOGON_SESSION."""
        _require_session(call, request.logon_id)
        found = self.sessions.get(request.logon_id)
        if found is None:
            raise SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION, reason="not_its_logon")
        return found

    async def _change_password(self, call: Call, request: msv1_0.ChangePassword) -> None:
        """MsV1_0ChangePassword."""
        await self.change_account_password(
            call,
            request.domain_name,
            request.account_name,
            request.old_password,
            request.new_password,
            request.impersonating,
        )

    async def _change_cached_password(self, call: Call, request: msv1_0.ChangeCachedPassword) -> None:
        """MsV1_0ChangeCachedPassword: after a change elsewhere. STATUS_NO_SUCH_LOGON_SESSION for another's session."""
        _require_session(call, request.logon_id)
        info = self.sessions.get(request.logon_id)
        credential = credential_of(request.account_name or "?", request.domain_name, request.new_password)
        if info is None or (info.user_name.casefold(), info.logon_domain_name.casefold()) != (
            credential.user.casefold(),
            credential.domain.casefold(),
        ):
            raise SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION, reason="not_its_logon")
        await self.keep(request.logon_id, credential)
        self.cache.replace(credential, call)

    async def _generic_passthrough(self, call: Call, request: msv1_0.GenericPassthrough) -> msv1_0.PassthroughResponse:
        """MsV1_0GenericPassthrough: to a package of the domain's authority, unseen."""
        reply = await self.authority.call_package_passthrough(
            f"{request.domain_name}\\{request.package_name}", 0, request.data
        )
        if reply.protocol_status.is_error:
            raise SecurityError(reply.protocol_status, reason="refused_by_package")
        return msv1_0.PassthroughResponse(reply.data)

    async def _cache_lookup(self, call: Call, request: msv1_0.CacheLookup) -> msv1_0.CachedLogon:
        """MsV1_0CacheLookup: STATUS_NO_SUCH_USER where nothing is cached."""
        entry = self.cache.find(request.user_name, request.domain_name)
        if entry is None:
            raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="no_cached_logon")
        return msv1_0.CachedLogon(entry.auth.user_sid, entry.cached_at)

    async def _clear_cached_credentials(self, call: Call, request: msv1_0.ClearCachedCredentials) -> None:
        """MsV1_0ClearCachedCredentials."""
        self.cache.entries.clear()

    async def _sub_auth(self, call: Call, request: msv1_0.SubAuth) -> msv1_0.SubAuthResponse:
        """MsV1_0SubAuth: Msv1_0SubAuthenticationRoutineGeneric of a local package."""
        return msv1_0.SubAuthResponse(
            await self.ask_routine(request.sub_auth_package_id, request.sub_auth_submit_buffer)
        )


def _require_session(call: Call, logon_id: int) -> None:
    """STATUS_ACCESS_DENIED for a session that is not the caller's, unless it has SeTcbPrivilege."""
    if not call.caller.has_tcb_privilege and call.caller.logon_id != logon_id:
        raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="not_the_callers_session")


_SERVICES: Final[dict[type, Callable[[Any, Call, Any], Awaitable[msv1_0.Structure | None]]]] = {
    msv1_0.Lm20ChallengeRequest: ServicesHalf._lm20_challenge_request,
    msv1_0.GetChallengeResponse: ServicesHalf._lm20_get_challenge_response,
    msv1_0.EnumerateUsers: ServicesHalf._enumerate_users,
    msv1_0.GetUserInfo: ServicesHalf._get_user_info,
    msv1_0.ChangePassword: ServicesHalf._change_password,
    msv1_0.ChangeCachedPassword: ServicesHalf._change_cached_password,
    msv1_0.GenericPassthrough: ServicesHalf._generic_passthrough,
    msv1_0.CacheLookup: ServicesHalf._cache_lookup,
    msv1_0.ClearCachedCredentials: ServicesHalf._clear_cached_credentials,
    msv1_0.SubAuth: ServicesHalf._sub_auth,
}
_UNTRUSTED: Final = (
    msv1_0.Lm20ChallengeRequest,
    msv1_0.GetChallengeResponse,
    msv1_0.GetUserInfo,
    msv1_0.ChangePassword,
    msv1_0.ChangeCachedPassword,
)
"""What an untrusted connection may send: each asks for a proof or for the caller's own session."""
