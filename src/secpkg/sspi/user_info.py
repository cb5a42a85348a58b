"""Who a logon session is, by the package that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secpkg.contract.flags import NO_LONG_NAMES, UNDERSTANDS_LONG_NAMES
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.connection import shared
from secpkg.ipc.link import run
from secpkg.ipc.session import current
from secpkg.sspi import operations

if TYPE_CHECKING:
    from secpkg.contract.lsa_mode.ssp import UserInfo

_SHORT: Final = 15


async def _ask(package: str, logon_id: int, flags: int, authority: object) -> UserInfo:
    from secpkg.contract.lsa_mode.ssp import UserInfo

    backend = await operations.open_backend(shared, package, authority, current.get())
    found = await operations.call_package(backend, "get_user_info", logon_id, flags, kind=UserInfo)
    if flags & NO_LONG_NAMES and len(found.logon_domain_name) > _SHORT:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="domain_name_too_long")  # R261
    return found


def get_user_info(
    package: str, logon_id: int = 0, flags: int = UNDERSTANDS_LONG_NAMES, *, authority: object = None
) -> UserInfo:
    """SpGetUserInfo: ``SECURITY_USER_DATA`` of the logon session that this thread presents, or of the session
    ``logon_id``, which is the caller's own or needs SeTcbPrivilege (SEC_E_NOT_OWNER). With NO_LONG_NAMES the domain has
    at most 15 characters (R261).

    In the documents the LSA itself asks, for callers such as GetUserNameEx; there is no function of SSPI for it.
    SEC_E_NO_CREDENTIALS when no session is presented and none named; SEC_E_UNSUPPORTED_FUNCTION where the package has
    nothing to say. Page: ntsecpkg/nc-ntsecpkg-spgetuserinfofn.
    """
    return run(_ask(package, logon_id, flags, authority))
