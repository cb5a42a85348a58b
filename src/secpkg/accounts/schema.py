"""The account store's tables, as steps from nothing to the newest version.

`PRAGMA user_version` is the number of steps taken. A step is never edited once released: a change is a new step. Each
runs in one transaction with its version number, so a crash leaves the version before or the version after it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from secpkg.contract.status import SecurityError, Status

APPLICATION_ID: Final = 0x5350_4143
"""Marks the file as an account store of ours."""

_ACCOUNTS: Final = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    """CREATE TABLE domain (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        name TEXT NOT NULL,
        sid TEXT NOT NULL,
        next_rid INTEGER NOT NULL,
        vault_check BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE account (
        rid INTEGER PRIMARY KEY,
        name_key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        full_name TEXT NOT NULL,
        enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
        locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
        expires_at REAL,
        must_change INTEGER NOT NULL CHECK (must_change IN (0, 1)),
        password_set_at REAL,
        logon_hours BLOB CHECK (length(logon_hours) = 21),
        workstations TEXT NOT NULL,
        posix_uid INTEGER CHECK (posix_uid > 0),
        upn TEXT,
        upn_key TEXT UNIQUE,
        created_at REAL NOT NULL
    ) STRICT""",
    """CREATE TABLE account_group (
        id INTEGER PRIMARY KEY,
        name_key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        sid TEXT NOT NULL UNIQUE
    ) STRICT""",
    """CREATE TABLE membership (
        rid INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        group_id INTEGER NOT NULL REFERENCES account_group ON DELETE CASCADE,
        PRIMARY KEY (rid, group_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX membership_by_group ON membership (group_id)",
    """CREATE TABLE supplemental (
        rid INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        package TEXT NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (rid, package)
    ) STRICT""",
)

# The number of rows is kept by triggers: counting 100 000 of them at each failure would be the attacker's lever.
_LOCKOUT: Final = (
    """CREATE TABLE lockout (
        pair BLOB PRIMARY KEY,
        failures INTEGER NOT NULL,
        last_failure REAL NOT NULL,
        until REAL NOT NULL
    ) STRICT""",
    "CREATE INDEX lockout_by_age ON lockout (last_failure)",
    "CREATE INDEX lockout_by_end ON lockout (until, last_failure)",
    "CREATE TABLE lockout_size (id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL) STRICT",
    "INSERT INTO lockout_size VALUES (1, 0)",
    """CREATE TRIGGER lockout_grows AFTER INSERT ON lockout
        BEGIN UPDATE lockout_size SET size = size + 1; END""",
    """CREATE TRIGGER lockout_shrinks AFTER DELETE ON lockout
        BEGIN UPDATE lockout_size SET size = size - 1; END""",
)

_CREDENTIALS: Final = (
    """CREATE TABLE credential (
        rid INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        target_key TEXT NOT NULL,
        type INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (rid, target_key, type)
    ) STRICT""",
)

_PARAMETERS: Final = ("ALTER TABLE account ADD COLUMN parameters TEXT NOT NULL DEFAULT ''",)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_ACCOUNTS, _LOCKOUT, _CREDENTIALS, _PARAMETERS)


def version(db: sqlite3.Connection) -> int:
    """The version that the file has; 0 is an empty one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection, steps: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Bring the file to the last of `steps`, on a connection without a transaction.

    SecurityError: STATUS_REVISION_MISMATCH (`schema_newer`) for a file of a later secpkg, STATUS_INVALID_PARAMETER
    (`not_an_account_store`) for a database of somebody else.
    """
    while True:
        _require_ours(db)
        if version(db) >= len(steps):
            break
        db.execute("BEGIN IMMEDIATE")
        try:
            at = version(db)  # another process may have been faster
            for statement in steps[at] if at < len(steps) else ():
                db.execute(statement)
            if at < len(steps):
                db.execute(f"PRAGMA user_version = {at + 1}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    if version(db) > len(steps):
        raise SecurityError(Status.STATUS_REVISION_MISMATCH, reason="schema_newer")


def _require_ours(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    try:
        mark = int(db.execute("PRAGMA application_id").fetchone()[0])
        empty = not db.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema)").fetchone()[0]
        fresh = mark == 0 and version(db) == 0 and empty
    finally:
        db.execute("ROLLBACK")
    if mark != APPLICATION_ID and not fresh:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="not_an_account_store")
