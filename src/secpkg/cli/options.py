"""Options that several commands share."""

from __future__ import annotations

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from one line of standard input; there is no prompt."
)
