"""What is written of a proof, and whether what is written is current: from sources alone, without running a test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from tools.prove.collect import DATA, ROOT, Collected
from tools.prove.swap import NoStub, function_of
from tools.rules import marked_rules

from secpkg.contract.reference import functions
from secpkg.kit import functions as kit
from secpkg.kit import proof, sources


def test_digest(name: str, root: Path) -> str:
    """Digest of a test, ``path::Class::name``; `sources.NoSource` when it is gone."""
    path, _, qualname = name.partition("::")
    file = str(root / path)
    return sources.digest_of(file, sources.named(file, qualname.replace("::", ".")))


def remember(collected: Collected, claimed: kit.Claims, root: Path) -> None:
    """Read now what will be written later: what is proven is what was there at the start, should a file change."""
    tests = {test.name for several in collected.proves.values() for test in several}
    for name in tests | {one.test.name for one in collected.breaks}:
        test_digest(name, root)
    for row in functions():
        claim = kit.implementation(row, claimed)
        if claim is not None and claim.state == "working":
            sources.digest(claim.where)
    for one in collected.breaks:
        with contextlib.suppress(NoStub):
            sources.digest(function_of(one.target))


def function_proof(key: str, tests: list[str], claimed: kit.Claims, root: Path) -> proof.Proof:
    """Of a function that these tests have proven."""
    row = next(row for row in functions() if f"{row.table}.{row.function}" == key)
    claim = kit.implementation(row, claimed)
    assert claim is not None
    return proof.Proof(sources.digest(claim.where), {test: test_digest(test, root) for test in tests})


def rule_proof(target: str, tests: list[str], root: Path) -> proof.Proof:
    """Of a rule that depends on this callable."""
    return proof.Proof(sources.digest(function_of(target)), {test: test_digest(test, root) for test in tests})


def stale(proven: proof.Proven, root: Path = ROOT) -> list[str]:
    """What is not proven as it stands now: one line for each function that claims to work and each marked rule."""
    claimed = kit.claims()
    digests = {key: one.implementation for key, one in proven.functions.items()}
    found = []
    for one in kit.function_states(msgspec.structs.replace(claimed, proven=digests)):
        if one.state == "unproven":
            found.append(f"{one.key}: {one.reason}")
        elif one.state == "working":
            found.extend(f"{one.key}: {text}" for text in _stale_tests(proven.functions[one.key], root))
    for rule, target, test in marked_rules(root):
        if target.startswith(DATA):
            continue
        known = proven.rules.get(rule, {}).get(target)
        if known is None or test not in known.tests:
            found.append(f"{rule}: {test} with {target} was never proven")
    for rule, targets in proven.rules.items():
        for target, one_proof in targets.items():
            found.extend(f"{rule}: {text}" for text in _stale_rule(target, one_proof, root))
    return found


def _stale_rule(target: str, known: proof.Proof, root: Path) -> Iterator[str]:
    try:
        if sources.digest(function_of(target)) != known.implementation:
            yield f"{target} has changed since it was proven"
    except (NoStub, sources.NoSource) as error:
        yield str(error)
    yield from _stale_tests(known, root)


def _stale_tests(known: proof.Proof, root: Path) -> Iterator[str]:
    for test, digest in known.tests.items():
        try:
            if test_digest(test, root) != digest:
                yield f"{test} has changed since it proved it"
        except (sources.NoSource, OSError):
            yield f"{test}, which proved it, is gone"
