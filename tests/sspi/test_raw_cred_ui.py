"""Credential UI: what a package says to ask for, and what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from secpkg.contract import (
    Acquired,
    Call,
    Capability,
    Complete,
    ContextRequest,
    Continue,
    CredentialUse,
    InterfaceVersion,
    LsaFunctions,
    ModuleTables,
    PackageInfo,
    PackageParameters,
    SecurityError,
    Status,
    Step,
)
from secpkg.contract.cred_ui import CredUIContext, pack
from secpkg.contract.flags import BufferType
from secpkg.contract.values import AuthIdentity, SecBuffer
from secpkg.sspi import raw
from secpkg.sspi.raw import cred_ui
from secpkg.testing import LabAuthority

OK, INVALID, INVALID_HANDLE = Status.SEC_E_OK, Status.SEC_E_INVALID_PARAMETER, Status.SEC_E_INVALID_HANDLE
PASSWORD, CERT = cred_ui.SEC_WINNT_AUTH_DATA_TYPE_PASSWORD, cred_ui.SEC_WINNT_AUTH_DATA_TYPE_CERT
ASKED = CredUIContext("HTTP/host", int(Status.SEC_E_LOGON_DENIED), "Once more", "", AuthIdentity("alice", "EXAMPLE"))


class Asking:
    """An SSP whose first leg waits for credentials; it knows passwords only. A mute one has neither function."""

    def __init__(self, name: str = "Asking") -> None:
        self.info = PackageInfo(name=name, capabilities=Capability.CONNECTION, max_token=64)
        self.asked: list[bytes] = []
        self.told: list[tuple[object, bytes, bytes]] = []

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None: ...

    async def get_info(self) -> PackageInfo:
        return self.info

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        return Acquired("credential")

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        return Complete("context") if request.token == b"end" else Continue(b"more", "context")


class Talkative(Asking):
    async def get_cred_ui_context(self, call: Call, context: object, credential_type: bytes) -> bytes:
        self.asked.append(credential_type)
        if credential_type != PASSWORD.bytes_le:
            raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS)
        return pack(ASKED)

    async def update_credentials(
        self, call: Call, context: object, credential_type: bytes, flat_cred_ui_context: bytes
    ) -> None:
        self.told.append((context, credential_type, flat_cred_ui_context))


def context_of(package: Asking, first: bytes = b"first") -> Iterator[raw.ContextHandle]:
    def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V5, (package,))

    with LabAuthority(modules=[lsa_mode_initialize]) as lab:
        name = package.info.name
        status, credential, _ = raw.acquire_credentials_handle(None, name, CredentialUse.INBOUND, authority=lab)
        assert status is OK
        _, context, *_ = raw.accept_security_context(credential, None, [SecBuffer(BufferType.TOKEN, first)], 0)
        assert context is not None
        yield context
        raw.delete_security_context(context)


@pytest.fixture
def package() -> Talkative:
    return Talkative()


@pytest.fixture
def context(package: Talkative) -> Iterator[raw.ContextHandle]:
    yield from context_of(package)


@pytest.mark.proves("sspi.SspiGetCredUIContext", "sspi.SspiUnmarshalCredUIContext", "lsa_mode.SpGetCredUIContext")
def test_a_context_that_waits_says_what_to_ask_for(package: Talkative, context: raw.ContextHandle) -> None:
    status, flat, token = raw.sspi_get_cred_ui_context(context, PASSWORD)
    assert status is OK and token is None and len(flat) == 1 and package.asked == [PASSWORD.bytes_le]
    assert raw.sspi_unmarshal_cred_ui_context(flat[0]) == (OK, ASKED)
    assert raw.sspi_get_cred_ui_context(context, CERT) == (Status.SEC_E_UNKNOWN_CREDENTIALS, (), None)


@pytest.mark.proves("sspi.SspiUpdateCredentials", "lsa_mode.SpUpdateCredentials")
def test_the_package_is_told_what_the_user_said(package: Talkative, context: raw.ContextHandle) -> None:
    answer = pack(CredUIContext("HTTP/host", input_auth_identity=AuthIdentity("alice", "EXAMPLE", "secret")))
    assert raw.sspi_update_credentials(context, PASSWORD, answer) is OK
    assert package.told == [("context", PASSWORD.bytes_le, answer)]


def test_wrong_parameters_do_not_reach_the_package(package: Talkative, context: raw.ContextHandle) -> None:
    for wrong in (None, "context"):
        assert raw.sspi_get_cred_ui_context(wrong, PASSWORD)[0] is INVALID_HANDLE  # type: ignore[arg-type]
        assert raw.sspi_update_credentials(wrong, PASSWORD, b"x") is INVALID_HANDLE  # type: ignore[arg-type]
    for kind in (None, b"x" * 16, "password"):
        assert raw.sspi_get_cred_ui_context(context, kind)[0] is INVALID  # type: ignore[arg-type]
        assert raw.sspi_update_credentials(context, kind, b"x") is INVALID  # type: ignore[arg-type]
    for flat in (b"", bytes(0x10000), "text"):
        assert raw.sspi_update_credentials(context, PASSWORD, flat) is INVALID  # type: ignore[arg-type]
    raw.delete_security_context(context)
    assert raw.sspi_get_cred_ui_context(context, PASSWORD)[0] is INVALID_HANDLE
    assert raw.sspi_update_credentials(context, PASSWORD, b"x") is INVALID_HANDLE
    assert not package.asked and not package.told


def test_a_package_without_the_functions() -> None:
    for context in context_of(Asking("Mute")):
        unsupported = Status.SEC_E_UNSUPPORTED_FUNCTION
        assert raw.sspi_get_cred_ui_context(context, PASSWORD) == (unsupported, (), None)
        assert raw.sspi_update_credentials(context, PASSWORD, b"x") is unsupported


def test_a_trusted_caller_may_name_a_session_that_is_there(package: Talkative, context: raw.ContextHandle) -> None:
    """R280."""
    assert raw.sspi_get_cred_ui_context(context, PASSWORD, 0x3E7)[0] is OK
    assert raw.sspi_get_cred_ui_context(context, PASSWORD, 0x12345)[0] is Status.STATUS_NO_SUCH_LOGON_SESSION
    for wrong in (0, -1, 2**64, "3E7"):
        assert raw.sspi_get_cred_ui_context(context, PASSWORD, wrong)[0] is INVALID  # type: ignore[arg-type]
    assert len(package.asked) == 1


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x90", pack(ASKED)[:-1], pack(ASKED) + b"\0", b"\x92\x02" + pack(ASKED)[2:], bytes(70000)]
)
def test_what_is_no_flat_context(data: bytes) -> None:
    assert raw.sspi_unmarshal_cred_ui_context(data) == (INVALID, None)


def test_texts_of_a_flat_context_have_an_end() -> None:
    with pytest.raises(ValueError, match="too long"):
        pack(CredUIContext("x" * 1025))
    assert raw.sspi_unmarshal_cred_ui_context(None) == (INVALID, None)  # type: ignore[arg-type]  # the point of it


def test_the_documented_types() -> None:
    assert UUID("28bfc32f-10f6-4738-98d1-1ac061df716a").bytes_le == PASSWORD.bytes_le
