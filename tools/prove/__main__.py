"""Prove that no documented function is a stub, and that each rule's test can fail: `make prove`.

For each function that claims to work, a stub that returns documented success stands in its place, and the tests that
are marked ``proves`` for it are run: one must fail, and the stub must have been called. For each mark ``breaks``, the
callable does nothing, and that very test must fail. First all marked tests run as they are: they must pass, or the rest
shows nothing. What was proven is written down by content; ``--check`` compares without running anything.
"""

from __future__ import annotations

import argparse
import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from tools.prove import record
from tools.prove.collect import ROOT, collect, marked_files
from tools.prove.prove import Report, prove

from secpkg.kit import functions as kit
from secpkg.kit import proof


def main(arguments: list[str] | None = None) -> int:
    """Prove, write, or check."""
    parser = argparse.ArgumentParser(prog="python -m tools.prove", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="test files to look at; all that have marks by default")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="functions (table.Name) and rules (R98)")
    parser.add_argument("--stale", action="store_true", help="only what has no current proof")
    parser.add_argument("--write", action="store_true", help="write what was proven to kit/proven.json")
    parser.add_argument("--check", action="store_true", help="whether kit/proven.json is current; runs no test")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the tests are")
    parser.add_argument("--file", type=Path, default=proof.FILE, help="what is proven")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="children at a time")
    parser.add_argument("-v", action="store_true", help="what pytest printed, for each that is not proven")
    options = parser.parse_args(arguments)
    os.chdir(options.root)
    known = proof.read(options.file)
    stale = record.stale(known, options.root) if options.check or options.stale else []
    if options.check:
        print("\n".join(stale) or "prove: current", file=sys.stderr if stale else sys.stdout)
        return bool(stale)
    claimed = kit.claims()
    collected = collect(options.files or marked_files(options.root))
    if options.write:
        record.remember(collected, claimed, options.root)
    only = {line.partition(":")[0] for line in stale} if options.stale else None

    def chosen(key: str) -> bool:
        by_name = not options.only or any(fnmatchcase(key, pattern) for pattern in options.only)
        return by_name and (only is None or key in only)

    report = prove(collected, claimed, chosen, at_a_time=options.j)
    report.show(verbose=options.v)
    if options.write and (report.whole or options.files or options.only or options.stale):
        if not options.files:  # every test was looked at: what it did not prove again is not proven
            report.tried.update(key for key in (*known.functions, *known.rules) if chosen(key))
        proof.write(written(known, report, claimed, options.root), options.file)
    return not report.whole


def written(known: proof.Proven, report: Report, claimed: kit.Claims, root: Path) -> proof.Proven:
    """What was known and not tried again, and what is proven now."""
    functions = {key: one for key, one in known.functions.items() if key not in report.tried}
    rules = {rule: dict(targets) for rule, targets in known.rules.items() if rule not in report.tried}
    for key, tests in report.functions.items():
        functions[key] = record.function_proof(key, tests, claimed, root)
    for (rule, target), tests in report.rules.items():
        rules.setdefault(rule, {})[target] = record.rule_proof(target, tests, root)
    return proof.Proven(functions, rules)


if __name__ == "__main__":
    sys.exit(main())
