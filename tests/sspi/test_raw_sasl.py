"""SASL: profiles, the second half of the handshake, options."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.sspi.fakes import FakeAuthority
from tests.sspi.sasl_talk import CONTINUE, PLAIN, PRIVATE, SIGNED, SaslTalk, lab_of_hello, token

from secpkg.contract.flags import (
    SASL_OPTION_AUTHZ_PROCESSING,
    SASL_OPTION_AUTHZ_STRING,
    SASL_OPTION_RECV_SIZE,
    SASL_OPTION_SEND_SIZE,
    AscRet,
    BufferType,
    IscRet,
)
from secpkg.contract.status import Status
from secpkg.contract.values import SecBuffer, Sizes
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

OK = Status.SEC_E_OK
INVALID_HANDLE, INVALID_TOKEN = Status.SEC_E_INVALID_HANDLE, Status.SEC_E_INVALID_TOKEN
NOT_FOUND = Status.SEC_E_SECPKG_NOT_FOUND
HELLO = raw.SaslProfile("X-HELLO", "Hello", prefix=b"n,,n=")
PROTECTION = int(IscRet.CONFIDENTIALITY), int(IscRet.INTEGRITY), int(AscRet.CONFIDENTIALITY), int(AscRet.INTEGRITY)


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with lab_of_hello() as made:
        yield made


@pytest.fixture
def profile() -> Iterator[raw.SaslProfile]:
    raw.add_sasl_profile(HELLO)
    yield HELLO
    raw.remove_sasl_profile("X-HELLO")


# --- profiles --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("sspi.SaslEnumerateProfiles")
def test_profiles_of_packages_that_are_there(lab: LabAuthority, profile: raw.SaslProfile) -> None:
    assert raw.sasl_enumerate_profiles(lab) == (OK, ("X-HELLO",))
    with LabAuthority() as empty:
        assert raw.sasl_enumerate_profiles(empty) == (OK, ())


@pytest.mark.proves("sspi.SaslGetProfilePackage")
def test_the_package_of_a_profile(lab: LabAuthority, profile: raw.SaslProfile) -> None:
    status, info = raw.sasl_get_profile_package("x-hello", lab)
    assert status is OK and info is not None and info.name == "Hello"
    for name in ("X-OTHER", "GSSAPI", "", "\0", 7):
        assert raw.sasl_get_profile_package(name, lab) == (NOT_FOUND, None)  # type: ignore[arg-type]  # the point of 7


@pytest.mark.proves("sspi.SaslIdentifyPackage")
@pytest.mark.parametrize("first", [b"X-HELLO", b"x-hello\0rest", b"X-HELLO dGV4dA==", b"n,,n=alice,r=1"])
def test_a_first_message_names_its_package(lab: LabAuthority, profile: raw.SaslProfile, first: bytes) -> None:
    status, info = raw.sasl_identify_package(token(first), lab)
    assert status is OK and info is not None and info.name == "Hello"


def test_a_framed_token_names_its_mechanism(lab: LabAuthority) -> None:
    raw.add_sasl_profile(raw.SaslProfile("X-FRAMED", "Hello", oid=b"\x2a\x03"))
    try:
        for framed in (b"\x60\x10\x06\x02\x2a\x03rest", b"\x60\x82\x01\x00\x06\x02\x2a\x03" + bytes(252)):
            assert raw.sasl_identify_package(token(framed), lab)[0] is OK
        for other in (b"\x60\x10\x06\x02\x2a\x04rest", b"\x60\x10\x06\x03\x2a\x03", b"\x60", b"\x60\x10\x06"):
            assert raw.sasl_identify_package(token(other), lab) == (NOT_FOUND, None)
    finally:
        raw.remove_sasl_profile("X-FRAMED")


def test_a_message_that_names_nothing(lab: LabAuthority, profile: raw.SaslProfile) -> None:
    for first in (b"", b"X-HELLOO", b"X-HELLO\xff", b"!", b"x" * 21):
        assert raw.sasl_identify_package(token(first), lab) == (NOT_FOUND, None)
    for wrong in ([], [SecBuffer(BufferType.DATA, b"X-HELLO")], [*token(b"X-HELLO"), *token(b"X-HELLO")]):
        assert raw.sasl_identify_package(wrong, lab) == (INVALID_TOKEN, None)


def test_a_profile_needs_a_name_of_its_own(profile: raw.SaslProfile) -> None:
    for name in ("", "lower", "X" * 21, "X Y"):
        with pytest.raises(ValueError, match="SASL"):
            raw.add_sasl_profile(raw.SaslProfile(name, "Hello"))
    with pytest.raises(ValueError, match="belongs to Hello"):
        raw.add_sasl_profile(raw.SaslProfile("X-HELLO", "Other"))
    raw.add_sasl_profile(HELLO)


# --- the second half -------------------------------------------------------------------------------------------------


@pytest.mark.proves("sspi.SaslInitializeSecurityContext", "sspi.SaslAcceptSecurityContext")
@pytest.mark.parametrize(
    ("wanted", "granted"),
    [
        (PRIVATE, PROTECTION),
        (SIGNED, (0, PROTECTION[1], 0, PROTECTION[3])),
        (PLAIN, (0, 0, 0, 0)),
        ((SIGNED[0], PLAIN[1]), (0, PROTECTION[1], 0, PROTECTION[3])),
        ((PLAIN[0], SIGNED[1]), (0, PROTECTION[1], 0, PROTECTION[3])),
        ((PLAIN[0], PRIVATE[1]), PROTECTION),
    ],
)
def test_both_ends_end_with_one_level(
    lab: LabAuthority, wanted: tuple[int, int], granted: tuple[int, int, int, int]
) -> None:
    talk = SaslTalk(lab, wanted)
    talk.finish()
    assert talk.statuses == [CONTINUE] * 6 + [OK] * 2
    client, server = talk.attributes
    mask = PROTECTION
    assert (client & mask[0], client & mask[1], server & mask[2], server & mask[3]) == granted
    assert talk.sent[4] == b"" and talk.sent[-1] == b""
    message = [SecBuffer(BufferType.DATA, b"text"), SecBuffer(BufferType.TOKEN)]
    assert raw.make_signature(talk.client, 0, message) is OK
    assert raw.verify_signature(talk.server, message)[0] is OK


def without_privacy(authority: FakeAuthority) -> FakeAuthority:
    authority.granted_init &= ~IscRet.CONFIDENTIALITY
    authority.granted_accept &= ~AscRet.CONFIDENTIALITY
    return authority


def test_a_package_that_only_signs_and_whose_last_token_is_the_clients(authority: FakeAuthority) -> None:
    """The server has nothing to send last, so its cookie follows at once; cookies are signed."""
    talk = SaslTalk(without_privacy(authority), SIGNED, package="Tiny", password="right")
    talk.finish()
    assert talk.statuses == [CONTINUE] * 4 + [OK] * 2
    assert talk.attributes[0] & PROTECTION[1] and talk.attributes[1] & PROTECTION[3]
    assert talk.sent[3][2:6] == b"S004" and talk.sent[3][-4:] == b"\2\0\xff\xff"


@pytest.mark.parametrize(("wanted", "legs"), [((PRIVATE[0], PLAIN[1]), 5), ((PLAIN[0], PRIVATE[1]), 4)])
def test_a_level_that_cannot_be_had_ends_it(authority: FakeAuthority, wanted: tuple[int, int], legs: int) -> None:
    talk = SaslTalk(without_privacy(authority), wanted, package="Tiny", password="right")
    talk.finish()
    assert len(talk.statuses) == legs and talk.statuses[-1] is Status.SEC_E_QOP_NOT_SUPPORTED
    context = talk.client if legs == 5 else talk.server
    assert raw.make_signature(context, 0, [SecBuffer(BufferType.DATA), SecBuffer(BufferType.TOKEN)]) is INVALID_HANDLE


def test_a_context_that_can_neither_encrypt_nor_sign_ends_it(authority: FakeAuthority) -> None:
    authority.granted_init = IscRet(0)
    talk = SaslTalk(authority, package="Tiny", password="right")
    talk.finish()
    assert len(talk.statuses) == 3 and talk.statuses[-1] is Status.SEC_E_QOP_NOT_SUPPORTED


def test_a_refused_proof_is_refused_as_without_sasl(lab: LabAuthority) -> None:
    talk = SaslTalk(lab, password="wrong")
    talk.finish()
    assert talk.statuses[-1] is Status.SEC_E_LOGON_DENIED
    assert raw.sasl_accept_security_context(talk.inbound, talk.server, token(b""), 0)[0] is INVALID_HANDLE


def test_a_changed_cookie_ends_the_context(lab: LabAuthority) -> None:
    for turn in (0, 1):
        talk = SaslTalk(lab, SIGNED)
        talk.until_offer()
        if turn:
            talk.step()
        last = talk.sent[-1]
        status = talk.step(last[:-1] + bytes([last[-1] ^ 1]))
        assert status is Status.SEC_E_MESSAGE_ALTERED
        context = talk.server if turn else talk.client
        assert raw.query_security_context_token(context)[0] is INVALID_HANDLE
        assert raw.encrypt_message(context, 0, token(b"")) is INVALID_HANDLE
        assert raw.delete_security_context(context) is OK


@pytest.mark.parametrize("message", [b"", b"x", bytes(100)])
def test_what_is_no_cookie(lab: LabAuthority, message: bytes) -> None:
    talk = SaslTalk(lab)
    talk.until_offer()
    assert talk.step(message).is_error and talk.statuses[-1] is not Status.SEC_E_INTERNAL_ERROR


@pytest.mark.parametrize(
    "cookie", [b"", b"\1\0\0", b"\0\0\0\0", b"\3\0\0\0", b"\x08\0\0\0", b"\2\0\0\1", b"\6\xff\xff\xff"]
)
def test_what_a_client_may_not_choose(lab: LabAuthority, cookie: bytes) -> None:
    """Sealed well, and still no answer to the server's cookie."""
    talk = SaslTalk(lab, SIGNED)
    talk.until_offer()
    _seal_as_client(talk, cookie)
    assert talk.statuses[-1] is INVALID_TOKEN


