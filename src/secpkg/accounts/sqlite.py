"""The account store in one SQLite file, for several threads and several processes.

Two connections: reads never wait for a write's fsync. A write is one BEGIN IMMEDIATE transaction, in which everything
that it depends on is read again. What is read on the way of a logon is one query; the row that comes back is turned
into an `Account` once and remembered by its content, so the memory cannot be stale. After a fork the child's store is
dead (SQLite forbids carrying a connection across) and says so.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias, Unpack, cast

from secpkg.accounts import schema, sqlite_credentials, sqlite_file
from secpkg.accounts.credentials import Credential
from secpkg.accounts.lockout import DEFAULT_POLICY, LockoutPolicy, LockoutState, after_failure, pair_key, waiting
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
from secpkg.accounts.vault import Vault
from secpkg.contract.status import SecurityError, Status

_Row: TypeAlias = tuple[str | int | float | bytes | None, ...]

_CHECK: Final = "store check"
_FIELD: Final = "\x1f"
_RECORD: Final = "\x1e"
_HOURS_SIZE: Final = 21
_CACHED_ACCOUNTS: Final = 4096

_COLUMNS: Final = (
    "a.rid, a.name, a.full_name, a.enabled, a.locked, a.expires_at, a.must_change, a.password_set_at, a.logon_hours, "
    "a.workstations, a.posix_uid, a.upn, a.created_at, "
    "(SELECT group_concat(g.sid || char(31) || g.name, char(30)) FROM membership m JOIN account_group g "
    "ON g.id = m.group_id WHERE m.rid = a.rid)"
)
_BY_NAME: Final = f"SELECT {_COLUMNS} FROM account a WHERE a.name_key = ?"
_BY_RID: Final = f"SELECT {_COLUMNS} FROM account a WHERE a.rid = ?"
_BY_UPN: Final = f"SELECT {_COLUMNS} FROM account a WHERE a.upn_key = ?"
_ALL: Final = f"SELECT {_COLUMNS} FROM account a ORDER BY a.rid"
_AUTH: Final = (
    f"SELECT s.sealed, {_COLUMNS} FROM account a LEFT JOIN supplemental s ON s.rid = a.rid AND s.package = ?2 "
    "WHERE a.name_key = ?1"
)
_STATE: Final = "SELECT failures, last_failure, until FROM lockout WHERE pair = ?"
_PUT: Final = (
    "INSERT INTO account (rid, name_key, name, full_name, enabled, locked, expires_at, must_change, password_set_at, "
    "logon_hours, workstations, posix_uid, upn, upn_key, created_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
    "ON CONFLICT (rid) DO UPDATE SET full_name=excluded.full_name, enabled=excluded.enabled, locked=excluded.locked, "
    "expires_at=excluded.expires_at, must_change=excluded.must_change, password_set_at=excluded.password_set_at, "
    "logon_hours=excluded.logon_hours, workstations=excluded.workstations, posix_uid=excluded.posix_uid, "
    "upn=excluded.upn, upn_key=excluded.upn_key"
)


def _corrupt() -> SecurityError:
    return SecurityError(Status.STATUS_INTERNAL_ERROR, reason="store_corrupt")


@lru_cache(maxsize=_CACHED_ACCOUNTS)
def _account(domain_sid: Sid, row: _Row) -> Account:
    rid, name, full_name, enabled, locked, expires, must_change, *rest = row
    set_at, hours, stations, uid, upn, created, joined = rest
    groups = [record.split(_FIELD) for record in str(joined).split(_RECORD)] if joined else []
    try:
        return Account(
            name=cast(str, name),
            sid=domain_sid.child(cast(int, rid)),
            full_name=cast(str, full_name),
            enabled=bool(enabled),
            locked=bool(locked),
            expires_at=cast("float | None", expires),
            must_change=bool(must_change),
            password_set_at=cast("float | None", set_at),
            logon_hours=None if hours is None else int.from_bytes(cast(bytes, hours), "little"),
            workstations=tuple(str(stations).split(_FIELD)) if stations else (),
            groups=tuple(Group(group, Sid(sid)) for sid, group in sorted(groups)),
            posix_uid=cast("int | None", uid),
            upn=cast("str | None", upn),
            created_at=cast(float, created),
        )
    except (SecurityError, ValueError) as error:
        raise _corrupt() from error


class SqliteAccountStore:
    """`AccountStore` in the file `path`, made with mode 0600 where it is not there.

    `domain` names the account domain of a new store and, given for an old one, has to be its name. SecurityError on
    opening: STATUS_ACCESS_DENIED for a file that others can write (see `sqlite_file.secure`), STATUS_REVISION_MISMATCH
    (`schema_newer`), STATUS_INVALID_PARAMETER (`domain_required`, `domain_mismatch`, `not_an_account_store`),
    STATUS_INTERNAL_ERROR (`vault_key_unknown` or `vault_tampered`: not the master key of this store).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        vault: Vault,
        *,
        domain: str | None = None,
        lockout: LockoutPolicy = DEFAULT_POLICY,
        busy_timeout: float = 5.0,
    ) -> None:
        self._vault = vault
        self._policy = lockout
        self._pid = os.getpid()
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._closed = False
        file = Path(os.path.abspath(path))  # not resolve(): a link must not be followed
        if domain is not None:
            require_name(domain, "domain_name_invalid")
        sqlite_file.secure(file)
        with _named_errors():
            self._writer = sqlite_file.connect(file, busy_timeout)
        try:
            with _named_errors():
                schema.migrate(self._writer)
            self._domain_name, self._domain_sid = self._open_domain(domain)
            self._decoy = vault.seal(bytes(64), sid=self._domain_sid, package="")
            with _named_errors():
                self._reader = sqlite_file.connect(file, busy_timeout)
                self._reader.execute("PRAGMA query_only = ON")
        except BaseException:
            self._writer.close()
            raise

    @property
    def domain_name(self) -> str:
        """The flat name of the account domain."""
        return self._domain_name

    @property
    def domain_sid(self) -> Sid:
        """The domain's SID: made at random with the store, and kept."""
        return self._domain_sid

    def find(self, name: str) -> Account | None:
        """The account with that name."""
        return self._one(_BY_NAME, name_key(name))

    def find_by_sid(self, sid: Sid) -> Account | None:
        """The account with that SID."""
        return self._one(_BY_RID, sid.rid) if sid.is_child_of(self._domain_sid) else None

    def find_by_upn(self, upn: str) -> Account | None:
        """The account with that user principal name."""
        return self._one(_BY_UPN, upn_key(upn))

    def accounts(self) -> tuple[Account, ...]:
        """All accounts, by RID."""
        return tuple(_account(self._domain_sid, row) for row in self._fetch(_ALL))

    def groups(self) -> tuple[Group, ...]:
        """All groups, by SID text."""
        rows = self._fetch("SELECT name, sid FROM account_group ORDER BY sid")
        return tuple(Group(str(name), Sid(str(sid))) for name, sid in rows)

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
        """Make an account, with its memberships and verifiers, in one transaction."""
        key = require_name(name)
        secrets = None if supplementals is None else checked_supplementals(supplementals)
        with self._write() as db:
            _require_free(db, key)
            members = _resolve(db, groups)
            rid = RESERVED_RIDS.get(key)
            account = Account(
                name=name,
                sid=self._domain_sid.child(_take_rid(db) if rid is None else rid),
                full_name=full_name,
                groups=tuple(members.values()),
                posix_uid=posix_uid,
                upn=upn,
                password_set_at=None if secrets is None else now,
                created_at=now,
            )
            self._put(db, account)
            _join(db, account.rid, members)
            self._put_supplementals(db, account.sid, secrets or {})
        return account

    def delete_user(self, name: str) -> None:
        """Remove the account with its memberships and verifiers."""
        key = require_name(name)
        with self._write() as db:
            self._require_user(db, key)
            if key in RESERVED_RIDS:
                raise builtin("account_is_builtin")
            db.execute("DELETE FROM account WHERE name_key = ?", (key,))

    def update(self, name: str, **changes: Unpack[AccountChanges]) -> Account:
        """Change what is named and nothing else."""
        key = require_name(name)
        with self._write() as db:
            old = self._require_user(db, key)
            members = _resolve(db, changes["groups"]) if "groups" in changes else None
            new = changed(old, changes, None if members is None else tuple(members.values()))
            self._put(db, new)
            if members is not None:
                db.execute("DELETE FROM membership WHERE rid = ?", (new.rid,))
                _join(db, new.rid, members)
        return new

    def create_group(self, name: str) -> Group:
        """Make a group."""
        key = require_name(name)
        with self._write() as db:
            _require_free(db, key)
            rid = RESERVED_GROUP_RIDS.get(key)
            group = Group(name, self._domain_sid.child(_take_rid(db) if rid is None else rid))
            db.execute("INSERT INTO account_group (name_key, name, sid) VALUES (?, ?, ?)", (key, name, group.sid))
        return group

    def delete_group(self, name: str) -> None:
        """Remove the group and everybody's membership in it."""
        key = require_name(name)
        with self._write() as db:
            row = db.execute("SELECT name, sid FROM account_group WHERE name_key = ?", (key,)).fetchone()
            if row is None:
                raise no_such_group()
            if Group(row[0], Sid(row[1])) in BUILTIN_GROUPS or key in RESERVED_GROUP_RIDS:
                raise builtin("group_is_builtin")
            db.execute("DELETE FROM account_group WHERE name_key = ?", (key,))

    def supplemental(self, sid: Sid, package: str) -> bytes | None:
        """The package's verifier for that account."""
        if not sid.is_child_of(self._domain_sid):
            return None
        rows = self._fetch("SELECT sealed FROM supplemental WHERE rid = ? AND package = ?", sid.rid, package)
        return self._vault.open(cast(bytes, rows[0][0]), sid=sid, package=package) if rows else None

    def set_supplementals(
        self, sid: Sid, supplementals: Mapping[str, bytes], *, password_set_at: float | None, must_change: bool
    ) -> None:
        """Replace the verifiers of all packages at once."""
        secrets = checked_supplementals(supplementals)
        with self._write() as db:
            row = db.execute(_BY_RID, (sid.rid,)).fetchone() if sid.is_child_of(self._domain_sid) else None
            if row is None:
                raise no_such_user()
            self._put(db, with_password(_account(self._domain_sid, row), password_set_at, must_change))
            db.execute("DELETE FROM supplemental WHERE rid = ?", (sid.rid,))
            self._put_supplementals(db, sid, secrets)

    def parameters(self, sid: Sid) -> str:
        """What subauthentication packages keep with the account."""
        ours = sid.is_child_of(self._domain_sid)
        rows = self._fetch("SELECT parameters FROM account WHERE rid = ?", sid.rid) if ours else ()
        return cast(str, rows[0][0]) if rows else ""

    def set_parameters(self, sid: Sid, parameters: str) -> None:
        """Replace it."""
        with self._write() as db:
            ours = sid.is_child_of(self._domain_sid)
            changed = db.execute("UPDATE account SET parameters = ? WHERE rid = ? AND ?", (parameters, sid.rid, ours))
            if not changed.rowcount:
                raise no_such_user()

    def auth_record(self, name: str, package: str) -> tuple[Account | None, bytes | None]:
        """Account and the package's verifier in one query."""
        rows = self._fetch(_AUTH, name_key(name), package)
        account = _account(self._domain_sid, rows[0][1:]) if rows else None
        if account is None or rows[0][0] is None:
            self._vault.open(self._decoy, sid=self._domain_sid, package="")
            return account, None
        return account, self._vault.open(cast(bytes, rows[0][0]), sid=account.sid, package=package)

    def credentials(self, sid: Sid) -> tuple[Credential, ...]:
        """What the account's user has stored for other machines."""
        rows = self._fetch(sqlite_credentials.OF_ACCOUNT, sid.rid) if sid.is_child_of(self._domain_sid) else ()
        return sqlite_credentials.opened(self._vault, sid, rows)

    def put_credential(self, sid: Sid, credential: Credential) -> None:
        """Store a credential."""
        with self._write() as db:
            known = sid.is_child_of(self._domain_sid) and db.execute(_BY_RID, (sid.rid,)).fetchone() is not None
            if not known:
                raise no_such_user()
            sqlite_credentials.put(db, self._vault, sid, credential)

    def reseal(self) -> int:
        """Seal anew what is not under the vault's current key, in one transaction; how many blobs that were."""
        with self._write() as db:
            rows = db.execute("SELECT rid, package, sealed FROM supplemental").fetchall()
            old = [row for row in rows if not self._vault.is_current(row[2])]
            for rid, package, sealed in old:
                sid = self._domain_sid.child(rid)
                blob = self._vault.seal(self._vault.open(sealed, sid=sid, package=package), sid=sid, package=package)
                db.execute("UPDATE supplemental SET sealed = ? WHERE rid = ? AND package = ?", (blob, rid, package))
            stored = sqlite_credentials.reseal(db, self._vault, self._domain_sid)
            db.execute("UPDATE domain SET vault_check = ?", (self._check_value(self._domain_name, self._domain_sid),))
        return len(old) + stored

    def lockout(self, account: str, origin: str, now: float) -> float:
        """Seconds that this account has to wait at this origin."""
        pair = pair_key(self._vault, account, origin)
        return waiting(self._policy, _state(self._fetch(_STATE, pair)), now)

    def record_failure(self, account: str, origin: str, now: float) -> None:
        """Count a wrong proof."""
        pair = pair_key(self._vault, account, origin)
        with self._write() as db:
            old = _state(db.execute(_STATE, (pair,)).fetchall())
            new = after_failure(self._policy, old, now)
            if old is None and db.execute("SELECT size FROM lockout_size").fetchone()[0] >= self._policy.max_rows:
                self._evict(db, now)
            db.execute(
                "INSERT INTO lockout VALUES (?, ?, ?, ?) ON CONFLICT (pair) DO UPDATE SET "
                "failures = excluded.failures, last_failure = excluded.last_failure, until = excluded.until",
                (pair, new.failures, new.last_failure, new.until),
            )

    def record_success(self, account: str, origin: str) -> None:
        """Forget the pair's failures; writes only where there are any."""
        pair = pair_key(self._vault, account, origin)
        if self._fetch(_STATE, pair):
            with self._write() as db:
                db.execute("DELETE FROM lockout WHERE pair = ?", (pair,))

    def close(self) -> None:
        """Close both connections. In a forked child it does nothing."""
        if self._closed or os.getpid() != self._pid:
            return
        with self._write_lock, self._read_lock:
            self._closed = True
            self._reader.close()
            self._writer.close()

    def _open_domain(self, wanted: str | None) -> tuple[str, Sid]:
        with self._write() as db:
            row = db.execute("SELECT name, sid, vault_check FROM domain").fetchone()
            if row is None:
                if wanted is None:
                    raise invalid("domain_required")
                return wanted, self._found_domain(db, wanted)
        name, sid = str(row[0]), Sid(row[1])
        if wanted is not None and name_key(wanted) != name_key(name):
            raise invalid("domain_mismatch")
        self._vault.open(row[2], sid=sid, package=name, purpose=_CHECK)
        return name, sid

    def _found_domain(self, db: sqlite3.Connection, name: str) -> Sid:
        sid = random_domain_sid(os.urandom(12))
        db.execute("INSERT INTO domain VALUES (1, ?, ?, ?, ?)", (name, sid, FIRST_RID, self._check_value(name, sid)))
        db.executemany(
            "INSERT INTO account_group (name_key, name, sid) VALUES (?, ?, ?)",
            [(require_name(group.name), group.name, group.sid) for group in BUILTIN_GROUPS],
        )
        return sid

    def _check_value(self, name: str, sid: Sid) -> bytes:
        return self._vault.seal(b"", sid=sid, package=name, purpose=_CHECK)

    def _require_alive(self) -> None:
        if os.getpid() != self._pid:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="store_forked")
        if self._closed:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="store_closed")

    def _fetch(self, query: str, *values: str | int | bytes | None) -> list[_Row]:
        self._require_alive()
        try:
            with self._read_lock:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _failed() from error

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        self._require_alive()
        with self._write_lock, _named_errors():
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _one(self, query: str, key: str | int | None) -> Account | None:
        rows = () if key is None else self._fetch(query, key)
        return _account(self._domain_sid, rows[0]) if rows else None

    def _require_user(self, db: sqlite3.Connection, key: str) -> Account:
        row = db.execute(_BY_NAME, (key,)).fetchone()
        if row is None:
            raise no_such_user()
        return _account(self._domain_sid, row)

    def _put(self, db: sqlite3.Connection, account: Account) -> None:
        upn = None if account.upn is None else upn_key(account.upn)
        taken = "SELECT EXISTS (SELECT 1 FROM account WHERE upn_key = ? AND rid <> ?)"
        if db.execute(taken, (upn, account.rid)).fetchone()[0]:
            raise invalid("upn_taken")
        hours = None if account.logon_hours is None else account.logon_hours.to_bytes(_HOURS_SIZE, "little")
        fields = (
            *(account.rid, require_name(account.name), account.name, account.full_name, account.enabled),
            *(account.locked, account.expires_at, account.must_change, account.password_set_at, hours),
            *(_FIELD.join(account.workstations), account.posix_uid, account.upn, upn, account.created_at),
        )
        db.execute(_PUT, fields)

    def _put_supplementals(self, db: sqlite3.Connection, sid: Sid, clear: Mapping[str, bytes]) -> None:
        db.executemany(
            "INSERT INTO supplemental (rid, package, sealed) VALUES (?, ?, ?)",
            [(sid.rid, name, self._vault.seal(data, sid=sid, package=name)) for name, data in clear.items()],
        )

    def _evict(self, db: sqlite3.Connection, now: float) -> None:
        policy = self._policy
        oldest, newest = now - policy.forget_after, now + policy.max_delay
        if db.execute("DELETE FROM lockout WHERE last_failure <= ? OR last_failure > ?", (oldest, newest)).rowcount:
            return
        # By `until` first, and it is 0 where there never was a delay: no running one goes while an idle pair is left.
        order = "SELECT rowid FROM lockout {} ORDER BY until, last_failure LIMIT ?"
        delete = "DELETE FROM lockout WHERE rowid IN ({})"
        if not db.execute(delete.format(order.format("WHERE until <= ?")), (now, policy.batch)).rowcount:
            db.execute(delete.format(order.format("")), (policy.batch,))


