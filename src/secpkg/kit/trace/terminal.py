"""Calls as lines, and as a sequence diagram of box-drawing characters.

What comes from packages and applications is shown as text: control and format characters are escaped. Colour is the
caller's, by ``paint(text, failed)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from secpkg.kit.trace.model import AUTHORITY, CALLBACK, LSA, USER, Event, instant
from secpkg.kit.trace.sequence import Lifeline, Move, sequence

_MARGIN: Final = 10
_NARROWEST: Final = 26
_WIDEST: Final = 64

Paint = Callable[[str, bool], str]


def _as_is(text: str, _failed: bool) -> str:
    return text


def clean(text: str) -> str:
    """The text with everything that is no printable character escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def route(event: Event) -> str:
    """Who called whom."""
    application = str(event.application) if event.application else "-"
    package = f"{event.package} {event.process}"
    if event.kind == AUTHORITY:
        return f"{application} → authority"
    if event.kind == LSA:
        return f"{package} → authority"
    if event.kind == CALLBACK:
        return package
    if event.kind == USER:
        return f"{application} in {event.package}"
    return f"{application if event.channel else 'authority'} → {package}"


def line(event: Event) -> str:
    """A call as one line for people."""
    handle = f" #{event.handle:x}" if event.handle else ""
    size = f" {event.received} B in, {event.sent} B out" if event.received or event.sent else ""
    reason = f" ({event.reason})" if event.reason else ""
    account = f" {event.account}" if event.account else ""
    return clean(
        f"{instant(event)} {event.seconds * 1000:9.3f} ms  {route(event):<28} {event.function}{handle}{account}"
        f" = {event.status_name}{reason}{size}"
    )


def diagram(events: Iterable[Event], width: int = 120, paint: Paint = _as_is) -> list[str]:
    """The sequence diagram, line by line; ``width`` is the terminal's, and is exceeded rather than unreadable."""
    drawn = sequence(events)
    if not drawn.moves:
        return []
    lifelines = drawn.lifelines
    gaps = max(1, len(lifelines) - 1)
    gap = min(_WIDEST, max(_NARROWEST, (width - _MARGIN - 14) // gaps))
    places = {lifeline: _MARGIN + 8 + number * gap for number, lifeline in enumerate(lifelines)}
    rows = [_heads(places, gap)]
    for move in drawn.moves:
        row = _row(move, places)
        rows.append(paint(row, move.event.failed and move.direction != "call"))
    rows.append(_bare(places))
    return rows


def _heads(places: dict[Lifeline, int], gap: int) -> str:
    text = "ms".rjust(_MARGIN - 1)
    for lifeline, place in places.items():
        name = clean(lifeline.name)[: gap - 2]
        text = text.ljust(max(len(text) + 1, place - len(name) // 2)) + name
    return text.rstrip()


def _bare(places: dict[Lifeline, int]) -> str:
    cells = [" "] * (max(places.values()) + 1)
    for place in places.values():
        cells[place] = "│"
    return "".join(cells)


def _row(move: Move, places: dict[Lifeline, int]) -> str:
    cells = list(_bare(places))
    cells[: _MARGIN - 1] = f"{move.at * 1000:.2f}".rjust(_MARGIN - 1)
    source, target = places[move.source], places[move.target]
    label = clean(move.label)
    if move.direction == "self":
        return "".join(cells[: source + 1]) + f"● {label}"
    left, right = min(source, target), max(source, target)
    fill = "─" if move.direction == "call" else "┄"
    room = right - left - 5
    text = f" {label if len(label) <= room else label[: room - 1] + '…'} "
    inside = (fill + text).ljust(right - left - 1, fill)
    if target > source:
        cells[left : right + 1] = "├" + inside[:-1] + "▶" + "│"
    else:
        cells[left : right + 1] = "│" + "◀" + (text + fill).rjust(right - left - 2, fill) + "┤"
    return "".join(cells).rstrip()
