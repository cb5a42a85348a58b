"""Section Q of the rules: SASL and identity helpers."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import AF_INET, AF_INET6
from sys import byteorder

import msgspec
import pytest
from tests.rules.packages import Badge, badge, lab_of, records
from tests.sspi.fakes import ALICE, FakeAuthority, install
from tests.sspi.sasl_talk import CONTINUE, PLAIN, SIGNED, SaslTalk, lab_of_hello, token

import secpkg
from secpkg.contract import LogonType, Status
from secpkg.contract.flags import (
    SASL_OPTION_AUTHZ_PROCESSING,
    SASL_OPTION_AUTHZ_STRING,
    SASL_OPTION_RECV_SIZE,
    SASL_OPTION_SEND_SIZE,
    BufferType,
    CredentialUse,
)
from secpkg.contract.flags_seldom import AuthIdentityEncryption
from secpkg.contract.values import AuthIdentity, SecBuffer
from secpkg.host.user_mode import load
from secpkg.sspi import raw
from secpkg.sspi.raw.cred_ui import SEC_WINNT_AUTH_DATA_TYPE_PASSWORD
from secpkg.testing import LabAuthority

OK = Status.SEC_E_OK
SAME_LOGON, SAME_PROCESS = int(AuthIdentityEncryption.SAME_LOGON), int(AuthIdentityEncryption.SAME_PROCESS)
DECRYPT_FAILURE = Status.SEC_E_DECRYPT_FAILURE


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with lab_of_hello() as made:
        yield made


def alice() -> AuthIdentity:
    return AuthIdentity("alice", "EXAMPLE", "secret")


def number(value: int) -> bytes:
    return value.to_bytes(4, "little")


# --- SASL ------------------------------------------------------------------------------------------------------------


@pytest.mark.breaks("R273", "secpkg.sspi.raw.sasl:_offer")
def test_R273_success_is_held_back_until_cookies_were_exchanged(lab: LabAuthority) -> None:
    talk = SaslTalk(lab, SIGNED)
    talk.until_offer()
    assert talk.statuses == [CONTINUE] * 6, "the package's own handshake has ended, and neither end says so"
    offer = talk.sent[-1]
    assert len(offer) > 4 and b"\xff\xff" not in offer, "the server's cookie is encrypted"
    assert talk.step() is OK and talk.sent[-1] and b"\xff\xff" not in talk.sent[-1]
    assert talk.step() is OK


@pytest.mark.breaks("R274", "secpkg.sspi.raw.sasl:_leg")
def test_R274_exactly_one_token_buffer_in_and_out(lab: LabAuthority) -> None:
    """`SaslTalk.step` looks at the output of each leg, those without a token among them."""
    talk = SaslTalk(lab)
    talk.finish()
    assert talk.statuses[-1] is OK
    talk = SaslTalk(lab)
    talk.step()
    (first,) = token(talk.sent[-1])
    other = SecBuffer(BufferType.CHANNEL_BINDINGS, b"x")
    for wrong in ([], None, [first, first], [first, other], [other]):
        status, context, output, _, _ = raw.sasl_accept_security_context(talk.inbound, None, wrong, 0)
        assert status is Status.SEC_E_INVALID_TOKEN and context is None
        assert [(buffer.type, buffer.data) for buffer in output] == [(BufferType.TOKEN, b"")]
    assert talk.step() is CONTINUE


@pytest.mark.breaks("R275", "secpkg.sspi.raw.sasl:_authorize")
@pytest.mark.parametrize(
    ("processing", "permitted", "status"),
    [(1, True, OK), (1, False, Status.SEC_E_ALGORITHM_MISMATCH), (0, True, Status.SEC_E_ALGORITHM_MISMATCH)],
)
def test_R275_an_authorization_id_that_is_not_permitted(
    lab: LabAuthority, processing: int, permitted: bool, status: Status
) -> None:
    asked: list[tuple[raw.ContextHandle, str]] = []

    def authorize(context: raw.ContextHandle, name: str) -> bool:
        asked.append((context, name))
        return permitted

    talk = SaslTalk(lab, authorize=authorize)
    talk.step()
    talk.step()
    assert raw.sasl_set_context_option(talk.client, SASL_OPTION_AUTHZ_STRING, b"bob") is OK
    assert raw.sasl_set_context_option(talk.server, SASL_OPTION_AUTHZ_PROCESSING, number(processing)) is OK
    talk.finish()
    assert talk.statuses[-1] is status
    assert asked == ([(talk.server, "bob")] if processing else [])
    if status is OK:
        assert raw.sasl_get_context_option(talk.server, SASL_OPTION_AUTHZ_STRING, 3) == (OK, b"bob", 3)
    else:
        assert raw.query_security_context_token(talk.server)[0] is Status.SEC_E_INVALID_HANDLE


def test_R275_no_authorization_id_is_always_permitted(lab: LabAuthority) -> None:
    talk = SaslTalk(lab, PLAIN, authorize=lambda _context, _name: False)
    talk.finish()
    assert talk.statuses[-1] is OK


@pytest.mark.breaks("R276", "secpkg.sspi.raw.sasl:sasl_get_context_option")
def test_R276_defaults_of_the_options_and_short_buffers(lab: LabAuthority) -> None:
    talk = SaslTalk(lab)
    talk.step()
    talk.step()
    short = Status.SEC_E_BUFFER_TOO_SMALL
    for context in (talk.client, talk.server):
        for option, value in (
            (SASL_OPTION_SEND_SIZE, 0xFFFF),
            (SASL_OPTION_RECV_SIZE, 0xFFFF),
            (SASL_OPTION_AUTHZ_PROCESSING, 1),
        ):
            assert raw.sasl_get_context_option(context, option, 4) == (OK, number(value), 4)
            assert raw.sasl_get_context_option(context, option, 3) == (short, b"", 4)
            assert raw.sasl_set_context_option(context, option, b"\1\0\0") is short
        assert raw.sasl_get_context_option(context, SASL_OPTION_AUTHZ_STRING, 0) == (OK, b"", 0)
    assert raw.sasl_set_context_option(talk.client, SASL_OPTION_AUTHZ_STRING, b"bob") is OK
    assert raw.sasl_get_context_option(talk.client, SASL_OPTION_AUTHZ_STRING, 2) == (short, b"", 3)


# --- identities ------------------------------------------------------------------------------------------------------


@pytest.mark.breaks("R277", "secpkg.sspi.raw.identities:sspi_encode_auth_identity_as_strings")
def test_R277_an_encrypted_identity_gives_no_strings(lab: LabAuthority) -> None:
    for options in (SAME_PROCESS, SAME_LOGON):
        identity = alice()
        assert raw.sspi_encrypt_auth_identity_ex(options, identity, authority=lab) is OK
        assert raw.sspi_encode_auth_identity_as_strings(identity) == (Status.STATUS_INVALID_PARAMETER, "", "", "")
        assert raw.sspi_decrypt_auth_identity_ex(options, identity, authority=lab) is OK
        assert raw.sspi_encode_auth_identity_as_strings(identity) == (OK, "alice", "EXAMPLE", "secret")


def _in_child(flat: bytes, options: int) -> int:
    """The status with which another process decrypts it."""
    pid = os.fork()
    if not pid:
        code = 255
        try:
            _, identity = raw.sspi_unmarshal_auth_identity(flat)
            status = raw.sspi_decrypt_auth_identity_ex(options, identity)
            code = 0 if status is OK and identity == alice() else 1 if status is DECRYPT_FAILURE else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def flat_of(options: int, authority: object = None) -> bytes:
    identity = alice()
    assert raw.sspi_encrypt_auth_identity_ex(options, identity, authority=authority) is OK
    status, flat = raw.sspi_marshal_auth_identity(identity)
    assert status is OK and "secret".encode("utf-16-le") not in flat
    return flat


@pytest.mark.breaks("R278", "secpkg.sspi.protection:_ProcessSecret.forked")
def test_R278_same_process_is_this_process(lab: LabAuthority) -> None:
    flat = flat_of(SAME_PROCESS)
    assert _in_child(flat, SAME_PROCESS) == 1
    _, identity = raw.sspi_unmarshal_auth_identity(flat)
    assert raw.sspi_decrypt_auth_identity_ex(SAME_PROCESS, identity) is OK and identity == alice()


def opened(flat: bytes, authority: object, options: int = SAME_LOGON) -> Status:
    _, identity = raw.sspi_unmarshal_auth_identity(flat)
    return raw.sspi_decrypt_auth_identity_ex(options, identity, authority=authority)


@pytest.mark.breaks("R278", "secpkg.authority.logon_keys:LogonKeys.key")
def test_R278_same_logon_is_whoever_presents_the_session() -> None:
    """Another connection that shows a token of the same session; not another session, nor no session at all."""
    with lab_of(Badge()) as lab, LabAuthority() as other:
        first, second = (badge(lab) for _ in range(2))
        with first.session():
            flat = flat_of(SAME_LOGON, lab)
            both = flat_of(SAME_LOGON | SAME_PROCESS, lab)
            assert opened(flat, lab) is OK and opened(both, lab, SAME_LOGON | SAME_PROCESS) is OK
        with second.session():
            assert opened(flat, lab) is DECRYPT_FAILURE
            assert opened(both, lab, SAME_LOGON | SAME_PROCESS) is DECRYPT_FAILURE
        assert opened(flat, lab) is DECRYPT_FAILURE, "no session"
        unbound = flat_of(SAME_LOGON, lab)
        assert opened(unbound, lab) is OK, "the same uid"
        assert opened(unbound, other) is DECRYPT_FAILURE, "another authority"
        with first.session():
            assert opened(unbound, lab) is DECRYPT_FAILURE


def test_R278_a_network_token_gives_no_key_of_its_session() -> None:
    """Lock 3: it carries no outbound credentials, so a server cannot open what its client sealed."""
    with lab_of(Badge()) as lab:
        network = badge(lab, kind=LogonType.NETWORK)
        with network.session():
            refused = raw.sspi_encrypt_auth_identity_ex(SAME_LOGON, identity := alice(), authority=lab)
        assert refused is Status.STATUS_ACCESS_DENIED and identity == alice()


@pytest.mark.proves("sspi.SspiExcludePackage")
@pytest.mark.breaks("R279", "secpkg.sspi.raw.identities:sspi_exclude_package")
def test_R279_an_identity_without_a_package_is_a_new_one(lab: LabAuthority) -> None:
    given = alice()
    status, without = raw.sspi_exclude_package(given, "NTLM")
    assert status is OK and without == AuthIdentity("alice", "EXAMPLE", "secret", "!NTLM")
    assert given == alice() and without is not given
    assert raw.sspi_exclude_package(without, "ntlm") == (OK, without)
    status, both = raw.sspi_exclude_package(without, "Kerberos")
    assert both is not None and both.package_list == "!NTLM,!Kerberos"
    assert raw.sspi_exclude_package(AuthIdentity("a", package_list="NTLM,Hello"), "NTLM")[1] == AuthIdentity(
        "a", package_list="Hello,!NTLM"
    )
    assert raw.sspi_exclude_package(None, "NTLM") == (OK, AuthIdentity("", package_list="!NTLM"))
    for name in ("", "x" * 1025, "a,b", "!NTLM"):
        assert raw.sspi_exclude_package(given, name) == (Status.SEC_E_INVALID_PARAMETER, None)
    sealed = alice()
    assert raw.sspi_encrypt_auth_identity(sealed) is OK
    before = msgspec.structs.astuple(sealed)
    status, without = raw.sspi_exclude_package(sealed, "NTLM")
    assert status is OK and without is not None and raw.sspi_is_auth_identity_encrypted(without)
    assert msgspec.structs.astuple(sealed) == before
    assert raw.sspi_decrypt_auth_identity(without) is OK and without.package_list == "!NTLM"
    assert without.password == "secret"


# --- credential UI ---------------------------------------------------------------------------------------------------


@pytest.mark.breaks("R280", "secpkg.sspi.raw.cred_ui:_require_session")
def test_R280_only_a_trusted_caller_may_name_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_modules", {})
    authority = FakeAuthority(install(tmp_path, monkeypatch, "tiny_of_section_q"))
    authority.trusts = False
    _, inbound, _ = raw.acquire_credentials_handle(
        None, "Tiny", CredentialUse.BOTH, auth_data=ALICE, authority=authority
    )
    _, context, *_ = raw.accept_security_context(inbound, None, token(b"1"), 0)
    refused = raw.sspi_get_cred_ui_context(context, SEC_WINNT_AUTH_DATA_TYPE_PASSWORD, 0x3E7)
    assert refused == (Status.STATUS_PORT_CONNECTION_REFUSED, (), None)
    assert "CallFunction" not in authority.kinds(), "the package was not asked"
    assert all(link.closed for link in authority.links[1:])


# --- the call context ------------------------------------------------------------------------------------------------

IPV4 = int(AF_INET).to_bytes(2, byteorder) + b"\x04\xd2" + bytes([192, 0, 2, 7]) + bytes(8)
IPV6 = int(AF_INET6).to_bytes(2, byteorder) + bytes(6) + bytes.fromhex("20010db8000000000000000000000007") + bytes(4)


@pytest.fixture
def _fresh() -> Iterator[None]:
    yield
    raw.seci_free_call_context()


@pytest.mark.usefixtures("_fresh")
@pytest.mark.proves("sspi.SeciAllocateAndSetIPAddress", "sspi.SeciFreeCallContext")
@pytest.mark.breaks("R281", "secpkg.sspi.raw.call_context:seci_free_call_context")
def test_R281_the_call_context_of_a_thread_is_due_to_be_freed() -> None:
    assert raw.peer_address() is None
    assert raw.seci_allocate_and_set_ip_address(IPV4) == (OK, True)
    assert raw.peer_address() == IPV4
    assert raw.seci_allocate_and_set_ip_address(IPV6) == (OK, False), "there already: its maker frees it"
    assert raw.peer_address() == IPV6
    for wrong in (b"", b"\2\0", bytes(129), "192.0.2.7", None):
        assert raw.seci_allocate_and_set_ip_address(wrong) == (Status.SEC_E_INVALID_PARAMETER, False)  # type: ignore[arg-type]
    assert raw.peer_address() == IPV6, "a refused call changes nothing"
    others: list[object] = []
    thread = threading.Thread(target=lambda: others.append(raw.peer_address()), daemon=True)
    thread.start()
    thread.join(30)
    assert others == [None], "another thread has its own"
    raw.seci_free_call_context()
    assert raw.peer_address() is None
    raw.seci_free_call_context()


@pytest.mark.parametrize(("address", "origin"), [(IPV4, "192.0.2.7"), (IPV6, "2001:db8::7"), (b"\1\0/x", "01002f78")])
def test_R281_the_address_is_the_origin_of_the_threads_logons(address: bytes, origin: str) -> None:
    """In the request of the package, and in the audit record as what was claimed."""

    def logons(lab: LabAuthority) -> None:
        raw.seci_allocate_and_set_ip_address(address)
        badge(lab)
        secpkg.lsa.connect(lab).logon_user(
            "Badge", LogonType.INTERACTIVE, authentication_information=b"badge:alice", origin_name="own"
        )
        raw.seci_free_call_context()
        badge(lab)

    package = Badge()
    with lab_of(package) as lab:
        contextvars.copy_context().run(logons, lab)
        assert [request.origin_name for request in package.requests] == [origin, "own", ""]
        assert records(lab, "logon")[-3].claimed["origin_name"] == origin
