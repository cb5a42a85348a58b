"""What README shows works: its code blocks are run as they stand."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module to run the blocks in: what stands in one block is there in the next."""
    made = types.ModuleType("readme_badge")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_the_package_in_readme_is_under_a_screen_and_logs_on_by_badge(module: types.ModuleType) -> None:
    package, use = BLOCKS[0], BLOCKS[1]
    assert len(package.splitlines()) <= 25
    exec(compile(package, "README.md", "exec"), module.__dict__)
    exec(compile(use, "README.md", "exec"), module.__dict__)


def test_the_package_in_readme_refuses_what_it_does_not_know(module: types.ModuleType) -> None:
    exec(compile(BLOCKS[0], "README.md", "exec"), module.__dict__)
    other = BLOCKS[1].replace('b"4711"', 'b"4712"')
    with pytest.raises(Exception, match="STATUS_LOGON_FAILURE"):
        exec(compile(other, "README.md", "exec"), module.__dict__)


def test_the_names_of_the_use_block_exist() -> None:
    import secpkg

    for name in re.findall(r"secpkg\.([A-Za-z.]+)", BLOCKS[2]):
        value: object = secpkg
        for part in name.split("."):
            value = getattr(value, part)
    for attribute in ("complete", "session_key", "encrypt", "step"):
        assert hasattr(secpkg.Client, attribute)
    for attribute in ("peer", "access_token", "decrypt"):
        assert hasattr(secpkg.Server, attribute)
