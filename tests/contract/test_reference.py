"""The function tables as data are the documented ones, and every function has one Python name in its table."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from secpkg.contract import reference
from secpkg.contract.flags import InterfaceVersion

SPEC = Path(__file__).resolve().parents[3] / "shared" / "spec" / "functions.toml"

SIZES = {
    "authentication_package": 8,
    "lsa_mode": 36,
    "user_mode": 16,
    "lsa_secpkg": 64,
    "lsa_dispatch": 11,
    "dll_functions": 4,
    "sspi": 76,
    "lsa_logon": 17,
    "subauth": 4,
}


def test_nine_tables_with_their_documented_sizes() -> None:
    assert {name: len(reference.table(name)) for name in reference.tables()} == SIZES
    assert len(reference.functions()) == sum(SIZES.values())


def test_rows_are_those_of_the_specification() -> None:
    if not SPEC.is_file():
        pytest.skip("the specification is not beside this checkout (../shared/spec/functions.toml)")
    spec: dict[str, Any] = tomllib.loads(SPEC.read_text("utf-8"))
    expected = [
        reference.Function(
            table=name,
            function=function,
            member=row["member"],
            position=row["position"],
            min_version=row["min_version"],
            order=tuple(row["order"]),
            flags=tuple(row["flags"]),
            doc=row["doc"],
        )
        for name, head in spec["tables"].items()
        for function in head["functions"]
        for row in [spec["functions"][name][function]]
    ]
    assert list(reference.functions()) == expected


@pytest.mark.parametrize("name", SIZES)
def test_python_names_are_unique_identifiers_in_a_table(name: str) -> None:
    names = reference.member_names(name)
    assert len(names) == SIZES[name]
    assert all(python.isidentifier() and python == python.lower() for python in names)


@pytest.mark.parametrize("name", SIZES)
def test_positions_count_from_one(name: str) -> None:
    assert [row.position for row in reference.table(name)] == list(range(1, SIZES[name] + 1))


@pytest.mark.parametrize(
    ("table", "function", "python"),
    [
        ("lsa_mode", "SpAcceptLsaModeContext", "accept_lsa_mode_context"),
        ("lsa_mode", "SpGetCredUIContext", "get_cred_ui_context"),
        ("lsa_mode", "LsaApLogonUserEx3", "logon_user_ex3"),
        ("lsa_mode", "SpLsaModeInitialize", "lsa_mode_initialize"),
        ("lsa_mode", "SpQueryMetaData", "query_meta_data"),
        ("authentication_package", "LsaApLogonUserEx2", "logon_user_ex2"),
        ("user_mode", "SpDeleteContext (user mode)", "delete_user_mode_context"),
        ("user_mode", "SpQueryContextAttributes (user mode)", "query_context_attributes"),
        ("user_mode", "SpMarshallSupplementalCreds", "marshall_supplemental_creds"),
        ("user_mode", "SpExportSecurityContext", "export_security_context"),
        ("lsa_secpkg", "LsaProtectMemory", "protect_memory"),
        ("lsa_secpkg", "CrediRead", "credi_read"),
        ("lsa_secpkg", "CrediUnmarshalandDecodeString", "credi_unmarshaland_decode_string"),
        ("lsa_secpkg", "OpenSamUser", "open_sam_user"),
        ("sspi", "MakeSignature", "make_signature"),
        ("sspi", "SspiEncryptAuthIdentityEx", "sspi_encrypt_auth_identity_ex"),
        ("sspi", "SaslIdentifyPackage", "sasl_identify_package"),
        ("sspi", "SeciAllocateAndSetIPAddress", "seci_allocate_and_set_ip_address"),
        ("lsa_logon", "LsaLogonUser", "logon_user"),
        ("lsa_logon", "LogonUser", "logon_user_w"),
        ("lsa_logon", "LsaNtStatusToWinError", "nt_status_to_win_error"),
    ],
)
def test_python_name(table: str, function: str, python: str) -> None:
    assert reference.python_name(table, function) == python
    assert reference.member_names(table)[python].function == function


def test_the_caller_cannot_change_the_table() -> None:
    reference.member_names("sspi").clear()
    assert len(reference.member_names("sspi")) == SIZES["sspi"]


@pytest.mark.parametrize(
    ("table", "version", "last"),
    [
        ("lsa_mode", InterfaceVersion.V1, "SetExtendedInformation"),
        ("lsa_mode", InterfaceVersion.V2, "SetContextAttributes"),
        ("lsa_mode", InterfaceVersion.V3, "SetCredentialsAttributes"),
        ("lsa_mode", InterfaceVersion.V4, "ChangeAccountPassword"),
        ("lsa_mode", InterfaceVersion.V5, "UpdateCredentials"),
        ("lsa_mode", InterfaceVersion.V6, "ValidateTargetInfo"),
        ("lsa_mode", InterfaceVersion.V7, "PostLogonUser"),
        ("lsa_mode", InterfaceVersion.V8, "GetRemoteCredGuardSupplementalCreds"),
        ("lsa_mode", InterfaceVersion.V9, "GetTbalSupplementalCreds"),
        ("lsa_mode", InterfaceVersion.V10, "PostLogonUserSurrogate"),
        ("lsa_mode", InterfaceVersion.V11, "ExtractTargetInfo"),
        ("user_mode", InterfaceVersion.V1, "ImportContext"),
        ("user_mode", InterfaceVersion.V2, "MarshalAttributeData"),
        ("user_mode", InterfaceVersion.V11, "MarshalAttributeData"),
    ],
)
def test_a_version_reaches_its_last_member(table: str, version: InterfaceVersion, last: str) -> None:
    """R21, R23: the version says how far the table reaches, and beyond it the host does not read."""
    assert reference.last_member(table, version).member == last
    reached = reference.members_of(table, version)
    beyond = set(reference.table(table)) - set(reached)
    assert reference.last_member(table, version) in reached
    assert all(isinstance(row.min_version, int) and row.min_version <= version for row in reached)
    assert all(row.min_version == "-" or int(row.min_version) > version for row in beyond)


def test_an_export_is_not_a_slot() -> None:
    names = {row.function for row in reference.members_of("lsa_mode", InterfaceVersion.V11)}
    assert "SpLsaModeInitialize" not in names
    assert "SpInitialize" in names


@pytest.mark.parametrize("name", ["sspi", "lsa_secpkg", "lsa_logon", "subauth"])
def test_a_table_without_interface_version_reaches_nowhere(name: str) -> None:
    with pytest.raises(ValueError, match="no interface version"):
        reference.members_of(name, InterfaceVersion.V1)
    with pytest.raises(ValueError, match="no last member"):
        reference.last_member(name, InterfaceVersion.V1)


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        reference.table("kernel_mode")


def test_the_rows_are_loaded_on_demand() -> None:
    code = "import sys, secpkg.contract.reference; sys.exit('secpkg.contract.reference_data' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
