"""Logon sessions and the references that keep them, and the credentials that packages keep with them."""

from __future__ import annotations

import pytest
from tests.authority.world import OTHER, World, raising

from secpkg.authority.credentials import MAX_CREDENTIALS, MAX_KEY
from secpkg.authority.policy import Policy
from secpkg.authority.targets import Origin
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import StoredCredential

LUID = 0x1234567


def status_of(world: World, origin: Origin, name: str, *arguments: object) -> tuple[Status, str]:
    with pytest.raises(SecurityError) as caught:
        world.lsa.lsa_function(origin, name, arguments)
    return caught.value.status, caught.value.reason


def call(world: World, origin: Origin, name: str, *arguments: object) -> object:
    return world.lsa.lsa_function(origin, name, arguments)


@pytest.mark.proves(
    "lsa_secpkg.CreateLogonSession",
    "lsa_dispatch.CreateLogonSession",
    "lsa_secpkg.DeleteLogonSession",
    "lsa_dispatch.DeleteLogonSession",
)
@pytest.mark.breaks("R98", "secpkg.authority.sessions:SessionTable.create")
def test_an_id_in_use_collides_R98_R57(world: World) -> None:
    origin = world.origin(world.add_package("A"))
    call(world, origin, "create_logon_session", LUID)
    other = world.origin(world.add_package("B"))
    assert status_of(world, other, "create_logon_session", LUID)[0] == Status.STATUS_LOGON_SESSION_COLLISION
    call(world, origin, "delete_logon_session", LUID)
    call(world, other, "create_logon_session", LUID)


@pytest.mark.parametrize("logon_id", [0, 0x3E7, -5, 1 << 63, True, "7"])
def test_an_id_that_no_package_can_draw_is_refused(world: World, logon_id: object) -> None:
    origin = world.origin(world.add_package("A"))
    assert status_of(world, origin, "create_logon_session", logon_id)[0] == Status.STATUS_INVALID_PARAMETER
    assert not world.lsa.sessions


@pytest.mark.breaks("R96", "secpkg.authority.sessions:SessionTable.delete")
@pytest.mark.breaks("R97", "secpkg.authority.sessions:SessionTable.delete")
def test_a_package_deletes_its_own_and_only_before_it_is_live_R96_R97(world: World) -> None:
    world.add_user()
    hello, other = world.add_hello(), world.add_package("Other")
    call(world, world.origin(hello), "create_logon_session", LUID)
    unknown = (Status.STATUS_NO_SUCH_LOGON_SESSION, "no_such_session")
    assert status_of(world, world.origin(other), "delete_logon_session", LUID)[0] == unknown[0]
    assert status_of(world, world.origin(other), "delete_logon_session", LUID + 1) == unknown
    logon = world.logon(world.connect(), hello)
    live = status_of(world, world.origin(hello), "delete_logon_session", logon.logon_id)
    assert live[0] == Status.STATUS_BAD_LOGON_SESSION_STATE


@pytest.mark.breaks("R95", "secpkg.authority.sessions:SessionTable.delete")
def test_deleting_a_session_tells_nobody_R95(world: World) -> None:
    hello = world.origin(world.add_package("A", logon_terminated=lambda *_: None))
    call(world, hello, "create_logon_session", LUID)
    call(world, hello, "delete_logon_session", LUID)
    assert not world.calls and not world.lsa.sessions


@pytest.mark.breaks("R93", "secpkg.authority.fanout:logon_terminated")
def test_the_last_token_ends_the_session_and_every_package_hears_it_once_R91_R92_R93(world: World) -> None:
    world.add_user()
    ended: list[object] = []
    hello = world.add_hello(logon_terminated=lambda t, luid: ended.append(luid))
    world.add_package("Told", accept_credentials=lambda *_: None, logon_terminated=lambda t, luid: ended.append(luid))
    world.add_package("NotTold", logon_terminated=lambda t, luid: ended.append(luid))
    connection = world.connect()
    logon = world.logon(connection, hello)
    second = world.lsa.tokens.duplicate(connection, logon.token)
    assert second not in (0, logon.token)
    world.lsa.tokens.close(connection, logon.token)
    assert not ended and len(world.lsa.sessions) == 1
    world.lsa.tokens.close(connection, second)
    assert ended == [logon.logon_id] * 2 and not world.lsa.sessions
    assert world.called("logon_terminated") == ["Hello", "Told"]
    with pytest.raises(SecurityError):
        world.lsa.tokens.close(connection, second)
    assert len(ended) == 2


