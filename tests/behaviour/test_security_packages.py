"""AddSecurityPackage and DeleteSecurityPackage act on a running authority, embedded and as a daemon (R8, R13, R18)."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.behaviour.world import Child, Place
from tests.daemon.modules import PLAIN, write_module

import secpkg
from secpkg.contract import AscReq, SecurityError, Status
from secpkg.contract.flags import (
    SECPKG_OPTIONS_PERMANENT,
    SECPKG_OPTIONS_TYPE_LSA,
    SECPKG_OPTIONS_TYPE_SSPI,
)
from secpkg.host.user_mode import providers
from secpkg.sspi import raw

LSA = raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_LSA)
PERMANENT = raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_LSA, SECPKG_OPTIONS_PERMANENT)


def names(place: Place) -> set[str]:
    status, packages = raw.enumerate_security_packages(place.authority)
    assert status is Status.SEC_E_OK
    return {info.name for info in packages}


def write(place: Place, name: str, body: str = PLAIN) -> str:
    """A module outside the environment, by its complete path."""
    return f"{write_module(place.modules, name, body)}/{name}"


def serves(place: Place, package: str) -> bytes | None:
    with secpkg.Server(package, requirements=AscReq(0), authority=place.authority) as server:
        return server.step(b"served")


@pytest.fixture
def added(place: Place) -> Iterator[str]:
    path = write(place, "added")
    yield path
    if "Added" in names(place):
        place.manage("packages.remove", name="added", deadline=0)


def test_an_added_package_serves_at_once_and_a_removed_one_no_more(place: Place, added: str) -> None:
    assert "Added" not in names(place)
    assert raw.add_security_package(added, LSA, place.authority) is Status.SEC_E_OK
    assert "Added" in names(place)
    assert raw.query_security_package_info("Added", place.authority)[0] is Status.SEC_E_OK
    assert serves(place, "Added") == b"served"
    assert raw.add_security_package(added, LSA, place.authority) is not Status.SEC_E_OK, "it is there"
    assert raw.delete_security_package("Added", place.authority) is Status.SEC_E_OK
    assert "Added" not in names(place)
    with pytest.raises(SecurityError) as caught:
        serves(place, "Added")
    assert caught.value.status is Status.SEC_E_SECPKG_NOT_FOUND
    assert raw.delete_security_package("Added", place.authority) is Status.SEC_E_SECPKG_NOT_FOUND


def test_contexts_of_a_removed_package_live_beside_those_of_its_successor(place: Place, added: str) -> None:
    assert raw.add_security_package(added, LSA, place.authority) is Status.SEC_E_OK
    early = secpkg.Server("Added", requirements=AscReq(0), authority=place.authority)
    assert early.step(b"first") == b"more"
    assert raw.delete_security_package("added", place.authority) is Status.SEC_E_OK
    with pytest.raises(SecurityError, match=r"package_draining|no_such_package"):
        serves(place, "Added")
    assert raw.add_security_package(added, LSA, place.authority) is Status.SEC_E_OK
    assert serves(place, "Added") == b"served"
    assert early.step(b"last") == b"last"
    early.close()
    place.until(
        lambda: [row["state"] for row in place.manage("packages.list") if row["module"] == "added"] == ["loaded"]
    )


def test_what_does_not_load_is_refused_and_leaves_nothing(place: Place) -> None:
    """R18."""
    path = write(place, "broken", "raise RuntimeError('at import')")
    assert raw.add_security_package(path, PERMANENT, place.authority) is Status.SEC_E_CANNOT_INSTALL
    place.until(lambda: not [row for row in place.manage("packages.list") if row["module"] == "broken"])
    assert raw.add_security_package("/nowhere/at_all", LSA, place.authority) is Status.SEC_E_SECPKG_NOT_FOUND
    assert raw.add_security_package("relative/path", LSA, place.authority) is Status.SEC_E_SECPKG_NOT_FOUND


def test_inbox_packages_are_nobodys_to_add_remove_or_shadow(place: Place) -> None:
    """R13."""
    for name in ("Kerberos", "kerberos", "Negotiate"):
        assert raw.add_security_package(name, LSA, place.authority) is Status.STATUS_ACCESS_DENIED
        assert raw.delete_security_package(name, place.authority) is Status.STATUS_ACCESS_DENIED
    shadow = write(place, "shadow", "\ndef initialize(version):\n    return tables(Package('NTLM'))\n")
    assert raw.add_security_package(shadow, LSA, place.authority) is Status.SEC_E_CANNOT_INSTALL
    assert [row["module"] for row in place.manage("packages.list") if row["name"] == "NTLM"] in ([], ["ntlm"])


def test_what_is_permanent_is_in_the_registry(place: Place, added: str) -> None:
    registry = None if place.embedded else Path(str(place.authority).removeprefix("unix:")).with_name("registry.toml")
    for options, written in ((LSA, False), (PERMANENT, True)):
        assert raw.add_security_package(added, options, place.authority) is Status.SEC_E_OK
        assert serves(place, "Added") == b"served"
        if registry is not None:
            assert ('"added"' in registry.read_text()) is written
        place.manage("packages.remove", name="added", deadline=0)
        place.until(lambda: "Added" not in names(place))
    if registry is not None:
        assert '"added"' not in registry.read_text()


def test_of_unknown_type_is_whichever_the_entry_points_offer(
    place: Place, added: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "_providers", {})
    assert raw.add_security_package(added, None, place.authority) is Status.SEC_E_OK
    assert "Added" in names(place)
    assert "sampssp" in {entry.name for entry in importlib.metadata.entry_points(group="secpkg.security_provider")}
    assert raw.add_security_package("sampssp", None, place.authority) is Status.SEC_E_OK
    assert "SampSSP" in names(place)
    assert raw.delete_security_package("sampssp", place.authority) is Status.SEC_E_OK
    assert "SampSSP" not in names(place)
    assert raw.add_security_package("nobodys", None, place.authority) is Status.SEC_E_SECPKG_NOT_FOUND


def test_a_plain_ssp_is_this_processs_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_providers", {})
    options = raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_SSPI, SECPKG_OPTIONS_PERMANENT)
    assert raw.add_security_package("sampssp", options, place.authority) is Status.SEC_E_UNSUPPORTED_FUNCTION
    plain = raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_SSPI)
    assert raw.add_security_package("sampssp", plain, place.authority) is Status.SEC_E_OK
    assert not [row for row in place.manage("packages.list") if row["name"] == "SampSSP"]
    assert raw.add_security_package("hello", plain, place.authority) is Status.SEC_E_SECPKG_NOT_FOUND


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_who_lacks_the_privilege_is_refused(place: Place, added: str) -> None:
    """Lock 2, R84."""
    if place.embedded:
        with secpkg.lsa.register_logon_process("anybody", place.authority) as lsa:
            assert lsa.trusted, "a process that embeds its authority is one trust domain with it"
        return

    def as_nobody() -> list[str]:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        return [
            raw.add_security_package(added, LSA, place.authority).native,
            raw.add_security_package(added, PERMANENT, place.authority).native,
            raw.delete_security_package("Hello", place.authority).native,
        ]

    assert Child(as_nobody).found == ["STATUS_PORT_CONNECTION_REFUSED"] * 3
    assert "Hello" in names(place) and "Added" not in names(place)
