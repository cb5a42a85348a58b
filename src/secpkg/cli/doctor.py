"""``secpkg doctor``."""

from __future__ import annotations

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import AUTHORITY, connected
from secpkg.cli.errors import FAILED
from secpkg.cli.options import as_json
from secpkg.kit.doctor.gather import gather
from secpkg.kit.doctor.model import Report
from secpkg.kit.doctor.walk import walk

_MARKS = {"right": ("✓", "green"), "wrong": ("✗", "red"), "unknown": ("?", "yellow"), "not reached": ("·", None)}


@click.command("doctor")
@click.argument("name", metavar="[MODULE|PACKAGE]", default="")
@click.option("--watch", type=click.FloatRange(min=0), metavar="SECONDS", help="Trace for so long first: try it now.")
@as_json
def command(name: str, watch: float | None, as_json: bool) -> None:
    """Why is it not loaded, why is it never called?

    The first line says the first thing that is wrong and the command that mends it; the others what was found on the
    way. Without a name every module on the operator's lists is looked at.
    """
    authority: str | None = click.get_current_context().meta.get(AUTHORITY)
    if watch is not None:
        _watch(watch)
    reports = _reports(name, authority)
    wrong = [report for report in reports if report.finding is not None]
    if as_json:
        output.json([_plain(report) for report in reports])
    elif name or len(reports) == 1:
        _show((wrong or reports)[0])
    else:
        _overview(reports, wrong)
    if wrong:
        click.get_current_context().exit(FAILED)


def _watch(seconds: float) -> None:
    from secpkg.kit.trace.follow import Follower

    with connected() as lsa:
        click.echo(f"watching for {seconds:g} s", err=True)
        for _event in Follower(lsa, duration=seconds):
            pass


def _reports(name: str, authority: str | None) -> list[Report]:
    facts = gather(name, authority)
    reports = [walk(facts)]
    if name or reports[0].finding is not None:
        return reports
    modules = dict.fromkeys((*(entry.module for entry in facts.registered), *facts.providers))
    modules.update(dict.fromkeys(row.module for row in facts.rows))
    return [walk(gather(module, authority)) for module in modules] or reports


def _overview(reports: list[Report], wrong: list[Report]) -> None:
    if wrong:
        _show(wrong[0])
    else:
        output.say(f"nothing is wrong with {', '.join(report.module for report in reports)}")
    click.echo()
    for report in reports:
        _line("right" if report.finding is None else "wrong", report.module, report.line)


def _show(report: Report) -> None:
    output.say(report.line)
    if report.finding is not None:
        for text in report.finding.evidence:
            output.say(f"    {text}")
    for finding in report.also:
        output.say(f"also, as far as can be seen without the authority: {finding.line}")
        for text in finding.evidence:
            output.say(f"    {text}")
    click.echo()
    for mark in report.marks:
        _line(mark.state, mark.stage, mark.text or "not looked at")


def _line(state: str, what: str, text: str) -> None:
    mark, colour = _MARKS[state]
    click.echo(f"{click.style(mark, fg=colour)} {output.clean(what):<14} {output.clean(text)}")


def _plain(report: Report) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(report)
    plain["line"] = report.line
    return plain
