"""Credentials that a user stores for other machines: kept with the account, sealed, one for each target and type."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.accounts.conftest import KEY, Make

from secpkg.accounts import AccountStore, SqliteAccountStore, Vault
from secpkg.accounts.credentials import MAX_CREDENTIALS, Credential
from secpkg.accounts.sid import Sid
from secpkg.contract.status import SecurityError, Status


@pytest.fixture
def alice(store: AccountStore) -> Sid:
    return store.create_user("alice", now=5.0).sid


def entry(target: str, kind: int = 1, blob: bytes = b"secret") -> Credential:
    return Credential(target, kind, "alice", blob, "Hello")


def test_an_entry_takes_the_place_of_its_target_and_type(store: AccountStore, alice: Sid) -> None:
    for one in (entry("B"), entry("a", 2), entry("A", 1), entry("b", blob=b"new")):
        store.put_credential(alice, one)
    assert store.credentials(alice) == (entry("A", 1), entry("a", 2), entry("b", blob=b"new"))
    assert "secret" not in repr(store.credentials(alice))


def test_they_end_with_the_account(store: AccountStore, alice: Sid) -> None:
    store.put_credential(alice, entry("x"))
    store.delete_user("alice")
    assert store.credentials(alice) == ()
    for unknown in (alice, Sid("S-1-5-21-9-9-9-1000")):
        with pytest.raises(SecurityError) as caught:
            store.put_credential(unknown, entry("x"))
        assert caught.value.status == Status.STATUS_NO_SUCH_USER
        assert store.credentials(unknown) == ()


def test_an_account_has_only_so_many(store: AccountStore, alice: Sid) -> None:
    for number in range(MAX_CREDENTIALS):
        store.put_credential(alice, entry(f"{number}"))
    with pytest.raises(SecurityError) as caught:
        store.put_credential(alice, entry("one more"))
    assert caught.value.status == Status.STATUS_QUOTA_EXCEEDED
    store.put_credential(alice, entry("7", blob=b"changed"))
    assert len(store.credentials(alice)) == MAX_CREDENTIALS


def test_resealing_covers_them(make: Make) -> None:
    vault = Vault({1: KEY, 2: bytes(32)}, current=1)
    store = make(vault=vault)
    sid = store.create_user("alice", now=5.0).sid
    store.put_credential(sid, entry("x"))
    assert store.reseal() == 0
    vault._current = 2
    assert (store.reseal(), store.reseal()) == (1, 0)
    assert store.credentials(sid) == (entry("x"),)


def test_neither_name_nor_secret_is_in_the_file_and_a_moved_row_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    store = SqliteAccountStore(path, Vault(KEY), domain="EXAMPLE")
    alice, bob = (store.create_user(name, now=5.0).sid for name in ("alice", "bob"))
    store.put_credential(alice, Credential("host", 1, "user-at-host", b"the secret", "Hello"))
    store.close()
    assert b"the secret" not in path.read_bytes() and b"user-at-host" not in path.read_bytes()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE credential SET rid = ?", (bob.rid,))
    db.close()
    store = SqliteAccountStore(path, Vault(KEY))
    assert store.credentials(alice) == ()
    with pytest.raises(SecurityError) as caught:
        store.credentials(bob)
    assert caught.value.reason == "vault_tampered"
    store.close()
