"""The author's kit: what `secpkg check` finds and what it does not, how long it takes, what `secpkg doctor` knows.

``python -m bench.kit KIND I N`` tries each N-th of the planted faults of a kind and writes what came of it as JSON. One
of them sleeps for most of a minute and needs no CPU: it is begun first, and everything else is done beside it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from bench.figures import Figure, Samples, at_least, at_most, progress

EXAMPLES: Final = ("hello", "keyring", "curfew", "sampssp", "records", "datagrams")
_ASLEEP: Final = frozenset({"SleepsOnFailure"})
_PARTS: Final = {"asleep": 1, "awake": 2}
"""How many processes try the faults of a kind."""


class _Rule(msgspec.Struct):
    outcome: str


class _Report(msgspec.Struct):
    """What is needed of ``secpkg check --json``."""

    rules: list[_Rule]
    faults: list[object]

    def count(self, outcome: str) -> int:
        return sum(rule.outcome == outcome for rule in self.rules)

    @property
    def alarms(self) -> int:
        """Rules said to be broken, and probes that failed themselves."""
        return self.count("broken") + len(self.faults)


class Tried(msgspec.Struct):
    """What came of planted faults: how many there were, and which were missed; of sound packages, and alarms."""

    planted: int
    missed: list[str]
    sound: int = 0
    alarms: int = 0


class Kit:
    """The group. With ``quick`` neither the planted faults nor a whole check."""

    title = "The author's kit"

    def __init__(self, *, quick: bool) -> None:
        self._quick = quick

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        """None: these figures count, or are long enough to be taken once."""
        return {}

    def figures(self, samples: Samples) -> Iterator[Figure]:
        with contextlib.ExitStack() as exit_stack:
            yield from self._figures(exit_stack)

    def _figures(self, exit_stack: contextlib.ExitStack) -> Iterator[Figure]:
        clean, alarms = len(EXAMPLES), 0
        asleep = [] if self._quick else _begin("asleep", exit_stack)
        for name in EXAMPLES:
            report, seconds = _check(name, "--quick")
            alarms += report.alarms
            kept = report.count("kept")
            applicable = kept + report.count("broken") + report.count("not tried")
            yield at_least(f"{name}: rules kept, of {applicable} that apply", kept, "", applicable)
            if name == "hello":
                yield at_most("secpkg check hello --quick", seconds, "s", 10)
        if not self._quick:
            whole, seconds = _check("hello")
            alarms += whole.alarms
            yield at_most("secpkg check hello", seconds, "s", 120)
            tried = _ended([*_begin("awake", exit_stack), *asleep])
            planted, missed = sum(one.planted for one in tried), [name for one in tried for name in one.missed]
            caught = f"planted faults caught under their rule, of {planted}"
            title = f"{caught}; not {', '.join(missed)}" if missed else caught
            yield at_least(title, planted - len(missed), "", planted)
            clean += sum(one.sound for one in tried)
            alarms += sum(one.alarms for one in tried)
        yield at_most(f"false alarms about {clean} clean packages", alarms, "", 0)
        yield at_least("causes that secpkg doctor tells apart", _causes(), "", 25)


def _check(module: str, *options: str) -> tuple[_Report, float]:
    """The report of ``secpkg check`` in a process of its own, and the seconds that the command took."""
    progress(f"secpkg check {' '.join((module, *options))}")
    begun = time.perf_counter()
    command = (sys.executable, "-m", "secpkg.cli", "check", module, *options, "--json")
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - begun
    progress("")
    if not done.stdout:
        raise RuntimeError(f"secpkg check {module} ended with {done.returncode}; see above")
    return msgspec.json.decode(done.stdout, type=_Report), seconds


def _begin(kind: str, exit_stack: contextlib.ExitStack) -> list[subprocess.Popen[bytes]]:
    """Begin to try the planted faults of a kind."""
    parts = _PARTS[kind]
    running: list[subprocess.Popen[bytes]] = []
    for part in range(parts):
        command = (sys.executable, "-m", "bench.kit", kind, str(part), str(parts))
        running.append(exit_stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)))
        exit_stack.callback(running[-1].kill)
    return running


def _ended(running: Sequence[subprocess.Popen[bytes]]) -> list[Tried]:
    """Wait for them."""
    progress("planted faults")
    answers = [process.communicate()[0] for process in running]
    progress("")
    if any(process.returncode for process in running):
        raise RuntimeError("planted faults could not be tried; see above")
    return [msgspec.json.decode(answer, type=Tried) for answer in answers]


def _causes() -> int:
    """How many causes have a name; that each is told where it is planted is what tests/kit_doctor holds."""
    from secpkg.kit.doctor.causes import CAUSES

    return len({cause.id for cause in CAUSES})


def attempt(kind: str, part: int, parts: int) -> Tried:
    """Each fault of a part of a kind before the probes that try its rule: caught when that rule is said to be broken,
    and no other that the fault does not explain. The sound packages, which faults are made of, go with the awake ones.
    """
    from tests.broken_packages import FAULTS
    from tests.broken_packages.test_sound import SOUND

    from secpkg.kit.check.model import Outcome
    from secpkg.kit.check.probes import load
    from secpkg.kit.check.run import check

    faults = [fault for fault in FAULTS if (fault.name in _ASLEEP) == (kind == "asleep")][part::parts]
    missed: list[str] = []
    for fault in faults:
        probes = [probe.name for probe in load() if fault.rule in probe.rules]
        report = check(fault.make(), quick=True, only=probes or ("loading",))
        found = {rule.rule for rule in report.broken}
        if fault.rule not in found or not found - {fault.rule} <= fault.also:
            missed.append(fault.name)
    reports = [check(target, quick=True) for target in SOUND[part::parts]] if kind == "awake" else []
    alarms = sum(report.count(Outcome.BROKEN) + len(report.faults) for report in reports)
    return Tried(len(faults), missed, len(reports), alarms)


def main(arguments: Sequence[str]) -> int:
    """A part of the planted faults of one kind."""
    kind, part, parts = arguments
    if kind not in _PARTS:
        raise SystemExit(f"bench.kit: {' or '.join(_PARTS)}, not {kind!r}")
    sys.stdout.buffer.write(msgspec.json.encode(attempt(kind, int(part), int(parts))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
