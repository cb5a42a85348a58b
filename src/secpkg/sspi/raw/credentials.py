"""Credential management."""

from __future__ import annotations

from typing import Final

from secpkg.contract.flags import BufferType
from secpkg.contract.floor import floor
from secpkg.contract.status import Status
from secpkg.contract.values import NEVER, AuthIdentity, Buffer, ContextAttributes, Message
from secpkg.host.user_mode.contexts import TYPE_MASK
from secpkg.ipc.connection import shared
from secpkg.ipc.link import run
from secpkg.ipc.schema import MAX_NAME
from secpkg.ipc.session import current
from secpkg.sspi import attributes, operations
from secpkg.sspi.operations import CredentialHandle
from secpkg.sspi.raw.handles import credential_of
from secpkg.sspi.raw.identities import require_identity


async def _acquire(
    principal: str | None,
    package: str,
    use: int,
    logon_id: int | None,
    auth_data: AuthIdentity | bytes | None,
    authority: object,
) -> CredentialHandle:
    identity = require_identity(auth_data) if isinstance(auth_data, AuthIdentity) else None
    backend = await operations.open_backend(shared, package, authority, current.get())
    data = auth_data if isinstance(auth_data, bytes) else b""
    return await operations.acquire(
        backend, int(use), principal=principal, identity=identity, data=data, logon_id=logon_id
    )


_NO_PACKAGE: Final = {"package": Status.SEC_E_SECPKG_NOT_FOUND}


@floor("sspi", "AcquireCredentialsHandle", wrong=_NO_PACKAGE, failed=(None, NEVER))
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
    handle = run(_acquire(principal, package, credential_use, logon_id, auth_data, authority))
    return Status.SEC_E_OK, handle, handle.expiry


@floor("sspi", "FreeCredentialsHandle")
def free_credentials_handle(credential: CredentialHandle | None) -> Status:
    """FreeCredentialsHandle: contexts made with it live on (R193). Page: sspi/nf-sspi-freecredentialshandle."""
    run(operations.free(credential_of(credential)))
    return Status.SEC_E_OK


async def _add(
    credential: CredentialHandle, principal: str | None, package: str, use: int, auth_data: AuthIdentity | bytes | None
) -> float:
    operations.require_credential(credential)
    if isinstance(auth_data, AuthIdentity):
        auth_data = await operations.clear(credential.backend, require_identity(auth_data))
    return await operations.call_credential(
        credential, "add_credentials", principal, package, int(use), auth_data, kind=float
    )


@floor("sspi", "AddCredentials", wrong=_NO_PACKAGE, failed=(NEVER,))
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
    if not package:
        return Status.SEC_E_SECPKG_NOT_FOUND, NEVER
    return Status.SEC_E_OK, run(_add(credential_of(credential), principal, package, credential_use, auth_data))


@floor("sspi", "QueryCredentialsAttributes")
def query_credentials_attributes(
    credential: CredentialHandle | None, attribute: int
) -> tuple[Status, ContextAttributes | None]:
    """QueryCredentialsAttributes: a structure of `secpkg.contract.attributes` by SECPKG_CRED_ATTR_*, or bytes in the
    documented layout; SEC_E_UNSUPPORTED_FUNCTION for what the package does not offer. The answer holds for every
    context made with the credential. Page: sspi/nf-sspi-querycredentialsattributesw.
    """
    return Status.SEC_E_OK, run(attributes.query_credential(credential_of(credential), attribute))


@floor("sspi", "QueryCredentialsAttributesEx")
def query_credentials_attributes_ex(
    credential: CredentialHandle | None, attribute: int, buffer_size: int = 0
) -> tuple[Status, ContextAttributes | None]:
    """QueryCredentialsAttributesEx: as `query_credentials_attributes`; a size has no meaning for a value. Page:
    sspi/nf-sspi-querycredentialsattributesexw.
    """
    return query_credentials_attributes(credential, attribute)


@floor("sspi", "SetCredentialsAttributes")
def set_credentials_attributes(credential: CredentialHandle | None, attribute: int, value: Buffer) -> Status:
    """SetCredentialsAttributes: at most 64 KiB, which the user half may pack (R167); SEC_E_UNSUPPORTED_FUNCTION for
    what the package does not let anyone set. Page: sspi/nf-sspi-setcredentialsattributesw.
    """
    run(attributes.set_credential(credential_of(credential), attribute, bytes(value)))
    return Status.SEC_E_OK


async def _change_password(
    package: str, authority: object, arguments: tuple[object, ...], impersonating: bool
) -> bytes:
    session = current.get() if impersonating else None
    backend = await operations.open_backend(shared, package, authority, session)
    return await operations.call_package(backend, "change_account_password", *arguments, impersonating, kind=bytes)


@floor("sspi", "ChangeAccountPassword", wrong={"output": Status.SEC_E_INVALID_PARAMETER})
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
    if any(len(text) > MAX_NAME for text in (package, *arguments)):
        return Status.SEC_E_INVALID_PARAMETER
    if len(output) != 1 or output[0].type & TYPE_MASK != BufferType.CHANGE_PASS_RESPONSE:
        return Status.SEC_E_INVALID_PARAMETER
    output[0].data = run(_change_password(package, authority, arguments, impersonating))
    return Status.SEC_E_OK
