"""What is printed: aligned tables, colour where a terminal takes it, JSON.

What comes from packages, accounts and peers is shown as text and never obeyed: control and format characters are
escaped. Colour is click's business (none where standard output is no terminal), and NO_COLOR turns it off.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Sequence
from typing import Final

import click

_COLOURS: Final = {
    "working": "green",
    "duty": "green",
    "error": "green",
    "undocumented": "yellow",
    "unproven": "red",
    "loaded": "green",
    "unsupported": "yellow",
    "draining": "yellow",
    "unloaded": "yellow",
    "refused": "red",
    "broken": "red",
    "quarantined": "red",
    "enabled": "green",
    "disabled": "red",
    "locked": "red",
    "expired": "red",
}


def colour_allowed() -> bool | None:
    """False where NO_COLOR is set and not empty, else None: it depends on where the output goes."""
    return False if os.environ.get("NO_COLOR") else None


def clean(text: str) -> str:
    """The text with everything that is no printable character escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def state(word: str, width: int = 0) -> str:
    """A state in its colour."""
    return click.style(clean(word).ljust(width), fg=_COLOURS.get(word.partition(",")[0]))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], states: int | None = None) -> None:
    """Print aligned columns; the column ``states`` is coloured by its word. Nothing follows the last column."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cleaned, strict=True)]
    _row(headings, widths, None, bold=True)
    for row in cleaned:
        _row(row, widths, states)


def _row(cells: Sequence[str], widths: Sequence[int], states: int | None, *, bold: bool = False) -> None:
    last = len(cells) - 1
    parts = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        padding = 0 if number == last else width
        parts.append(state(cell, padding) if number == states else cell.ljust(padding))
    line = "  ".join(parts).rstrip()
    click.echo(click.style(line, bold=True) if bold else line)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one line each."""
    pairs = list(pairs)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {clean(value)}".rstrip())


def say(text: str) -> None:
    """Print one line."""
    click.echo(clean(text))


def json(value: object) -> None:
    """Print a value as indented JSON."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def json_ascii(value: object) -> None:
    """Print a value as indented JSON in ASCII: what strangers wrote reaches no terminal as it is."""
    from json import dumps

    click.echo(dumps(value, indent=2, ensure_ascii=True))


def json_line(value: object) -> None:
    """Print a value as one line of JSON."""
    import msgspec

    click.echo(msgspec.json.encode(value).decode())


def instant(seconds: float | None) -> str:
    """Unix seconds as an ISO 8601 instant in UTC; nothing for None."""
    if seconds is None:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """A time span for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def plural(count: int, thing: str) -> str:
    """A number with its noun."""
    return f"{count} {thing}" + ("" if count == 1 else "s")
