"""Reading an audit record, also while its authority writes it: pages for people, and the check of the whole chain.

The check goes in slices, so that nobody has to stop for a long record; what it has to remember between two of them is a
`Place`, which whoever asks keeps. A place names a file by the number of its first record, which stays the same when the
file is closed and gets another name, and a byte in it: so no line is passed over between two slices.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from secpkg.authority.audit_lines import (
    GENESIS,
    MAX_LINE,
    SEGMENT_DELETED,
    AuditBroken,
    Record,
    first_of,
    number_of,
    opened,
    segments,
)

MAX_ROWS: Final = 200
"""Records of a page."""
MAX_BYTES: Final = 96 * 1024
"""Of the lines of a page; a longer line is a page of its own, cut."""
SLICE: Final = 250
"""Records that are checked at once: some 3 ms."""
_BLOCK: Final = 64 * 1024
_UNNUMBERED: Final = 1 << 62


class Row(msgspec.Struct, frozen=True):
    """One line as it is shown. ``record`` is None where the line is not as it was written."""

    seq: int
    """What the line says; 0 for one that says nothing."""
    mac: str
    record: Record | None


class Place(msgspec.Struct, frozen=True):
    """How far a check has come: up to the record ``seq`` with ``mac``, at byte ``offset`` of the file that begins with
    record ``file``.
    """

    seq: int = 0
    mac: str = GENESIS
    file: int = 0
    offset: int = 0


class Checked(msgspec.Struct, frozen=True):
    """One slice of a check."""

    place: Place
    first: int
    """Number of the first record of this slice; 0 for an empty one."""
    begun: str
    """Its time, and that of the last one."""
    time: str
    first_kept: int
    """The highest number before which records were deleted with the authority's knowledge, as this slice says; 0."""
    end: bool
    """Whether there is nothing more, or ``until`` is reached."""


class AuditReader:
    """A record in files, at ``path``, or in memory, as ``lines`` gives it."""

    def __init__(self, path: Path | None, key: bytes, lines: Callable[[], Sequence[bytes]] = tuple) -> None:
        self._path = path
        self._key = key
        self._lines = lines

    def page(self, after: int, limit: int = MAX_ROWS) -> list[Row]:
        """At most ``limit`` lines, the first of them that with the next number after ``after``. OSError."""
        rows: list[Row] = []
        size = 0
        for line in self._from(after + 1):
            size += len(line)
            if rows and size > MAX_BYTES:
                break
            found = opened(line, self._key) if len(line) <= MAX_BYTES else None
            rows.append(Row(number_of(line), "", None) if found is None else Row(found[0].seq, found[1], found[0]))
            if len(rows) >= min(limit, MAX_ROWS):
                break
        return rows

    def check(self, place: Place, *, limit: int = SLICE, until: int = 0) -> Checked:
        """Check what comes after ``place``, ``limit`` records at most, and not beyond record ``until``. The first slice
        begins with the first record there is, whatever its number: `whole` judges that. `AuditBroken` naming the first
        bad record (``record_<seq>_bad``); OSError.
        """
        seq, mac, file, offset = place.seq, place.mac, place.file, place.offset
        first = first_kept = 0
        begun = time = ""
        end = bool(until and seq >= until)
        for count, (where, position, line) in enumerate(() if end else self._after(place), 1):
            file, offset = where, position
            found = opened(line, self._key)
            if found is None or not _follows(found[0], seq, mac):
                raise AuditBroken(f"record_{seq + 1}_bad")
            record, mac = found
            seq, time = record.seq, record.time
            if not first:
                first, begun = seq, time
            if record.event == SEGMENT_DELETED and isinstance(kept := record.facts.get("first_kept"), int):
                first_kept = max(first_kept, kept)
            end = seq == until
            if end or count >= limit:
                break
        else:
            end = True
        return Checked(Place(seq, mac, file, offset), first, begun, time, first_kept, end)

    # --- where the lines are ------------------------------------------------------------------------------------------

    def _files(self) -> list[tuple[int, Path]]:
        """The files, oldest first, and the number that each begins with."""
        path = self._path
        assert path is not None
        found = [(first_of(segment), segment) for segment in segments(path)]
        try:
            with path.open("rb") as file:
                if found and os.path.samestat(os.fstat(file.fileno()), found[-1][1].stat()):
                    found.pop()  # closed by half (`AuditRecord.rotate`)
                line = file.readline(MAX_LINE)
        except FileNotFoundError:
            if found:
                raise AuditBroken("audit_file_missing") from None
            raise
        return [*found, (number_of(line) or _UNNUMBERED, path)] if line else found

    def _after(self, place: Place) -> Iterator[tuple[int, int, bytes]]:
        """First number of the file, end and bytes of each line after a place."""
        if self._path is None:
            lines = self._lines()
            done = place.seq - number_of(lines[0]) + 1 if place.seq and lines else 0
            if done < 0:
                raise AuditBroken("audit_lines_are_gone")
            yield from ((0, 0, line) for line in lines[done:])
            return
        waiting = bool(place.file)
        for first, path in self._files():
            if waiting and first != place.file:
                continue
            with path.open("rb") as file:
                if waiting:
                    file.seek(place.offset)
                    waiting = False
                for line in _lines(file):
                    yield first, file.tell(), line
        if waiting:
            raise AuditBroken("audit_file_is_gone")

    def _from(self, seq: int) -> Iterator[bytes]:
        """Lines, the first of them with number ``seq`` or the next that there is. What a line claims that is not as it
        was written moves nobody.
        """
        if self._path is None:
            yield from (line for line in self._lines() if number_of(line) >= seq)
            return
        files = self._files()
        begun = False
        for number, (_, path) in enumerate(files):
            if not begun and number + 1 < len(files) and files[number + 1][0] <= seq:
                continue
            with path.open("rb") as file:
                if not begun:
                    file.seek(_locate(file, seq))
                for line in _lines(file):
                    said = number_of(line)
                    begun = begun or said == seq or (said > seq and opened(line, self._key) is not None)
                    if begun:
                        yield line


