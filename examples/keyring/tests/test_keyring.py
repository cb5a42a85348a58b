"""Keyring in a lab authority: what its README shows, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import secpkg
from secpkg.contract import InterfaceVersion, LogonType, ModuleTables, PackageInfo, SecurityError, Status
from secpkg.contract.flags import SECPKG_CONTEXT_EXPORT_DELETE_OLD
from secpkg.lsa import Lsa
from secpkg.sspi import raw
from secpkg.testing import FrozenClock, LabAuthority


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=["hello", "keyring"], clock=FrozenClock()) as made:
        made.add_user("alice", password="a pencil of mine")
        yield made


@pytest.fixture
def lsa(lab: LabAuthority) -> Iterator[Lsa]:
    with secpkg.lsa.register_logon_process("keyring tests", authority=lab) as connected:
        yield connected


class Newcomer:
    info = PackageInfo("Newcomer")


def newcomer(version: InterfaceVersion) -> ModuleTables:
    return ModuleTables(InterfaceVersion.V1, (Newcomer(),))


def handshake(lab: LabAuthority) -> tuple[secpkg.Client, secpkg.Server]:
    """A client of the session that acts, and a server."""
    client = secpkg.Client("Keyring", target="HTTP/host", authority=lab, requirements=0)
    server = secpkg.Server("Keyring", authority=lab, requirements=0)
    token = client.step()
    while token is not None:
        answer = server.step(token)
        token = client.step(answer) if answer is not None else None
    return client, server


def ask(lsa: Lsa, submit: bytes) -> tuple[Status, bytes]:
    reply = lsa.call_authentication_package("Keyring", submit)
    return reply.protocol_status, reply.data


def test_a_session_keeps_the_key_that_its_user_proves(lab: LabAuthority, lsa: Lsa) -> None:
    """SpAcceptCredentials after every logon, in every package that has it (R69, R70)."""
    with lsa.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password="a pencil of mine") as logon:
        with logon.session():
            client, server = handshake(lab)
        assert (client.complete, server.peer, client.peer) == (True, "alice", "HTTP/host")
        signature = client.sign(b"hello")
        server.verify(b"hello", signature)
        with pytest.raises(SecurityError) as replayed:
            server.verify(b"hello", signature)
        assert replayed.value.status is Status.SEC_E_MESSAGE_ALTERED
        with pytest.raises(SecurityError) as reflected:
            client.verify(b"hello", signature)
        assert reflected.value.status is Status.SEC_E_MESSAGE_ALTERED


def test_a_wrong_proof_is_refused(lab: LabAuthority, lsa: Lsa) -> None:
    client = lsa.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password="a pencil of mine")
    with client, client.session():
        lab.set_password("alice", "a brush of mine")
        with pytest.raises(SecurityError) as refused:
            handshake(lab)
    assert refused.value.status is Status.SEC_E_LOGON_DENIED


def test_without_a_session_there_are_no_credentials(lab: LabAuthority) -> None:
    with pytest.raises(SecurityError) as refused:
        secpkg.Client("Keyring", authority=lab, requirements=0).step()
    assert refused.value.status is Status.SEC_E_NO_CREDENTIALS


def test_credentials_of_a_session_are_renewed_for_every_package(lab: LabAuthority, lsa: Lsa) -> None:
    """UpdateCredentials runs SpAcceptCredentials again (R72): the session's key follows a password that was changed."""
    with lsa.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password="a pencil of mine") as logon:
        lab.set_password("alice", "a brush of mine")
        with logon.session(), pytest.raises(SecurityError) as stale:
            handshake(lab)
        assert stale.value.status is Status.SEC_E_LOGON_DENIED
        assert ask(lsa, b"renew %d a brush of mine" % logon.luid) == (Status.STATUS_SUCCESS, b"")
        with logon.session():
            assert handshake(lab)[1].peer == "alice"


def test_another_package_is_asked_by_name_and_packages_that_come_and_go_are_noted(lab: LabAuthority, lsa: Lsa) -> None:
    """CallPackage (R88); RegisterNotification of package changes (R252, R254)."""
    assert ask(lsa, b"ask Keyring changes")[0] is Status.STATUS_SUCCESS
    assert ask(lsa, b"nonsense")[0] is Status.STATUS_INVALID_PARAMETER
    lab.advance()
    before = ask(lsa, b"changes")[1]
    lab.add_module(newcomer)
    lab.advance()
    assert ask(lsa, b"changes")[1].removeprefix(before).split() == [b"LOAD", b"Newcomer"]


def test_a_context_moves_with_its_counters_and_leaves_nothing_behind(lab: LabAuthority, lsa: Lsa) -> None:
    """R203, R204: signatures go on where they were, in whichever process; the old context signs no more."""
    with lsa.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password="a pencil of mine") as logon:
        with logon.session():
            client, server = handshake(lab)
        server.verify(b"one", client.sign(b"one"))
        assert client._context is not None
        flags = SECPKG_CONTEXT_EXPORT_DELETE_OLD
        status, exported, token = raw.export_security_context(client._context, flags, authority=lab)
        assert status is Status.SEC_E_OK and exported is not None
        with pytest.raises(SecurityError):
            client.sign(b"two")
        status, moved = raw.import_security_context("Keyring", exported, token, authority=lab)
        assert status is Status.SEC_E_OK and moved is not None
        message = [raw.SecBuffer(1, b"two"), raw.SecBuffer(2)]
        assert raw.make_signature(moved, 0, message, 0) is Status.SEC_E_OK
        server.verify(b"two", message[1].data)
