"""The ``secpkg`` command. Each command's module is imported when it is called; ``secpkg --help`` has a table."""

from __future__ import annotations

import importlib
from typing import Any, Final

import click

_COMMANDS: Final = {
    "accounts": "User accounts of the authority.",
    "audit": "What the authority decided: read the audit record, check it.",
    "authority": "Run the authority, see how it is, stop it.",
    "check": "Try every rule that binds a package on a module, and attack it.",
    "decode": "Show a token as a tree: NTLM, SPNEGO, Kerberos, CredSSP, TLS.",
    "doctor": "Why is a module not loaded, why is it never called?",
    "functions": "Which documented functions work here, and where.",
    "groups": "Groups of the account domain.",
    "lab": "Try a module in a throwaway authority, again after each edit.",
    "logon": "Log a user on and show the session; or run a command in it.",
    "new": "Begin a security package: a distribution with its tests.",
    "packages": "Security packages: register, remove, revive.",
    "sessions": "Logon sessions.",
    "trace": "Watch the calls between applications, packages and the authority.",
}


class _Commands(click.Group):
    """Commands by name, loaded on use; failures that are expected end in two lines and never in a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"secpkg.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            from secpkg.cli.errors import failed, refused
            from secpkg.contract.status import SecurityError

            if isinstance(error, SecurityError):
                raise refused(error) from error
            if isinstance(error, OSError):
                raise failed(error) from error
            raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--authority",
    metavar="ADDRESS",
    help="The authority to talk to: unix:/path or embedded: (else SECPKG_AUTHORITY, the configuration, embedded).",
)
@click.version_option(package_name="secpkg")
@click.pass_context
def cli(ctx: click.Context, authority: str | None) -> None:
    """Custom security packages, and the Local Security Authority that hosts them."""
    from secpkg.cli.output import colour_allowed

    ctx.color = colour_allowed()
    ctx.meta["secpkg.authority"] = authority


def main() -> None:
    """Console script ``secpkg``."""
    cli(prog_name="secpkg")


if __name__ == "__main__":
    main()