@pytest.mark.breaks("R94", "secpkg.authority.fanout:logon_terminated")
def test_a_package_that_fails_at_the_end_is_recorded_and_the_others_hear_it_R93_R94(world: World) -> None:
    world.add_user()
    hello = world.add_hello(logon_terminated=raising(SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="worker_died")))
    drained = world.add_package("B", accept_credentials=lambda *_: None, logon_terminated=lambda *_: None)
    broken = world.add_package("C", accept_credentials=lambda *_: None, logon_terminated=lambda *_: None)
    world.add_package("D", accept_credentials=lambda *_: None)
    connection = world.connect()
    world.logon(connection, hello)
    world.packages.set_state(drained, "draining")
    world.packages.set_state(broken, "quarantined")
    world.lsa.connections.close(connection)
    assert world.called("logon_terminated") == ["Hello", "B"]
    (record,) = world.records("logon_terminated")
    assert record.package == "Hello" and record.claimed["reason"] == "worker_died"


def test_a_package_that_keeps_a_credential_hears_of_the_end(world: World) -> None:
    world.add_user()
    hello = world.add_hello()
    keeper = world.add_package("Keeper", logon_terminated=lambda *_: None)
    connection = world.connect()
    logon = world.logon(connection, hello)
    call(world, world.origin(keeper), "add_credential", logon.logon_id, b"k", b"c")
    world.lsa.connections.close(connection)
    assert world.called("logon_terminated") == ["Keeper"]


def test_what_a_dead_package_or_client_left_unfinished_goes_lock7(world: World) -> None:
    package, connection = world.add_package("A"), world.connect()
    call(world, world.origin(package), "create_logon_session", LUID)
    call(world, world.origin(package, connection), "create_logon_session", LUID + 1)
    world.lsa.connections.close(connection)
    assert len(world.lsa.sessions) == 1
    world.lsa.package_gone(package)
    world.lsa.package_gone(package)
    assert not world.lsa.sessions


def test_a_closed_connection_and_a_quarantined_package_begin_no_session(world: World) -> None:
    package, connection = world.add_package("A"), world.connect()
    origin = world.origin(package, connection)
    world.lsa.connections.close(connection)
    assert status_of(world, origin, "create_logon_session", LUID)[1] == "connection_closed"
    world.packages.set_state(package, "quarantined")
    assert status_of(world, world.origin(package), "create_logon_session", LUID)[1] == "package_quarantined"


def test_unfinished_sessions_of_a_package_are_limited_lock9() -> None:
    world = World(Policy(pending_sessions_per_package=2))
    origin = world.origin(world.add_package("A"))
    for luid in (LUID, LUID + 1):
        call(world, origin, "create_logon_session", luid)
    assert status_of(world, origin, "create_logon_session", LUID + 2)[1] == "quota_pending_sessions"
    call(world, origin, "delete_logon_session", LUID)
    call(world, origin, "create_logon_session", LUID + 2)


@pytest.mark.breaks("R101", "secpkg.authority.lsa:LocalSecurityAuthority.logon_session_data")
def test_session_data_is_for_its_user_and_trusted_callers_R101(world: World) -> None:
    world.add_user()
    hello, connection = world.add_hello(), world.connect()
    logon = world.logon(connection, hello)
    assert world.lsa.enumerate_logon_sessions() == (0x3E7, logon.logon_id)
    data = world.lsa.logon_session_data(connection, logon.logon_id)
    assert (data.account_name, data.domain, data.created) == ("alice", "EXAMPLE", world.now)
    with pytest.raises(SecurityError) as caught:
        world.lsa.logon_session_data(world.connect(OTHER), logon.logon_id)
    assert caught.value.status == Status.STATUS_ACCESS_DENIED
    assert world.lsa.logon_session_data(world.connect(world.lsa.itself), logon.logon_id) is data
    system = world.lsa.logon_session_data(world.connect(OTHER), 0x3E7)
    assert (system.account_name, system.created, system.sid) == ("", 0.0, "")


# --- credentials -----------------------------------------------------------------------------------------------------


@pytest.fixture
def origin(world: World) -> Origin:
    origin = world.origin(world.add_package("A"))
    call(world, origin, "create_logon_session", LUID)
    return origin


def entry(world: World, origin: Origin, *arguments: object) -> tuple[bytes, bytes, int]:
    stored = call(world, origin, "get_credentials", LUID, *arguments)
    assert isinstance(stored, StoredCredential)
    return stored.key, stored.credentials, stored.query_context


@pytest.mark.proves(
    "lsa_secpkg.AddCredential",
    "lsa_dispatch.AddCredential",
    "lsa_secpkg.GetCredentials",
    "lsa_dispatch.GetCredentials",
)
def test_keys_need_not_be_unique_and_one_entry_comes_per_call_R109_R111_R114(world: World, origin: Origin) -> None:
    for key, value in ((b"k", b"1"), (b"k", b"2"), (b"other", b"3")):
        call(world, origin, "add_credential", LUID, key, value)
    key, value, cursor = entry(world, origin, 0, b"k")
    assert (key, value) == (b"k", b"1")
    assert entry(world, origin, 0, b"k")[1] == b"1", "the cursor is the caller's"
    _, value, cursor = entry(world, origin, cursor, b"k")
    assert value == b"2"
    assert status_of(world, origin, "get_credentials", LUID, cursor, b"k")[0] == Status.ERROR_GEN_FAILURE
    assert entry(world, origin, cursor)[1] == b"3", "no key walks over all"


