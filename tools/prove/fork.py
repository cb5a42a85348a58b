"""Runs of pytest in forked children: each changes the code in its own way, runs a few tests, and ends."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import IO, Final, TypeVar

import msgspec
import pytest
from tools.prove.collect import CONFIGURED

LIMIT: Final = 120.0
"""Seconds for one child."""
_TEST_LIMIT: Final = 30
_OPTIONS: Final = ("-q", "--no-header", "--tb=line", f"--timeout={_TEST_LIMIT}", *CONFIGURED)
K = TypeVar("K")


class Outcome(msgspec.Struct, frozen=True):
    """What a child says: node ids by outcome, or in ``fault`` why nothing was run. ``output`` is pytest's own."""

    failed: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    fault: str = ""
    output: str = ""


class Job(msgspec.Struct, frozen=True):
    """What a child does: ``change`` the code, then run these tests; until the ``first`` failure, or all."""

    change: Callable[[], None]
    nodes: tuple[str, ...]
    first: bool = True
    limit: float = LIMIT


class _Recorder:
    """A plugin that runs just these tests, and keeps what became of them. Their ids are compared and not given to
    pytest: it does not find again every id that it makes.
    """

    def __init__(self, nodes: tuple[str, ...]) -> None:
        self._nodes = frozenset(nodes)
        self.by: dict[str, dict[str, None]] = {"failed": {}, "passed": {}, "skipped": {}}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._nodes]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or report.skipped:
            self.by["passed"].pop(report.nodeid, None)
            self.by[report.outcome][report.nodeid] = None
        elif report.when == "call":
            self.by["passed"][report.nodeid] = None

    def outcome(self) -> Outcome:
        return Outcome(tuple(self.by["failed"]), tuple(self.by["passed"]), tuple(self.by["skipped"]))


class _Child:
    def __init__(self, job: Job) -> None:
        self.output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `outcome`
        self.end = time.monotonic() + job.limit
        self.answer = b""
        self.pipe, write = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            status = 1
            try:
                os.setpgid(0, 0)
                os.close(self.pipe)
                os.write(write, msgspec.json.encode(_in_child(job, self.output)) + b"\n")
                status = 0
            finally:
                os._exit(status)
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)
        os.close(write)

    def outcome(self) -> Outcome:
        """After its end: what it said. Whatever it has started goes with it."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pipe)
        self.output.seek(0)
        output = self.output.read().decode(errors="replace")
        self.output.close()
        if not self.answer.endswith(b"\n"):
            return Outcome(fault="the child did not come to an end", output=output)
        return msgspec.structs.replace(msgspec.json.decode(self.answer, type=Outcome), output=output)


def _in_child(job: Job, output: IO[bytes]) -> Outcome:
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    recorder = _Recorder(job.nodes)
    functions = dict.fromkeys(node.partition("[")[0] for node in job.nodes)
    try:
        job.change()
        code = pytest.main([*_OPTIONS, *(["-x"] if job.first else []), *functions], plugins=[recorder])
    except BaseException as error:
        return Outcome(fault=f"{type(error).__name__}: {error}")
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return Outcome(fault=f"pytest ended with {code!r}")
    return recorder.outcome()


def run(jobs: Iterable[tuple[K, Job]], at_a_time: int = 2) -> Iterator[tuple[K, Outcome]]:
    """Run each job in a child of its own, some at a time; outcomes come as they are ready."""
    gc.collect()
    gc.freeze()  # what this process has left behind is not to be found, and warned of, by a test of a child
    waiting = iter(jobs)
    running: dict[int, tuple[K, _Child]] = {}

    def begin() -> None:
        for key, job in waiting:
            child = _Child(job)
            running[child.pipe] = key, child
            return

    try:
        for _ in range(at_a_time):
            begin()
        while running:
            for key, child in list(_ended(list(running.values()))):
                del running[child.pipe]
                outcome = child.outcome()
                begin()
                yield key, outcome
    finally:
        for _, child in running.values():
            child.outcome()


def _ended(children: Sequence[tuple[K, _Child]]) -> Generator[tuple[K, _Child]]:
    patience = max(0.0, min(child.end for _, child in children) - time.monotonic())
    ready, _, _ = select.select([child.pipe for _, child in children], [], [], patience)
    for key, child in children:
        if child.pipe in ready:
            data = os.read(child.pipe, 1 << 16)
            child.answer += data
            if not data or data.endswith(b"\n"):
                yield key, child
        elif time.monotonic() >= child.end:
            yield key, child