def whole(
    check: Callable[[Place, int], Checked], *, head: tuple[int, str] | None = None, ring: bool = False
) -> Iterator[Checked]:
    """Check a record from its first line to its last, slice by slice; the last of what is given has ``end``.

    ``check`` is called with a place and a number to stop at (0: none). ``head`` is the number and mac of a record that
    must be there. A record that begins later than with 1 must say itself what was deleted, unless it is a ``ring``, of
    which the oldest fall out; what it says was deleted may still be there. `AuditBroken`: ``record_<seq>_bad``,
    ``records_before_<seq>_missing``, and of the head ``record_<seq>_missing``, ``record_<seq>_another`` and
    ``record_<seq>_before_the_first``.
    """
    place = Place()
    first = kept = 0
    proven = head is None
    while True:
        stop = head[0] if head is not None and not proven else 0
        checked = check(place, stop)
        place = checked.place
        first, kept = first or checked.first, max(kept, checked.first_kept)
        if head is not None and not proven and place.seq >= head[0]:
            if first > head[0]:
                raise AuditBroken(f"record_{head[0]}_before_the_first")
            if place.mac != head[1]:
                raise AuditBroken(f"record_{head[0]}_another")
            proven = True
            checked = msgspec.structs.replace(checked, end=False)
        if checked.end:
            break
        yield checked
    if not proven and head is not None:
        raise AuditBroken(f"record_{head[0]}_missing")
    if first > 1 and not ring and kept < first:
        raise AuditBroken(f"records_before_{first}_missing")
    yield checked


def verify(path: Path, key: bytes) -> int:
    """Check a whole record: the number of its newest line. `AuditBroken` as `whole`."""
    return _verified(AuditReader(path, key))


def verify_lines(lines: Iterable[bytes], key: bytes) -> int:
    """`verify` for lines at hand."""
    kept = tuple(lines)
    return _verified(AuditReader(None, key, lambda: kept))


def _verified(reader: AuditReader) -> int:
    seq = 0
    for checked in whole(lambda place, until: reader.check(place, until=until)):
        seq = checked.place.seq
    return seq


def _follows(record: Record, seq: int, mac: str) -> bool:
    """Whether it comes right after the record ``seq``; as the first of all, it may have any number."""
    if not seq and record.seq > 1:
        return True
    return record.seq == seq + 1 and record.previous == mac


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(MAX_LINE), b"")


def _locate(file: BinaryIO, seq: int) -> int:
    """A byte where a line begins, at or before that with number ``seq``."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > _BLOCK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline(MAX_LINE)
        begin = file.tell()
        number = number_of(file.readline(MAX_LINE)) if begin < high else 0
        if 0 < number <= seq:
            low = begin
        else:
            high = middle
    return low
