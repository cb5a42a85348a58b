"""The documented floor: statuses are returned, handles are opaque, the states of a context are kept."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
from tests.sspi.fakes import ALICE, FakeAuthority

from secpkg.contract import reference
from secpkg.contract.flags import (
    SECPKG_OPTIONS_TYPE_LSA,
    SECPKG_OPTIONS_TYPE_SSPI,
    BufferFlag,
    BufferType,
    CredentialUse,
)
from secpkg.contract.implements import IMPLEMENTED
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity, ContextFlags, Names, PackageInfo, SecBuffer
from secpkg.sspi import raw

DATA, TOKEN = BufferType.DATA, BufferType.TOKEN


def credential(authority: FakeAuthority, use: CredentialUse = CredentialUse.BOTH) -> raw.CredentialHandle:
    status, handle, _ = raw.acquire_credentials_handle(None, "Tiny", use, auth_data=ALICE, authority=authority)
    assert status is Status.SEC_E_OK and handle is not None
    return handle


def token(data: bytes) -> list[SecBuffer]:
    return [SecBuffer(TOKEN, data)]


def context(authority: FakeAuthority) -> raw.ContextHandle:
    _, handle, *_ = raw.initialize_security_context(credential(authority), None, "host", 0)
    status, handle, *_ = raw.initialize_security_context(None, handle, "host", 0, token(b"2"))
    assert status is Status.SEC_E_OK and handle is not None
    return handle


def test_every_documented_function_has_its_place_and_its_state() -> None:
    for row in reference.table("sspi"):
        function = getattr(raw, row.python_name)
        implementation = IMPLEMENTED["sspi", row.function]
        assert implementation.where is function and (implementation.state == "working" or implementation.reason)
        assert row.function in (function.__doc__ or "")


@pytest.mark.proves("sspi.InitializeSecurityContext")
def test_legs_and_their_outputs(authority: FakeAuthority) -> None:
    """R149, R152, R187."""
    handle = credential(authority)
    status, client, output, _, _ = raw.initialize_security_context(handle, None, "host", 0)
    assert (status, [(b.type, b.data) for b in output]) == (Status.SEC_I_CONTINUE_NEEDED, [(TOKEN, b"1")])
    status, server, output, _, _ = raw.accept_security_context(handle, None, token(b"1"), 0)
    status, again, output, attributes, expiry = raw.initialize_security_context(handle, client, "host", 0, output)
    assert status is Status.SEC_E_OK and again is client and output[0].data == b"3"
    assert attributes == authority.granted_init and expiry == 2e9
    status, _, output, _, _ = raw.accept_security_context(None, server, output, 0)
    assert status is Status.SEC_E_OK and output == []


def test_attributes_are_the_callers_to_judge(authority: FakeAuthority) -> None:
    """R173."""
    authority.granted_init = type(authority.granted_init)(0)
    assert raw.query_context_attributes(context(authority), 0xE) == (Status.SEC_E_OK, ContextFlags(0))


def test_both_handles_null_is_refused_before_anyone_is_asked(authority: FakeAuthority) -> None:
    """R151."""
    assert raw.initialize_security_context(None, None, "host", 0)[0] is Status.SEC_E_INVALID_HANDLE
    assert raw.accept_security_context(None, None, token(b"1"), 0)[0] is Status.SEC_E_INVALID_HANDLE
    assert authority.seen == []


@pytest.mark.proves("sspi.DeleteSecurityContext")
def test_states_of_a_context(authority: FakeAuthority) -> None:
    """R190, R191, and no leg after the end."""
    done = context(authority)
    assert raw.initialize_security_context(None, done, "host", 0, token(b"2"))[0] is Status.SEC_E_INVALID_HANDLE
    assert raw.delete_security_context(done) is Status.SEC_E_OK
    assert raw.delete_security_context(done) is Status.SEC_E_OK
    assert authority.kinds().count("DeleteContext") == 1
    assert raw.make_signature(done, 0, [SecBuffer(DATA, b"x"), SecBuffer(TOKEN)]) is Status.SEC_E_INVALID_HANDLE
    assert raw.delete_security_context(None) is Status.SEC_E_INVALID_HANDLE
    status, failed, output, _, _ = raw.accept_security_context(credential(authority), None, token(b"refuse"), 0)
    assert status is Status.SEC_E_LOGON_DENIED and failed is not None and output[0].data == b"why"
    assert raw.accept_security_context(None, failed, token(b"1"), 0)[0] is Status.SEC_E_INVALID_HANDLE
    assert raw.query_context_attributes(failed, 1)[0] is Status.SEC_E_INVALID_HANDLE
    assert raw.delete_security_context(failed) is Status.SEC_E_OK


def test_a_first_leg_without_a_context_leaves_none(authority: FakeAuthority) -> None:
    for sent, wanted in ((b"refuse at once", Status.SEC_E_LOGON_DENIED), (b"short", Status.SEC_E_INCOMPLETE_MESSAGE)):
        status, handle, output, _, _ = raw.accept_security_context(credential(authority), None, token(sent), 0)
        assert status is wanted and handle is None
        if wanted is Status.SEC_E_INCOMPLETE_MESSAGE:
            assert [(b.type, b.data) for b in output] == [(BufferType.MISSING, b"\x07\0\0\0")]


def test_a_context_stays_with_its_role_and_package(authority: FakeAuthority) -> None:
    _, client, *_ = raw.initialize_security_context(credential(authority), None, "host", 0)
    assert raw.accept_security_context(None, client, token(b"1"), 0)[0] is Status.SEC_E_INVALID_HANDLE
    assert raw.initialize_security_context(None, client, "host", 0, token(b"2"))[0] is Status.SEC_E_OK


@pytest.mark.proves("sspi.FreeCredentialsHandle")
def test_freed_credentials(authority: FakeAuthority) -> None:
    handle = credential(authority)
    assert raw.free_credentials_handle(handle) is Status.SEC_E_OK
    assert raw.free_credentials_handle(handle) is Status.SEC_E_INVALID_HANDLE
    assert raw.initialize_security_context(handle, None, "host", 0)[0] is Status.SEC_E_INVALID_HANDLE


def test_handles_are_neither_copied_nor_pickled(authority: FakeAuthority) -> None:
    for handle in (credential(authority), context(authority)):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                attempt(handle)


@pytest.mark.proves(
    "sspi.EncryptMessage",
    "sspi.DecryptMessage",
    "sspi.MakeSignature",
    "sspi.VerifySignature",
    "user_mode.SpInitUserModeContext",
    "user_mode.SpSealMessage",
    "user_mode.SpUnsealMessage",
    "user_mode.SpMakeSignature",
    "user_mode.SpVerifySignature",
)
def test_messages(authority: FakeAuthority) -> None:
    handle = context(authority)
    message = [SecBuffer(DATA, b"text"), SecBuffer(TOKEN)]
    assert raw.encrypt_message(handle, 0, message) is Status.SEC_E_OK
    assert message[0].data != b"text" and len(message[1].data) == 2
    assert raw.decrypt_message(handle, [message[1], message[0]]) == (Status.SEC_E_OK, 0)
    assert message[0].data == b"text"
    signed = [SecBuffer(DATA, b"text"), SecBuffer(TOKEN)]
    assert raw.make_signature(handle, 0, signed) is Status.SEC_E_OK
    assert raw.verify_signature(handle, signed) == (Status.SEC_E_OK, 0)
    signed[0].data = b"other text"
    assert raw.verify_signature(handle, signed)[0] is Status.SEC_E_MESSAGE_ALTERED


READONLY = DATA | BufferFlag.READONLY


@pytest.mark.parametrize(
    ("buffers", "status"),
    [
        ([], Status.SEC_E_INVALID_TOKEN),  # R221
        ([(TOKEN, b"")], Status.SEC_E_INVALID_TOKEN),  # R221
        ([(READONLY, b"x"), (TOKEN, b"")], Status.SEC_E_INVALID_TOKEN),  # R211, R221
        ([(DATA, b"x")], Status.STATUS_INVALID_PARAMETER),  # R219: no signature buffer
        ([(DATA, b"x"), (TOKEN, b"1")], Status.STATUS_INVALID_PARAMETER),  # R219: too small
        ([(DATA, b"x"), (DATA, b"y"), (TOKEN, b"")], Status.STATUS_INVALID_PARAMETER),  # R219: one
    ],
)
def test_wrong_buffers_do_not_reach_the_package(
    authority: FakeAuthority, half: Any, buffers: list[tuple[int, bytes]], status: Status
) -> None:
    handle = context(authority)
    assert raw.encrypt_message(handle, 0, [SecBuffer(*b) for b in buffers]) is status
    assert "seal" not in half.CALLS


def test_signatures_need_a_token_buffer_and_a_session_that_can_sign(authority: FakeAuthority, half: Any) -> None:
    """R214, R215."""
    handle = context(authority)
    assert raw.make_signature(handle, 0, [SecBuffer(DATA, b"x")]) is Status.SEC_E_INVALID_TOKEN
    assert raw.make_signature(handle, 0, [SecBuffer(DATA), SecBuffer(TOKEN, b"123")]) is Status.SEC_E_INVALID_TOKEN
    authority.packed = b"unsigned"
    unsigned = [SecBuffer(DATA, b"x"), SecBuffer(TOKEN)]
    assert raw.make_signature(context(authority), 0, unsigned) is Status.SEC_E_UNSUPPORTED_FUNCTION
    assert "sign" not in half.CALLS


def test_no_integrity_no_messages(authority: FakeAuthority, half: Any) -> None:
    """R220."""
    authority.granted_init = type(authority.granted_init)(0)
    handle = context(authority)
    message = [SecBuffer(DATA, b"x"), SecBuffer(TOKEN)]
    assert raw.make_signature(handle, 0, message) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert raw.encrypt_message(handle, 0, message) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert not {"seal", "sign"} & set(half.CALLS)


def test_a_readonly_buffer_is_not_changed(authority: FakeAuthority) -> None:
    """R211: the package of this test tries."""
    header = bytearray(b"header")
    message = [SecBuffer(READONLY, header), SecBuffer(DATA, b"x"), SecBuffer(TOKEN)]
    assert raw.encrypt_message(context(authority), 0, message) is Status.SEC_E_OK
    assert message[0].data is header and header == b"header" and message[1].data != b"x"


def test_two_senders_are_refused_and_a_receiver_is_not(authority: FakeAuthority, half: Any) -> None:
    """R222."""
    handle = context(authority)
    half.HOLD.update(seal=threading.Event(), entered=threading.Event())
    try:
        first = threading.Thread(
            target=raw.encrypt_message, args=(handle, 0, [SecBuffer(DATA, b"x"), SecBuffer(TOKEN)])
        )
        first.start()
        assert half.HOLD["entered"].wait(30)
        second = [SecBuffer(DATA, b"x"), SecBuffer(TOKEN)]
        assert raw.encrypt_message(handle, 0, second) is Status.SEC_E_INVALID_HANDLE
        assert raw.decrypt_message(handle, [SecBuffer(TOKEN, b"T\0"), SecBuffer(DATA, b"")])[0] is Status.SEC_E_OK
    finally:
        half.HOLD.pop("seal").set()
        first.join(30)
    assert raw.encrypt_message(handle, 0, [SecBuffer(DATA, b"x"), SecBuffer(TOKEN)]) is Status.SEC_E_OK


@pytest.mark.proves("sspi.QueryContextAttributes", "user_mode.SpQueryContextAttributes (user mode)")
@pytest.mark.breaks("R164", "secpkg.sspi.attributes:_asked")
def test_attributes(authority: FakeAuthority) -> None:
    """R164: what the user half does not answer, the LSA half does; the host knows the package."""
    handle = context(authority)
    assert raw.query_context_attributes(handle, 1) == (Status.SEC_E_OK, Names("alice"))
    assert raw.query_context_attributes(handle, 0xA) == (Status.SEC_E_OK, authority.info)
    assert raw.query_context_attributes(handle, 0x5A) == (Status.SEC_E_UNSUPPORTED_FUNCTION, None)
    assert raw.query_context_attributes(None, 1)[0] is Status.SEC_E_INVALID_HANDLE


@pytest.mark.proves("sspi.EnumerateSecurityPackages", "sspi.QuerySecurityPackageInfo")
def test_packages(authority: FakeAuthority) -> None:
    status, packages = raw.enumerate_security_packages(authority)
    assert status is Status.SEC_E_OK and [p.name for p in packages] == ["Tiny"]
    status, info = raw.query_security_package_info("Tiny", authority)
    assert status is Status.SEC_E_OK and isinstance(info, PackageInfo)
    assert raw.query_security_package_info("None", authority) == (Status.SEC_E_SECPKG_NOT_FOUND, None)
    assert raw.add_security_package("no-such-provider") is Status.SEC_E_SECPKG_NOT_FOUND
    for options, status in (
        (raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_SSPI), Status.SEC_E_SECPKG_NOT_FOUND),
        (raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_SSPI, 1), Status.SEC_E_UNSUPPORTED_FUNCTION),
        (raw.SecurityPackageOptions(3), Status.SEC_E_INVALID_PARAMETER),
    ):
        assert raw.add_security_package("no-such-provider", options, authority) is status
    assert not authority.links[1:], "nobody was asked"
    authority.trusts = False
    lsa = raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_LSA)
    assert raw.add_security_package("x", lsa, authority) is Status.STATUS_PORT_CONNECTION_REFUSED
    assert raw.delete_security_package("x", authority) is Status.STATUS_PORT_CONNECTION_REFUSED
    assert all(link.closed for link in authority.links[1:])


def test_identities() -> None:
    status, identity = raw.sspi_encode_strings_as_auth_identity("alice", "EXAMPLE", "secret")
    assert identity == AuthIdentity("alice", "EXAMPLE", "secret") and "secret'" not in repr(identity)
    assert raw.sspi_encode_auth_identity_as_strings(identity) == (status, "alice", "EXAMPLE", "secret")
    assert raw.sspi_encode_strings_as_auth_identity(None, None, None)[0] is Status.SEC_E_INVALID_PARAMETER
    other = AuthIdentity("ALICE", "example", "else")
    assert raw.sspi_compare_auth_identities(identity, other) == (Status.SEC_E_OK, True, False)
    assert raw.sspi_get_target_host_name("HTTP/host.example:80/x") == (Status.SEC_E_OK, "host.example")
    assert raw.sspi_get_target_host_name("HTTP/[::1]:80") == (Status.SEC_E_OK, "::1")
