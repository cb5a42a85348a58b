"""An account store that ends with its process: for labs and tests."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Unpack

from secpkg.accounts.credentials import Credential, Key, require_room, seal, unseal
from secpkg.accounts.lockout import DEFAULT_POLICY, LockoutPolicy, LockoutTable, pair_key
from secpkg.accounts.model import MAX_GROUPS, Account, AccountChanges, Group, changed, with_password
from secpkg.accounts.names import name_key, require_name, upn_key
from secpkg.accounts.sid import FIRST_RID, LAST_RID, Sid, random_domain_sid
from secpkg.accounts.store import (
    BUILTIN_GROUPS,
    RESERVED_GROUP_RIDS,
    RESERVED_RIDS,
    builtin,
    checked_supplementals,
    invalid,
    no_such_group,
    no_such_user,
)
from secpkg.accounts.vault import MASTER_KEY_SIZE, Vault


class MemoryAccountStore:
    """`AccountStore` in memory; without a vault it makes one that nobody else has.

    `domain_sid` fixes the domain's SID where a run must be repeatable.
    """

    def __init__(
        self,
        domain: str,
        vault: Vault | None = None,
        *,
        lockout: LockoutPolicy = DEFAULT_POLICY,
        domain_sid: Sid | None = None,
    ) -> None:
        require_name(domain, "domain_name_invalid")
        self.domain_name = domain
        self.domain_sid = domain_sid if domain_sid is not None else random_domain_sid(os.urandom(12))
        self._vault = vault if vault is not None else Vault(os.urandom(MASTER_KEY_SIZE))
        self._lock = threading.RLock()
        self._next_rid = FIRST_RID
        self._accounts: dict[str, Account] = {}
        self._keys: dict[Sid, str] = {}
        self._upns: dict[str, str] = {}
        self._sealed: dict[Sid, dict[str, bytes]] = {}
        self._credentials: dict[Sid, dict[Key, bytes]] = {}
        self._parameters: dict[Sid, str] = {}
        self._groups: dict[str, Group] = {require_name(group.name): group for group in BUILTIN_GROUPS}
        self._lockout = LockoutTable(lockout)
        self._decoy = self._vault.seal(bytes(64), sid=self.domain_sid, package="")

    def find(self, name: str) -> Account | None:
        """The account with that name."""
        key = name_key(name)
        return None if key is None else self._accounts.get(key)

    def find_by_sid(self, sid: Sid) -> Account | None:
        """The account with that SID."""
        with self._lock:
            key = self._keys.get(sid)
            return None if key is None else self._accounts[key]

    def find_by_upn(self, upn: str) -> Account | None:
        """The account with that user principal name."""
        key = upn_key(upn)
        with self._lock:
            owner = None if key is None else self._upns.get(key)
            return None if owner is None else self._accounts[owner]

    def accounts(self) -> tuple[Account, ...]:
        """All accounts, by RID."""
        with self._lock:
            return tuple(sorted(self._accounts.values(), key=lambda account: account.rid))

    def groups(self) -> tuple[Group, ...]:
        """All groups, by SID text."""
        with self._lock:
            return tuple(sorted(self._groups.values(), key=lambda group: group.sid))

    def create_user(
        self,
        name: str,
        *,
        full_name: str = "",
        groups: Sequence[str] = (),
        posix_uid: int | None = None,
        upn: str | None = None,
        supplementals: Mapping[str, bytes] | None = None,
        now: float,
    ) -> Account:
        """Make an account."""
        key = require_name(name)
        secrets = None if supplementals is None else checked_supplementals(supplementals)
        with self._lock:
            self._require_free(key)
            members = self._resolve(groups)
            rid = RESERVED_RIDS.get(key)
            sid = self.domain_sid.child(self._peek_rid() if rid is None else rid)
            account = Account(
                name=name,
                sid=sid,
                full_name=full_name,
                groups=members,
                posix_uid=posix_uid,
                upn=upn,
                password_set_at=None if secrets is None else now,
                created_at=now,
            )
            self._put(key, None, account)
            self._sealed[sid] = self._seal(sid, secrets or {})
            if rid is None:
                self._next_rid += 1
            return account

    def delete_user(self, name: str) -> None:
        """Remove the account with its memberships and verifiers."""
        key = require_name(name)
        with self._lock:
            account = self._require_user(key)
            if key in RESERVED_RIDS:
                raise builtin("account_is_builtin")
            del self._accounts[key], self._keys[account.sid], self._sealed[account.sid]
            self._credentials.pop(account.sid, None)
            self._parameters.pop(account.sid, None)
            if account.upn is not None:
                del self._upns[upn_key(account.upn) or ""]

    def update(self, name: str, **changes: Unpack[AccountChanges]) -> Account:
        """Change what is named and nothing else."""
        key = require_name(name)
        with self._lock:
            old = self._require_user(key)
            members = self._resolve(changes["groups"]) if "groups" in changes else None
            new = changed(old, changes, members)
            self._put(key, old, new)
            return new

    def create_group(self, name: str) -> Group:
        """Make a group."""
        key = require_name(name)
        with self._lock:
            self._require_free(key)
            rid = RESERVED_GROUP_RIDS.get(key)
            sid = self.domain_sid.child(self._peek_rid() if rid is None else rid)
            group = self._groups[key] = Group(name, sid)
            if rid is None:
                self._next_rid += 1
            return group

    def delete_group(self, name: str) -> None:
        """Remove the group and everybody's membership in it."""
        key = require_name(name)
        with self._lock:
            group = self._groups.get(key)
            if group is None:
                raise no_such_group()
            if group in BUILTIN_GROUPS or key in RESERVED_GROUP_RIDS:
                raise builtin("group_is_builtin")
            del self._groups[key]
            for owner, account in self._accounts.items():
                if group in account.groups:
                    rest = tuple(member for member in account.groups if member != group)
                    self._accounts[owner] = changed(account, {}, rest)

    def supplemental(self, sid: Sid, package: str) -> bytes | None:
        """The package's verifier for that account."""
        with self._lock:
            sealed = self._sealed.get(sid, {}).get(package)
        return None if sealed is None else self._vault.open(sealed, sid=sid, package=package)

    def set_supplementals(
        self, sid: Sid, supplementals: Mapping[str, bytes], *, password_set_at: float | None, must_change: bool
    ) -> None:
        """Replace the verifiers of all packages at once."""
        sealed = self._seal(sid, checked_supplementals(supplementals))
        with self._lock:
            key = self._keys.get(sid)
            if key is None:
                raise no_such_user()
            self._accounts[key] = with_password(self._accounts[key], password_set_at, must_change)
            self._sealed[sid] = sealed

    def parameters(self, sid: Sid) -> str:
        """What subauthentication packages keep with the account."""
        with self._lock:
            return self._parameters.get(sid, "")

    def set_parameters(self, sid: Sid, parameters: str) -> None:
        """Replace it."""
        with self._lock:
            if sid not in self._keys:
                raise no_such_user()
            self._parameters[sid] = parameters

    def auth_record(self, name: str, package: str) -> tuple[Account | None, bytes | None]:
        """Account and the package's verifier in one step."""
        with self._lock:
            key = name_key(name)
            account = None if key is None else self._accounts.get(key)
            sealed = None if account is None else self._sealed[account.sid].get(package)
        if account is None or sealed is None:
            self._vault.open(self._decoy, sid=self.domain_sid, package="")
            return account, None
        return account, self._vault.open(sealed, sid=account.sid, package=package)

    def credentials(self, sid: Sid) -> tuple[Credential, ...]:
        """What the account's user has stored for other machines."""
        with self._lock:
            held = sorted(self._credentials.get(sid, {}).items())
        return tuple(unseal(self._vault, sid, key, blob) for key, blob in held)

    def put_credential(self, sid: Sid, credential: Credential) -> None:
        """Store a credential."""
        with self._lock:
            if sid not in self._keys:
                raise no_such_user()
            held = self._credentials.setdefault(sid, {})
            if credential.key not in held:
                require_room(len(held))
            held[credential.key] = seal(self._vault, sid, credential)

    def reseal(self) -> int:
        """Seal anew what is not under the vault's current key; how many blobs that were."""
        with self._lock:
            old = [
                (sid, name, blob)
                for sid, packages in self._sealed.items()
                for name, blob in packages.items()
                if not self._vault.is_current(blob)
            ]
            for sid, name, blob in old:
                self._sealed[sid] |= self._seal(sid, {name: self._vault.open(blob, sid=sid, package=name)})
            stored = [
                (sid, key, blob)
                for sid, held in self._credentials.items()
                for key, blob in held.items()
                if not self._vault.is_current(blob)
            ]
            for sid, key, blob in stored:
                self._credentials[sid][key] = seal(self._vault, sid, unseal(self._vault, sid, key, blob))
        return len(old) + len(stored)

    def lockout(self, account: str, origin: str, now: float) -> float:
        """Seconds that this account has to wait at this origin."""
        if not self._lockout and math.isfinite(now):
            return 0.0
        key = pair_key(self._vault, account, origin)
        with self._lock:
            return self._lockout.waiting(key, now)

    def record_failure(self, account: str, origin: str, now: float) -> None:
        """Count a wrong proof."""
        key = pair_key(self._vault, account, origin)
        with self._lock:
            self._lockout.failure(key, now)

    def record_success(self, account: str, origin: str) -> None:
        """Forget the pair's failures."""
        if not self._lockout:
            return
        key = pair_key(self._vault, account, origin)
        with self._lock:
            self._lockout.success(key)

    def close(self) -> None:
        """Nothing to release."""

    def _require_free(self, key: str) -> None:
        if key in self._accounts or key in self._groups:
            raise invalid("name_taken")

    def _require_user(self, key: str) -> Account:
        account = self._accounts.get(key)
        if account is None:
            raise no_such_user()
        return account

    def _peek_rid(self) -> int:
        if self._next_rid > LAST_RID:
            raise invalid("rids_exhausted")
        return self._next_rid

    def _resolve(self, names: Sequence[str]) -> tuple[Group, ...]:
        if isinstance(names, str) or len(names) > MAX_GROUPS:
            raise invalid("groups_invalid")
        found = {key: self._groups.get(key) for key in (require_name(name) for name in names)}
        members = [group for group in found.values() if group is not None]
        if len(members) != len(found):
            raise no_such_group()
        return tuple(sorted(members, key=lambda group: group.sid))

    def _put(self, key: str, old: Account | None, new: Account) -> None:
        was = None if old is None or old.upn is None else upn_key(old.upn)
        upn = None if new.upn is None else upn_key(new.upn)
        if upn is not None and self._upns.get(upn, key) != key:
            raise invalid("upn_taken")
        if was is not None:
            del self._upns[was]
        if upn is not None:
            self._upns[upn] = key
        self._accounts[key] = new
        self._keys[new.sid] = key

    def _seal(self, sid: Sid, clear: Mapping[str, bytes]) -> dict[str, bytes]:
        return {name: self._vault.seal(data, sid=sid, package=name) for name, data in clear.items()}
