"""What `from secpkg import Client` brings along."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FOREIGN = (
    "sqlite3", "asyncio", "ctypes", "cryptography", "importlib.metadata", "tomllib", "click",
    "secpkg.authority", "secpkg.accounts", "secpkg.host.lsa_mode", "secpkg.runtime", "secpkg.packages",
)  # fmt: skip


def loaded(code: str) -> set[str]:
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    return set(json.loads(output))


def test_a_client_brings_neither_the_authority_nor_asyncio_nor_sql() -> None:
    assert not loaded("from secpkg import Client, Server") & set(FOREIGN)


@pytest.mark.parametrize("module", ["secpkg.sspi.raw", "secpkg.lsa.raw"])
def test_nor_do_the_raw_floors(module: str) -> None:
    modules = loaded(f"import {module}")
    assert not modules & {"sqlite3", "asyncio", "secpkg.authority", "secpkg.accounts", "secpkg.runtime"}
