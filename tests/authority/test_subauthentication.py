"""Subauthentication routines, which decide a network logon (R262-R268, R272)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
from tests.authority.subauthentication_packages import NOON, NUMBER, Lab, network
from tests.authority.test_packages import failure
from tests.authority.world import ROOT, World

from secpkg.authority.directory import PackageEntry
from secpkg.authority.subauthentication import Subauthentication
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract import (
    NEVER,
    LogonType,
    PackageInfo,
    ProtocolReply,
    SecurityError,
    Status,
)
from secpkg.contract import subauthentication as subauth
from secpkg.contract.subauthentication import (
    SUBAUTH_PACKAGE,
    ActionsPerformed,
    InteractiveInfo,
    LogonIdentity,
    SubAuthLogon,
    SubAuthRequest,
    SubAuthResult,
    SubAuthResultEx,
    UserAllField,
    UserFlag,
    ValidationInfo,
    outcome_ex_of,
    outcome_of,
    submit,
)
from secpkg.testing import LabAuthority


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.authority.close()


# --- routines --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("subauth.Msv1_0SubAuthenticationRoutine")
@pytest.mark.breaks("R263", "secpkg.authority.subauthentication:user_all")
def test_the_routine_alone_decides_with_the_account_at_hand_R263(lab: Lab) -> None:
    right = lab.ask(network())
    assert right.protocol_status == Status.STATUS_SUCCESS
    assert outcome_of(right.data).user_flags == UserFlag.GRACE_LOGON
    wrong = lab.ask(network(b"12345678"))
    assert wrong.protocol_status == outcome_of(wrong.data).status == Status.STATUS_WRONG_PASSWORD
    account = lab.lsa.store.find("alice")
    assert account is not None
    assert (lab.card.seen[0].user_name, lab.card.seen[0].user_id) == ("alice", account.rid)
    assert lab.card.seen[0].logon_hours is None and lab.card.seen[0].account_expires == NEVER
    lab.lsa.store.update("alice", logon_hours=3, workstations=("desk",), expires_at=NOON, enabled=False)
    lab.ask(network())
    last = lab.card.seen[-1]
    assert last.logon_hours == b"\x03" + bytes(20) and last.work_stations == ("desk",)
    assert last.account_expires == NOON and last.account_disabled, "it is told, and decides"


@pytest.mark.proves("subauth.Msv1_0SubAuthenticationRoutineEx")
def test_the_extended_routine_returns_validation_and_has_a_handle_of_the_account(lab: Lab) -> None:
    reply = lab.ask(network(validation=ValidationInfo(logon_domain_name="ELPMAXE")))
    outcome = outcome_ex_of(reply.data)
    assert outcome.validation.session_key == bytes(range(16)) and outcome.validation.logon_domain_name == "EXAMPLE"
    assert outcome.actions_performed == ActionsPerformed.PASSWORD and "secret" in repr(outcome.validation)
    (recorded,) = lab.records("subauthentication")
    assert recorded.facts["function"] == "msv1_0_sub_authentication_routine_ex" and recorded.package == "Card"


@pytest.mark.proves("subauth.Msv1_0SubAuthenticationRoutineGeneric")
def test_the_generic_routine_serves_whoever_the_package_lets(lab: Lab) -> None:
    assert lab.ask(SubAuthRequest(NUMBER, b"abc")).data == b"cba"
    assert lab.ask(SubAuthRequest(NUMBER, b"abc"), trusted=False).data == b"cba"
    assert lab.refusal(SubAuthRequest(9, b"abc")) == Status.STATUS_DLL_NOT_FOUND


@pytest.mark.breaks("R265", "secpkg.authority.subauthentication:_record")
def test_authoritative_is_there_whatever_the_outcome_R265(lab: Lab) -> None:
    assert outcome_of(lab.ask(network()).data).authoritative is True
    refused = outcome_of(lab.ask(network(b"")).data)
    assert (refused.status, refused.authoritative) == (Status.STATUS_WRONG_PASSWORD, False)
    level = InteractiveInfo(LogonIdentity("alice"))
    raised = outcome_of(lab.ask(msgspec.structs.replace(network(), logon_information=level)).data)
    assert (raised.status, raised.authoritative) == (Status.STATUS_INVALID_INFO_CLASS, True)
    found = [(r.facts["authoritative"], r.claimed["reason"]) for r in lab.records("subauthentication")]
    assert found == [(True, "answer_wrong"), (False, "answer_wrong"), (True, "only_network")]


@pytest.mark.breaks("R266", "secpkg.authority.subauthentication:_write_back")
def test_parameters_are_written_back_on_success_only_R266(lab: Lab) -> None:
    lab.ask(network(b"wrong"))
    assert lab.parameters == ""
    lab.ask(network())
    assert lab.parameters == "card 17"
    lab.ask(network(b"wrong"))
    assert lab.card.seen[-1].parameters == "card 17", "it is part of the account"


@pytest.mark.parametrize("result", [
    SubAuthResult(which_fields=0x1, parameters="x"),
    SubAuthResult(which_fields=UserAllField.PARAMETERS | 0x1, parameters="x"),
    SubAuthResult(which_fields=UserAllField.PARAMETERS, parameters="x" * (subauth.MAX_PARAMETERS + 1)),
    SubAuthResult(which_fields=UserAllField.PARAMETERS, parameters="\ud800"),
    "nonsense",
    None,
])  # fmt: skip
def test_nothing_but_parameters_can_be_written_R266(world: World, result: object) -> None:
    outcome = routine(world, lambda *_: result)
    assert outcome.status == Status.STATUS_INTERNAL_ERROR
    account = world.store.find("alice")
    assert account is not None and world.store.parameters(account.sid) == ""


@pytest.mark.breaks("R268", "secpkg.authority.subauthentication:_times")
@pytest.mark.parametrize("when", [float("nan"), -1.0, None, "noon"])
def test_times_are_utc_seconds_or_never_R268(world: World, when: object) -> None:
    for good in (0.0, NOON, NEVER):
        outcome = routine(world, lambda *_, good=good: SubAuthResult(logoff_time=good, kickoff_time=good))
        assert (outcome.status, outcome.logoff_time, outcome.kickoff_time) == (Status.STATUS_SUCCESS, good, good)
    bad = routine(world, lambda *_: SubAuthResult(kickoff_time=when))  # type: ignore[arg-type]
    assert bad.status == Status.STATUS_INTERNAL_ERROR


def called(world: World, origin: Origin, buffer: bytes) -> object:
    """CallPackage to the host of routines."""
    return world.run(world.lsa.lsa_function(origin, "call_package", (SUBAUTH_PACKAGE, buffer)))  # type: ignore[arg-type]


def routine(world: World, script: Callable[..., object]) -> SubAuthResult:
    """What the host makes of a routine's result."""
    if world.store.find("alice") is None:
        world.add_user()
        world.add_package("Card", msv1_0_sub_authentication_routine=script)
        world.add_package("Msv")
        world.lsa.subauthentication = Subauthentication({NUMBER: "Card"})
    world.scripts[1]["msv1_0_sub_authentication_routine"] = script
    origin = world.origin(2, world.lsa.connections.open(ROOT, "login"))
    reply = called(world, origin, submit(network()))
    assert isinstance(reply, ProtocolReply)
    outcome = outcome_of(reply.data)
    assert outcome.status == reply.protocol_status
    return outcome


