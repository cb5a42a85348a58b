"""``secpkg trace`` and ``secpkg logon``."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import FakeToken

from secpkg.cli import connection, logon
from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.errors import ChannelClosed
from secpkg.lsa import Lsa

if TYPE_CHECKING:
    from tests.cli.conftest import FakeLsa, Run

EVENT: dict[str, Any] = {
    "time": 3600.25,
    "seconds": 0.0015,
    "process": 77,
    "kind": "package",
    "function": "SpAcceptLsaModeContext",
    "package": "Hello",
    "channel": 4,
    "handle": 0x1F,
    "status": 0x90312,
    "reason": "",
    "received": 40,
    "sent": 80,
}
REFUSED = {**EVENT, "status": 0xC0990000, "reason": "mic\nmissing", "handle": 0, "received": 0, "sent": 0}


def answers(*events: list[dict[str, Any]]) -> list[object]:
    return [{"cursor": number, "events": list(some)} for number, some in enumerate(events, 1)]


def test_trace_shows_one_line_a_call_and_stops(run: Run, lsa: FakeLsa) -> None:
    lsa.turns["trace.read"] = answers([], [EVENT], [REFUSED])
    result = run("trace", "--limit", "2")
    first, second = result.stdout.splitlines()
    assert first.startswith("01:00:00.250     1.500 ms  - → Hello 77 ")
    assert first.endswith("SpAcceptLsaModeContext #1f = SEC_I_CONTINUE_NEEDED 40 B in, 80 B out")
    assert second.endswith("SpAcceptLsaModeContext = 0xC0990000 (mic\\u000amissing)")
    assert [name for name, _ in lsa.calls] == ["trace.start", *["trace.read"] * 3, "trace.stop"]
    assert [sent["cursor"] for name, sent in lsa.calls if name == "trace.read"] == [0, 1, 2]


def test_trace_begins_where_it_started(run: Run, lsa: FakeLsa) -> None:
    lsa.answers["trace.start"] = {"cursor": 40}
    lsa.turns["trace.read"] = answers([EVENT])
    run("trace", "--limit", "1")
    assert lsa.calls[1][1]["cursor"] == 40


def test_trace_json_is_an_object_a_line(run: Run, lsa: FakeLsa) -> None:
    lsa.turns["trace.read"] = answers([EVENT, EVENT, EVENT])
    result = run("trace", "--json", "--limit", "2")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert {name: line[name] for name in EVENT} == EVENT
        assert (line["status_name"], line["failed"]) == ("SEC_I_CONTINUE_NEEDED", False)


def test_trace_stops_when_nothing_happens(run: Run, lsa: FakeLsa) -> None:
    lsa.turns["trace.read"] = answers([EVENT], [])
    result = run("trace", "--idle", "0")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert lsa.calls[-1][0] == "trace.stop"


def test_trace_ends_well_by_ctrl_c(run: Run, lsa: FakeLsa) -> None:
    lsa.turns["trace.read"] = [*answers([EVENT]), KeyboardInterrupt()]
    result = run("trace")
    assert (result.exit_code, result.stderr) == (0, "")
    assert lsa.calls[-1][0] == "trace.stop"


def test_trace_says_that_the_authority_went_away(run: Run, lsa: FakeLsa) -> None:
    lsa.turns["trace.read"] = [*answers([EVENT]), ChannelClosed("end of file")]
    lsa.answers["trace.stop"] = ChannelClosed("end of file")
    result = run("trace")
    assert result.exit_code == 3
    assert result.stderr.startswith("secpkg: the authority cannot be reached: end of file\n")


def test_logon_shows_the_session_and_closes_it(run: Run, lsa: FakeLsa) -> None:
    result = run("logon", "EXAMPLE\\alice", "--type", "network", "--package", "Other", "--password-stdin", input="pw\n")
    assert lsa.logons == [("Other", LogonType.NETWORK, "alice", "EXAMPLE", "pw")]
    assert lsa.opened == [(None, False)], "logging on needs no trust"
    assert result.exit_code == 0
    for text in ("0x3e9", "EXAMPLE\\alice", "S-1-5-21-1-2-3-1001", "S-1-5-32-545", "S-1-1-0", "SeChangeNotify"):
        assert text in result.stdout
    assert lsa.logon.access_token.closed == 1


def test_logon_json(run: Run, lsa: FakeLsa) -> None:
    result = run("logon", "alice", "--json", input="pw\n")
    assert lsa.logons == [("Hello", LogonType.INTERACTIVE, "alice", "", "pw")]
    assert json.loads(result.stdout) == {
        "logon_id": 0x3E9,
        "user": "alice",
        "domain": "EXAMPLE",
        "sid": "S-1-5-21-1-2-3-1001",
        "groups": ["S-1-5-32-545", "S-1-1-0"],
        "privileges": ["SeChangeNotifyPrivilege"],
    }
    assert "pw" not in result.output


def test_a_logon_that_is_refused_shows_status_and_substatus(run: Run, lsa: FakeLsa) -> None:
    """R53, R55: the substatus says which restriction."""
    lsa.logon_error = SecurityError(Status.STATUS_ACCOUNT_RESTRICTION, substatus=Status.STATUS_ACCOUNT_LOCKED_OUT)
    result = run("logon", "alice", "--password-stdin", input="pw\n")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "secpkg: STATUS_ACCOUNT_RESTRICTION (0xC000006E), substatus STATUS_ACCOUNT_LOCKED_OUT (0xC0000234)\n"
    )
    assert lsa.closed == 1


def test_a_command_holds_the_session_as_a_descriptor(run: Run, lsa: FakeLsa, capfd: pytest.CaptureFixture[str]) -> None:
    """Lock 3: the token that is presented selects the session; the environment only says under which number it is."""
    script = f'read -r -n 9 token <&"${logon.TOKEN_FD}"; echo "holds $token"; exit 7'
    result = run("logon", "alice", "--password-stdin", "--", "bash", "-c", script, input="pw\n")
    assert result.exit_code == 7
    assert capfd.readouterr().out == "holds the token\n"
    assert lsa.logon.access_token.closed == 1


def test_standard_input_after_the_password_is_for_the_command() -> None:
    code = "from secpkg.cli.passwords import ask; import os; ask('', new=False, from_stdin=True); print(os.read(0, 99))"
    result = subprocess.run(
        [sys.executable, "-c", code], input=b"pw\nrest\n", capture_output=True, check=True, timeout=60
    )
    assert result.stdout == b"b'rest\\n'\n"


def test_a_command_that_is_not_there_is_said_and_ends_the_session(run: Run, lsa: FakeLsa) -> None:
    result = run("logon", "alice", "--password-stdin", "--", "no-such-command-here", input="pw\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("secpkg: cannot run no-such-command-here: No such file")
    assert lsa.logon.access_token.closed == 1


def test_the_end_of_a_command_by_signal_is_told_as_shells_do(run: Run, lsa: FakeLsa) -> None:
    result = run("logon", "alice", "--password-stdin", "--", "bash", "-c", "kill -TERM $$", input="pw\n")
    assert result.exit_code == 128 + 15
    assert lsa.logon.access_token.closed == 1


def test_a_trusted_connection_registers_a_logon_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "register_logon_process", lambda name, authority: ("registered", name, authority))
    monkeypatch.setattr(connection, "connect", lambda authority: ("connected", authority))
    opened: list[object] = [
        connection.open_lsa("unix:/a", trusted=True),
        connection.open_lsa("embedded:", trusted=False),
    ]
    assert opened == [("registered", "secpkg-cli", "unix:/a"), ("connected", "embedded:")]


def test_the_fake_has_the_names_of_the_real_one(lsa: FakeLsa) -> None:
    assert lsa.logon_user.__name__ in vars(Lsa)
    assert lsa.manage.__name__ in vars(Lsa)
    assert {"account_name", "domain_name", "information", "fileno"} <= set(dir(AccessToken)) & set(dir(FakeToken))
