from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.packages_ntlm.world import lab_with

from secpkg.testing import LabAuthority


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with lab_with() as made:
        yield made
