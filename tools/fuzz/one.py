"""One target under atheris, with libFuzzer's arguments: `python -m tools.fuzz.one PROGRAM TARGET ...`.

PROGRAM is what starts this same command: libFuzzer calls itself by that name when it merges a corpus.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["secpkg.protocols"]):
    from tests.fuzz.targets import TARGETS

_, program, target, *arguments = sys.argv
atheris.Setup([program, *arguments], TARGETS[target])
atheris.Fuzz()
