"""The account database, as packages see it: an account, and their own verifier with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secpkg.authority import principals
from secpkg.authority.functions.table import lsa_function
from secpkg.contract.flags import NameType
from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData, SamUser

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin

MAX_SAM_USERS: Final = 16
"""Accounts that one call may have open."""


def _auth_data(
    authority: LocalSecurityAuthority,
    origin: Origin,
    name: str,
    name_type: NameType,
    prefix: str,
    allow_guest: bool,
) -> AuthData:
    if name_type == NameType.ALTERNATE_ID and not prefix:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="prefix_missing")
    # Alternate ids, distinguished names and service names are names that no account here has.
    known = name_type in (NameType.SAM_COMPATIBLE, NameType.FLAT)
    package = authority.packages.entry(origin.package_id).info.name
    wanted = name if known else principals.NOBODY
    return principals.auth_data(authority.store, wanted, package, allow_guest=allow_guest)


@lsa_function("open_sam_user")
def open_sam_user(
    authority: LocalSecurityAuthority,
    origin: Origin,
    name: str,
    name_type: NameType = NameType.SAM_COMPATIBLE,
    prefix: str = "",
    allow_guest: bool = False,
) -> SamUser:
    """OpenSamUser (R256, R257): the handle is good for this call only."""
    scratch = origin.scratch
    if len(scratch.sam_users) >= MAX_SAM_USERS:
        raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="sam_users_too_many")
    data = _auth_data(authority, origin, name, name_type, prefix, allow_guest)
    scratch.last_sam_user += 1
    scratch.sam_users[scratch.last_sam_user] = data
    return SamUser(scratch.last_sam_user, data.account_name, data.user_sid)


@lsa_function("get_user_auth_data")
def get_user_auth_data(authority: LocalSecurityAuthority, origin: Origin, user_handle: int) -> AuthData:
    """GetUserAuthData."""
    data = origin.scratch.sam_users.get(user_handle)
    if data is None:
        raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="sam_user_unknown")
    return data


@lsa_function("close_sam_user")
def close_sam_user(authority: LocalSecurityAuthority, origin: Origin, user_handle: int) -> None:
    """CloseSamUser."""
    if origin.scratch.sam_users.pop(user_handle, None) is None:
        raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="sam_user_unknown")


@lsa_function("get_auth_data_for_user")
def get_auth_data_for_user(
    authority: LocalSecurityAuthority,
    origin: Origin,
    name: str,
    name_type: NameType = NameType.SAM_COMPATIBLE,
    prefix: str = "",
) -> AuthData:
    """GetAuthDataForUser: the three above in one (R258)."""
    return _auth_data(authority, origin, name, name_type, prefix, False)


@implements("lsa_secpkg", "GetUserCredentials", "error", "documented as not implemented (R118)")
@lsa_function("get_user_credentials")
def get_user_credentials(authority: LocalSecurityAuthority, origin: Origin, user_handle: int) -> bytes:
    """GetUserCredentials: STATUS_NOT_IMPLEMENTED, whatever the handle (R118)."""
    raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="documented_as_not_implemented")


@implements("lsa_secpkg", "SaveSupplementalCredentials", "error", "documented as obsolete (R118)")
@lsa_function("save_supplemental_credentials")
def save_supplemental_credentials(
    authority: LocalSecurityAuthority,
    origin: Origin,
    logon_id: int,
    supplemental_credentials: bytes,
    synchronous: bool,
) -> None:
    """SaveSupplementalCredentials: STATUS_NOT_SUPPORTED (R118); UpdateCredentials is what replaced it."""
    raise SecurityError(Status.STATUS_NOT_SUPPORTED, reason="documented_as_obsolete")


@implements("lsa_secpkg", "DummyFunction6", "error", "reserved: the documents keep the slot and say nothing of its use")
@implements("lsa_secpkg", "DummyFunction7", "error", "reserved: the documents keep the slot and say nothing of its use")
@lsa_function("dummy_function6", "dummy_function7")
def dummy_function(authority: LocalSecurityAuthority, origin: Origin, buffer: bytearray) -> None:
    """DummyFunction6, DummyFunction7: STATUS_NOT_IMPLEMENTED."""
    raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="reserved")
