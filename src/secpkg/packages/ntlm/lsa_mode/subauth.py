"""Subauthentication: a network logon that a routine decides in place of the password check (R262, R263, R272).

The routine runs in its own module's worker, under the authority's eyes (docs/adr/0015); its word is one about the
password only, and the authority's restrictions of the account hold as for others.
"""

from __future__ import annotations

from secpkg.contract import msv1_0
from secpkg.contract.subauthentication import (
    SUBAUTH_PACKAGE,
    LogonIdentity,
    LogonInfoClass,
    NetworkInfo,
    SubAuthLogon,
    SubAuthRequest,
    UserFlag,
    outcome_of,
    submit,
)
from secpkg.contract.values import AuthData, LogonRefused, LogonRequest
from secpkg.packages.ntlm.lsa_mode.accounts import Accounts


class SubauthenticationHalf(Accounts):
    """Asking a routine."""

    async def logon_by_routine(
        self, request: LogonRequest, logon: msv1_0.Logon
    ) -> tuple[AuthData, msv1_0.Lm20LogonProfile] | LogonRefused:
        """A logon whose form names a subauthentication package. Only where the account lives (R262)."""
        if isinstance(logon, msv1_0.SubAuthenticationLogon):
            first, second = logon.authentication_info1, logon.authentication_info2
        else:
            first, second = logon.case_sensitive_challenge_response, logon.case_insensitive_challenge_response
        identity = LogonIdentity(logon.user_name, logon.workstation, logon.logon_domain_name, logon.parameter_control)
        asked = SubAuthLogon(
            logon.sub_auth_package_id,
            request.logon_type,
            LogonInfoClass.NETWORK_INFORMATION,
            NetworkInfo(identity, logon.challenge_to_client, first, second),
        )
        reply = await self.authority.call_package(SUBAUTH_PACKAGE, submit(asked))
        outcome = outcome_of(reply.data)
        if outcome.status.is_error:
            return LogonRefused(outcome.status, logon.user_name, reason="refused_by_subauthentication")
        auth = await self.authority.get_auth_data_for_user(logon.user_name)
        profile = msv1_0.Lm20LogonProfile(
            auth.domain_name,
            self.settings.machine,
            kick_off_time=outcome.kickoff_time,
            logoff_time=outcome.logoff_time,
            user_flags=int(outcome.user_flags) & ~int(UserFlag.SUBAUTH_SESSION_KEY),
        )
        return auth, profile

    async def ask_routine(self, number: int, submit_buffer: bytes) -> bytes:
        """MSV1_0_SUBAUTH_REQUEST: the routine's own service."""
        reply = await self.authority.call_package(SUBAUTH_PACKAGE, submit(SubAuthRequest(number, submit_buffer)))
        return reply.data
