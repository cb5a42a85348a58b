"""Identities (``PSEC_WINNT_AUTH_IDENTITY_OPAQUE``): here the value `AuthIdentity`, which is opaque to nobody.

It is frozen, and the functions that the documents say change their argument are the only ones that do: `overwrite`.
Zeroing takes the secret out of the identity. A string that the program has elsewhere too stays there, and memory that
Python had is not wiped: it promises no more.
"""

from __future__ import annotations

import hmac

import msgspec

from secpkg.contract.floor import floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity
from secpkg.ipc import schema
from secpkg.ipc.link import run
from secpkg.sspi import protection
from secpkg.sspi.protection import Asker

_ZERO = AuthIdentity("")


def overwrite(identity: AuthIdentity, other: AuthIdentity) -> None:
    """What an [in, out] parameter is in C: the identity becomes the other one."""
    for name in identity.__struct_fields__:
        msgspec.structs.force_setattr(identity, name, getattr(other, name))


def require_identity(identity: AuthIdentity | None) -> AuthIdentity:
    """An identity that `sspi_validate_auth_identity` finds to be one; SEC_E_INVALID_PARAMETER."""
    if identity is None or not _is_valid(identity):
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="identity")
    return identity


@floor("sspi", "SspiEncodeStringsAsAuthIdentity")
def sspi_encode_strings_as_auth_identity(
    user_name: str | None, domain_name: str | None, packed_credentials: str | None
) -> tuple[Status, AuthIdentity | None]:
    """SspiEncodeStringsAsAuthIdentity: SEC_E_INVALID_PARAMETER when all three are NULL, or too long. Page:
    sspi/nf-sspi-sspiencodestringsasauthidentity.
    """
    if user_name is None and domain_name is None and packed_credentials is None:
        return Status.SEC_E_INVALID_PARAMETER, None
    identity = AuthIdentity(user_name or "", domain_name or "", packed_credentials or "")
    return Status.SEC_E_OK, require_identity(identity)


@floor("sspi", "SspiEncodeAuthIdentityAsStrings")
def sspi_encode_auth_identity_as_strings(identity: AuthIdentity | None) -> tuple[Status, str, str, str]:
    """SspiEncodeAuthIdentityAsStrings: user, domain, packed credentials. STATUS_INVALID_PARAMETER for one that is
    sealed (R277). Page: sspi/nf-sspi-sspiencodeauthidentityasstrings.
    """
    known = require_identity(identity)
    if known.encrypted:
        return Status.STATUS_INVALID_PARAMETER, "", "", ""
    return Status.SEC_E_OK, known.user, known.domain, known.password


@floor("sspi", "SspiValidateAuthIdentity")
def sspi_validate_auth_identity(identity: object) -> Status:
    """SspiValidateAuthIdentity: SEC_E_INVALID_PARAMETER for what is no identity, for members of a wrong type or longer
    than 1024 characters, and for one that is half sealed. Page: sspi/nf-sspi-sspivalidateauthidentity.
    """
    valid = isinstance(identity, AuthIdentity) and _is_valid(identity)
    return Status.SEC_E_OK if valid else Status.SEC_E_INVALID_PARAMETER


def _is_valid(identity: AuthIdentity) -> bool:
    texts = (identity.user, identity.domain, identity.password, identity.package_list)
    if not all(isinstance(text, str) and len(text) <= schema.MAX_NAME and _is_text(text) for text in texts):
        return False
    if not isinstance(identity.encrypted, bytes) or len(identity.encrypted) > 4 * schema.MAX_NAME + 64:
        return False
    if not isinstance(identity.flags, int) or not 0 <= identity.flags <= 0xFFFF_FFFF:
        return False
    sealed = bool(identity.flags & protection.SEALED)
    return sealed == bool(identity.encrypted) and not (sealed and identity.password)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@floor("sspi", "SspiCopyAuthIdentity")
