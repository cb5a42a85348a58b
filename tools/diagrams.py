"""The pictures of the documentation, as SVG in `docs/diagrams`: ``--write``, or else say which are not current.

None is drawn by hand. The machines are the tables that the code obeys. The sequences are calls that were recorded while
this ran: a lab's authority starts and stops a package, and a client and a server of Hello talk.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "docs" / "diagrams"

_INK, _DIM, _LINE, _FILL = "#1c2733", "#5d6b78", "#1f5fa8", "#eef3f8"
_GAP, _HEIGHT, _WIDTH, _LAYER = 300, 36, 118, 110
_COLUMN, _ROW = 250, 30

Edges = Mapping[tuple[str, str], str]
Row = tuple[str, str, str]
"""An arrow: from, to, what stands on it."""


def frame(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A whole picture."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="{_DIM}"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *parts,
            "</svg>\n",
        )
    )


def text(x: float, y: float, words: str, *, anchor: str = "middle", strong: bool = False, colour: str = _INK) -> str:
    """One line of words."""
    weight = ' font-weight="600"' if strong else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-family="ui-monospace, monospace" font-size="12"'
        f'{weight} fill="{colour}">{escape(words)}</text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, extra: str = "") -> str:
    """An arrow, or with ``extra`` any other line."""
    more = extra or f'stroke="{_LINE}" marker-end="url(#tip)"'
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" {more}/>'


def layers(edges: Edges) -> list[list[str]]:
    """The states by the longest way that leads to them; a table that goes in circles is no such picture."""
    depth: dict[str, int] = {}
    states = list(dict.fromkeys(state for pair in edges for state in pair))
    for _ in states:
        for state in states:
            before = [depth.get(source, 0) + 1 for source, target in edges if target == state != source]
            depth[state] = max(before, default=0)
    if max(depth.values()) >= len(states):
        raise ValueError("the table has a circle of several states")
    return [[state for state in states if depth[state] == level] for level in range(max(depth.values()) + 1)]


def machine(title: str, edges: Edges) -> str:
    """States as boxes, moves as arrows."""
    columns = layers(edges)
    tallest = max(map(len, columns))
    middle = 90 + (tallest - 1) * _LAYER / 2
    at = {
        state: (20 + level * _GAP, middle + (number - (len(column) - 1) / 2) * _LAYER)
        for level, column in enumerate(columns)
        for number, state in enumerate(column)
    }
    parts = []
    for (source, target), label in edges.items():
        (x1, y1), (x2, y2) = at[source], at[target]
        stroke = f'fill="none" stroke="{_LINE}" marker-end="url(#tip)"'
        if source == target:
            x, top = x1 + _WIDTH / 2, y1 - _HEIGHT / 2
            parts.append(f'<path d="M{x - 18:g} {top:g}c-8 -34 44 -34 36 0" {stroke}/>')
            parts.append(text(x, top - 32, label))
        elif x2 - x1 > _GAP:
            sign = 1 if y2 > middle else -1
            start, end = (x1 + _WIDTH / 2, y1 + sign * _HEIGHT / 2), (x2 + _WIDTH / 2, y2 + sign * _HEIGHT / 2)
            bend = max((start[1], end[1]), key=lambda y: sign * y) + sign * 40
            parts.append(
                f'<path d="M{start[0]:g} {start[1]:g}C{start[0]:g} {bend:g} {end[0]:g} {bend:g} {end[0]:g} {end[1]:g}" '
                f"{stroke}/>"
            )
            parts.append(text((start[0] + end[0]) / 2, bend - 4 if sign < 0 else bend + 8, label))
        else:
            parts.append(line(x1 + _WIDTH, y1, x2, y2))
            parts.append(text((x1 + _WIDTH + x2) / 2, (y1 + y2) / 2 - 8, label))
    for state, (x, y) in at.items():
        parts.append(
            f'<rect x="{x:g}" y="{y - _HEIGHT / 2:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" '
            f'fill="{_FILL}" stroke="{_INK}"/>'
        )
        parts.append(text(x + _WIDTH / 2, y + 4, state, strong=True))
    width = 40 + (len(columns) - 1) * _GAP + _WIDTH
    return frame(width, int(180 + (tallest - 1) * _LAYER), title, parts)


def matrix(title: str, legal: Mapping[str, Iterable[str]]) -> str:
    """What is legal in which state."""
    uses = list(dict.fromkeys(use for allowed in legal.values() for use in sorted(allowed)))
    parts = [text(150 + number * 112, 30, use, strong=True) for number, use in enumerate(uses)]
    for row, (state, allowed) in enumerate(legal.items()):
        y = 64 + row * 32
        parts.append(text(12, y + 4, state, anchor="start", strong=True))
        parts.append(line(12, y + 16, 100 + len(uses) * 112, y + 16, f'stroke="{_FILL}"'))
        for number, use in enumerate(uses):
            x = 150 + number * 112
            if use in set(allowed):
                parts.append(f'<circle cx="{x}" cy="{y}" r="6" fill="{_LINE}"/>')
            else:
                parts.append(line(x - 5, y, x + 5, y, f'stroke="{_DIM}"'))
    return frame(110 + len(uses) * 112, 60 + len(legal) * 32, title, parts)


def arrows(title: str, rows: Sequence[Row], order: Sequence[str]) -> str:
    """A sequence: who called whom, from top to bottom."""
    lives = [name for name in order if any(name in row[:2] for row in rows)]
    at = {name: 110 + number * _COLUMN for number, name in enumerate(lives)}
    height = 70 + len(rows) * _ROW
    parts = []
    for name, x in at.items():
        parts.append(text(x, 24, name, strong=True))
        parts.append(line(x, 36, x, height - 10, 'stroke="#b8c4cf" stroke-dasharray="3 4"'))
    for number, (source, target, label) in enumerate(rows):
        y = 66 + number * _ROW
        x1, x2 = at[source], at[target]
        if x1 == x2:
            parts.append(f'<path d="M{x1} {y - 10}h16v12h-14" fill="none" stroke="{_LINE}" marker-end="url(#tip)"/>')
            parts.append(text(x1 + 22, y, label, anchor="start"))
        else:
            parts.append(line(x1, y, x2, y))
            parts.append(text((x1 + x2) / 2, y - 5, label))
    return frame(120 + len(lives) * _COLUMN, height, title, parts)


def start_and_stop() -> list[Row]:
    """What the host calls of a package that defines everything, from its load to its end; as recorded."""
    from secpkg.contract import Capability, InterfaceVersion, ModuleTables, PackageInfo
    from secpkg.testing import LabAuthority

    rows: list[Row] = []

    def called(name: str) -> None:
        rows.append(("host", "package", name))

    class Probe:
        info = PackageInfo("Probe", "writes down when it is called", Capability.LOGON)

        async def initialize(self, package_id: int, parameters: object, authority: object) -> None:
            called("SpInitialize")

        async def initialize_package(self, package_id: int, dispatch: object) -> str:
            called("LsaApInitializePackage")
            return "Probe"

        async def get_info(self) -> PackageInfo:
            called("SpGetInfo")
            return self.info

        async def get_extended_information(self, information_class: object) -> object:
            called("SpGetExtendedInformation")
            return None

        async def shutdown(self) -> None:
            called("SpShutdown")

    def initialize(version: InterfaceVersion) -> ModuleTables:
        rows.append(("host", "module", "SpLsaModeInitialize"))
        return ModuleTables(InterfaceVersion.V1, (Probe(),))

    with LabAuthority(modules=[initialize]):
        rows.append(("host", "host", "the package serves"))
    return rows


def walks() -> dict[str, list[Row]]:
    """The walk of a token and the walk of a sealed message, as recorded: Hello, one handshake, one message."""
    from secpkg import lsa
    from secpkg.kit.trace.follow import LabTrace
    from secpkg.kit.trace.model import AUTHORITY, LSA, USER, Event
    from secpkg.testing import LabAuthority, Pair

    def drawn(events: Iterable[Event], end: str) -> list[Row]:
        rows: list[Row] = []
        for event in events:
            refused = f" {event.status_name}" if event.failed else ""
            if event.kind == USER:
                rows.append((end, end, event.function + refused))
            elif event.kind in (LSA, AUTHORITY):
                caller = "Hello, LSA mode" if event.kind == LSA else end
                rows.append((caller, "authority", event.function + refused))
            else:
                rows.append((end, "Hello, LSA mode", event.function + refused))
        return rows

    token: list[Row] = []
    message: list[Row] = []
    with LabAuthority(domain="EXAMPLE", modules=["hello"]) as lab:
        lab.add_user("alice", password="correct horse")
        with lsa.register_logon_process("pictures", authority=lab) as logon, LabTrace(logon) as trace:
            seen = 0

            def new() -> Sequence[Event]:
                nonlocal seen
                events = trace.events()[seen:]
                seen += len(events)
                return events

            with Pair(lab, "Hello", username="alice", password="correct horse", target="demo/server") as pair:
                while not pair.complete:
                    end = pair.turn
                    made = pair.step()
                    token += drawn(new(), end)
                    if made:
                        token.append((end, "server" if end == "client" else "client", f"token, {len(made)} bytes"))
                sealed = pair.client.encrypt(b"a message")
                message += drawn(new(), "client")
                message.append(("client", "server", f"sealed message, {len(sealed)} bytes"))
                pair.server.decrypt(sealed)
                message += drawn(new(), "server")
    return {"walk-of-a-token": token, "walk-of-a-sealed-message": message}


def pictures() -> dict[str, str]:
    """Every picture by the name of its file."""
    from secpkg.host.lsa_mode.channel import TRANSITIONS
    from secpkg.protocols.scram.transitions import TABLE
    from secpkg.sspi.operations import LEGAL

    scram: dict[tuple[str, str], str] = {}
    for (before, passed), after in TABLE.items():
        scram[before.value, after.value] = passed.value
    order = ("client", "server", "Hello, LSA mode", "authority")
    recorded = walks()
    return {
        "context-lsa-mode.svg": machine("A context in LSA mode", _merged(TRANSITIONS.items())),
        "context-sspi.svg": matrix("What a context's state allows", LEGAL),
        "scram.svg": machine("Messages of SCRAM", scram),
        "start-order.svg": arrows("Start and stop of a package", start_and_stop(), ("host", "module", "package")),
        **{f"{name}.svg": arrows(name.replace("-", " "), rows, order) for name, rows in recorded.items()},
    }


def _merged(moves: Iterable[tuple[tuple[object, object], object]]) -> dict[tuple[str, str], str]:
    edges: dict[tuple[str, str], str] = {}
    for (before, event), after in moves:
        pair = (str(getattr(before, "value", before)), str(getattr(after, "value", after)))
        label = str(getattr(event, "value", event))
        edges[pair] = f"{edges[pair]}, {label}" if pair in edges else label
    return edges


def stale() -> list[str]:
    """The pictures in `docs/diagrams` that are not what the code says: drawn in a process of its own, because a user
    half is observed from its load on.
    """
    command = [sys.executable, "-m", "tools.diagrams"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if done.stderr:
        raise RuntimeError(done.stderr)
    return done.stdout.split()


def main() -> int:
    """Write, or name what is not current."""
    made = pictures()
    if "--write" in sys.argv[1:]:
        FOLDER.mkdir(exist_ok=True)
        for name, content in made.items():
            (FOLDER / name).write_text(content, "utf-8")
        return 0
    there = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.svg")}
    wrong = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
