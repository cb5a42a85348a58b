"""Runs the probes on a module and adds up what they found.

Probes run in a child process, one for as many as go well: a probe that hangs, or ends the process, is cut off and told
of, and the next child goes on behind it. A probe that raises is a fault of the kit and says so; it ends nothing.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.kit.check import rules
from secpkg.kit.check.bench import LoadRefused
from secpkg.kit.check.model import Finding, Outcome, Probe, Report, broken, kept, skipped, untried
from secpkg.kit.check.probes import load
from secpkg.kit.check.subject import Subject
from secpkg.kit.check.target import Module, Target, find

Progress = Callable[[str, int, int, Sequence[Finding]], None]
"""Told the name of a probe, its number, how many there are, and what it found."""

_LENGTH: Final = struct.Struct(">I")
SHARE: Final = 10.0
"""Seconds for the first look at the module, before the first probe."""
_QUICK: Final = 20.0
"""Seconds that a probe has with ``quick``."""
_PATIENCE: Final = 600.0


def check(
    module: Module,
    *,
    seed: int = 0,
    quick: bool = False,
    only: Iterable[str] = (),
    hooks: str | None = None,
    isolate: bool = True,
    limit: float = _PATIENCE,
    progress: Progress | None = None,
) -> Report:
    """Try the rules on a module. ``only`` names rules and probes (none: all); without ``isolate`` all runs in this
    process, where nothing is cut off. No probe has more than ``limit`` seconds. `TargetFault` when there is no such
    module.
    """
    started = time.monotonic()
    target = find(module, hooks)
    wanted = frozenset(word.strip() for word in only if word.strip())
    chosen = [one for one in load() if not wanted or one.name in wanted or wanted & set(one.rules)]
    findings: list[Finding] = []
    names: tuple[str, ...] = ()
    powers: frozenset[str] = frozenset()
    transcript: tuple[tuple[str, int], ...] = ()
    try:
        first = Subject(target, seed=seed, quick=quick)
        names, powers, transcript = first.description.names, first.powers, first.transcript
    except LoadRefused as refused:
        findings.append(broken(load_rule(str(refused)), f"the module does not load: {refused}"))
    except Exception as error:
        findings.append(_fault("load", error))
    total = len(chosen) * len(names)
    for place, name in enumerate(names):
        for number, probe, found in _probes(target, name, chosen, seed, quick, isolate, limit):
            findings += found
            if progress is not None:
                progress(probe.name, place * len(chosen) + number + 1, total, found)
    if wanted:
        findings = [
            one for one in findings if one.rule in wanted or one.probe in wanted or one.kit_fault or not one.probe
        ]
    tried = frozenset(rule for one in chosen for rule in one.rules)
    return Report(
        module=target.name,
        packages=names,
        powers=tuple(sorted(powers - {"any"})),
        seed=seed,
        quick=quick,
        seconds=time.monotonic() - started,
        rules=rules.results(findings, powers, tried, target.exempt),
        faults=tuple(one for one in findings if one.kit_fault),
        transcript=transcript,
    )


def load_rule(text: str) -> str:
    """The rule under which a module that does not load is told: the one that the authority names, else R27."""
    import re

    named = re.search(r"\((R\d+)\)", text)
    if named:
        return named.group(1)
    return "R20" if "SpLsaModeInitialize" in text else "R171" if text.endswith(")") else "R27"


def _probes(
    target: Target, package: str, chosen: Sequence[Probe], seed: int, quick: bool, isolate: bool, longest: float
) -> Iterator[tuple[int, Probe, list[Finding]]]:
    if not isolate:
        subject = Subject(target, seed=seed, quick=quick, package=package)
        for number, probe in enumerate(chosen):
            yield number, probe, list(run_probe(probe, subject))
        return
    todo = list(enumerate(chosen))
    while todo:
        for number, probe, found, ended in _in_child(target, package, todo, seed, quick, longest):
            yield number, probe, found
            todo = [one for one in todo if one[0] > number]
            if ended:
                break


def run_probe(probe: Probe, subject: Subject) -> Iterator[Finding]:
    """One probe, with what the invariants saw meanwhile; never raises."""
    lacking = sorted(probe.needs - subject.powers)
    if lacking:
        unknown = lacking == ["handshake"] and "contexts" in subject.powers
        for rule in probe.rules:
            if unknown and set(rules.rules()[rule].lacking(subject.powers)) <= {"token"}:
                how = tuple(subject.attempts[-4:])
                finding = untried(rule, "the kit found no way to make a context: prepare(place) tells it one", *how)
                yield _named(finding, probe, subject)
            elif rule.startswith("K"):
                yield _named(skipped(rule, f"the package has no {' and no '.join(lacking)}"), probe, subject)
        for finding in subject.drain():
            yield _named(finding, probe, subject)
        return
    worse = False
    try:
        for finding in probe.run(subject):
            worse = worse or finding.outcome is Outcome.BROKEN
            yield _named(finding, probe, subject)
    except SecurityError as error:
        seen = subject.drain()
        for finding in seen:
            yield _named(finding, probe, subject)
        if (
            not worse and not seen and error.status is not Status.SEC_E_INTERNAL_ERROR
        ):  # of which invariants know  # else what failed is told already
            text = f"what worked before is refused: {error.status.name} {error.reason}"
            yield _named(broken("K6", text, *_where(error)), probe, subject)
    except Exception as error:
        yield _named(_fault(probe.name, error), probe, subject)
    for finding in subject.drain():
        yield _named(finding, probe, subject)
    for rule in subject.invariants.looked:
        yield _named(kept(rule, f"{subject.invariants.looked[rule]} calls were looked at"), probe, subject)
    subject.invariants.looked.clear()


def _named(finding: Finding, probe: Probe, subject: Subject) -> Finding:
    return msgspec.structs.replace(finding, probe=probe.name, package=subject.package)


def _where(error: BaseException) -> tuple[str, ...]:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return tuple(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} in {frame.name}" for frame in frames)


def _fault(where: str, error: BaseException) -> Finding:
    text = f"{error.status.name} {error.reason}" if isinstance(error, SecurityError) else str(error)[:200]
    return Finding(
        rule="",
        outcome=Outcome.NOT_TRIED,
        text=f"probe {where} failed: {type(error).__name__}: {text}",
        evidence=_where(error),
        kit_fault=True,
        probe=where,
    )


# --- the child -------------------------------------------------------------------------------------------------------


def _in_child(
    target: Target, package: str, todo: Sequence[tuple[int, Probe]], seed: int, quick: bool, longest: float
) -> Iterator[tuple[int, Probe, list[Finding], bool]]:
    """Results of as many probes as one child managed; the last one is marked when the child is at its end."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        _serve(theirs, target, package, todo, seed, quick)
    os.close(theirs)
    try:
        for place, (number, probe) in enumerate(todo):
            limit = min(probe.deadline, longest, _QUICK if quick else longest)
            # A subject is made before the first probe: its share.
            try:
                found = _received(ours, limit + (0.0 if place else min(SHARE, longest)))
                finding = broken("K15", f"during {probe.name} the package did not come back within {limit:.0f} s")
            except EOFError:
                found, finding = None, broken("K13", f"during {probe.name} the package ended the process")
            if found is None:
                yield number, probe, [msgspec.structs.replace(finding, probe=probe.name, package=package)], True
                return
            yield number, probe, found, place == len(todo) - 1
    finally:
        os.close(ours)
        _end(child)


def _end(child: int) -> None:
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _serve(out: int, target: Target, package: str, todo: Sequence[tuple[int, Probe]], seed: int, quick: bool) -> None:
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        subject = Subject(target, seed=seed, quick=quick, package=package)
        for _, probe in todo:
            packed = msgspec.msgpack.encode(list(run_probe(probe, subject)))
            _write(out, _LENGTH.pack(len(packed)) + packed)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _write(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]


def _received(source: int, limit: float) -> list[Finding] | None:
    until = time.monotonic() + limit
    head = _read(source, _LENGTH.size, until)
    body = head and _read(source, _LENGTH.unpack(head)[0], until)
    return msgspec.msgpack.decode(body, type=list[Finding]) if body else None


def _read(source: int, size: int, until: float) -> bytes | None:
    data = b""
    while len(data) < size:
        left = until - time.monotonic()
        if left <= 0 or not select.select([source], [], [], left)[0]:
            return None
        more = os.read(source, size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
