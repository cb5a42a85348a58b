"""Credential management of the documented floor, over an embedded authority and over a plain SSP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from tests.host_lsa_mode.everything import Everything, Module
from tests.rules.packages import Badge, badge, module

from secpkg.contract import Acquired, AuthIdentity, Call, CredentialUse, PackageInfo, SecBuffer, SecurityError, Status
from secpkg.contract.attributes import CredentialsNames
from secpkg.contract.flags import NO_LONG_NAMES, BufferType
from secpkg.contract.values import NEVER, Attribute
from secpkg.host.user_mode import providers
from secpkg.host.user_mode.load import UserPackage
from secpkg.ipc.schema import UserHalf
from secpkg.sspi import raw
from secpkg.sspi.user_info import get_user_info
from secpkg.testing import LabAuthority

OK = Status.SEC_E_OK
UNSUPPORTED = Status.SEC_E_UNSUPPORTED_FUNCTION
BAD_HANDLE = Status.SEC_E_INVALID_HANDLE
BAD_PARAMETER = Status.SEC_E_INVALID_PARAMETER
ALICE = AuthIdentity("alice", "EXAMPLE", "secret")
RESPONSE = BufferType.CHANGE_PASS_RESPONSE


@pytest.fixture
def package() -> Everything:
    return Everything()


@pytest.fixture
def lab(package: Everything) -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=[Module(package)]) as made:
        yield made


def acquired(authority: object = None, package: str = "Everything", **how: object) -> raw.CredentialHandle:
    status, handle, _ = raw.acquire_credentials_handle(
        None,
        package,
        CredentialUse.BOTH,
        authority=authority,
        **how,  # type: ignore[arg-type]  # logon_id, auth_data
    )
    assert status is OK and handle is not None
    return handle


# --- handles -------------------------------------------------------------------------------------------------------


@pytest.mark.proves("sspi.AcquireCredentialsHandle", "lsa_mode.SpAcquireCredentialsHandle")
def test_default_explicit_and_logon_id_credentials(lab: LabAuthority, package: Everything) -> None:
    """R196, and R144 for a caller with the privilege."""
    package.expiry = 4e9
    status, handle, expiry = raw.acquire_credentials_handle(None, "Everything", CredentialUse.INBOUND, authority=lab)
    assert (status, expiry) == (OK, 4e9)
    acquired(lab, auth_data=ALICE)
    acquired(lab, logon_id=0x77)
    raw.acquire_credentials_handle("named", "Everything", CredentialUse.OUTBOUND, authority=lab)
    held = [(held.owner, held.use, held.logon_id) for held in package.credentials]
    assert held == [
        ("session None", CredentialUse.INBOUND, None),
        ("alice", CredentialUse.BOTH, None),
        ("session 119", CredentialUse.BOTH, 0x77),
        ("named", CredentialUse.OUTBOUND, None),
    ]
    assert handle is not None


def test_what_cannot_be_acquired(lab: LabAuthority, package: Everything) -> None:
    def status(package: str = "Everything", use: int = 2, **how: object) -> Status:
        return raw.acquire_credentials_handle(None, package, use, authority=lab, **how)[0]  # type: ignore[arg-type]

    assert status("Nothing") is Status.SEC_E_SECPKG_NOT_FOUND
    assert status(use=0) is UNSUPPORTED
    assert status(auth_data=b"x" * 65537) is BAD_PARAMETER
    assert status(auth_data=AuthIdentity("a" * 1025)) is BAD_PARAMETER
    assert package.credentials == []


@pytest.mark.proves("sspi.FreeCredentialsHandle", "lsa_mode.SpFreeCredentialsHandle")
def test_a_handle_is_freed_once(lab: LabAuthority, package: Everything) -> None:
    handle = acquired(lab)
    assert raw.free_credentials_handle(handle) is OK
    assert package.freed == package.credentials
    assert raw.free_credentials_handle(handle) is BAD_HANDLE
    assert raw.free_credentials_handle(None) is BAD_HANDLE
    assert len(package.freed) == 1


def test_the_session_that_a_thread_presents(package: Everything) -> None:
    """Default credentials, user info and a password change for the client are of that session (lock 3)."""
    with LabAuthority(domain="EXAMPLE", modules=[Module(package), module(Badge())]) as lab:
        lab.add_user("alice")
        logon = badge(lab)
        output = [SecBuffer(RESPONSE)]
        with logon.session():
            acquired(logon_id=None, authority=lab)
            found = get_user_info("Everything", authority=lab)
            for impersonating in (True, False):
                raw.change_account_password(
                    "Everything", "", "alice", "old", "old", impersonating, output, authority=lab
                )
        acquired(lab)
        assert [held.logon_id for held in package.credentials] == [logon.luid, None]
        assert found.user_name == f"user {logon.luid:x}"
        assert [call.caller.logon_id for call in package.calls[-2:]] == [logon.luid, None]


# --- what is done with a handle --------------------------------------------------------------------------------------


@pytest.mark.proves("sspi.AddCredentials", "lsa_mode.SpAddCredentials")
def test_a_second_credential(lab: LabAuthority, package: Everything) -> None:
    handle = acquired(lab)
    assert raw.add_credentials(handle, "bob", "Everything", CredentialUse.OUTBOUND, ALICE) == (OK, 1001.0)
    assert raw.add_credentials(handle, None, "Everything", CredentialUse.INBOUND, b"blob") == (OK, 1002.0)
    assert package.credentials[0].added == [
        ("bob", "Everything", CredentialUse.OUTBOUND, ALICE),
        (None, "Everything", CredentialUse.INBOUND, b"blob"),
    ]


@pytest.mark.proves(
    "sspi.QueryCredentialsAttributes", "sspi.QueryCredentialsAttributesEx", "sspi.SetCredentialsAttributes"
)
def test_attributes_of_a_credential(lab: LabAuthority, package: Everything) -> None:
    handle = acquired(lab, auth_data=ALICE)
    assert raw.query_credentials_attributes(handle, 1) == (OK, CredentialsNames("alice"))
    assert raw.query_credentials_attributes_ex(handle, 1, 8) == (OK, CredentialsNames("alice"))
    assert raw.set_credentials_attributes(handle, 0x56, b"algorithms") is OK
    assert package.credentials[0].attributes == {0x56: b"algorithms"}
    assert raw.query_credentials_attributes(handle, 0x56) == (OK, b"algorithms")
    assert raw.query_credentials_attributes(handle, 0x57) == (UNSUPPORTED, None)
    assert raw.query_credentials_attributes_ex(handle, 0x57, 8) == (UNSUPPORTED, None)
    assert raw.set_credentials_attributes(handle, 1, b"root") is UNSUPPORTED


def test_an_attribute_of_a_wrong_structure_is_not_passed_on(lab: LabAuthority, package: Everything) -> None:
    handle = acquired(lab)
    package.result = b"a name?"
    assert raw.query_credentials_attributes(handle, 1) == (Status.SEC_E_INTERNAL_ERROR, None)


@pytest.mark.breaks("R167", "secpkg.sspi.attributes:set_credential")
def test_R167_the_user_half_packs_what_needs_packing(lab: LabAuthority, package: Everything) -> None:
    handle = acquired(lab)
    asked: list[tuple[int, int, bytes]] = []

    def marshal(info: int, attribute: int, value: bytes) -> bytes | None:
        asked.append((info, attribute, value))
        return None if attribute == 3 else value[::-1]

    opened = handle.backend.opened
    assert opened is not None
    opened.user_half = UserHalf("everything", "everything", "1", b"")
    handle.backend._user = UserPackage("Everything", {"marshal_attribute_data": marshal}, None)  # type: ignore[attr-defined]  # as if loaded
    assert raw.set_credentials_attributes(handle, 2, b"value") is OK
    assert raw.set_credentials_attributes(handle, 3, b"value") is OK
    assert asked == [(0x80000000, 2, b"value"), (0x80000000, 3, b"value")]
    assert package.credentials[0].attributes == {2: b"eulav", 3: b"value"}


def test_bad_handles_and_parameters_of_credentials(lab: LabAuthority, package: Everything) -> None:
    freed = acquired(lab)
    raw.free_credentials_handle(freed)
    for handle in (None, freed, "handle"):
        assert raw.add_credentials(handle, None, "Everything", 2) == (BAD_HANDLE, NEVER)  # type: ignore[arg-type]
        assert raw.query_credentials_attributes(handle, 1) == (BAD_HANDLE, None)  # type: ignore[arg-type]
        assert raw.query_credentials_attributes_ex(handle, 1, 8) == (BAD_HANDLE, None)  # type: ignore[arg-type]
        assert raw.set_credentials_attributes(handle, 1, b"") is BAD_HANDLE  # type: ignore[arg-type]
    handle = acquired(lab)
    assert raw.add_credentials(handle, None, "", 2) == (Status.SEC_E_SECPKG_NOT_FOUND, NEVER)
    assert raw.add_credentials(handle, None, "Everything", 2, "text") == (BAD_PARAMETER, NEVER)  # type: ignore[arg-type]
    assert raw.add_credentials(handle, 7, "Everything", 2) == (BAD_PARAMETER, NEVER)  # type: ignore[arg-type]
    assert raw.add_credentials(handle, None, "Everything", 2, b"x" * 65537)[0] is Status.STATUS_INVALID_PARAMETER
    for attribute in (-1, 2**32, "1"):
        assert raw.query_credentials_attributes(handle, attribute) == (BAD_PARAMETER, None)  # type: ignore[arg-type]
        assert raw.set_credentials_attributes(handle, attribute, b"") is BAD_PARAMETER  # type: ignore[arg-type]
    for value in ("text", None, b"x" * 65537):
        assert raw.set_credentials_attributes(handle, 2, value) is BAD_PARAMETER  # type: ignore[arg-type]
    assert package.log == []


# --- passwords -------------------------------------------------------------------------------------------------------


def change(old: str, new: str, *output: SecBuffer, authority: object = None, package: str = "Everything") -> Status:
    return raw.change_account_password(package, "EXAMPLE", "alice", old, new, False, list(output), authority=authority)


@pytest.mark.proves("sspi.ChangeAccountPassword", "lsa_mode.SpChangeAccountPassword")
def test_a_password_is_changed(lab: LabAuthority, package: Everything) -> None:
    response = SecBuffer(RESPONSE)
    assert change("old", "new", response, authority=lab) is OK
    assert package.passwords == {"alice": "new"}
    assert response.data == b"policy"
    assert change("old", "newer", response, authority=lab) is Status.STATUS_WRONG_PASSWORD
    assert package.passwords == {"alice": "new"}


def test_R206_one_buffer_for_the_answer_and_nothing_too_long(lab: LabAuthority, package: Everything) -> None:
    one = SecBuffer(RESPONSE)
    assert change("old", "new", authority=lab) is BAD_PARAMETER
    assert change("old", "new", one, one, authority=lab) is BAD_PARAMETER
    assert change("old", "new", SecBuffer(BufferType.TOKEN), authority=lab) is BAD_PARAMETER
    assert change("old", "n" * 1025, one, authority=lab) is BAD_PARAMETER
    assert change("old", None, one, authority=lab) is BAD_PARAMETER  # type: ignore[arg-type]
    assert change("old", "new", one, authority=lab, package="Nothing") is Status.SEC_E_SECPKG_NOT_FOUND
    assert (package.passwords, package.log) == ({"alice": "old"}, [])


# --- who a session is ------------------------------------------------------------------------------------------------


def test_R261_user_info_of_a_session(lab: LabAuthority, package: Everything) -> None:
    found = get_user_info("Everything", 0x77, authority=lab)
    assert (found.user_name, found.logon_domain_name) == ("user 77", "A-DOMAIN-WITH-A-LONG-NAME")
    assert len(get_user_info("Everything", 0x77, NO_LONG_NAMES, authority=lab).logon_domain_name) == 15
    package.result = found
    with pytest.raises(SecurityError, match="domain_name_too_long"):
        get_user_info("Everything", 0x77, NO_LONG_NAMES, authority=lab)
    with pytest.raises(SecurityError) as refused:
        get_user_info("Everything", authority=lab)
    assert refused.value.status is Status.SEC_E_NO_CREDENTIALS


# --- plain SSPs ------------------------------------------------------------------------------------------------------


class Plain:
    """A plain SSP with the credential functions of the SSPI table."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []

    def enumerate_security_packages(self) -> Sequence[PackageInfo]:
        return (PackageInfo("PlainOne", max_token=16),)

    def acquire_credentials_handle(
        self, call: Call, package: str, principal: str | None, use: CredentialUse, authorization_data: object
    ) -> Acquired:
        return Acquired("credential")

    def add_credentials(
        self, call: Call, credential: object, principal: str | None, package: str, use: CredentialUse, data: object
    ) -> float:
        self.done.append((credential, principal, package, use, data))
        return 5.0

    def query_credentials_attributes(self, credential: object, attribute: int) -> Attribute:
        return CredentialsNames(f"{credential} {attribute}")

    def set_credentials_attributes(self, credential: object, attribute: int, value: bytes) -> None:
        self.done.append((credential, attribute, value))

    def change_account_password(
        self,
        call: Call,
        package: str,
        domain_name: str,
        account_name: str,
        old_password: str,
        new_password: str,
        impersonating: bool,
    ) -> bytes:
        self.done.append((package, domain_name, account_name, old_password, new_password, impersonating))
        return b"policy"


