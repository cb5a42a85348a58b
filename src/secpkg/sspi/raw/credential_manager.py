"""What an application hands to a credential manager, and asks it with: the parts that CredRead and CredWrite take.

There is no credential manager here; a program's own keyring is given the same parts.
"""

from __future__ import annotations

from typing import Final

from secpkg.contract.floor import floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity
from secpkg.ipc import schema
from secpkg.sspi.raw.identities import require_identity

CRED_TYPE_DOMAIN_PASSWORD: Final = 2
"""The type of a name with a password (wincred.h), which is what an identity holds here."""


@floor("sspi", "SspiPrepareForCredRead")
def sspi_prepare_for_cred_read(identity: AuthIdentity | None, target_name: str | None) -> tuple[Status, int, str]:
    """SspiPrepareForCredRead: (status, credential type, target name). It needs no secret, so a sealed identity will do.
    SEC_E_INVALID_PARAMETER. Page: sspi/nf-sspi-sspiprepareforcredread.
    """
    return Status.SEC_E_OK, CRED_TYPE_DOMAIN_PASSWORD, _target(require_identity(identity), target_name)


@floor("sspi", "SspiPrepareForCredWrite")
def sspi_prepare_for_cred_write(
    identity: AuthIdentity | None, target_name: str | None
) -> tuple[Status, int, str, str, bytes]:
    """SspiPrepareForCredWrite: (status, credential type, target name, user name, credential blob). A NULL target stores
    under the user name; the blob is the password in UTF-16LE, and its size its own. SEC_E_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER for a sealed identity, as where strings are made of one (R277). Page:
    sspi/nf-sspi-sspiprepareforcredwrite.
    """
    known = require_identity(identity)
    target = _target(known, target_name)
    if known.encrypted:
        return Status.STATUS_INVALID_PARAMETER, 0, "", "", b""
    blob = known.password.encode("utf-16-le")
    return Status.SEC_E_OK, CRED_TYPE_DOMAIN_PASSWORD, target, _user(known), blob


def _user(identity: AuthIdentity) -> str:
    return f"{identity.domain}\\{identity.user}" if identity.domain else identity.user


def _target(identity: AuthIdentity, target_name: str | None) -> str:
    target = _user(identity) if target_name is None else target_name
    if not 0 < len(target) <= schema.MAX_NAME:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="target_name")
    return target
