"""Asking the user for credentials. A program that has a face of its own sets a prompter; without one the user is asked
on the controlling terminal, where the password is not shown, and where there is no terminal nobody is asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from secpkg.contract.flags_seldom import AuthIdentityFlag, PromptFlag, Win32Error
from secpkg.contract.floor import Given, floor
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity, Value
from secpkg.ipc import schema
from secpkg.sspi.raw.identities import require_identity, sspi_validate_auth_identity

PROMPTING: Final = frozenset(
    {
        Status.SEC_E_NO_CREDENTIALS,
        Status.SEC_E_UNKNOWN_CREDENTIALS,
        Status.SEC_E_INCOMPLETE_CREDENTIALS,
        Status.SEC_I_INCOMPLETE_CREDENTIALS,
        Status.SEC_E_LOGON_DENIED,
        Status.STATUS_LOGON_FAILURE,
        Status.STATUS_NO_SUCH_USER,
        Status.STATUS_WRONG_PASSWORD,
    }
)
"""Failures that other credentials may cure (docs/adr/0007): the page has no list."""

_TERMINAL: Final = "/dev/tty"
_UNSAVED: Final = PromptFlag.CREDPROV_DO_NOT_SAVE | PromptFlag.NO_CHECKBOX


class Prompt(Value, frozen=True):
    """What the user is to be asked. ``save`` is the state of the save box, None where there is none to show; ``error``
    is shown unless it is SEC_E_OK.
    """

    target: str
    package: str
    error: Status | int = Status.SEC_E_OK
    user: str = ""
    domain: str = ""
    save: bool | None = None
    message: str = ""
    caption: str = ""


class Reply(Value, frozen=True):
    """What the user said."""

    _secrets = ("password",)

    user: str
    domain: str = ""
    password: str = ""
    save: bool = False


class UiInfo(Value, frozen=True):
    """``CREDUI_INFO``: its two texts. Windows and pictures have no counterpart."""

    message_text: str = ""
    caption_text: str = ""


Prompter = Callable[[Prompt], Reply | None]
"""Asks the user: None when they gave up; OSError when they cannot be asked."""

_prompter: Prompter | None = None


def set_prompter(prompter: Prompter | None) -> Prompter | None:
    """Ask with this from now on, in the whole process; None: on the terminal. The one that was set before."""
    global _prompter
    before, _prompter = _prompter, prompter
    return before


@floor("sspi", "SspiIsPromptingNeeded")
def sspi_is_prompting_needed(error_or_nt_status: int) -> bool:
    """SspiIsPromptingNeeded: whether other credentials may help. Page: sspi/nf-sspi-sspiispromptingneeded."""
    return error_or_nt_status in PROMPTING


@floor(
    "sspi",
    "SspiPromptForCredentials",
    failed=(None, Given("save")),
    told=lambda _status: Win32Error.GEN_FAILURE,
)
def sspi_prompt_for_credentials(
    target_name: str,
    ui_info: UiInfo | None,
    auth_error: int,
    package: str,
    input_auth_identity: AuthIdentity | None = None,
    save: bool | None = None,
    flags: int = 0,
) -> tuple[Win32Error, AuthIdentity | None, bool | None]:
    """SspiPromptForCredentials: (Win32 error, identity, save box). The input identity gives the names to begin with,
    never a password. A ``save`` of None, SSPIPFC_CREDPROV_DO_NOT_SAVE and SSPIPFC_NO_CHECKBOX show no save box, and it
    comes back as it was given. ERROR_CANCELLED when the user gave up; ERROR_GEN_FAILURE when nobody could be asked or
    the parameters are wrong. Page: sspi/nf-sspi-sspipromptforcredentialsw.
    """
    known = AuthIdentity("") if input_auth_identity is None else require_identity(input_auth_identity)
    if not all(0 < len(text) <= schema.MAX_NAME for text in (target_name, package)):
        return Win32Error.GEN_FAILURE, None, save
    if flags & ~int(~PromptFlag(0)):
        return Win32Error.GEN_FAILURE, None, save
    box = None if flags & _UNSAVED else save
    info = ui_info or UiInfo()
    error = Status.known(auth_error) or auth_error
    prompt = Prompt(target_name, package, error, known.user, known.domain, box, info.message_text, info.caption_text)
    try:
        reply = (_prompter or ask_on_terminal)(prompt)
    except (EOFError, KeyboardInterrupt):
        return Win32Error.CANCELLED, None, save
    except OSError:
        return Win32Error.GEN_FAILURE, None, save
    if reply is None:
        return Win32Error.CANCELLED, None, save
    kept = 0 if box is None or not reply.save else int(AuthIdentityFlag.SSPIPFC_SAVE_CRED_CHECKED)
    identity = AuthIdentity(reply.user, reply.domain, reply.password, flags=kept)
    if sspi_validate_auth_identity(identity).is_error:
        return Win32Error.GEN_FAILURE, None, save
    return Win32Error.SUCCESS, identity, save if box is None else reply.save


def ask_on_terminal(prompt: Prompt) -> Reply | None:
    """Ask on the controlling terminal. OSError where there is none: standard input is never asked instead."""
    import getpass

    with (
        open(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY), "wb", buffering=0) as output,
        open(os.dup(output.fileno()), encoding="utf-8", errors="surrogateescape") as terminal,
    ):

        def line(question: str) -> str:
            output.write(question.encode())
            answer = terminal.readline()
            if not answer:
                raise EOFError
            return answer.rstrip("\n")

        for text in (prompt.caption, prompt.message):
            if text:
                output.write(f"{_shown(text)}\n".encode())
        if prompt.error:
            name = prompt.error.name if isinstance(prompt.error, Status) else f"{prompt.error:#x}"
            output.write(f"{name}\n".encode())
        before = f"{prompt.domain}\\{prompt.user}" if prompt.domain else prompt.user
        hint = f" [{_shown(before)}]" if before else ""
        name = line(f"User for {_shown(prompt.target)} ({_shown(prompt.package)}){hint}: ") or before
        if not name:
            return None
        domain, separator, user = name.rpartition("\\")
        password = getpass.getpass("Password: ")
        save = False
        if prompt.save is not None:
            answer = line(f"Remember it? [{'Y/n' if prompt.save else 'y/N'}] ").strip().casefold()
            save = answer.startswith("y") if answer else prompt.save
        return Reply(user, domain if separator else "", password, save)


def _shown(text: str) -> str:
    """Text as it may go to a terminal: no control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


__all__ = [
    "Prompt",
    "Prompter",
    "Reply",
    "UiInfo",
    "set_prompter",
    "sspi_is_prompting_needed",
    "sspi_prompt_for_credentials",
]
