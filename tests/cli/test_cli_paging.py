"""Lists longer than a frame come in pages, and the command line asks for all of them."""

from __future__ import annotations

import pytest

from secpkg import lsa
from secpkg.cli import connection
from secpkg.runtime import management
from secpkg.testing import LabAuthority


def test_the_page_of_the_command_line_is_that_of_the_authority() -> None:
    assert connection._PAGE == management.PAGE


def test_every_row_of_a_long_list_arrives_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with LabAuthority() as lab:
        with lsa.register_logon_process("test", lab) as operator:
            before = operator.manage("groups.list")
            assert isinstance(before, list)
            for number in range(2 * management.PAGE):
                operator.manage("groups.add", name=f"group{number}")
            page = operator.manage("groups.list")
            assert isinstance(page, list) and len(page) == management.PAGE
        monkeypatch.setattr(connection, "connected", lambda: lsa.register_logon_process("test", lab))
        rows = connection.manage_list("groups.list")
        names = [row["name"] for row in rows if isinstance(row, dict)]
        assert len(names) == len(set(names)) == len(before) + 2 * management.PAGE
