"""What an operator does to accounts. Each change is recorded, with who asked for it, before it is made; a change that
then fails is recorded again with its status. SeTcbPrivilege is needed (lock 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, Unpack

from secpkg.accounts.model import Account, AccountChanges
from secpkg.accounts.names import name_key
from secpkg.accounts.store import RESERVED_GROUP_RIDS
from secpkg.authority.audit import Fact
from secpkg.authority.passwords import set_password, verifiers
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority

T = TypeVar("T")
Plain = str | int | float | bool | list[str] | None


def describe(account: Account) -> dict[str, Plain]:
    """An account as plain values, without secrets."""
    return {
        "name": account.name,
        "sid": str(account.sid),
        "full_name": account.full_name,
        "enabled": account.enabled,
        "locked": account.locked,
        "expires_at": account.expires_at,
        "must_change": account.must_change,
        "password_set_at": account.password_set_at,
        "workstations": list(account.workstations),
        "groups": [group.name for group in account.groups],
        "posix_uid": account.posix_uid,
        "upn": account.upn,
        "created_at": account.created_at,
    }


class AccountsAdmin:
    """The operations, for one caller. STATUS_ACCESS_DENIED at once, and recorded, without SeTcbPrivilege."""

    def __init__(self, authority: LocalSecurityAuthority, by: ClientInfo) -> None:
        if not by.has_tcb_privilege:
            status = Status.STATUS_ACCESS_DENIED
            authority.audit.append("manage_accounts", status=status, caller=by)
            raise SecurityError(status, reason="tcb_privilege_missing")
        self._authority = authority
        self._by = by

    def _do(self, event: str, name: str, change: Callable[[], T], **facts: Fact) -> T:
        audit, facts = self._authority.audit, {"name": name, **facts}
        audit.append(event, caller=self._by, facts=facts)
        try:
            return change()
        except SecurityError as failed:
            facts["reason"] = failed.reason
            audit.append(event, status=failed.status, caller=self._by, facts=facts)
            raise

    async def create_user(
        self,
        name: str,
        password: str | None = None,
        *,
        full_name: str = "",
        groups: Sequence[str] = (),
        posix_uid: int | None = None,
        upn: str | None = None,
    ) -> dict[str, Plain]:
        """Make an account; with a password, both appear in the same instant."""
        authority = self._authority
        kept = None
        if password is not None:
            protected = any(name_key(group) in RESERVED_GROUP_RIDS for group in groups)
            kept = await verifiers(authority, self._by, name, password, upn=upn or "", protected=protected)
        account = self._do(
            "create_user",
            name,
            lambda: authority.store.create_user(
                name,
                full_name=full_name,
                groups=groups,
                posix_uid=posix_uid,
                upn=upn,
                supplementals=kept,
                now=authority.clock(),
            ),
            groups=", ".join(groups),
            posix_uid=posix_uid,
            with_password=password is not None,
        )
        return describe(account)

    async def set_password(self, name: str, password: str, *, must_change: bool = False) -> None:
        """Set an account's password."""
        await set_password(self._authority, self._by, name, password, must_change=must_change)

    def delete_user(self, name: str) -> None:
        """Remove an account."""
        self._do("delete_user", name, lambda: self._authority.store.delete_user(name))

    def update_user(self, name: str, **changes: Unpack[AccountChanges]) -> dict[str, Plain]:
        """Change an account: enable, lock, expire, groups and the like."""
        facts: dict[str, Fact] = {key: str(value) for key, value in changes.items()}
        account = self._do("update_user", name, lambda: self._authority.store.update(name, **changes), **facts)
        return describe(account)

    def enable_user(self, name: str, enabled: bool = True) -> dict[str, Plain]:
        """Enable an account, or disable it."""
        return self.update_user(name, enabled=enabled)

    def lock_user(self, name: str) -> dict[str, Plain]:
        """Lock an account until `unlock_user`."""
        return self.update_user(name, locked=True)

    def unlock_user(self, name: str, origins: Sequence[str] = ()) -> dict[str, Plain]:
        """Unlock an account; delays of ``origins`` are forgotten too, those of others end by themselves (lock 9)."""
        described = self.update_user(name, locked=False)
        for origin in origins:
            self._authority.store.record_success(name, origin)
        return described

    def create_group(self, name: str) -> dict[str, Plain]:
        """Make a group."""
        group = self._do("create_group", name, lambda: self._authority.store.create_group(name))
        return {"name": group.name, "sid": str(group.sid)}

    def delete_group(self, name: str) -> None:
        """Remove a group."""
        self._do("delete_group", name, lambda: self._authority.store.delete_group(name))

    def users(self) -> list[dict[str, Plain]]:
        """All accounts."""
        return [describe(account) for account in self._authority.store.accounts()]

    def groups(self) -> list[dict[str, Plain]]:
        """All groups."""
        return [{"name": group.name, "sid": str(group.sid)} for group in self._authority.store.groups()]