def test_what_is_wrong_with_an_extended_result_or_a_generic_reply(world: World) -> None:
    world.add_user()
    answers: list[object] = [
        SubAuthResult(),
        SubAuthResultEx(validation=ValidationInfo(session_key=b"short")),
        SubAuthResultEx(validation=ValidationInfo(logoff_time=-1.0)),
    ]
    replies: list[object] = ["text", bytes(64 * 1024 + 1)]
    world.add_package(
        "Card",
        msv1_0_sub_authentication_routine_ex=lambda *_: answers.pop(0),
        msv1_0_sub_authentication_routine_generic=lambda *_: replies.pop(0),
    )
    world.lsa.subauthentication = Subauthentication({NUMBER: "Card"})
    origin = world.origin(world.add_package("Msv"), world.lsa.connections.open(ROOT, "login"))
    while answers:
        buffer = submit(network(validation=ValidationInfo()))
        reply = called(world, origin, buffer)
        assert isinstance(reply, ProtocolReply) and reply.protocol_status == Status.STATUS_INTERNAL_ERROR
    for status in (Status.STATUS_INTERNAL_ERROR, Status.STATUS_QUOTA_EXCEEDED):
        buffer = submit(SubAuthRequest(NUMBER, b""))
        assert failure(world, world.lsa.lsa_function(origin, "call_package", (SUBAUTH_PACKAGE, buffer)))[0] == status


