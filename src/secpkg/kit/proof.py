"""What `make prove` has shown: the committed file ``proven.json``, shipped with the package.

For each function the digest of the callable that implements it, and of the tests that fail when a stub stands in its
place; for each rule the same of the callable that it depends on. A proof is of these contents: when one has changed it
is no longer current, whatever the date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("proven.json")


class Proof(msgspec.Struct, frozen=True):
    """Digest of the implementation, and of each test by its name (``path::name``)."""

    implementation: str
    tests: dict[str, str]


class Proven(msgspec.Struct, frozen=True):
    """Functions by documented key (``table.Function``); rules by number, ``R98``, and within by ``module:qualname``."""

    functions: dict[str, Proof] = {}
    rules: dict[str, dict[str, Proof]] = {}


def read(file: Path = FILE) -> Proven:
    """What is proven; nothing where there is no file yet."""
    return msgspec.json.decode(file.read_bytes(), type=Proven) if file.exists() else Proven()


def write(proven: Proven, file: Path = FILE) -> None:
    """One line for a function and for a rule, in order, so that a change is read in a diff."""
    kinds = []
    for kind in ("functions", "rules"):
        table = msgspec.to_builtins(getattr(proven, kind))
        rows = (f"    {json.dumps(key)}: {json.dumps(table[key], sort_keys=True)}" for key in sorted(table, key=_order))
        body = ",\n".join(rows)
        kinds.append(f'  "{kind}": {{\n{body}\n  }}' if body else f'  "{kind}": {{}}')
    file.write_text("{\n" + ",\n".join(kinds) + "\n}\n")


def _order(key: str) -> tuple[int, str]:
    return (int(key[1:]), "") if key[1:].isdecimal() else (0, key)
