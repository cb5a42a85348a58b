"""What an application hands to a credential manager, and asks it with: the parts that CredRead and CredWrite take.

There is no credential manager here; a program's own keyring is given the same parts.
"""

from __future__ import annotations

from typing import Final

from secpkg.contract.implements import implements
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity
from secpkg.ipc import schema
from secpkg.sspi.raw.identities import sspi_is_auth_identity_encrypted, sspi_validate_auth_identity

CRED_TYPE_DOMAIN_PASSWORD: Final = 2
"""The type of a name with a password (wincred.h), which is what an identity holds here."""


@implements("sspi", "SspiPrepareForCredRead")
def sspi_prepare_for_cred_read(identity: AuthIdentity | None, target_name: str | None) -> tuple[Status, int, str]:
    """SspiPrepareForCredRead: (status, credential type, target name). It needs no secret, so a sealed identity will do.
    SEC_E_INVALID_PARAMETER. Page: sspi/nf-sspi-sspiprepareforcredread.
    """
    target = _target(identity, target_name)
    if target is None:
        return Status.SEC_E_INVALID_PARAMETER, 0, ""
    return Status.SEC_E_OK, CRED_TYPE_DOMAIN_PASSWORD, target


@implements("sspi", "SspiPrepareForCredWrite")
def sspi_prepare_for_cred_write(
    identity: AuthIdentity | None, target_name: str | None
) -> tuple[Status, int, str, str, bytes]:
    """SspiPrepareForCredWrite: (status, credential type, target name, user name, credential blob). A NULL target stores
    under the user name; the blob is the password in UTF-16LE, and its size its own. SEC_E_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER for a sealed identity, as where strings are made of one (R277). Page:
    sspi/nf-sspi-sspiprepareforcredwrite.
    """
    target = _target(identity, target_name)
    if target is None or identity is None:
        return Status.SEC_E_INVALID_PARAMETER, 0, "", "", b""
    if sspi_is_auth_identity_encrypted(identity):
        return Status.STATUS_INVALID_PARAMETER, 0, "", "", b""
    try:
        blob = identity.password.encode("utf-16-le")
    except UnicodeEncodeError:
        return Status.SEC_E_INVALID_PARAMETER, 0, "", "", b""
    return Status.SEC_E_OK, CRED_TYPE_DOMAIN_PASSWORD, target, _user(identity), blob


def _user(identity: AuthIdentity) -> str:
    return f"{identity.domain}\\{identity.user}" if identity.domain else identity.user


def _target(identity: AuthIdentity | None, target_name: str | None) -> str | None:
    if not isinstance(identity, AuthIdentity) or sspi_validate_auth_identity(identity).is_error:
        return None
    target = _user(identity) if target_name is None else target_name
    return target if target and len(target) <= schema.MAX_NAME else None