def test_a_client_may_not_choose_less_than_was_offered(lab: LabAuthority) -> None:
    talk = SaslTalk(lab, SIGNED)
    talk.until_offer()
    _seal_as_client(talk, b"\1\0\0\0")
    assert talk.statuses[-1] is Status.SEC_E_QOP_NOT_SUPPORTED


def _seal_as_client(talk: SaslTalk, cookie: bytes) -> None:
    message = [SecBuffer(BufferType.TOKEN), SecBuffer(BufferType.DATA, cookie)]
    assert raw.encrypt_message(talk.client, 0, message) is OK
    talk.statuses.append(CONTINUE)
    talk.step(len(message[0].data).to_bytes(2, "big") + bytes(message[0].data) + bytes(message[1].data))


def test_handles_and_roles(lab: LabAuthority) -> None:
    talk = SaslTalk(lab)
    talk.step()
    status, plain, *_ = raw.initialize_security_context(talk.outbound, None, "host", 0)
    assert status is CONTINUE
    assert raw.sasl_initialize_security_context(talk.outbound, plain, "host", 0, token(b""))[0] is INVALID_HANDLE
    assert raw.sasl_accept_security_context(talk.inbound, talk.client, token(b""), 0)[0] is INVALID_HANDLE
    assert raw.sasl_initialize_security_context(None, None, "host", 0)[0] is INVALID_HANDLE
    talk.finish()
    assert talk.step(b"") is INVALID_HANDLE
    talk.statuses.append(OK)
    assert talk.step(b"") is INVALID_HANDLE


