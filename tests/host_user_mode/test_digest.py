"""The digest tells versions of a package's files apart, and does not import them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from secpkg.contract.digest import distribution_digest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "digested_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "inner" / "a.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


def test_contents_names_and_nothing_else_count(place: Path) -> None:
    first = distribution_digest("digested_package")
    assert len(first) == 32 and "digested_package" not in sys.modules
    (place / "notes.txt").write_text("not Python")
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "x.py").write_text("")
    assert distribution_digest("digested_package") == first
    (place / "inner" / "a.py").write_text("A = 2\n")
    second = distribution_digest("digested_package")
    assert second != first
    (place / "inner" / "a.py").write_text("A = 1\n")
    (place / "inner" / "a.py").rename(place / "inner" / "b.py")
    assert distribution_digest("digested_package") not in (first, second)


def test_bytes_do_not_wander_from_one_file_to_the_next(place: Path) -> None:
    (place / "inner" / "a.py").write_text("12")
    (place / "inner" / "b.py").write_text("3")
    first = distribution_digest("digested_package")
    (place / "inner" / "a.py").write_text("1")
    (place / "inner" / "b.py").write_text("23")
    assert distribution_digest("digested_package") != first


def test_a_single_module_has_a_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digested_module.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(distribution_digest("digested_module")) == 32


@pytest.mark.parametrize("name", ["", "no_such_package_anywhere", "secpkg.contract", "sys"])
def test_what_has_no_source_is_a_lookup_error(name: str) -> None:
    with pytest.raises(LookupError):
        distribution_digest(name)
