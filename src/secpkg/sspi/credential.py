"""A credential for several contexts."""

from __future__ import annotations

from types import TracebackType

from secpkg.contract.flags import CredentialUse
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity
from secpkg.ipc.connection import shared
from secpkg.ipc.link import run
from secpkg.sspi.operations import CredentialHandle
from secpkg.sspi.party import CredentialSource


def identity_of(username: str | None, domain: str, password: str | None) -> AuthIdentity | None:
    """``SEC_WINNT_AUTH_IDENTITY``, or None for default credentials. SEC_E_INVALID_PARAMETER for a password alone."""
    if username is None:
        if password is not None or domain:
            raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="username_missing")
        return None
    return AuthIdentity(username, domain, password or "")


def source_of(credential: CredentialSource, package: str, use: CredentialUse) -> CredentialSource:
    """A credential that was given, when it fits. SEC_E_WRONG_CREDENTIAL_HANDLE, SEC_E_INVALID_HANDLE."""
    if credential._package != package or not int(credential._use) & int(use):
        raise SecurityError(Status.SEC_E_WRONG_CREDENTIAL_HANDLE, reason="credential_does_not_fit")
    if credential._closed:
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="credential_freed")
    return credential


class Credential(CredentialSource):
    """AcquireCredentialsHandle: a handle that any number of clients or servers of this package may use at once.

    Without ``username`` these are default credentials: those of the logon session whose access token this thread
    presents (`secpkg.lsa.Logon.session`). That the handle exists is no proof that the credentials work (R197).
    Closing it does not disturb contexts that exist (R193).
    """

    def __init__(
        self,
        package: str,
        use: CredentialUse = CredentialUse.OUTBOUND,
        *,
        username: str | None = None,
        domain: str = "",
        password: str | None = None,
        authority: object = None,
    ) -> None:
        super().__init__(shared, package, use, identity_of(username, domain, password), authority)
        run(self._open())

    @property
    def handle(self) -> CredentialHandle:
        """The handle, for `secpkg.sspi.raw`."""
        return run(self._open())

    @property
    def expiry(self) -> float:
        """UTC seconds after which the credential is not to be used."""
        return self.handle.expiry

    def close(self) -> None:
        """FreeCredentialsHandle. Harmless when repeated."""
        run(self._free())

    def __enter__(self) -> Credential:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
