"""Encryption of identities, in place as the pages have it."""

from __future__ import annotations

from secpkg.contract.flags_seldom import AuthIdentityEncryption
from secpkg.contract.floor import floor
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity
from secpkg.ipc.link import run
from secpkg.sspi import protection
from secpkg.sspi.protection import Asker
from secpkg.sspi.raw.identities import overwrite, require_identity

_SAME_PROCESS = int(AuthIdentityEncryption.SAME_PROCESS)


@floor("sspi", "SspiEncryptAuthIdentity")
def sspi_encrypt_auth_identity(identity: AuthIdentity | None) -> Status:
    """SspiEncryptAuthIdentity: for this process alone. Page: sspi/nf-sspi-sspiencryptauthidentity."""
    return sspi_encrypt_auth_identity_ex(_SAME_PROCESS, identity)


@floor("sspi", "SspiDecryptAuthIdentity")
def sspi_decrypt_auth_identity(identity: AuthIdentity | None) -> Status:
    """SspiDecryptAuthIdentity: of what `sspi_encrypt_auth_identity` encrypted. Page:
    sspi/nf-sspi-sspidecryptauthidentity.
    """
    return sspi_decrypt_auth_identity_ex(_SAME_PROCESS, identity)


@floor("sspi", "SspiEncryptAuthIdentityEx")
def sspi_encrypt_auth_identity_ex(options: int, identity: AuthIdentity | None, *, authority: object = None) -> Status:
    """SspiEncryptAuthIdentityEx: SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_LOGON, SAME_PROCESS or both (R278). One that is
    encrypted already is encrypted anew. SEC_E_INVALID_PARAMETER, SEC_E_DECRYPT_FAILURE; a failure changes nothing.
    Page: sspi/nf-sspi-sspiencryptauthidentityex.
    """
    known = require_identity(identity)
    overwrite(known, run(protection.sealed(known, int(options), Asker(authority))))
    return Status.SEC_E_OK


@floor("sspi", "SspiDecryptAuthIdentityEx")
def sspi_decrypt_auth_identity_ex(options: int, identity: AuthIdentity | None, *, authority: object = None) -> Status:
    """SspiDecryptAuthIdentityEx: ``options`` are those of the encryption, else SEC_E_INVALID_PARAMETER;
    SEC_E_DECRYPT_FAILURE in another process or session. Page: sspi/nf-sspi-sspidecryptauthidentityex.
    """
    known = require_identity(identity)
    if not options or protection.options_of(known) != int(options):
        return Status.SEC_E_INVALID_PARAMETER
    overwrite(known, run(protection.opened(known, Asker(authority))))
    return Status.SEC_E_OK
