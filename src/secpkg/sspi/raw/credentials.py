"""Credential management."""

from __future__ import annotations

from secpkg.contract.flags import BufferType
from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, AuthIdentity, ContextAttributes, Message
from secpkg.host.user_mode.contexts import TYPE_MASK
from secpkg.ipc.connection import shared
from secpkg.ipc.link import run
from secpkg.ipc.schema import MAX_NAME
from secpkg.ipc.session import current
from secpkg.sspi import attributes, operations
from secpkg.sspi.operations import CredentialHandle


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


async def _add(
    credential: CredentialHandle, principal: str | None, package: str, use: int, auth_data: AuthIdentity | bytes | None
) -> float:
    operations.require_credential(credential)
    if isinstance(auth_data, AuthIdentity):
        auth_data = await operations.clear(credential.backend, auth_data)
    return await operations.call_credential(
        credential, "add_credentials", principal, package, int(use), auth_data, kind=float
    )


@implements("sspi", "AddCredentials")
def add_credentials(
    credential: CredentialHandle | None,
    principal: str | None,
    package: str,
    credential_use: int,
    auth_data: AuthIdentity | bytes | None = None,
) -> tuple[Status, float]:
    """AddCredentials: another credential for an existing handle, and when it expires (UTC seconds). The package
    decides what it takes; SEC_E_UNSUPPORTED_FUNCTION for one that holds a single credential. pGetKeyFn is not used and
    left out. Page: sspi/nf-sspi-addcredentialsw.
    """
    if not isinstance(package, str) or not package:
        return Status.SEC_E_SECPKG_NOT_FOUND, NEVER
    if not isinstance(auth_data, AuthIdentity | bytes | None) or not isinstance(principal, str | None):
        return Status.SEC_E_INVALID_PARAMETER, NEVER
    try:
        return Status.SEC_E_OK, run(_add(_given(credential), principal, package, credential_use, auth_data))
    except SecurityError as error:
        return error.status, NEVER


@implements("sspi", "QueryCredentialsAttributes")
def query_credentials_attributes(
    credential: CredentialHandle | None, attribute: int
) -> tuple[Status, ContextAttributes | None]:
    """QueryCredentialsAttributes: a structure of `secpkg.contract.attributes` by SECPKG_CRED_ATTR_*, or bytes in the
    documented layout; SEC_E_UNSUPPORTED_FUNCTION for what the package does not offer. The answer holds for every
    context made with the credential. Page: sspi/nf-sspi-querycredentialsattributesw.
    """
    try:
        return Status.SEC_E_OK, run(attributes.query_credential(_given(credential), attribute))
    except SecurityError as error:
        return error.status, None


@implements("sspi", "QueryCredentialsAttributesEx")
def query_credentials_attributes_ex(
    credential: CredentialHandle | None, attribute: int, buffer_size: int = 0
) -> tuple[Status, ContextAttributes | None]:
    """QueryCredentialsAttributesEx: as `query_credentials_attributes`; a size has no meaning for a value. Page:
    sspi/nf-sspi-querycredentialsattributesexw.
    """
    return query_credentials_attributes(credential, attribute)


@implements("sspi", "SetCredentialsAttributes")
def set_credentials_attributes(credential: CredentialHandle | None, attribute: int, value: bytes) -> Status:
    """SetCredentialsAttributes: at most 64 KiB, which the user half may pack (R167); SEC_E_UNSUPPORTED_FUNCTION for
    what the package does not let anyone set. Page: sspi/nf-sspi-setcredentialsattributesw.
    """
    try:
        run(attributes.set_credential(_given(credential), attribute, value))
    except SecurityError as error:
        return error.status
    return Status.SEC_E_OK


async def _change_password(
    package: str, authority: object, arguments: tuple[object, ...], impersonating: bool
) -> bytes:
    session = current.get() if impersonating else None
    backend = await operations.open_backend(shared, package, authority, session)
    return await operations.call_package(backend, "change_account_password", *arguments, impersonating, kind=bytes)


@implements("sspi", "ChangeAccountPassword")
def change_account_password(
    package: str,
    domain_name: str,
    account_name: str,
    old_password: str,
    new_password: str,
    impersonating: bool,
    output: Message,
    *,
    authority: object = None,
) -> Status:
    """ChangeAccountPassword: the old password is the right to change it. ``output`` is exactly one buffer of type
    SECBUFFER_CHANGE_PASS_RESPONSE, which receives what the package has to say of the policy (R206); anything else is
    SEC_E_INVALID_PARAMETER. ``impersonating``: for the logon session that this thread presents. dwReserved is left
    out. Page: sspi/nf-sspi-changeaccountpasswordw.
    """
    arguments = (domain_name, account_name, old_password, new_password)
    if not all(isinstance(text, str) and len(text) <= MAX_NAME for text in (package, *arguments)):
        return Status.SEC_E_INVALID_PARAMETER
    if len(output) != 1 or output[0].type & TYPE_MASK != BufferType.CHANGE_PASS_RESPONSE:
        return Status.SEC_E_INVALID_PARAMETER
    try:
        output[0].data = run(_change_password(package, authority, arguments, bool(impersonating)))
    except SecurityError as error:
        return error.status
    return Status.SEC_E_OK


def _given(credential: CredentialHandle | None) -> CredentialHandle:
    if not isinstance(credential, CredentialHandle):
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="credential_null")
    return credential
