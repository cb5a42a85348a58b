"""Logons, sessions, access tokens and packages' own services, in the four worlds."""

from __future__ import annotations

import pytest
from tests.behaviour.world import PASSWORD, World, refused

from secpkg.contract import ImpersonationLevel, LogonType, SecurityError, Status

EVERYONE, AUTHENTICATED, INTERACTIVE, NETWORK = "S-1-1-0", "S-1-5-11", "S-1-5-4", "S-1-5-2"


def test_an_interactive_logon(world: World) -> None:
    lsa = world.connect()
    assert not lsa.trusted and lsa.domain_name == "EXAMPLE"
    logon = world.logon(lsa)
    assert logon.account_name == "alice" and logon.luid in world.place.sessions()
    token = logon.access_token
    assert token.logon_id == logon.luid
    assert (token.account_name, token.domain_name) == ("alice", "EXAMPLE")
    assert token.user.startswith("S-1-5-21-")
    domain = token.user.rpartition("-")[0]
    assert {EVERYONE, AUTHENTICATED, INTERACTIVE} <= set(token.groups) and NETWORK not in token.groups
    assert sum(group.startswith(domain) for group in token.groups) >= 1, "staff"
    assert "SeChangeNotifyPrivilege" in token.privileges and "SeTcbPrivilege" not in token.privileges
    assert PASSWORD not in repr(logon) + repr(token)


def test_the_access_token_of_a_contexts_peer(world: World) -> None:
    """R202: of the network kind, and the caller's to close; each is a handle of its own."""
    _, server = world.pair()
    token, other = world.access_token(server), world.access_token(server)
    assert token.user == other.user and token.logon_id == other.logon_id and token.handle != other.handle
    assert {EVERYONE, NETWORK} <= set(token.groups) and INTERACTIVE not in token.groups
    assert token.impersonation_level >= ImpersonationLevel.IMPERSONATION
    assert token.logon_id in world.place.sessions()
    world.close(token)
    world.close(token)
    assert token.closed and not other.closed
    assert refused(lambda: token.handle).status is Status.SEC_E_INVALID_HANDLE
    assert other.handle


def test_a_client_has_no_access_token_of_its_server(world: World) -> None:
    client, _ = world.pair()
    assert refused(lambda: world.access_token(client)).status is Status.SEC_E_NO_IMPERSONATION


def test_a_network_logon_carries_no_credentials_any_further(world: World) -> None:
    """Lock 3: a network logon's session has no outbound credentials."""
    lsa = world.connect()
    logon = world.logon(lsa, kind=LogonType.NETWORK)
    assert NETWORK in logon.access_token.groups
    with logon.session():
        failure = refused(lambda: world.finish(world.default_client(), world.server()))
    assert failure.status is Status.SEC_E_NO_CREDENTIALS


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong password"), ("nobody", PASSWORD)])
def test_a_wrong_password_and_an_unknown_user_look_alike(world: World, user: str, password: str) -> None:
    """R54, lock 9."""
    user = world.place.add_user() if user == "alice" else user
    before = world.place.sessions()
    failure = refused(lambda: world.logon(world.connect(), user, password))
    assert (failure.status, failure.substatus, failure.reason) == (
        Status.STATUS_LOGON_FAILURE,
        Status.STATUS_SUCCESS,
        "",
    )
    assert world.place.sessions() == before


@pytest.mark.parametrize("kind", [LogonType.BATCH, LogonType.SERVICE, LogonType.NETWORK_CLEARTEXT, 0, 99])
def test_logon_types_that_are_not_offered(world: World, kind: int) -> None:
    """R56: by the package, or by anybody."""
    lsa = world.connect()
    assert refused(lambda: world.logon(lsa, kind=kind)).status is Status.STATUS_INVALID_LOGON_TYPE


