"""The table of docs/interop.md is what a run says."""

from __future__ import annotations

import pytest
from tests.strangers import interop


@pytest.mark.slow
@pytest.mark.stranger(*interop.NEEDS)
def test_the_table_is_what_happens() -> None:
    assert interop.without_versions(interop.PAGE.read_text()) == interop.without_versions(interop.page())
