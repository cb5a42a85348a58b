"""Identities on the raw floor: what they say, their flat form, and what a credential manager is handed."""

from __future__ import annotations

import struct

import msgspec
import pytest

from secpkg.contract.flags import CredentialUse
from secpkg.contract.flags_seldom import AuthIdentityEncryption, AuthIdentityFlag
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

OK, INVALID = Status.SEC_E_OK, Status.SEC_E_INVALID_PARAMETER
SAME_LOGON = int(AuthIdentityEncryption.SAME_LOGON)
SAME_PROCESS = int(AuthIdentityEncryption.SAME_PROCESS)


def alice(password: str = "correct horse") -> AuthIdentity:
    return AuthIdentity("alice", "EXAMPLE", password)


def encrypted() -> AuthIdentity:
    identity = alice()
    assert raw.sspi_encrypt_auth_identity(identity) is OK
    return identity


BAD: list[object] = [
    None,
    ("alice", "EXAMPLE", "x"),
    AuthIdentity("a" * 1025),
    AuthIdentity("\udc80"),
    AuthIdentity(7),  # type: ignore[arg-type]  # the point of it
    AuthIdentity("a", flags=-1),
    AuthIdentity("a", flags=int(AuthIdentityFlag.PROCESS_ENCRYPTED)),
    AuthIdentity("a", encrypted=b"x"),
    AuthIdentity("a", password="p", encrypted=b"x", flags=int(AuthIdentityFlag.PROCESS_ENCRYPTED)),
]


@pytest.mark.proves("sspi.SspiEncodeStringsAsAuthIdentity", "sspi.SspiEncodeAuthIdentityAsStrings")
def test_strings_and_back() -> None:
    status, identity = raw.sspi_encode_strings_as_auth_identity("alice", None, "secret")
    assert status is OK and identity == AuthIdentity("alice", "", "secret") and "secret'" not in repr(identity)
    assert raw.sspi_encode_auth_identity_as_strings(identity) == (OK, "alice", "", "secret")
    assert raw.sspi_encode_strings_as_auth_identity(None, None, None) == (INVALID, None)
    assert raw.sspi_encode_strings_as_auth_identity("a" * 1025, None, None) == (INVALID, None)


@pytest.mark.proves("sspi.SspiValidateAuthIdentity")
def test_what_is_well_formed() -> None:
    assert raw.sspi_validate_auth_identity(alice()) is OK and raw.sspi_validate_auth_identity(encrypted()) is OK
    assert [raw.sspi_validate_auth_identity(bad) for bad in BAD] == [INVALID] * len(BAD)


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_what_is_no_identity_is_refused_everywhere(bad: AuthIdentity) -> None:
    assert raw.sspi_encode_auth_identity_as_strings(bad)[0] is INVALID
    assert raw.sspi_marshal_auth_identity(bad) == (INVALID, b"")
    assert raw.sspi_encrypt_auth_identity(bad) is INVALID and raw.sspi_decrypt_auth_identity(bad) is INVALID
    assert raw.sspi_encrypt_auth_identity_ex(SAME_PROCESS, bad) is INVALID
    assert raw.sspi_decrypt_auth_identity_ex(SAME_PROCESS, bad) is INVALID
    assert raw.sspi_prepare_for_cred_read(bad, "host")[0] is INVALID
    assert raw.sspi_prepare_for_cred_write(bad, "host")[0] is INVALID
    if bad is not None:
        assert raw.sspi_exclude_package(bad, "NTLM") == (INVALID, None)
        assert raw.sspi_compare_auth_identities(bad, alice()) == (INVALID, False, False)


@pytest.mark.proves("sspi.SspiCopyAuthIdentity", "sspi.SspiZeroAuthIdentity", "sspi.SspiFreeAuthIdentity")
@pytest.mark.parametrize("end", ["sspi_zero_auth_identity", "sspi_free_auth_identity"])
def test_nothing_is_left_in_a_zeroed_identity_and_its_copy_is_whole(end: str) -> None:
    for identity in (alice(), encrypted()):
        before = msgspec.structs.astuple(identity)
        status, copy = raw.sspi_copy_auth_identity(identity)
        assert status is OK and copy is not None and copy is not identity
        getattr(raw, end)(identity)
        assert msgspec.structs.astuple(identity) == msgspec.structs.astuple(AuthIdentity(""))
        assert msgspec.structs.astuple(copy) == before
    getattr(raw, end)(None)
    assert raw.sspi_copy_auth_identity(None) == (INVALID, None)


