"""``secpkg trace``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import connected
from secpkg.cli.errors import Fail
from secpkg.cli.options import as_json
from secpkg.kit.trace import html, terminal
from secpkg.kit.trace.filters import Filter
from secpkg.kit.trace.follow import Follower
from secpkg.kit.trace.model import Event, plain

_MAX_KEPT = 20_000
"""Calls that a diagram or a page is drawn of; what comes later is shown and not drawn."""


class _Number(click.ParamType[int]):
    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(str(value).removeprefix("#"), 16 if str(value).startswith("#") else 0)
        except ValueError:
            self.fail(f"{value!r} is no handle: write it as #1f, 0x1f or 31", param, ctx)


@click.command("trace")
@click.option("--package", "packages", metavar="NAME", multiple=True, help="Only calls of this package.")
@click.option("--user", "users", metavar="USER", multiple=True, help="Only calls for this user, uid or account.")
@click.option("--handle", "handles", metavar="#HEX", type=_Number(), multiple=True, help="Only calls on this handle.")
@click.option("--function", "functions", metavar="GLOB", multiple=True, help="Only these, as in 'SpAccept*'.")
@click.option("--failed", is_flag=True, help="Only what was refused or failed.")
@click.option("--count", "--limit", "count", type=click.IntRange(min=1), help="Stop after so many calls.")
@click.option("--duration", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop after so many seconds.")
@click.option("--idle", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop when nothing happened so long.")
@click.option("--diagram", is_flag=True, help="Draw a sequence diagram at the end.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with a picture.")
@as_json
def command(
    packages: tuple[str, ...],
    users: tuple[str, ...],
    handles: tuple[int, ...],
    functions: tuple[str, ...],
    failed: bool,
    count: int | None,
    duration: float | None,
    idle: float | None,
    diagram: bool,
    page: Path | None,
    as_json: bool,
) -> None:
    """Watch the calls between applications, the authority and packages as they happen.

    Filters of one kind add up; of several kinds all must fit. With --json one object a line. Ends with Ctrl-C.
    """
    chosen = Filter(packages, users, handles, functions, failed)
    seen: list[Event] = []
    if page is not None:
        page.touch()  # what cannot be written is said before the calls are made, not after
    with connected() as lsa:
        follower = Follower(lsa, keep=chosen, count=count, duration=duration, idle=idle)
        events = iter(follower)
        try:
            for event in events:
                if as_json:
                    output.json_line(plain(event))
                elif not diagram:
                    click.echo(_paint(terminal.line(event), event.failed))
                if (diagram or page is not None) and len(seen) < _MAX_KEPT:
                    seen.append(event)
        except msgspec.ValidationError as error:
            raise Fail(
                f"the authority answered something unexpected: {error}",
                "run the command line and the authority from the same version of secpkg",
            ) from error
        except KeyboardInterrupt:
            pass
        finally:
            events.close()
    if follower.lost:
        click.echo(f"secpkg: {output.plural(follower.lost, 'call')} came too fast to be read", err=True)
    if diagram and not as_json:
        width = shutil.get_terminal_size((120, 24)).columns
        for line in terminal.diagram(seen, width, _paint):
            click.echo(line)
    if page is not None:
        page.write_text(html.page(seen), encoding="utf-8")
        click.echo(f"{page}: {output.plural(len(seen), 'call')}", err=True)


def _paint(text: str, failed: bool) -> str:
    return click.style(text, fg="red") if failed else text
