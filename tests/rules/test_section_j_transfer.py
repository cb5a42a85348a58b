"""Section J: contexts that move to another process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import secpkg
from secpkg.authority.exported_contexts import LIFETIME, MAX_PER_UID, ExportedContexts
from secpkg.contract import SecurityError, Status
from secpkg.contract.flags import (
    SECPKG_CONTEXT_EXPORT_DELETE_OLD,
    SECPKG_CONTEXT_EXPORT_RESET_NEW,
    SECPKG_CONTEXT_EXPORT_TO_KERNEL,
)
from secpkg.sspi import raw
from secpkg.testing import FrozenClock, LabAuthority

OK, GONE = Status.SEC_E_OK, Status.SEC_E_NO_CREDENTIALS
UNKNOWN, UNSUPPORTED = Status.SEC_E_UNKNOWN_CREDENTIALS, Status.SEC_E_NOT_SUPPORTED
INVALID_HANDLE = Status.SEC_E_INVALID_HANDLE
DELETE_OLD, RESET_NEW = SECPKG_CONTEXT_EXPORT_DELETE_OLD, SECPKG_CONTEXT_EXPORT_RESET_NEW


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def lab(clock: FrozenClock) -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=["hello"], clock=clock) as made:
        made.add_user("alice", password="correct horse battery")
        yield made


@pytest.fixture
def pair(lab: LabAuthority) -> tuple[secpkg.Client, secpkg.Server]:
    client = secpkg.Client("Hello", username="alice", password="correct horse battery", target="x", authority=lab)
    server = secpkg.Server("Hello", authority=lab)
    token = client.step()
    while token is not None:
        answer = server.step(token)
        token = client.step(answer) if answer is not None else None
    return client, server


Pair = tuple[secpkg.Client, secpkg.Server]


def handle(party: secpkg.Client | secpkg.Server) -> raw.ContextHandle:
    assert party._context is not None
    return party._context


@pytest.mark.proves("sspi.ExportSecurityContext", "sspi.ImportSecurityContext")
@pytest.mark.proves("user_mode.SpExportSecurityContext", "user_mode.SpImportSecurityContext")
@pytest.mark.breaks("R203", "secpkg_hello.user_mode:Hello.export_security_context")
def test_R203_the_copy_goes_on_where_the_original_was(lab: LabAuthority, pair: Pair) -> None:
    client, server = pair
    assert server.decrypt(client.encrypt(b"one")) == b"one" and client.decrypt(server.encrypt(b"1")) == b"1"
    status, packed, token = raw.export_security_context(handle(server), DELETE_OLD)
    assert status is OK and packed is not None and token is not None and token.account_name == "alice"
    assert raw.export_security_context(handle(server), DELETE_OLD)[0] is INVALID_HANDLE, "R203: deleted"
    status, copy = raw.import_security_context("Hello", packed, token, authority=lab)
    assert status is OK and copy is not None and copy.accept
    token.close()
    user = copy.mapped()
    assert user.decrypt(client.encrypt(b"two")) == b"two" and client.decrypt(user.encrypt(b"2")) == b"2"
    status, own = raw.query_security_context_token(copy)
    assert status is OK and own is not None and own.account_name == "alice"
    own.close()
    assert raw.query_context_attributes(copy, 0x13)[0] is Status.SEC_E_UNSUPPORTED_FUNCTION, "the LSA half is elsewhere"
    assert raw.delete_security_context(copy) is OK and raw.delete_security_context(copy) is OK


@pytest.mark.breaks("R204", "secpkg.sspi.transfer:_head")
def test_R204_the_package_that_exported_is_named(lab: LabAuthority, pair: Pair) -> None:
    _, packed, token = raw.export_security_context(handle(pair[1]), 0)
    assert packed is not None and token is not None
    token.close()
    for name in ("Other", "", "hello", "Hell", 5, None):
        assert raw.import_security_context(name, packed, authority=lab) == (UNKNOWN, None)  # type: ignore[arg-type]
    for spoilt in (packed[:-1], packed + b"\0", packed[:40] + b"\0" + packed[41:]):
        assert raw.import_security_context("Hello", spoilt, authority=lab) == (GONE, None)
    for nothing in (b"", b"SPX1", packed[1:], bytes(200_000), None, "text"):
        assert raw.import_security_context("Hello", nothing, authority=lab) == (UNKNOWN, None)  # type: ignore[arg-type]
    assert raw.import_security_context("Hello", packed, authority=lab)[0] is OK, "no refusal has used it up"


def test_one_holder_of_a_sending_key(lab: LabAuthority, pair: Pair) -> None:
    """Lock 6: without DELETE_OLD the original sends nothing any more, and one import is all that there is."""
    client, server = pair
    status, packed, token = raw.export_security_context(handle(server), 0)
    assert status is OK and packed is not None and token is not None
    token.close()
    for use in (server.encrypt, server.sign, lambda data: handle(server).mapped().seal_message(0, [], 0)):
        with pytest.raises(SecurityError, match="context_exported"):
            use(b"x")
    assert raw.export_security_context(handle(server), 0)[0] is INVALID_HANDLE
    assert server.decrypt(client.encrypt(b"still heard")) == b"still heard"
    assert raw.import_security_context("Hello", packed, authority=lab)[0] is OK
    assert raw.import_security_context("Hello", packed, authority=lab) == (GONE, None)


def test_an_export_that_fails_has_changed_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = pair
    for flags, status in (
        (SECPKG_CONTEXT_EXPORT_TO_KERNEL, UNSUPPORTED),
        (8, Status.SEC_E_INVALID_PARAMETER),
        ("1", Status.SEC_E_INVALID_PARAMETER),
    ):
        assert raw.export_security_context(handle(server), flags) == (status, None, None)  # type: ignore[arg-type]
    assert raw.export_security_context(None, 0)[0] is INVALID_HANDLE

    def full(*_: object) -> None:
        raise SecurityError(Status.STATUS_QUOTA_EXCEEDED)

    monkeypatch.setattr(ExportedContexts, "deposit", full)
    assert raw.export_security_context(handle(server), DELETE_OLD)[0] is Status.STATUS_QUOTA_EXCEEDED
    assert client.decrypt(server.encrypt(b"alive")) == b"alive"


def test_reset_new_never_repeats_a_nonce(lab: LabAuthority, pair: Pair) -> None:
    """RESET_NEW: Hello grants it before the first message only."""
    client, server = pair
    _, packed, token = raw.export_security_context(handle(server), RESET_NEW | DELETE_OLD)
    assert packed is not None and token is not None
    token.close()
    copy = secpkg.Server.import_context("Hello", packed, authority=lab)
    assert copy.decrypt(client.encrypt(b"first")) == b"first"
    assert raw.export_security_context(handle(copy), RESET_NEW | DELETE_OLD) == (UNSUPPORTED, None, None)
    assert client.decrypt(copy.encrypt(b"as before")) == b"as before"


def test_too_late(lab: LabAuthority, pair: Pair, clock: FrozenClock) -> None:
    packed = pair[1].export()
    clock.advance(LIFETIME)
    assert raw.import_security_context("Hello", packed, authority=lab) == (GONE, None)


def test_at_another_authority(pair: Pair) -> None:
    """R203: within one computer."""
    packed = pair[1].export()
    with LabAuthority(domain="EXAMPLE", modules=["hello"]) as elsewhere:
        assert raw.import_security_context("Hello", packed, authority=elsewhere) == (GONE, None)


def test_on_the_pleasant_floor(lab: LabAuthority, pair: Pair) -> None:
    client, server = pair
    packed, token = server.export(), client.export()
    with pytest.raises(SecurityError, match="SEC_E_UNKNOWN_CREDENTIALS"):
        secpkg.Client.import_context("Hello", packed, authority=lab)
    with (
        secpkg.Server.import_context("Hello", packed, authority=lab) as there,
        secpkg.Client.import_context("Hello", token, authority=lab) as here,
    ):
        assert there.decrypt(here.encrypt(b"both moved")) == b"both moved" and there.peer == r"EXAMPLE\alice"
        assert there.complete and there.flags and b"secret" not in packed


def test_keys_at_the_authority() -> None:
    """Once, for one user, in time; no user takes the room of all."""
    now = [0.0]
    keys = ExportedContexts(lambda: now[0])
    digest, key = b"d" * 32, b"k" * 32
    keys.deposit(1000, digest, key)
    for uid, wrong, status in (
        (1001, digest, Status.SEC_E_NOT_OWNER),
        (1000, b"x" * 32, GONE),
    ):
        with pytest.raises(SecurityError) as caught:
            keys.redeem(uid, wrong)
        assert caught.value.status is status
    assert keys.redeem(1000, digest) == key
    with pytest.raises(SecurityError, match="imported_already"):
        keys.redeem(1000, digest)
    for bad in ((b"", key), (digest, b"")):
        with pytest.raises(SecurityError, match="exported_context_key"):
            keys.deposit(1000, *bad)
    for number in range(MAX_PER_UID):
        keys.deposit(1000, number.to_bytes(32, "big"), key)
    with pytest.raises(SecurityError, match="STATUS_QUOTA_EXCEEDED"):
        keys.deposit(1000, digest, key)
    keys.deposit(1001, digest, key)
    now[0] = LIFETIME
    keys.deposit(1000, b"e" * 32, key)
    with pytest.raises(SecurityError, match="not_exported"):
        keys.redeem(1001, digest)
