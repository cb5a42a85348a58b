"""A record in several files: closed and continued at every moment, read in pages, checked in slices."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.authority.world import NOW

from secpkg.accounts import Vault
from secpkg.authority.audit import AuditBroken, AuditRecord, derive_key, verify
from secpkg.authority.audit_lines import segments
from secpkg.authority.audit_reader import MAX_ROWS, AuditReader, Checked, Place, whole

KEY = derive_key(Vault(bytes(32)))
SMALL = 1000
"""Bytes: some three records."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def opened(path: Path | None, *, segment: int = SMALL, keep: int = 0, durable: bool = False) -> AuditRecord:
    return AuditRecord(path, KEY, clock=lambda: NOW, segment=segment, keep=keep, durable=durable)


def written(path: Path, count: int, *, segment: int = SMALL, keep: int = 0) -> int:
    """Write that many; the number of the last."""
    record = opened(path, segment=segment, keep=keep)
    for number in range(count):
        record.append("event", facts={"n": number})
    record.close()
    return record.count


def checked(path: Path | None, *, head: tuple[int, str] | None = None, limit: int = 1) -> list[Checked]:
    reader = AuditReader(path, KEY)
    return list(whole(lambda place, until: reader.check(place, limit=limit, until=until), head=head))


def broken(path: Path, *, head: tuple[int, str] | None = None, limit: int = 1) -> str:
    with pytest.raises(AuditBroken) as caught:
        checked(path, head=head, limit=limit)
    return caught.value.reason


def head_of(path: Path) -> tuple[int, str]:
    place = checked(path)[-1].place
    return place.seq, place.mac


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_that_is_full_is_closed_and_the_chain_goes_through_all(path: Path, durable: bool) -> None:
    record = opened(path, durable=durable)
    for number in range(20):
        record.append("event", facts={"n": number})
    closed = segments(path)
    assert len(closed) > 3 and all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in (*closed, path))
    assert all(SMALL <= file.stat().st_size < 2 * SMALL for file in closed)
    assert verify(path, KEY) == record.count == 20 + len(closed)
    assert [row.seq for row in record.reader.page(0)] == list(range(1, record.count + 1))
    rotated = [found for found in record.recent() if found.event == "audit_rotated"]
    assert [found.facts["segment"] for found in rotated] == [file.name for file in closed]
    record.close()
    assert written(path, 1) >= record.count + 1 and verify(path, KEY) >= record.count + 1


def test_an_operator_closes_a_file_and_an_empty_one_stays(path: Path) -> None:
    record = opened(path)
    assert record.rotate() == "" and opened(None).rotate() == ""
    record.append("event")
    assert record.rotate() == "audit-000000000001.jsonl" == segments(path)[0].name
    assert record.rotate() == "audit-000000000002.jsonl", "that one has the record that says so"
    assert verify(path, KEY) == record.count == 3


class Killed(Exception):
    """Where the process ends."""


