"""Asking the user for credentials."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator

import pytest

from secpkg.contract.flags_seldom import AuthIdentityFlag, PromptFlag, Win32Error
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity
from secpkg.sspi import raw
from secpkg.sspi.raw import prompt as prompting

SAVED = int(AuthIdentityFlag.SSPIPFC_SAVE_CRED_CHECKED)


@pytest.fixture(autouse=True)
def _no_prompter() -> Iterator[None]:
    yield
    raw.set_prompter(None)


@pytest.mark.proves("sspi.SspiIsPromptingNeeded")
def test_when_asking_may_help() -> None:
    needed = [status for status in Status if raw.sspi_is_prompting_needed(status)]
    assert Status.SEC_E_NO_CREDENTIALS in needed and Status.SEC_E_LOGON_DENIED in needed
    assert all(status.is_error or status is Status.SEC_I_INCOMPLETE_CREDENTIALS for status in needed)
    for status in (Status.SEC_E_OK, Status.SEC_E_TARGET_UNKNOWN, Status.STATUS_ACCOUNT_DISABLED, 0x12345678):
        assert not raw.sspi_is_prompting_needed(status)


@pytest.mark.proves("sspi.SspiPromptForCredentials")
def test_the_prompter_is_told_what_to_ask_and_its_answer_is_the_identity() -> None:
    asked: list[raw.Prompt] = []

    def answer(prompt: raw.Prompt) -> raw.Reply:
        asked.append(prompt)
        return raw.Reply("bob", "OTHER", "secret", save=True)

    assert raw.set_prompter(answer) is None
    known = AuthIdentity("alice", "EXAMPLE", "never shown")
    texts = raw.UiInfo("message", "caption")
    denied = Status.SEC_E_LOGON_DENIED
    error, identity, save = raw.sspi_prompt_for_credentials("HTTP/host", texts, denied, "Hello", known, False)
    assert asked == [raw.Prompt("HTTP/host", "Hello", denied, "alice", "EXAMPLE", False, "message", "caption")]
    assert (error, save) == (Win32Error.SUCCESS, True)
    assert identity == AuthIdentity("bob", "OTHER", "secret", flags=SAVED)
    assert raw.set_prompter(None) is answer


@pytest.mark.parametrize("flag", [PromptFlag.CREDPROV_DO_NOT_SAVE, PromptFlag.NO_CHECKBOX])
def test_without_a_save_box_it_comes_back_as_it_was_given(flag: PromptFlag) -> None:
    asked: list[raw.Prompt] = []

    def answer(prompt: raw.Prompt) -> raw.Reply:
        asked.append(prompt)
        return raw.Reply("bob", save=True)

    raw.set_prompter(answer)
    assert raw.sspi_prompt_for_credentials("h", None, 0, "Hello", None, False, int(flag)) == (
        Win32Error.SUCCESS,
        AuthIdentity("bob"),
        False,
    )
    assert asked[0].save is None


def test_giving_up_and_not_being_asked() -> None:
    def ended(prompt: raw.Prompt) -> raw.Reply | None:
        raise EOFError

    def unreachable(prompt: raw.Prompt) -> raw.Reply | None:
        raise OSError

    for prompter, error in (
        (lambda prompt: None, Win32Error.CANCELLED),
        (ended, Win32Error.CANCELLED),
        (unreachable, Win32Error.GEN_FAILURE),
        (lambda prompt: raw.Reply("x" * 2000), Win32Error.GEN_FAILURE),
    ):
        raw.set_prompter(prompter)
        assert raw.sspi_prompt_for_credentials("h", None, 0, "Hello", save=True) == (error, None, True)


def test_wrong_parameters_ask_nobody() -> None:
    asked: list[raw.Prompt] = []

    def answer(prompt: raw.Prompt) -> raw.Reply | None:
        asked.append(prompt)
        return None

    raw.set_prompter(answer)
    failed = (Win32Error.GEN_FAILURE, None, None)
    assert raw.sspi_prompt_for_credentials("", None, 0, "Hello") == failed
    assert raw.sspi_prompt_for_credentials("h", None, 0, "x" * 1025) == failed
    assert raw.sspi_prompt_for_credentials("h", None, 0, "Hello", flags=0x100) == failed
    assert raw.sspi_prompt_for_credentials("h", None, 0, "Hello", AuthIdentity("a", flags=-1)) == failed
    assert not asked


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompting, "_TERMINAL", "/dev/no-terminal")
    assert raw.sspi_prompt_for_credentials("h", None, 0, "Hello") == (Win32Error.GEN_FAILURE, None, None)


def test_on_the_terminal_the_password_is_not_shown() -> None:
    pid, terminal = pty.fork()
    if not pid:
        code = 1
        try:
            given = raw.sspi_prompt_for_credentials("ho\x1bst", raw.UiInfo("why"), 0x8009030C, "Hello", save=False)
            wanted = AuthIdentity("alice", "EXAMPLE", "correct horse", flags=SAVED)
            code = 0 if given == (Win32Error.SUCCESS, wanted, True) else 2
        finally:
            os._exit(code)
    seen = b""
    try:
        for question, answer in (
            (b"(Hello): ", b"EXAMPLE\\alice\n"),
            (b"Password: ", b"correct horse\n"),
            (b"[y/N] ", b"y\n"),
        ):
            while not seen.endswith(question):
                seen += os.read(terminal, 1024)
            if question == b"Password: ":
                assert not termios.tcgetattr(terminal)[3] & termios.ECHO
            os.write(terminal, answer)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"correct horse" not in seen and b"\x1b" not in seen and b"SEC_E_LOGON_DENIED" in seen and b"why" in seen
