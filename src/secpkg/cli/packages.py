"""``secpkg packages``."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import manage, read
from secpkg.cli.errors import FAILED
from secpkg.cli.options import as_json
from secpkg.contract.flags import Capability

_SERVES = ("loaded", "registered")
"""States of a module after it was added; a plain SSP is registered and loaded by applications alone."""
_LISTS = ("security_packages", "authentication_packages", "security_providers")


class Worker(msgspec.Struct, frozen=True):
    """The process that runs a package's LSA half."""

    pid: int | None
    restarts: int
    channels: int


class PackageRow(msgspec.Struct, frozen=True):
    """One element of the answer of packages.list, and the answer of packages.show. A module that did not load at all
    has a row with an empty ``name``.
    """

    name: str
    package_id: int | None
    module: str
    distribution: str
    version: str
    list: str
    state: str
    reason: str
    inbox: bool
    capabilities: int
    max_token: int
    comment: str
    primary_credentials: bool
    functions: tuple[str, ...]
    worker: Worker | None


class Added(msgspec.Struct, frozen=True):
    """Answer of packages.add and packages.revive."""

    module: str
    packages: tuple[str, ...] = ()
    state: str = "loaded"
    reason: str = ""


class Removed(msgspec.Struct, frozen=True):
    """Answer of packages.remove: ``draining`` contexts live on until they are closed or their deadline passes."""

    module: str
    packages: tuple[str, ...]
    draining: int


@click.group("packages")
def command() -> None:
    """Security packages: register, remove, revive."""


@command.command("list")
@as_json
def list_packages(as_json: bool) -> None:
    """All packages, the broken ones with the reason."""
    answer = manage("packages.list")
    if as_json:
        output.json(answer)
        return
    output.table(
        ("NAME", "STATE", "MODULE", "VERSION", "LIST", "WORKER", "REASON"),
        (
            (
                row.name or "-",
                row.state,
                row.module,
                row.version,
                "inbox" if row.inbox else row.list,
                _pid(row),
                row.reason,
            )
            for row in read(answer, tuple[PackageRow, ...])
        ),
        states=1,
    )


def _pid(row: PackageRow) -> str:
    return str(row.worker.pid) if row.worker is not None and row.worker.pid is not None else "-"


@command.command("show")
@click.argument("name")
@as_json
def show(name: str, as_json: bool) -> None:
    """One package: what it is, can do and defines."""
    answer = manage("packages.show", name=name)
    if as_json:
        output.json(answer)
        return
    row = read(answer, PackageRow)
    worker = row.worker
    output.facts(
        [
            ("name", row.name),
            ("comment", row.comment),
            ("state", f"{row.state}: {row.reason}" if row.reason else row.state),
            ("module", f"{row.module} ({row.distribution} {row.version})"),
            ("list", "inbox" if row.inbox else row.list),
            ("package id", "-" if row.package_id is None else str(row.package_id)),
            ("capabilities", _capabilities(row.capabilities)),
            ("largest token", f"{row.max_token} bytes"),
            ("primary credentials", "granted" if row.primary_credentials else "not granted"),
            ("functions", " ".join(row.functions)),
            (
                "worker",
                "none"
                if worker is None
                else f"process {worker.pid}, {output.plural(worker.restarts, 'restart')}, "
                f"{output.plural(worker.channels, 'channel')}",
            ),
        ]
    )


def _capabilities(bits: int) -> str:
    names = [flag.native for flag in Capability if flag & bits]
    return f"0x{bits:08X} {' '.join(names)}".rstrip()


@command.command("add")
@click.argument("module")
@click.option(
    "--list",
    "list_name",
    type=click.Choice(_LISTS),
    default=_LISTS[0],
    show_default=True,
    help="The operator's list on which the module stands.",
)
@click.option(
    "--path",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory with the module, when it is not installed where the authority runs.",
)
@click.option("--primary-credentials", is_flag=True, help="Hand this module users' clear passwords at logon.")
@click.option("--blocking", is_flag=True, help="The module blocks: run its functions on threads.")
@click.option("--temporary", is_flag=True, help="Forget the registration when the authority stops.")
@as_json
def add(
    module: str,
    list_name: str,
    path: Path | None,
    primary_credentials: bool,
    blocking: bool,
    temporary: bool,
    as_json: bool,
) -> None:
    """Register a module; its packages serve at once."""
    answer = manage(
        "packages.add",
        module=module,
        list=list_name,
        path="" if path is None else str(path.absolute()),
        primary_credentials=primary_credentials,
        blocking=blocking,
        permanent=not temporary,
    )
    _say_added(answer, as_json)


@command.command("revive")
@click.argument("module")
@as_json
def revive(module: str, as_json: bool) -> None:
    """Start a quarantined module again."""
    _say_added(manage("packages.revive", module=module), as_json)


def _say_added(answer: object, as_json: bool) -> None:
    added = read(answer, Added)
    if as_json:
        output.json(answer)
    else:
        names = f" {', '.join(added.packages)}" if added.packages else ""
        reason = f": {added.reason}" if added.reason else ""
        output.say(f"{added.module}: {added.state}{names}{reason}")
    if added.state not in _SERVES:
        click.get_current_context().exit(FAILED)


@command.command("remove")
@click.argument("name", metavar="NAME_OR_MODULE")
@as_json
def remove(name: str, as_json: bool) -> None:
    """Take a package's module out of service; open contexts may finish."""
    answer = manage("packages.remove", name=name)
    if as_json:
        output.json(answer)
        return
    removed = read(answer, Removed)
    draining = f"; {output.plural(removed.draining, 'context')} still open" if removed.draining else ""
    names = f" {', '.join(removed.packages)}" if removed.packages else ""
    output.say(f"{removed.module}: removed{names}{draining}")
