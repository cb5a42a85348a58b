"""``secpkg functions``."""

from __future__ import annotations

import click

from secpkg.cli import output
from secpkg.cli.options import as_json
from secpkg.contract.reference import tables
from secpkg.kit.functions import STATES, counts, function_states


@click.command("functions")
@click.option("--table", "only_table", type=click.Choice(tables()), help="Only the functions of this table.")
@click.option("--state", "only_state", type=click.Choice(STATES), help="Only the functions in this state.")
@as_json
def command(only_table: str | None, only_state: str | None, as_json: bool) -> None:
    """Which documented functions work here, and where: computed from the code."""
    chosen = tuple(
        one for one in function_states() if only_table in (None, one.table) and only_state in (None, one.state)
    )
    if as_json:
        output.json(chosen)
        return
    output.table(
        ("TABLE", "FUNCTION", "STATE", "WHERE", "PYTHON", "REASON"),
        ((one.table, one.function, one.state, one.where, one.python, one.reason) for one in chosen),
        states=2,
    )
    counted = ", ".join(f"{count} {state}" for state, count in counts(chosen).items() if count)
    output.say(f"\n{output.plural(len(chosen), 'function')}: {counted}".strip())
