"""Logon processes and logons, over an authority in memory."""

from __future__ import annotations

import pytest
from tests.sspi.fakes import FakeAuthority

import secpkg
from secpkg.contract import reference
from secpkg.contract.flags import LogonType
from secpkg.contract.implements import IMPLEMENTED
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ProtocolReply
from secpkg.ipc import schema
from secpkg.lsa import raw


@pytest.fixture
def authority() -> FakeAuthority:
    return FakeAuthority(None)


def logged_on(lsa: secpkg.lsa.Lsa) -> secpkg.lsa.Logon:
    return lsa.logon_user("Tiny", LogonType.INTERACTIVE, username="alice", password="right")


def test_a_logon_and_its_end(authority: FakeAuthority) -> None:
    with secpkg.lsa.connect(authority) as lsa:
        assert not lsa.trusted and lsa.domain_name == "EXAMPLE"
        with logged_on(lsa) as logon:
            assert (logon.luid, logon.profile, logon.account_name) == (0xABC, b"profile", "alice")
            assert logon.access_token.user == "S-1-5-21-1" and "right" not in repr(logon)
        lsa.enumerate_logon_sessions()
        assert not authority.links[0].tokens, "every handle was given back"
    assert authority.links[0].closed


def test_a_refused_logon_has_status_and_substatus(authority: FakeAuthority) -> None:
    with secpkg.lsa.connect(authority) as lsa:
        with pytest.raises(SecurityError) as caught:
            lsa.logon_user("Tiny", LogonType.NETWORK, username="alice", password="wrong")
        assert caught.value.status is Status.STATUS_ACCOUNT_RESTRICTION
        assert caught.value.substatus is Status.STATUS_ACCOUNT_DISABLED
        with pytest.raises(SecurityError) as caught:
            lsa.logon_user("Tiny", 99)  # type: ignore[arg-type]
        assert caught.value.status is Status.STATUS_INVALID_LOGON_TYPE


def test_limits_before_anyone_is_asked(authority: FakeAuthority) -> None:
    """R83, R87."""
    with pytest.raises(SecurityError) as caught:
        secpkg.lsa.register_logon_process("é" * 64, authority)
    assert caught.value.status is Status.STATUS_NAME_TOO_LONG and not authority.links
    with secpkg.lsa.connect(authority) as lsa:
        for ask, status in (
            (lambda: lsa.lookup_authentication_package("p" * 128), Status.STATUS_NAME_TOO_LONG),
            (lambda: lsa.call_authentication_package(7, b"x" * 65537), Status.STATUS_INVALID_PARAMETER),
            (lambda: lsa.logon_user(7, LogonType.NETWORK, username="x" * 1025), Status.STATUS_INVALID_PARAMETER),
        ):
            with pytest.raises(SecurityError) as caught:
                ask()
            assert caught.value.status is status
        assert authority.seen == []
        with pytest.raises(SecurityError) as caught:
            lsa.lookup_authentication_package("Nobody")
        assert caught.value.status is Status.STATUS_NO_SUCH_PACKAGE


def test_trust(authority: FakeAuthority) -> None:
    """R76, R84."""
    with secpkg.lsa.register_logon_process("login", authority) as lsa:
        assert lsa.trusted and lsa.manage("packages.list") == {"did": "packages.list"}
    with secpkg.lsa.connect(authority) as lsa, pytest.raises(SecurityError) as caught:
        lsa.manage("packages.list")
    assert caught.value.status is Status.STATUS_ACCESS_DENIED and "Manage" not in authority.kinds()[1:]
    authority.trusts = False
    with pytest.raises(SecurityError) as caught:
        secpkg.lsa.register_logon_process("login", authority)
    assert caught.value.status is Status.STATUS_PORT_CONNECTION_REFUSED and authority.links[-1].closed


def test_the_services_own_result_is_apart(authority: FakeAuthority) -> None:
    """R77."""
    with secpkg.lsa.connect(authority) as lsa:
        assert lsa.call_authentication_package("Tiny", b"abc") == ProtocolReply(b"cba", Status.STATUS_UNSUCCESSFUL)


def test_default_credentials_are_the_session_whose_token_is_presented(authority: FakeAuthority) -> None:
    """Lock 3."""
    other = FakeAuthority(None)
    with secpkg.lsa.connect(authority) as lsa:
        logon = logged_on(lsa)
        with logon.session():
            inside = secpkg.Client("Tiny")
            elsewhere = secpkg.Client("Tiny", authority=other)
        outside = secpkg.Client("Tiny", authority=authority)
        opened = [m.token for m in authority.seen if isinstance(m, schema.OpenPackage)]
        assert opened == [logon.access_token.handle, 0]
        assert [m.token for m in other.seen if isinstance(m, schema.OpenPackage)] == [0]
        for each in (inside, elsewhere, outside):
            each.close()
        logon.close()
        assert authority.channels[0].closed, "the channel that presented the token goes with it"
    with pytest.raises(SecurityError, match="access_token_closed"), logon.session():
        pass


def test_a_session_that_ended_is_not_nobody(authority: FakeAuthority) -> None:
    lsa = secpkg.lsa.connect(authority)
    with logged_on(lsa).session():
        lsa.close()
        with pytest.raises(SecurityError, match="logon_session_ended") as caught:
            secpkg.Client("Tiny")
    assert caught.value.status is Status.SEC_E_NO_CREDENTIALS


def test_raw_functions(authority: FakeAuthority) -> None:
    """R85, R86: statuses are returned."""
    for row in reference.table("lsa_logon"):
        assert ("lsa_logon", row.function) in IMPLEMENTED
        assert callable(getattr(raw, row.python_name)), row.function
    assert raw.register_logon_process("x" * 128, authority)[0] is Status.STATUS_NAME_TOO_LONG
    status, handle = raw.connect_untrusted(authority)
    assert status is Status.STATUS_SUCCESS and handle is not None
    assert raw.lookup_authentication_package(handle, "Tiny") == (status, 7)
    assert raw.logon_user(handle, "test", 3, 7, username="a", password="bad")[:2] == (
        Status.STATUS_ACCOUNT_RESTRICTION,
        Status.STATUS_ACCOUNT_DISABLED,
    )
    assert raw.logon_user(handle, "test", 99, 7)[0] is Status.STATUS_INVALID_LOGON_TYPE
    status, _, made, token = raw.logon_user(handle, "test", 3, 7, username="a", password="right")
    assert made is not None and made.logon_id == 0xABC and token is not None
    assert raw.enumerate_logon_sessions(handle) == (Status.STATUS_SUCCESS, (0xABC,))
    assert raw.deregister_logon_process(handle) is Status.STATUS_SUCCESS
    assert raw.deregister_logon_process(handle) is Status.STATUS_INVALID_HANDLE
    assert raw.lookup_authentication_package(handle, "Tiny")[0] is Status.STATUS_INVALID_HANDLE