@pytest.mark.parametrize("step", ["open", "flock", "link", "rename", "close"])
def test_whoever_starts_after_a_crash_goes_on_where_it_was(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends right after each step; nothing is lost, and nothing is there twice."""
    record = opened(path, segment=1 << 20)
    for _ in range(3):
        record.append("event")
    module = fcntl if step == "flock" else os
    real = getattr(module, step)

    def last(*arguments: object, **named: object) -> object:
        real(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, step, last)
        with pytest.raises(Killed):
            record.rotate()
    for fd in map(int, os.listdir("/proc/self/fd")):  # what the end of a process does
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith(str(path.parent)):
                os.close(fd)
        except OSError:
            continue
    again = opened(path, segment=1 << 20)
    assert again.append("event") == 4
    assert verify(path, KEY) == 4
    assert [row.seq for row in again.reader.page(0)] == [1, 2, 3, 4]
    assert sorted(os.listdir(path.parent)) in (["audit.jsonl"], ["audit-000000000001.jsonl", "audit.jsonl"])
    assert again.rotate() and verify(path, KEY) == 5
    again.close()


@pytest.mark.parametrize("step", ["link", "rename"])
def test_a_file_that_cannot_be_closed_is_written_on(path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = opened(path)

    def fails(*_arguments: object, **_named: object) -> None:
        raise PermissionError(13, "no")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, fails)
        for number in range(8):
            record.append("event", facts={"n": number})
    assert segments(path) == [] and os.listdir(path.parent) == ["audit.jsonl"]
    failed = [found for found in record.recent() if found.event == "audit_rotation_failed"]
    assert len(failed) == 2 and failed[0].facts == {"reason": "EACCES"}, "tried again when as much came"
    for number in range(8):
        record.append("event", facts={"n": number})
    assert segments(path) and verify(path, KEY) == record.count


def test_one_writer_at_a_time_also_when_a_file_was_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = opened(path)
    record.append("event")
    record.rotate()
    with pytest.raises(AuditBroken, match="audit_in_use"):
        opened(path)
    # Somebody opened the file of that name just before it was closed, and gets its lock.
    real = os.open

    def old(name: object, *more: int) -> int:
        return real(segments(path)[-1] if name == path else name, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", old)
        with pytest.raises(AuditBroken, match="audit_in_use"):
            opened(path)
    assert record.append("event") == 3 and verify(path, KEY) == 3


def test_what_is_not_kept_is_deleted_with_the_authoritys_knowledge(path: Path) -> None:
    written(path, 30, keep=2)
    closed = segments(path)
    assert len(closed) == 2
    assert checked(path)[0].first > 1
    closed[0].unlink()
    assert broken(path).startswith("records_before_")
    closed[1].unlink()
    assert broken(path).startswith("records_before_")


def test_a_missing_segment_is_found_anywhere(path: Path) -> None:
    written(path, 12)
    first, middle, *_ = segments(path)
    kept = middle.read_bytes()
    number = int(middle.stem[-12:])
    middle.unlink()
    assert broken(path) == f"record_{number}_bad"
    middle.write_bytes(kept)
    first.unlink()
    assert broken(path) == f"records_before_{number}_missing"


def test_a_head_proves_that_the_end_is_there(path: Path) -> None:
    written(path, 8)
    early, late = (3, AuditReader(path, KEY).page(2, 1)[0].mac), head_of(path)
    for head in (early, late):
        assert checked(path, head=head)[-1].place.seq == late[0]
    assert broken(path, head=(late[0] + 1, late[1])) == f"record_{late[0] + 1}_missing"
    assert broken(path, head=(3, late[1])) == "record_3_another"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert checked(path)[-1].place.seq == late[0] - 1, "the chain alone cannot tell"
    assert broken(path, head=late) == f"record_{late[0]}_missing"
    written(path, 3)
    assert broken(path, head=late) == f"record_{late[0]}_another"
    assert checked(path, head=early)


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [*lines[:2], lines[1], *lines[2:]],
        lambda lines: [*lines[:2], b"\n", *lines[2:]],
        lambda lines: [*lines[:2], b'{"seq":1}\n', *lines[2:]],
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [*lines[:2], lines[2].replace(b"event", b"EVENT"), *lines[3:]],
    ],
)
def test_nothing_is_passed_over_between_two_slices(
    path: Path, limit: int, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    written(path, 5, segment=1 << 20)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    assert broken(path, limit=limit) == "record_3_bad"


def test_a_check_goes_on_in_a_file_that_is_closed_meanwhile(path: Path) -> None:
    record = opened(path, segment=1 << 20)
    for _ in range(4):
        record.append("event")
    place = record.reader.check(Place(), limit=2).place
    record.rotate()
    rest = record.reader.check(place, limit=10)
    assert (rest.first, rest.place.seq, rest.end) == (3, 5, True)
    with pytest.raises(AuditBroken, match="audit_file_is_gone"):
        record.reader.check(Place(2, place.mac, 2, 0))


def test_pages_begin_where_they_are_asked_for(path: Path) -> None:
    record = opened(path, segment=300_000)
    for number in range(3_000):
        record.append("event", facts={"n": number})
    assert len(segments(path)) > 2
    for after in (0, 1, 199, 1_000, 1_001, 2_500, record.count - 1):
        assert [row.seq for row in record.reader.page(after, 3)] == list(range(after + 1, record.count + 1))[:3]
    assert record.reader.page(record.count) == [] and len(record.reader.page(0, 10_000)) == MAX_ROWS
    memory = opened(None)
    for _ in range(5):
        memory.append("event")
    assert [row.seq for row in memory.reader.page(2)] == [3, 4, 5]
    assert [found.seq for found in memory.recent()] == [1, 2, 3, 4, 5]


def test_a_page_shows_a_changed_line_as_one(path: Path) -> None:
    written(path, 3, segment=1 << 20)
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":9'))
    rows = AuditReader(path, KEY).page(0)
    assert [(row.seq, row.record is None) for row in rows] == [(1, False), (2, True), (3, False)]
    path.write_bytes(b"x" * 200_000 + b"\n" + path.read_bytes())
    assert [row.seq for row in AuditReader(path, KEY).page(0)] == [1, 2, 3]
    assert broken(path) == "record_1_bad"


def test_a_number_that_somebody_wrote_moves_nobody(path: Path) -> None:
    record = opened(path, segment=1 << 20)
    for _ in range(6):
        record.append("event")
    path.write_bytes(path.read_bytes().replace(b'"seq":2,', b'"seq":999999999999,'))
    rows = record.reader.page(3)
    assert [row.seq for row in rows] == [4, 5, 6]
    assert [row.record is None for row in record.reader.page(0)] == [False, True, False, False, False, False]


def test_what_is_recorded_as_deleted_may_still_be_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the record and the deletion, or a file that cannot be deleted: nothing after it goes."""
    real = os.unlink

    def fails(name: object) -> None:
        if os.path.basename(str(name)).startswith("audit-0"):
            raise PermissionError(1, "no")
        real(name)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", fails)
        written(path, 20, keep=1)
    assert len(segments(path)) > 3 and checked(path)[0].first == 1
    record = opened(path)
    assert next(r.facts for r in record.recent() if r.event == "audit_retention_failed") == {"reason": "EPERM"}
    record.close()
    head = (1, AuditReader(path, KEY).page(0, 1)[0].mac)
    written(path, 10, keep=1)
    assert len(segments(path)) == 1 and checked(path)[0].first > 1
    assert broken(path, head=head) == "record_1_before_the_first"


def test_a_file_that_was_taken_away_is_not_begun_anew(path: Path) -> None:
    written(path, 8)
    kept = path.read_bytes()
    path.unlink()
    assert broken(path) == "audit_file_missing"
    with pytest.raises(AuditBroken, match="audit_file_missing"):
        opened(path)
    assert not path.exists()
    path.write_bytes(kept)
    written(path, 1)
    assert checked(path)


def test_many_deletions_at_once_begin_nothing_else(path: Path) -> None:
    written(path, 200)
    assert len(segments(path)) > 40
    written(path, 4, keep=1)
    assert checked(path)[0].first > 1 and len(segments(path)) <= 3


def test_a_line_about_rotation_that_cannot_be_written_refuses_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = opened(path)
    real = os.write

    def fails(fd: int, data: bytes) -> int:
        if b'"audit_rotated"' in data:
            raise OSError(28, "full")
        return real(fd, data)

    monkeypatch.setattr(os, "write", fails)
    for _ in range(8):
        record.append("event")
    assert segments(path) and verify(path, KEY) == record.count == 8


def test_of_a_record_in_memory_the_oldest_fall_out() -> None:
    record = opened(None)
    for _ in range(4):
        record.append("event")
    place = record.reader.check(Place(), limit=2).place
    record._lines.popleft()
    assert record.reader.check(place, limit=9).place.seq == 4
    assert next(whole(lambda p, until: record.reader.check(p, until=until), ring=True)).first == 2
    with pytest.raises(AuditBroken, match="records_before_2_missing"):
        list(whole(lambda p, until: record.reader.check(p, until=until)))
    record._lines.popleft()
    record._lines.popleft()
    with pytest.raises(AuditBroken, match="audit_lines_are_gone"):
        record.reader.check(place)


def test_a_file_that_is_closed_by_half_is_read_once(path: Path) -> None:
    """The moment between the second name and the loss of the first, for who reads the files of a killed authority."""
    last = written(path, 3, segment=1 << 20)
    os.link(path, path.with_name("audit-000000000001.jsonl"))
    assert verify(path, KEY) == last == 3
    assert [row.seq for row in AuditReader(path, KEY).page(0)] == [1, 2, 3]
