"""ChangeAccountPassword to its end: a package that keeps verifiers is shown the old password, and has the account
changed (docs/adr/0018).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.host_lsa_mode.everything import Module

from secpkg.contract import (
    Call,
    LogonType,
    LsaFunctions,
    PackageInfo,
    PackageParameters,
    SecBuffer,
    SecurityError,
    Status,
)
from secpkg.contract.flags import BufferType, PrimaryCredentialFlag
from secpkg.contract.values import PrimaryCredential, SupplementalCredential
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

UPDATE = PrimaryCredentialFlag.UPDATE | PrimaryCredentialFlag.CLEAR_PASSWORD


class Keeper:
    """What it keeps of a password is the password, backwards."""

    def __init__(self, name: str = "Keeper") -> None:
        self.info = PackageInfo(name)
        self.flags = UPDATE

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> SupplementalCredential | None:
        if primary.password is None:
            return None
        return SupplementalCredential(self.info.name, primary.password[::-1].encode())

    async def change_account_password(
        self,
        call: Call,
        domain_name: str,
        account_name: str,
        old_password: str,
        new_password: str,
        impersonating: bool,
    ) -> bytes:
        known = await self.authority.get_auth_data_for_user(account_name)
        if known.supplemental != old_password[::-1].encode():
            raise SecurityError(Status.STATUS_WRONG_PASSWORD, reason="old_password")
        new = PrimaryCredential(0, account_name, domain_name, password=new_password, flags=self.flags)
        await self.authority.update_credentials(new)
        return b""


@pytest.fixture
def keepers() -> tuple[Keeper, Keeper]:
    return Keeper(), Keeper("Other")


@pytest.fixture
def lab(keepers: tuple[Keeper, Keeper]) -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=[Module(keeper) for keeper in keepers]) as made:
        made.add_user("alice", password="old password")
        yield made


def change(lab: LabAuthority, old: str, new: str, package: str = "Keeper", domain: str = "EXAMPLE") -> Status:
    output = [SecBuffer(BufferType.CHANGE_PASS_RESPONSE)]
    return raw.change_account_password(package, domain, "alice", old, new, False, output, authority=lab)


@pytest.mark.proves("sspi.ChangeAccountPassword", "lsa_mode.SpChangeAccountPassword", "lsa_secpkg.UpdateCredentials")
def test_the_account_has_the_new_password_in_every_package(lab: LabAuthority) -> None:
    assert change(lab, "old password", "new password") is Status.SEC_E_OK
    for package in ("Keeper", "Other"):
        assert change(lab, "old password", "x" * 12, package) is Status.STATUS_WRONG_PASSWORD
    assert change(lab, "new password", "third password", "Other") is Status.SEC_E_OK
    assert change(lab, "third password", "fourth password") is Status.SEC_E_OK


def test_what_the_authority_refuses_leaves_the_old_password(lab: LabAuthority, keepers: tuple[Keeper, Keeper]) -> None:
    assert change(lab, "old password", "") is Status.STATUS_PASSWORD_RESTRICTION
    assert change(lab, "old password", "alice") is Status.STATUS_PASSWORD_RESTRICTION
    assert change(lab, "old password", "new password", domain="ELSEWHERE") is Status.STATUS_NO_SUCH_DOMAIN
    keepers[0].flags = PrimaryCredentialFlag.UPDATE
    assert change(lab, "old password", "new password") is Status.STATUS_NO_SUCH_LOGON_SESSION
    keepers[0].flags = UPDATE
    assert change(lab, "old password", "new password") is Status.SEC_E_OK


class Careless(Keeper):
    """It does not look at the old password."""

    async def change_account_password(
        self, call: Call, domain_name: str, account_name: str, old_password: str, new_password: str, impersonating: bool
    ) -> bytes:
        await self.authority.update_credentials(
            PrimaryCredential(0, account_name, "", password=new_password, flags=UPDATE)
        )
        return b""


def test_a_module_without_the_operators_grant_changes_nothing(lab: LabAuthority) -> None:
    """Lock 4."""
    lab.add_module(Module(Careless("Careless")), primary_credentials=False)
    assert change(lab, "", "new password", "Careless") is Status.STATUS_PRIVILEGE_NOT_HELD
    assert change(lab, "old password", "new password") is Status.SEC_E_OK
