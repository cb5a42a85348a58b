"""The audit record (lock 10): JSON lines, numbered, each bound to the one before it by HMAC-SHA256.

A line is a JSON object whose last member is ``mac``: HMAC over the object without that member. ``previous`` repeats the
mac of the line before. What a package says stands under ``claimed``; everything else the authority knows by itself.
The chain shows a line that was changed, removed, inserted or moved; it cannot show that the newest ones are missing.

`append` returns when the line is with the operating system (with ``durable``, on the disk) and raises when it is not,
after taking back what was half written. The bytes of a line that a crash left unfinished are cut off at the next start,
which is itself recorded.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from secpkg.accounts.vault import Vault
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo

Fact = str | int | bool | None

GENESIS: Final = "0" * 64
"""``previous`` of the first record."""
MAX_TEXT: Final = 1024
"""Characters of one fact; longer ones are cut."""
MAX_LINE: Final = 256 * 1024
MEMORY_LINES: Final = 10_000
_MAC: Final = 64
_BLOCK: Final = 64
_encode: Final = msgspec.json.Encoder().encode
_TAIL: Final = len(b',"mac":""}\n') + _MAC


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record, without its mac."""

    seq: int
    time: str
    """UTC, RFC 3339."""
    event: str
    status: str
    uid: int | None
    pid: int | None
    package: str
    """The package that is concerned, as its channel says."""
    facts: dict[str, Fact]
    claimed: dict[str, Fact]
    previous: str


class AuditBroken(SecurityError):
    """The record cannot be continued or written; logons are refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(Status.STATUS_INTERNAL_ERROR, reason=reason)


def derive_key(vault: Vault) -> bytes:
    """The key of the chain."""
    return vault.derive("audit record")


class AuditRecord:
    """The one writer of a record, in a file (mode 0600) or, with ``path`` None, in memory (the newest 10 000 lines)."""

    def __init__(self, path: Path | None, key: bytes, *, clock: Callable[[], float], durable: bool = False) -> None:
        self._key = key
        self._mac = _Mac(key)
        self._second, self._moment = -1, ""
        self._clock = clock
        self._durable = durable
        self._lines: deque[bytes] = deque(maxlen=MEMORY_LINES)
        self._seq, self._previous = 0, GENESIS
        self._fd = -1
        self._broken = False
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(path, flags, 0o600)
        except OSError:
            raise AuditBroken("audit_unwritable") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            torn = self._continue()
        except OSError:
            self.close()
            raise AuditBroken("audit_in_use") from None
        except AuditBroken:
            self.close()
            raise
        if torn:
            self.append("audit_repaired", facts={"bytes_cut": torn})

    def _continue(self) -> int:
        size = os.fstat(self._fd).st_size
        start = max(0, size - 2 * MAX_LINE)
        tail = os.pread(self._fd, size - start, start)
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(self._fd, size - torn)
            tail = tail[:-torn]
        if tail:
            last = tail[tail.rfind(b"\n", 0, -1) + 1 :]
            opened = _opened(last, self._key)
            if opened is None:
                raise AuditBroken("audit_chain_broken")
            self._seq, self._previous = opened[0].seq, opened[1]
        return torn

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
        before = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError
            if self._durable:
                os.fsync(self._fd)
        except OSError:
            # Without a clean end nothing more can be chained to this file; the next start repairs it.
            try:
                os.ftruncate(self._fd, before)
            except OSError:
                self._broken = True
            raise AuditBroken("audit_unwritable") from None

    def lines(self) -> tuple[bytes, ...]:
        """What is held in memory; nothing when the record is a file."""
        return tuple(self._lines)

    def recent(self) -> list[Record]:
        """The newest records, at most those of the last 256 KiB, in their order."""
        if self._fd < 0:
            return read(self._lines, self._key)
        size = os.fstat(self._fd).st_size
        start = max(0, size - MAX_LINE)
        return read(os.pread(self._fd, size - start, start).splitlines(keepends=True), self._key)

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


def verify(path: Path, key: bytes) -> int:
    """Check a whole file: how many records it has. `AuditBroken` naming the first bad one (``record_<seq>_bad``)."""
    with path.open("rb") as lines:
        return verify_lines(iter(lambda: lines.readline(MAX_LINE), b""), key)


def verify_lines(lines: Iterable[bytes], key: bytes) -> int:
    """`verify` for lines at hand."""
    seq, previous = 0, GENESIS
    for line in lines:
        opened = _opened(line, key)
        if opened is None or opened[0].seq != seq + 1 or opened[0].previous != previous:
            raise AuditBroken(f"record_{seq + 1}_bad")
        seq, previous = opened[0].seq, opened[1]
    return seq


def read(lines: Iterable[bytes], key: bytes) -> list[Record]:
    """The records of lines whose macs are right, in their order; the others are left out."""
    return [opened[0] for line in lines if (opened := _opened(line, key)) is not None]


def _opened(line: bytes, key: bytes) -> tuple[Record, str] | None:
    head, tail = line[:-_TAIL], line[-_TAIL:]
    if not tail.startswith(b',"mac":"') or not tail.endswith(b'"}\n'):
        return None
    body, mac = head + b"}", tail[8:-3]
    if not hmac.compare_digest(mac, hmac.digest(key, body, "sha256").hex().encode()):
        return None
    try:
        return msgspec.json.decode(body, type=Record), mac.decode()
    except msgspec.MsgspecError:  # of a later secpkg: ours by its mac, and still not a record that we can continue
        return None


class _Mac:
    """HMAC-SHA256 under one key, whose two states are made once (RFC 2104 section 4)."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner, self._outer = (hashlib.sha256(bytes(octet ^ pad for octet in padded)) for pad in (0x36, 0x5C))

    def of(self, body: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return outer.hexdigest()


def _facts(facts: Mapping[str, Fact] | None) -> dict[str, Fact]:
    if facts is None:
        return {}
    return {
        name: _text(value) if isinstance(value, str) and not (len(value) <= MAX_TEXT and value.isascii()) else value
        for name, value in facts.items()
    }


def _text(value: str) -> str:
    return value[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