# --- options ---------------------------------------------------------------------------------------------------------


def number(value: int) -> bytes:
    return value.to_bytes(4, "little")


@pytest.mark.proves("sspi.SaslGetContextOption", "sspi.SaslSetContextOption")
def test_each_end_sends_what_the_other_takes(lab: LabAuthority) -> None:
    talk = SaslTalk(lab, PRIVATE)
    talk.until_offer()
    # The server's cookie is under way: its size counts no more, the client's still does.
    assert raw.sasl_set_context_option(talk.server, SASL_OPTION_RECV_SIZE, number(4096)) is INVALID_HANDLE
    assert raw.sasl_set_context_option(talk.client, SASL_OPTION_RECV_SIZE, number(8192)) is OK
    talk.finish()
    status, sizes = raw.query_context_attributes(talk.server, 0)
    assert status is OK and isinstance(sizes, Sizes)
    overhead = sizes.block_size + sizes.security_trailer + sizes.max_signature
    assert raw.sasl_get_context_option(talk.client, SASL_OPTION_SEND_SIZE, 4)[1] == number(0xFFFF - overhead)
    assert raw.sasl_get_context_option(talk.server, SASL_OPTION_SEND_SIZE, 4)[1] == number(8192 - overhead)
    assert raw.sasl_get_context_option(talk.client, SASL_OPTION_RECV_SIZE, 4)[1] == number(8192)


def test_options_that_are_none(lab: LabAuthority) -> None:
    talk = SaslTalk(lab)
    talk.step()
    talk.step()
    for option in (0, 5, -1):
        assert raw.sasl_get_context_option(talk.client, option, 4) == (Status.SEC_E_UNSUPPORTED_FUNCTION, b"", 0)
        assert raw.sasl_set_context_option(talk.client, option, number(1)) is Status.SEC_E_UNSUPPORTED_FUNCTION
    for context in (None, object(), raw.initialize_security_context(talk.outbound, None, "host", 0)[1]):
        assert raw.sasl_get_context_option(context, 1, 4)[0] is INVALID_HANDLE  # type: ignore[arg-type]
        assert raw.sasl_set_context_option(context, 1, number(1)) is INVALID_HANDLE  # type: ignore[arg-type]
    for value in (0, 0x1000000):
        assert raw.sasl_set_context_option(talk.client, SASL_OPTION_SEND_SIZE, number(value)).is_error
    assert raw.sasl_set_context_option(talk.server, SASL_OPTION_AUTHZ_PROCESSING, number(2)).is_error
    for text in (b"x" * 1025, b"\xff", b"a\0b"):
        status = raw.sasl_set_context_option(talk.client, SASL_OPTION_AUTHZ_STRING, text)
        assert status is Status.SEC_E_INVALID_PARAMETER
    unsupported = Status.SEC_E_UNSUPPORTED_FUNCTION
    assert raw.sasl_set_context_option(talk.server, SASL_OPTION_AUTHZ_STRING, b"bob") is unsupported
    assert raw.sasl_set_context_option(talk.client, SASL_OPTION_AUTHZ_PROCESSING, number(0)) is OK
    assert raw.sasl_set_context_option(talk.client, SASL_OPTION_AUTHZ_STRING, b"bob") is unsupported
    assert raw.sasl_get_context_option(talk.client, SASL_OPTION_AUTHZ_STRING, 9) == (unsupported, b"", 0)
