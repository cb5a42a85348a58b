from __future__ import annotations

from pathlib import Path

import pytest
from tests.rules.duo import Duo


@pytest.fixture(autouse=True)
def _no_configured_authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SECPKG_AUTHORITY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def duo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Duo:
    return Duo(tmp_path / "site").use(monkeypatch)
