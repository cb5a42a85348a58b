"""The audit record (lock 10): JSON lines, numbered, each bound to the one before it by HMAC-SHA256 (`audit_lines`).

What a package says stands under ``claimed``; everything else the authority knows by itself. The chain shows a line that
was changed, removed, inserted or moved; that the newest ones are missing it shows to whoever has noted a later *head*,
the number and mac of a record (`audit_reader.whole`).

`append` returns when the line is with the operating system (with ``durable``, on the disk) and raises when it is not,
after taking back what was half written. The bytes of a line that a crash left unfinished are cut off at the next start,
which is itself recorded.

A file that has grown enough is closed and becomes a segment. Its successor exists and is locked before it takes the
name; the old file gets its second name before it loses the first. So there is one file of the name at every moment,
locked by its writer, and whoever starts after a crash finds either both names on one file, and takes the second off
again, or an empty file, and goes on from the last line of the newest segment.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from secpkg.authority.audit_lines import (
    GENESIS,
    MAX_LINE,
    SEGMENT_DELETED,
    AuditBroken,
    Fact,
    Mac,
    Record,
    derive_key,
    first_of,
    number_of,
    opened,
    read,
    segment_path,
    segments,
)
from secpkg.authority.audit_reader import AuditReader, verify, verify_lines
from secpkg.contract.status import Status
from secpkg.contract.values import ClientInfo

__all__ = ["AuditBroken", "AuditRecord", "Fact", "Record", "derive_key", "read", "verify", "verify_lines"]

MAX_TEXT: Final = 1024
"""Characters of one fact; longer ones are cut."""
MAX_RECENT: Final = 500
MEMORY_LINES: Final = 10_000
_NEVER: Final = 1 << 62
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_encode: Final = msgspec.json.Encoder().encode


class AuditRecord:
    """The one writer of a record, in files (mode 0600) or, with ``path`` None, in memory (the newest 10 000 lines).

    ``segment`` is the size in bytes at which a file is closed; of the closed ones ``keep`` stay (0: all).
    """

    def __init__(
        self,
        path: Path | None,
        key: bytes,
        *,
        clock: Callable[[], float],
        durable: bool = False,
        segment: int = _NEVER,
        keep: int = 0,
    ) -> None:
        self._path = path
        self._key = key
        self._mac = Mac(key)
        self._second, self._moment = -1, ""
        self._clock = clock
        self._durable = durable
        self._segment, self._keep = segment, keep
        self._rotate_at = segment
        self._size = 0
        self._lines: deque[bytes] = deque(maxlen=MEMORY_LINES)
        self._seq, self._previous = 0, GENESIS
        self._fd = -1
        self._broken = False
        self.reader = AuditReader(path, key, self.lines)
        """What was written so far."""
        self.noticed: Callable[[], object] | None = None
        """Called after each line that is written."""
        if path is not None:
            self._open(path)

    # --- files --------------------------------------------------------------------------------------------------------

    def _open(self, path: Path) -> None:
        try:
            if not os.path.lexists(path) and segments(path):
                raise AuditBroken("audit_file_missing")  # no crash of `rotate` leaves that: it was taken away
            self._fd = os.open(path, _FLAGS | os.O_CREAT, 0o600)
        except OSError:
            raise AuditBroken("audit_unwritable") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(self._fd), os.lstat(path)):
                raise OSError  # its writer closed this file meanwhile, and writes its successor
            self._settle(path)
            torn = self._continue(path)
        except OSError:
            self.close()
            raise AuditBroken("audit_in_use") from None
        except AuditBroken:
            self.close()
            raise
        if torn:
            self.append("audit_repaired", facts={"bytes_cut": torn})

    def _settle(self, path: Path) -> None:
        """Take back what a crash left of `rotate`."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_fresh(path))
        closed = segments(path)
        if closed and os.path.samestat(os.lstat(closed[-1]), os.fstat(self._fd)):
            os.unlink(closed[-1])

    def _continue(self, path: Path) -> int:
        size = os.fstat(self._fd).st_size
        tail = _tail(self._fd, size)
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(self._fd, size - torn)
            tail = tail[:-torn]
        self._size = size - torn
        if not tail and (closed := segments(path)):
            with closed[-1].open("rb") as file:
                tail = _tail(file.fileno(), os.fstat(file.fileno()).st_size)
            if not tail.endswith(b"\n"):
                raise AuditBroken("audit_chain_broken")
        if tail:
            found = opened(tail[tail.rfind(b"\n", 0, -1) + 1 :], self._key)
            if found is None:
                raise AuditBroken("audit_chain_broken")
            self._seq, self._previous = found[0].seq, found[1]
        return torn

    def rotate(self) -> str:
        """Close the file and go on in a new one; the segment's name, or nothing where there is nothing to close.
        OSError when that cannot be done: then everything is as it was.
        """
        path = self._path
        if path is None or self._fd < 0 or not self._size:
            return ""
        first = number_of(os.pread(self._fd, 64, 0))
        if not first:
            raise OSError(errno.EINVAL, "the first line has no number")
        os.fsync(self._fd)  # or a power cut could take lines from the middle of the chain
        segment, fresh = segment_path(path, first), _fresh(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        fd = os.open(fresh, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.link(path, segment, follow_symlinks=False)
            try:
                os.rename(fresh, path)
            except OSError:
                os.unlink(segment)
                raise
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise
        old, self._fd, size, self._size = self._fd, fd, self._size, 0
        self._rotate_at = _NEVER  # what is recorded about it does not begin the next one
        os.close(old)
        try:
            synced = self._sync_directory(path)
            self.append(
                "audit_rotated",
                facts={"segment": segment.name, "first": first, "bytes": size, "synced": synced},
            )
            self._retire(path)
        finally:
            self._rotate_at = self._segment
        return segment.name

    def _sync_directory(self, path: Path) -> bool:
        try:
            fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError:
            return False  # the new file is in use all the same
        return True

    def _retire(self, path: Path) -> None:
        """Delete the segments that are not to be kept, oldest first; the record says so before. One that cannot be
        deleted keeps those after it.
        """
        if not self._keep:
            return
        closed = segments(path)
        for number, segment in enumerate(closed[: -self._keep], 1):
            self.append(SEGMENT_DELETED, facts={"segment": segment.name, "first_kept": first_of(closed[number])})
            try:
                os.unlink(segment)
            except OSError as error:
                self._failed("audit_retention_failed", error)
                return

    def _failed(self, event: str, error: OSError) -> None:
        name = errno.errorcode.get(error.errno or 0, "unknown")
        self.append(event, status=Status.STATUS_UNSUCCESSFUL, facts={"reason": name})

    def _rotate_when_due(self) -> None:
        with contextlib.suppress(AuditBroken):  # whether its own line can be written, the caller finds out
            try:
                self.rotate()
            except OSError as error:
                self._rotate_at = self._size + self._segment
                self._failed("audit_rotation_failed", error)

    # --- writing ------------------------------------------------------------------------------------------------------

    def append(
        self,
        event: str,
        *,
        status: Status = Status.STATUS_SUCCESS,
        caller: ClientInfo | None = None,
        package: str = "",
        facts: Mapping[str, Fact] | None = None,
        claimed: Mapping[str, Fact] | None = None,
    ) -> int:
        """Write one record; its number. `AuditBroken` (``audit_unwritable``) when it cannot be written."""
        if self._size >= self._rotate_at:
            self._rotate_when_due()
        record = Record(
            seq=self._seq + 1,
            time=self._time(),
            event=event,
            status=status.native,
            uid=None if caller is None else caller.uid,
            pid=None if caller is None else caller.process_id,
            package=_text(package),
            facts=_facts(facts),
            claimed=_facts(claimed),
            previous=self._previous,
        )
        body = _encode(record)
        mac = self._mac.of(body)
        self._write(body[:-1] + b',"mac":"' + mac.encode() + b'"}\n')
        self._seq, self._previous = record.seq, mac
        if self.noticed is not None:
            self.noticed()
        return record.seq

    def _time(self) -> str:
        second, microsecond = divmod(round(self._clock() * 1_000_000), 1_000_000)
        if second != self._second:
            self._second, self._moment = second, datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()
        return f"{self._moment}.{microsecond:06}+00:00"

    def _write(self, line: bytes) -> None:
        if self._broken:
            raise AuditBroken("audit_unwritable")
        if self._fd < 0:
            self._lines.append(line)
            return
        written = 0
        try:
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError
            if self._durable:
                os.fsync(self._fd)
        except OSError:
            # Without a clean end nothing more can be chained to this file; the next start repairs it.
            try:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            except OSError:
                self._broken = True
            raise AuditBroken("audit_unwritable") from None
        self._size += written

    def lines(self) -> tuple[bytes, ...]:
        """What is held in memory; nothing when the record is a file."""
        return tuple(self._lines)

    def recent(self) -> list[Record]:
        """The newest records, in their order: 500 of a file at most, and all that are held in memory."""
        if self._path is None:
            return read(self._lines, self._key)
        found: list[Record] = []
        after = max(0, self._seq - MAX_RECENT)
        while page := self.reader.page(after):
            found.extend(row.record for row in page if row.record is not None)
            if page[-1].seq <= after:
                break
            after = page[-1].seq
        return found

    @property
    def ring(self) -> bool:
        """Whether it is in memory, where the oldest lines fall out."""
        return self._path is None

    @property
    def count(self) -> int:
        """Records written so far, over all starts."""
        return self._seq

    def close(self) -> None:
        """Close the file; nothing can be appended afterwards."""
        self._broken = True
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1


def _fresh(path: Path) -> Path:
    """Where the next file is made before it takes the name."""
    return path.with_name(f".{path.name}.new")


def _tail(fd: int, size: int) -> bytes:
    start = max(0, size - 2 * MAX_LINE)
    return os.pread(fd, size - start, start)


def _facts(facts: Mapping[str, Fact] | None) -> dict[str, Fact]:
    if facts is None:
        return {}
    return {
        name: _text(value) if isinstance(value, str) and not (len(value) <= MAX_TEXT and value.isascii()) else value
        for name, value in facts.items()
    }


def _text(value: str) -> str:
    return value[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
