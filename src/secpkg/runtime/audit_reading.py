"""The audit record for operators: pages of it, as they are there or as they come, and the check of its chain.

What is read is not itself put on the record - who follows the record would read of nothing but that - but that a
trusted connection was made is there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from secpkg.authority.audit import AuditBroken, AuditRecord, derive_key
from secpkg.authority.audit_reader import MAX_ROWS, AuditReader, Checked, Place
from secpkg.contract.status import SecurityError, Status
from secpkg.runtime import state
from secpkg.runtime.waiting import After, Done, Waiting

MAX_WAITING: Final = 64

AUDIT_FILE: Final = "audit.jsonl"


class AuditReading:
    """The readers of one authority's record. ``after`` calls a function later; None where there is no loop: then
    nobody waits.
    """

    def __init__(self, record: AuditRecord, after: After | None) -> None:
        self._record = record
        self._waiting = Waiting(after) if after is not None else None
        if self._waiting is not None:
            record.noticed = self._waiting.noticed

    def read(self, after: int, limit: int, wait: float, done: Done) -> None:
        """The lines after number ``after``, at once or when there are any, after ``wait`` seconds at the latest."""
        rows = self._page(after, limit)
        if rows or wait <= 0 or self._waiting is None or len(self._waiting) >= MAX_WAITING:
            done(self._answer(rows), None)
            return

        def look(late: bool) -> bool:
            try:
                found = self._page(after, limit)
            except SecurityError as error:
                done(None, error)
                return True
            if found or late:
                done(self._answer(found), None)
            return bool(found) or late

        self._waiting.add(wait, look)

    def check(self, place: Place, until: int) -> object:
        """One slice of a check (`AuditReader.check`). What is wrong is an answer: the check itself went well."""
        try:
            return {"checked": msgspec.to_builtins(self._record.reader.check(place, until=until)), "broken": ""}
        except AuditBroken as broken:
            return {"checked": None, "broken": broken.reason}
        except OSError:
            raise SecurityError(Status.STATUS_UNSUCCESSFUL, reason="audit_unreadable") from None

    def rotate(self) -> object:
        """Close the file and go on in a new one."""
        try:
            return {"segment": self._record.rotate()}
        except OSError:
            raise SecurityError(Status.STATUS_UNSUCCESSFUL, reason="audit_cannot_rotate") from None

    def _page(self, after: int, limit: int) -> list[object]:
        try:
            rows = self._record.reader.page(max(0, after), min(max(1, limit), MAX_ROWS))
        except OSError:
            raise SecurityError(Status.STATUS_UNSUCCESSFUL, reason="audit_unreadable") from None
        return [msgspec.to_builtins(row) for row in rows]

    def _answer(self, rows: list[object]) -> object:
        return {
            "rows": rows,
            "newest": self._record.count,
            "waits": self._waiting is not None,
            "ring": self._record.ring,
        }


def offline(directory: Path) -> Callable[[Place, int], Checked]:
    """The check of a record whose authority does not run, by the master key beside it. `state.StateFault` and OSError
    where there is none.
    """
    path = directory / AUDIT_FILE
    path.stat()
    key = directory / "master.key"
    key.stat()  # it is not made here
    reader = AuditReader(path, derive_key(state.master_key(key).vault()))
    return lambda place, until: reader.check(place, until=until)
