"""What LsaGetLogonSessionData says of a session beside what the session itself knows: its account, as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secpkg.accounts.sid import Sid
from secpkg.contract.values import NEVER

if TYPE_CHECKING:
    from secpkg.accounts.model import Account
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.sessions import LogonSession


class SessionFacts(msgspec.Struct, frozen=True):
    """Members of SECURITY_LOGON_SESSION_DATA; times in UTC seconds, 0.0 unknown, `NEVER` never."""

    authentication_package: str = ""
    logoff_time: float = 0.0
    kick_off_time: float = 0.0
    password_last_set: float = 0.0
    password_can_change: float = 0.0
    password_must_change: float = 0.0


def describe(authority: LocalSecurityAuthority, session: LogonSession) -> SessionFacts:
    """Zeros for LocalSystem, which no package logged on and no account stands for (R101)."""
    if not session.sid:
        return SessionFacts()
    account = authority.store.find_by_sid(Sid(session.sid))
    ends = NEVER if session.token is None else session.token.information.expiration
    return SessionFacts(
        authentication_package=authority.packages.entry(session.package_id).name,
        logoff_time=NEVER,  # there are no hours after which a session is sent off
        kick_off_time=ends,
        password_last_set=0.0 if account is None else account.password_set_at or 0.0,
        password_can_change=0.0 if account is None else account.password_set_at or 0.0,
        password_must_change=0.0 if account is None else _must_change(account, authority.policy.max_password_age),
    )


def _must_change(account: Account, max_age: float | None) -> float:
    if account.must_change:
        return account.password_set_at or 0.0
    if account.password_set_at is None or max_age is None:
        return NEVER
    return account.password_set_at + max_age
