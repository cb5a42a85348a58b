"""Which authority is used is named, never guessed (section 1 of the design)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secpkg.contract.status import SecurityError, Status
from secpkg.ipc import where


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the two configuration files are looked for: ``user.toml`` and ``system.toml`` of this folder."""
    (tmp_path / "secpkg").mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(where, "SYSTEM_FILE", str(tmp_path / "system.toml"))
    monkeypatch.delenv("SECPKG_AUTHORITY", raising=False)
    return tmp_path


def test_the_order(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert where.resolve() == "embedded:"
    (files / "system.toml").write_text('authority = "unix:/system"\nsecurity_providers = ["sampssp"]\n')
    where._configuration.cache_clear()
    assert where.resolve() == "unix:/system"
    (files / "secpkg" / "secpkg.toml").write_text('authority = "unix:/user"\nauthority_uids = [4711]\n')
    where._configuration.cache_clear()
    assert where.resolve() == "unix:/user"
    assert where.configuration().security_providers == ("sampssp",) and {0, os.geteuid(), 4711} == where.allowed_uids()
    monkeypatch.setenv("SECPKG_AUTHORITY", "unix:/environment")
    assert where.resolve() == "unix:/environment"
    assert where.resolve("unix:/explicit") == "unix:/explicit"


def test_a_privileged_process_asks_neither_environment_nor_user(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "secpkg" / "secpkg.toml").write_text('authority = "unix:/user"\n')
    monkeypatch.setenv("SECPKG_AUTHORITY", "unix:/environment")
    assert where.at_secure() is False
    monkeypatch.setattr(where, "at_secure", lambda: True)
    assert where.resolve() == "embedded:"


@pytest.mark.parametrize("address", ["", "unix:", "unix:relative", "tcp:host", "embedded", "unix:/a\0b", "/run/x"])
def test_an_address_that_is_none_is_refused(files: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SecurityError, match="authority_address"):
        where.resolve(address)
    if "\0" not in address:
        monkeypatch.setenv("SECPKG_AUTHORITY", address)
        with pytest.raises(SecurityError, match="authority_address"):
            where.resolve()
    with pytest.raises(SecurityError, match="authority_kind"):
        where.resolve(7)


@pytest.mark.parametrize(("text", "reason"), [("authority = 7", "invalid"), ("authority =", "invalid")])
def test_a_configuration_that_cannot_be_used_is_not_passed_over(files: Path, text: str, reason: str) -> None:
    (files / "secpkg" / "secpkg.toml").write_text(text)
    where._configuration.cache_clear()
    with pytest.raises(SecurityError, match=f"configuration_{reason}") as caught:
        where.resolve()
    assert caught.value.status is Status.SEC_E_NO_AUTHENTICATING_AUTHORITY


def test_the_trusted_twin() -> None:
    assert where.trusted_address("unix:/run/secpkg/lsa.sock") == "unix:/run/secpkg/lsa-trusted.sock"
    assert where.trusted_address("unix:/run/lsa") == "unix:/run/lsa-trusted"
    assert where.trusted_address("embedded:") == "embedded:"
