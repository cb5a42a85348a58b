"""`secpkg audit` at a daemon: show, verify and its heads, rotate; and the files of one that was stopped."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import msgspec
import pytest
from tests.daemon.harness import PASSWORD, Daemon, refused, running

import secpkg
from secpkg.cli.__main__ import cli
from secpkg.contract import SecurityError, Status
from secpkg.ipc import schema
from secpkg.ipc.link import next_id
from secpkg.runtime.audit_reading import MAX_WAITING


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


def run(daemon: Daemon, *arguments: str, code: int = 0) -> str:
    result = click.testing.CliRunner().invoke(cli, ["--authority", daemon.address, "audit", *arguments])
    assert result.exit_code == code, (result.stdout, result.stderr)
    return result.stderr if code else result.stdout


def shown(daemon: Daemon, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(daemon, "show", "--json", *arguments).splitlines()]


def fail_to_log_on(daemon: Daemon) -> None:
    with (
        secpkg.Client("Hello", username="alice", password="wrong", target="x", authority=daemon.address) as client,
        secpkg.Server("Hello", authority=daemon.address) as server,
        pytest.raises(SecurityError),
    ):
        token = client.step()
        while token is not None:
            reply = server.step(token)
            token = client.step(reply) if reply is not None else None


def test_the_reason_of_a_refusal_is_shown_and_the_chain_holds_over_files(daemon: Daemon) -> None:
    fail_to_log_on(daemon)
    (failure,) = shown(daemon, "--failures", "--event", "audit_*", "--event", "logon")[-1:]
    assert failure["intact"] and failure["claimed"]["reason"] == "wrong_password"
    line = run(daemon, "show", "--failures", "--limit", "1")
    assert "claims status=STATUS_LOGON_FAILURE" in line and "reason=wrong_password" in line
    assert shown(daemon, "--user", "ALICE", "--since", "2001-01-01") and not shown(daemon, "--since", "2999-01-01")

    first = json.loads(run(daemon, "verify", "--json"))
    assert first["first"] == 1 and first["last"] == first["records"]
    head = f"{first['last']}:{first['mac']}"
    assert "closed: audit-000000000001.jsonl" in run(daemon, "rotate")
    assert "is the one that was noted" in run(daemon, "verify", "--head", head)
    assert [row["event"] for row in shown(daemon, "--event", "audit_rotated")] == ["audit_rotated"]
    rows = shown(daemon, "--limit", "1000")
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), "over both files"

    directory = Path(daemon.directory)
    segment = directory / "audit-000000000001.jsonl"
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b'"event":"create_user"', b'"event":"delete_user"'))
    told = click.testing.CliRunner().invoke(cli, ["--authority", daemon.address, "audit", "verify", "--json"])
    assert told.exit_code == 1 and json.loads(told.stdout)["broken"].startswith("record_")
    bad = run(daemon, "verify", code=1)
    assert "the audit record is not whole: record_" in bad and "keep a copy of the files" in bad
    assert [row["intact"] for row in shown(daemon, "--limit", "1000")].count(False) == 1
    assert "not as it was written" in run(daemon, "show", "--limit", "1000")
    segment.unlink()
    assert "is missing: the authority did not delete it" in run(daemon, "verify", code=1)
    segment.write_bytes(whole)
    segment.chmod(0o600)

    daemon.stop()
    offline = ("verify", "--directory", str(directory))
    assert "is the one that was noted" in run(daemon, *offline, "--head", head)
    lines = (directory / "audit.jsonl").read_bytes().splitlines(keepends=True)
    after = json.loads(run(daemon, *offline, "--json"))
    (directory / "audit.jsonl").write_bytes(b"".join(lines[:-1]))
    assert "was taken off" in run(daemon, *offline, "--head", f"{after['last']}:{after['mac']}", code=1)
    (directory / "master.key").unlink()
    assert "master.key" in run(daemon, *offline, code=1)
    assert not (directory / "master.key").exists()


def test_who_follows_is_told_when_something_happens(daemon: Daemon) -> None:
    newest: Any = daemon.manage("audit.read", limit=1)
    assert newest["waits"] and not newest["ring"]
    told: list[Any] = []

    def follow() -> None:
        with secpkg.lsa.register_logon_process("follower", daemon.address) as lsa:
            after = lsa.manage("audit.read", limit=1)["newest"]  # type: ignore[index]
            told.append(None)
            told.append(lsa.manage("audit.read", after=after, wait=10.0))

    thread = threading.Thread(target=follow)
    thread.start()
    daemon.until(lambda: told)
    daemon.manage("groups.add", name="keepers")
    thread.join(30)
    assert any(row["record"]["event"] == "create_group" for row in told[1]["rows"])


def test_waiting_is_bounded_and_for_trusted_callers(daemon: Daemon) -> None:
    assert refused(daemon.link().call(schema.Manage(next_id(), "audit.read", msgspec.Raw(msgspec.msgpack.encode({})))))[
        0
    ] in (
        Status.STATUS_PRIVILEGE_NOT_HELD,
        Status.STATUS_ACCESS_DENIED,
    )
    for arguments in ({"after": "1"}, {"wait": "x"}, {"more": 1}):
        with pytest.raises(SecurityError) as caught:
            daemon.manage("audit.read", **arguments)
        assert caught.value.status is Status.STATUS_INVALID_PARAMETER
    negative: Any = daemon.manage("audit.read", after=-5, limit=-5)
    assert [row["seq"] for row in negative["rows"]] == [1]
    assert MAX_WAITING == 64
    wrong: Any = daemon.manage("audit.check", seq=1, mac="0" * 64, file=2, offset=2**40)
    assert wrong["broken"] == "audit_file_is_gone"


def test_an_embedded_authority_has_nothing_to_follow() -> None:
    result = click.testing.CliRunner().invoke(cli, ["--authority", "embedded:", "audit", "show", "--follow"])
    assert result.exit_code == 1 and "follow that of a daemon" in result.stderr
    result = click.testing.CliRunner().invoke(cli, ["--authority", "embedded:", "audit", "verify"])
    assert result.exit_code == 0 and "head" in result.stdout
    assert PASSWORD not in result.stdout


@pytest.mark.parametrize(
    "arguments", [("verify", "--head", "7"), ("verify", "--head", "0:" + "0" * 64), ("show", "--since", "yesterday")]
)
def test_what_is_no_head_and_no_time_is_said_before_anything_is_asked(arguments: tuple[str, ...]) -> None:
    result = click.testing.CliRunner().invoke(cli, ["--authority", "unix:/nowhere", "audit", *arguments])
    assert result.exit_code == 2 and ("write it as" in result.stderr or "NUMBER:64" in result.stderr)
