"""Credentials handles: a name with its NT hash, a session that has one, or nobody."""

from __future__ import annotations

from typing import Generic, TypeVar

from secpkg.contract.flags import CredentialUse
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Acquired, AuthIdentity, Call
from secpkg.packages.ntlm.lsa_mode.accounts import Accounts, credential_of
from secpkg.protocols import ntlm

S = TypeVar("S")


class CredentialsHandle:
    """``own`` is an explicit credential, None where it is that of the session ``logon_id``, or nobody's."""

    __slots__ = ("inbound", "logon_id", "nobody", "outbound", "own")

    def __init__(
        self,
        use: CredentialUse,
        own: ntlm.Credential | None = None,
        logon_id: int | None = None,
        *,
        nobody: bool = False,
    ) -> None:
        self.own, self.logon_id, self.nobody = own, logon_id, nobody
        self.inbound, self.outbound = bool(use & CredentialUse.INBOUND), bool(use & CredentialUse.OUTBOUND)


class HalfBuilt(Generic[S]):
    """A half-built context of either side. Its state is taken out before use, so that no leg is tried twice and a
    challenge is answered once.
    """

    __slots__ = ("_state",)

    def __init__(self, state: S) -> None:
        self._state: S | None = state

    def take(self) -> S | None:
        """The state, once."""
        state, self._state = self._state, None
        return state


class CredentialsHalf(Accounts):
    """SpAcquireCredentialsHandle and SpFreeCredentialsHandle."""

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        """SpAcquireCredentialsHandle: an `AuthIdentity`, or the caller's session; a server needs neither.

        An identity without user, domain and password is nobody: the anonymous logon (MS-NLMP 3.1.5.1.2). A user
        ``name@realm`` without a domain is a UPN, ``DOMAIN\\name`` is taken apart.
        """
        if isinstance(authorization_data, AuthIdentity):
            identity = authorization_data
            if not (identity.user or identity.domain or identity.password):
                return Acquired(CredentialsHandle(use, nobody=True))
            domain, user = identity.domain, identity.user
            if not domain and "\\" in user:
                domain, _, user = user.partition("\\")
            return Acquired(CredentialsHandle(use, credential_of(user, domain, identity.password)))
        if authorization_data is not None:
            raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="not_an_auth_identity")
        if not use & CredentialUse.OUTBOUND:
            return Acquired(CredentialsHandle(use))
        mine = await self.own(logon_id)
        if principal is not None and principal.casefold() not in (
            mine.user.casefold(),
            f"{mine.domain}\\{mine.user}".casefold(),
        ):
            raise SecurityError(Status.SEC_E_NOT_OWNER, reason="another_principal")
        # The hash stays with the session: it may change or end before the handle is used (R247).
        return Acquired(CredentialsHandle(use, logon_id=logon_id))

    async def free_credentials_handle(self, call: Call, credential: CredentialsHandle) -> None:
        """SpFreeCredentialsHandle."""
        credential.own = None