# --- who may have a routine ------------------------------------------------------------------------------------------


@pytest.mark.breaks("R272", "secpkg.authority.subauthentication:require_network")
def test_interactive_logons_have_no_routine_R272(lab: Lab) -> None:
    for logon_type in set(LogonType) - {LogonType.NETWORK, LogonType.NETWORK_CLEARTEXT}:
        assert lab.refusal(network(logon_type=logon_type)) == Status.STATUS_INVALID_LOGON_TYPE
    assert not lab.card.seen
    assert lab.ask(network(logon_type=LogonType.NETWORK_CLEARTEXT)).protocol_status == Status.STATUS_SUCCESS


@pytest.mark.breaks("R67", "secpkg.authority.subauthentication:require_trusted")
def test_a_routine_needs_a_trusted_connection_R67(lab: Lab) -> None:
    assert lab.refusal(network(), trusted=False) == Status.STATUS_PRIVILEGE_NOT_HELD
    assert not lab.card.seen


@pytest.mark.breaks("R262", "secpkg.authority.subauthentication:require_not_kerberos")
def test_a_routine_is_for_accounts_of_here_registered_and_never_for_kerberos_R262(world: World) -> None:
    world.add_user()
    calls: list[object] = []
    world.add_package("Card", msv1_0_sub_authentication_routine=lambda *a: calls.append(a))
    msv, kerberos = world.add_package("Msv"), world.add_package("KERBEROS")
    world.lsa.subauthentication = Subauthentication({0: "Card", NUMBER: "Card", 8: "Nobody", 9: "Msv"})
    connection = world.lsa.connections.open(ROOT, "login")

    def refused(package: int, request: SubAuthLogon) -> Status:
        function = world.lsa.lsa_function(
            world.origin(package, connection), "call_package", (SUBAUTH_PACKAGE, submit(request))
        )
        return failure(world, function)[0]

    assert refused(msv, network(user="bob")) == Status.STATUS_NO_SUCH_USER
    assert refused(msv, network(user="OTHER\\alice")) == Status.STATUS_NO_SUCH_USER
    for number in (0, 1, 8, -1, 256):
        assert refused(msv, network(number=number)) == Status.STATUS_DLL_NOT_FOUND if number >= 0 else True
    assert refused(msv, network(number=9)) == Status.STATUS_ENTRYPOINT_NOT_FOUND
    assert refused(kerberos, network()) == Status.STATUS_NOT_SUPPORTED
    assert not calls


def test_a_submit_buffer_that_is_none_is_refused(world: World) -> None:
    origin = world.origin(world.add_package("Msv"), world.lsa.connections.open(ROOT, "login"))
    for buffer in (b"", b"\xff", b"\x91\x01", submit(network())[:-1], submit(network()) + b"x", bytes(64 * 1024 + 1)):
        function = world.lsa.lsa_function(origin, "call_package", (SUBAUTH_PACKAGE.lower(), buffer))
        assert failure(world, function)[0] == Status.STATUS_INVALID_PARAMETER


def test_routines_and_packages_do_not_call_in_circles_for_ever(world: World) -> None:
    world.add_user()

    def again(target: PackageTarget, *_: object) -> object:
        return world.run(world.lsa.lsa_function(target.origin, "call_package", (SUBAUTH_PACKAGE, buffer)))  # type: ignore[arg-type]

    world.add_package("Card", msv1_0_sub_authentication_routine_generic=again)
    world.lsa.subauthentication = Subauthentication({NUMBER: "Card"})
    buffer = submit(SubAuthRequest(NUMBER, b""))
    origin = world.origin(1, world.lsa.connections.open(ROOT, "login"))
    function = world.lsa.lsa_function(origin, "call_package", (SUBAUTH_PACKAGE, buffer))
    assert failure(world, function)[1] == "packages_call_in_circles" and len(world.calls) == 4


def test_nobody_else_can_have_the_name_of_the_host() -> None:
    with LabAuthority() as lab:
        directory = lab.embedded.machine.directory
        with pytest.raises(SecurityError) as caught:
            directory.add(PackageEntry(directory.reserve(), PackageInfo(SUBAUTH_PACKAGE.lower()), "module"))
    assert caught.value.reason == "package_name_reserved"
