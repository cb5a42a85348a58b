"""``secpkg trace``."""

from __future__ import annotations

import time

import click
import msgspec

from secpkg.cli import output
from secpkg.cli.connection import connected, read
from secpkg.cli.options import as_json
from secpkg.contract.status import Status
from secpkg.lsa import Lsa

_WAIT = 1.0
"""Seconds that one read waits for something to happen."""


class Event(msgspec.Struct, frozen=True):
    """One call: ``time`` in Unix seconds, ``seconds`` how long it took, ``received`` and ``sent`` token bytes."""

    time: float
    seconds: float
    process: int | str
    kind: str
    function: str
    package: str
    channel: int
    handle: int
    status: int
    reason: str
    received: int
    sent: int


class Started(msgspec.Struct, frozen=True):
    """Answer of trace.start: where what happens from now on begins."""

    cursor: int


class Events(msgspec.Struct, frozen=True):
    """Answer of trace.read: what happened after the cursor that was given, and the cursor to give next."""

    cursor: int
    events: tuple[Event, ...]


@click.command("trace")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many calls.")
@click.option("--idle", type=click.FloatRange(min=0), help="Stop when nothing happened for so many seconds.")
@as_json
def command(limit: int | None, idle: float | None, as_json: bool) -> None:
    """Watch the calls between applications, packages and the authority; with --json one object a line.

    Ends with Ctrl-C.
    """
    with connected() as lsa:
        started = read(lsa.manage("trace.start"), Started)
        try:
            _follow(lsa, started.cursor, limit, idle, as_json)
        except KeyboardInterrupt:
            return
        finally:
            lsa.manage("trace.stop")


def _follow(lsa: Lsa, cursor: int, limit: int | None, idle: float | None, as_json: bool) -> None:
    shown = 0
    wait = _WAIT if idle is None else min(_WAIT, idle)
    quiet_since = time.monotonic()
    while True:
        answer = read(lsa.manage("trace.read", cursor=cursor, wait=wait), Events)
        cursor = answer.cursor
        for event in answer.events:
            output.json_line(event) if as_json else output.say(line(event))
            shown += 1
            if shown == limit:
                return
        if answer.events:
            quiet_since = time.monotonic()
        elif idle is not None and time.monotonic() - quiet_since >= idle:
            return


def line(event: Event) -> str:
    """A call as one line for people."""
    when = time.strftime("%H:%M:%S", time.gmtime(event.time)) + f".{int(event.time % 1 * 1000):03}"
    handle = f" #{event.handle:x}" if event.handle else ""
    size = f" {event.received} B in, {event.sent} B out" if event.received or event.sent else ""
    reason = f" ({event.reason})" if event.reason else ""
    return (
        f"{when} {event.seconds * 1000:9.3f} ms  {event.process!s:>8}  {event.kind:<8} {event.package:<12} "
        f"{event.function}{handle} = {status_name(event.status)}{reason}{size}"
    )


def status_name(number: int) -> str:
    """The documented name of a status, or its number."""
    try:
        return Status(number).native
    except ValueError:
        return f"0x{number:08X}"
