"""Access tokens and who may hold them: references, handles, retentions, connections (lock 5, lock 9)."""

from __future__ import annotations

import pytest
from tests.authority.test_sessions import call, status_of
from tests.authority.world import NOW, OTHER, ROOT, USER, World, raising

from secpkg.authority.connections import Connection
from secpkg.authority.policy import Policy
from secpkg.authority.quotas import Resource
from secpkg.contract.flags import ImpersonationLevel, LogonType, NameType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    NEVER,
    AuthData,
    ClientInfo,
    ConvertedToken,
    LogonAudit,
    SamUser,
    TokenInformation,
    TokenReference,
)

LUID = 0x1234567
RESOURCES: tuple[Resource, ...] = ("connections", "references", "bytes", "token_descriptors")


def auth_data(world: World, package: int, name: str = "alice") -> AuthData:
    data = call(world, world.origin(package), "get_auth_data_for_user", name)
    assert isinstance(data, AuthData)
    return data


def convert(world: World, package: int, connection: Connection, *arguments: object) -> ConvertedToken:
    origin = world.origin(package, connection)
    converted = call(world, origin, "convert_auth_data_to_token", auth_data(world, package), *arguments)
    assert isinstance(converted, ConvertedToken)
    return converted


@pytest.mark.proves("lsa_secpkg.ConvertAuthDataToToken")
@pytest.mark.breaks("R105", "secpkg.authority.functions.tokens:convert_auth_data_to_token")
def test_auth_data_becomes_session_and_token_in_one_call_R105(world: World) -> None:
    account = world.add_user(groups=["Users"], expires_at=NOW + 50)
    hello, connection = world.add_package("Hello"), world.connect()
    converted = convert(world, hello, connection)
    assert converted.account_name == "alice"
    handle = world.lsa.tokens.redeem(connection, converted.token.value)
    token = world.lsa.tokens.token(connection, handle)
    assert token.logon_id == converted.logon_id and token.information.user == account.sid
    assert not token.primary and not token.outbound and token.source == "Hello"
    assert token.information.expiration == NOW + 50 and token.information.primary_group == "S-1-5-32-545"
    (record,) = world.records("logon")
    assert record.facts["logon_id"] == converted.logon_id and record.claimed["account_name"] == "alice"
    session = world.lsa.sessions.get(converted.logon_id)
    assert (session.state, session.references, session.outbound) == ("live", 1, False)


def test_nothing_in_auth_data_adds_to_the_account(world: World) -> None:
    world.add_user()
    hello, connection = world.add_package("Hello"), world.connect()
    real = auth_data(world, hello)
    richer = TokenInformation(real.user_sid, ("S-1-5-32-544",), privileges=("SeTcbPrivilege",), expiration=NOW + 1)
    claim = AuthData("Administrator", "EXAMPLE", real.user_sid, richer)
    converted = call(world, world.origin(hello, connection), "convert_auth_data_to_token", claim)
    assert isinstance(converted, ConvertedToken)
    token = world.lsa.tokens.token(connection, world.lsa.tokens.redeem(connection, converted.token.value))
    assert token.account_name == "alice" and "S-1-5-32-544" not in token.information.groups
    assert token.information.privileges == ("SeChangeNotifyPrivilege",) and token.information.expiration == NOW + 1


def test_an_administrator_has_the_privileges_that_policy_gives(world: World) -> None:
    world.add_user(groups=["Administrators"])
    hello, connection = world.add_package("Hello"), world.connect()
    converted = convert(world, hello, connection)
    token = world.lsa.tokens.token(connection, world.lsa.tokens.redeem(connection, converted.token.value))
    assert "SeImpersonatePrivilege" in token.information.privileges


