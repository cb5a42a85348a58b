"""What every test of a real daemon has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.daemon import harness


@pytest.fixture(autouse=True)
def _connections_end_with_the_test() -> Iterator[None]:
    yield
    harness.close_opened()
