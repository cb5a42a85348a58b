"""The file of master keys: both forms are read, and nothing that is nearly one of them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from secpkg.runtime import state
from secpkg.runtime.master_keys import MAX_KEYS, MasterKeys

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
TWO = MasterKeys(((1, OLD), (2, NEW)), 2)


def test_32_bytes_are_the_key_with_the_id_1() -> None:
    assert MasterKeys.decode(OLD) == MasterKeys(((1, OLD),), 1)


def test_several_keys_come_back_with_the_one_that_seals() -> None:
    most = MasterKeys(tuple((0xFFFF_FFFF - MAX_KEYS + n, bytes([n]) * 32) for n in range(MAX_KEYS)), 0xFFFF_FFFF - 16)
    for keys in (TWO, most, MasterKeys(((7, NEW),), 7)):
        assert MasterKeys.decode(keys.encode()) == keys


def test_every_cut_and_every_other_spelling_is_refused() -> None:
    data = TWO.encode()
    one, two = data.split(b"\n")[2:4]
    bad = [data[:size] for size in range(len(data)) if size != 32]
    bad += [data + b"\n", data + b" ", data.replace(b"\n", b"\r\n"), data.replace(b"1f", b"1F"), data * 20]
    bad += [data.replace(b"keys 1", b"keys 2"), data.replace(b"current 2", b"current 3")]
    bad += [data.replace(b"\n2 ", b"\n02 "), data.replace(b"\n2 ", b"\n1 "), data.replace(b"\n1 ", b"\n0 ")]
    bad += [data.replace(one + b"\n" + two, two + b"\n" + one), data.replace(b"\n2 ", b"\n4294967296 ")]
    for text in bad:
        with pytest.raises(ValueError, match="key"):
            MasterKeys.decode(text)


def test_too_many_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        MasterKeys(tuple((n + 1, OLD) for n in range(MAX_KEYS + 1)), 1)


def test_no_key_is_shown() -> None:
    assert repr(TWO) == "MasterKeys(current=2)"


def test_the_file_and_the_descriptor_take_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    for data, keys in ((OLD, MasterKeys(((1, OLD),), 1)), (TWO.encode(), TWO)):
        path.write_bytes(data)
        path.chmod(0o600)
        assert state.master_key(path) == keys
        assert state.master_key_of(os.open(path, os.O_RDONLY)) == keys
    path.write_bytes(TWO.encode()[:-1])
    with pytest.raises(state.StateFault, match="32 bytes or a list"):
        state.master_key(path)


def test_the_vault_opens_what_the_old_key_sealed_and_seals_with_the_new() -> None:
    blob = MasterKeys(((1, OLD),), 1).vault().seal(b"verifier", sid="S", package="P")
    vault = TWO.vault()
    assert vault.open(blob, sid="S", package="P") == b"verifier" and vault.current == 2


def test_a_file_is_replaced_whole_and_is_on_disk_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(OLD)
    synced: list[tuple[bool, bytes]] = []

    def fsync(fd: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(fd).st_mode), path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    state.replace_master_keys(path, TWO)
    assert synced == [(False, OLD), (True, TWO.encode())]
    assert state.master_key(path) == TWO and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["master.key"]


def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(OLD)
    path.chmod(0o600)

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(state.StateFault, match="cannot be replaced: No space"):
        state.replace_master_keys(path, TWO)
    assert path.read_bytes() == OLD and os.listdir(tmp_path) == ["master.key"]
