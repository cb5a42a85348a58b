"""Forms of credentials that the user half makes, and who asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sspi import fakes
from tests.sspi.fakes import FakeAuthority, install

from secpkg.contract import SecurityError, Status
from secpkg.contract.flags import CredentialUse
from secpkg.host.user_mode import load, providers
from secpkg.host.user_mode.credential_forms import MAX_CREDENTIALS
from secpkg.ipc import schema
from secpkg.sspi import raw
from secpkg.sspi.credential_forms import format_credentials

MORE = """

def format_credentials(self, credentials):
    return RESULT.get("format", b"kept " + credentials)

def marshall_supplemental_creds(self, credentials):
    return RESULT.get("marshall", b"flat " + credentials)

def marshal_attribute_data(self, attribute_info, attribute, attribute_data):
    CALLS.append((attribute_info, attribute))
    return None if attribute == 1 else b"packed " + attribute_data

RESULT = {}
Tiny.format_credentials = format_credentials
Tiny.marshall_supplemental_creds = marshall_supplemental_creds
Tiny.marshal_attribute_data = marshal_attribute_data
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_modules", {})
    monkeypatch.setattr(providers, "_providers", {})


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAuthority:
    return FakeAuthority(install(tmp_path, monkeypatch))


@pytest.fixture
def able(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAuthority]:
    half = fakes.USER_HALF.replace("InterfaceVersion.V1,", "InterfaceVersion.V11,")
    monkeypatch.setattr(fakes, "USER_HALF", half + MORE)
    yield FakeAuthority(install(tmp_path, monkeypatch))


@pytest.fixture
def half(able: FakeAuthority) -> Any:
    import importlib

    return importlib.import_module("tiny_user_half")


def acquire(authority: FakeAuthority, data: bytes) -> Status:
    return raw.acquire_credentials_handle(None, "Tiny", CredentialUse.BOTH, auth_data=data, authority=authority)[0]


def sent(authority: FakeAuthority) -> list[bytes]:
    return [m.data for m in authority.seen if isinstance(m, schema.AcquireCredentials)]


@pytest.mark.proves("user_mode.SpFormatCredentials")
def test_credentials_are_kept_in_the_packages_form(able: FakeAuthority) -> None:
    assert format_credentials("Tiny", b"as supplied", authority=able) == b"kept as supplied"


@pytest.mark.proves("user_mode.SpMarshallSupplementalCreds")
def test_package_defined_bytes_leave_the_process_flat(able: FakeAuthority) -> None:
    assert acquire(able, b"public form") is Status.SEC_E_OK
    assert acquire(able, b"") is Status.SEC_E_OK
    assert sent(able) == [b"flat public form", b""]


def test_without_these_functions_they_stay_as_they_are(plain: FakeAuthority) -> None:
    assert format_credentials("Tiny", b"as supplied", authority=plain) == b"as supplied"
    assert acquire(plain, b"public form") is Status.SEC_E_OK and sent(plain) == [b"public form"]
    plain.user_half = None
    assert format_credentials("Tiny", b"as supplied", authority=plain) == b"as supplied"


def test_what_does_not_fit(able: FakeAuthority, half: Any) -> None:
    for wrong in (b"x" * (MAX_CREDENTIALS + 1), "text", None):
        with pytest.raises(SecurityError, match="SEC_E_INVALID_PARAMETER"):
            format_credentials("Tiny", wrong, authority=able)  # type: ignore[arg-type]
    for result in ("text", None, b"x" * (MAX_CREDENTIALS + 1)):
        half.RESULT.update(format=result, marshall=result)
        with pytest.raises(SecurityError, match="package_result"):
            format_credentials("Tiny", b"x", authority=able)
        assert acquire(able, b"x") is Status.SEC_E_INTERNAL_ERROR
    assert sent(able) == [], "nothing left the process"


@pytest.mark.proves("user_mode.SpMarshalAttributeData")
def test_R167_attributes_are_packed_where_there_is_something_to_pack(able: FakeAuthority, half: Any) -> None:
    """ADR 20: None is STATUS_NOT_SUPPORTED with a NULL output, and the data go as they are."""
    _, handle, _ = raw.acquire_credentials_handle(None, "Tiny", CredentialUse.BOTH, authority=able)
    assert handle is not None
    backend = handle.backend
    assert backend.marshal_attribute(7, b"data") == b"packed data"
    assert backend.marshal_attribute(1, b"data") == b"data"
    assert [call for call in half.CALLS if isinstance(call, tuple)] == [(0x80000000, 7), (0x80000000, 1)]
