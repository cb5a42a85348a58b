"""A trace as one self-contained page: an SVG sequence diagram, what was called how often, and every call.

The page asks for nothing from anywhere: no script, no font, no image, and its own policy says so. Everything that comes
from packages and applications enters it as escaped text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from secpkg.kit.trace.model import Event, instant, user_name
from secpkg.kit.trace.sequence import Lifeline, Move, sequence
from secpkg.kit.trace.terminal import clean, route

_GAPS: Final = 330, 210
"""Between two lifelines: of a few, and at the least."""
_PAGE: Final = 1100
_LEFT: Final = 150
_ROW: Final = 26
_TOP: Final = 64
MAX_MOVES: Final = 5000
"""Arrows in one picture; a longer trace is cut there, and the page says so."""

_STYLE: Final = """\
:root { color-scheme: light dark; --ink: #1c2733; --dim: #6b7a89; --line: #b8c4cf; --call: #1f5fa8; --bad: #b3261e;
  --ground: #fff; --stripe: #f4f7f9 }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e9ee; --dim: #93a1ad; --line: #465463; --call: #7fb2ee;
  --bad: #ff8a80; --ground: #12181e; --stripe: #1a222a } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 2rem }
h1 { font-size: 1.4rem; margin: 0 0 .3rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem } p { color: var(--dim) }
.picture { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px }
svg text { font: 12px/1 ui-monospace, monospace; fill: var(--ink) } svg .head { font-weight: 600; font-size: 13px }
svg .time { fill: var(--dim) } svg .life { stroke: var(--line) } svg .call { stroke: var(--call); stroke-width: 1.4 }
svg .return { stroke: var(--dim); stroke-dasharray: 5 4 } svg .bad { stroke: var(--bad) }
svg text.bad { fill: var(--bad); stroke: none } svg marker path { fill: var(--dim) }
table { border-collapse: collapse; font-size: 13px } th, td { text-align: left; padding: .2rem .8rem .2rem 0 }
th { border-bottom: 1px solid var(--line) } tbody tr:nth-child(even) { background: var(--stripe) }
td.number { text-align: right; font-variant-numeric: tabular-nums } tr.bad td { color: var(--bad) }
"""
_MARKER: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 8 4 0 8z"/></marker></defs>'
)


def page(events: Iterable[Event], title: str = "secpkg trace") -> str:
    """The whole page."""
    seen = sorted(events, key=lambda event: (event.time, -event.seconds))
    span = f"{instant(seen[0])} to {instant(seen[-1])} UTC" if seen else "nothing happened"
    failures = sum(event.failed for event in seen)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{_text(title)}</h1><p>{_text(span)} · {len(seen)} calls · {failures} refused or failed</p>\n"
        f'<div class="picture">{svg(seen)}</div>\n{_counted(seen)}{_listed(seen)}</body></html>\n'
    )


def svg(events: Iterable[Event]) -> str:
    """The sequence diagram."""
    drawn = sequence(events)
    moves = drawn.moves[:MAX_MOVES]
    widest, least = _GAPS
    gap = max(least, min(widest, (_PAGE - _LEFT) // max(1, len(drawn.lifelines) - 1)))
    places = {lifeline: _LEFT + number * gap for number, lifeline in enumerate(drawn.lifelines)}
    width = _LEFT + max(1, len(places)) * gap
    height = _TOP + (len(moves) + 1) * _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="Sequence of {len(moves)} calls and returns">',
        _MARKER,
    ]
    for lifeline, x in places.items():
        parts.append(f'<line class="life" x1="{x}" y1="{_TOP - 16}" x2="{x}" y2="{height - 8}"/>')
        parts.append(f'<text class="head" x="{x}" y="{_TOP - 28}" text-anchor="middle">{_text(lifeline.name)}</text>')
    for number, move in enumerate(moves):
        parts.append(_arrow(move, places, _TOP + (number + 1) * _ROW - 8))
    if len(moves) < len(drawn.moves):
        parts.append(f'<text class="time" x="8" y="{height - 6}">{len(drawn.moves) - len(moves)} more</text>')
    parts.append("</svg>")
    return "".join(parts)


def _arrow(move: Move, places: dict[Lifeline, int], y: int) -> str:
    source, target = places[move.source], places[move.target]
    bad = " bad" if move.event.failed and move.direction != "call" else ""
    label = clean(move.label)
    room = abs(target - source) // 7 - 3 if source != target else len(label)
    short = label if len(label) <= room else label[: room - 1] + "…"
    time = f'<text class="time" x="8" y="{y}">{move.at * 1000:.2f} ms</text>'
    title = f"<title>{_text(f'{route(move.event)}: {label}')}</title>"
    if move.direction == "self":
        shape = f'<path class="call{bad}" fill="none" d="M{source} {y - 10}h14v10h-12" marker-end="url(#tip)"/>'
        return f'<g>{title}{time}{shape}<text class="{bad.strip()}" x="{source + 20}" y="{y}">{_text(short)}</text></g>'
    kind = "call" if move.direction == "call" else "return"
    middle = (source + target) // 2
    return (
        f'<g>{title}{time}<line class="{kind}{bad}" x1="{source}" y1="{y}" x2="{target}" y2="{y}" '
        f'marker-end="url(#tip)"/><text class="{bad.strip()}" x="{middle}" y="{y - 5}" text-anchor="middle">'
        f"{_text(short)}</text></g>"
    )


def _counted(events: Sequence[Event]) -> str:
    counts: dict[tuple[str, str], list[float]] = {}
    for event in events:
        row = counts.setdefault((event.package, event.function), [0, 0, 0.0])
        row[0] += 1
        row[1] += event.failed
        row[2] += event.seconds
    rows = [
        ("", (package, function, f"{count:.0f}", f"{failed:.0f}", f"{seconds / count * 1000:.3f}"))
        for (package, function), (count, failed, seconds) in sorted(counts.items())
    ]
    return _table("Functions", ("Package", "Function", "Calls", "Refused", "Mean ms"), rows, numbers=(2, 3, 4))


def _listed(events: Sequence[Event]) -> str:
    rows = [
        (
            "bad" if event.failed else "",
            (
                instant(event),
                route(event),
                event.function,
                f"#{event.handle:x}" if event.handle else "",
                user_name(event.uid),
                event.status_name,
                event.reason,
                f"{event.seconds * 1000:.3f}",
                str(event.received or ""),
                str(event.sent or ""),
            ),
        )
        for event in events
    ]
    heads = ("Time (UTC)", "From → to", "Function", "Handle", "User", "Status", "Reason", "ms", "Bytes in", "Bytes out")
    return _table("Calls", heads, rows, numbers=(7, 8, 9))


def _table(
    title: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], numbers: Sequence[int] = ()
) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    body = "".join(
        f'<tr class="{kind}">'
        + "".join(
            f'<td class="number">{_text(cell)}</td>' if place in numbers else f"<td>{_text(cell)}</td>"
            for place, cell in enumerate(cells)
        )
        + "</tr>"
        for kind, cells in rows
    )
    return f"<h2>{_text(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"


def _text(text: str) -> str:
    return escape(clean(text))
