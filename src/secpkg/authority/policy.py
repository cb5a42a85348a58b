"""What the operator decides: limits, privileges, who is trusted. Times in seconds, sizes in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from secpkg.accounts.lockout import LockoutPolicy
from secpkg.accounts.sid import BUILTIN_ADMINISTRATORS, EVERYONE
from secpkg.contract.values import QuotaLimits

_DEFAULT_PRIVILEGES: Final[Mapping[str, tuple[str, ...]]] = {
    str(EVERYONE): ("SeChangeNotifyPrivilege",),
    str(BUILTIN_ADMINISTRATORS): (
        "SeBackupPrivilege",
        "SeDebugPrivilege",
        "SeImpersonatePrivilege",
        "SeRestorePrivilege",
        "SeSecurityPrivilege",
        "SeShutdownPrivilege",
        "SeSystemtimePrivilege",
        "SeTakeOwnershipPrivilege",
    ),
}


_LOGON_PROVIDERS: Final[Mapping[int, str]] = {0: "NTLM", 2: "NTLM", 3: "Negotiate"}
"""LOGON32_PROVIDER_DEFAULT, _WINNT40 and _WINNT50 (winbase/nf-winbase-logonuserw)."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The local security policy. Quotas (lock 9) are per uid unless they say otherwise."""

    trusted_uids: tuple[int, ...] = ()
    """Who holds SeTcbPrivilege besides uid 0 (lock 2)."""
    privileges: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: dict(_DEFAULT_PRIVILEGES))
    """Privileges by SID of the user or of a group; nothing that a package says adds to them."""
    allow_foreign_principals: bool = False
    """Whether a package may log on who has no account here; such a principal gets no SID of this machine or domain."""
    lockout: LockoutPolicy = LockoutPolicy()
    """What the account store is made with."""
    max_password_age: float | None = None
    min_password_length: int = 8
    """Characters."""
    max_password_length: int = 512
    """Characters."""
    skew: float = 300.0
    """Clock difference that protocols with time stamps put up with: MaxClockSkew until it is set
    (LsaSetDomainInformationPolicy).
    """
    logon_providers: Mapping[int, str] = msgspec.field(default_factory=lambda: dict(_LOGON_PROVIDERS))
    """The package of each LOGON32_PROVIDER_* of LogonUser. Where that of LOGON32_PROVIDER_DEFAULT is not in service,
    the standard provider is the one package that can log users on, if there is one only.
    """
    process_quotas: QuotaLimits = QuotaLimits()
    """What LsaLogonUser returns with a primary token (R65): it informs, nothing here enforces it."""
    trusted_domains: tuple[str, ...] = ()
    """Names of the forests that this domain trusts. With none it is no root of a forest, and the forest trust functions
    answer STATUS_INVALID_DOMAIN_STATE.
    """
    drain_deadline: float = 60.0
    """How long a package that is taken out of service may finish what it has begun."""
    connections_per_uid: int = 256
    references_per_uid: int = 65_536
    """Access tokens that were made and neither redeemed nor given back."""
    token_descriptors_per_uid: int = 512
    """Access tokens that went out as descriptors and are not closed; all uids together have 4096."""
    bytes_per_uid: int = 16 * 1024 * 1024
    """Requests under way and replies not yet taken."""
    handles_per_connection: int = 65_536
    pending_sessions_per_package: int = 4096
    """Logon sessions created by a package for which no access token was made yet."""
    credentials_per_session: int = 256
    """Entries of one package in one session."""
    credential_bytes_per_session: int = 1024 * 1024
    """Keys and credentials of one package in one session."""

    def is_trusted(self, uid: int) -> bool:
        """Whether this uid holds SeTcbPrivilege (lock 2)."""
        return uid == 0 or uid in self.trusted_uids

    def privileges_of(self, sids: tuple[str, ...]) -> tuple[str, ...]:
        """The privileges that these SIDs have together, sorted."""
        held = self.privileges
        return tuple(sorted({name for sid in sids if sid in held for name in held[sid]}))
