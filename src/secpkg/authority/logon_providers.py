"""Which package stands for a LOGON32_PROVIDER_* of LogonUser (winbase/nf-winbase-logonuserw): the operator's word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.authority.directory import PackageEntry
    from secpkg.authority.lsa import LocalSecurityAuthority

LOGON32_PROVIDER_DEFAULT: Final = 0
_LOGON_FUNCTIONS: Final = ("logon_user_ex3", "logon_user_ex2", "logon_user_ex", "logon_user")


def provider(authority: LocalSecurityAuthority, number: int) -> PackageEntry:
    """The package in service. STATUS_INVALID_PARAMETER for a number without a name, STATUS_NO_SUCH_PACKAGE."""
    named = authority.policy.logon_providers.get(number)
    if named is None and number != LOGON32_PROVIDER_DEFAULT:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="logon_provider_unknown")
    try:
        return authority.packages.in_service(authority.packages.find(named or "").package_id)
    except SecurityError:
        if number != LOGON32_PROVIDER_DEFAULT:
            raise
    able = {e.package_id: e for function in _LOGON_FUNCTIONS for e in authority.packages.having(function)}
    if len(able) != 1:
        raise SecurityError(Status.STATUS_NO_SUCH_PACKAGE, reason="no_standard_logon_provider")
    return next(iter(able.values()))
