"""Who knows the old password gives the account a new one: by ChangeAccountPassword, or by a call of the package."""

from __future__ import annotations

from secpkg.contract import (
    Call,
    LogonAudit,
    PrimaryCredential,
    PrimaryCredentialFlag,
    ProtocolReply,
    SecurityError,
    Status,
)
from secpkg.protocols import scram
from secpkg.protocols.scram import Rejected
from secpkg_hello.lsa_mode.accounts import WRONG_PASSWORD, Accounts
from secpkg_hello.services import ChangePassword


class PasswordHalf(Accounts):
    """SpChangeAccountPassword, and LsaApCallPackage from connections of both kinds."""

    async def change_account_password(
        self,
        call: Call,
        domain_name: str,
        account_name: str,
        old_password: str,
        new_password: str,
        impersonating: bool,
    ) -> bytes:
        """SpChangeAccountPassword: the old password first, with the same work for everybody. A wrong one counts towards
        the delay of account and origin, and while that runs the right one is as wrong: the authority sees to both.
        """
        name = f"{domain_name}\\{account_name}" if domain_name else account_name
        auth, verifier, reason = await self.account(name)
        try:
            scram.check_password(verifier, old_password)
            proved = reason == WRONG_PASSWORD
        except Rejected:
            proved = False
        if auth is None or not proved:
            status = Status.STATUS_WRONG_PASSWORD
            await self.authority.audit_logon(
                LogonAudit(status, auth.account_name if auth else name, reason=f"change_password_{reason}")
            )
            raise SecurityError(status, reason=reason)
        flags = PrimaryCredentialFlag.UPDATE | PrimaryCredentialFlag.CLEAR_PASSWORD
        new = PrimaryCredential(0, auth.account_name, auth.domain_name, password=new_password, flags=flags)
        await self.authority.update_credentials(new)
        return b""

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """LsaApCallPackage: what the service came to is ProtocolStatus; what is no request was not attempted (R77)."""
        asked = ChangePassword.unpack(submit_buffer)
        names = asked.domain_name, asked.account_name
        try:
            await self.change_account_password(call, *names, asked.old_password, asked.new_password, False)
        except SecurityError as refused:
            return ProtocolReply(b"", refused.status)
        return ProtocolReply()

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """LsaApCallPackageUntrusted: the same, since the old password is what counts (R75)."""
        return await self.call_package(call, submit_buffer)
