"""Accounts of other authorities: their MSV1_0 is asked, over mutual TLS (R244, docs/adr/0014), and answers for ours.

What is asked is the exchange as it passed: the challenge and the responses. No password, no hash and no key of ours
goes out; what comes back is whose proof it was and the key that only who knows the password could have. It speaks for
the accounts of its own domain: an answer about a user of ours, or under another domain's name, is none.
"""

from __future__ import annotations

from secpkg.contract import msv1_0
from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData, TokenInformation
from secpkg.packages.ntlm.lsa_mode.initiate import InitiateHalf
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import Rejected
from secpkg.protocols.ntlm.messages import check_text

PACKAGE = "NTLM"
_UNKNOWN = (
    Status.STATUS_NO_SUCH_DOMAIN,
    Status.STATUS_NO_SUCH_USER,
    Status.STATUS_INVALID_PARAMETER,  # no name of a domain at all
)
_DENIED = (Status.STATUS_LOGON_FAILURE, Status.STATUS_NO_SUCH_USER, Status.STATUS_WRONG_PASSWORD)
_KEY = 16


class PassthroughHalf(InitiateHalf):
    """Asking the authority that has the account."""

    async def ask_account_authority(self, presented: ntlm.Presented) -> tuple[AuthData, bytes]:
        """Whose proof it is, and its session base key. One call. SEC_E_LOGON_DENIED for a proof that does not hold
        there and for a domain that is not configured; STATUS_NO_LOGON_SERVERS for one that cannot be reached.
        """
        message, challenge = presented.message, presented.challenged.challenge
        return await self.validate_elsewhere(
            msv1_0.NetworkValidationRequest(
                LogonType.NETWORK,
                presented.domain,
                presented.user,
                presented.workstation,
                challenge.server_challenge,
                bytes(message.nt_response),
                bytes(message.lm_response),
                message.flags,
            )
        )

    async def validate_elsewhere(self, asked: msv1_0.NetworkValidationRequest) -> tuple[AuthData, bytes]:
        """The same for any challenge and responses. STATUS_TRUSTED_RELATIONSHIP_FAILURE for an answer that its
        authority has no right to give, or that is none.
        """
        try:
            reply = await self.authority.call_package_passthrough(
                f"{asked.logon_domain_name}\\{PACKAGE}", 0, asked.pack()
            )
        except SecurityError as error:
            if error.status in _UNKNOWN:
                raise SecurityError(Status.SEC_E_LOGON_DENIED, reason="unknown_domain") from None
            raise
        status = reply.protocol_status
        if status.is_error:
            status = Status.SEC_E_LOGON_DENIED if status in _DENIED else status
            raise SecurityError(status, reason="refused_by_account_authority")
        found = self._trusted(asked, reply.data)
        information = TokenInformation(found.user_sid, found.group_sids, expiration=found.kick_off_time)
        auth = AuthData(found.account_name, found.domain_name, found.user_sid, information, upn=found.upn)
        return auth, found.user_session_key

    def _trusted(self, asked: msv1_0.NetworkValidationRequest, data: bytes) -> msv1_0.NetworkValidation:
        try:
            found = msv1_0.NetworkValidation.unpack(data)
            check_text(found.account_name)
        except (SecurityError, Rejected):
            raise _untrusted("account_authority_malformed") from None
        if found.domain_name.casefold() != asked.logon_domain_name.casefold():
            raise _untrusted("account_authority_of_another_domain")
        if f"{found.user_sid}-".startswith(f"{self.parameters.domain_sid}-"):
            raise _untrusted("account_authority_names_our_account")
        if len(found.user_session_key) != _KEY:
            raise _untrusted("account_authority_without_key")
        return found


def _untrusted(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE, reason=reason)
