"""Every page of the documentation works as it stands: its Python is run, its sessions say what it shows."""

from __future__ import annotations

import sys
import tempfile
import types
from pathlib import Path

import pytest
from tests.docs import pages

ELSEWHERE = ("testing.md", "benchmarks.md", "roadmap.md", "rules.md")
"""Have tests of their own, or no code that is meant to run."""
PAGES = [
    path.relative_to(pages.DOCS).as_posix()
    for path in sorted([*pages.DOCS.glob("*.md"), *pages.DOCS.glob("howto/*.md")])
    if path.name not in ELSEWHERE
]
WITH_A_SHELL = [page for page in PAGES if pages.needs_a_shell(pages.DOCS / page)]


def run(page: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("page_" + page.removesuffix(".md").replace("-", "_").replace("/", "_"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    pages.run(pages.DOCS / page, directory, module)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in WITH_A_SHELL])
def test_the_code_on_the_page_works(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(page, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", WITH_A_SHELL)
def test_the_sessions_on_the_page_say_what_it_shows(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="page-") as directory:  # short enough for the name of a socket
        run(page, Path(directory), monkeypatch)


def test_what_the_page_leaves_open_is_open_and_nothing_else() -> None:
    assert pages.fits("one …\n…\nlast\n", "one 17\nand\nmore\nlast\n")
    assert pages.fits("…\n", "") and pages.fits("", "\n")
    assert not pages.fits("one\n", "one\ntwo\n") and not pages.fits("one …\n", "two 17\n")
    assert not pages.fits("", "something\n")