@pytest.mark.proves("sspi.SspiCompareAuthIdentities")
def test_comparing() -> None:
    def compared(first: AuthIdentity | None, second: AuthIdentity | None) -> tuple[bool, bool]:
        status, *same = raw.sspi_compare_auth_identities(first, second)
        assert status is OK
        return same[0], same[1]

    assert compared(alice(), AuthIdentity("ALICE", "example", "correct horse")) == (True, True)
    assert compared(alice(), alice("other")) == (True, False)
    assert compared(alice(), AuthIdentity("bob", "EXAMPLE", "correct horse")) == (False, False)
    assert compared(alice(), AuthIdentity("alice", "EXAMPLE", "correct horse", "!NTLM")) == (True, False)
    assert compared(encrypted(), alice()) == (True, True) and compared(encrypted(), alice("x")) == (True, False)
    assert compared(None, None) == (True, True) and compared(None, alice()) == (False, False)


@pytest.mark.proves("sspi.SspiIsAuthIdentityEncrypted")
def test_encrypted_or_not() -> None:
    identity = alice()
    assert not raw.sspi_is_auth_identity_encrypted(identity) and not raw.sspi_is_auth_identity_encrypted(None)
    assert raw.sspi_is_auth_identity_encrypted(encrypted())


@pytest.mark.proves("sspi.SspiEncryptAuthIdentity", "sspi.SspiDecryptAuthIdentity")
def test_encryption_takes_the_secret_out_of_the_identity_and_decryption_brings_it_back() -> None:
    identity = encrypted()
    assert identity.password == "" and b"correct horse" not in identity.encrypted and identity.user == "alice"
    first = identity.encrypted
    assert raw.sspi_encrypt_auth_identity(identity) is OK and identity.encrypted != first, "encrypted anew"
    assert raw.sspi_decrypt_auth_identity(identity) is OK and identity == alice()
    assert raw.sspi_decrypt_auth_identity(identity) is INVALID


@pytest.mark.proves("sspi.SspiEncryptAuthIdentityEx", "sspi.SspiDecryptAuthIdentityEx")
def test_options_of_encryption() -> None:
    with LabAuthority() as lab:
        for options in (SAME_PROCESS, SAME_LOGON, SAME_LOGON | SAME_PROCESS):
            identity = alice()
            assert raw.sspi_encrypt_auth_identity_ex(options, identity, authority=lab) is OK
            assert raw.sspi_is_auth_identity_encrypted(identity)
            kept = msgspec.structs.replace(identity)
            for other in {0, SAME_PROCESS, SAME_LOGON, SAME_LOGON | SAME_PROCESS, 4} - {options}:
                assert raw.sspi_decrypt_auth_identity_ex(other, identity, authority=lab) is INVALID
                assert identity == kept, "a refused call changes nothing"
            assert raw.sspi_decrypt_auth_identity_ex(options, identity, authority=lab) is OK
            assert identity == alice()
    identity = alice()
    for nonsense in (0, 4, 8, SAME_LOGON | 4):
        assert raw.sspi_encrypt_auth_identity_ex(nonsense, identity) is INVALID and identity == alice()


@pytest.mark.parametrize(
    "change", [{"user": "bob"}, {"domain": ""}, {"package_list": "NTLM"}, {"encrypted": b"x" * 40}]
)
def test_an_encrypted_secret_keeps_to_its_name_and_its_packages(change: dict[str, object]) -> None:
    forged = msgspec.structs.replace(encrypted(), **change)
    before = msgspec.structs.astuple(forged)
    assert raw.sspi_decrypt_auth_identity(forged) is Status.SEC_E_DECRYPT_FAILURE
    assert msgspec.structs.astuple(forged) == before


