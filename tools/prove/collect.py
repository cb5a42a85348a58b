"""The marked tests, collected once: the children that run them are forked from the process that knows them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import pytest

ROOT: Final = Path(__file__).parents[2]
_MARKED: Final = re.compile(r"mark\.(?:proves|breaks)\b")
_FOLDERS: Final = ("tests", "examples")
CONFIGURED: Final = (
    *("-c", str(ROOT / "pyproject.toml"), "--rootdir", ".", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # what is proven is imported before pytest is
)
"""For pytest, in the folder that `main` has changed to."""


class Test(msgspec.Struct, frozen=True):
    """One marked test function: ``path::Class::name``, and the node ids of all its parameters."""

    __test__ = False  # for pytest

    name: str
    nodes: tuple[str, ...]


DATA: Final = "data:"
"""A rule that depends on values and on no callable: the mark says which, and there is nothing to put a stub into."""


class Break(msgspec.Struct, frozen=True):
    """What a mark ``breaks`` says: this test fails when ``target`` does nothing, and so keeps the rule."""

    rule: str
    target: str
    test: Test


class Collected(msgspec.Struct, frozen=True):
    """Tests by the function that they prove, and what each rule depends on. ``faults``: marks that make no sense."""

    proves: dict[str, list[Test]]
    breaks: list[Break]
    faults: list[str]


class _Collector:
    """A plugin of pytest that reads the marks of what is collected."""

    def __init__(self) -> None:
        self.marks: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
        self.faults: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            name = item.nodeid.partition("[")[0]
            for kind in ("proves", "breaks"):
                for mark in item.iter_markers(kind):
                    if mark.kwargs or not all(isinstance(one, str) for one in mark.args):
                        self.faults.append(f"{name}: {kind} takes names only")
                        continue
                    for arguments in [(one,) for one in mark.args] if kind == "proves" else [mark.args]:
                        self.marks.setdefault((kind, arguments, name), []).append(item.nodeid)


def marked_files(root: Path = ROOT) -> list[Path]:
    """Test files that have a mark."""
    files = (path for folder in _FOLDERS for path in (root / folder).rglob("test_*.py"))
    return sorted(path for path in files if _MARKED.search(path.read_text()))


def collect(files: Iterable[Path]) -> Collected:
    """Import these test files and read their marks. ``faults`` is not empty when pytest could not collect."""
    paths = [str(path) for path in files]
    collector = _Collector()
    if paths:
        options = ["--collect-only", "-qq", "--no-header", "--no-summary", *CONFIGURED]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = pytest.main([*options, *paths], plugins=[collector])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            collector.faults.append(f"pytest could not collect the marked tests: {code!r}\n{printed.getvalue()}")
    proves: dict[str, list[Test]] = {}
    breaks: list[Break] = []
    for (kind, arguments, name), nodes in collector.marks.items():
        test = Test(name, tuple(dict.fromkeys(nodes)))
        if kind == "proves":
            proves.setdefault(arguments[0], []).append(test)
        elif len(arguments) == 2 and re.fullmatch(r"R\d{1,3}", arguments[0]):
            if not arguments[1].startswith(DATA):
                breaks.append(Break(*arguments, test))
        else:
            collector.faults.append(f'{name}: breaks takes "R<number>" and "module:qualname"')
    return Collected(proves, breaks, collector.faults)
