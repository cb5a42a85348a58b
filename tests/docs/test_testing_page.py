"""What docs/testing.md shows works: its tests are run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_first_test_on_the_page_has_ten_lines() -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line]) <= 10


@pytest.mark.slow
def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text("\n\n".join(BLOCKS))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(rf"^{len(re.findall('^def test_', ''.join(BLOCKS), re.MULTILINE)) + 8} passed", done.stdout, re.M)


def test_the_names_on_the_page_exist() -> None:
    from secpkg import testing
    from secpkg.testing import pytest_plugin

    for name in re.findall(r"`(\w+)(?:\(|`)", PAGE):
        if name in ("LabAuthority", "Pair", "FrozenClock", "SeededEntropy", "ANY", "record", "replay"):
            assert hasattr(testing, name)
    for fixture in set(re.findall(r"secpkg_\w+", PAGE)):
        assert callable(getattr(pytest_plugin, fixture))
