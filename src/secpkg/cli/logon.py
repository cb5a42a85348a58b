"""``secpkg logon``."""

from __future__ import annotations

import os
import subprocess

import click

from secpkg.cli import output
from secpkg.cli.connection import connected
from secpkg.cli.errors import Fail
from secpkg.cli.options import as_json, password_stdin
from secpkg.cli.passwords import ask
from secpkg.contract.flags import LogonType
from secpkg.lsa import Logon

TOKEN_FD = "SECPKG_ACCESS_TOKEN_FD"
"""Says to the command under which number it holds the descriptor. The descriptor is the power, the number is none."""

_TYPES = {
    kind.name.lower(): kind for kind in LogonType if kind not in (LogonType.UNDEFINED_LOGON_TYPE, LogonType.PROXY)
}


@click.command("logon", context_settings={"ignore_unknown_options": False})
@click.argument("user")
@click.argument("argv", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--package", default="Hello", show_default=True, help="The authentication package.")
@click.option(
    "--type", "kind", type=click.Choice(tuple(_TYPES)), default="interactive", show_default=True, help="The logon type."
)
@password_stdin
@as_json
def command(user: str, argv: tuple[str, ...], package: str, kind: str, password_stdin: bool, as_json: bool) -> None:
    """Log USER (NAME or DOMAIN\\NAME) on and show the session, which ends with this command.

    With a COMMAND, run it instead: it holds the session's access token as a descriptor, whose number is in
    SECPKG_ACCESS_TOKEN_FD, and the session ends when the last copy of it is closed.
    """
    domain, _, name = user.rpartition("\\")
    password = ask(f"Password for {user}", new=False, from_stdin=password_stdin)
    with connected(trusted=False) as lsa:
        logon = lsa.logon_user(package, _TYPES[kind], username=name, domain=domain, password=password)
        with logon:
            if argv:
                click.get_current_context().exit(_run(logon, argv))
            _show(logon, as_json)


def _show(logon: Logon, as_json: bool) -> None:
    token = logon.access_token
    information = token.information
    if as_json:
        output.json(
            {
                "logon_id": logon.luid,
                "user": token.account_name,
                "domain": token.domain_name,
                "sid": information.user,
                "groups": information.groups,
                "privileges": information.privileges,
            }
        )
        return
    output.facts(
        [
            ("logon id", f"0x{logon.luid:x}"),
            ("user", f"{token.domain_name}\\{token.account_name}" if token.domain_name else token.account_name),
            ("sid", information.user),
            *(("group", sid) for sid in information.groups),
            *(("privilege", name) for name in information.privileges),
        ]
    )


def _run(logon: Logon, argv: tuple[str, ...]) -> int:
    descriptor = logon.access_token.fileno()
    try:
        code = subprocess.run(
            argv, check=False, pass_fds=(descriptor,), env={**os.environ, TOKEN_FD: str(descriptor)}
        ).returncode
    except OSError as error:
        raise Fail(f"cannot run {argv[0]}: {error.strerror}", "give a command that is on PATH") from error
    return code if code >= 0 else 128 - code
