"""The pleasant floor: a handshake and what follows."""

from __future__ import annotations

import copy
import gc
import os
import pickle
from typing import Any

import pytest
from tests.sspi.fakes import FakeAuthority

import secpkg
from secpkg.contract.flags import AscRet, Capability, IscReq, IscRet
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc import schema


def pair(authority: FakeAuthority, **more: Any) -> tuple[secpkg.Client, secpkg.Server]:
    client = secpkg.Client("Tiny", username="alice", password="right", authority=authority, **more)
    return client, secpkg.Server("Tiny", authority=authority)


def finished(authority: FakeAuthority) -> tuple[secpkg.Client, secpkg.Server]:
    client, server = pair(authority)
    shake(client, server)
    return client, server


def shake(client: secpkg.Client, server: secpkg.Server) -> None:
    token = client.step()
    while token is not None:
        reply = server.step(token)
        token = client.step(reply) if reply is not None else None


def test_three_legs_and_a_last_token_that_is_still_sent(authority: FakeAuthority) -> None:
    """R149, R187."""
    client, server = pair(authority)
    assert client.step() == b"1" and server.step(b"1") == b"2"
    assert not client.complete and not server.complete
    assert client.step(b"2") == b"3" and client.complete
    assert server.step(b"3") is None and server.complete


def test_what_both_know_afterwards(authority: FakeAuthority) -> None:
    client, server = finished(authority)
    assert client.package == "Tiny" and client.expiry == 2e9
    assert client.flags == authority.granted_init and isinstance(client.flags, IscRet)
    assert server.flags == authority.granted_accept and isinstance(server.flags, AscRet)
    assert client.session_key == b"k" * 16 and client.sizes.security_trailer == 2
    assert server.peer == "alice", "the LSA half answers what the user half does not"


def test_attributes_before_the_end_are_not_told(authority: FakeAuthority) -> None:
    """R186."""
    client, _ = pair(authority)
    client.step()
    assert client.flags == 0
    for ask in (lambda: client.peer, lambda: client.session_key, lambda: client.sizes, lambda: client.encrypt(b"")):
        with pytest.raises(SecurityError, match="context_not_complete"):
            ask()


