"""``secpkg check MODULE``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secpkg.cli import output
from secpkg.cli.options import as_json

if TYPE_CHECKING:
    from secpkg.kit.check.model import Finding


@click.command("check")
@click.argument("module")
@click.option("--quick", is_flag=True, help="Sample the attacks: about ten seconds.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of every choice the kit makes.")
@click.option("--only", default="", metavar="WORDS", help="Rules and probes, by commas: R143,replay.")
@click.option("--hooks", type=click.Path(exists=True, dir_okay=False), help="A file with prepare(place): credentials.")
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE", help="Write a JUnit report.")
@click.option("--html", type=click.Path(dir_okay=False), metavar="FILE", help="Write a page that can be shipped.")
@click.option("--all", "everything", is_flag=True, help="Show rules that were kept or are not applicable, too.")
@click.option("--no-isolation", is_flag=True, help="Run in this process, for a debugger; nothing is cut off.")
@as_json
def command(
    module: str,
    quick: bool,
    seed: int,
    only: str,
    hooks: str | None,
    junit: str | None,
    html: str | None,
    everything: bool,
    no_isolation: bool,
    as_json: bool,
) -> None:
    """Try every rule that binds a package on MODULE, and attack it.

    MODULE is the name of an installed module, a path, or package.module:lsa_mode_initialize. The exit status is 1 when
    a rule is broken, 2 when the kit could not do its work.
    """
    from secpkg.kit.check import report_html, report_junit, report_text
    from secpkg.kit.check.run import check
    from secpkg.kit.check.target import TargetFault

    sys.path.insert(0, "")
    try:
        report = check(
            module,
            seed=seed,
            quick=quick,
            only=only.split(","),
            hooks=hooks,
            isolate=not no_isolation,
            progress=None if as_json or not sys.stderr.isatty() else _progress,
        )
    except TargetFault as fault:
        raise click.UsageError(str(fault)) from None
    finally:
        sys.path.remove("")
        if not as_json and sys.stderr.isatty():
            click.echo("\r\x1b[K", nl=False, err=True)
    if junit:
        Path(junit).write_text(report_junit.render(report), "utf-8")
    if html:
        Path(html).write_text(report_html.render(report), "utf-8")
    if as_json:
        output.json(report)
    else:
        for line, style in report_text.lines(report, everything=everything):
            click.echo(click.style(output.clean(line), fg=style or None))
    if report.broken:
        raise SystemExit(1)
    if report.faults:
        raise SystemExit(2)


def _progress(name: str, number: int, total: int, found: Sequence[Finding]) -> None:
    width = 24
    done = number * width // max(total, 1)
    click.echo(f"\r\x1b[K[{'=' * done}{' ' * (width - done)}] {number}/{total} {name}", nl=False, err=True)
