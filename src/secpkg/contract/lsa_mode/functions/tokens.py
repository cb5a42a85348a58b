"""Access tokens, and the audit record of what was done to get them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from secpkg.contract.flags import (
    ImpersonationLevel,
    LogonType,
)
from secpkg.contract.status import Status
from secpkg.contract.values import (
    AuthData,
    ConvertedToken,
    LogonAudit,
    PrimaryCredential,
    TokenInformation,
    TokenReference,
)


class Tokens(Protocol):
    """Access tokens: packages see references only (lock 5)."""

    def convert_auth_data_to_token(
        self,
        auth_data: AuthData,
        impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
        logon_type: LogonType = LogonType.NETWORK,
        authority_name: str = "",
        workstation: str = "",
    ) -> Awaitable[ConvertedToken]:
        """ConvertAuthDataToToken: session and token in one step (R105), audited as a logon of ``logon_type``. The
        account is looked up again, so that nothing in ``auth_data`` can add to it; STATUS_ACCOUNT_RESTRICTION with its
        substatus when a rule of the account refuses (R55). ``workstation`` is for the audit record.
        Page: ntsecpkg/nc-ntsecpkg-lsa_convert_auth_data_to_token.
        """
        ...

    def create_token(
        self,
        logon_id: int,
        token_information: TokenInformation,
        logon_type: LogonType = LogonType.NETWORK,
        impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
        account_name: str = "",
        authority_name: str = "",
        workstation: str = "",
    ) -> Awaitable[TokenReference]:
        """CreateToken: for a session made with `Sessions.create_logon_session` (R102). TokenSource is the package
        (R103). STATUS_NO_SUCH_LOGON_SESSION. Page: ntsecpkg/nc-ntsecpkg-lsa_create_token.
        """
        ...

    def create_token_ex(
        self,
        logon_id: int,
        token_information: TokenInformation,
        session_information: PrimaryCredential,
        logon_type: LogonType = LogonType.NETWORK,
        impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
        workstation: str = "",
    ) -> Awaitable[TokenReference]:
        """CreateTokenEx. Page: ntsecpkg/nc-ntsecpkg-lsa_create_token_ex."""
        ...

    def open_token_by_logon_id(self, logon_id: int) -> Awaitable[TokenReference]:
        """OpenTokenByLogonId: a token of the caller's own session. Page:
        ntsecpkg/nc-ntsecpkg-lsa_open_token_by_logon_id.
        """
        ...

    def duplicate_handle(self, source: TokenReference) -> Awaitable[TokenReference]:
        """DuplicateHandle: a handle for the client process (R106). Page: ntsecpkg/nc-ntsecpkg-lsa_duplicate_handle."""
        ...

    def duplicate_token_handle(self, source: TokenReference) -> Awaitable[TokenReference]:
        """DuplicateTokenHandle. Header NTSecPKG.h."""
        ...

    def check_protected_user_by_token(self, token: TokenReference) -> Awaitable[bool]:
        """CheckProtectedUserByToken. Header NTSecPKG.h."""
        ...


class Audit(Protocol):
    """The audit record, which the authority alone writes (lock 10)."""

    def audit_logon(self, record: LogonAudit) -> Awaitable[None]:
        """AuditLogon: a logon that the authority did not see itself; a failure counts towards the delay of the account
        and origin (lock 9). Page: ntsecpkg/nc-ntsecpkg-lsa_audit_logon.
        """
        ...

    def audit_logon_ex(self, record: LogonAudit, impersonation_level: ImpersonationLevel) -> Awaitable[None]:
        """AuditLogonEx. Header NTSecPKG.h."""
        ...

    def audit_account_logon(
        self, audit_id: int, success: bool, source: str, client_name: str, mapped_name: str, status: Status
    ) -> Awaitable[None]:
        """AuditAccountLogon: how a foreign name was mapped; always succeeds (R108).
        Page: ntsecpkg/nc-ntsecpkg-lsa_audit_account_logon.
        """
        ...
