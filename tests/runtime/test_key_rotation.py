"""A new master key: whoever opens the directory after a crash, at any moment, opens all of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import click.testing
import msgspec
import pytest

from secpkg.accounts.sqlite import SqliteAccountStore
from secpkg.authority.audit import AuditRecord, derive_key, read, verify
from secpkg.authority.domain_policy import DomainPolicy
from secpkg.cli.__main__ import cli
from secpkg.contract.status import SecurityError, Status
from secpkg.runtime import state
from secpkg.runtime.key_rotation import Rotated, rotate
from secpkg.runtime.master_keys import MAX_KEYS, MasterKeys
from secpkg.runtime.state import StateFault

SKEW = 77.0


def silent(_said: str) -> None:
    """Nobody listens."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The state of an authority that was stopped: three accounts, a policy, a record."""
    made = tmp_path / "authority"
    state.prepare(made)
    vault = state.master_key(made / "master.key").vault()
    store = SqliteAccountStore(made / "accounts.db", vault, domain="EXAMPLE")
    for name in ("alice", "bob", "carol"):
        store.create_user(name, supplementals={"Hello": name.encode()}, now=0.0)
    store.close()
    policy = DomainPolicy(vault, 300.0)
    policy.keep_in(made / "domain-policy")
    kerberos = msgspec.structs.replace(policy.state.kerberos, max_clock_skew=SKEW)
    policy.write(msgspec.structs.replace(policy.state, kerberos=kerberos))
    record = AuditRecord(made / "audit.jsonl", derive_key(vault), clock=lambda: 0.0)
    record.append("event")
    record.close()
    return made


def keys_of(directory: Path) -> MasterKeys:
    return state.master_key(directory / "master.key")


def opens(directory: Path) -> bool:
    """Everything at rest, with what is in the key file; looked at in a copy."""
    copy = directory.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy)
    vault = keys_of(copy).vault()
    store = SqliteAccountStore(copy / "accounts.db", vault)
    try:
        for name in ("alice", "bob", "carol"):
            account = store.find(name)
            assert account is not None and store.supplemental(account.sid, "Hello") == name.encode()
    finally:
        store.close()
    policy = DomainPolicy(vault, 300.0)
    policy.keep_in(copy / "domain-policy")
    assert policy.clock_skew == SKEW
    return verify(copy / "audit.jsonl", derive_key(vault)) >= 1


def test_everything_is_sealed_anew_and_the_old_keys_go_but_for_the_first(directory: Path) -> None:
    before = keys_of(directory)
    assert rotate(directory, told=silent) == Rotated(2, 4, ())
    assert opens(directory)
    assert rotate(directory, told=silent) == Rotated(3, 4, (2,))
    after = keys_of(directory)
    assert [key_id for key_id, _ in after.keys] == [1, 3] and after.keys[0] == before.keys[0]
    assert opens(directory)
    assert rotate(directory, new=False, told=silent) == Rotated(3, 0, ())
    lines = (directory / "audit.jsonl").read_bytes().splitlines(keepends=True)
    told = [r.facts for r in read(lines, derive_key(after.vault())) if r.event == "master_key_rotated"]
    assert told[1] == {"key": 3, "resealed": 4, "retired": "2"}
    assert not any(key.hex().encode() in line or key in line for _, key in after.keys for line in lines)


class Killed(BaseException):
    """Where the process ends."""


def killed_after(function: Callable[..., object], times: int) -> Callable[..., object]:
    """The function, and the end of the process after so many calls of it."""
    calls = [times]

    def last(*arguments: object, **named: object) -> object:
        result = function(*arguments, **named)
        calls[0] -= 1
        if not calls[0]:
            raise Killed
        return result

    return last


@pytest.mark.parametrize(
    ("owner", "name", "times"),
    [
        (state, "replace_master_keys", 1),
        (SqliteAccountStore, "reseal", 1),
        (DomainPolicy, "reseal", 1),
        (AuditRecord, "append", 1),
        (state, "replace_master_keys", 2),
    ],
)
def test_a_rotation_that_is_killed_loses_nothing_and_can_be_finished(
    directory: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, times: int
) -> None:
    rotate(directory, told=silent)  # so that there is a key to retire
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killed_after(getattr(owner, name), times))
        with pytest.raises(Killed):
            rotate(directory, told=silent)
    assert opens(directory)
    rotate(directory, new=False, told=silent)
    assert [key_id for key_id, _ in keys_of(directory).keys] == [1, 3] and opens(directory)


def test_the_other_order_would_lose_everything(directory: Path) -> None:
    """What the tests above would see: the key is taken out before all is sealed anew."""
    rotate(directory, told=silent)
    keys = keys_of(directory).with_new(bytes(32))
    state.replace_master_keys(directory / "master.key", keys.needed())
    with pytest.raises(SecurityError, match="vault_key_unknown"):
        opens(directory)


def test_what_does_not_open_keeps_every_key(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rotate(directory, told=silent)

    def tampered(_store: SqliteAccountStore) -> int:
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="vault_tampered")

    monkeypatch.setattr(SqliteAccountStore, "reseal", tampered)
    with pytest.raises(StateFault, match=r"vault_tampered.*every key is still there"):
        rotate(directory, told=silent)
    assert [key_id for key_id, _ in keys_of(directory).keys] == [1, 2, 3]
    monkeypatch.undo()
    assert opens(directory)


def test_it_is_refused_where_an_authority_runs_or_no_key_is_kept(directory: Path, tmp_path: Path) -> None:
    lock = state.exclusive(directory)
    with pytest.raises(StateFault, match="another authority uses"):
        rotate(directory, told=silent)
    with open(lock, "rb"):
        pass
    (tmp_path / "empty").mkdir(mode=0o700)
    with pytest.raises(StateFault, match="is not there"):
        rotate(tmp_path / "empty", told=silent)
    assert not (tmp_path / "empty" / "master.key").exists()
    many = MasterKeys(tuple((n, bytes([n]) * 32) for n in range(1, MAX_KEYS + 1)), MAX_KEYS)
    state.replace_master_keys(directory / "master.key", many)
    with pytest.raises(StateFault, match="finish the last rotation first"):
        rotate(directory, told=silent)


def test_the_command(directory: Path) -> None:
    runner = click.testing.CliRunner()
    done = runner.invoke(cli, ["authority", "rotate-key", "--dir", str(directory)])
    assert done.exit_code == 0 and "key 2 seals; 4 secrets sealed anew; retired: none" in done.stdout
    done = runner.invoke(cli, ["authority", "rotate-key", "--dir", str(directory), "--json"])
    assert msgspec.json.decode(done.stdout, type=Rotated) == Rotated(3, 4, (2,))
    (directory / "master.key").unlink()
    done = runner.invoke(cli, ["authority", "rotate-key", "--dir", str(directory)])
    assert done.exit_code == 1 and "is not there" in done.stderr and "--finish" in done.stderr
