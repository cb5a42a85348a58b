"""``secpkg sessions``."""

from __future__ import annotations

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import manage_list, read
from secpkg.cli.options import as_json
from secpkg.contract.flags import LogonType


class SessionRow(msgspec.Struct, frozen=True):
    """One element of the answer of sessions.list; ``created`` in Unix seconds."""

    logon_id: int
    user: str
    domain: str
    package: str
    logon_type: int | str
    created: float
    tokens: int
    sid: str


@click.command("sessions")
@as_json
def command(as_json: bool) -> None:
    """Logon sessions."""
    answer = manage_list("sessions.list")
    if as_json:
        output.json(answer)
        return
    output.table(
        ("LOGON ID", "USER", "PACKAGE", "TYPE", "SINCE", "TOKENS", "SID"),
        (
            (
                f"0x{row.logon_id:x}",
                f"{row.domain}\\{row.user}" if row.domain else row.user,
                row.package,
                logon_type_name(row.logon_type),
                output.instant(row.created),
                str(row.tokens),
                row.sid,
            )
            for row in read(answer, tuple[SessionRow, ...])
        ),
    )


def logon_type_name(value: int | str) -> str:
    """The documented name of a logon type, or its number."""
    try:
        return value if isinstance(value, str) else LogonType(value).native
    except ValueError:
        return str(value)
