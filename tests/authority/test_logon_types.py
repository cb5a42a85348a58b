"""What each logon type gives, and what the caller of LsaLogonUser may ask to be put into the token."""

from __future__ import annotations

import msgspec
import pytest
from tests.authority.world import PASSWORD, ROOT, USER, World

from secpkg.authority.connections import Connection
from secpkg.authority.logon import Logon
from secpkg.authority.logon_grant import MAX_LOCAL_GROUPS
from secpkg.authority.policy import Policy
from secpkg.authority.targets import PackageTarget
from secpkg.authority.tokens import AccessToken
from secpkg.contract.flags import ImpersonationLevel, LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    NEVER,
    LogonRequest,
    LogonResult,
    PrimaryCredential,
    QuotaLimits,
    TokenInformation,
    TokenSource,
)

L = LogonType
INTERACTIVE, NETWORK, BATCH, SERVICE, REMOTE = "S-1-5-4", "S-1-5-2", "S-1-5-3", "S-1-5-6", "S-1-5-14"
KINDS = {INTERACTIVE, NETWORK, BATCH, SERVICE, REMOTE}
EVERY_TYPE = [
    (L.INTERACTIVE, {INTERACTIVE}, True, True),
    (L.NETWORK, {NETWORK}, False, False),
    (L.BATCH, {BATCH}, True, True),
    (L.SERVICE, {SERVICE}, True, True),
    (L.UNLOCK, {INTERACTIVE}, True, True),
    (L.NETWORK_CLEARTEXT, {NETWORK}, False, True),
    (L.REMOTE_INTERACTIVE, {INTERACTIVE, REMOTE}, True, True),
    (L.CACHED_INTERACTIVE, {INTERACTIVE}, True, True),
    (L.CACHED_REMOTE_INTERACTIVE, {INTERACTIVE, REMOTE}, True, True),
    (L.CACHED_UNLOCK, {INTERACTIVE}, True, True),
]
QUOTAS = QuotaLimits(paged_pool_limit=1, time_limit=60.0)


def ask(world: World, connection: Connection, package: int, request: LogonRequest, token: int = 0) -> Logon:
    return world.run(world.lsa.logon_user(connection, package, request, token))


def plain(kind: LogonType = L.INTERACTIVE, **more: object) -> LogonRequest:
    return LogonRequest(kind, "alice", password=PASSWORD, **more)  # type: ignore[arg-type]


def token_of(world: World, connection: Connection, logon: Logon) -> AccessToken:
    return world.lsa.tokens.token(connection, logon.token)


@pytest.mark.parametrize(("kind", "groups", "primary", "outbound"), EVERY_TYPE)
@pytest.mark.breaks("R63", "secpkg.authority.tokens:build")
@pytest.mark.breaks("R64", "secpkg.authority.tokens:build")
@pytest.mark.breaks("R65", "secpkg.authority.logon_grant:quotas_of")
def test_R63_R64_R65_each_logon_type(kind: LogonType, groups: set[str], primary: bool, outbound: bool) -> None:
    """World and the type's groups, a primary or an impersonation token, quotas with a primary one, credentials."""
    world = World(Policy(process_quotas=QUOTAS))
    world.add_user()
    told: list[PrimaryCredential] = []
    hello = world.add_hello(accept_credentials=lambda _t, _k, _n, given, _s: told.append(given))
    connection = world.connect()
    logon = ask(world, connection, hello, plain(kind))
    token = token_of(world, connection, logon)
    found = set(token.information.groups)
    assert found & KINDS == groups and {"S-1-1-0", "S-1-5-11"} <= found
    assert token.information.privileges == ("SeChangeNotifyPrivilege",)
    assert (token.primary, token.outbound) == (primary, outbound)
    assert token.impersonation_level == ImpersonationLevel.IMPERSONATION
    assert logon.quotas == (QUOTAS if primary else None)
    assert world.lsa.sessions.get(logon.logon_id).logon_type == kind
    assert (told[0].password is not None) is outbound, "lock 3"


@pytest.mark.parametrize("kind", [L.PROXY, L.UNDEFINED_LOGON_TYPE])
def test_R57_types_that_nobody_may_ask_for(world: World, kind: LogonType) -> None:
    hello = world.add_hello()
    with pytest.raises(SecurityError) as caught:
        ask(world, world.connect(), hello, plain(kind))
    assert caught.value.status == Status.STATUS_INVALID_LOGON_TYPE and not world.calls


