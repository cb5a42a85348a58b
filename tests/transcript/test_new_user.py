"""secpkg as a new user meets it: one transcript from an empty directory to a sealed conversation, and one of the five
mistakes that newcomers make.

The transcripts are pages, each command with what it must print; they run as the documentation's do, in an environment
of their own (`tests.docs.pages`). They wait for what programs say, and for nothing else.
"""

from __future__ import annotations

import re
import tempfile
import types
from pathlib import Path

import pytest
from tests.docs import pages

HERE = Path(__file__).parent
MISTAKES = HERE / "five_mistakes.md"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["new_user.md", "five_mistakes.md"])
def test_every_command_prints_what_the_transcript_shows(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="user-") as directory:  # short enough for the name of a socket
        pages.run(HERE / name, Path(directory), types.ModuleType("transcript"))


def test_each_of_the_five_mistakes_is_explained_in_the_first_line() -> None:
    """What `secpkg doctor` must print begins, mistake by mistake, with what is wrong and what mends it."""
    _, *mistakes = re.split(r"^## ", MISTAKES.read_text("utf-8"), flags=re.M)
    assert len(mistakes) == 5
    for mistake in mistakes:
        title, *_ = mistake.splitlines()
        first = re.search(r"^\$ secpkg doctor badge\n(.*)$", mistake, re.M)
        assert first is not None, title
        wrong, mend, what = first[1].partition(" - mend it: ")
        assert wrong and mend and what, title
        assert "…" not in first[1], f"{title}: the line is not shown whole"
