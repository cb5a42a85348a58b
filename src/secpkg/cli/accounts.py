"""``secpkg accounts``."""

from __future__ import annotations

import datetime
import math
import time

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import manage, manage_list, read
from secpkg.cli.options import as_json, password_stdin
from secpkg.cli.passwords import ask


class AccountRow(msgspec.Struct, frozen=True):
    """One element of the answer of accounts.list, and the answer of accounts.show; times are Unix seconds."""

    name: str
    sid: str
    full_name: str = ""
    enabled: bool = True
    locked: bool = False
    expires_at: float | None = None
    must_change: bool = False
    password_set_at: float | None = None
    groups: tuple[str, ...] = ()
    posix_uid: int | None = None
    created_at: float | None = None


class Instant(click.ParamType[float]):
    """ISO 8601, in UTC unless it has an offset; or ``never``."""

    name = "ISO"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value == "never":
            return math.inf
        try:
            when = datetime.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 date or time, nor 'never'", param, ctx)
        return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()


@click.group("accounts")
def command() -> None:
    """User accounts of the authority."""


@command.command("list")
@as_json
def list_accounts(as_json: bool) -> None:
    """All accounts."""
    answer = manage_list("accounts.list")
    if as_json:
        output.json(answer)
        return
    output.table(
        ("NAME", "STATE", "SID", "FULL NAME", "GROUPS"),
        (
            (row.name, _state(row), row.sid, row.full_name, ", ".join(row.groups))
            for row in read(answer, tuple[AccountRow, ...])
        ),
        states=1,
    )


def _state(row: AccountRow) -> str:
    words = [
        word
        for applies, word in (
            (not row.enabled, "disabled"),
            (row.locked, "locked"),
            (row.expires_at is not None and row.expires_at <= time.time(), "expired"),
        )
        if applies
    ]
    if row.must_change:
        words = [*(words or ["enabled"]), "must change password"]
    return ", ".join(words) or "enabled"


@command.command("show")
@click.argument("name")
@as_json
def show(name: str, as_json: bool) -> None:
    """One account."""
    answer = manage("accounts.show", name=name)
    if as_json:
        output.json(answer)
        return
    row = read(answer, AccountRow)
    output.facts(
        [
            ("name", row.name),
            ("full name", row.full_name),
            ("sid", row.sid),
            ("state", _state(row)),
            ("expires", output.instant(row.expires_at) or "never"),
            ("password set", output.instant(row.password_set_at) or "never"),
            ("groups", ", ".join(row.groups)),
            ("posix uid", "-" if row.posix_uid is None else str(row.posix_uid)),
            ("created", output.instant(row.created_at)),
        ]
    )


@command.command("add")
@click.argument("name")
@click.option("--full-name", default="", help="The person's name.")
@click.option("--group", "groups", multiple=True, help="A group to be in; may be given more than once.")
@click.option("--posix-uid", type=click.IntRange(1, 0xFFFF_FFFE), help="Whom to become on impersonation; never root.")
@click.option("--no-password", is_flag=True, help="Make the account without a password: nobody can log on with one.")
@click.option("--must-change", is_flag=True, help="The password must be changed at the first logon.")
@password_stdin
@as_json
def add(
    name: str,
    full_name: str,
    groups: tuple[str, ...],
    posix_uid: int | None,
    no_password: bool,
    must_change: bool,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Make an account; its password is asked for."""
    if no_password and password_stdin:
        raise click.UsageError("--no-password and --password-stdin contradict each other")
    password = None if no_password else ask(f"Password for {name}", new=True, from_stdin=password_stdin)
    answer = manage(
        "accounts.add",
        name=name,
        full_name=full_name,
        groups=list(groups),
        posix_uid=posix_uid,
        password=password,
        must_change=must_change,
    )
    _done(answer, f"{name}: added", as_json)


@command.command("passwd")
@click.argument("name")
@click.option("--must-change", is_flag=True, help="The password must be changed at the next logon.")
@password_stdin
@as_json
def passwd(name: str, must_change: bool, password_stdin: bool, as_json: bool) -> None:
    """Set a password; every package that asks for it derives its own verifier."""
    password = ask(f"New password for {name}", new=True, from_stdin=password_stdin)
    answer = manage("accounts.passwd", name=name, password=password, must_change=must_change)
    _done(answer, f"{name}: password set", as_json)


@command.command("expire")
@click.argument("name")
@click.option(
    "--at", "at", required=True, type=Instant(), help="When: ISO 8601, UTC unless it has an offset; or never."
)
@as_json
def expire(name: str, at: float, as_json: bool) -> None:
    """Say when an account expires."""
    when = None if math.isinf(at) else at
    answer = manage("accounts.expire", name=name, at=when)
    _done(answer, f"{name}: expires {output.instant(when) or 'never'}", as_json)


@command.command("groups")
@click.argument("name")
@click.argument("groups", nargs=-1)
@as_json
def set_groups(name: str, groups: tuple[str, ...], as_json: bool) -> None:
    """Say which groups an account is in: these and no others."""
    answer = manage("accounts.groups", name=name, groups=list(groups))
    _done(answer, f"{name}: in {', '.join(groups) or 'no group'}", as_json)


def _simple(verb: str, done: str, text: str) -> None:
    @command.command(verb, help=text)
    @click.argument("name")
    @as_json
    def simple(name: str, as_json: bool) -> None:
        _done(manage(f"accounts.{verb}", name=name), f"{name}: {done}", as_json)


_simple("enable", "enabled", "Let an account log on.")
_simple("disable", "disabled", "Keep an account from logging on.")
_simple("lock", "locked", "Lock an account.")
_simple("unlock", "unlocked", "Unlock an account.")
_simple("remove", "removed", "Remove an account; its SID is never used again.")


def _done(answer: object, text: str, as_json: bool) -> None:
    if as_json:
        output.json(answer)
    else:
        output.say(text)