def sspi_copy_auth_identity(identity: AuthIdentity | None) -> tuple[Status, AuthIdentity | None]:
    """SspiCopyAuthIdentity: another object, which zeroing the first one leaves alone. Page:
    sspi/nf-sspi-sspicopyauthidentity.
    """
    if identity is None:
        return Status.SEC_E_INVALID_PARAMETER, None
    return Status.SEC_E_OK, msgspec.structs.replace(identity)


@floor("sspi", "SspiCompareAuthIdentities")
def sspi_compare_auth_identities(
    identity1: AuthIdentity | None, identity2: AuthIdentity | None, *, authority: object = None
) -> tuple[Status, bool, bool]:
    """SspiCompareAuthIdentities: (status, same user and domain, same credentials too). Sealed ones are opened for it:
    SEC_E_DECRYPT_FAILURE where that is not ours to do. Page: sspi/nf-sspi-sspicompareauthidentities.
    """
    if identity1 is None or identity2 is None:
        same = identity1 is identity2
        return Status.SEC_E_OK, same, same
    given = [require_identity(identity) for identity in (identity1, identity2)]
    first, second = (run(protection.opened(identity, Asker(authority))) for identity in given)
    user = (first.user.casefold(), first.domain.casefold()) == (second.user.casefold(), second.domain.casefold())
    secret = hmac.compare_digest(first.password.encode(), second.password.encode())
    return Status.SEC_E_OK, user, user and secret and first.package_list == second.package_list


@floor("sspi", "SspiExcludePackage")
def sspi_exclude_package(
    identity: AuthIdentity | None, package_name: str, *, authority: object = None
) -> tuple[Status, AuthIdentity | None]:
    """SspiExcludePackage: a new identity whose package list excludes the package, for Negotiate to obey; the given one
    stays as it is (R279). NULL stands for default credentials. A sealed one gives one sealed alike. Page:
    sspi/nf-sspi-sspiexcludepackage.
    """
    known = AuthIdentity("") if identity is None else require_identity(identity)
    if not 0 < len(package_name) <= schema.MAX_NAME or set(package_name) & set("!,"):
        return Status.SEC_E_INVALID_PARAMETER, None
    excluded = f"!{package_name}"
    names = [name for name in known.package_list.split(",") if name]
    if excluded.casefold() not in (name.casefold() for name in names):
        names.append(excluded)
    packages = ",".join(name for name in names if name.casefold() != package_name.casefold())
    if len(packages) > schema.MAX_NAME:
        return Status.SEC_E_INVALID_PARAMETER, None
    options = protection.options_of(known)
    asker = Asker(authority)
    made = msgspec.structs.replace(run(protection.opened(known, asker)), package_list=packages)
    return Status.SEC_E_OK, run(protection.sealed(made, options, asker)) if options else made


@floor("sspi", "SspiZeroAuthIdentity")
def sspi_zero_auth_identity(identity: AuthIdentity | None) -> None:
    """SspiZeroAuthIdentity: nothing is left in it. Page: sspi/nf-sspi-sspizeroauthidentity."""
    if identity is not None:
        overwrite(identity, _ZERO)


@floor("sspi", "SspiFreeAuthIdentity")
def sspi_free_auth_identity(identity: AuthIdentity | None) -> None:
    """SspiFreeAuthIdentity: as `sspi_zero_auth_identity`, since the object itself is Python's; NULL is allowed. Page:
    sspi/nf-sspi-sspifreeauthidentity.
    """
    sspi_zero_auth_identity(identity)


@floor("sspi", "SspiLocalFree", "duty", "strings and blobs are the program's own objects: nothing to release")
def sspi_local_free(buffer: object = None) -> None:
    """SspiLocalFree. Page: sspi/nf-sspi-sspilocalfree."""


@floor("sspi", "SspiIsAuthIdentityEncrypted")
def sspi_is_auth_identity_encrypted(identity: AuthIdentity | None) -> bool:
    """SspiIsAuthIdentityEncrypted: whether it is sealed, for whomever. Page:
    sspi/nf-sspi-sspiisauthidentityencrypted.
    """
    return identity is not None and bool(identity.encrypted)


@floor("sspi", "SspiGetTargetHostName")
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
