"""What each operator's command asks of the authority, and what it shows of the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from secpkg.contract.flags import Capability
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from tests.cli.conftest import FakeLsa, Run

HELLO: dict[str, Any] = {
    "name": "Hello",
    "package_id": 3,
    "module": "hello",
    "distribution": "secpkg-hello",
    "version": "1.0",
    "list": "security_packages",
    "state": "loaded",
    "reason": "",
    "inbox": False,
    "capabilities": int(Capability.INTEGRITY | Capability.PRIVACY),
    "max_token": 512,
    "comment": "greets\x1b[31m",
    "primary_credentials": True,
    "functions": ["logon_user_ex2", "accept_lsa_mode_context"],
    "worker": {"pid": 4711, "restarts": 1, "channels": 2},
}
BROKEN = {**HELLO, "name": "Slip", "state": "broken", "reason": "misspelt field", "worker": None, "inbox": True}
ALICE = {
    "name": "alice",
    "sid": "S-1-5-21-1-2-3-1001",
    "full_name": "Alice A.",
    "enabled": True,
    "locked": False,
    "expires_at": 86400.0,
    "must_change": True,
    "password_set_at": 3600.0,
    "groups": ["staff", "Users"],
    "posix_uid": 1000,
    "created_at": 0.0,
}
SESSION = {
    "logon_id": 0x3E9,
    "user": "alice",
    "domain": "EXAMPLE",
    "package": "Hello",
    "logon_type": 2,
    "created": 0.0,
    "tokens": 1,
    "sid": "S-1-5-21-1-2-3-1001",
}
STATUS = {
    "pid": 12,
    "uptime": 3723.0,
    "domain": "EXAMPLE",
    "domain_sid": "S-1-5-21-1-2-3",
    "socket": "/run/secpkg/lsa.sock",
    "packages": 2,
    "sessions": 1,
    "connections": 3,
    "audit_records": 99,
}
ADDED = {"module": "hello", "packages": ["Hello"], "state": "loaded", "reason": ""}
REMOVED = {"module": "hello", "packages": ["Hello"], "draining": 2}
PASSWORD = "correct horse"

# Command, standard input, operation and arguments, answer, what is shown of it.
Case = tuple[list[str], str | None, str, dict[str, object], object, list[str]]
SIMPLE: list[Case] = [
    (["accounts", verb, "alice"], None, f"accounts.{verb}", {"name": "alice"}, None, [f"alice: {done}"])
    for verb, done in (
        ("enable", "enabled"),
        ("disable", "disabled"),
        ("lock", "locked"),
        ("unlock", "unlocked"),
        ("remove", "removed"),
    )
]
COMMANDS: list[Case] = [
    (["authority", "status"], None, "authority.status", {}, STATUS, ["1 h 02 min", "-21-1-2-3", "lsa.sock", "99"]),
    (["authority", "stop"], None, "authority.stop", {}, None, ["stops"]),
    (
        ["packages", "list"],
        None,
        "packages.list",
        {},
        [HELLO, BROKEN],
        ["NAME", "Hello  loaded", "security_packages", "4711", "Slip", "broken", "inbox", "misspelt field"],
    ),
    (
        ["packages", "show", "Hello"],
        None,
        "packages.show",
        {"name": "Hello"},
        HELLO,
        [
            "greets\\u001b[31m",
            "hello (secpkg-hello 1.0)",
            "accept_lsa_mode_context",
            "4711, 1 restart, 2 channels",
            "0x00000003 SECPKG_FLAG_INTEGRITY SECPKG_FLAG_PRIVACY",
            "granted",
        ],
    ),
    (
        ["packages", "show", "Slip"],
        None,
        "packages.show",
        {"name": "Slip"},
        BROKEN,
        ["broken: misspelt field", "inbox", "none"],
    ),
    (
        ["packages", "add", "hello"],
        None,
        "packages.add",
        {
            "module": "hello",
            "list": "security_packages",
            "path": "",
            "primary_credentials": False,
            "blocking": False,
            "permanent": True,
        },
        ADDED,
        ["hello: loaded Hello"],
    ),
    (
        [
            "packages",
            "add",
            "pure",
            "--list",
            "authentication_packages",
            "--primary-credentials",
            "--temporary",
            "--blocking",
            "--path",
            "/",
        ],
        None,
        "packages.add",
        {
            "module": "pure",
            "list": "authentication_packages",
            "path": "/",
            "primary_credentials": True,
            "blocking": True,
            "permanent": False,
        },
        ADDED,
        ["loaded"],
    ),
    (
        ["packages", "remove", "Hello"],
        None,
        "packages.remove",
        {"name": "Hello"},
        REMOVED,
        ["hello: removed Hello; 2 contexts still open"],
    ),
    (["packages", "revive", "hello"], None, "packages.revive", {"module": "hello"}, ADDED, ["hello: loaded Hello"]),
    (
        ["accounts", "list"],
        None,
        "accounts.list",
        {},
        [ALICE, {"name": "bob", "sid": "S-1-5-21-1-2-3-1002", "enabled": False, "locked": True}],
        ["alice  expired, must change password", "staff, Users", "bob    disabled, locked"],
    ),
    (
        ["accounts", "show", "alice"],
        None,
        "accounts.show",
        {"name": "alice"},
        ALICE,
        ["Alice A.", "1970-01-02T00:00:00Z", "1970-01-01T01:00:00Z", "staff, Users", "1000"],
    ),
    (
        [
            "accounts",
            "add",
            "alice",
            "--full-name",
            "Alice A.",
            "--group",
            "staff",
            "--group",
            "x",
            "--posix-uid",
            "1000",
            "--must-change",
            "--password-stdin",
        ],
        PASSWORD + "\n",
        "accounts.add",
        {
            "name": "alice",
            "full_name": "Alice A.",
            "groups": ["staff", "x"],
            "posix_uid": 1000,
            "password": PASSWORD,
            "must_change": True,
        },
        ALICE,
        ["alice: added"],
    ),
    (
        ["accounts", "add", "svc", "--no-password"],
        None,
        "accounts.add",
        {"name": "svc", "full_name": "", "groups": [], "posix_uid": None, "password": None, "must_change": False},
        ALICE,
        ["svc: added"],
    ),
    (
        ["accounts", "passwd", "alice", "--password-stdin"],
        PASSWORD,
        "accounts.passwd",
        {"name": "alice", "password": PASSWORD, "must_change": False},
        None,
        ["alice: password set"],
    ),
    *SIMPLE,
    (
        ["accounts", "expire", "alice", "--at", "1970-01-02"],
        None,
        "accounts.expire",
        {"name": "alice", "at": 86400.0},
        None,
        ["alice: expires 1970-01-02T00:00:00Z"],
    ),
    (
        ["accounts", "expire", "alice", "--at", "1970-01-01T02:00:00+01:00"],
        None,
        "accounts.expire",
        {"name": "alice", "at": 3600.0},
        None,
        ["alice: expires 1970-01-01T01:00:00Z"],
    ),
    (
        ["accounts", "expire", "alice", "--at", "never"],
        None,
        "accounts.expire",
        {"name": "alice", "at": None},
        None,
        ["alice: expires never"],
    ),
    (
        ["accounts", "groups", "alice", "staff", "x"],
        None,
        "accounts.groups",
        {"name": "alice", "groups": ["staff", "x"]},
        None,
        ["alice: in staff, x"],
    ),
    (["accounts", "groups", "alice"], None, "accounts.groups", {"name": "alice", "groups": []}, None, ["no group"]),
    (["groups", "list"], None, "groups.list", {}, [{"name": "staff", "sid": "S-1-5-21-1"}], ["staff  S-1-5-21-1"]),
    (["groups", "add", "staff"], None, "groups.add", {"name": "staff"}, None, ["staff: added"]),
    (["groups", "remove", "staff"], None, "groups.remove", {"name": "staff"}, None, ["staff: removed"]),
    (
        ["sessions"],
        None,
        "sessions.list",
        {},
        [SESSION, {**SESSION, "logon_type": 77, "domain": ""}],
        ["0x3e9", "EXAMPLE\\alice", "Hello", "Interactive", "1970-01-01T00:00:00Z", "77"],
    ),
]
every_command = pytest.mark.parametrize(
    ("arguments", "stdin", "operation", "sent", "answer", "shown"),
    COMMANDS,
    ids=[" ".join(arguments) for arguments, *_ in COMMANDS],
)


@every_command
def test_a_command_asks_for_its_operation_and_shows_the_answer(
    run: Run,
    lsa: FakeLsa,
    arguments: list[str],
    stdin: str | None,
    operation: str,
    sent: dict[str, object],
    answer: object,
    shown: list[str],
) -> None:
    lsa.answers[operation] = answer
    result = run("--authority", "unix:/a", *arguments, input=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    assert lsa.calls == [(operation, sent)]
    assert lsa.opened == [("unix:/a", True)]
    assert lsa.closed == 1
    assert [text for text in shown if text not in result.stdout] == []
    assert PASSWORD not in result.output
    assert "\x1b" not in result.stdout, "no terminal, no colour, and no escape sequence of anybody's"


@every_command
def test_json_is_the_answer_and_nothing_else(
    run: Run,
    lsa: FakeLsa,
    arguments: list[str],
    stdin: str | None,
    operation: str,
    sent: dict[str, object],
    answer: object,
    shown: list[str],
) -> None:
    lsa.answers[operation] = answer
    result = run(*arguments, "--json", input=stdin)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == answer
    assert lsa.opened == [(None, True)]


@every_command
def test_a_refusal_is_two_lines_with_the_native_status(
    run: Run,
    lsa: FakeLsa,
    arguments: list[str],
    stdin: str | None,
    operation: str,
    sent: dict[str, object],
    answer: object,
    shown: list[str],
) -> None:
    lsa.answers[operation] = SecurityError(
        Status.STATUS_ACCOUNT_RESTRICTION, substatus=Status.STATUS_ACCOUNT_DISABLED, reason="by\x07rule"
    )
    result = run(*arguments, input=stdin)
    wrong, following = result.stderr.splitlines()
    assert result.exit_code == 1
    assert wrong == (
        "secpkg: STATUS_ACCOUNT_RESTRICTION (0xC000006E), substatus STATUS_ACCOUNT_DISABLED (0xC0000072): by\\u0007rule"
    )
    assert following.startswith("  ")
    assert result.stdout == ""
    assert lsa.closed == 1


@every_command
def test_an_authority_that_is_not_there_is_exit_3(
    run: Run,
    lsa: FakeLsa,
    arguments: list[str],
    stdin: str | None,
    operation: str,
    sent: dict[str, object],
    answer: object,
    shown: list[str],
) -> None:
    lsa.open_error = ConnectionRefusedError(111, "Connection refused")
    result = run(*arguments, input=stdin)
    wrong, following = result.stderr.splitlines()
    assert result.exit_code == 3
    assert wrong == "secpkg: the authority cannot be reached: Connection refused"
    assert "secpkg authority run" in following


def test_a_plain_ssp_is_registered_and_removed_without_packages(run: Run, lsa: FakeLsa) -> None:
    lsa.answers["packages.add"] = {"module": "sampssp", "packages": [], "state": "registered", "reason": ""}
    lsa.answers["packages.remove"] = {"module": "sampssp", "packages": [], "draining": 0}
    added = run("packages", "add", "sampssp", "--list", "security_providers")
    assert (added.exit_code, added.stdout) == (0, "sampssp: registered\n")
    assert run("packages", "remove", "sampssp").stdout == "sampssp: removed\n"


def test_a_revived_module_need_not_name_its_packages(run: Run, lsa: FakeLsa) -> None:
    lsa.answers["packages.revive"] = {"module": "hello", "state": "loaded", "reason": ""}
    assert run("packages", "revive", "hello").stdout == "hello: loaded\n"


@pytest.mark.parametrize("command", ["add", "revive"])
@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_module_that_does_not_load_is_a_failure_with_its_reason(
    run: Run, lsa: FakeLsa, command: str, extra: list[str]
) -> None:
    answer = {"module": "slip", "packages": [], "state": "broken", "reason": "initialise: no documented name"}
    lsa.answers[f"packages.{command}"] = answer
    result = run("packages", command, "slip", *extra)
    assert result.exit_code == 1
    if extra:
        assert json.loads(result.stdout) == answer
    else:
        assert result.stdout == "slip: broken: initialise: no documented name\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["packages", "add", "m", "--list", "inbox"], "inbox"),
        (["packages", "add", "m", "--path", "/does/not/exist"], "does not exist"),
        (["accounts", "expire", "alice", "--at", "soon"], "no ISO 8601"),
        (["accounts", "expire", "alice"], "--at"),
        (["accounts", "add", "a", "--posix-uid", "0", "--no-password"], "--posix-uid"),
        (["accounts", "add", "a", "--no-password", "--password-stdin"], "contradict"),
        (["functions", "--table", "kernel"], "kernel"),
        (["functions", "--state", "partial"], "partial"),
        (["trace", "--limit", "0"], "--limit"),
        (["logon", "alice", "--type", "undefined_logon_type"], "--type"),
        (["authority", "run", "--trust", "0"], "--trust"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_use_is_exit_2_and_asks_nobody(run: Run, lsa: FakeLsa, arguments: list[str], says: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert lsa.opened == []


def test_an_answer_of_another_shape_is_said_and_not_shown(run: Run, lsa: FakeLsa) -> None:
    lsa.answers["sessions.list"] = [{"logon_id": "x"}]
    result = run("sessions")
    assert result.exit_code == 1
    assert "something unexpected" in result.stderr
    assert "same version" in result.stderr


def test_a_path_is_made_absolute(run: Run, lsa: FakeLsa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modules").mkdir()
    lsa.answers["packages.add"] = ADDED
    assert run("packages", "add", "m", "--path", "modules").exit_code == 0
    assert lsa.calls[0][1]["path"] == str(tmp_path / "modules")
