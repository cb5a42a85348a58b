"""``secpkg authority``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Literal

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import manage, read
from secpkg.cli.errors import Fail
from secpkg.cli.options import as_json
from secpkg.contract.status import SecurityError
from secpkg.runtime.config import DaemonConfig

_LARGEST_UID = 0xFFFF_FFFE


class AuthorityStatus(msgspec.Struct, frozen=True):
    """Answer of authority.status; ``uptime`` in seconds."""

    pid: int
    uptime: float
    domain: str
    domain_sid: str
    socket: str
    packages: int
    sessions: int
    connections: int
    audit_records: int


@click.group("authority")
def command() -> None:
    """Run the authority, see how it is, stop it."""


@command.command("run")
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where it keeps its state.")
@click.option("--socket", type=click.Path(path_type=Path, dir_okay=False), help="Where applications reach it.")
@click.option("--domain", help="Name of the account domain (else that of the machine).")
@click.option("--accounts", type=click.Choice(["memory", "sqlite"]), help="Where accounts are kept (else sqlite).")
@click.option(
    "--trust",
    "trusted",
    metavar="UID",
    multiple=True,
    type=click.IntRange(1, _LARGEST_UID),
    help="A uid that holds SeTcbPrivilege, beside root; may be given more than once.",
)
@click.option(
    "--worker-uid",
    metavar="UID",
    type=click.IntRange(0, _LARGEST_UID),
    help="Whom packages run as when this is root (else the uid nobody).",
)
@click.option("--ready-fd", metavar="N", type=click.IntRange(min=0), help="Write a line there when it is ready.")
@click.option(
    "--master-key-fd",
    metavar="N",
    type=click.IntRange(min=3),
    help="Read the 32 bytes of the master key there (else from master.key in its directory, made at the first start).",
)
def run(
    directory: Path | None,
    socket: Path | None,
    domain: str | None,
    accounts: Literal["memory", "sqlite"] | None,
    trusted: tuple[int, ...],
    worker_uid: int | None,
    ready_fd: int | None,
    master_key_fd: int | None,
) -> None:
    """Run the authority in the foreground until it is stopped."""
    given: dict[str, object] = {
        "directory": directory and directory.absolute(),
        "socket": socket and socket.absolute(),
        "domain": domain,
        "accounts": accounts,
        "trusted_uids": trusted,
        "worker_uid": worker_uid,
        "ready_fd": ready_fd,
        "master_key_fd": master_key_fd,
    }
    try:
        config = DaemonConfig(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except LookupError as error:
        raise Fail(f"there is no directory for the authority: {error.args[0]}", "choose one with --dir") from None
    code: int = importlib.import_module("secpkg.runtime.daemon").run(config)
    click.get_current_context().exit(code)


@command.command("rotate-key")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Where the authority keeps its state.",
)
@click.option("--finish", is_flag=True, help="Make no key: finish a rotation that was cut off.")
@as_json
def rotate_key(directory: Path, finish: bool, as_json: bool) -> None:
    """Give an authority that does not run a new master key, and seal everything under it.

    Copies of the directory from before stay readable for who has the old key. The first key stays: decoys, the chain of
    the audit record and the delays of wrong passwords hang on it.
    """
    rotation = importlib.import_module("secpkg.runtime.key_rotation")
    try:
        rotated = rotation.rotate(directory.absolute(), new=not finish, told=lambda said: click.echo(said, err=True))
    except SecurityError as error:
        raise Fail(str(error), "mend that, then run: secpkg authority rotate-key --finish --dir DIR") from error
    if as_json:
        output.json(rotated)
        return
    retired = ", ".join(map(str, rotated.retired)) or "none"
    output.say(f"key {rotated.key} seals; {output.plural(rotated.resealed, 'secret')} sealed anew; retired: {retired}")


@command.command("status")
@as_json
def status(as_json: bool) -> None:
    """How the authority is."""
    answer = manage("authority.status")
    if as_json:
        output.json(answer)
        return
    it = read(answer, AuthorityStatus)
    output.facts(
        [
            ("process", str(it.pid)),
            ("up", output.duration(it.uptime)),
            ("domain", it.domain),
            ("domain SID", it.domain_sid),
            ("socket", it.socket),
            ("packages", str(it.packages)),
            ("sessions", str(it.sessions)),
            ("connections", str(it.connections)),
            ("audit records", str(it.audit_records)),
        ]
    )


@command.command("stop")
@as_json
def stop(as_json: bool) -> None:
    """Stop the authority: packages are shut down in reverse order of loading."""
    answer = manage("authority.stop")
    if as_json:
        output.json(answer)
    else:
        output.say("the authority stops")
