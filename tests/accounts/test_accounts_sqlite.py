"""What is true of the SQLite store alone: its file, its neighbours, its crashes and its age."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from secpkg.accounts import LockoutPolicy, SqliteAccountStore, Vault, schema
from secpkg.accounts.credentials import Credential
from secpkg.contract.status import SecurityError, Status

KEY = bytes(range(32))
NOW = 1_700_000_000.0


def opened(path: Path, **named: object) -> SqliteAccountStore:
    return SqliteAccountStore(path, Vault(KEY), **named)  # type: ignore[arg-type]


def refused(status: Status, reason: str, call: Callable[[], object]) -> None:
    with pytest.raises(SecurityError) as caught:
        call()
    assert (caught.value.status, caught.value.reason) == (status, reason)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.db"


def test_everything_is_there_after_reopening(path: Path) -> None:
    store = opened(path, domain="EXAMPLE", lockout=LockoutPolicy(threshold=1, base_delay=10.0))
    store.create_group("staff")
    store.create_user("alice", full_name="Ä", groups=["staff"], upn="a@b", supplementals={"P": b"v"}, now=NOW)
    alice = store.update("alice", logon_hours=5, workstations=("A", "B"), expires_at=NOW + 0.25, posix_uid=9)
    store.record_failure("alice", "o", NOW)
    domain_sid = store.domain_sid
    store.close()
    for domain in (None, "example"):
        again = opened(path, domain=domain)
        assert (again.domain_name, again.domain_sid) == ("EXAMPLE", domain_sid)
        assert again.auth_record("alice", "P") == (alice, b"v") and again.lockout("alice", "o", NOW) == 10.0
        assert [group.name for group in alice.groups] == ["staff"]
        again.close()


def test_the_file_is_private_and_holds_no_clear_verifier_nor_typed_name(path: Path) -> None:
    """Lock 4. A name that somebody mistyped a password into is not kept either."""
    marker = b"CLEAR-VERIFIER-MARKER"
    old_mask = os.umask(0)
    try:
        store = opened(path, domain="EXAMPLE")
        sid = store.create_user("alice", supplementals={"Package": marker * 20}, now=NOW).sid
        store.set_supplementals(sid, {"Package": marker * 20, "Other": marker}, password_set_at=NOW, must_change=False)
        store.record_failure("hunter2-typed-as-name", "o", NOW)
    finally:
        os.umask(old_mask)
    files = sorted(path.parent.iterdir())
    assert {file.name for file in files} == {"accounts.db", "accounts.db-wal", "accounts.db-shm"}
    for _ in range(2):
        contents = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert b"Package" in contents and b"alice" in contents
        assert marker not in contents and b"hunter2" not in contents
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in path.parent.iterdir())
        store.close()  # the second round sees what the checkpoint left


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("name", ["accounts.db", "accounts.db-wal", "accounts.db-shm"])
def test_a_store_that_others_can_write_is_refused(path: Path, name: str, mode: int) -> None:
    opened(path, domain="EXAMPLE").close()
    (path.parent / name).touch()
    (path.parent / name).chmod(mode)
    refused(Status.STATUS_ACCESS_DENIED, "store_writable_by_others", lambda: opened(path))


def test_what_is_not_a_private_file_in_a_private_place_is_refused(path: Path) -> None:
    opened(path, domain="EXAMPLE").close()
    link = path.parent / "link.db"
    link.symlink_to(path)
    refused(Status.STATUS_ACCESS_DENIED, "store_not_a_file", lambda: opened(link))
    dangling = path.parent / "dangling.db"
    dangling.symlink_to(path.parent / "nowhere.db")
    refused(Status.STATUS_ACCESS_DENIED, "store_not_a_file", lambda: opened(dangling, domain="EXAMPLE"))
    refused(Status.STATUS_ACCESS_DENIED, "store_not_a_file", lambda: opened(path.parent))
    refused(Status.STATUS_ACCESS_DENIED, "store_unreachable", lambda: opened(path.parent / "none" / "a.db"))
    path.parent.chmod(0o777)
    refused(Status.STATUS_ACCESS_DENIED, "store_directory_writable_by_others", lambda: opened(path))
    path.parent.chmod(0o1777)
    opened(path).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_store_of_another_user_is_refused(path: Path) -> None:
    opened(path, domain="EXAMPLE").close()
    os.chown(path, 12345, 12345)
    refused(Status.STATUS_ACCESS_DENIED, "store_foreign_owner", lambda: opened(path))


def test_a_store_asks_for_its_domain_and_its_master_key(path: Path) -> None:
    refused(Status.STATUS_INVALID_PARAMETER, "domain_required", lambda: opened(path))
    refused(Status.STATUS_INVALID_PARAMETER, "domain_name_invalid", lambda: opened(path, domain="A/B"))
    opened(path, domain="EXAMPLE").close()
    refused(Status.STATUS_INVALID_PARAMETER, "domain_mismatch", lambda: opened(path, domain="OTHER"))
    refused(Status.STATUS_INTERNAL_ERROR, "vault_tampered", lambda: SqliteAccountStore(path, Vault(bytes(32))))
    wrong_id = Vault({9: KEY}, current=9)
    refused(Status.STATUS_INTERNAL_ERROR, "vault_key_unknown", lambda: SqliteAccountStore(path, wrong_id))


def test_a_verifier_moved_to_another_account_does_not_open(path: Path) -> None:
    """Lock 4: bound to SID, package and key id."""
    store = opened(path, domain="EXAMPLE")
    mallory = store.create_user("mallory", supplementals={"P": b"m", "Q": b"q"}, now=NOW)
    store.create_user("admin", supplementals={"P": b"a"}, now=NOW)
    with sqlite3.connect(path) as db:
        db.execute(
            "UPDATE supplemental SET sealed = (SELECT sealed FROM supplemental WHERE rid = ? AND package = 'P')",
            (mallory.rid,),
        )
    db.close()
    assert store.auth_record("mallory", "P") == (mallory, b"m")
    refused(Status.STATUS_INTERNAL_ERROR, "vault_tampered", lambda: store.auth_record("admin", "P"))
    refused(Status.STATUS_INTERNAL_ERROR, "vault_tampered", lambda: store.supplemental(mallory.sid, "Q"))
    store.close()


def test_a_rotated_master_key_can_be_retired_after_resealing(path: Path) -> None:
    store = opened(path, domain="EXAMPLE")
    sid = store.create_user("alice", supplementals={"P": b"p", "Q": b"q"}, now=NOW).sid
    kept = Credential("host", 1, "alice", b"secret", "P")
    store.put_credential(sid, kept)
    store.close()
    rotating = SqliteAccountStore(path, Vault({1: KEY, 2: bytes(32)}, current=2))
    assert rotating.supplemental(sid, "P") == b"p"
    assert (rotating.reseal(), rotating.reseal()) == (3, 0)
    rotating.close()
    new = SqliteAccountStore(path, Vault({2: bytes(32)}, current=2))
    assert (new.supplemental(sid, "P"), new.supplemental(sid, "Q")) == (b"p", b"q")
    assert new.credentials(sid) == (kept,)
    new.close()


def at_version_1(path: Path) -> None:
    """A store as its first version left it, with one account in it."""
    path.touch(0o600)
    db = sqlite3.connect(path, isolation_level=None)
    schema.migrate(db, schema.MIGRATIONS[:1])
    sid = "S-1-5-21-1-2-3"
    check = Vault(KEY).seal(b"", sid=sid, package="OLD", purpose="store check")
    db.execute("INSERT INTO domain VALUES (1, 'OLD', ?, 1001, ?)", (sid, check))
    db.execute(
        "INSERT INTO account VALUES (1000, 'alice', 'Alice', '', 1, 0, NULL, 0, NULL, NULL, '', NULL, NULL, NULL, 5.0)"
    )
    sealed = Vault(KEY).seal(b"v", sid=f"{sid}-1000", package="P")
    db.execute("INSERT INTO supplemental VALUES (1000, 'P', ?)", (sealed,))
    assert schema.version(db) == 1
    db.close()


def test_a_store_of_version_1_is_brought_to_today(path: Path) -> None:
    at_version_1(path)
    store = opened(path)
    alice, verifier = store.auth_record("ALICE", "P")
    assert alice is not None and (alice.name, alice.sid, alice.created_at) == ("Alice", "S-1-5-21-1-2-3-1000", 5.0)
    assert verifier == b"v" and store.create_user("bob", now=NOW).rid == 1001
    for _ in range(5):
        store.record_failure("bob", "o", NOW)
    assert store.lockout("bob", "o", NOW) == 1.0
    store.close()
    db = sqlite3.connect(path)
    assert schema.version(db) == len(schema.MIGRATIONS)
    db.close()


def test_a_failed_step_leaves_the_version_before(path: Path) -> None:
    at_version_1(path)
    db = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(db, (schema.MIGRATIONS[0], ("CREATE TABLE half (x INTEGER) STRICT", "NO SUCH STATEMENT")))
    assert schema.version(db) == 1
    assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
    db.close()


def test_a_newer_store_and_a_foreign_database_are_refused(path: Path) -> None:
    opened(path, domain="EXAMPLE").close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    db.close()
    refused(Status.STATUS_REVISION_MISMATCH, "schema_newer", lambda: opened(path))
    foreign = path.parent / "foreign.db"
    foreign.touch(0o600)
    db = sqlite3.connect(foreign, isolation_level=None)
    db.execute("CREATE TABLE account (x)")
    db.close()
    refused(Status.STATUS_INVALID_PARAMETER, "not_an_account_store", lambda: opened(foreign, domain="EXAMPLE"))
    foreign.write_bytes(b"no database at all" * 100)
    refused(Status.STATUS_INTERNAL_ERROR, "store_failed", lambda: opened(foreign, domain="EXAMPLE"))


def test_a_corrupt_row_is_an_error_and_not_an_account(path: Path) -> None:
    store = opened(path, domain="EXAMPLE")
    store.create_user("alice", now=NOW)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE account SET name = 'al/ice'")
    db.close()
    refused(Status.STATUS_INTERNAL_ERROR, "store_corrupt", lambda: store.find("alice"))
    store.close()


def test_a_store_does_not_cross_a_fork_and_says_when_it_is_closed(path: Path) -> None:
    """Lock 6, for the store's connections."""
    store = opened(path, domain="EXAMPLE")
    store.create_user("alice", now=NOW)
    child = os.fork()
    if child == 0:
        reason = ""
        try:
            store.find("alice")
        except SecurityError as error:
            reason = error.reason
        store.close()
        os._exit(0 if reason == "store_forked" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.find("alice") is not None
    store.close()
    store.close()
    refused(Status.STATUS_INVALID_HANDLE, "store_closed", lambda: store.find("alice"))
    refused(Status.STATUS_INVALID_HANDLE, "store_closed", lambda: store.create_group("g"))


WRITER = """
import sys
from secpkg.accounts import SqliteAccountStore, Vault
path, worker, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SqliteAccountStore(path, Vault(bytes(range(32))), domain="EXAMPLE", busy_timeout=60.0)
print("ready", flush=True)
sys.stdin.readline()
for n in range(count):
    name = f"{worker}-{n}"
    sid = store.create_user(name, groups=["Users", "Guests"], supplementals={p: b"0" for p in "PQR"}, now=1.0).sid
    print(name, flush=True)
    store.set_supplementals(sid, {p: b"1" for p in "PQR"}, password_set_at=2.0, must_change=False)
    store.record_failure("shared", "o", 1.0)
store.close()
"""


def writer(path: Path, worker: str, count: int) -> subprocess.Popen[str]:
    source = str(Path(__file__).resolve().parents[2] / "src")
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), worker, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )


