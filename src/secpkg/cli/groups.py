"""``secpkg groups``."""

from __future__ import annotations

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import manage, manage_list, read
from secpkg.cli.options import as_json


class GroupRow(msgspec.Struct, frozen=True):
    """One element of the answer of groups.list."""

    name: str
    sid: str


@click.group("groups")
def command() -> None:
    """Groups of the account domain."""


@command.command("list")
@as_json
def list_groups(as_json: bool) -> None:
    """All groups."""
    answer = manage_list("groups.list")
    if as_json:
        output.json(answer)
        return
    output.table(("NAME", "SID"), ((row.name, row.sid) for row in read(answer, tuple[GroupRow, ...])))


@command.command("add")
@click.argument("name")
@as_json
def add(name: str, as_json: bool) -> None:
    """Make a group."""
    _done(manage("groups.add", name=name), f"{name}: added", as_json)


@command.command("remove")
@click.argument("name")
@as_json
def remove(name: str, as_json: bool) -> None:
    """Remove a group, and everybody from it."""
    _done(manage("groups.remove", name=name), f"{name}: removed", as_json)


def _done(answer: object, text: str, as_json: bool) -> None:
    if as_json:
        output.json(answer)
    else:
        output.say(text)
