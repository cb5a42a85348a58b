"""The audit record (lock 10): in sequence, chained, continued after a restart, and never written in part."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.authority.world import NOW, USER

from secpkg.accounts import Vault
from secpkg.authority.audit import AuditBroken, AuditRecord, derive_key, read, verify, verify_lines
from secpkg.contract.status import Status

KEY = derive_key(Vault(bytes(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def opened(path: Path | None, *, durable: bool = False) -> AuditRecord:
    return AuditRecord(path, KEY, clock=lambda: NOW, durable=durable)


def written(path: Path, count: int = 3) -> list[bytes]:
    record = opened(path)
    for number in range(count):
        record.append("event", facts={"n": number})
    record.close()
    return path.read_bytes().splitlines(keepends=True)


def test_a_record_says_who_by_channel_and_what_is_claimed(path: Path) -> None:
    record = opened(path, durable=True)
    number = record.append(
        "logon", status=Status.STATUS_LOGON_FAILURE, caller=USER, package="Hello", facts={"a": 1}, claimed={"b": "x\n"}
    )
    record.close()
    line = json.loads(path.read_text())
    assert number == line["seq"] == 1 and line["time"] == "2023-11-14T22:13:20.000000+00:00"
    assert (line["event"], line["status"], line["uid"], line["pid"]) == ("logon", "STATUS_LOGON_FAILURE", 1000, 4242)
    assert (line["package"], line["facts"], line["claimed"]) == ("Hello", {"a": 1}, {"b": "x\n"})
    assert line["previous"] == "0" * 64 and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify(path, KEY) == 1


def test_hostile_text_stays_one_short_line(path: Path) -> None:
    record = opened(path)
    record.append("event", claimed={"name": '"}\n\ud800\u2028' + "a" * 9999})
    record.close()
    (line,) = path.read_bytes().splitlines(keepends=True)
    assert len(line) < 2000 and verify(path, KEY) == 1


def test_the_chain_goes_on_after_a_restart(path: Path) -> None:
    written(path)
    lines = written(path)
    assert opened(path).count == 6
    assert verify(path, KEY) == 6 and [r.seq for r in read(lines, KEY)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        (lambda lines: [lines[0], lines[1].replace(b'"n":1', b'"n":7'), lines[2]], 2),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[0], lines[2], lines[1]], 2),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [*lines, b"{}\n"], 4),
        (lambda lines: [*lines[:2], lines[2].replace(b"\n", b"")], 3),
        (lambda lines: [lines[0], lines[1][:-4] + b'0"}\n' if lines[1][-4:-3] != b"0" else lines[0], lines[2]], 2),
    ],
)
def test_what_was_changed_removed_or_moved_is_named(
    path: Path, change: Callable[[list[bytes]], list[bytes]], bad: int
) -> None:
    lines = change(written(path))
    with pytest.raises(AuditBroken) as caught:
        verify_lines(lines, KEY)
    assert caught.value.reason == f"record_{bad}_bad"


def test_a_beginning_that_is_missing_is_named(path: Path) -> None:
    with pytest.raises(AuditBroken, match="records_before_2_missing"):
        verify_lines(written(path)[1:], KEY)


def test_a_record_of_another_chain_under_the_same_key_does_not_fit(path: Path) -> None:
    lines = written(path)
    path.unlink()
    record = opened(path)
    record.append("another beginning")
    record.append("event", facts={"n": 1})
    record.close()
    with pytest.raises(AuditBroken, match="record_2_bad"):
        verify_lines([lines[0], path.read_bytes().splitlines(keepends=True)[1]], KEY)


def test_another_key_verifies_nothing(path: Path) -> None:
    written(path)
    with pytest.raises(AuditBroken, match="record_1_bad"):
        verify(path, derive_key(Vault(bytes(31) + b"1")))


def test_a_line_that_a_crash_left_unfinished_is_cut_off_and_recorded(path: Path) -> None:
    lines = written(path)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    opened(path).close()
    assert verify(path, KEY) == 3
    last = read(path.read_bytes().splitlines(keepends=True), KEY)[-1]
    assert (last.event, last.facts) == ("audit_repaired", {"bytes_cut": 40})


def test_a_broken_end_is_not_continued(path: Path) -> None:
    written(path)
    with path.open("ab") as file:
        file.write(b'{"seq":4}\n')
    with pytest.raises(AuditBroken, match="audit_chain_broken"):
        opened(path)


def test_a_record_of_a_later_version_is_not_continued(path: Path) -> None:
    body = b'{"seq":1,"colour":"red"}'
    mac = hmac.new(KEY, body, hashlib.sha256).hexdigest().encode()
    path.write_bytes(body[:-1] + b',"mac":"' + mac + b'"}\n')
    with pytest.raises(AuditBroken, match="audit_chain_broken"):
        opened(path)


def test_one_writer_at_a_time(path: Path) -> None:
    first = opened(path)
    with pytest.raises(AuditBroken, match="audit_in_use"):
        opened(path)
    first.close()
    opened(path).close()


def test_a_link_or_a_missing_folder_is_no_record(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    for bad in (path, tmp_path / "no" / "audit"):
        with pytest.raises(AuditBroken, match="audit_unwritable"):
            opened(bad)
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_raises_and_leaves_no_half_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written(path)
    record = opened(path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:10]))
    with pytest.raises(AuditBroken, match="audit_unwritable"):
        record.append("lost")
    assert path.read_bytes() == b"".join(lines)
    monkeypatch.undo()
    assert record.append("after") == 4, "room again: the chain goes on as if nothing had been"
    record.close()
    assert verify(path, KEY) == 4


def test_a_record_that_cannot_be_synced_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError

    record = opened(path, durable=True)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AuditBroken):
        record.append("lost")
    record.close()
    assert path.read_bytes() == b""


def test_a_record_that_cannot_be_taken_back_stops_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: None)  # the device is one for the whole machine
    record = opened(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(AuditBroken, match="audit_unwritable"):
            record.append("lost")
    record.close()


def test_nothing_is_written_after_the_end(path: Path) -> None:
    record = opened(path)
    record.close()
    record.close()
    with pytest.raises(AuditBroken):
        record.append("late")


def test_a_record_in_memory_is_chained_too() -> None:
    record = opened(None)
    for _ in range(3):
        record.append("event")
    assert verify_lines(record.lines(), KEY) == 3
    record.close()
    with pytest.raises(AuditBroken):
        record.append("late")
