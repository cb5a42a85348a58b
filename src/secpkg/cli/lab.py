"""``secpkg lab``."""

from __future__ import annotations

import signal
from collections.abc import Callable

import click

from secpkg.cli import output
from secpkg.cli.errors import FAILED, Fail
from secpkg.cli.options import as_json
from secpkg.kit.lab.daemon import LabDaemon, LabFault
from secpkg.kit.lab.lab import Lab, default_names
from secpkg.kit.lab.model import Began, Called, Changed, LabEvent, Loaded, Outcome
from secpkg.kit.lab.project import ProjectFault
from secpkg.kit.trace import terminal
from secpkg.kit.trace.model import plain


@click.command("lab")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option("--once", is_flag=True, help="Try once, and exit with 1 when something failed.")
@as_json
def command(modules: tuple[str, ...], once: bool, as_json: bool) -> None:
    """Try modules in a throwaway authority, again after each edit of their source.

    MODULE is the name of an installed module, or the directory of a project; without one, the project here. Needs no
    root; ends with Ctrl-C, and leaves nothing behind.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what stops it leaves nothing behind
    tell: Callable[[LabEvent], None] = _tell_json if as_json else _tell
    try:
        names = modules or default_names()
        with LabDaemon() as daemon:
            lab = Lab(daemon, names, tell)
            if not once:
                lab.watch()
            passed = lab.round()
    except (ProjectFault, LabFault) as fault:
        raise Fail(str(fault), fault.following) from None
    except KeyboardInterrupt:
        return
    if not passed:
        click.get_current_context().exit(FAILED)


def _tell_json(event: LabEvent) -> None:
    if isinstance(event, Called):
        output.json_line({"type": "called", **plain(event.event)})
    else:
        output.json_line(event)


def _tell(event: LabEvent) -> None:
    if isinstance(event, Began):
        output.say(f"authority  {event.authority}")
        output.say(f"user       {event.user}, password {event.password} (shown this once)")
        for root in event.watched:
            output.say(f"watching   {root}")
    elif isinstance(event, Loaded):
        where = f", worker {event.worker}" if event.worker else ""
        output.say(f"\n{event.module}: {event.state} {', '.join(event.packages)}{where}".lstrip("\n"))
    elif isinstance(event, Called):
        click.echo(click.style("  " + terminal.line(event.event), fg="red" if event.event.failed else None, dim=True))
    elif isinstance(event, Changed):
        output.say(f"changed    {', '.join(event.files)}")
    else:
        _tell_outcome(event)


def _tell_outcome(event: Outcome) -> None:
    what = f"{event.package or event.module}, {event.kind}"
    if event.passed:
        said = f": {event.said}" if event.said else ""
        click.echo(click.style("PASS ", fg="green", bold=True) + output.clean(f"{what}{said} ({event.seconds:.2f} s)"))
        return
    told = ": ".join(part for part in (event.who, event.status, event.reason) if part)
    click.echo(click.style("FAIL ", fg="red", bold=True) + output.clean(f"{what}: {told}"))
    for fault in event.faults:
        output.say(f"  {fault.file}:{fault.line}: {fault.error}")
        if fault.source:
            output.say(f"    {fault.source}")
