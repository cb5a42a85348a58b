"""Plain SSPs: named, never guessed; once per process; no authority is ever asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import secpkg
from secpkg.contract.flags import IscReq
from secpkg.contract.security_provider import SecurityProvider
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Acquired, Complete, Continue, PackageInfo, Refused, Sizes
from secpkg.host.user_mode import providers
from secpkg.ipc import where
from secpkg.sspi import raw


class Plain:
    """Two legs: the client sends a token and is complete, the server takes it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def enumerate_security_packages(self) -> list[PackageInfo]:
        return [PackageInfo("Plain", max_token=16)]

    def acquire_credentials_handle(
        self, call: Any, package: str, principal: str | None, use: int, authorization_data: object
    ) -> Acquired:
        assert call.caller.process_id and call.entropy(4)
        self.calls.append("acquire")
        return Acquired(None)

    def free_credentials_handle(self, credential: object) -> None:
        self.calls.append("free")

    def initialize_security_context(self, call: Any, credential: object, context: object, request: Any) -> object:
        return Complete("client", b"x" * 17 if request.target == "large" else b"go", attributes=0x10000)

    def accept_security_context(self, call: Any, credential: object, context: object, request: Any) -> object:
        if request.token == b"bad":
            return Refused(Status.SEC_E_LOGON_DENIED, b"no")
        if request.token == b"wait":
            return Continue(b"go on", "half")
        return Complete("server", attributes=0x20000)

    def delete_security_context(self, context: object) -> None:
        self.calls.append(f"delete {context}")

    def make_signature(self, context: object, quality_of_protection: int, message: Any, sequence_number: int) -> None:
        message[1].data = b"sig"

    def query_context_attributes(self, context: object, attribute: int) -> Sizes:
        return Sizes(16, 3, 1, 3)


@pytest.fixture(autouse=True)
def no_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_providers", {})
    monkeypatch.setattr(where, "OPENERS", {})


@pytest.fixture
def plain() -> Plain:
    made = Plain()
    providers.add("plain", lambda: made)
    return made


@pytest.mark.breaks("R1", "secpkg.host.user_mode.providers:find")
def test_a_handshake_asks_no_authority(plain: Plain) -> None:
    """R1."""
    client = secpkg.Client("Plain", requirements=IscReq.INTEGRITY)
    server = secpkg.Server("Plain", requirements=0)
    assert client.step() == b"go" and client.complete
    assert server.step(b"wait") == b"go on" and server.step(b"go") is None
    assert client.sign(b"x") == b"sig"
    with pytest.raises(SecurityError) as caught:
        client.verify(b"x", b"sig")
    assert caught.value.status is Status.SEC_E_UNSUPPORTED_FUNCTION, "a function that is missing"
    client.close()
    server.close()
    assert plain.calls == ["acquire", "acquire", "delete client", "free", "delete server", "free"]


def test_refusals_and_tokens_beyond_what_was_announced(plain: Plain) -> None:
    """R35, R185."""
    server = secpkg.Server("Plain")
    with pytest.raises(SecurityError) as caught:
        server.step(b"bad")
    assert (caught.value.status, caught.value.token) == (Status.SEC_E_LOGON_DENIED, b"no")
    with pytest.raises(SecurityError, match="max_token_exceeded"):
        secpkg.Client("Plain", target="large").step()


def test_a_provider_is_started_once(plain: Plain) -> None:
    assert providers.add("plain").packages["Plain"].max_token == 16
    assert providers.add("plain", lambda: pytest.fail("again")) is providers.add("plain")
    assert raw.delete_security_package("plain") is Status.SEC_E_OK
    assert providers.find("Plain") is None


def test_an_installed_provider_that_nobody_named_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "offered_provider.py").write_text(
        "from tests.host_user_mode.test_providers import Plain\ndef init():\n    return Plain()\n"
    )
    info = tmp_path / "offered-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[secpkg.security_provider]\noffered = offered_provider:init\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert providers.find("Plain") is None
    assert providers.find("Plain", ["offered"]) is not None, "the operator's list"


def test_a_broken_provider_is_refused() -> None:
    class Slip(Plain):
        def make_signatur(self) -> None: ...

    class Empty:
        def enumerate_security_packages(self) -> list[PackageInfo]:
            return []

    for made, reason in ((Slip(), "provider_broken"), (Empty(), "provider_without_packages")):
        with pytest.raises(SecurityError, match=reason):
            providers.add("x", lambda made=made: made)  # type: ignore[misc]
    with pytest.raises(SecurityError, match="provider_missing"):
        providers.add("nobody-offers-this")
    assert providers.enumerate_packages() == ()


def test_the_contract_holds(plain: Plain) -> None:
    checked: SecurityProvider = plain
    assert checked is plain