def test_messages(authority: FakeAuthority) -> None:
    client, server = finished(authority)
    sealed = client.encrypt(b"secret")
    assert len(sealed) == 8 and b"secret" not in sealed
    assert server.decrypt(sealed) == b"secret" and server.decrypt(client.encrypt(b"")) == b""  # R223
    server.verify(b"data", client.sign(b"data"))
    for tampered in (b"X" + sealed[1:], sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(SecurityError) as caught:
            server.decrypt(tampered)
        assert caught.value.status is Status.SEC_E_MESSAGE_ALTERED
    with pytest.raises(SecurityError) as caught:
        server.decrypt(b"T")
    assert caught.value.status is Status.SEC_E_INVALID_TOKEN
    with pytest.raises(SecurityError):
        server.verify(b"other", client.sign(b"data"))


def test_sealing_asks_nobody(authority: FakeAuthority) -> None:
    client, server = finished(authority)
    before = len(authority.seen)
    server.decrypt(client.encrypt(b"x"))
    server.verify(b"x", client.sign(b"x"))
    assert len(authority.seen) == before


@pytest.mark.parametrize("flag", [IscRet.MUTUAL_AUTH, IscRet.CONFIDENTIALITY, IscRet.INTEGRITY])
def test_a_requirement_that_is_not_granted_fails_closed(authority: FakeAuthority, flag: IscRet) -> None:
    """R173: this caller requires what it asks for."""
    authority.granted_init &= ~flag
    client, _ = pair(authority)
    client.step()
    with pytest.raises(SecurityError, match="requirement_not_granted") as caught:
        client.step(b"2")
    assert caught.value.status is Status.SEC_E_SECURITY_QOS_FAILED and not client.complete
    assert "DeleteContext" in authority.kinds()
    with pytest.raises(SecurityError):
        client.encrypt(b"x")


def test_what_was_not_asked_for_may_be_missing_and_is_then_not_used(authority: FakeAuthority) -> None:
    """R220: a context without confidentiality does not encrypt."""
    authority.granted_init &= ~IscRet.CONFIDENTIALITY
    client, _ = pair(authority, requirements=IscReq.INTEGRITY)
    client.step()
    client.step(b"2")
    client.sign(b"x")
    with pytest.raises(SecurityError) as caught:
        client.encrypt(b"x")
    assert caught.value.status is Status.SEC_E_QOP_NOT_SUPPORTED


def test_a_refusal_carries_its_token_for_the_peer(authority: FakeAuthority) -> None:
    """R185, R188, R190."""
    _, server = pair(authority)
    with pytest.raises(SecurityError) as caught:
        server.step(b"refuse")
    assert (caught.value.status, caught.value.token) == (Status.SEC_E_LOGON_DENIED, b"why")
    with pytest.raises(SecurityError, match="context_failed"):
        server.step(b"1")
    server.close()
    assert authority.kinds().count("DeleteContext") == 1


def test_an_incomplete_message_changes_nothing(authority: FakeAuthority) -> None:
    """R226."""
    client, server = pair(authority)
    with pytest.raises(SecurityError) as caught:
        server.step(b"short")
    assert caught.value.status is Status.SEC_E_INCOMPLETE_MESSAGE
    shake(client, server)
    assert server.complete


def test_a_finished_context_refuses_more_legs(authority: FakeAuthority) -> None:
    client, _ = finished(authority)
    with pytest.raises(SecurityError, match="context_finished") as caught:
        client.step(b"2")
    assert caught.value.status is Status.SEC_E_INVALID_HANDLE
    client.sign(b"the context is as good as before")


@pytest.mark.proves("user_mode.SpDeleteContext (user mode)")
def test_the_end_is_user_half_then_lsa_half_then_credential_each_once(authority: FakeAuthority, half: Any) -> None:
    """R193, spec/README 9."""
    client, server = finished(authority)
    client.close()
    client.close()
    assert half.CALLS.count("delete") == 1
    assert authority.kinds()[-2:] == ["DeleteContext", "FreeCredentials"]
    with pytest.raises(SecurityError, match="context_closed"):
        client.encrypt(b"x")
    with pytest.raises(SecurityError, match="context_closed"):
        client.step()
    del server
    gc.collect()
    assert half.CALLS.count("delete") == 2
    secpkg.Client("Tiny", username="a", authority=authority).close()
    assert authority.kinds().count("DeleteContext") == 2, "a finalizer's release goes with the next operation"


def test_the_reference_of_an_unredeemed_access_token_is_released(authority: FakeAuthority) -> None:
    _, server = finished(authority)
    server.close()
    with pytest.raises(SecurityError):
        secpkg.Server("Nobody", authority=authority)
    status, _ = secpkg.sspi.raw.enumerate_security_packages(authority)
    assert status is Status.SEC_E_OK
    (released,) = [m for m in authority.seen if isinstance(m, schema.ReleaseReference)]
    assert released.reference == b"reference"


def test_the_access_token_is_redeemed_when_it_is_wanted(authority: FakeAuthority) -> None:
    """Lock 5; R202."""
    client, server = finished(authority)
    assert "RedeemToken" not in authority.kinds()
    with server.access_token as token:
        assert (token.account_name, token.user, token.groups) == ("alice", "S-1-5-21-1", ("S-1-1-0",))
        assert token.logon_id == 0xABC
        again = server.access_token
        assert authority.kinds().count("RedeemToken") == 1
    with pytest.raises(SecurityError, match="access_token_closed"):
        token.handle  # noqa: B018
    again.close()
    for refuse in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            refuse(token)
    with pytest.raises(SecurityError) as caught:
        client.access_token  # noqa: B018
    assert caught.value.status is Status.SEC_E_NO_IMPERSONATION
    server.close()
    secpkg.sspi.raw.enumerate_security_packages(authority)
    assert not authority.links[0].tokens, "every handle was given back"


def test_a_dead_worker_says_so_and_the_next_client_gets_another(authority: FakeAuthority) -> None:
    """Lock 7: unfinished contexts end, finished ones go on sealing."""
    client, server = finished(authority)
    other, _ = pair(authority)
    other.step()
    with pytest.raises(SecurityError, match="worker_gone"):
        other.step(b"die")
    with pytest.raises(SecurityError, match="context_failed"):
        other.step(b"2")
    assert server.decrypt(client.encrypt(b"on")) == b"on"
    shake(*pair(authority))
    for each in (client, server, other):
        each.close()


def test_a_worker_that_died_unseen_is_asked_for_again(authority: FakeAuthority) -> None:
    finished(authority)
    gc.collect()
    dying = authority.channels[-1]

    def die(_message: object) -> None:
        dying.closed = True
        from secpkg.ipc.errors import ChannelClosed

        raise ChannelClosed("gone")

    dying.call = die  # type: ignore[method-assign,assignment]
    shake(*pair(authority))
    assert len(authority.channels) == 2


def test_unknown_packages_and_wrong_passwords(authority: FakeAuthority) -> None:
    with pytest.raises(SecurityError) as caught:
        secpkg.Client("Nobody", authority=authority)
    assert caught.value.status is Status.SEC_E_SECPKG_NOT_FOUND
    with pytest.raises(SecurityError) as caught:
        secpkg.Client("Tiny", username="alice", password="wrong", authority=authority)
    assert caught.value.status is Status.SEC_E_LOGON_DENIED
    with pytest.raises(SecurityError, match="username_missing"):
        secpkg.Client("Tiny", password="right", authority=authority)


@pytest.mark.parametrize("token", [b"x" * (128 * 1024 + 1)])
def test_a_token_beyond_the_limit_is_refused_before_anyone_is_asked(authority: FakeAuthority, token: bytes) -> None:
    _, server = pair(authority)
    before = len(authority.seen)
    with pytest.raises(SecurityError, match="token_too_large") as caught:
        server.step(token)
    assert caught.value.status is Status.SEC_E_INVALID_TOKEN and len(authority.seen) == before


@pytest.mark.parametrize(
    ("packed", "reason"),
    [(b"", "packed_context_empty"), (b"x" * 65537, "packed_context_too_large"), (None, "mapped_context_missing"),
     (b"broken", "package_raised_ValueError")],
)  # fmt: skip
def test_a_packed_context_that_cannot_be_opened_ends_the_context(
    authority: FakeAuthority, packed: bytes | None, reason: str
) -> None:
    """R154, spec/README 3 and 8."""
    authority.packed = packed
    client, _ = pair(authority)
    client.step()
    with pytest.raises(SecurityError, match=reason):
        client.step(b"2")
    assert "DeleteContext" in authority.kinds() and not client.complete


def test_a_package_without_message_functions_needs_no_user_half(authority: FakeAuthority) -> None:
    """spec/README 3."""
    authority.packed = None
    authority.user_half = None
    authority.info = secpkg.contract.PackageInfo("Tiny", capabilities=Capability.CONNECTION, max_token=64)
    client, server = finished(authority)
    assert server.peer == "alice"
    with pytest.raises(SecurityError) as caught:
        client.encrypt(b"x")
    assert caught.value.status is Status.SEC_E_UNSUPPORTED_FUNCTION


def test_a_credential_serves_several_contexts(authority: FakeAuthority) -> None:
    """R193: closing it does not disturb them."""
    with secpkg.Credential("Tiny", username="alice", password="right", authority=authority) as credential:
        first = secpkg.Client("Tiny", credential=credential)
        second = secpkg.Client("Tiny", credential=credential)
        server = secpkg.Server("Tiny", authority=authority)
        shake(first, server)
        second.step()
        assert authority.kinds().count("AcquireCredentials") == 2
        with pytest.raises(SecurityError, match="credential_does_not_fit"):
            secpkg.Server("Tiny", credential=credential)
        first.close()
        assert "FreeCredentials" not in authority.kinds()
    with pytest.raises(SecurityError, match="credential_freed"):
        secpkg.Client("Tiny", credential=credential)
    second.close()


def test_in_the_child_of_a_fork_everything_is_dead(authority: FakeAuthority) -> None:
    """Lock 6."""
    client, server = finished(authority)
    half_built, _ = pair(authority)
    half_built.step()
    encrypt = client.encrypt
    seen = len(authority.seen)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            results: list[Status | None] = []
            for use in (lambda: encrypt(b"x"), lambda: server.decrypt(b"TTx"), lambda: half_built.step(b"2"),
                        lambda: client.sign(b"x"), lambda: server.access_token):  # fmt: skip
                try:
                    use()
                    results.append(None)
                except SecurityError as error:
                    results.append(error.status)
            client.close()
            quiet = len(authority.seen) == seen
            code = 0 if quiet and set(results) == {Status.SEC_E_INVALID_HANDLE} else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.decrypt(client.encrypt(b"the parent's")) == b"the parent's"
