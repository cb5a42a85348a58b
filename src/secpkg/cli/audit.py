"""``secpkg audit``."""

from __future__ import annotations

import datetime
import fnmatch
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import connected, manage, read
from secpkg.cli.errors import Fail
from secpkg.cli.options import as_json

if TYPE_CHECKING:
    from secpkg.authority.audit_reader import Checked, Place
    from secpkg.lsa import Lsa

_PAGE: Final = 200
_WAIT: Final = 10.0
_FINE: Final = ("STATUS_SUCCESS", "SEC_E_OK")
_HEAD: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")

Fact = str | int | bool | None


class _Record(msgspec.Struct, frozen=True):
    seq: int
    time: str
    event: str
    status: str
    uid: int | None
    pid: int | None
    package: str
    facts: dict[str, Fact]
    claimed: dict[str, Fact]
    previous: str

    @property
    def failed(self) -> bool:
        """Whether something was refused or failed, as the authority knows or as a package says (R107)."""
        return self.status not in _FINE or str(self.claimed.get("status", _FINE[0])) not in _FINE


class _Row(msgspec.Struct, frozen=True):
    seq: int
    mac: str
    record: _Record | None


class _Page(msgspec.Struct, frozen=True):
    """Answer of audit.read."""

    rows: tuple[_Row, ...]
    newest: int
    waits: bool
    ring: bool


class _Wanted(msgspec.Struct, frozen=True):
    """What is shown."""

    events: tuple[str, ...]
    users: tuple[str, ...]
    failures: bool
    since: str

    def fits(self, row: _Row) -> bool:
        it = row.record
        if it is None:
            return True  # nobody looks past a line that was changed
        if self.since and it.time < self.since:
            return False
        if self.failures and not it.failed:
            return False
        if self.events and not any(fnmatch.fnmatchcase(it.event, event) for event in self.events):
            return False
        named = {str(said.get("account_name") or said.get("name") or "").casefold() for said in (it.facts, it.claimed)}
        return not self.users or any(user.casefold() in named for user in self.users)


class _Head(click.ParamType[tuple[int, str]]):
    name = "head"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, str]:
        found = _HEAD.fullmatch(str(value))
        if found is None:
            self.fail("a head is what secpkg audit verify printed: NUMBER:64 hexadecimal digits", param, ctx)
        return int(found[1]), found[2]


