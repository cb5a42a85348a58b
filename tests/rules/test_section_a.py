"""Section A of the rules: kinds of packages, registration, loading."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.daemon.harness import running
from tests.rules.duo import Duo
from tests.rules.packages import Badge, badge, handshake, lab_of

import secpkg
from secpkg.authority.registry import ModuleEntry, Registry
from secpkg.contract import Capability, LogonType, PackageInfo, SecurityError, Status
from secpkg.contract.flags import SECPKG_OPTIONS_TYPE_LSA
from secpkg.contract.security_provider import SecurityProvider
from secpkg.host.user_mode import providers
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

ONE_LOADED = ["SpInitialize One", "LsaApInitializePackage One", "SpGetInfo One"]
TWO_LOADED = ["SpInitialize Two", "LsaApInitializePackage Two", "SpGetInfo Two"]


def names(authority: object) -> list[str]:
    status, packages = raw.enumerate_security_packages(authority)
    assert status is Status.SEC_E_OK
    return [package.name for package in packages]


@pytest.mark.breaks("R2", "secpkg.host.lsa_mode.dispatcher:Dispatcher.package_call")
def test_R2_one_module_logs_users_on_and_secures_conversations(duo: Duo) -> None:
    with LabAuthority(modules=[duo.name]) as lab:
        lab.add_user("alice")
        with secpkg.lsa.connect(lab) as lsa, lsa.logon_user("One", LogonType.NETWORK, username="alice") as logon:
            assert logon.account_name == "alice"
        with secpkg.Client("One", authority=lab) as client, secpkg.Server("One", authority=lab) as server:
            assert handshake(client, server) == 3
            assert server.decrypt(client.encrypt(b"data")) == b"data"


@pytest.mark.slow
def test_R3_R7_R9_R157_registered_once_loaded_at_every_start_its_user_half_in_applications(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R146: the application names a package; which half is loaded, and where, is not its business."""
    with running(hello=False) as daemon:
        duo = Duo(daemon.directory.parent / "site").use(monkeypatch)
        added = daemon.manage("packages.add", module=duo.name, path=str(duo.place))
        assert added["state"] == "loaded", added
        registered = (daemon.directory / "registry.toml").read_text()
        assert f'module = "{duo.name}"' in registered and ".py" not in registered
        daemon.stop()
        before = len(duo.lines())
        daemon.start()
        daemon.until(lambda: [row["state"] for row in daemon.packages(duo.name)] == ["loaded", "loaded"])
        start = duo.lines()[before:]
        assert [what for _, what in start] == ["SpLsaModeInitialize", *ONE_LOADED, *TWO_LOADED]
        worker = daemon.worker(duo.name)
        assert {pid for pid, _ in start} == {worker} and worker != os.getpid()

        with (
            secpkg.Client("One", authority=daemon.address) as client,
            secpkg.Server("One", authority=daemon.address) as server,
        ):
            assert not duo.imported("user")
            handshake(client, server)
            assert duo.imported("user") and not duo.imported("lsa")
        here = [what for pid, what in duo.lines() if pid == os.getpid()]
        assert here[:4] == [
            "SpUserModeInitialize",
            "SpInstanceInit One",
            "SpInstanceInit Two",
            "SpInitUserModeContext One",
        ]
        in_worker = {what.split()[0] for pid, what in duo.lines() if pid == worker}
        assert {"SpInitLsaModeContext", "SpAcceptLsaModeContext"} <= in_worker
        assert not in_worker & {"SpUserModeInitialize", "SpInstanceInit", "SpInitUserModeContext"}


@pytest.mark.breaks("R3", "secpkg.runtime.modules:lsa_mode_initialize")
@pytest.mark.breaks("R9", "secpkg.host.lsa_mode.load:load_packages")
def test_R3_R9_each_start_loads_a_module_into_the_authority_before_anybody_asks(duo: Duo) -> None:
    assert not duo.imported("lsa")
    for start in (1, 2):
        with LabAuthority(modules=[duo.name]):
            assert duo.imported("lsa") and not duo.imported("user")
            assert duo.calls() == ["SpLsaModeInitialize", *ONE_LOADED, *TWO_LOADED] * start


@pytest.mark.breaks("R7", "secpkg.authority.registry:Registry._write")
def test_R7_a_module_is_registered_by_its_bare_name(tmp_path: Path) -> None:
    entry = ModuleEntry(module="some_ssp", distribution="some-ssp", version="1.0", digest="0" * 64)
    Registry(tmp_path / "registry.toml").add(entry)
    assert Registry(tmp_path / "registry.toml").read().security_packages == (entry,)
    assert 'module = "some_ssp"' in (tmp_path / "registry.toml").read_text()


