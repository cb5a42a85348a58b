"""What NTLM keeps of a password with the account and with sessions, and of whom it keeps none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.packages_ntlm.callers import asked, logon, no_credentials, refused_logon, told, trusted
from tests.packages_ntlm.listener import Listener
from tests.packages_ntlm.world import DOMAIN, PASSWORD, refusal

from secpkg import lsa
from secpkg.contract import (
    Call,
    LogonType,
    PackageInfo,
    PrimaryCredential,
    ProtocolReply,
    Status,
    msv1_0,
)
from secpkg.contract.flags import BufferType, PrimaryCredentialFlag
from secpkg.contract.values import SecBuffer
from secpkg.protocols import ntlm
from secpkg.runtime.embedded import EmbeddedAuthority
from secpkg.runtime.embedded import _kept as opened
from secpkg.sspi.raw import change_account_password
from secpkg.testing import LabAuthority, Pair

NEW = "a longer horse"


def kept(lab: LabAuthority, name: str) -> bytes | None:
    store = lab.embedded.machine.authority.store
    account = store.find(name)
    assert account is not None
    return store.supplemental(account.sid, "NTLM")


def test_an_nt_hash_is_derived_when_a_password_is_set(lab: LabAuthority) -> None:
    assert kept(lab, "alice") == b"\x01" + ntlm.nt_hash(PASSWORD)
    lab.set_password("alice", NEW)
    assert kept(lab, "alice") == b"\x01" + ntlm.nt_hash(NEW)


def test_without_nt_hashes_nobody_has_ntlm() -> None:
    """Off altogether: of another package's passwords nothing is derived, and there is none to verify with."""
    with (
        LabAuthority(domain=DOMAIN, modules=["hello", "ntlm"], settings={"ntlm": {"nt_hashes": False}}) as lab,
        trusted(lab) as login,
    ):
        lab.add_user("alice", password=PASSWORD)
        assert kept(lab, "alice") is None
        assert refusal(lab)[1] == "no_nt_hash"
        failure = refused_logon(login, logon_type=LogonType.INTERACTIVE, username="alice", password=PASSWORD)
        assert failure.status is Status.STATUS_LOGON_FAILURE
        with Pair(lab, "Hello", username="alice", password=PASSWORD) as ends:
            assert ends.run().complete


def test_protected_users_have_no_nt_hash() -> None:
    """Off for an account: neither with the account nor with a session of another package."""
    with LabAuthority(domain=DOMAIN, modules=["hello", "ntlm"]) as lab, trusted(lab) as login:
        lab.add_user("alice", password=PASSWORD, groups=("Protected Users",))
        assert kept(lab, "alice") is None
        login.manage("accounts.add", name="carol", password=PASSWORD, groups=("protected users",))
        assert kept(lab, "carol") is None
        made = login.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password=PASSWORD)
        with made, made.session():
            assert no_credentials(lab)


@pytest.mark.parametrize("granted", [True, False])
def test_a_logon_of_another_package_is_a_credential_where_passwords_are_granted(granted: bool) -> None:
    """R246, lock 4: the operator's grant of clear passwords decides; the password is that of the logon."""
    with LabAuthority(domain=DOMAIN, modules=["hello"]) as lab:
        lab.add_module("ntlm", primary_credentials=granted)
        lab.add_user("alice", password=PASSWORD)
        with trusted(lab) as login:
            made = login.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password=PASSWORD)
            assert asked(login, msv1_0.EnumerateUsers(), msv1_0.EnumeratedUsers).logon_ids == ()
            with made, made.session():
                if not granted:
                    assert no_credentials(lab)
                    return
                with Pair(lab, "NTLM") as ends:
                    assert ends.run().server.peer == f"{DOMAIN}\\alice"
                response = SecBuffer(BufferType.CHANGE_PASS_RESPONSE)
                changed = change_account_password("NTLM", "", "alice", PASSWORD, NEW, True, [response], authority=lab)
                assert changed is Status.SEC_E_OK
                with Pair(lab, "NTLM") as ends:
                    assert ends.run().server.peer == f"{DOMAIN}\\alice", "the session knows the new one"
            gone = told(login, msv1_0.GetChallengeResponse(made.luid, bytes(8)))
            assert gone is Status.SEC_E_NO_CREDENTIALS, "what was kept for the session went with it"


def test_what_is_kept_of_a_password_is_sealed_at_rest(tmp_path: Path) -> None:
    """The hash is nowhere in the files, and is the same account's when they are read again."""
    os.chmod(tmp_path, 0o700)
    made: EmbeddedAuthority = opened(str(tmp_path))
    made.add_module("ntlm", primary_credentials=True)
    made.machine.authority.store.create_user("alice", now=0.0)
    made.set_password("alice", PASSWORD)
    made.close()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    hashed = ntlm.nt_hash(PASSWORD)
    assert any(b"alice" in data for data in files)
    for form in (hashed, hashed.hex().encode(), hashed.hex().upper().encode(), PASSWORD.encode()):
        assert not any(form in data for data in files)
    again: EmbeddedAuthority = opened(str(tmp_path))
    again.add_module("ntlm", primary_credentials=True)
    with lsa.connect(again) as login:
        logon(login).close()
    again.close()


class Renewer(Listener):
    """It tells the authority of a session's new password: of a session that it was told of (R72)."""

    info = PackageInfo("Renewer")

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        logon_id, _, password = submit_buffer.decode().partition(":")
        flags = PrimaryCredentialFlag.CLEAR_PASSWORD
        await self.authority.update_credentials(
            PrimaryCredential(int(logon_id), "", "", password=password, flags=flags)
        )
        return ProtocolReply(b"")


@pytest.mark.parametrize("groups", [(), ("Protected Users",)])
def test_update_credentials_renews_the_sessions_credential(groups: tuple[str, ...]) -> None:
    """R72, R246: whoever says it; of a protected user nothing is kept then either."""
    with LabAuthority(domain=DOMAIN, modules=["hello", "ntlm", Renewer().module]) as lab, trusted(lab) as login:
        lab.add_user("alice", password=PASSWORD, groups=groups)
        made = login.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password=PASSWORD)
        lab.set_password("alice", NEW)
        login.call_authentication_package("Renewer", f"{made.luid}:{NEW}".encode())
        with made, made.session():
            if groups:
                assert no_credentials(lab)
            else:
                with Pair(lab, "NTLM") as ends:
                    assert ends.run().server.peer == f"{DOMAIN}\\alice"
