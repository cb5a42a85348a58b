"""`python -m tools.fuzz [--seconds N] [--target NAME] [--keep]`: atheris over the targets of tests/fuzz, in turn.

Each target gets its share of the seconds (600 altogether by default), in a process of its own, beginning with the
corpus in the tree and the good messages. It ends with what it found: inputs that break a promise are kept in
build/fuzz and told by their path. With ``--keep`` the corpus becomes the smallest set with the same coverage.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fuzz import corpus
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]
WORK: Final = ROOT / "build" / "fuzz"
LONGEST: Final = 4096


def run(target: str, *arguments: str) -> tuple[int, str]:
    """One process of the fuzzer; its exit status and what it said."""
    program = WORK / f"{target}.sh"
    own = shlex.join([sys.executable, "-m", "tools.fuzz.one", str(program), target])
    program.write_text(f'#!/bin/sh\nexec {own} "$@"\n')
    program.chmod(0o700)
    command = [str(program), f"-artifact_prefix={WORK}/{target}-", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def fuzz(target: str, seconds: int, keep: bool) -> bool:
    """Whether a target held for so many seconds."""
    found, smaller = WORK / target / "found", WORK / target / "smaller"
    for folder in (found, smaller):
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
    begin = [*corpus.inputs(target), *seeds(target)]
    for number, data in enumerate(begin):
        (found / f"seed-{number}").write_bytes(data)
    words = f"-dict={Path(__file__).parent / 'ntlm.dict'}"
    status, said = run(target, str(found), f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=5", words)
    (WORK / f"{target}.log").write_text(said)
    done = re.search(r"Done (\d+) runs in (\d+) second", said)
    covered = re.findall(r"cov: (\d+) ft: (\d+)", said)[-1:] or [("?", "?")]
    runs = f"{done[1]} runs in {done[2]} s" if done else "stopped"
    inputs = len(list(found.iterdir()))
    print(f"fuzz: {target}: {runs}, {covered[0][0]} edges, {len(begin)} → {inputs} inputs, exit {status}", flush=True)
    if status:
        print(said[-3000:], file=sys.stderr)
        return False
    if keep:
        status, said = run(target, "-merge=1", str(smaller), str(found), f"-max_len={LONGEST}")
        if status:
            raise SystemExit(said[-3000:])
        corpus.keep(target, [path.read_bytes() for path in smaller.iterdir()])
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--target", choices=TARGETS, action="append")
    parser.add_argument("--keep", action="store_true", help="write the corpus, made small")
    chosen = parser.parse_args()
    targets = chosen.target or list(TARGETS)
    held = [fuzz(target, max(1, chosen.seconds // len(targets)), chosen.keep) for target in targets]
    return 0 if all(held) else 1


sys.exit(main())
