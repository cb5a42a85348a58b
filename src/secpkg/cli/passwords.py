"""Passwords: from a prompt or one line of standard input; never from arguments or environment, which others read."""

from __future__ import annotations

import getpass
import sys
import warnings
from typing import Final

import click

from secpkg.cli.errors import Fail

MAX_PASSWORD: Final = 4096
"""Bytes of UTF-8 in one line of standard input."""

_BY_STDIN: Final = "give it on one line of standard input, with --password-stdin"


def ask(prompt: str, *, new: bool, from_stdin: bool) -> str:
    """The password; a ``new`` one is asked for twice. `Fail` for none, and where there is no terminal to ask on."""
    if from_stdin:
        return _read_line()
    with warnings.catch_warnings():
        # getpass would read with echo from what is no terminal, and only warn of it.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return click.prompt(prompt, hide_input=True, confirmation_prompt=new, value_proc=str, err=True)
        except getpass.GetPassWarning:
            raise Fail("there is no terminal to ask for a password on", _BY_STDIN) from None


def _read_line() -> str:
    # Byte by byte, past Python's buffer: what follows the line is for the command that `secpkg logon` runs.
    stream = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    line = b""
    while len(line) < MAX_PASSWORD + 2 and not line.endswith(b"\n"):
        byte = stream.read(1)
        if not byte:
            break
        line += byte
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        raise Fail("standard input holds no password", _BY_STDIN)
    if len(line) > MAX_PASSWORD:
        raise Fail("the password is too long", f"at most {MAX_PASSWORD} bytes of UTF-8 are taken")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        # Not chained: the exception holds what was read.
        raise Fail("the password is not UTF-8", "send it in UTF-8") from None
