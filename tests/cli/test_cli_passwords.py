"""Passwords come from a prompt or standard input, and from nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import pytest

from secpkg.cli.__main__ import cli
from secpkg.cli.passwords import MAX_PASSWORD

if TYPE_CHECKING:
    from tests.cli.conftest import FakeLsa, Run


def every_command(
    command: click.Command, name: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from every_command(found, (*name, child))


@pytest.mark.parametrize("command", [pytest.param(command, id=" ".join(name)) for name, command in every_command(cli)])
def test_no_command_takes_a_password_from_arguments_or_environment(command: click.Command) -> None:
    for parameter in command.params:
        assert parameter.envvar is None
        if "pass" in (parameter.name or ""):
            assert isinstance(parameter, click.Option)
            assert parameter.is_flag
    assert command.context_settings.get("auto_envvar_prefix") is None


def test_a_new_password_is_asked_for_twice(run: Run, lsa: FakeLsa) -> None:
    result = run("accounts", "add", "alice", input="one\nother\nsame\nsame\n")
    assert result.exit_code == 0
    assert lsa.calls[0][1]["password"] == "same"
    assert "Password for alice" in result.stderr
    assert "do not match" in result.stderr
    assert result.stdout == "alice: added\n", "prompts are not output"
    assert "same" not in result.output


def test_a_changed_password_is_asked_for_twice(run: Run, lsa: FakeLsa) -> None:
    assert run("accounts", "passwd", "alice", input="new\nnew\n").exit_code == 0
    assert lsa.calls == [("accounts.passwd", {"name": "alice", "password": "new", "must_change": False})]


def test_a_password_to_log_on_with_is_asked_for_once(run: Run, lsa: FakeLsa) -> None:
    assert run("logon", "alice", input="pw\n").exit_code == 0
    assert lsa.logons[0][-1] == "pw"


def test_an_end_of_input_at_the_prompt_makes_nothing(run: Run, lsa: FakeLsa) -> None:
    result = run("accounts", "add", "alice", input="only once\n")
    assert result.exit_code == 1
    assert lsa.opened == []


@pytest.mark.parametrize(
    ("sent", "password"),
    [
        (b"pw\n", "pw"),
        (b"pw\r\n", "pw"),
        (b"pw", "pw"),
        (b" p w \nnext\n", " p w "),
        ("pässwörd\n".encode(), "pässwörd"),
        (b"x" * MAX_PASSWORD + b"\n", "x" * MAX_PASSWORD),
        (b"x" * MAX_PASSWORD + b"\r\n", "x" * MAX_PASSWORD),
    ],
)
def test_standard_input_is_one_line(run: Run, lsa: FakeLsa, sent: bytes, password: str) -> None:
    assert run("accounts", "passwd", "alice", "--password-stdin", input=sent).exit_code == 0
    assert lsa.calls[0][1]["password"] == password


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", "no password"),
        (b"\nsecond\n", "no password"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b"x" * (MAX_PASSWORD + 1) + b"\n", "too long"),
        (b"x" * (MAX_PASSWORD + 9), "too long"),
    ],
)
def test_what_is_no_password_is_refused_before_anybody_is_asked(run: Run, lsa: FakeLsa, sent: bytes, says: str) -> None:
    result = run("accounts", "passwd", "alice", "--password-stdin", input=sent)
    assert result.exit_code == 1
    assert says in result.stderr.splitlines()[0]
    assert lsa.opened == []


def test_without_a_terminal_nothing_is_read_with_echo() -> None:
    code = "from secpkg.cli.__main__ import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "accounts", "passwd", "alice"],
        input="typed in the clear\n",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # no controlling terminal
        timeout=60,
        env={**os.environ, "SECPKG_AUTHORITY": "unix:/nowhere"},
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[0] == "secpkg: there is no terminal to ask for a password on"
    assert "typed" not in result.stdout + result.stderr