def _failed() -> SecurityError:
    return SecurityError(Status.STATUS_INTERNAL_ERROR, reason="store_failed")


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _failed() from error


def _require_free(db: sqlite3.Connection, key: str) -> None:
    query = "SELECT 1 FROM account WHERE name_key = ?1 UNION ALL SELECT 1 FROM account_group WHERE name_key = ?1"
    if db.execute(query, (key,)).fetchone() is not None:
        raise invalid("name_taken")


def _take_rid(db: sqlite3.Connection) -> int:
    rid = int(db.execute("SELECT next_rid FROM domain").fetchone()[0])
    if rid > LAST_RID:
        raise invalid("rids_exhausted")
    db.execute("UPDATE domain SET next_rid = ?", (rid + 1,))
    return rid


def _resolve(db: sqlite3.Connection, names: Sequence[str]) -> dict[int, Group]:
    if isinstance(names, str) or len(names) > MAX_GROUPS:
        raise invalid("groups_invalid")
    found: list[tuple[int, Group]] = []
    for key in {require_name(name) for name in names}:
        row = db.execute("SELECT id, name, sid FROM account_group WHERE name_key = ?", (key,)).fetchone()
        if row is None:
            raise no_such_group()
        found.append((row[0], Group(row[1], Sid(row[2]))))
    return dict(sorted(found, key=lambda entry: entry[1].sid))


def _join(db: sqlite3.Connection, rid: int, groups: Mapping[int, Group]) -> None:
    db.executemany("INSERT INTO membership (rid, group_id) VALUES (?, ?)", [(rid, group) for group in groups])


def _state(rows: Sequence[_Row]) -> LockoutState | None:
    return LockoutState(*cast("tuple[int, float, float]", rows[0])) if rows else None
