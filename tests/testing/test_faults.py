"""LSA functions that fail or are slow, as a test wants them."""

from __future__ import annotations

import pytest
from tests.testing.conftest import PASSWORD

import secpkg
from secpkg.contract import (
    Acquired,
    Call,
    Capability,
    ClientInfo,
    InterfaceVersion,
    LsaFunctions,
    ModuleTables,
    PackageInfo,
    PackageParameters,
    SecurityError,
    Status,
)
from secpkg.host.lsa_mode.local import LOCAL_FUNCTIONS
from secpkg.testing import ANY, FrozenClock, LabAuthority, lsa_functions


def server_first(lab: LabAuthority) -> Status:
    """How the first leg of a server ends."""
    with (
        secpkg.Client("Hello", username="alice", password=PASSWORD, authority=lab) as client,
        secpkg.Server("Hello", authority=lab) as server,
    ):
        try:
            server.step(client.step())
        except SecurityError as error:
            return error.status
    return Status.SEC_I_CONTINUE_NEEDED


class Asking:
    """Asks the host and the authority, at load and in a call."""

    info = PackageInfo("Asking", capabilities=Capability.CONNECTION, max_token=16)

    def __init__(self) -> None:
        self.answers: list[object] = []

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority
        try:
            self.answers.append(len(await authority.allocate_lsa_heap(3)))
        except SecurityError as error:
            self.answers.append((error.status, error.substatus, error.reason))

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: int, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        caller: ClientInfo = await self.authority.get_client_info()
        self.answers.append(caller.uid)
        return Acquired(object())


def test_a_function_fails_so_often_after_so_many_calls_and_then_no_longer(lab: LabAuthority) -> None:
    with lab.fail("get_auth_data_for_user", Status.STATUS_NO_MEMORY, times=2, after=1) as rule:
        found = [server_first(lab) for _ in range(5)]
    asked, refused = Status.SEC_I_CONTINUE_NEEDED, Status.STATUS_NO_MEMORY
    assert found == [asked, refused, refused, asked, asked]
    assert (rule.seen, rule.fired) == (5, 2)
    with lab.fail("GetAuthDataForUser", Status.STATUS_NO_MEMORY, times=None):
        assert [server_first(lab) for _ in range(3)] == [refused] * 3
    assert server_first(lab) is asked


def test_every_call_can_fail_in_turn(lab: LabAuthority) -> None:
    with lab.lsa_calls() as calls:
        assert server_first(lab) is Status.SEC_I_CONTINUE_NEEDED
    assert [(call.package, call.function) for call in calls] == [("Hello", "get_auth_data_for_user")]
    for number in range(len(calls)):
        with lab.fail(ANY, Status.STATUS_INSUFFICIENT_RESOURCES, after=number) as rule:
            assert server_first(lab) is Status.STATUS_INSUFFICIENT_RESOURCES
        assert rule.fired == 1


def test_functions_of_the_host_fail_too_and_those_of_a_load(lab: LabAuthority) -> None:
    before = dict(LOCAL_FUNCTIONS)
    package = Asking()

    def initialize(version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V1, (package,))

    with lab.faults.fail(
        "allocate_lsa_heap", Status.STATUS_NO_MEMORY, substatus=Status.STATUS_QUOTA_EXCEEDED, reason="mine"
    ):
        lab.add_module(initialize)
    assert package.answers == [(Status.STATUS_NO_MEMORY, Status.STATUS_QUOTA_EXCEEDED, "mine")]

    refused = lab.fail("get_client_info", Status.STATUS_UNSUCCESSFUL, package="asking")
    with refused, pytest.raises(SecurityError) as error, secpkg.Server("Asking", authority=lab):
        pass
    assert error.value.status is Status.STATUS_UNSUCCESSFUL
    secpkg.Server("Asking", authority=lab).close()
    assert len(package.answers) == 2
    assert before == LOCAL_FUNCTIONS


def test_a_rule_is_for_one_lab_and_one_package(lab: LabAuthority) -> None:
    with LabAuthority(modules=["hello"]) as other:
        other.add_user("alice", password=PASSWORD)
        with (
            lab.fail(ANY, Status.STATUS_NO_MEMORY, times=None),
            other.fail(ANY, Status.STATUS_NO_MEMORY, times=None, package="another"),
        ):
            assert server_first(other) is Status.SEC_I_CONTINUE_NEEDED
            assert server_first(lab) is Status.STATUS_NO_MEMORY


def test_time_passes_while_the_authority_thinks_and_others_go_on(lab: LabAuthority) -> None:
    clock = lab.clock
    assert isinstance(clock, FrozenClock)
    began, found = clock.now, []
    with lab.slow("get_auth_data_for_user", 30.0, times=1, meanwhile=lambda: found.append(server_first(lab))):
        found.append(server_first(lab))
    assert found == [Status.SEC_I_CONTINUE_NEEDED] * 2
    assert clock.now == began + 30.0


def test_an_application_may_leave_while_the_authority_thinks(lab: LabAuthority) -> None:
    client = secpkg.Client("Hello", username="alice", password=PASSWORD, authority=lab)
    link = lab.link()
    server = secpkg.Server("Hello", authority=lab)
    token = client.step()
    with lab.slow("get_auth_data_for_user", meanwhile=client.close):
        assert server.step(token)
    server.close()
    link.close()


def test_a_mistake_of_the_test_meanwhile_is_not_lost(lab: LabAuthority) -> None:
    def mistake() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), lab.slow("get_auth_data_for_user", meanwhile=mistake):
        assert server_first(lab) is Status.SEC_E_INTERNAL_ERROR


def test_what_is_no_fault_is_refused(lab: LabAuthority) -> None:
    with pytest.raises(ValueError, match="is no LSA function"):
        lab.fail("get_auth_data", Status.STATUS_NO_MEMORY)
    with pytest.raises(ValueError, match="is no error"):
        lab.fail(ANY, Status.SEC_E_OK)
    with pytest.raises(ValueError, match="`after`"):
        lab.fail(ANY, Status.STATUS_NO_MEMORY, times=0)
    assert {"get_auth_data_for_user", "get_client_info", "audit_logon"} <= set(lsa_functions())