def test_the_cursor_survives_deletions_R111(world: World, origin: Origin) -> None:
    for value in (b"1", b"2", b"3"):
        call(world, origin, "add_credential", LUID, value, value)
    *_, cursor = entry(world, origin)
    call(world, origin, "delete_credential", LUID, b"1")
    call(world, origin, "delete_credential", LUID, b"2")
    assert entry(world, origin, cursor)[1] == b"3"


def test_the_bytes_are_copied_R110(world: World, origin: Origin) -> None:
    buffer = bytearray(b"secret")
    call(world, origin, "add_credential", LUID, b"k", buffer)
    buffer[:] = bytes(6)
    assert entry(world, origin)[1] == b"secret"


def test_a_package_sees_its_own_entries_only_R112_lock4(world: World) -> None:
    world.add_user()
    hello, other = world.add_hello(), world.origin(world.add_package("Other"))
    logon = world.logon(world.connect(), hello)
    call(world, world.origin(hello), "add_credential", logon.logon_id, b"k", b"mine")
    assert status_of(world, other, "get_credentials", logon.logon_id)[0] == Status.ERROR_GEN_FAILURE
    assert status_of(world, other, "delete_credential", logon.logon_id, b"k")[0] == Status.ERROR_GEN_FAILURE


def test_an_unfinished_session_is_its_packages_alone_R116(world: World, origin: Origin) -> None:
    other = world.origin(world.add_package("B"))
    gone = Status.STATUS_NO_SUCH_LOGON_SESSION
    assert status_of(world, other, "add_credential", LUID, b"k", b"c")[0] == gone
    assert status_of(world, origin, "add_credential", LUID + 1, b"k", b"c")[0] == gone
    assert status_of(world, origin, "get_credentials", LUID + 1)[0] == gone
    assert status_of(world, origin, "delete_credential", LUID + 1, b"k")[0] == gone


@pytest.mark.proves("lsa_secpkg.DeleteCredential", "lsa_dispatch.DeleteCredential")
def test_delete_removes_the_first_entry_with_the_key_only_R115(world: World, origin: Origin) -> None:
    for key, value in ((b"other", b"0"), (b"k", b"1"), (b"k", b"2")):
        call(world, origin, "add_credential", LUID, key, value)
    call(world, origin, "delete_credential", LUID, b"k")
    call(world, origin, "delete_credential", LUID, b"other")
    assert entry(world, origin)[1] == b"2"
    call(world, origin, "delete_credential", LUID, b"k")
    assert status_of(world, origin, "delete_credential", LUID, b"k")[0] == Status.ERROR_GEN_FAILURE


def test_entries_are_limited_by_name_lock9() -> None:
    world = World(Policy(credentials_per_session=2, credential_bytes_per_session=MAX_CREDENTIALS + 10))
    origin = world.origin(world.add_package("A"))
    call(world, origin, "create_logon_session", LUID)
    add = "add_credential"
    assert status_of(world, origin, add, LUID, bytes(MAX_KEY + 1), b"")[1] == "key_too_large"
    too_large = status_of(world, origin, add, LUID, b"", bytes(MAX_CREDENTIALS + 1))
    assert too_large == (Status.STATUS_QUOTA_EXCEEDED, "quota_credential_size")
    call(world, origin, add, LUID, b"", bytes(MAX_CREDENTIALS))
    assert status_of(world, origin, add, LUID, b"k", bytes(10))[1] == "quota_credential_bytes"
    call(world, origin, add, LUID, b"k", bytes(9))
    assert status_of(world, origin, add, LUID, b"", b"")[1] == "quota_credential_count"


def test_entries_are_sealed_for_the_user_and_the_package_and_wiped_lock4_R117(world: World) -> None:
    account = world.add_user()
    connection = world.connect()
    hello = world.add_hello()
    inner = world.scripts[hello]["logon_user_ex2"]

    def function(*arguments: object) -> object:
        result = inner(*arguments)
        target = arguments[0]
        luid = max(world.lsa.sessions._pending[hello])
        call(world, target.origin, "add_credential", luid, b"k", b"a secret of alice")  # type: ignore[attr-defined]
        return result

    world.scripts[hello]["logon_user_ex2"] = function
    logon = world.logon(connection, hello)
    (sealed,) = [e.sealed for e in world.lsa.credentials._entries[logon.logon_id]["Hello"]]
    assert b"secret" not in sealed
    opened = world.vault.open(sealed, sid=account.sid, package="Hello", purpose="session")
    assert opened == b"a secret of alice"
    stored = call(world, world.origin(hello), "get_credentials", logon.logon_id)
    assert isinstance(stored, StoredCredential) and stored.credentials == b"a secret of alice"
    world.lsa.connections.close(connection)
    assert not world.lsa.credentials._entries and not world.lsa.credentials._owners
