"""The numbers and names of the contract are the documented ones: compared with the specification, entry by entry."""

from __future__ import annotations

import enum
import pickle
import re
import tomllib
from pathlib import Path

import pytest

from secpkg.contract import flags
from secpkg.contract.status import SecurityError, Status

SPEC = Path(__file__).resolve().parents[3] / "shared" / "spec" / "structures.toml"

# Groups that come with the packages that they belong to.
ELSEWHERE = re.compile(r"MSV1_0|KERB|PKU2U|NETLOGON|RPC_C_AUTHN|names$|SEC_WINNT_AUTH_DATA_TYPE")

ENUMERATIONS: dict[str, type[flags.NativeEnum] | type[flags.NativeFlag]] = {
    name: found
    for name in flags.__all__
    if isinstance(found := getattr(flags, name), type)
    and issubclass(found, flags.NativeEnum | flags.NativeFlag)
    and found not in (flags.NativeEnum, flags.NativeFlag)
}


@pytest.fixture(scope="module")
def spec() -> dict[str, dict[str, int]]:
    if not SPEC.is_file():
        pytest.skip("the specification is not beside this checkout (../shared/spec/structures.toml)")
    groups = tomllib.loads(SPEC.read_text("utf-8"))["constants"]
    return {
        group: {name: row["value"] for name, row in rows.items() if not name.startswith("_")}
        for group, rows in groups.items()
    }


def ours() -> dict[str, int]:
    """Documented spelling to number, aliases included."""
    found: dict[str, int] = {name: member.value for name, member in Status.__members__.items()}
    for cls in ENUMERATIONS.values():
        for name, member in cls.__members__.items():
            spelt = cls._spelt.get(name)
            if spelt is None and issubclass(cls, flags.NativeEnum) and cls._camel:
                spelt = cls._prefix + name.title().replace("_", "")
            spelt = spelt or cls._prefix + name
            assert found.setdefault(spelt, member.value) == member.value, spelt
    for name in flags.__all__:
        value = getattr(flags, name)
        if isinstance(value, int) and not isinstance(value, enum.Enum):
            assert found.setdefault(name, value) == value, name
    return found


def test_every_documented_number_is_here(spec: dict[str, dict[str, int]]) -> None:
    found = ours()
    wrong = {
        name: (value, found.get(name))
        for group, rows in spec.items()
        if not ELSEWHERE.match(group)
        for name, value in rows.items()
        if found.get(name) != value
    }
    assert wrong == {}


ON_PAGES = {
    "STATUS_INVALID_DOMAIN_STATE",  # nf-ntsecapi-lsasetforesttrustinformation
    "STATUS_INTERNAL_DB_CORRUPTION",  # nf-ntsecapi-lsaquerydomaininformationpolicy
    "STATUS_NOT_FOUND",  # MS-LSAD 3.1.4.7.15
}
"""Named by the page of the function that answers them; the specification's list of constants leaves them out."""


def test_nothing_is_here_that_is_not_documented(spec: dict[str, dict[str, int]]) -> None:
    documented = {name for rows in spec.values() for name in rows} | ON_PAGES
    assert set(ours()) - documented == {"PRIMARY_CRED_LOGON_PACKAGE_SHIFT"}  # named in the note of its group only


@pytest.mark.parametrize("name", sorted(ENUMERATIONS))
def test_native_names_one_member_of_its_class(name: str) -> None:
    cls = ENUMERATIONS[name]
    spelt = {member.native: member for member in cls}
    assert len(spelt) == len(list(cls)) > 0
    assert all(" " not in native and "0x" not in native for native in spelt)


@pytest.mark.parametrize(
    ("member", "native"),
    [
        (flags.Capability.ACCEPT_WIN32_NAME, "SECPKG_FLAG_ACCEPT_WIN32_NAME"),
        (flags.InterfaceVersion.V1, "SECPKG_INTERFACE_VERSION"),
        (flags.InterfaceVersion.V11, "SECPKG_INTERFACE_VERSION_11"),
        (flags.LogonType.NETWORK_CLEARTEXT, "NetworkCleartext"),
        (flags.LogonType.UNDEFINED_LOGON_TYPE, "UndefinedLogonType"),
        (flags.ImpersonationLevel.DELEGATION, "SecurityDelegation"),
        (flags.CredentialClass.PERSISTED_SPECIFIC, "SecPkgCredClass_PersistedSpecific"),
        (flags.ExtendedInformationClass.NEGO2_INFO, "SecpkgNego2Info"),
        (flags.NameType.SPN, "SecNameSPN"),
        (flags.AuthIdentityFlag.UNICODE, "SEC_WINNT_AUTH_IDENTITY_UNICODE"),
        (flags.CredentialAttribute.SUPPORTED_ALGS, "SECPKG_ATTR_SUPPORTED_ALGS"),
        (flags.CallPackageMessageType.UNPIN_ALL_DCS_MESSAGE, "SecPkgCallPackageUnpinAllDcsMessage"),
        (flags.BufferType.TOKEN, "SECBUFFER_TOKEN"),
        (flags.IscReq.EXPLICIT_SESSION, "ISC_REQ_EXPLICIT_SESSION"),
    ],
)
def test_native_spelling(member: flags.NativeEnum | flags.NativeFlag, native: str) -> None:
    assert member.native == native


