from __future__ import annotations

import pytest
from tests.authority.world import World


@pytest.fixture
def world() -> World:
    return World()
