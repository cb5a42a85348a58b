"""``python -m bench [--quick] [--only GROUP]``: a table on standard output, and build/bench.json."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from bench import figures
from bench.authority import Authority
from bench.calls import Calls
from bench.figures import Figure, Group, machine, progress, table
from bench.handshakes import Handshakes
from bench.http import Http
from bench.kit import Kit
from bench.ntlm import Ntlm
from bench.scale import Scale
from bench.sealing import Sealing
from bench.startup import StartUp

GROUPS = ("calls", "handshakes", "sealing", "ntlm", "http", "startup", "scale", "kit")


def measure(groups: list[Group], rounds: int) -> list[tuple[str, list[Figure]]]:
    """Every contender of every group once in each round."""
    contenders = [group.contenders() for group in groups]
    samples: list[dict[str, list[float]]] = [{name: [] for name in group} for group in contenders]
    for turn in range(rounds):
        for group, found, kept in zip(groups, contenders, samples, strict=True):
            progress(f"round {turn + 1} of {rounds}: {group.title}")
            for name, contender in found.items():
                kept[name].append(contender())
    progress("")
    return [(group.title, list(group.figures(kept))) for group, kept in zip(groups, samples, strict=True)]


def main() -> int:
    """Measure, print, write; 0 also when a budget was missed."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds: under a minute, and noisier; no planted faults"
    )
    parser.add_argument("--only", choices=GROUPS, default="", help="one group of measurements")
    arguments = parser.parse_args()
    quick, only = arguments.quick, arguments.only
    rounds = 3 if quick else 7
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        authority = stack.enter_context(Authority())
        makers: dict[str, Callable[[], Group]] = {
            "calls": lambda: Calls(authority, stack, 1_000 if quick else 3_000),
            "handshakes": lambda: Handshakes(authority, stack, 60 if quick else 200),
            "sealing": lambda: Sealing(stack, 0.02 if quick else 0.1),
            "ntlm": lambda: Ntlm(authority, stack, 60 if quick else 200),
            "http": lambda: Http(stack, 500 if quick else 1_000, 1_000 if quick else 10_000, 20 if quick else 100),
            "startup": StartUp,
            "scale": lambda: Scale(stack, (10, 1_000) if quick else (10, 1_000, 10_000), 50 if quick else 300),
            "kit": lambda: Kit(quick=quick),
        }
        groups = [make() for name, make in makers.items() if only in ("", name)]
        results = measure(groups, rounds)
    print(f"{machine()}; medians of {rounds} rounds; {time.monotonic() - begun:.0f} s")
    table(results)
    every = [figure for _, found in results for figure in found]
    figures.write(Path("build/bench.json"), every)
    missed = sum(figure.holds is False for figure in every)
    print(f"\n{missed} of {sum(figure.holds is not None for figure in every)} budgets missed; build/bench.json")
    return 0


raise SystemExit(main())
