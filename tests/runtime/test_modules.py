"""Modules that are installed while the authority runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from secpkg.contract.status import SecurityError
from secpkg.runtime.modules import describe


def installed_editable(site: Path, lines: str) -> None:
    """What pip leaves of ``pip install -e``: the metadata, and a ``.pth`` that this process has not read."""
    information = site / "late-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[secpkg.lsa_mode]\nlate = late_module:lsa_mode_initialize\n")
    (information / "RECORD").write_text("__editable__.late-1.0.pth,,\nlate-1.0.dist-info/METADATA,,\n")
    (site / "__editable__.late-1.0.pth").write_text(lines)


def test_an_editable_installation_is_found_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its directory is looked into after all others; lines with code in them are not run."""
    source, site, ran = tmp_path / "source", tmp_path / "site", tmp_path / "ran"
    source.mkdir()
    (source / "late_module.py").write_text("raise AssertionError('nothing is imported here')\n")
    code = f"import pathlib; pathlib.Path({str(ran)!r}).touch()"
    installed_editable(site, f"{code}\nrelative\n{source}\n{tmp_path / 'absent'}\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    found = describe("late")
    assert (found.distribution, found.version, found.target) == ("late", "1.0", "late_module:lsa_mode_initialize")
    assert sys.path[-1] == str(source)
    assert not ran.exists()


def test_one_whose_files_are_nowhere_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_editable(tmp_path, "relative\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with pytest.raises(SecurityError, match="module_files_not_found"):
        describe("late")