def require_whole(store: SqliteAccountStore) -> set[str]:
    """Every account has both memberships and three verifiers of one password."""
    for account in store.accounts():
        assert [group.name for group in account.groups] == ["Users", "Guests"]
        verifiers = {store.supplemental(account.sid, package) for package in "PQR"}
        assert verifiers == ({b"0"} if account.password_set_at == 1.0 else {b"1"})
    return {account.name for account in store.accounts()}


def test_a_writer_killed_in_the_middle_leaves_whole_accounts(path: Path) -> None:
    acknowledged: set[str] = set()
    for round_, after in enumerate((3, 8, 21)):
        with writer(path, f"w{round_}", 100_000) as child:
            assert child.stdin is not None and child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            child.stdin.write("go\n")
            child.stdin.flush()
            acknowledged |= {child.stdout.readline().strip() for _ in range(after)}
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        store = opened(path)
        assert acknowledged <= require_whole(store)
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        db.close()
        store.close()


def test_processes_make_one_store_and_write_it_at_once(path: Path) -> None:
    children = [writer(path, f"w{n}", 25) for n in range(3)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        child.communicate("go\n")
    assert [child.returncode for child in children] == [0, 0, 0]
    store = opened(path)
    assert require_whole(store) == {f"w{worker}-{n}" for worker in range(3) for n in range(25)}
    assert len({account.rid for account in store.accounts()}) == 75
    store.record_failure("shared", "o", 2.5)
    assert store.lockout("shared", "o", 2.5) == 300.0  # all 75 failures were counted
    store.close()


def test_what_one_process_writes_the_other_reads_at_once(path: Path) -> None:
    one, two = opened(path, domain="EXAMPLE"), opened(path)
    one.create_user("alice", groups=["Users"], now=NOW)
    for enabled in (False, True, False):
        one.update("alice", enabled=enabled)
        assert two.find("alice") == one.find("alice") and two.find("alice").enabled is enabled  # type: ignore[union-attr]
    two.delete_user("alice")
    assert one.find("alice") is None
    one.close()
    two.close()


def test_a_writer_that_never_gets_its_turn_is_told(path: Path) -> None:
    store = opened(path, domain="EXAMPLE", busy_timeout=0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused(Status.STATUS_INTERNAL_ERROR, "store_failed", lambda: store.create_group("g"))
    assert store.find("alice") is None  # readers do not wait for writers
    other.execute("ROLLBACK")
    other.close()
    assert store.create_group("g").name == "g"
    store.close()


def test_a_logon_reads_the_store_in_one_query(path: Path) -> None:
    store = opened(path, domain="EXAMPLE")
    store.create_user("alice", groups=["Users"], supplementals={"P": b"v"}, now=NOW)
    for name, verifier in (("alice", b"v"), ("nobody", None)):
        seen: list[str] = []
        store._reader.set_trace_callback(seen.append)
        assert store.auth_record(name, "P")[1] == verifier
        store._reader.set_trace_callback(None)
        assert len([query for query in seen if not query.startswith("--")]) == 1
    store.close()


def test_the_package_loads_neither_sqlite_nor_ciphers_before_they_are_needed() -> None:
    source = str(Path(__file__).resolve().parents[2] / "src")
    code = (
        "import sys, secpkg.accounts as a; a.Account, a.AccountStore, a.restriction, a.Sid; "
        "assert not {'sqlite3', 'cryptography'} & set(sys.modules); "
        "a.MemoryAccountStore; assert 'sqlite3' not in sys.modules; "
        "a.SqliteAccountStore; assert 'sqlite3' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": source})
