from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runtime.certificates import Ca
from tests.runtime.sites import Site


@pytest.fixture
def ca(tmp_path: Path) -> Ca:
    return Ca(tmp_path)


@pytest.fixture
def here(tmp_path: Path, ca: Ca) -> Iterator[Site]:
    site = Site(tmp_path, ca, "HERE")
    yield site
    site.lab.close()


@pytest.fixture
def other(tmp_path: Path, ca: Ca) -> Iterator[Site]:
    site = Site(tmp_path, ca, "OTHER")
    site.listen = "127.0.0.1:0"
    yield site
    site.lab.close()
