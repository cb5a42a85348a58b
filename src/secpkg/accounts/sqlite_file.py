"""The file under a SQLite account store: whose it is, who may write it, and how a connection to it is set up.

POSIX record locks have a trap that rules this file: closing *any* descriptor of a file drops all locks that the process
holds on it. So an existing store is looked at by name only and never opened except by SQLite; that the name is not
swapped in between is the parent directory's promise, which is checked. A new file is made with O_EXCL, when nobody can
hold a lock on it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Final

from secpkg.contract.status import SecurityError, Status

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_LEAST_SQLITE: Final = (3, 37)
"""STRICT tables."""
_WAL_ATTEMPTS: Final = 200
_WAL_PAUSE: Final = 0.01


def _refused(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_ACCESS_DENIED, reason=reason)


def secure(path: Path) -> None:
    """Make the file with mode 0600 where it is not there; refuse one that somebody else could have written.

    SecurityError (STATUS_ACCESS_DENIED): `store_not_a_file` (links included), `store_foreign_owner`,
    `store_writable_by_others`, `store_directory_writable_by_others`, `store_unreachable`.
    """
    try:
        parent = path.parent.stat()
        if parent.st_mode & _OTHERS_WRITE and not parent.st_mode & stat.S_ISVTX:
            raise _refused("store_directory_writable_by_others")
        _create(path)
        for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            _require_private(name)
    except OSError as error:
        raise _refused("store_unreachable") from error


def _create(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _require_private(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise _refused("store_not_a_file")
    if found.st_uid not in (os.geteuid(), 0):
        raise _refused("store_foreign_owner")
    if found.st_mode & _OTHERS_WRITE:
        raise _refused("store_writable_by_others")


def connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A connection in autocommit, write-ahead log, every commit on the disk before it returns."""
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        raise SecurityError(Status.STATUS_NOT_SUPPORTED, reason="sqlite_too_old")
    db = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    try:
        _write_ahead(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
    except BaseException:
        db.close()
        raise
    return db


def _write_ahead(db: sqlite3.Connection) -> None:
    # Two processes that turn a new file into WAL at once can be told "locked" without the busy timeout being used.
    for attempt in range(_WAL_ATTEMPTS):
        try:
            if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or attempt == _WAL_ATTEMPTS - 1:
                raise
        time.sleep(_WAL_PAUSE)
    raise SecurityError(Status.STATUS_NOT_SUPPORTED, reason="store_without_wal")
