"""Identities (``PSEC_WINNT_AUTH_IDENTITY_OPAQUE``): here the frozen value `AuthIdentity`, which is opaque to nobody.

Strings in Python cannot be overwritten, so zeroing and freeing forget what they are given and promise no more.
"""

from __future__ import annotations

import hmac

from secpkg.contract.implements import implements
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity


@implements("sspi", "SspiEncodeStringsAsAuthIdentity")
def sspi_encode_strings_as_auth_identity(
    user_name: str | None, domain_name: str | None, packed_credentials: str | None
) -> tuple[Status, AuthIdentity | None]:
    """SspiEncodeStringsAsAuthIdentity: SEC_E_INVALID_PARAMETER when all three are NULL. Page:
    sspi/nf-sspi-sspiencodestringsasauthidentity.
    """
    if user_name is None and domain_name is None and packed_credentials is None:
        return Status.SEC_E_INVALID_PARAMETER, None
    return Status.SEC_E_OK, AuthIdentity(user_name or "", domain_name or "", packed_credentials or "")


@implements("sspi", "SspiEncodeAuthIdentityAsStrings")
def sspi_encode_auth_identity_as_strings(identity: AuthIdentity | None) -> tuple[Status, str, str, str]:
    """SspiEncodeAuthIdentityAsStrings: user, domain, packed credentials. Page:
    sspi/nf-sspi-sspiencodeauthidentityasstrings.
    """
    if not isinstance(identity, AuthIdentity):
        return Status.SEC_E_INVALID_PARAMETER, "", "", ""
    return Status.SEC_E_OK, identity.user, identity.domain, identity.password


@implements("sspi", "SspiValidateAuthIdentity")
def sspi_validate_auth_identity(identity: object) -> Status:
    """SspiValidateAuthIdentity. Page: sspi/nf-sspi-sspivalidateauthidentity."""
    return Status.SEC_E_OK if isinstance(identity, AuthIdentity) else Status.SEC_E_INVALID_PARAMETER


@implements("sspi", "SspiCopyAuthIdentity")
def sspi_copy_auth_identity(identity: AuthIdentity | None) -> tuple[Status, AuthIdentity | None]:
    """SspiCopyAuthIdentity: the value itself, since it never changes. Page: sspi/nf-sspi-sspicopyauthidentity."""
    if not isinstance(identity, AuthIdentity):
        return Status.SEC_E_INVALID_PARAMETER, None
    return Status.SEC_E_OK, identity


@implements("sspi", "SspiCompareAuthIdentities")
def sspi_compare_auth_identities(
    identity1: AuthIdentity | None, identity2: AuthIdentity | None
) -> tuple[Status, bool, bool]:
    """SspiCompareAuthIdentities: (status, same user and domain, same credentials too). Page:
    sspi/nf-sspi-sspicompareauthidentities.
    """
    if identity1 is None or identity2 is None:
        same = identity1 is identity2
        return Status.SEC_E_OK, same, same
    user = (identity1.user.casefold(), identity1.domain.casefold()) == (
        identity2.user.casefold(),
        identity2.domain.casefold(),
    )
    secret = hmac.compare_digest(identity1.password.encode(), identity2.password.encode())
    return Status.SEC_E_OK, user, user and secret


@implements("sspi", "SspiZeroAuthIdentity")
def sspi_zero_auth_identity(identity: object = None) -> None:
    """SspiZeroAuthIdentity. Page: sspi/nf-sspi-sspizeroauthidentity."""


@implements("sspi", "SspiFreeAuthIdentity")
def sspi_free_auth_identity(identity: object = None) -> None:
    """SspiFreeAuthIdentity. Page: sspi/nf-sspi-sspifreeauthidentity."""


@implements("sspi", "SspiLocalFree")
def sspi_local_free(buffer: object = None) -> None:
    """SspiLocalFree. Page: sspi/nf-sspi-sspilocalfree."""


@implements("sspi", "SspiIsAuthIdentityEncrypted")
def sspi_is_auth_identity_encrypted(identity: object) -> bool:
    """SspiIsAuthIdentityEncrypted: never, for there are no encrypted ones. Page:
    sspi/nf-sspi-sspiisauthidentityencrypted.
    """
    return False


@implements("sspi", "SspiGetTargetHostName")
def sspi_get_target_host_name(target_name: str) -> tuple[Status, str]:
    """SspiGetTargetHostName: the host of a target such as ``HTTP/host.example:8080/realm``. Page:
    sspi/nf-sspi-sspigettargethostname.
    """
    _, slash, rest = target_name.partition("/")
    host = (rest if slash else target_name).partition("/")[0]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return (Status.SEC_E_OK, host) if host else (Status.SEC_E_INVALID_PARAMETER, "")