def test_native_of_a_combination() -> None:
    both = flags.Capability.INTEGRITY | flags.Capability.PRIVACY
    assert both.native == "SECPKG_FLAG_INTEGRITY | SECPKG_FLAG_PRIVACY"
    assert flags.CredentialUse.BOTH.native == "SECPKG_CRED_BOTH"
    assert flags.CallFlags(0x81).native == "SECPKG_CALLFLAGS_APPCONTAINER | 0x80"
    assert flags.Capability(0).native == "0x0"


def test_requests_and_answers_differ_where_the_headers_do() -> None:
    assert int(flags.IscReq.EXTENDED_ERROR) != int(flags.AscReq.EXTENDED_ERROR)
    assert int(flags.IscReq.INTEGRITY) != int(flags.AscReq.INTEGRITY)


def test_a_number_without_a_name_is_refused_by_a_closed_enumeration() -> None:
    with pytest.raises(ValueError, match="1 is not a valid LogonType"):
        flags.LogonType(1)


def test_interface_versions_are_ordered_bits() -> None:
    """R21: the returned version says how far a table reaches, so versions compare."""
    assert list(flags.InterfaceVersion) == [1 << n for n in range(16, 27)]


def test_an_unknown_name_of_flags_is_an_error() -> None:
    with pytest.raises(AttributeError, match="Capabilty"):
        getattr(flags, "Capabilty")  # noqa: B009


def test_status_severity() -> None:
    failed = (
        Status.SEC_E_LOGON_DENIED,
        Status.STATUS_LOGON_FAILURE,
        Status.STATUS_NO_MORE_ENTRIES,
        Status.ERROR_GEN_FAILURE,
    )
    assert all(status.is_error and not status.is_success for status in failed)
    worked = (Status.SEC_E_OK, Status.SEC_I_CONTINUE_NEEDED, Status.STATUS_PENDING, Status.STATUS_MORE_ENTRIES)
    assert all(status.is_success and not status.is_error for status in worked)


def test_every_sec_i_status_is_a_success_and_every_other_family_member_is_not() -> None:
    for status in Status:
        if status.native.startswith("SEC_"):
            assert status.is_success == (status.native.startswith("SEC_I_") or status is Status.SEC_E_OK), status


def test_status_aliases_and_lookup() -> None:
    assert Status["STATUS_SUCCESS"] is Status["SEC_E_OK"]
    assert Status.SEC_E_OK.native == "SEC_E_OK"
    assert Status.known(0x8009030E) is Status.SEC_E_NO_CREDENTIALS
    assert Status.known(0x8009030E - (1 << 32)) is Status.SEC_E_NO_CREDENTIALS
    assert Status.known(0x80091234) is None
    with pytest.raises(ValueError, match="not a valid Status"):
        Status(0x80091234)


def test_every_status_has_a_meaning_of_one_line() -> None:
    assert [status for status in Status if not status.meaning or "\n" in status.meaning] == []


def test_security_error_says_status_substatus_and_reason() -> None:
    assert str(SecurityError(Status.SEC_E_LOGON_DENIED)) == "SEC_E_LOGON_DENIED (0x8009030C)"
    full = SecurityError(
        Status.STATUS_ACCOUNT_RESTRICTION, substatus=Status.STATUS_ACCOUNT_DISABLED, reason="account_disabled"
    )
    assert str(full) == (
        "STATUS_ACCOUNT_RESTRICTION (0xC000006E), substatus STATUS_ACCOUNT_DISABLED (0xC0000072): account_disabled"
    )


def test_security_error_survives_a_pickle_and_hides_its_token() -> None:
    """R185: the error reply for the peer travels with the error; it is shown to nobody else."""
    error = SecurityError(
        Status.SEC_E_LOGON_DENIED,
        substatus=Status.STATUS_WRONG_PASSWORD,
        reason="proof_mismatch",
        token=b"secret-reply",
    )
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is SecurityError
    assert (again.status, again.substatus, again.reason, again.token) == (
        error.status,
        error.substatus,
        error.reason,
        error.token,
    )
    assert "secret" not in repr(error) + str(error)
    assert repr(error) == "SecurityError(SEC_E_LOGON_DENIED, substatus=STATUS_WRONG_PASSWORD, reason='proof_mismatch')"
