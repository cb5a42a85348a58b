"""A fake connection to the authority, in the one place where the command line makes one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click.testing
import pytest

from secpkg.cli import connection
from secpkg.cli.__main__ import cli
from secpkg.contract.flags import LogonType
from secpkg.contract.values import TokenInformation

Run = Callable[..., click.testing.Result]


class FakeToken:
    """The access token of alice; its descriptor is the reading end of a pipe that holds a few bytes."""

    account_name = "alice"
    domain_name = "EXAMPLE"
    information = TokenInformation(
        "S-1-5-21-1-2-3-1001", groups=("S-1-5-32-545", "S-1-1-0"), privileges=("SeChangeNotifyPrivilege",)
    )

    def __init__(self) -> None:
        self.closed = 0
        self.pipe: tuple[int, int] | None = None

    def fileno(self) -> int:
        self.pipe = os.pipe()
        os.write(self.pipe[1], b"the token")
        return self.pipe[0]

    def close(self) -> None:
        self.closed += 1
        for end in self.pipe or ():
            os.close(end)


class FakeLogon:
    """A session of alice."""

    def __init__(self) -> None:
        self.luid = 0x3E9
        self.access_token = FakeToken()

    def __enter__(self) -> FakeLogon:
        return self

    def __exit__(self, *error: object) -> None:
        self.access_token.close()


class FakeLsa:
    """Answers by operation: plain data, an exception to raise, or a list of them in turn (`turns`)."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {"trace.start": {"cursor": 0}}
        self.turns: dict[str, list[object]] = {}
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.logons: list[tuple[object, ...]] = []
        self.logon = FakeLogon()
        self.logon_error: Exception | None = None
        self.opened: list[tuple[str | None, bool]] = []
        self.open_error: Exception | None = None
        self.closed = 0

    def manage(self, operation: str, **arguments: object) -> object:
        self.calls.append((operation, arguments))
        answer = self.turns[operation].pop(0) if operation in self.turns else self.answers.get(operation)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def logon_user(
        self, package: str, logon_type: LogonType, *, username: str, domain: str, password: str
    ) -> FakeLogon:
        self.logons.append((package, logon_type, username, domain, password))
        if self.logon_error is not None:
            raise self.logon_error
        return self.logon

    def __enter__(self) -> FakeLsa:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed += 1


@pytest.fixture
def lsa(monkeypatch: pytest.MonkeyPatch) -> FakeLsa:
    fake = FakeLsa()

    def open_lsa(authority: str | None, *, trusted: bool) -> FakeLsa:
        fake.opened.append((authority, trusted))
        if fake.open_error is not None:
            raise fake.open_error
        return fake

    monkeypatch.setattr(connection, "open_lsa", open_lsa)
    return fake


@pytest.fixture
def run() -> Run:
    def invoke(*arguments: str, **extra: Any) -> click.testing.Result:
        runner = click.testing.CliRunner(env={"NO_COLOR": None})
        return runner.invoke(cli, list(arguments), prog_name="secpkg", catch_exceptions=False, **extra)

    return invoke
