"""The subauthentication filter, which may refuse a logon (R264, R271), and what is kept for routines and filters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.authority.subauthentication_packages import NOON, NUMBER, Lab
from tests.authority.test_packages import failure
from tests.authority.world import USER, World, raising

from secpkg.accounts import MemoryAccountStore, Vault
from secpkg.accounts.sqlite import SqliteAccountStore
from secpkg.authority.registry import Registry, RegistryContents, RegistryError
from secpkg.authority.subauthentication import Subauthentication
from secpkg.authority.targets import PackageTarget
from secpkg.contract import (
    NEVER,
    SecurityError,
    Status,
)
from secpkg.contract.subauthentication import (
    SUBAUTH_PACKAGE,
    LogonIdentity,
    LogonInfoClass,
    NetworkInfo,
    SubAuthResult,
)


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.authority.close()


# --- the filter ------------------------------------------------------------------------------------------------------


@pytest.mark.proves("subauth.Msv1_0SubAuthenticationFilter")
@pytest.mark.breaks("R264", "secpkg.authority.subauthentication:Subauthentication.filters")
def test_the_filter_refuses_what_the_package_accepted_and_can_do_no_more_R264(lab: Lab) -> None:
    lab.hours.status = Status.STATUS_INVALID_LOGON_HOURS
    with pytest.raises(SecurityError) as caught:
        lab.logon(workstation="DESK")
    assert (caught.value.status, caught.value.reason) == (Status.STATUS_INVALID_LOGON_HOURS, "")
    assert not lab.lsa.sessions.live() and len(lab.lsa.sessions) == 0, "the session that the package made is gone"
    assert lab.records("logon")[-1].facts["reason"] == "refused_by_filter"
    level, information, user = lab.hours.asked[0]
    assert isinstance(information, NetworkInfo) and level == LogonInfoClass.NETWORK_INFORMATION
    assert information.identity == LogonIdentity("alice", "DESK", "EXAMPLE") and user.user_name == "alice"

    lab.hours.status = Status.STATUS_SUCCESS
    with pytest.raises(SecurityError):
        lab.logon("wrong")
    assert len(lab.hours.asked) == 1, "what the package refused it is not asked"
    assert lab.logon() == NOON + 60.0, "and no later than it says"


def test_the_filter_is_asked_of_admitted_accounts_only_lock9(lab: Lab) -> None:
    lab.lsa.store.update("alice", enabled=False)
    with pytest.raises(SecurityError) as caught:
        lab.logon()
    assert caught.value.substatus == Status.STATUS_ACCOUNT_DISABLED and not lab.hours.asked


def test_a_filter_that_cannot_be_reached_refuses_and_one_of_others_is_not_asked(lab: Lab) -> None:
    for numbers, status in (
        ({0: "Nobody"}, Status.STATUS_DLL_NOT_FOUND),
        ({0: "Card"}, Status.STATUS_ENTRYPOINT_NOT_FOUND),
    ):
        lab.lsa.subauthentication = Subauthentication(numbers, ("Msv",))
        with pytest.raises(SecurityError) as caught:
            lab.logon()
        assert caught.value.status == status and len(lab.lsa.sessions) == 0
    for other in (Subauthentication({0: "Hours"}), Subauthentication({NUMBER: "Hours"}, ("Msv",))):
        lab.lsa.subauthentication = other
        assert lab.logon() == NEVER
    assert not lab.hours.asked and Subauthentication().filtered == ("NTLM", "Kerberos")


@pytest.mark.breaks("R271", "secpkg.authority.functions.table:require_no_directory")
def test_the_filter_causes_no_directory_traffic_R271(world: World) -> None:
    world.add_user()
    statuses: list[Status] = []

    def curious(target: PackageTarget, *_: object) -> SubAuthResult:
        for name, arguments in (
            ("open_sam_user", ("alice",)),
            ("get_auth_data_for_user", ("alice",)),
            ("call_package", (SUBAUTH_PACKAGE, b"")),
        ):
            try:
                found = world.lsa.lsa_function(target.origin, name, arguments)
                getattr(found, "close", lambda: None)()
                statuses.append(Status.STATUS_SUCCESS)
            except SecurityError as refused:
                statuses.append(refused.status)
        return SubAuthResult()

    world.add_package("Hours", msv1_0_sub_authentication_filter=curious)
    world.lsa.subauthentication = Subauthentication({0: "Hours"}, ("Hello",))
    world.logon(world.connect(), world.add_hello())
    assert statuses == [Status.STATUS_ACCESS_DENIED] * 3


@pytest.mark.parametrize("function", ["convert_auth_data_to_token", "create_token", "create_token_ex"])
def test_tokens_that_a_package_makes_itself_are_filtered_too_R264(world: World, function: str) -> None:
    world.add_user()
    answers: list[object] = [SubAuthResult(Status.STATUS_INVALID_WORKSTATION), SubAuthResult(kickoff_time=NOON + 9)]
    world.add_package("Hours", msv1_0_sub_authentication_filter=lambda *_: answers.pop(0))
    ntlm = world.add_package("NTLM")
    world.lsa.subauthentication = Subauthentication({0: "Hours"})
    connection = world.connect()
    origin = world.origin(ntlm, connection)

    def make(logon_id: int) -> object:
        data = world.lsa.lsa_function(origin, "get_auth_data_for_user", ("alice",))
        arguments: tuple[object, ...] = (data,)
        if function != "convert_auth_data_to_token":
            world.lsa.lsa_function(origin, "create_logon_session", (logon_id,))
            arguments = (logon_id, data.token_information)  # type: ignore[attr-defined]
        if function == "create_token_ex":
            primary = msgspec.structs.replace(world_primary(), logon_id=logon_id)
            arguments = (*arguments, primary)
        return world.lsa.lsa_function(origin, function, arguments)

    assert failure(world, make(1 << 20))[0] == Status.STATUS_INVALID_WORKSTATION
    assert not world.lsa.sessions.live() and world.records("logon")[-1].facts["reason"] == "refused_by_filter"
    world.run(make(1 << 21))  # type: ignore[arg-type]
    (session,) = world.lsa.sessions.live()
    assert session.token is not None and session.token.information.expiration == NOON + 9


def world_primary() -> msgspec.Struct:
    from secpkg.contract.values import PrimaryCredential

    return PrimaryCredential(0, "alice", "EXAMPLE")


def test_a_filter_that_raises_refuses_and_one_of_a_foreign_account_is_not_asked(world: World) -> None:
    world.add_user()
    world.add_package("Hours", msv1_0_sub_authentication_filter=raising(SecurityError(Status.STATUS_ACCOUNT_EXPIRED)))
    world.lsa.subauthentication = Subauthentication({0: "Hours"}, ("Hello",))
    hello = world.add_hello()
    with pytest.raises(SecurityError) as caught:
        world.logon(world.connect(USER), hello)
    assert caught.value.status == Status.STATUS_ACCOUNT_EXPIRED and world.called("msv1_0_sub_authentication_filter")


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_the_registry_keeps_numbers_and_who_is_filtered(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry.toml")
    registry.set_subauthentication(NUMBER, "Card")
    registry.set_subauthentication(0, "Hours")
    written = registry.set_filtered(("Hello",))
    assert written == registry.read()
    assert written.subauthentication == Subauthentication({0: "Hours", NUMBER: "Card"}, ("Hello",))
    registry.set_subauthentication(NUMBER, "")
    registry.set_subauthentication(9, "")
    assert registry.read().subauthentication.numbers == {0: "Hours"}
    registry.set_subauthentication(0, "")
    assert registry.set_filtered(("NTLM", "Kerberos")) == RegistryContents()
    for number, package in ((256, "x"), (-1, "x"), (1, "a\n")):
        with pytest.raises(RegistryError):
            registry.set_subauthentication(number, package)


@pytest.mark.parametrize(
    "text", ["256 = 'x'", "01 = 'x'", "x = 'x'", "1 = 2", "1 = ''", "filtered = 'x'", "filtered = [1]"]
)
def test_a_registration_that_is_not_understood_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "registry.toml"
    path.write_text(f"[subauthentication]\n{text}\n")
    with pytest.raises(RegistryError):
        Registry(path).read()


def test_both_stores_keep_parameters_with_the_account(tmp_path: Path) -> None:
    vault = Vault(bytes(32))
    path = tmp_path / "accounts.db"
    for store in (MemoryAccountStore("EXAMPLE", vault), SqliteAccountStore(path, vault, domain="EXAMPLE")):
        account = store.create_user("alice", now=NOON)
        assert store.parameters(account.sid) == ""
        store.set_parameters(account.sid, "ключ")
        store.update("alice", full_name="Alice")
        assert store.parameters(account.sid) == "ключ"
        store.delete_user("alice")
        assert store.parameters(account.sid) == ""
        for sid in (account.sid, store.domain_sid):
            with pytest.raises(SecurityError) as caught:
                store.set_parameters(sid, "x")
            assert caught.value.status == Status.STATUS_NO_SUCH_USER
        store.close()
