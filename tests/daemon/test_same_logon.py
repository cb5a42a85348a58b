"""An identity that was sealed for a logon session, in another process (R278)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest
from tests.daemon.harness import PASSWORD, Daemon, running

import secpkg
from secpkg.contract import LogonType, Status
from secpkg.contract.flags_seldom import AuthIdentityEncryption
from secpkg.contract.values import AuthIdentity
from secpkg.ipc.connection import shared
from secpkg.sspi import raw

SAME_LOGON = int(AuthIdentityEncryption.SAME_LOGON)


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon
        kept = shared._by_address.pop(daemon.address, None)
        if kept is not None:
            kept.close()


def opened_in_child(daemon: Daemon, flat: bytes, descriptor: int | None) -> Status:
    """What another process is told that has the flat identity and, perhaps, the session's access token."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            _, identity = raw.sspi_unmarshal_auth_identity(flat)
            with secpkg.lsa.connect(daemon.address) as lsa, contextlib.ExitStack() as stack:
                if descriptor is not None:
                    stack.enter_context(lsa.adopt(descriptor).session())
                status = raw.sspi_decrypt_auth_identity_ex(SAME_LOGON, identity, authority=daemon.address)
                told = status if status.is_error or identity == AuthIdentity("bob", "", "secret") else -1
                os.write(write, int(told).to_bytes(8, "big", signed=True))
        os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    assert len(data) == 8, "it said nothing"
    return Status(int.from_bytes(data, "big", signed=True))


def test_R278_another_process_that_shows_the_sessions_token_opens_it(daemon: Daemon) -> None:
    with secpkg.lsa.connect(daemon.address) as lsa:
        first, second = (
            lsa.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password=PASSWORD) for _ in range(2)
        )
        identity = AuthIdentity("bob", "", "secret")
        with first.session():
            assert raw.sspi_encrypt_auth_identity_ex(SAME_LOGON, identity, authority=daemon.address) is Status.SEC_E_OK
        _, flat = raw.sspi_marshal_auth_identity(identity)
        assert opened_in_child(daemon, flat, first.access_token.fileno()) is Status.SEC_E_OK
        assert opened_in_child(daemon, flat, second.access_token.fileno()) is Status.SEC_E_DECRYPT_FAILURE
        assert opened_in_child(daemon, flat, None) is Status.SEC_E_DECRYPT_FAILURE
        first.close()
        second.close()