# --- what the caller adds --------------------------------------------------------------------------------------------


def test_R66_local_groups_are_added_for_a_logon_process_and_give_their_privileges(world: World) -> None:
    world.add_user()
    hello = world.add_hello()
    connection = world.lsa.connections.open(ROOT, "login")
    extra = ("S-1-5-32-544", "S-1-5-21-1-2-3-4", "S-1-1-0")
    logon = ask(world, connection, hello, plain(local_groups=extra))
    token = token_of(world, connection, logon)
    assert set(extra) <= set(token.information.groups)
    assert len(token.information.groups) == len(set(token.information.groups))
    assert "SeBackupPrivilege" in token.information.privileges
    (record,) = world.records("logon")
    assert record.facts["local_groups"] == " ".join(extra)
    (asked,) = [arguments[0] for _, name, arguments in world.calls if name == "logon_user_ex2"]
    assert isinstance(asked, LogonRequest) and asked.local_groups == (), "they are not the package's"


@pytest.mark.breaks("R67", "secpkg.authority.logon_grant:require_tcb")
def test_R67_local_groups_over_an_untrusted_connection(world: World) -> None:
    """R66: STATUS_PRIVILEGE_NOT_HELD before the package is asked, whoever the caller is; on the record."""
    world.add_user()
    hello = world.add_hello()
    for caller in (USER, ROOT):
        with pytest.raises(SecurityError) as caught:
            ask(world, world.connect(caller), hello, plain(local_groups=("S-1-5-32-544",)))
        assert caught.value.status == Status.STATUS_PRIVILEGE_NOT_HELD
    assert not world.calls and not world.lsa.sessions
    assert [r.facts["reason"] for r in world.records("logon")] == ["local_groups_need_tcb"] * 2
    assert world.store.lockout("alice", "uid:1000", world.now) == 0.0


@pytest.mark.parametrize("groups", [("alice",), ("",), ("S-1-1-0",) * (MAX_LOCAL_GROUPS + 1)])
def test_local_groups_that_are_none(world: World, groups: tuple[str, ...]) -> None:
    hello = world.add_hello()
    with pytest.raises(SecurityError) as caught:
        ask(world, world.lsa.connections.open(ROOT, "login"), hello, plain(local_groups=groups))
    assert caught.value.status == Status.STATUS_INVALID_PARAMETER and not world.calls


def test_R103_the_source_of_the_token_is_who_asked_for_it_else_the_package(world: World) -> None:
    world.add_user()
    hello, connection = world.add_hello(), world.connect()
    named = ask(world, connection, hello, plain(token_source=TokenSource("sshd", 42)))
    token = token_of(world, connection, named)
    assert (token.source, token.source_identifier) == ("sshd", 42)
    unnamed = token_of(world, connection, ask(world, connection, hello, plain()))
    assert (unnamed.source, unnamed.source_identifier) == ("Hello", 0)


# --- new credentials -------------------------------------------------------------------------------------------------


def new_credentials(world: World) -> int:
    """A package that takes any new credentials, and says that they are somebody's."""

    def function(target: PackageTarget, request: LogonRequest) -> LogonResult:
        logon_id = int.from_bytes(world.entropy(7), "big")
        world.lsa.lsa_function(target.origin, "create_logon_session", (logon_id,))
        given = PrimaryCredential(0, request.username, request.domain, password=request.password)
        administrator = TokenInformation("S-1-5-21-9-9-9-500", ("S-1-5-32-544",), expiration=world.now + 50)
        return LogonResult(logon_id, administrator, "root", primary_credentials=given)

    return world.add_package(
        "Elsewhere", logon_user_ex2=function, accept_credentials=lambda *_: None, logon_terminated=lambda *_: None
    )


WANTED = LogonRequest(L.NEW_CREDENTIALS, "svc", "FAR", "there")


