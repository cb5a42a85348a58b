"""Section B of the rules: the order of starting up in LSA mode."""

from __future__ import annotations

import pytest
from tests.rules.duo import Duo
from tests.rules.packages import Badge, lab_of

from secpkg.contract import Capability, LsaDispatchTable, PackageInfo, Status
from secpkg.contract.flags import SECPKG_ID_NONE, MachineState
from secpkg.sspi import raw
from secpkg.testing import LabAuthority


@pytest.mark.breaks("R29", "secpkg.host.lsa_mode.load:_load")
def test_R29_module_then_each_package_and_its_information_last(duo: Duo) -> None:
    """spec/README 1."""
    with LabAuthority(modules=[duo.name]):
        per_package = ("SpInitialize", "LsaApInitializePackage", "SpGetInfo")
        expected = ["SpLsaModeInitialize", *(f"{what} {name}" for name in ("One", "Two") for what in per_package)]
        assert duo.calls() == expected


class Arguments(Badge):
    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable, *more: object) -> str:
        self.calls.append(f"{package_id > 0} {len(more)}")
        return self.info.name


class OfFour(Badge):
    async def initialize_package(  # type: ignore[override]  # this is the mistake
        self, package_id: int, dispatch: LsaDispatchTable, database: str, confidentiality: str
    ) -> str:
        return self.info.name


def states(lab: LabAuthority) -> dict[str, str]:
    return {entry.name: entry.reason for entry in lab.embedded.machine.directory.entries()}


@pytest.mark.breaks("R31", "secpkg.host.lsa_mode.load:_present")
def test_R31_database_and_confidentiality_never_arrive() -> None:
    """Always NULL: left out, and a package that wants them is told which rule it breaks."""
    package = Arguments()
    with lab_of(package):
        assert "True 0" in package.calls
    with lab_of(OfFour()) as lab:
        assert "initialize_package" in states(lab)["Badge"]


@pytest.mark.breaks("R36", "secpkg.runtime.machine:Machine.parameters")
def test_R36_parameters_tell_the_machine_its_domain_and_a_seed_of_the_modules_own() -> None:
    first, second = Badge("First"), Badge("Second")
    with lab_of(first, second) as lab:
        one, two = first.parameters, second.parameters
        assert one is not None and two is not None
        assert one.machine_state == MachineState.STANDALONE and one.domain_name == "EXAMPLE"
        assert one.domain_sid == str(lab.embedded.machine.authority.store.domain_sid)
        assert len(one.seed) >= 16 and one.seed != two.seed


class Nameless(Badge):
    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        return ""


@pytest.mark.breaks("R32", "secpkg.host.lsa_mode.load:_present")
def test_R32_an_authentication_package_returns_its_name() -> None:
    with lab_of(Nameless()) as lab:
        assert "no name" in states(lab)["Badge"]
        assert raw.enumerate_security_packages(lab) == (Status.SEC_E_OK, ())


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.breaks("R34", "secpkg.host.lsa_mode.load:_checked")
def test_R34_information_is_of_version_1_and_has_no_dce_number_of_itself(version: int) -> None:
    package = Badge()
    package.info = PackageInfo("Badge", capabilities=Capability.LOGON, version=version)
    with lab_of(package) as lab:
        _, enumerated = raw.enumerate_security_packages(lab)
        assert [(each.version, each.rpc_id) for each in enumerated] == [(1, SECPKG_ID_NONE)] * (version == 1)