def test_the_session_ends_with_the_last_copy_and_packages_hear_of_it_once(world: World) -> None:
    """Lock 5, R92, R94."""
    place, lsa = world.place, world.connect()
    logon = world.logon(lsa)
    with logon.session():
        client, stays = world.default_client(), world.default_client()
    world.finish(client, world.server())
    world.close(client)
    assert logon.luid in place.sessions() and place.terminated(logon.luid) == 0
    world.close(logon)
    world.close(logon)
    place.until(lambda: logon.luid not in place.sessions())
    place.until(lambda: place.terminated(logon.luid))
    world.close(stays)
    world.close(lsa)
    later = world.logon(world.connect())
    world.close(later)
    place.until(lambda: place.terminated(later.luid))
    assert place.terminated(logon.luid) == 1


def test_a_session_ends_with_the_connection_that_holds_it(world: World) -> None:
    """R86."""
    lsa = world.connect()
    logon = world.logon(lsa)
    world.close(lsa)
    world.place.until(lambda: logon.luid not in world.place.sessions())
    with pytest.raises(SecurityError):
        world.logon(lsa)


def test_sessions_are_listed_for_everybody_and_described_to_their_owner(world: World) -> None:
    """R101."""
    lsa, stranger = world.connect(), world.connect()
    logon = world.logon(lsa)
    assert logon.luid in world.do(lsa.enumerate_logon_sessions)
    data = world.do(lsa.get_logon_session_data, logon.luid)
    assert (data.user_name, data.logon_domain, data.authentication_package) == ("alice", "EXAMPLE", "Hello")
    assert data.logon_type == LogonType.INTERACTIVE and data.sid == logon.access_token.user
    assert world.place.operator.get_logon_session_data(logon.luid).sid == data.sid, "and to who is trusted"
    if world.place.embedded:  # one process is one trust domain
        return
    denied = refused(lambda: world.do(stranger.get_logon_session_data, logon.luid))
    assert denied.status is Status.STATUS_ACCESS_DENIED
    missing = refused(lambda: world.do(stranger.get_logon_session_data, 1))
    assert missing.status is Status.STATUS_NO_SUCH_LOGON_SESSION


def test_an_operators_calls_need_a_trusted_connection(world: World) -> None:
    """Lock 2."""
    failure = refused(lambda: world.do(world.connect().manage, "accounts.list"))
    assert failure.status is Status.STATUS_ACCESS_DENIED


def test_packages_are_looked_up_by_name(world: World) -> None:
    """R87."""
    lsa = world.connect()
    number = world.do(lsa.lookup_authentication_package, "hello")
    assert number == world.do(lsa.lookup_authentication_package, "Hello") > 0
    for name, status in (
        ("Nobody", Status.STATUS_NO_SUCH_PACKAGE),
        ("", Status.STATUS_NO_SUCH_PACKAGE),
        ("x" * 128, Status.STATUS_NAME_TOO_LONG),
    ):
        failure = refused(lambda name=name: world.do(lsa.lookup_authentication_package, name))  # type: ignore[misc]
        assert failure.status is status
    missing = refused(lambda: world.do(lsa.logon_user, 999_999, LogonType.NETWORK, username="alice"))
    assert missing.status is Status.STATUS_NO_SUCH_PACKAGE


def test_a_packages_own_services(world: World) -> None:
    """R75, R77: an untrusted connection reaches CallPackageUntrusted, whose result is apart from the call's."""
    lsa = world.connect()
    reply = world.do(lsa.call_authentication_package, "Counter", b"data")
    assert (reply.data, reply.protocol_status) == (b"untrusted:data", Status.STATUS_UNSUCCESSFUL)
    assert world.place.operator.call_authentication_package("Counter", b"").protocol_status is Status.STATUS_SUCCESS
    none = refused(lambda: world.do(lsa.call_authentication_package, "Hello", b""))
    assert none.status is Status.STATUS_NOT_IMPLEMENTED, "Hello has no services"
    assert refused(lambda: world.logon_on(lsa, "Counter")).status is Status.STATUS_NOT_IMPLEMENTED, "nor Counter logons"
    large = refused(lambda: world.do(lsa.call_authentication_package, "Counter", b"x" * 70_000))
    assert large.status is Status.STATUS_INVALID_PARAMETER
