"""The command as a whole: help, start-up, colour, errors, ``authority run`` and ``functions``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from secpkg.cli.__main__ import _COMMANDS, cli
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc import where
from secpkg.ipc.errors import ChannelTimeout, PeerRefused
from secpkg.kit import functions as kit
from secpkg.runtime.config import DaemonConfig, default_directory, default_domain

if TYPE_CHECKING:
    from tests.cli.conftest import FakeLsa, Run

STATES = (
    kit.FunctionState("sspi", "MakeSignature", "secpkg.sspi.raw.make_signature", "sspi/raw.py:9", "working", ""),
    kit.FunctionState("sspi", "SspiFreeAsyncContext", "a.b", "sspi/raw.py:19", "refused", "kernel"),
    kit.FunctionState("lsa_mode", "SpGetUserInfo", "a.b.c", "contract/x.py:20", "unsupported", "not called"),
)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> None:
    import secpkg.cli.functions as command

    monkeypatch.setattr(command, "function_states", lambda: STATES)


def test_help_lists_every_command_without_importing_one() -> None:
    code = (
        "import sys; from secpkg.cli.__main__ import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m.startswith('secpkg.')), 'msgspec' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    *shown, imported = result.stdout.splitlines()
    assert imported == "['secpkg.cli', 'secpkg.cli.__main__'] False"
    assert [name for name in _COMMANDS if not any(line.startswith(f"  {name} ") for line in shown)] == []


@pytest.mark.parametrize("name", _COMMANDS)
def test_a_command_is_what_the_table_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_functions_shows_a_table_and_counts_by_state(run: Run, states: None) -> None:
    result = run("functions")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["TABLE", "FUNCTION", "STATE", "WHERE", "PYTHON", "REASON"]
    assert lines[1].split() == ["sspi", "MakeSignature", "working", "sspi/raw.py:9", "secpkg.sspi.raw.make_signature"]
    assert lines[-1] == "3 functions: 1 working, 1 refused, 1 unsupported"
    starts = {line.index(word) for line, word in zip(lines[1:4], ("working", "refused", "unsupported"), strict=True)}
    assert len(starts) == 1, "columns are aligned"


def test_functions_json_has_exactly_the_documented_keys(run: Run, states: None) -> None:
    listed = json.loads(run("functions", "--json").stdout)
    assert [list(row) for row in listed] == [["table", "function", "python", "where", "state", "reason"]] * 3


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--table", "sspi"], ["MakeSignature", "SspiFreeAsyncContext"]),
        (["--state", "unsupported"], ["SpGetUserInfo"]),
        (["--table", "sspi", "--state", "refused"], ["SspiFreeAsyncContext"]),
        (["--table", "subauth"], []),
    ],
)
def test_functions_can_be_narrowed(run: Run, states: None, arguments: list[str], names: list[str]) -> None:
    assert [row["function"] for row in json.loads(run("functions", "--json", *arguments).stdout)] == names
    assert run("functions", *arguments).exit_code == 0


def test_colour_goes_to_terminals_and_respects_no_color(run: Run, states: None) -> None:
    assert "\x1b[32mworking" in run("functions", color=True).stdout
    assert "\x1b[" not in run("functions").stdout
    assert "\x1b[" not in run("functions", color=True, env={"NO_COLOR": "1"}).stdout
    assert "\x1b[" in run("functions", color=True, env={"NO_COLOR": ""}).stdout, "an empty NO_COLOR is none"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (FileNotFoundError(2, "No such file or directory", "/run/x"), 3, "No such file or directory"),
        (PeerRefused("the authority is run by uid 7"), 3, "uid 7"),
        (SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="authority_unreachable"), 3, "0x80090311"),
        (SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="authority_foreign_uid"), 3, "foreign_uid"),
        (SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="authority_address"), 1, "authority_address"),
        (SecurityError(Status.STATUS_PORT_CONNECTION_REFUSED), 1, "STATUS_PORT_CONNECTION_REFUSED"),
    ],
)
def test_no_connection_is_told_apart_from_a_refused_one(
    run: Run, lsa: FakeLsa, error: Exception, code: int, says: str
) -> None:
    lsa.open_error = error
    result = run("authority", "status")
    assert result.exit_code == code
    assert says in result.stderr.splitlines()[0]
    assert len(result.stderr.splitlines()) == 2


def test_an_authority_that_does_not_answer_is_unreachable(run: Run, lsa: FakeLsa) -> None:
    lsa.answers["authority.status"] = ChannelTimeout()
    result = run("authority", "status")
    assert result.exit_code == 3
    assert "ChannelTimeout" in result.stderr


@pytest.mark.parametrize("chosen", [None, "embedded:"])
def test_no_authority_chosen_is_not_the_embedded_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    """What is done to an authority that ends with the command would be lost without a word."""
    monkeypatch.setattr(where, "configuration", where.Configuration)
    result = run("accounts", "list", env={"SECPKG_AUTHORITY": chosen})
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == "secpkg: no authority is chosen"


def test_a_fault_of_ours_is_not_hidden(run: Run, lsa: FakeLsa) -> None:
    lsa.answers["authority.status"] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        run("authority", "status")


class Daemon(types.ModuleType):
    """`secpkg.runtime.daemon` as the command sees it."""

    def __init__(self) -> None:
        super().__init__("secpkg.runtime.daemon")
        self.configs: list[DaemonConfig] = []
        self.answer: int | Exception = 0

    def run(self, config: DaemonConfig) -> int:
        self.configs.append(config)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    fake = Daemon()
    monkeypatch.setitem(sys.modules, "secpkg.runtime.daemon", fake)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    return fake


def test_authority_run_by_default(run: Run, daemon: Daemon) -> None:
    assert run("authority", "run").exit_code == 0
    (config,) = daemon.configs
    assert config == DaemonConfig(directory=Path("/run/user/7/secpkg"), domain=default_domain())
    assert config.socket_path == Path("/run/user/7/secpkg/lsa.sock")
    assert (config.accounts, config.trusted_uids, config.ready_fd) == ("sqlite", (), None)


def test_authority_run_with_everything(
    run: Run, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    daemon.answer = 5
    result = run(
        "authority",
        "run",
        "--dir",
        "state",
        "--socket",
        "s/lsa",
        "--domain",
        "EXAMPLE",
        "--accounts",
        "memory",
        "--trust",
        "1000",
        "--trust",
        "1001",
        "--ready-fd",
        "9",
    )
    assert result.exit_code == 5, "the daemon's own exit code"
    assert daemon.configs == [
        DaemonConfig(
            directory=tmp_path / "state",
            socket=tmp_path / "s" / "lsa",
            domain="EXAMPLE",
            accounts="memory",
            trusted_uids=(1000, 1001),
            ready_fd=9,
        )
    ]
    assert daemon.configs[0].socket_path == tmp_path / "s" / "lsa"


def test_authority_run_needs_a_directory_of_ones_own(run: Run, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    result = run("authority", "run")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "secpkg: there is no directory for the authority: XDG_RUNTIME_DIR is not set",
        "  choose one with --dir",
    ]
    assert daemon.configs == []


def test_authority_run_that_the_system_refuses_is_no_traceback(run: Run, daemon: Daemon) -> None:
    daemon.answer = PermissionError(13, "Permission denied", "/run/secpkg")
    result = run("authority", "run")
    assert result.exit_code == 1
    assert result.stderr.startswith("secpkg: Permission denied: /run/secpkg\n")


def test_root_has_its_own_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    assert default_directory() == Path("/run/secpkg")


@pytest.mark.parametrize(
    ("host", "domain"),
    [("web-1.example.org", "WEB-1"), ("a" * 40, "A" * 15), ("", "LOCAL"), ("_", "LOCAL")],
)
def test_the_domain_is_the_machine_by_default(monkeypatch: pytest.MonkeyPatch, host: str, domain: str) -> None:
    monkeypatch.setattr(os, "uname", lambda: types.SimpleNamespace(nodename=host))
    assert default_domain() == domain
