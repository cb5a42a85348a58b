"""Section O of the rules: accounts and names, as packages ask for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.rules.asking import Asker, Asking

from secpkg.contract import AuthData, Call, LsaFunctions, SecurityError, Status, TokenInformation
from secpkg.contract.directory import NameFormat
from secpkg.contract.flags import NO_LONG_NAMES, NameType
from secpkg.contract.lsa_mode.ssp import UserInfo
from secpkg.sspi.user_info import get_user_info

Failing = Callable[[LsaFunctions], Awaitable[object]]


@pytest.mark.breaks("R256", "secpkg.authority.functions.accounts:_auth_data")
def test_R256_an_alternate_id_needs_a_prefix_and_an_absent_user_is_no_user() -> None:
    with Asking() as asking:
        for failing, status in (
            (lambda lsa: lsa.open_sam_user("alice", NameType.ALTERNATE_ID), Status.STATUS_INVALID_PARAMETER),
            (lambda lsa: lsa.open_sam_user("x", NameType.ALTERNATE_ID, "prefix"), Status.STATUS_NO_SUCH_USER),
            (lambda lsa: lsa.open_sam_user("nobody"), Status.STATUS_NO_SUCH_USER),
        ):
            assert asking.refused(failing) is status


@pytest.mark.breaks("R257", "secpkg.accounts.memory:MemoryAccountStore.auth_record")
def test_R257_an_unknown_name_is_an_enabled_guest_where_guests_are_allowed() -> None:
    with Asking() as asking:
        store = asking.lab.embedded.machine.authority.store
        store.create_user("Guest", now=0.0)
        guest = asking.ask(lambda lsa: lsa.open_sam_user("nobody", NameType.FLAT, "", True))
        assert guest.account_name == "Guest"
        assert asking.refused(lambda lsa: lsa.open_sam_user("nobody")) is Status.STATUS_NO_SUCH_USER
        store.update("Guest", enabled=False)
        refused = asking.refused(lambda lsa: lsa.open_sam_user("nobody", NameType.FLAT, "", True))
        assert refused is Status.STATUS_NO_SUCH_USER


@pytest.mark.breaks("R258", "secpkg.authority.functions.accounts:get_auth_data_for_user")
def test_R258_one_function_is_three() -> None:
    async def both(lsa: LsaFunctions) -> tuple[AuthData, AuthData, Status]:
        user = await lsa.open_sam_user("EXAMPLE\\ALICE")
        data = await lsa.get_user_auth_data(user.handle)
        await lsa.close_sam_user(user.handle)
        try:
            await lsa.get_user_auth_data(user.handle)
        except SecurityError as closed:
            return data, await lsa.get_auth_data_for_user("alice"), closed.status
        raise AssertionError("the handle is closed")

    with Asking() as asking:
        three, one, closed = asking.ask(both)
        assert three == one and one.account_name == "alice"
        assert closed is Status.STATUS_INVALID_HANDLE


@pytest.mark.breaks("R259", "secpkg.authority.functions.names:expand_auth_data_for_domain")
def test_R259_authorization_data_grows_by_the_groups_of_this_domain() -> None:
    with Asking() as asking:
        asking.lab.add_user("bob", groups=["staff"])
        bob = asking.lab.embedded.machine.authority.store.find("bob")
        assert bob is not None
        came = AuthData("bob", "EXAMPLE", str(bob.sid), TokenInformation(str(bob.sid), ("S-1-5-21-9-9-9-513",)))
        expanded = asking.ask(lambda lsa: lsa.expand_auth_data_for_domain(came))
        staff = next(str(group.sid) for group in bob.groups)
        assert expanded.token_information.groups == ("S-1-5-21-9-9-9-513", staff)


@pytest.mark.breaks("R260", "secpkg.authority.functions.names:crack_single_name")
def test_R260_a_name_that_cannot_be_cracked_fails_with_the_directorys_reason_and_a_sid_is_no_result() -> None:
    with Asking() as asking:
        account, sid = int(NameFormat.NT4_ACCOUNT_NAME), int(NameFormat.SID_OR_SID_HISTORY_NAME)
        alice = asking.lab.embedded.machine.authority.store.find("alice")
        assert alice is not None
        cracked = asking.ask(lambda lsa: lsa.crack_single_name(sid, str(alice.sid), account))
        assert cracked.name == "EXAMPLE\\alice"
        for offered, name, requested, reason in (
            (account, "nobody", account, "ds_name_error_not_found"),
            (account, "alice", int(NameFormat.USER_PRINCIPAL_NAME), "ds_name_error_no_mapping"),
            (account, "alice", sid, "ds_name_error_no_syntactical_mapping"),
        ):
            arguments = offered, name, requested
            assert asking.refused(lambda lsa, a=arguments: lsa.crack_single_name(*a)) is Status.STATUS_UNSUCCESSFUL  # type: ignore[misc]
            failed = asking.package.failed[-1]
            assert failed.reason == reason and failed.substatus.is_error


class LongDomain(Asker):
    """Belongs to a domain whose name does not fit into 15 characters, and may cut it off or not."""

    cuts = True

    async def get_user_info(self, call: Call, logon_id: int, flags: int) -> UserInfo:
        domain = "A-DOMAIN-WITH-A-LONG-NAME"
        return UserInfo("alice", domain[:15] if self.cuts and flags & NO_LONG_NAMES else domain, "", "S-1-5-18")


@pytest.mark.breaks("R261", "secpkg.sspi.user_info:_ask")
def test_R261_a_caller_without_long_names_gets_15_characters_of_the_domain() -> None:
    package = LongDomain()
    with Asking(package) as asking:
        assert get_user_info("Asker", 1, authority=asking.lab).logon_domain_name == "A-DOMAIN-WITH-A-LONG-NAME"
        assert get_user_info("Asker", 1, NO_LONG_NAMES, authority=asking.lab).logon_domain_name == "A-DOMAIN-WITH-A"
        package.cuts = False
        with pytest.raises(SecurityError, match="domain_name_too_long"):
            get_user_info("Asker", 1, NO_LONG_NAMES, authority=asking.lab)
