"""Credential management."""

from __future__ import annotations

from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, AuthIdentity, SecBuffer
from secpkg.ipc.connection import shared
from secpkg.ipc.link import run
from secpkg.ipc.session import current
from secpkg.sspi import operations
from secpkg.sspi.operations import CredentialHandle

_NO_MESSAGE = "no message of the authority carries it yet"


async def _acquire(
    principal: str | None,
    package: str,
    use: int,
    logon_id: int | None,
    auth_data: AuthIdentity | bytes | None,
    authority: object,
) -> CredentialHandle:
    backend = await operations.open_backend(shared, package, authority, current.get())
    identity = auth_data if isinstance(auth_data, AuthIdentity) else None
    data = auth_data if isinstance(auth_data, bytes) else b""
    return await operations.acquire(
        backend, int(use), principal=principal, identity=identity, data=data, logon_id=logon_id
    )


@implements("sspi", "AcquireCredentialsHandle")
def acquire_credentials_handle(
    principal: str | None,
    package: str,
    credential_use: int,
    logon_id: int | None = None,
    auth_data: AuthIdentity | bytes | None = None,
    *,
    authority: object = None,
) -> tuple[Status, CredentialHandle | None, float]:
    """AcquireCredentialsHandle: (status, credential, expiry in UTC seconds). A NULL principal is the caller (R196);
    a handle is no proof that the credentials work (R197). pGetKeyFn is reserved and left out.
    Page: sspi/nf-sspi-acquirecredentialshandlew.
    """
    try:
        handle = run(_acquire(principal, package, credential_use, logon_id, auth_data, authority))
    except SecurityError as error:
        return error.status, None, NEVER
    return Status.SEC_E_OK, handle, handle.expiry


@implements("sspi", "FreeCredentialsHandle")
def free_credentials_handle(credential: CredentialHandle | None) -> Status:
    """FreeCredentialsHandle: contexts made with it live on (R193). Page: sspi/nf-sspi-freecredentialshandle."""
    if not isinstance(credential, CredentialHandle):
        return Status.SEC_E_INVALID_HANDLE
    try:
        run(operations.free(credential))
    except SecurityError as error:
        return error.status
    return Status.SEC_E_OK


@implements("sspi", "AddCredentials", "unsupported", _NO_MESSAGE)
def add_credentials(
    credential: CredentialHandle, principal: str | None, package: str, credential_use: int, auth_data: object = None
) -> tuple[Status, float]:
    """AddCredentials: not built. Page: sspi/nf-sspi-addcredentialsw."""
    return Status.SEC_E_UNSUPPORTED_FUNCTION, NEVER


@implements("sspi", "QueryCredentialsAttributes", "unsupported", _NO_MESSAGE)
def query_credentials_attributes(credential: CredentialHandle, attribute: int) -> tuple[Status, object]:
    """QueryCredentialsAttributes: not built. Page: sspi/nf-sspi-querycredentialsattributesw."""
    return Status.SEC_E_UNSUPPORTED_FUNCTION, None


@implements("sspi", "QueryCredentialsAttributesEx", "unsupported", _NO_MESSAGE)
def query_credentials_attributes_ex(
    credential: CredentialHandle, attribute: int, buffer_size: int
) -> tuple[Status, object]:
    """QueryCredentialsAttributesEx: not built. Page: sspi/nf-sspi-querycredentialsattributesexw."""
    return Status.SEC_E_UNSUPPORTED_FUNCTION, None


@implements("sspi", "SetCredentialsAttributes", "unsupported", _NO_MESSAGE)
def set_credentials_attributes(credential: CredentialHandle, attribute: int, value: bytes) -> Status:
    """SetCredentialsAttributes: not built. Page: sspi/nf-sspi-setcredentialsattributesw."""
    return Status.SEC_E_UNSUPPORTED_FUNCTION


@implements("sspi", "ChangeAccountPassword", "unsupported", _NO_MESSAGE)
def change_account_password(
    package: str,
    domain_name: str,
    account_name: str,
    old_password: str,
    new_password: str,
    impersonating: bool,
    output: list[SecBuffer],
) -> Status:
    """ChangeAccountPassword: not built. Page: sspi/nf-sspi-changeaccountpasswordw."""
    return Status.SEC_E_UNSUPPORTED_FUNCTION
