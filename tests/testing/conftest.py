from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from secpkg.testing import FrozenClock, LabAuthority, SeededEntropy

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def _no_configured_authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SECPKG_AUTHORITY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with LabAuthority(modules=["hello"], clock=FrozenClock(), entropy=SeededEntropy(1)) as lab:
        lab.add_user("alice", password=PASSWORD)
        yield lab
