"""The lines of an audit record and the files they are in: how a line is bound to the one before, and how one is read.

A line is a JSON object whose last member is ``mac``: HMAC-SHA256 over the object without that member. ``previous``
repeats the mac of the line before. The newest lines are in ``audit.jsonl``, older ones in segments beside it whose
names carry the number of their first record, so that names in order are records in order; the chain goes through all
of them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from secpkg.accounts.vault import Vault
from secpkg.contract.status import SecurityError, Status

Fact = str | int | bool | None

GENESIS: Final = "0" * 64
"""``previous`` of the first record."""
MAX_LINE: Final = 256 * 1024
SEGMENT_DELETED: Final = "audit_segment_deleted"
"""The event that lets a record begin later than with its first line: its fact ``first_kept`` says where."""
_MAC: Final = 64
_BLOCK: Final = 64
_DIGITS: Final = 12
_SEQ: Final = re.compile(rb'\{"seq":([1-9][0-9]{0,17}),')
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


def read(lines: Iterable[bytes], key: bytes) -> list[Record]:
    """The records of lines whose macs are right, in their order; the others are left out."""
    return [found[0] for line in lines if (found := opened(line, key)) is not None]


def opened(line: bytes, key: bytes) -> tuple[Record, str] | None:
    """A line's record and mac; None for a line that is not as it was written."""
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


def number_of(line: bytes) -> int:
    """The number that a line claims, unverified; 0 where it claims none."""
    found = _SEQ.match(line)
    return int(found[1]) if found is not None else 0


def segment_path(path: Path, first: int) -> Path:
    """Where the lines of the record at ``path`` go that begin with number ``first``, when the file is closed."""
    return path.with_name(f"{path.stem}-{first:0{_DIGITS}}{path.suffix}")


def first_of(segment: Path) -> int:
    """The number in a segment's name."""
    return int(segment.stem[-_DIGITS:])


def segments(path: Path) -> list[Path]:
    """The closed files of the record at ``path``, oldest first. OSError."""
    pattern = re.compile(rf"{re.escape(path.stem)}-[0-9]{{{_DIGITS}}}{re.escape(path.suffix)}")
    return sorted(path.with_name(name) for name in os.listdir(path.parent) if pattern.fullmatch(name))


class Mac:
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