def test_a_package_is_given_the_clear_identity_and_keeps_it_when_the_program_zeroes_its_own() -> None:
    with LabAuthority(domain="EXAMPLE", modules=["hello"]) as lab:
        lab.add_user("alice", password="correct horse")
        for identity in (alice(), encrypted()):
            status, outbound, _ = raw.acquire_credentials_handle(
                None, "Hello", CredentialUse.OUTBOUND, auth_data=identity, authority=lab
            )
            raw.sspi_zero_auth_identity(identity)
            assert status is OK
            _, inbound, _ = raw.acquire_credentials_handle(None, "Hello", CredentialUse.INBOUND, authority=lab)
            _, client, token, *_ = raw.initialize_security_context(outbound, None, None, 0)
            _, server, token, *_ = raw.accept_security_context(inbound, None, token, 0)
            _, client, token, *_ = raw.initialize_security_context(None, client, None, 0, token)
            status, server, token, *_ = raw.accept_security_context(None, server, token, 0)
            assert status is OK


# --- the flat form ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("sspi.SspiMarshalAuthIdentity", "sspi.SspiUnmarshalAuthIdentity")
@pytest.mark.parametrize(
    "identity",
    [alice(), AuthIdentity(""), AuthIdentity("ä😀", "", "p\0p", "!NTLM,!Kerberos", 0x40000000), encrypted()],
    ids=["plain", "empty", "full", "encrypted"],
)
def test_flat_and_back(identity: AuthIdentity) -> None:
    status, flat = raw.sspi_marshal_auth_identity(identity)
    assert status is OK and flat[:8] == struct.pack("<IHxx", 0x201, 48) and flat[8:12] == struct.pack("<I", len(flat))
    status, again = raw.sspi_unmarshal_auth_identity(flat)
    assert status is OK and again is not None
    assert msgspec.structs.astuple(again) == msgspec.structs.astuple(identity)


def test_nothing_but_a_flat_identity_is_unmarshalled() -> None:
    _, flat = raw.sspi_marshal_auth_identity(AuthIdentity("alice", "EXAMPLE", "pw", "!NTLM"))
    refused = (INVALID, None)
    for length in range(len(flat)):
        assert raw.sspi_unmarshal_auth_identity(flat[:length]) == refused
    assert raw.sspi_unmarshal_auth_identity(flat + b"\0") == refused
    assert raw.sspi_unmarshal_auth_identity(flat + bytes(0x50000)) == refused
    assert raw.sspi_unmarshal_auth_identity("text") == refused  # type: ignore[arg-type]  # the point of it
    flags = range(36, 40)
    for position in set(range(48)) - set(flags):
        changed = flat[:position] + bytes([flat[position] ^ 1]) + flat[position + 1 :]
        assert raw.sspi_unmarshal_auth_identity(changed) == refused, position
    lone_surrogate = flat[:48] + b"\x00\xdc" + flat[50:]
    assert raw.sspi_unmarshal_auth_identity(lone_surrogate) == refused


# --- a credential manager --------------------------------------------------------------------------------------------


@pytest.mark.proves("sspi.SspiPrepareForCredRead", "sspi.SspiPrepareForCredWrite")
def test_what_a_credential_manager_is_handed() -> None:
    assert raw.sspi_prepare_for_cred_read(alice(), "host") == (OK, 2, "host")
    assert raw.sspi_prepare_for_cred_read(encrypted(), "host") == (OK, 2, "host")
    blob = "correct horse".encode("utf-16-le")
    assert raw.sspi_prepare_for_cred_write(alice(), "host") == (OK, 2, "host", "EXAMPLE\\alice", blob)
    assert raw.sspi_prepare_for_cred_write(AuthIdentity("bob"), None) == (OK, 2, "bob", "bob", b"")
    assert raw.sspi_prepare_for_cred_write(encrypted(), "host") == (Status.STATUS_INVALID_PARAMETER, 0, "", "", b"")
    for target in ("", "x" * 1025):
        assert raw.sspi_prepare_for_cred_read(alice(), target)[0] is INVALID
        assert raw.sspi_prepare_for_cred_write(alice(), target)[0] is INVALID


@pytest.mark.proves("sspi.SspiGetTargetHostName")
@pytest.mark.parametrize(
    ("target", "host"),
    [("HTTP/host.example:80/x", "host.example"), ("HTTP/[::1]:80", "::1"), ("host", "host"), ("HTTP/", "")],
)
def test_the_host_of_a_target(target: str, host: str) -> None:
    assert raw.sspi_get_target_host_name(target) == (OK if host else INVALID, host)
