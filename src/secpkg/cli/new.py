"""``secpkg new``."""

from __future__ import annotations

from pathlib import Path

import click

from secpkg.cli import output
from secpkg.cli.errors import Fail
from secpkg.cli.options import as_json
from secpkg.kit.new import ROLES, NewFault, Role, make


@click.command("new")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="SSP, authentication package, or both in one.")
@click.option("--directory", type=click.Path(path_type=Path), help="Where to write it (else ./secpkg-NAME).")
@as_json
def command(name: str, role: Role, directory: Path | None, as_json: bool) -> None:
    """Begin a security package: a distribution with tests that pass, and the places marked that you must decide.

    NAME is what the package announces, such as Badge. Nothing is overwritten.
    """
    try:
        made = make(name, role, directory)
    except NewFault as fault:
        raise Fail(str(fault), fault.following) from None
    if as_json:
        output.json(made)
        return
    output.say(f"{made.names.distribution} in {made.directory}:")
    for path in made.files:
        output.say(f"  {path}")
    output.say("to decide:")
    for decision in made.decisions:
        output.say(f"  {decision.number}  {decision.file}:{decision.line}")
    module = made.names.module
    output.say(f"try it: secpkg lab {made.directory}")
    output.say(f"then: pip install -e '{made.directory}[test]'; pytest and mypy there; secpkg check {module}")