def test_new_credentials_keep_the_local_identity(world: World) -> None:
    """winbase/nf-winbase-logonuserw: nothing that the package says of the user counts here."""
    world.add_user(groups=["Users"], posix_uid=1234)
    hello, elsewhere = world.add_hello(), new_credentials(world)
    connection = world.connect()
    own = ask(world, connection, hello, plain(L.BATCH))
    logon = ask(world, connection, elsewhere, WANTED, own.token)
    old, new = token_of(world, connection, own), token_of(world, connection, logon)
    assert (new.account_name, new.information.user, new.posix_uid) == ("alice", old.information.user, 1234)
    assert set(old.information.groups) ^ set(new.information.groups) == {
        f"S-1-5-5-{i >> 32}-{i & 0xFFFFFFFF}" for i in (own.logon_id, logon.logon_id)
    }
    assert new.information.privileges == old.information.privileges
    assert new.primary and new.logon_type == L.NEW_CREDENTIALS and new.outbound
    assert new.information.expiration == world.now + 50 < old.information.expiration == NEVER
    (told,) = [a for _, name, a in world.calls if name == "accept_credentials" and a[0] == L.NEW_CREDENTIALS]
    given = told[2]
    assert isinstance(given, PrimaryCredential)
    assert (given.downlevel_name, given.domain_name, given.user_sid) == ("svc", "FAR", old.information.user)
    assert world.records("logon")[-1].facts["cloned_logon_id"] == own.logon_id
    world.lsa.tokens.close(connection, own.token)
    assert world.lsa.sessions.get(logon.logon_id).state == "live", "a session of its own"


def test_new_credentials_need_a_token_that_may_act(world: World) -> None:
    world.add_user()
    elsewhere, hello = new_credentials(world), world.add_hello()
    connection, other = world.connect(), world.connect()
    own = ask(world, connection, hello, plain())
    for mine, token, status in (
        (connection, 0, Status.STATUS_NO_SUCH_LOGON_SESSION),
        (connection, 999, Status.STATUS_INVALID_HANDLE),
        (other, own.token, Status.STATUS_INVALID_HANDLE),
    ):
        before = len(world.calls)
        with pytest.raises(SecurityError) as caught:
            ask(world, mine, elsewhere, WANTED, token)
        assert caught.value.status == status and len(world.calls) == before
    weak = msgspec.structs.replace(
        token_of(world, connection, own), impersonation_level=ImpersonationLevel.IDENTIFICATION
    )
    identify = world.lsa.tokens.open(connection, weak)
    with pytest.raises(SecurityError) as caught:
        ask(world, connection, elsewhere, WANTED, identify)
    assert caught.value.status == Status.STATUS_BAD_IMPERSONATION_LEVEL


def test_delays_of_an_account_do_not_reach_new_credentials_and_are_not_forgiven_by_them(world: World) -> None:
    world.add_user()
    hello, elsewhere, connection = world.add_hello(), new_credentials(world), world.connect()
    own = ask(world, connection, hello, plain())
    for _ in range(3):
        with pytest.raises(SecurityError):
            world.logon(connection, hello, password="wrong")
    ask(world, connection, elsewhere, WANTED, own.token)
    assert world.store.lockout("alice", "uid:1000", world.now) == 10.0


# --- the profile -----------------------------------------------------------------------------------------------------


def charged(world: World) -> int:
    return world.lsa.quotas.taken(1000, "bytes")


@pytest.mark.breaks("R51", "secpkg.authority.logon_grant:release_profile")
def test_R51_a_logon_that_fails_after_the_packages_success_leaves_no_profile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R45: nor a session."""
    world.add_user()
    hello, connection = world.add_hello(), world.connect()

    def unwritable(*_: object, **__: object) -> None:
        raise SecurityError(Status.STATUS_INTERNAL_ERROR)

    monkeypatch.setattr(world.audit, "append", unwritable)
    with pytest.raises(SecurityError):
        ask(world, connection, hello, plain())
    assert charged(world) == 0 and not connection.kept and not world.lsa.sessions


def test_a_profile_is_charged_and_freed_once(world: World) -> None:
    world.add_user()
    hello, connection, other = world.add_hello(), world.connect(), world.connect()
    logon = ask(world, connection, hello, plain())
    assert charged(world) >= len(b"profile") and logon.buffer
    for mine, number in ((other, logon.buffer), (connection, 0), (connection, logon.buffer + 1)):
        with pytest.raises(SecurityError) as caught:
            world.lsa.connections.free(mine, number)
        assert caught.value.status == Status.STATUS_INVALID_PARAMETER
    world.lsa.connections.free(connection, logon.buffer)
    assert charged(world) == 0
    with pytest.raises(SecurityError):
        world.lsa.connections.free(connection, logon.buffer)
    assert charged(world) == 0
    again = ask(world, connection, hello, plain())
    assert again.buffer != logon.buffer and charged(world) > 0
    world.lsa.connections.close(connection)
    assert charged(world) == 0