class _Moment(click.ParamType[str]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            moment = datetime.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time: write it as 2026-01-31, or 2026-01-31T12:00:00 (UTC)", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return moment.astimezone(datetime.UTC).isoformat()


@click.group("audit")
def command() -> None:
    """What the authority decided: read the audit record, check it, close its file."""


@command.command("show")
@click.option("--event", "events", metavar="GLOB", multiple=True, help="Only these, as in 'logon' or 'passthrough_*'.")
@click.option("--user", "users", metavar="NAME", multiple=True, help="Only what is about this account.")
@click.option("--failures", is_flag=True, help="Only what was refused or failed.")
@click.option("--since", type=_Moment(), metavar="TIME", help="Only what happened since (UTC).")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest (else 50; all with --since).")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@as_json
def show(
    events: tuple[str, ...],
    users: tuple[str, ...],
    failures: bool,
    since: str | None,
    limit: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the newest records. What stands behind "claims" is what a package said; the rest the authority knows.

    With --json one object a line.
    """
    wanted = _Wanted(events, users, failures, since or "")
    with connected() as lsa:
        newest = _read(lsa, 0, 1).newest
        found = _newest(lsa, newest, wanted, limit or (1 << 62 if since else 50))
        for row in found:
            _print(row, as_json)
        try:
            for row in _following(lsa, newest) if follow else ():
                if wanted.fits(row):
                    _print(row, as_json)
        except KeyboardInterrupt:
            pass


def _read(lsa: Lsa, after: int, limit: int = _PAGE, wait: float = 0.0) -> _Page:
    return read(lsa.manage("audit.read", after=after, limit=limit, wait=wait), _Page)


def _newest(lsa: Lsa, newest: int, wanted: _Wanted, limit: int) -> list[_Row]:
    """The last records that fit, in their order; read from the end."""
    found: list[_Row] = []
    high = newest
    while high > 0 and len(found) < limit:
        low = max(0, high - _PAGE)
        rows = list(_between(lsa, low, high))
        found[:0] = [row for row in rows if wanted.fits(row)]
        if not rows or (wanted.since and any(row.record and row.record.time < wanted.since for row in rows)):
            break
        high = low
    return found[-limit:]


def _between(lsa: Lsa, low: int, high: int) -> Iterator[_Row]:
    """The records after ``low`` up to ``high``: a page may end early, where lines are long."""
    while low < high:
        rows = _read(lsa, low, high - low).rows
        yield from (row for row in rows if row.record is None or row.seq <= high)
        if not rows:
            return
        low = _last(rows, low)


def _last(rows: tuple[_Row, ...], after: int) -> int:
    """The number to go on from. A line that is not as it was written moves nobody: it counts as one."""
    return max([after + len(rows), *(row.seq for row in rows if row.record is not None)])


def _following(lsa: Lsa, after: int) -> Iterator[_Row]:
    while True:
        page = _read(lsa, after, wait=_WAIT)
        yield from page.rows
        if not page.waits and not page.rows:
            raise Fail("nothing can come", "an embedded authority ends with this command: follow that of a daemon")
        after = min(_last(page.rows, after), page.newest)


def _print(row: _Row, as_json: bool) -> None:
    it = row.record
    if as_json:
        output.json_line(
            {"seq": row.seq, "intact": False} if it is None else {**msgspec.to_builtins(it), "intact": True}
        )
        return
    if it is None:
        click.echo(click.style(f"{row.seq:>8}  this line is not as it was written: secpkg audit verify", fg="red"))
        return
    who = "" if it.uid is None else f"uid {it.uid} pid {it.pid}"
    said = " ".join([f"{name}={_fact(value)}" for name, value in it.facts.items()])
    claims = " ".join([f"{name}={_fact(value)}" for name, value in it.claimed.items()])
    parts = [f"{it.seq:>8}", it.time[:19] + "Z", it.event, it.status, who, it.package, said]
    line = "  ".join([output.clean(part) for part in parts if part]) + (
        f"  claims {output.clean(claims)}" if claims else ""
    )
    click.echo(click.style(line, fg="red") if it.failed else line)


def _fact(value: Fact) -> str:
    text = "-" if value is None else str(value)
    return text if text and " " not in text else repr(text)


@command.command("verify")
@click.option("--head", type=_Head(), metavar="NUMBER:MAC", help="A head from before: it must still be in the record.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Check the files of an authority that does not run, with the master key beside them.",
)
@as_json
def verify(head: tuple[int, str] | None, directory: Path | None, as_json: bool) -> None:
    """Check the chain from the first record to the last, and print its head.

    Note the head elsewhere: with --head a later check proves that nothing was taken off the end since. Exits with 1 and
    the first bad record where something was changed, removed, inserted or moved.
    """
    reader = importlib.import_module("secpkg.authority.audit_reader")
    if directory is not None:
        offline = importlib.import_module("secpkg.runtime.audit_reading").offline(directory)
        answer = _whole(reader.whole(offline, head=head))
    else:
        with connected() as lsa:
            ring = _read(lsa, 0, 1).ring
            answer = _whole(reader.whole(partial(_check, lsa), head=head, ring=ring))
    if as_json:
        output.json(answer)
    if answer["broken"]:
        reason = str(answer["broken"])
        raise Fail(f"the audit record is not whole: {reason}", _following_step(reason))
    if as_json:
        return
    output.facts(
        [
            ("records", str(answer["records"])),
            ("first", f"{answer['first']}, {answer['begun']}" if answer["records"] else "none"),
            ("last", f"{answer['last']}, {answer['time']}" if answer["records"] else "none"),
            ("head", f"{answer['last']}:{answer['mac']}"),
            ("proven", f"record {head[0]} is the one that was noted" if head else "nothing of the end: give --head"),
        ]
    )


def _check(lsa: Lsa, place: Place, until: int) -> Checked:
    reader = importlib.import_module("secpkg.authority.audit_reader")
    kind: type[Checked] = reader.Checked
    answer = lsa.manage("audit.check", **msgspec.structs.asdict(place), until=until)
    if isinstance(answer, dict) and isinstance(broken := answer.get("broken"), str) and broken:
        raise reader.AuditBroken(broken)
    return read(answer.get("checked") if isinstance(answer, dict) else None, kind)


def _whole(slices: Iterator[Checked]) -> dict[str, object]:
    """Walk through the check, telling people how far it is."""
    broken: type[Exception] = importlib.import_module("secpkg.authority.audit_reader").AuditBroken
    first, begun, last, time, mac = 0, "", 0, "", ""
    reason = ""
    shows = _progress()
    try:
        for checked in slices:
            first, begun = first or checked.first, begun or checked.begun
            last, mac, time = checked.place.seq, checked.place.mac, checked.time or time
            shows(last)
    except broken as error:
        reason = str(getattr(error, "reason", ""))
    shows(0)
    return {
        "records": last - first + 1 if first else 0,
        "first": first,
        "begun": begun,
        "last": last,
        "time": time,
        "mac": mac,
        "broken": reason,
    }


def _following_step(reason: str) -> str:
    if reason.endswith("_before_the_first"):
        return "that head is older than what is kept: give a later one"
    if reason in ("audit_file_missing", "audit_file_is_gone") or reason.startswith("records_before_"):
        return "a file of the record is missing: the authority did not delete it"
    if reason.endswith(("_missing", "_another")):
        return "the end of the record was taken off or written anew since that head was noted"
    return "everything before that record is whole: keep a copy of the files, and compare them with a backup"


def _progress() -> Callable[[int], None]:
    """Say on a terminal how many records were checked; 0 wipes the line."""
    if not sys.stderr.isatty():
        return lambda _count: None
    return lambda count: click.echo("\r\x1b[K" + (f"{count} records" if count else ""), err=True, nl=False)


@command.command("rotate")
@as_json
def rotate(as_json: bool) -> None:
    """Close the file of the record and go on in a new one. The chain goes through both."""
    answer = manage("audit.rotate")
    if as_json:
        output.json(answer)
        return
    segment = read(answer, dict[str, str]).get("segment", "")
    output.say(f"closed: {segment}" if segment else "there is nothing to close")
