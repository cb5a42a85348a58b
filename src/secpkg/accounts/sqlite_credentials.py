"""The table of stored credentials in the SQLite file: what `sqlite` does with it, inside its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final, cast

from secpkg.accounts.credentials import Credential, Key, require_room, seal, unseal
from secpkg.accounts.sid import Sid
from secpkg.accounts.vault import Vault

_ALL: Final = "SELECT rid, target_key, type, sealed FROM credential"
OF_ACCOUNT: Final = f"{_ALL} WHERE rid = ? ORDER BY target_key, type"
_OTHERS: Final = "SELECT count(*) FROM credential WHERE rid = ? AND NOT (target_key = ? AND type = ?)"
_PUT: Final = "INSERT OR REPLACE INTO credential VALUES (?, ?, ?, ?)"


def opened(vault: Vault, sid: Sid, rows: Iterable[tuple[object, ...]]) -> tuple[Credential, ...]:
    """The entries of rows of `OF_ACCOUNT`."""
    return tuple(unseal(vault, sid, *_entry(row)) for row in rows)


def put(db: sqlite3.Connection, vault: Vault, sid: Sid, credential: Credential) -> None:
    """Store an entry of an account that exists. STATUS_QUOTA_EXCEEDED."""
    key = credential.key
    require_room(db.execute(_OTHERS, (sid.rid, *key)).fetchone()[0])
    db.execute(_PUT, (sid.rid, *key, seal(vault, sid, credential)))


def reseal(db: sqlite3.Connection, vault: Vault, domain_sid: Sid) -> int:
    """Seal anew what is not under the vault's current key; how many entries that were."""
    old = [row for row in db.execute(_ALL).fetchall() if not vault.is_current(row[3])]
    for row in old:
        sid = domain_sid.child(row[0])
        put(db, vault, sid, unseal(vault, sid, *_entry(row)))
    return len(old)


def _entry(row: tuple[object, ...]) -> tuple[Key, bytes]:
    _rid, target, kind, sealed = cast("tuple[int, str, int, bytes]", row)
    return (target, kind), sealed