def test_restrictions_and_delays_apply_to_contexts_too_R55_lock9(world: World) -> None:
    world.add_user(enabled=False)
    hello, connection = world.add_package("Hello"), world.connect()
    origin = world.origin(hello, connection)
    with pytest.raises(SecurityError) as caught:
        call(world, origin, "convert_auth_data_to_token", auth_data(world, hello))
    assert caught.value.status == Status.STATUS_ACCOUNT_RESTRICTION
    assert caught.value.substatus == Status.STATUS_ACCOUNT_DISABLED
    world.store.update("alice", enabled=True)
    for _ in range(3):
        record = LogonAudit(Status.STATUS_LOGON_FAILURE, "EXAMPLE\\alice", reason="mic_wrong", logon_id=9)
        call(world, origin, "audit_logon", record)
    refused = status_of(world, origin, "convert_auth_data_to_token", auth_data(world, hello))
    assert refused == (Status.STATUS_LOGON_FAILURE, "lockout_delay")
    assert [r.facts["reason"] for r in world.records("logon")] == ["status_account_disabled", "lockout_delay"]
    claimed = world.records("audit_logon")[0].claimed
    assert claimed["reason"] == "mic_wrong" and claimed["logon_id"] is None, "R107"
    world.now += 10
    convert(world, hello, connection)
    assert not world.lsa.sessions.get(world.lsa.enumerate_logon_sessions()[1]).outbound


@pytest.mark.proves("lsa_secpkg.AuditLogon")
@pytest.mark.breaks("R107", "secpkg.authority.functions.audit:audit_logon")
def test_a_successful_claim_forgets_failures_and_another_status_counts_nothing_R107(world: World) -> None:
    world.add_user()
    origin = world.origin(world.add_package("Hello"), world.connect())
    for status in (Status.STATUS_LOGON_FAILURE,) * 2 + (Status.STATUS_SUCCESS,) + (Status.STATUS_LOGON_FAILURE,) * 2:
        call(world, origin, "audit_logon_ex", LogonAudit(status, "alice", logon_id=9), ImpersonationLevel.DELEGATION)
    call(world, origin, "audit_logon", LogonAudit(Status.STATUS_NO_LOGON_SERVERS, "alice"))
    assert world.store.lockout("alice", "uid:1000", world.now) == 0.0
    records = world.records("audit_logon")
    assert len(records) == 6 and records[5].claimed["status"] == "STATUS_NO_LOGON_SERVERS"
    assert records[2].claimed["logon_id"] == 9 and records[2].claimed["impersonation_level"] == 3
    assert records[0].package == "Hello" and records[0].uid == 1000


