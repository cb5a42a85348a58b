"""What packages add to the audit record: always as their claim, with the authority's word for who claims it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secpkg.authority.audit import Fact
from secpkg.authority.functions.table import lsa_function
from secpkg.authority.logon import WRONG_PROOF
from secpkg.authority.principals import counted_name, origin_of
from secpkg.contract.flags import ImpersonationLevel
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonAudit

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin


def _audit(authority: LocalSecurityAuthority, origin: Origin, record: LogonAudit, more: dict[str, Fact]) -> None:
    name = counted_name(authority.store, record.account_name)
    where = origin_of(origin.call, "")
    try:
        if record.status in WRONG_PROOF:
            authority.store.record_failure(name, where, authority.clock())
        elif record.status.is_success:
            authority.store.record_success(name, where)
    finally:
        authority.audit.append(
            "audit_logon",
            caller=origin.call,
            package=authority.packages.entry(origin.package_id).name,
            claimed={
                "status": record.status.native,
                "substatus": record.substatus.native,
                "account_name": record.account_name,
                "authenticating_authority": record.authenticating_authority,
                "workstation": record.workstation,
                "user_sid": record.user_sid,
                "logon_type": int(record.logon_type),
                # R107: the LogonId counts only on success.
                "logon_id": record.logon_id if record.status.is_success else None,
                "reason": record.reason,
                **more,
            },
        )


@lsa_function("audit_logon")
def audit_logon(authority: LocalSecurityAuthority, origin: Origin, record: LogonAudit) -> None:
    """AuditLogon (R107): a wrong proof counts towards the delay of account and origin (lock 9)."""
    _audit(authority, origin, record, {})


@lsa_function("audit_logon_ex")
def audit_logon_ex(
    authority: LocalSecurityAuthority, origin: Origin, record: LogonAudit, impersonation_level: ImpersonationLevel
) -> None:
    """AuditLogonEx."""
    _audit(authority, origin, record, {"impersonation_level": int(impersonation_level)})


@lsa_function("audit_account_logon")
def audit_account_logon(
    authority: LocalSecurityAuthority,
    origin: Origin,
    audit_id: int,
    success: bool,
    source: str,
    client_name: str,
    mapped_name: str,
    status: Status,
) -> None:
    """AuditAccountLogon: always succeeds (R108), even when nothing can be written; logons then fail by themselves."""
    with contextlib.suppress(SecurityError):
        authority.audit.append(
            "audit_account_logon",
            caller=origin.call,
            package=authority.packages.entry(origin.package_id).name,
            claimed={
                "audit_id": audit_id,
                "success": success,
                "source": source,
                "client_name": client_name,
                "mapped_name": mapped_name,
                "status": status.native,
            },
        )
