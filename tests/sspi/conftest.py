from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sspi.fakes import FakeAuthority, install

from secpkg.host.user_mode import load, providers


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test loads modules anew, as a process of its own would."""
    monkeypatch.setattr(load, "_modules", {})
    monkeypatch.setattr(providers, "_providers", {})
    monkeypatch.delenv("SECPKG_AUTHORITY", raising=False)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAuthority]:
    yield FakeAuthority(install(tmp_path, monkeypatch))


@pytest.fixture
def half(authority: FakeAuthority) -> Any:
    """The module of the user half."""
    import importlib

    return importlib.import_module("tiny_user_half")
