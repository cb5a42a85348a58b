"""Stub by stub: which tests notice."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator

import msgspec
from tools.prove import stubs
from tools.prove.collect import Break, Collected
from tools.prove.fork import Job, Outcome, run
from tools.prove.swap import Counter, nothing

from secpkg.contract.reference import Function
from secpkg.contract.reference import functions as documented
from secpkg.kit import functions as kit

UNCHANGED = Job(lambda: None, (), first=False, limit=1800.0)
Change = Callable[[Counter], None]


class Attempt(msgspec.Struct, frozen=True):
    """One change, and the tests that have to notice it: of the function ``name``, or of the rule ``name`` with the
    callable ``target``.
    """

    name: str
    target: str
    change: Change
    tests: dict[str, tuple[str, ...]]
    counter: Counter


class Report:
    """What came of it: proven functions and rules with their tests, and a line for everything that is not proven."""

    def __init__(self) -> None:
        self.functions: dict[str, list[str]] = {}
        self.rules: dict[tuple[str, str], list[str]] = {}
        self.tried: set[str] = set()
        self.faults: list[tuple[str, str]] = []

    @property
    def whole(self) -> bool:
        """Nothing is left unproven."""
        return not self.faults

    def fault(self, text: str, output: str = "") -> None:
        """Something is not proven."""
        self.faults.append((text, output))

    def show(self, *, verbose: bool = False) -> None:
        """What is not proven, to standard error, and the numbers."""
        for text, output in self.faults:
            print(text, file=sys.stderr)
            if verbose and output:
                print("".join(f"    {line}\n" for line in output.splitlines()), file=sys.stderr)
        rules = len({rule for rule, _ in self.rules})
        print(f"prove: {len(self.functions)} functions, {rules} rules; not proven: {len(self.faults)}")


class Progress:
    """One line that says how far it is, where someone is watching."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._shown = sys.stderr.isatty()
        self._colour = self._shown and not os.environ.get("NO_COLOR")

    def step(self, text: str, *, proven: bool) -> None:
        """One more is done."""
        self._done += 1
        if self._shown:
            mark = "proven" if proven else "SURVIVED"
            if self._colour:
                mark = f"\x1b[3{2 if proven else 1}m{mark}\x1b[0m"
            print(f"\r\x1b[K{self._done}/{self._total} {text} {mark}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def prove(
    collected: Collected, claimed: kit.Claims, chosen: Callable[[str], bool] = lambda _: True, *, at_a_time: int = 2
) -> Report:
    """Try every function in state working or unproven and every marked rule whose name is ``chosen``."""
    report = Report()
    for fault in collected.faults:
        report.fault(fault)
    attempts = [*_functions(collected, claimed, chosen, report), *_rules(collected.breaks, chosen, report)]
    sound = _sound(attempts, report)
    progress = Progress(len(attempts))
    jobs = []
    for attempt in attempts:
        nodes = [node for one in attempt.tests.values() for node in one if node in sound]
        if nodes:
            jobs.append((attempt, Job(functools.partial(attempt.change, attempt.counter), tuple(nodes))))
        else:
            report.fault(f"{attempt.name}: none of its tests passes as the code stands")
    for attempt, outcome in run(jobs, at_a_time):
        proven = _judge(attempt, outcome, report)
        progress.step(attempt.name, proven=proven)
    progress.end()
    return report


def _functions(
    collected: Collected, claimed: kit.Claims, chosen: Callable[[str], bool], report: Report
) -> Iterator[Attempt]:
    rows = {f"{row.table}.{row.function}": row for row in documented()}
    for unknown in collected.proves.keys() - rows:
        report.fault(f"{collected.proves[unknown][0].name}: {unknown} is no documented function")
    for key, row in rows.items():
        if not chosen(key) or kit.function_state(row, claimed).state not in ("working", "unproven"):
            continue
        report.tried.add(key)
        tests = collected.proves.get(key)
        if not tests:
            report.fault(f"{key}: no test is marked for it")
            continue
        yield Attempt(key, "", _stub(row, claimed), {test.name: test.nodes for test in tests}, Counter())


def _stub(row: Function, claimed: kit.Claims) -> Change:
    return lambda counter: stubs.put(row, claimed, counter)


def _rules(breaks: Iterable[Break], chosen: Callable[[str], bool], report: Report) -> Iterator[Attempt]:
    for one in breaks:
        if chosen(one.rule):
            report.tried.add(one.rule)
            change = functools.partial(nothing, one.target)
            yield Attempt(one.rule, one.target, change, {one.test.name: one.test.nodes}, Counter())


def _sound(attempts: list[Attempt], report: Report) -> set[str]:
    """The tests that pass as the code stands; those that do not are told."""
    nodes = tuple(dict.fromkeys(node for one in attempts for nodes in one.tests.values() for node in nodes))
    if not nodes:
        return set()
    ((_, outcome),) = run([(None, msgspec.structs.replace(UNCHANGED, nodes=nodes))], 1)
    if outcome.fault:
        report.fault(f"the marked tests do not run as they are: {outcome.fault}", outcome.output)
    for node in outcome.failed:
        report.fault(f"{node}: fails as it is", outcome.output)
    return set(outcome.passed)


def _judge(attempt: Attempt, outcome: Outcome, report: Report) -> bool:
    what = attempt.name + (f" without {attempt.target}" if attempt.target else "")
    tests = ", ".join(attempt.tests)
    if outcome.fault:
        report.fault(f"{what}: {outcome.fault}", outcome.output)
    elif not attempt.counter.value:
        place = "the callable" if attempt.target else "the stub"
        report.fault(f"{what}: {place} is never called in this process by {tests}", outcome.output)
    elif not outcome.failed:
        report.fault(f"{what}: it survives {tests}", outcome.output)
    else:
        noticed = [name for name in attempt.tests if any(node.partition("[")[0] == name for node in outcome.failed)]
        if attempt.target:
            report.rules.setdefault((attempt.name, attempt.target), []).extend(noticed)
        else:
            report.functions[attempt.name] = noticed
        return True
    return False