@pytest.mark.proves("lsa_secpkg.AuditAccountLogon")
@pytest.mark.breaks("R108", "secpkg.authority.functions.audit:audit_account_logon")
def test_account_mappings_are_recorded_and_always_succeed_R108(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = world.origin(world.add_package("Hello"), world.connect())
    arguments = (1, True, "cert", "CN=alice", "alice", Status.STATUS_SUCCESS)
    call(world, origin, "audit_account_logon", *arguments)
    assert world.records("audit_account_logon")[0].claimed["mapped_name"] == "alice"
    world.audit.close()
    call(world, origin, "audit_account_logon", *arguments)


def test_a_context_needs_a_client_and_a_known_user(world: World) -> None:
    world.add_user()
    hello, connection = world.add_package("Hello"), world.connect()
    data = auth_data(world, hello)
    name = "convert_auth_data_to_token"
    assert status_of(world, world.origin(hello), name, data)[1] == "no_client"
    origin = world.origin(hello, connection)
    level = ImpersonationLevel.IMPERSONATION
    assert status_of(world, origin, name, data, level, LogonType.PROXY)[0] == Status.STATUS_INVALID_LOGON_TYPE
    world.store.delete_user("alice")
    assert status_of(world, origin, name, data)[0] == Status.STATUS_NO_SUCH_USER
    world.lsa.connections.close(connection)
    assert status_of(world, origin, name, data)[1] == "connection_closed"
    assert not world.lsa.sessions and len(world.records("logon")) == 4


def test_a_token_that_cannot_be_recorded_is_not_made_lock10(world: World) -> None:
    world.add_user()
    hello, connection = world.add_package("Hello"), world.connect()
    data = auth_data(world, hello)
    world.audit.close()
    refused = status_of(world, world.origin(hello, connection), "convert_auth_data_to_token", data)
    assert refused[1] == "audit_unwritable" and not world.lsa.sessions and not connection.references


def test_a_session_without_its_first_reference_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add_user()
    hello, connection = world.add_package("Hello"), world.connect()
    data = auth_data(world, hello)
    monkeypatch.setattr(world.lsa.tokens, "_entropy", lambda count: b"")
    refused = status_of(world, world.origin(hello, connection), "convert_auth_data_to_token", data)
    assert refused[1] == "entropy_failed" and not world.lsa.sessions
    assert world.lsa.quotas.taken(1000, "references") == 0


@pytest.mark.proves("lsa_secpkg.CreateToken")
@pytest.mark.breaks("R102", "secpkg.authority.functions.tokens:create_token")
@pytest.mark.breaks("R103", "secpkg.authority.functions.tokens:create_token")
def test_create_token_is_for_own_sessions_and_their_user_R102_R103(world: World) -> None:
    alice, bob = world.add_user(), world.add_user("bob")
    hello, connection = world.add_package("Hello"), world.connect()
    origin = world.origin(hello, connection)
    user = TokenInformation(str(alice.sid))
    assert status_of(world, origin, "create_token", LUID, user)[0] == Status.STATUS_NO_SUCH_LOGON_SESSION
    call(world, origin, "create_logon_session", LUID)
    other = world.origin(world.add_package("Other"), connection)
    assert status_of(world, other, "create_token", LUID, user)[0] == Status.STATUS_NO_SUCH_LOGON_SESSION
    first = call(world, origin, "create_token", LUID, user, LogonType.INTERACTIVE)
    assert isinstance(first, TokenReference)
    wrong = TokenInformation(str(bob.sid))
    assert status_of(world, origin, "create_token", LUID, wrong)[1] == "session_of_another_user"
    second = call(world, origin, "create_token", LUID, user)
    assert isinstance(second, TokenReference) and second.value != first.value
    assert world.lsa.sessions.get(LUID).references == 2 and world.lsa.sessions.get(LUID).outbound
    world.audit.close()
    assert status_of(world, origin, "create_token", LUID, user)[1] == "audit_unwritable"
    assert world.lsa.sessions.get(LUID).references == 2, "a live session survives a refusal"


@pytest.mark.parametrize(
    ("level", "outbound"), [(ImpersonationLevel.IDENTIFICATION, False), (ImpersonationLevel.DELEGATION, True)]
)
def test_an_identify_level_token_carries_no_credentials_lock3(
    world: World, level: ImpersonationLevel, outbound: bool
) -> None:
    world.add_user()
    hello, connection = world.add_package("Hello"), world.connect()
    converted = convert(world, hello, connection, level, LogonType.NETWORK_CLEARTEXT)
    handle = world.lsa.tokens.redeem(connection, converted.token.value)
    assert world.lsa.tokens.token(connection, handle).impersonation_level == level
    assert world.lsa.client_info(connection, handle).logon_id == (converted.logon_id if outbound else None)


def test_a_reference_is_redeemed_once_and_on_its_own_connection_lock5(world: World) -> None:
    world.add_user()
    hello, connection, thief = world.add_package("Hello"), world.connect(), world.connect()
    reference = convert(world, hello, connection).token.value
    for value in (reference, bytes(16), b""):
        with pytest.raises(SecurityError) as caught:
            world.lsa.tokens.redeem(thief, value)
        assert caught.value.status == Status.STATUS_INVALID_HANDLE
    handle = world.lsa.tokens.redeem(connection, reference)
    for again in (world.lsa.tokens.redeem, world.lsa.tokens.drop_reference):
        with pytest.raises(SecurityError):
            again(connection, reference)
    with pytest.raises(SecurityError):
        world.lsa.tokens.token(thief, handle)
    world.lsa.tokens.close(connection, handle)
    assert not world.lsa.sessions and world.lsa.quotas.taken(1000, "references") == 0


def test_handles_are_never_used_again(world: World) -> None:
    world.add_user()
    hello, connection = world.add_hello(), world.connect()
    seen = set()
    for _ in range(3):
        logon = world.logon(connection, hello)
        seen.add(logon.token)
        world.lsa.tokens.close(connection, logon.token)
    assert len(seen) == 3 and 0 not in seen


def test_a_reference_that_is_given_back_ends_the_session(world: World) -> None:
    world.add_user()
    hello, connection = world.add_package("Hello", logon_terminated=lambda *_: None), world.connect()
    reference = convert(world, hello, connection).token
    world.lsa.tokens.drop_reference(connection, reference.value)
    assert not world.lsa.sessions and world.called("logon_terminated") == ["Hello"]


@pytest.mark.proves("lsa_secpkg.DuplicateHandle")
@pytest.mark.breaks("R106", "secpkg.authority.tokens:TokenTable.duplicate_reference")
def test_duplicates_of_references_are_for_their_package_R106(world: World) -> None:
    world.add_user()
    hello, other, connection = world.add_package("Hello"), world.add_package("Other"), world.connect()
    reference = convert(world, hello, connection).token
    assert status_of(world, world.origin(other, connection), "duplicate_handle", reference)[1] == "reference_unknown"
    elsewhere = world.origin(hello, world.connect())
    assert status_of(world, elsewhere, "duplicate_handle", reference)[1] == "reference_unknown"
    for name in ("duplicate_handle", "duplicate_token_handle"):
        copy = call(world, world.origin(hello, connection), name, reference)
        assert isinstance(copy, TokenReference) and copy.value != reference.value
        world.lsa.tokens.drop_reference(connection, copy.value)
    assert len(world.lsa.sessions) == 1


@pytest.mark.proves("lsa_secpkg.OpenTokenByLogonId")
def test_a_token_is_opened_for_the_session_that_the_caller_presented_only_lock3(world: World) -> None:
    world.add_user()
    hello, connection = world.add_hello(), world.connect()
    logon = world.logon(connection, hello)
    caller = world.lsa.client_info(connection, logon.token)
    opened = call(world, world.origin(hello, connection, caller), "open_token_by_logon_id", logon.logon_id)
    assert isinstance(opened, TokenReference)
    name = "open_token_by_logon_id"
    assert status_of(world, world.origin(hello, connection), name, logon.logon_id)[0] == Status.STATUS_ACCESS_DENIED
    assert status_of(world, world.origin(hello, connection, caller), name, 5)[0] == Status.STATUS_NO_SUCH_LOGON_SESSION
    assert status_of(world, world.origin(hello, None, caller), name, logon.logon_id)[1] == "no_client"


@pytest.mark.breaks("R92", "secpkg.authority.tokens:Retention.release")
def test_a_retention_keeps_the_session_and_lets_go_once_R92(world: World) -> None:
    world.add_user()
    hello, connection, heir = world.add_hello(), world.connect(), world.connect(OTHER)
    logon = world.logon(connection, hello)
    retention = world.lsa.tokens.retain(world.lsa.tokens.token(connection, logon.token))
    world.lsa.connections.close(connection)
    assert world.lsa.sessions.get(logon.logon_id).references == 1
    handle = world.lsa.tokens.adopt(heir, retention)
    retention.release()
    retention.release()
    assert world.lsa.sessions.get(logon.logon_id).references == 1
    with pytest.raises(SecurityError):
        world.lsa.tokens.adopt(heir, retention)
    world.lsa.tokens.close(heir, handle)
    assert not world.lsa.sessions


# --- connections -----------------------------------------------------------------------------------------------------


def test_closing_a_connection_releases_everything_once_lock5_lock9(world: World) -> None:
    world.add_user()
    hello = world.add_hello(logon_terminated=lambda *_: None)
    connection = world.connect()
    world.logon(connection, hello)
    convert(world, hello, connection)
    world.lsa.connections.charge(connection, 500)
    for _ in range(2):
        world.lsa.connections.close(connection)
    assert not world.lsa.sessions and len(world.called("logon_terminated")) == 2
    assert not len(world.lsa.connections)
    assert [world.lsa.quotas.taken(1000, r) for r in RESOURCES] == [0, 0, 0, 0]
    with pytest.raises(SecurityError):
        world.lsa.client_info(connection)
    with pytest.raises(SecurityError):
        world.lsa.connections.charge(connection, 1)


def test_one_uid_cannot_take_what_is_the_others_lock9() -> None:
    world = World(Policy(connections_per_uid=2, references_per_uid=1, bytes_per_uid=100, handles_per_connection=1))
    world.add_user()
    hello, connection, second = world.add_hello(), world.connect(), world.connect()
    with pytest.raises(SecurityError) as caught:
        world.connect()
    assert (caught.value.status, caught.value.reason) == (Status.STATUS_QUOTA_EXCEEDED, "quota_connections")
    world.connect(OTHER)
    convert(world, hello, connection)
    refused = status_of(world, world.origin(hello, second), "convert_auth_data_to_token", auth_data(world, hello))
    assert refused[1] == "quota_references" and len(world.lsa.sessions) == 1
    world.lsa.connections.charge(connection, 60)
    with pytest.raises(SecurityError, match="quota_bytes"):
        world.lsa.connections.charge(second, 41)
    world.lsa.connections.refund(connection, 1000)
    world.lsa.connections.charge(second, 100)
    world.lsa.connections.refund(second, 100)
    logon = world.logon(connection, hello)
    with pytest.raises(SecurityError, match="quota_handles"):
        world.lsa.tokens.duplicate(connection, logon.token)
    with pytest.raises(SecurityError) as caught:
        world.logon(connection, hello)
    assert caught.value.status == Status.STATUS_QUOTA_EXCEEDED and len(world.lsa.sessions) == 2


def test_a_logon_process_needs_the_privilege_and_is_recorded_R76_R83_R84_lock2(world: World) -> None:
    with pytest.raises(SecurityError) as caught:
        world.lsa.connections.open(USER, "login")
    assert caught.value.status == Status.STATUS_PORT_CONNECTION_REFUSED
    with pytest.raises(SecurityError) as caught:
        world.lsa.connections.open(ROOT, "ö" * 64)
    assert caught.value.status == Status.STATUS_NAME_TOO_LONG
    assert world.lsa.connections.open(ROOT, "ö" * 63).trusted and not world.connect(ROOT).trusted
    first, second = world.records("register_logon_process")
    assert (first.status, first.uid) == ("STATUS_PORT_CONNECTION_REFUSED", 1000)
    assert second.status == "SEC_E_OK" and second.claimed["name"] == "ö" * 63


def test_trust_is_root_and_whom_the_operator_lists_lock2() -> None:
    policy = Policy(trusted_uids=(7,))
    assert [policy.is_trusted(uid) for uid in (0, 7, 8)] == [True, True, False]


# --- accounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "EXAMPLE\\Alice", ".\\alice", "alice@corp.test", "alice@example"])
def test_every_form_of_a_name_finds_the_account_and_only_the_packages_verifier_lock4(world: World, name: str) -> None:
    account = world.add_user(upn="alice@corp.test")
    data = auth_data(world, world.add_package("Hello"), name)
    assert (data.account_name, data.user_sid, data.domain_name) == ("alice", account.sid, "EXAMPLE")
    assert data.supplemental == b"verifier of alice" and data.token_information.expiration == NEVER
    assert auth_data(world, world.add_package("Other"), name).supplemental is None


@pytest.mark.parametrize("name", ["bob", "OTHER\\alice", "alice@other", "", "a" * 2000, "x\\y\\alice", "@", "\\alice"])
def test_unknown_names_and_domains_look_alike_and_cost_the_same_lock9(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_user()
    origin = world.origin(world.add_package("Hello"))
    opened: list[str] = []
    real = world.store.auth_record
    monkeypatch.setattr(world.store, "auth_record", lambda n, p: opened.append(p) or real(n, p))  # type: ignore[func-returns-value]
    assert status_of(world, origin, "get_auth_data_for_user", name) == (Status.STATUS_NO_SUCH_USER, "no_such_user")
    assert opened == ["Hello"], "the store is asked exactly once, as for a name that exists"


@pytest.mark.proves(
    "lsa_secpkg.OpenSamUser",
    "lsa_secpkg.GetUserAuthData",
    "lsa_secpkg.CloseSamUser",
    "lsa_secpkg.GetAuthDataForUser",
)
def test_open_get_close_is_get_auth_data_R258_and_ends_with_the_call(world: World) -> None:
    world.add_user()
    hello = world.add_package("Hello")
    origin = world.origin(hello)
    user = call(world, origin, "open_sam_user", "alice")
    assert isinstance(user, SamUser) and user.account_name == "alice"
    assert call(world, origin, "get_user_auth_data", user.handle) == auth_data(world, hello)
    call(world, origin, "close_sam_user", user.handle)
    invalid = (Status.STATUS_INVALID_HANDLE, "sam_user_unknown")
    assert status_of(world, origin, "get_user_auth_data", user.handle) == invalid
    assert status_of(world, origin, "close_sam_user", user.handle) == invalid
    again = call(world, origin, "open_sam_user", "alice")
    assert isinstance(again, SamUser) and again.handle != user.handle
    assert status_of(world, world.origin(hello), "get_user_auth_data", again.handle) == invalid, "another call"
    world.lsa.end_call(origin)
    assert status_of(world, origin, "get_user_auth_data", again.handle) == invalid
    for _ in range(16):
        call(world, origin, "open_sam_user", "alice")
    assert status_of(world, origin, "open_sam_user", "alice")[1] == "sam_users_too_many"


def test_name_types_R256(world: World) -> None:
    world.add_user()
    origin = world.origin(world.add_package("Hello"))
    assert status_of(world, origin, "open_sam_user", "alice", NameType.ALTERNATE_ID)[1] == "prefix_missing"
    for name_type in (NameType.ALTERNATE_ID, NameType.DN, NameType.SPN):
        assert status_of(world, origin, "open_sam_user", "alice", name_type, "X509:")[1] == "no_such_user"
    call(world, origin, "open_sam_user", "alice", NameType.FLAT)


def test_an_unknown_name_is_an_enabled_guest_where_guests_are_allowed_R257(world: World) -> None:
    world.add_user()
    world.add_user("Guest", enabled=False)
    origin = world.origin(world.add_package("Hello"))
    guest = ("nobody", NameType.SAM_COMPATIBLE, "", True)
    assert status_of(world, origin, "open_sam_user", *guest)[0] == Status.STATUS_NO_SUCH_USER
    world.store.update("Guest", enabled=True)
    user = call(world, origin, "open_sam_user", *guest)
    assert isinstance(user, SamUser) and user.account_name == "Guest"
    user = call(world, origin, "open_sam_user", "alice", *guest[1:])
    assert isinstance(user, SamUser) and user.account_name == "alice"
    assert status_of(world, origin, "open_sam_user", "nobody")[0] == Status.STATUS_NO_SUCH_USER


def test_what_is_not_offered_says_so_R118(world: World) -> None:
    origin = world.origin(world.add_package("Hello"))
    for name in ("get_service_account_password", "check_protected_user_by_token", "no such function"):
        assert status_of(world, origin, name)[0] == Status.STATUS_NOT_IMPLEMENTED
    assert status_of(world, origin, "delete_logon_session")[1] == "argument_count"
    assert status_of(world, origin, "delete_logon_session", 1, 2)[1] == "argument_count"


def test_who_calls_is_what_the_socket_said_lock1(world: World) -> None:
    restricted = ClientInfo(1, 2, 3, restricted=True, impersonating=True, thread_id=4)
    assert world.lsa.client_info(world.connect(restricted)) == restricted


def test_a_store_that_fails_lets_nobody_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add_user()
    hello, connection = world.add_package("Hello"), world.connect()
    data = auth_data(world, hello)
    monkeypatch.setattr(world.store, "record_success", raising(SecurityError(Status.STATUS_INTERNAL_ERROR)))
    origin = world.origin(hello, connection)
    assert status_of(world, origin, "convert_auth_data_to_token", data)[0] == Status.STATUS_INTERNAL_ERROR
    assert not world.lsa.sessions
