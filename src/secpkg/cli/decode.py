"""``secpkg decode``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from secpkg.cli import output
from secpkg.cli.errors import FAILED, Fail
from secpkg.cli.options import as_json, password_stdin
from secpkg.cli.passwords import ask

if TYPE_CHECKING:
    from secpkg.kit.decode.given import Given

_HASH: Final = 16
_LONGEST_HASH_FILE: Final = 128
_SECRETS: Final = "--password, --password-stdin, --nt-hash, --nt-hash-stdin and --nt-hash-file"


@click.command("decode")
@click.argument("tokens", metavar="[TOKEN]...", nargs=-1)
@click.option(
    "--file",
    "-f",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with a token a line, or one token as it is; may be given more than once.",
)
@click.option("--raw", is_flag=True, help="Files and standard input are the token itself, even if they look like text.")
@click.option(
    "--package", metavar="NAME", help="Let the decoder that is installed for this package read what is unknown."
)
@click.option(
    "--password", is_flag=True, help="Ask for the user's password, and check proofs and open messages with it."
)
@password_stdin
@click.option("--nt-hash", is_flag=True, help="The same with the NT hash of the password, in hex.")
@click.option("--nt-hash-stdin", is_flag=True, help="Read the NT hash from one line of standard input.")
@click.option(
    "--nt-hash-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Read the NT hash from a file.",
)
@click.option("--all", "everything", is_flag=True, help="Show long bytes whole.")
@as_json
def command(
    tokens: tuple[str, ...],
    files: tuple[Path, ...],
    raw: bool,
    package: str | None,
    password: bool,
    password_stdin: bool,
    nt_hash: bool,
    nt_hash_stdin: bool,
    nt_hash_file: Path | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Show tokens as trees: NTLM, SPNEGO, NegoEx, Kerberos, CredSSP, TLS records.

    A TOKEN is hex, base64 or a header line; without any (or for -) standard input is read. Several are a conversation,
    in their order: arguments, then files. Before a token > says that the initiator sent it, < that the acceptor did.
    The exit status is 1 where a token ends in a fault or something that was checked does not hold.
    """
    from secpkg.kit.decode import decode
    from secpkg.kit.decode.given import Unreadable
    from secpkg.kit.decode.package import NoDecoder, load
    from secpkg.kit.decode.show import BOLD, COLOURS, lines, plain
    from secpkg.kit.decode.verify import FAILS

    ways = (password, password_stdin, nt_hash, nt_hash_stdin, nt_hash_file is not None)
    if sum(ways) > 1:
        raise click.UsageError(f"{_SECRETS} exclude each other")
    try:
        decoder = None if package is None else load(package)
    except NoDecoder as missing:
        raise Fail(str(missing), missing.following) from None
    if not tokens and not files and sys.stdin.isatty():
        raise click.UsageError("give a token, --file, or a token on standard input")
    secret = _secret(password, password_stdin, nt_hash, nt_hash_stdin, nt_hash_file)
    try:
        given = _given(tokens, files, raw=raw)
        report = decode(given, nt_hash=secret, package=decoder, package_name=package or "")
    except Unreadable as unreadable:
        raise Fail(str(unreadable), "a token is hex, base64 or a header line; --raw takes bytes as they are") from None
    if as_json:
        output.json_ascii(plain(report))
    else:
        for line, style in lines(report, everything=everything):
            click.echo(click.style(output.clean(line), bold=style == BOLD, fg=COLOURS.get(style)))
    if report.faults or any(check.result == FAILS for check in report.checks):
        click.get_current_context().exit(FAILED)


def _given(tokens: tuple[str, ...], files: tuple[Path, ...], *, raw: bool) -> list[Given]:
    from secpkg.kit.decode.given import MAX_INPUT, Unreadable, of_bytes, of_line

    given: list[Given] = []
    for number, token in enumerate(tokens or (() if files else ("-",)), 1):
        if token == "-":
            given += of_bytes(sys.stdin.buffer.read(MAX_INPUT + 1), "standard input", raw=raw)
        elif len(token) > MAX_INPUT:
            raise Unreadable(f"argument {number}: longer than {MAX_INPUT} characters")
        else:
            given.append(of_line(token, f"argument {number}"))
    for path in files:
        with path.open("rb") as file:
            given += of_bytes(file.read(MAX_INPUT + 1), path.name, raw=raw)
    return given


def _secret(
    password: bool, password_stdin: bool, nt_hash: bool, nt_hash_stdin: bool, nt_hash_file: Path | None
) -> bytes | None:
    """The NT hash to check with; it comes by prompt, standard input or file, and never by an argument."""
    if password or password_stdin:
        from secpkg.protocols.ntlm.errors import Rejected
        from secpkg.protocols.ntlm.hashes import nt_hash as of_password

        try:
            return of_password(ask("Password", new=False, from_stdin=password_stdin))
        except Rejected as rejected:
            raise Fail("this is no password of NTLM", rejected.rule) from None
    if nt_hash_file is not None:
        with nt_hash_file.open("rb") as file:
            return _hash(file.read(_LONGEST_HASH_FILE).decode("ascii", "replace"))
    if nt_hash or nt_hash_stdin:
        return _hash(ask("NT hash", new=False, from_stdin=nt_hash_stdin))
    return None


def _hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text.strip())
    except ValueError:
        value = b""
    if len(value) != _HASH:
        # Not chained: the exception holds what was read.
        raise Fail("this is no NT hash", f"an NT hash is {_HASH} bytes, written as {2 * _HASH} hex digits") from None
    return value