@pytest.mark.breaks("R8", "secpkg.runtime.modules:use_path")
def test_R8_a_module_elsewhere_is_named_by_its_complete_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duo = Duo(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "path", list(sys.path))
    options = raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_LSA)
    with LabAuthority() as lab:
        assert raw.add_security_package(duo.name, options, lab) is Status.SEC_E_SECPKG_NOT_FOUND
        assert raw.add_security_package(f"{duo.place}/{duo.name}", options, lab) is Status.SEC_E_OK
        assert {"One", "Two"} <= set(names(lab))


@pytest.mark.breaks("R13", "secpkg.authority.directory:PackageDirectory._put")
def test_R13_the_name_of_an_inbox_package_is_for_nobody_else() -> None:
    with lab_of(Badge("NTLM"), Badge()) as lab:
        states = {entry.name: entry.reason for entry in lab.embedded.machine.directory.entries()}
        assert states == {"NTLM": "package_name_reserved", "Badge": ""}
        assert names(lab) == ["Badge"]


@pytest.mark.breaks("R4", "secpkg.host.lsa_mode.load:load_packages")
def test_R4_a_module_of_several_packages(duo: Duo) -> None:
    with LabAuthority(modules=[duo.name]) as lab:
        assert {"One", "Two"} <= set(names(lab))
        for package, tokens in (("One", 3), ("Two", 1)):
            with secpkg.Client(package, authority=lab) as client, secpkg.Server(package, authority=lab) as server:
                assert handshake(client, server) == tokens and client.complete and server.complete


@pytest.mark.breaks("R6", "secpkg.host.user_mode.load:user_package")
def test_R6_a_user_half_where_contexts_are_used_and_none_where_only_logons_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab_of(Badge()) as lab:
        badge(lab).close()
    half = Duo(tmp_path / "half", user_half=False).use(monkeypatch)
    with LabAuthority(modules=[half.name]) as lab:
        client = secpkg.Client("Two", authority=lab)
        with pytest.raises(SecurityError, match="user_half_missing") as caught:
            client.step()
        assert caught.value.status is Status.SEC_E_SECPKG_NOT_FOUND
        client.close()


class Provider:
    """A plain SSP."""

    def enumerate_security_packages(self) -> tuple[PackageInfo, ...]:
        return (PackageInfo("Plain", capabilities=Capability.CONNECTION, max_token=64),)


@pytest.mark.breaks("R12", "secpkg.authority.registry:Registry.set_security_providers")
@pytest.mark.breaks("R14", "secpkg.authority.registry:Registry._require_not_inbox")
def test_R12_a_plain_ssp_is_a_name_in_the_list_of_providers(tmp_path: Path) -> None:
    """Here the list is one of names of entry points (spec/README 12), apart from that of the SSP/APs; R14: what comes
    with the authority is in none of them.
    """
    registry = Registry(tmp_path / "registry.toml", inbox=("inside",))
    assert registry.set_security_providers(("sampssp", "other")).security_packages == ()
    assert registry.read().security_providers == ("sampssp", "other")
    with pytest.raises(SecurityError, match="inside"):
        registry.set_security_providers(("inside",))


@pytest.mark.breaks("R16", "secpkg.authority.directory:PackageDirectory.find")
def test_R16_authentication_packages_side_by_side() -> None:
    first, second = Badge("First", b"one"), Badge("Second", b"two")
    with lab_of(first, second) as lab:
        badge(lab, b"one:alice", "First").close()
        badge(lab, b"two:alice", "Second").close()
        assert [len(package.requests) for package in (first, second)] == [1, 1]
        with pytest.raises(SecurityError):
            badge(lab, b"one:alice", "Second")


@pytest.mark.breaks("R17", "secpkg.host.user_mode.providers:enumerate_packages")
def test_R17_what_is_loaded_and_what_can_be_is_enumerated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On demand are the plain SSPs of the operator's list."""
    (tmp_path / "listed" / "secpkg").mkdir(parents=True)
    (tmp_path / "listed" / "secpkg" / "secpkg.toml").write_text('security_providers = ["sampssp"]\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "listed"))
    was_added = providers.is_added("sampssp")
    try:
        with lab_of(Badge()) as lab:
            assert sorted(names(lab)) == ["Badge", "SampSSP"]
    finally:
        if not was_added:
            providers.remove("sampssp")


def test_R17_what_the_program_added_itself_is_enumerated_too() -> None:
    def init_security_interface() -> SecurityProvider:
        return Provider()

    providers.add("rules-plain", init_security_interface)
    try:
        with lab_of(Badge()) as lab:
            assert sorted(names(lab)) == ["Badge", "Plain"]
    finally:
        providers.remove("rules-plain")