def test_a_plain_ssp_has_the_same_functions() -> None:
    plain = Plain()
    providers.add("plain", lambda: plain)
    handle = acquired(package="PlainOne")
    assert raw.add_credentials(handle, "bob", "PlainOne", 2, ALICE) == (OK, 5.0)
    assert raw.query_credentials_attributes(handle, 1) == (OK, CredentialsNames("credential 1"))
    assert raw.set_credentials_attributes(handle, 2, b"value") is OK
    response = SecBuffer(RESPONSE)
    assert change("old", "new", response, package="PlainOne") is OK
    assert response.data == b"policy"
    assert plain.done == [
        ("credential", "bob", "PlainOne", CredentialUse.OUTBOUND, ALICE),
        ("credential", 2, b"value"),
        ("PlainOne", "EXAMPLE", "alice", "old", "new", False),
    ]


def test_a_plain_ssp_without_them() -> None:
    class Bare(Plain):
        add_credentials = query_credentials_attributes = set_credentials_attributes = None  # type: ignore[assignment]
        change_account_password = None  # type: ignore[assignment]

    providers.add("plain", Bare)
    handle = acquired(package="PlainOne")
    assert raw.add_credentials(handle, None, "PlainOne", 2) == (UNSUPPORTED, NEVER)
    assert raw.query_credentials_attributes(handle, 1) == (UNSUPPORTED, None)
    assert raw.set_credentials_attributes(handle, 1, b"") is UNSUPPORTED
    assert change("old", "new", SecBuffer(RESPONSE), package="PlainOne") is UNSUPPORTED
