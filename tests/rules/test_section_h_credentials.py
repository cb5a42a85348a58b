"""Section H of the rules, where packages decide: whose credentials there are."""

from __future__ import annotations

import pytest

import secpkg
from secpkg.contract import CredentialUse, LogonType, Status
from secpkg.sspi import raw
from secpkg.testing import LabAuthority


@pytest.mark.breaks("R142", "secpkg_hello.lsa_mode.ssp:ContextHalf._default")
@pytest.mark.breaks("R143", "secpkg_hello.lsa_mode.ssp:ContextHalf.acquire_credentials_handle")
def test_R142_R143_whose_credentials_there_are_is_the_packages_to_say() -> None:
    """None without a session, and never another principal's."""
    with LabAuthority(modules=["hello"]) as lab:
        lab.add_user("alice", password="correct horse")

        def acquire(principal: str | None) -> Status:
            status, handle, _ = raw.acquire_credentials_handle(
                principal, "Hello", CredentialUse.OUTBOUND, authority=lab
            )
            assert (handle is None) == status.is_error
            return status

        assert acquire(None) is Status.SEC_E_NO_CREDENTIALS
        with secpkg.lsa.connect(lab) as lsa:
            logon = lsa.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password="correct horse")
            with logon.session():
                assert acquire("alice") is Status.SEC_E_OK
                assert acquire("bob") is Status.SEC_E_NOT_OWNER
