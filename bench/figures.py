"""What a measurement came to, for people and for machines."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from bench.children import ALL

Samples = Mapping[str, Sequence[float]]
"""By contender, its sample of each round."""


class Figure(msgspec.Struct, frozen=True):
    """One row. ``holds`` is None where nothing was promised."""

    name: str
    value: float
    unit: str
    budget: float | None
    holds: bool | None


def at_most(name: str, value: float, unit: str, budget: float | None = None) -> Figure:
    """A figure that shall be small."""
    return Figure(name, value, unit, budget, None if budget is None else value <= budget)


def at_least(name: str, value: float, unit: str, budget: float | None = None) -> Figure:
    """A figure that shall be large."""
    return Figure(name, value, unit, budget, None if budget is None else value >= budget)


class Group(Protocol):
    """Measurements that share what they are made on."""

    title: str

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        """Who is measured, once in each round."""
        ...

    def figures(self, samples: Samples) -> Iterable[Figure]:
        """What the samples say."""
        ...


def median(samples: Sequence[float]) -> float:
    """The median."""
    return statistics.median(samples)


def ratio(samples: Samples, one: str, other: str) -> float:
    """The median over the rounds of one contender's sample to the other's in the same round."""
    return median([a / b for a, b in zip(samples[one], samples[other], strict=True)])


def machine() -> str:
    """Where this was measured."""
    return (
        f"Linux {platform.release()}, {platform.python_implementation()} {platform.python_version()}, {len(ALL)} CPUs"
    )


_COLOR: Final = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _colored(text: str, code: int) -> str:
    return f"\033[{code}m{text}\033[0m" if _COLOR else text


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(groups: Iterable[tuple[str, Sequence[Figure]]]) -> None:
    """For people, on standard output."""
    parts = [(title, list(figures)) for title, figures in groups]
    width = max(len(figure.name) for _, figures in parts for figure in figures)
    units = max(len(figure.unit) for _, figures in parts for figure in figures)
    for title, figures in parts:
        print(f"\n{_colored(title, 1)}")
        for figure in figures:
            line = f"  {figure.name:<{width}}  {number(figure.value):>9} {figure.unit:<{units}}"
            if figure.budget is not None:
                verdict = _colored("holds", 32) if figure.holds else _colored("MISSED", 31)
                line += f"  budget {number(figure.budget):>6}  {verdict}"
            print(line.rstrip())


def write(path: Path, figures: Sequence[Figure]) -> None:
    """For machines."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")


def progress(text: str) -> None:
    """One line that is written over, on standard error."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)
