"""CrackSingleName and ExpandAuthDataForDomain (R259, R260)."""

from __future__ import annotations

import pytest
from tests.authority.test_sessions import call
from tests.authority.world import World

from secpkg.authority.targets import Origin
from secpkg.contract.directory import NameFormat
from secpkg.contract.lsa_mode.functions import CrackedName
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData, TokenInformation

F = NameFormat


@pytest.fixture
def origin(world: World) -> Origin:
    world.store.create_group("staff")
    world.add_user("alice", full_name="Alice Liddell", upn="alice@wonder.land", groups=("staff", "Users"))
    world.add_user("bob", full_name="Bob")
    world.add_user("carol", full_name="Bob")
    return world.origin(world.add_package("A"))


def cracked(world: World, origin: Origin, offered: int, name: str, requested: int) -> str:
    found = call(world, origin, "crack_single_name", offered, name, requested)
    assert isinstance(found, CrackedName)
    return found.name


def reason(world: World, origin: Origin, offered: int, name: str, requested: int) -> str:
    with pytest.raises(SecurityError) as caught:
        call(world, origin, "crack_single_name", offered, name, requested)
    assert caught.value.status == Status.STATUS_UNSUCCESSFUL and caught.value.substatus.is_error
    return caught.value.reason.removeprefix("ds_name_error_")


@pytest.mark.proves("lsa_secpkg.CrackSingleName")
def test_every_form_leads_to_every_other_R260(world: World, origin: Origin) -> None:
    alice = world.store.find("alice")
    assert alice is not None
    forms = {
        F.NT4_ACCOUNT_NAME: r"EXAMPLE\alice",
        F.DISPLAY_NAME: "Alice Liddell",
        F.USER_PRINCIPAL_NAME: "alice@wonder.land",
    }
    offered = {**forms, F.SID_OR_SID_HISTORY_NAME: str(alice.sid)}
    for kind, name in offered.items():
        for wanted, expected in forms.items():
            assert cracked(world, origin, kind, name, wanted) == expected
            assert cracked(world, origin, F.UNKNOWN_NAME, name, wanted) == expected
    for spelling in ("alice", r".\ALICE", r"example\Alice"):
        assert cracked(world, origin, F.NT4_ACCOUNT_NAME, spelling, F.USER_PRINCIPAL_NAME) == "alice@wonder.land"


def test_groups_and_the_domain_have_names_too_R260(world: World, origin: Origin) -> None:
    for name in ("staff", r"EXAMPLE\Staff", r".\staff"):
        assert cracked(world, origin, F.NT4_ACCOUNT_NAME, name, F.NT4_ACCOUNT_NAME) == r"EXAMPLE\staff"
    sid = "S-1-5-32-544"
    assert cracked(world, origin, F.SID_OR_SID_HISTORY_NAME, sid, F.NT4_ACCOUNT_NAME) == r"BUILTIN\Administrators"
    assert cracked(world, origin, F.NT4_ACCOUNT_NAME, r"builtin\users", F.DISPLAY_NAME) == "Users"
    domain = str(world.store.domain_sid)
    for kind, name in ((F.NT4_ACCOUNT_NAME, "example\\"), (F.SID_OR_SID_HISTORY_NAME, domain), (12, "EXAMPLE")):
        assert cracked(world, origin, kind, name, F.NT4_ACCOUNT_NAME) == "EXAMPLE\\"
        assert cracked(world, origin, kind, name, F.DNS_DOMAIN_NAME) == "EXAMPLE"


@pytest.mark.breaks("R260", "secpkg.authority.functions.names:_failed")
def test_what_cannot_be_cracked_says_why_in_the_directorys_words_R260(world: World, origin: Origin) -> None:
    sid = F.SID_OR_SID_HISTORY_NAME
    assert reason(world, origin, F.NT4_ACCOUNT_NAME, "alice", sid) == "no_syntactical_mapping", "no allowed output"
    assert reason(world, origin, F.NT4_ACCOUNT_NAME, "alice", F.UNKNOWN_NAME) == "no_syntactical_mapping"
    for kind, name in ((2, "nobody"), (2, r"OTHER\alice"), (8, "x@y"), (8, "alice"), (11, "S-1"), (3, ""), (1, "CN=a")):
        assert reason(world, origin, kind, name, F.NT4_ACCOUNT_NAME) == "not_found"
    assert reason(world, origin, F.NT4_ACCOUNT_NAME, "a" * 1025, F.DISPLAY_NAME) == "not_found"
    assert reason(world, origin, F.DISPLAY_NAME, "Bob", F.NT4_ACCOUNT_NAME) == "not_unique"
    assert reason(world, origin, F.NT4_ACCOUNT_NAME, "bob", F.USER_PRINCIPAL_NAME) == "no_mapping"
    assert reason(world, origin, F.NT4_ACCOUNT_NAME, "alice", F.FQDN_1779_NAME) == "no_mapping"


@pytest.mark.parametrize(("offered", "requested"), [(4, 2), (2, 99), (-1, 2), (2, -1)])
def test_a_number_that_is_no_format_is_refused(world: World, origin: Origin, offered: int, requested: int) -> None:
    with pytest.raises(SecurityError) as caught:
        call(world, origin, "crack_single_name", offered, "alice", requested)
    assert caught.value.status == Status.STATUS_INVALID_PARAMETER


@pytest.mark.proves("lsa_secpkg.ExpandAuthDataForDomain")
@pytest.mark.breaks("R259", "secpkg.authority.functions.names:expand_auth_data_for_domain")
def test_the_groups_of_this_domain_are_added_R259(world: World, origin: Origin) -> None:
    alice = world.store.find("alice")
    assert alice is not None
    sid = str(alice.sid)
    came = AuthData("alice", "EXAMPLE", sid, TokenInformation(sid, ("S-1-5-21-9-9-9-513",)), b"mine")
    expanded = call(world, origin, "expand_auth_data_for_domain", came)
    assert isinstance(expanded, AuthData)
    here = tuple(str(group.sid) for group in alice.groups)
    assert len(here) == 2 and expanded.token_information.groups == ("S-1-5-21-9-9-9-513", *here)
    assert call(world, origin, "expand_auth_data_for_domain", expanded) == expanded, "once is enough"
    assert (expanded.account_name, expanded.user_sid, expanded.supplemental) == ("alice", sid, b"mine")


def test_a_user_of_elsewhere_has_no_groups_here_and_one_of_here_must_exist_R259(world: World, origin: Origin) -> None:
    def data(sid: str) -> AuthData:
        return AuthData("eve", "OTHER", sid, TokenInformation(sid, ("S-1-5-21-9-9-9-513",)))

    foreign = data("S-1-5-21-9-9-9-1000")
    assert call(world, origin, "expand_auth_data_for_domain", foreign) == foreign
    for sid, status in (
        (f"{world.store.domain_sid}-4711", Status.STATUS_NO_SUCH_USER),
        ("no sid", Status.STATUS_INVALID_PARAMETER),
    ):
        with pytest.raises(SecurityError) as caught:
            call(world, origin, "expand_auth_data_for_domain", data(sid))
        assert caught.value.status == status
