"""LsaLogonUser: proof, delay, restriction, token, record, and only then the handle."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from tests.authority.world import OTHER, PASSWORD, ROOT, USER, Function, World, raising

from secpkg.accounts.sid import Sid
from secpkg.authority.logon_grant import MAX_PROFILE
from secpkg.authority.passthrough import PassthroughCall
from secpkg.authority.policy import Policy
from secpkg.authority.targets import ModuleFailed, PackageTarget
from secpkg.contract.flags import ImpersonationLevel, LogonType, PrimaryCredentialFlag
from secpkg.contract.lsa_mode.ap import SurrogateLogon
from secpkg.contract.requests import Request, Resume, run
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    LogonRefused,
    LogonRequest,
    LogonResult,
    PrimaryCredential,
    SupplementalCredential,
    TokenInformation,
)


def refused(world: World, package_id: int, **more: object) -> SecurityError:
    connection = world.connect()
    with pytest.raises(SecurityError) as caught:
        world.logon(connection, package_id, **more)  # type: ignore[arg-type]
    assert caught.value.reason == "" and caught.value.token is None, "the caller learns no reason"
    assert not connection.handles and not world.lsa.sessions, "a refused logon leaves nothing (R45)"
    return caught.value


@pytest.mark.breaks("R61", "secpkg.authority.principals:by_sid")
@pytest.mark.breaks("R62", "secpkg.authority.tokens:logon_sid")
def test_a_logon_gives_a_handle_of_a_token_that_the_authority_made_R61_R62_R63(world: World) -> None:
    account = world.add_user(groups=["Users"], posix_uid=1234)
    hello = world.add_hello()
    connection = world.connect()
    logon = world.logon(connection, hello)
    token = world.lsa.tokens.token(connection, logon.token)
    assert (logon.profile, logon.account_name, token.logon_id) == (b"profile", "alice", logon.logon_id)
    assert (token.account_name, token.domain_name, token.source, token.posix_uid) == ("alice", "EXAMPLE", "Hello", 1234)
    assert token.information.user == account.sid
    groups = token.information.groups
    assert groups[0] == "S-1-5-32-545" and {"S-1-1-0", "S-1-5-4", "S-1-5-11"} < set(groups)
    assert f"S-1-5-5-{logon.logon_id >> 32}-{logon.logon_id & 0xFFFFFFFF}" in groups
    assert "S-1-5-32-544" not in groups, "a package cannot add to an account"
    assert token.information.privileges == ("SeChangeNotifyPrivilege",), "nor to its privileges"
    (record,) = world.records("logon")
    assert (record.status, record.uid, record.pid, record.package) == ("SEC_E_OK", 1000, 4242, "Hello")
    assert record.facts["account_name"] == "alice" and record.facts["logon_id"] == logon.logon_id
    assert record.claimed["authenticating_authority"] == "EXAMPLE" and record.claimed["machine_name"] == "MACHINE"


@pytest.mark.parametrize(
    ("logon_type", "primary"),
    [(LogonType.INTERACTIVE, True), (LogonType.BATCH, True), (LogonType.SERVICE, True), (LogonType.NETWORK, False)],
)
def test_network_logons_give_impersonation_tokens_R64(world: World, logon_type: LogonType, primary: bool) -> None:
    world.add_user()
    hello, connection = world.add_hello(), world.connect()
    logon = world.logon(connection, hello, logon_type=logon_type)
    token = world.lsa.tokens.token(connection, logon.token)
    assert token.primary is primary and token.impersonation_level == ImpersonationLevel.IMPERSONATION
    assert world.lsa.client_info(connection, logon.token).logon_id == (logon.logon_id if primary else None), "lock 3"
    assert world.lsa.client_info(connection).logon_id is None


@pytest.mark.breaks("R40", "secpkg.authority.logon:_ask_package")
def test_only_the_newest_logon_function_is_called_R40(world: World) -> None:
    world.add_user()
    seen: list[tuple[str, int]] = []

    def logs(name: str) -> Function:
        def function(target: PackageTarget, request: LogonRequest, *more: object) -> object:
            seen.append((name, len(more)))
            assert more in ((), (SurrogateLogon(0),))
            return world.hello(target, request)

        return function

    names = ["logon_user", "logon_user_ex", "logon_user_ex2", "logon_user_ex3"]
    for count in range(1, 5):
        package = world.add_package(f"P{count}", {n: logs(n) for n in names[:count]})
        world.logon(world.connect(), package)
    assert seen == [("logon_user", 0), ("logon_user_ex", 0), ("logon_user_ex2", 0), ("logon_user_ex3", 1)]


def test_the_oldest_forms_give_no_credentials_and_no_machine_name(world: World) -> None:
    world.add_user()
    given: list[object] = []
    oldest = world.add_package(
        "Hello", granted=True, logon_user=world.hello, accept_credentials=lambda t, *a: given.extend(a)
    )
    world.logon(world.connect(), oldest)
    primary = given[2]
    assert isinstance(primary, PrimaryCredential) and primary.password is None and given[3] is None
    assert "machine_name" not in world.records("logon")[0].claimed


def test_an_unknown_package_R68_and_one_that_cannot_log_on(world: World) -> None:
    assert refused(world, 77).status == Status.STATUS_NO_SUCH_PACKAGE
    mute = world.add_package("Mute")
    assert refused(world, mute).status == Status.STATUS_NOT_IMPLEMENTED
    world.packages.set_state(mute, "quarantined", "crashed")
    assert refused(world, mute).status == Status.STATUS_NO_SUCH_PACKAGE
    reasons = [record.facts["reason"] for record in world.records("logon")]
    assert reasons == ["no_such_package", "no_logon_function", "package_quarantined"]


@pytest.mark.breaks("R57", "secpkg.authority.tokens:require_logon_type")
def test_a_logon_type_that_no_token_can_be_made_of_R57(world: World) -> None:
    hello = world.add_hello()
    for logon_type in (LogonType.UNDEFINED_LOGON_TYPE, LogonType.PROXY):
        assert refused(world, hello, logon_type=logon_type).status == Status.STATUS_INVALID_LOGON_TYPE
    assert not world.calls, "the package is not asked"


@pytest.mark.parametrize(
    "request_",
    [
        LogonRequest(LogonType.INTERACTIVE, "u" * 1025),
        LogonRequest(LogonType.INTERACTIVE, password="p" * 4097),
        LogonRequest(LogonType.INTERACTIVE, authentication_information=bytes(65537)),
    ],
)
def test_an_oversized_request_reaches_no_package(world: World, request_: LogonRequest) -> None:
    hello = world.add_hello()
    with pytest.raises(SecurityError) as caught:
        world.run(world.lsa.logon_user(world.connect(), hello, request_))
    assert caught.value.reason == "logon_request_too_large" and not world.calls


@pytest.mark.breaks("R46", "secpkg.authority.logon:_record_refusal")
def test_the_reason_and_the_name_are_recorded_whatever_the_outcome_R46_R54(world: World) -> None:
    world.add_user()
    hello = world.add_hello()
    unknown = refused(world, hello, username="nobody")
    wrong = refused(world, hello, password="wrong")
    assert unknown.status == wrong.status == Status.STATUS_LOGON_FAILURE
    assert (unknown.substatus, wrong.substatus) == (Status.STATUS_SUCCESS, Status.STATUS_SUCCESS)
    first, second = world.records("logon")
    assert (first.claimed["account_name"], first.claimed["reason"]) == ("nobody", "no_such_user")
    assert (second.claimed["account_name"], second.claimed["reason"]) == ("alice", "proof_wrong")
    assert first.facts["reason"] == second.facts["reason"] == "refused_by_package", "its reason is its claim (lock 10)"
    assert not any(PASSWORD.encode() in line or b'"wrong"' in line for line in world.audit.lines())


@pytest.mark.parametrize(
    "status", [Status.STATUS_NO_SUCH_USER, Status.STATUS_WRONG_PASSWORD, Status.SEC_E_LOGON_DENIED]
)
@pytest.mark.breaks("R54", "secpkg.authority.logon:_refuse")
def test_every_wrong_proof_looks_the_same_and_counts_R54(world: World, status: Status) -> None:
    hello = world.add_package("Hello", logon_user=raising(SecurityError(status, reason="inside")))
    for _ in range(3):
        assert refused(world, hello).status == Status.STATUS_LOGON_FAILURE
    assert world.store.lockout("alice", "uid:1000", world.now) == 10.0
    assert world.records("logon")[0].status == status.native


def test_another_failure_is_told_with_its_status_and_does_not_count(world: World) -> None:
    hello = world.add_package("Hello", logon_user=raising(SecurityError(Status.STATUS_NO_LOGON_SERVERS)))
    for _ in range(4):
        assert refused(world, hello).status == Status.STATUS_NO_LOGON_SERVERS
    assert world.store.lockout("alice", "uid:1000", world.now) == 0.0


@pytest.mark.breaks("R53", "secpkg.authority.principals:admit")
@pytest.mark.breaks("R55", "secpkg.authority.principals:admit")
def test_a_restriction_is_told_after_the_proof_only_R53_R55_lock9(world: World) -> None:
    world.add_user(enabled=False)
    world.add_user("bob", locked=True)
    world.add_user("carol", workstations=("desk",))
    hello = world.add_hello()
    assert refused(world, hello, password="wrong").status == Status.STATUS_LOGON_FAILURE
    for name, rule in (
        ("alice", Status.STATUS_ACCOUNT_DISABLED),
        ("bob", Status.STATUS_ACCOUNT_LOCKED_OUT),
        ("carol", Status.STATUS_INVALID_WORKSTATION),
    ):
        error = refused(world, hello, username=name)
        assert (error.status, error.substatus) == (Status.STATUS_ACCOUNT_RESTRICTION, rule)
    assert world.logon(world.connect(), hello, "carol", workstation="DESK").account_name == "carol"


def test_a_password_too_old_is_a_restriction_R53() -> None:
    world = World(Policy(max_password_age=100.0))
    world.add_user()
    hello = world.add_hello()
    world.now += 101
    assert refused(world, hello).substatus == Status.STATUS_PASSWORD_EXPIRED


def test_a_delay_refuses_the_right_password_too_and_ends_lock9(world: World) -> None:
    world.add_user()
    hello = world.add_hello()
    for _ in range(3):
        refused(world, hello, username="ALICE", password="wrong")
    error = refused(world, hello)
    assert error.status == Status.STATUS_LOGON_FAILURE
    assert world.records("logon")[-1].facts["reason"] == "lockout_delay"
    assert world.logon(world.connect(OTHER), hello).account_name == "alice", "another origin is not delayed"
    world.now += 10
    world.logon(world.connect(), hello)
    for _ in range(2):
        with pytest.raises(SecurityError):
            world.logon(world.connect(), hello, password="wrong")
    assert world.store.lockout("alice", "uid:1000", world.now) == 0.0, "the right proof forgot the failures before it"


def test_a_right_proof_during_a_delay_does_not_count_as_wrong_lock9(world: World) -> None:
    world.add_user()
    hello = world.add_hello()
    for _ in range(3):
        refused(world, hello, password="wrong")
    refused(world, hello)
    world.now += 10
    refused(world, hello, password="wrong")
    assert world.store.lockout("alice", "uid:1000", world.now) == 20.0, "the fourth failure, not the fifth"


def test_all_spellings_of_an_account_share_one_delay_lock9(world: World) -> None:
    world.add_user(upn="alice@corp.test")
    spelt = iter(["EXAMPLE\\alice", "alice@corp.test", "alice@example"])
    hello = world.add_package(
        "Hello", logon_user=lambda *_: LogonRefused(Status.STATUS_LOGON_FAILURE, next(spelt), reason="proof_wrong")
    )
    for _ in range(3):
        refused(world, hello)
    assert world.store.lockout("alice", "uid:1000", world.now) == 10.0


def test_only_a_trusted_caller_names_the_origin_lock9(world: World) -> None:
    world.add_user()
    hello = world.add_hello()
    for n in range(3):
        with pytest.raises(SecurityError):
            world.logon(world.connect(), hello, password="wrong", origin_name=f"host{n}")
        with pytest.raises(SecurityError):
            world.logon(world.connect(ROOT), hello, password="wrong", origin_name="host")
    assert world.store.lockout("alice", "uid:1000", world.now) == 10.0
    assert world.store.lockout("alice", "uid:0/host", world.now) == 10.0
    assert world.store.lockout("alice", "uid:0", world.now) == 0.0


def bad_result(world: World, **fields: object) -> int:
    """A package whose result for alice is right but for these fields."""

    def function(target: PackageTarget, request: LogonRequest) -> object:
        result = world.hello(target, request)
        assert isinstance(result, LogonResult)
        return LogonResult(**{**{n: getattr(result, n) for n in result.__struct_fields__}, **fields})

    return world.add_package("Bad", logon_user_ex2=function)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"logon_id": 99999}, "no_such_session"),
        ({"token_information": TokenInformation("S-1-5-21-1-2-3-1000")}, "not_an_account"),
        ({"token_information": TokenInformation("alice")}, "sid_malformed"),
        ({"profile": bytes(MAX_PROFILE + 1)}, "profile_too_large"),
        ({"supplemental_credentials": (SupplementalCredential("x", b""),) * 65}, "supplemental_credentials_too_large"),
    ],
)
def test_what_the_package_says_is_checked_and_nothing_is_left_R45_R51(
    world: World, fields: dict[str, object], reason: str
) -> None:
    world.add_user()
    refused(world, bad_result(world, **fields))
    assert world.records("logon")[-1].facts["reason"] == reason


@pytest.mark.parametrize("answer", [None, "yes", LogonRefused(Status.STATUS_SUCCESS)])
def test_an_answer_that_is_none_is_a_refusal(world: World, answer: object) -> None:
    assert refused(world, world.add_package("P", logon_user=lambda *_: answer)).status == Status.STATUS_INTERNAL_ERROR


@pytest.mark.breaks("R44", "secpkg.authority.logon:_own_pending")
def test_a_package_cannot_return_the_session_of_another_logon(world: World) -> None:
    world.add_user()
    hello = world.add_hello()
    connection = world.connect()
    first = world.logon(connection, hello)
    answer = LogonResult(first.logon_id, TokenInformation(str(world.add_user("bob").sid)), "bob")
    world.scripts[hello]["logon_user_ex2"] = lambda *_: answer
    thief = world.add_package("Thief", logon_user=lambda *_: answer)
    for package in (hello, thief):
        with pytest.raises(SecurityError):
            world.logon(world.connect(OTHER), package)
    assert [r.facts["reason"] for r in world.records("logon")[1:]] == ["session_is_live", "not_its_session"]
    assert world.lsa.sessions.get(first.logon_id).account_name == "alice", "the first session goes on"


@pytest.mark.breaks("R45", "secpkg.authority.sessions:SessionTable.discard")
def test_a_session_made_in_vain_is_deleted_and_nobody_hears_of_it_R45_R95(world: World) -> None:
    def leaves_one(target: PackageTarget, request: LogonRequest) -> LogonRefused:
        world.lsa.lsa_function(target.origin, "create_logon_session", (123456,))
        return LogonRefused(Status.STATUS_LOGON_FAILURE)

    refused(world, world.add_package("P", logon_user=leaves_one, logon_terminated=lambda *_: None))
    assert world.called("logon_terminated") == []


def test_a_foreign_principal_needs_the_policy_and_gets_no_sid_of_ours() -> None:
    world = World(Policy(allow_foreign_principals=True))
    ours = str(world.store.domain_sid)
    foreign = TokenInformation("S-1-5-21-7-7-7-1000", (f"{ours}-1001", "S-1-5-32-544", "S-1-5-21-7-7-7-2000"))

    def function(target: PackageTarget, request: LogonRequest) -> LogonResult:
        world.lsa.lsa_function(target.origin, "create_logon_session", (123456,))
        return LogonResult(123456, information[0], "eve", domain[0])

    information, domain = [foreign], ["REALM"]
    package, connection = world.add_package("P", logon_user=function), world.connect()
    logon = world.logon(connection, package)
    token = world.lsa.tokens.token(connection, logon.token)
    assert token.information.groups[0] == "S-1-5-21-7-7-7-2000" and token.domain_name == "REALM"
    assert not {f"{ours}-1001", "S-1-5-32-544"} & set(token.information.groups)
    world.lsa.connections.close(connection)
    for domain[0] in ("", "example"):
        refused(world, package)
    domain[0] = "REALM"
    for user in (f"{ours}-4711", "S-1-5-18", ours):
        information[0] = TokenInformation(user)
        refused(world, package)


class Ways:
    """Pass-through to OTHER, whose SID is known, and to UNSAID, whose is not."""

    domains = ("OTHER", "UNSAID")
    sids: ClassVar[dict[str, Sid | None]] = {"other": Sid("S-1-5-21-7-7-7"), "unsaid": None}

    def call(self, call: PassthroughCall, resume: Resume) -> object:
        raise AssertionError("nobody is asked")


@pytest.mark.parametrize(
    ("domain", "user", "groups"),
    [
        ("OTHER", "S-1-5-21-7-7-7-1000", {"S-1-5-21-7-7-7-2000"}),
        ("other", "S-1-5-21-7-7-7-1000", {"S-1-5-21-7-7-7-2000"}),
        ("ELSE", "S-1-5-21-9-9-9-1000", {"S-1-5-21-9-9-9-2000", "S-1-5-21-7-7-77-2000"}),
        ("OTHER", "S-1-5-21-9-9-9-1000", "sid_of_another_domain"),
        ("OTHER", "S-1-5-21-7-7-7", "sid_of_another_domain"),
        ("OTHER", "S-1-5-21-7-7-7-5-1000", "sid_of_another_domain"),
        ("UNSAID", "S-1-5-21-9-9-9-1000", "domain_sid_unknown"),
        ("ELSE", "S-1-5-21-7-7-7-1000", "sid_of_another_domain"),
        ("ELSE", "S-1-5-21-7-7-7", "sid_of_another_domain"),
    ],
)
def test_an_authority_speaks_for_its_own_domain_and_nobody_else_does(
    domain: str, user: str, groups: set[str] | str
) -> None:
    """Groups of other domains are left out (MS-PAC 4.1.2.2 does the same to a domain that is quarantined); a user of
    another domain is refused.
    """
    world = World(Policy(allow_foreign_principals=True))
    world.lsa.passthrough = Ways()
    named = ("S-1-5-21-7-7-7-2000", "S-1-5-21-9-9-9-2000", "S-1-5-21-7-7-77-2000", "S-1-5-32-544")

    def function(target: PackageTarget, request: LogonRequest) -> LogonResult:
        world.lsa.lsa_function(target.origin, "create_logon_session", (123456,))
        return LogonResult(123456, TokenInformation(user, named), "eve", domain)

    package, connection = world.add_package("P", logon_user=function), world.connect()
    if isinstance(groups, str):
        failure = refused(world, package)
        assert failure.status is Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE
        assert world.records("logon")[-1].facts["reason"] == groups
        return
    token = world.lsa.tokens.token(connection, world.logon(connection, package).token)
    assert token.information.user == user
    assert {group for group in token.information.groups if group.startswith("S-1-5-21-")} == groups
    assert "S-1-5-32-544" not in token.information.groups


def test_a_record_that_cannot_be_written_refuses_the_logon_lock10(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: None)  # the device is one for the whole machine
    world = World(audit=Path("/dev/full"))
    world.add_user()
    hello = world.add_hello(accept_credentials=lambda *_: None)
    assert refused(world, hello).status == Status.STATUS_INTERNAL_ERROR
    assert refused(world, hello, password="wrong").status == Status.STATUS_INTERNAL_ERROR
    assert world.called("accept_credentials") == []


def test_a_client_that_leaves_during_its_logon_gets_nothing(world: World) -> None:
    world.add_user()
    connection = world.connect()

    def slow(target: PackageTarget, request: LogonRequest) -> object:
        result = world.hello(target, request)
        world.lsa.connections.close(connection)
        return result

    with pytest.raises(SecurityError):
        world.logon(connection, world.add_package("P", logon_user=slow))
    assert not world.lsa.sessions


@pytest.mark.breaks("R60", "secpkg.authority.fanout:primary_of")
@pytest.mark.breaks("R69", "secpkg.authority.fanout:accept_credentials")
@pytest.mark.breaks("R70", "secpkg.authority.fanout:accept_credentials")
def test_every_package_hears_of_the_logon_and_gets_only_its_own_R60_R69_R70_lock4(world: World) -> None:
    account = world.add_user(upn="alice@corp.test")
    given: dict[str, tuple[object, ...]] = {}
    hello = world.add_hello(accept_credentials=lambda t, *a: given.update(Hello=a))
    world.add_package("Other", accept_credentials=lambda t, *a: given.update(Other=a))
    world.add_package("Deaf")
    logon = world.logon(world.connect(), hello)
    assert world.called("accept_credentials") == ["Hello", "Other"], "the one that logged on included, once each"
    for name, password, own in (("Hello", PASSWORD, b"for hello"), ("Other", None, b"for other")):
        logon_type, account_name, primary, supplemental = given[name]
        assert (logon_type, account_name) == (LogonType.INTERACTIVE, "alice")
        assert isinstance(primary, PrimaryCredential) and isinstance(supplemental, SupplementalCredential)
        assert (primary.logon_id, primary.downlevel_name, primary.domain_name) == (logon.logon_id, "alice", "EXAMPLE")
        assert (primary.user_sid, primary.upn, primary.logon_server) == (account.sid, "alice@corp.test", "EXAMPLE")
        assert (primary.password, supplemental.credentials) == (password, own)
    assert all(target.origin.connection is not None and target.caller == USER for target in world.targets)


@pytest.mark.breaks("R73", "secpkg.authority.fanout:visible_to")
def test_the_flags_say_what_is_left_R73(world: World) -> None:
    world.add_user()
    flags = PrimaryCredentialFlag.CLEAR_PASSWORD | PrimaryCredentialFlag.UPDATE | PrimaryCredentialFlag.CACHED_LOGON
    given: list[PrimaryCredential] = []
    fields = {"primary_credentials": PrimaryCredential(0, "", "", password="p", flags=flags)}
    bad = bad_result(world, **fields)
    world.add_package("A", granted=True, accept_credentials=lambda t, *a: given.append(a[2]))
    world.add_package("B", accept_credentials=lambda t, *a: given.append(a[2]))
    world.logon(world.connect(), bad)
    assert [g.flags for g in given] == [
        PrimaryCredentialFlag.CLEAR_PASSWORD | PrimaryCredentialFlag.CACHED_LOGON,
        PrimaryCredentialFlag.CACHED_LOGON,
    ]


def test_a_network_logon_hands_out_no_credentials_lock3(world: World) -> None:
    world.add_user()
    given: list[tuple[object, ...]] = []
    hello = world.add_hello(accept_credentials=lambda t, *a: given.append(a))
    world.logon(world.connect(), hello, logon_type=LogonType.NETWORK)
    ((_, _, primary, supplemental),) = given
    assert isinstance(primary, PrimaryCredential) and primary.password is None and supplemental is None


def test_a_package_that_fails_to_accept_is_recorded_and_changes_nothing(world: World) -> None:
    world.add_user()
    failing = raising(SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="worker_died"))
    hello = world.add_hello(accept_credentials=failing)
    world.add_package("Other", accept_credentials=lambda *_: None)
    world.logon(world.connect(), hello)
    assert world.called("accept_credentials") == ["Hello", "Other"]
    (record,) = world.records("accept_credentials")
    assert (record.package, record.claimed["reason"]) == ("Hello", "worker_died")


def test_a_module_that_dies_in_a_logon_is_named_and_a_package_that_says_so_is_not(world: World) -> None:
    world.add_user()
    for failure, told in ((ModuleFailed, "worker_died_in_logon_user"), (SecurityError, "")):
        error = failure(Status.SEC_E_INTERNAL_ERROR, reason="worker_died_in_logon_user")
        dying = world.add_package(f"Dies{told}", logon_user=raising(error))
        with pytest.raises(SecurityError) as caught:
            world.logon(world.connect(), dying)
        assert (caught.value.status, caught.value.reason) == (Status.SEC_E_INTERNAL_ERROR, told)
    host, package = world.records("logon")
    assert host.facts["reason"] == "worker_died_in_logon_user" and "reason" not in host.claimed
    assert (package.facts["reason"], package.claimed["reason"]) == ("refused_by_package", "worker_died_in_logon_user")


def test_the_record_stands_before_anybody_hears_of_the_logon_lock10(world: World) -> None:
    world.add_user()
    recorded: list[int] = []
    hello = world.add_hello(accept_credentials=lambda *_: recorded.append(len(world.records("logon"))))
    world.logon(world.connect(), hello)
    assert recorded == [1]


def test_a_client_that_leaves_while_packages_are_told_ends_the_session_after_them(world: World) -> None:
    world.add_user()
    connection = world.connect()
    hello = world.add_hello(
        accept_credentials=lambda *_: world.lsa.connections.close(connection), logon_terminated=lambda *_: None
    )
    world.add_package("Other", accept_credentials=lambda *_: None, logon_terminated=lambda *_: None)
    world.logon(connection, hello)
    functions = [(name, function) for name, function, _ in world.calls[1:]]
    assert functions == [
        ("Hello", "accept_credentials"),
        ("Other", "accept_credentials"),
        ("Hello", "logon_terminated"),
        ("Other", "logon_terminated"),
    ]
    assert not world.lsa.sessions


def test_a_logon_abandoned_half_way_leaves_no_session_R45(world: World) -> None:
    world.add_user()
    hello = world.add_hello()

    def dies(request: Request[object]) -> object:
        world.ask(request)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        request_ = LogonRequest(LogonType.INTERACTIVE, "alice", password=PASSWORD)
        coroutine = world.lsa.logon_user(world.connect(), hello, request_)
        try:
            run(coroutine, dies)
        finally:
            coroutine.close()
    assert not world.lsa.sessions


def test_failures_are_recorded_even_when_they_cannot_be_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hello = world.add_hello()
    broken = raising(SecurityError(Status.STATUS_INTERNAL_ERROR, reason="storage"))
    monkeypatch.setattr(world.store, "record_failure", broken)
    assert refused(world, hello).status == Status.STATUS_INTERNAL_ERROR
    assert world.records("logon")[0].claimed["reason"] == "no_such_user"
