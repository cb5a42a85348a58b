"""The corpus: what the fuzzer found to be different, one file for each target, small enough to be kept in the tree.

A file holds one input a line in base64, so that a change of it can be seen.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "corpus"
LIMIT: Final = 1 << 20
"""Bytes that all files together may have."""


def inputs(target: str) -> list[bytes]:
    """The inputs kept for a target."""
    path = FOLDER / f"{target}.txt"
    return [b64decode(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(target: str, found: Iterable[bytes]) -> None:
    """Writes the inputs of a target, the short ones first."""
    lines = sorted({b64encode(one).decode() for one in found}, key=lambda line: (len(line), line))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines))
