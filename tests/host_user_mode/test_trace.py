"""An observer of user halves sees every call as figures, and nothing is wrapped without one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import secpkg
from secpkg.contract import SecurityError, Status
from secpkg.host.user_mode import load
from secpkg.testing import LabAuthority, UserModeCall, observe_user_mode


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """User halves are loaded as in a process of its own."""
    monkeypatch.setattr(load, "_modules", {})
    yield
    observe_user_mode(None)


def conversation() -> None:
    with LabAuthority(modules=["hello"]) as lab:
        lab.add_user("alice", password="correct horse")
        server = secpkg.Server("Hello", authority=lab)
        with secpkg.Client("Hello", username="alice", password="correct horse", authority=lab) as client:
            token = client.step()
            while token is not None:
                reply = server.step(token)
                token = client.step(reply) if reply is not None else None
            sealed = client.encrypt(b"12345")
            with pytest.raises(SecurityError):
                server.decrypt(sealed[:-1] + bytes([sealed[-1] ^ 1]))
            assert server.decrypt(sealed) == b"12345"
            client.verify(b"123", server.sign(b"123"))
        server.close()


def test_each_call_is_told_with_name_sizes_and_status() -> None:
    calls: list[UserModeCall] = []
    observe_user_mode(calls.append)
    before = time.monotonic()
    conversation()
    after = time.monotonic()
    told = [(call.function, call.received, call.sent, call.status) for call in calls]
    assert told[:2] == [("SpUserModeInitialize", 0, 0, Status.SEC_E_OK), ("SpInstanceInit", 0, 0, Status.SEC_E_OK)]
    names = [call.function for call in calls]
    assert names.count("SpInitUserModeContext") == names.count("SpDeleteContext") == 2
    assert all(call.received > 0 for call in calls if call.function == "SpInitUserModeContext")
    assert ("SpSealMessage", 5, 33, Status.SEC_E_OK) in told
    unsealed = [(received, status) for function, received, _, status in told if function == "SpUnsealMessage"]
    assert unsealed == [(33, Status.SEC_E_MESSAGE_ALTERED), (33, Status.SEC_E_OK)]
    assert ("SpMakeSignature", 3, 31, Status.SEC_E_OK) in told
    assert ("SpVerifySignature", 31, 31, Status.SEC_E_OK) in told
    assert {call.package for call in calls} == {"hello", "Hello"}
    assert all(before <= call.start <= call.start + call.seconds <= after for call in calls)
    assert "12345" not in repr(calls)


def test_without_an_observer_the_table_is_the_packages_own() -> None:
    conversation()
    ((module),) = load._modules.values()
    for entry in module.packages["Hello"].table.values():
        assert entry.__module__ == "secpkg_hello.user_mode", entry
        assert not hasattr(entry, "__wrapped__")
