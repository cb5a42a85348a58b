"""What the documented floor does beyond legs and messages: tokens to complete, access tokens, impersonation."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sspi import fakes
from tests.sspi.fakes import ALICE, FakeAuthority, install

from secpkg.contract.flags import SECPKG_OPTIONS_TYPE_LSA, SECPKG_OPTIONS_TYPE_SSPI, CredentialUse
from secpkg.contract.status import Status
from secpkg.contract.values import SecBuffer
from secpkg.host.user_mode import providers
from secpkg.ipc import schema
from secpkg.sspi import raw

TOKEN = 2
NOBODY = next((e.pw_uid for e in pwd.getpwall() if e.pw_uid > 0 and e.pw_gid > 0), None)
needs_root = pytest.mark.skipif(os.geteuid() != 0 or NOBODY is None, reason="needs uid 0 and a user")

MORE = """

def complete_auth_token(self, context, token):
    return b"completed " + token

def get_context_token(self, context):
    return TokenReference(b"of the user half")

from secpkg.contract import TokenReference
Tiny.complete_auth_token = complete_auth_token
Tiny.get_context_token = get_context_token
"""


@pytest.fixture
def able(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAuthority]:
    """An authority whose package has these functions in its user half."""
    monkeypatch.setattr(fakes, "USER_HALF", fakes.USER_HALF + MORE)
    yield FakeAuthority(install(tmp_path, monkeypatch))


def accepted(authority: FakeAuthority) -> raw.ContextHandle:
    _, credential, _ = raw.acquire_credentials_handle(
        None, "Tiny", CredentialUse.INBOUND, auth_data=ALICE, authority=authority
    )
    _, context, *_ = raw.accept_security_context(credential, None, [SecBuffer(TOKEN, b"1")], 0)
    status, context, *_ = raw.accept_security_context(None, context, [SecBuffer(TOKEN, b"3")], 0)
    assert status.value >= 0 and context is not None
    return context


@pytest.mark.proves("sspi.CompleteAuthToken", "user_mode.SpCompleteAuthToken")
def test_R189_the_package_completes_the_token_that_is_to_be_sent(able: FakeAuthority) -> None:
    able.final = Status.SEC_I_COMPLETE_NEEDED
    buffer = SecBuffer(TOKEN, b"half")
    assert raw.complete_auth_token(accepted(able), [buffer]) is Status.SEC_E_OK
    assert buffer.data == b"completed half"


def test_R189_without_the_function_or_the_buffer_nothing_is_completed(authority: FakeAuthority) -> None:
    context = accepted(authority)
    buffer = SecBuffer(TOKEN, b"half")
    assert raw.complete_auth_token(context, [buffer]) is Status.SEC_E_UNSUPPORTED_FUNCTION
    assert raw.complete_auth_token(context, [SecBuffer(1, b"")]) is Status.SEC_E_INVALID_TOKEN
    assert raw.complete_auth_token(None, [buffer]) is Status.SEC_E_INVALID_HANDLE
    assert buffer.data == b"half"


@pytest.mark.proves("user_mode.SpGetContextToken")
@pytest.mark.breaks("R166", "secpkg.sspi.operations:own_token")
def test_R166_the_user_half_says_which_access_token_is_the_contexts(able: FakeAuthority) -> None:
    _, token = raw.query_security_context_token(accepted(able))
    assert token is not None
    token.close()
    (redeemed,) = [message for message in able.seen if isinstance(message, schema.RedeemToken)]
    assert redeemed.reference == b"of the user half"


@pytest.mark.proves("sspi.QuerySecurityContextToken")
def test_R202_the_access_token_is_the_callers(authority: FakeAuthority) -> None:
    context = accepted(authority)
    status, token = raw.query_security_context_token(context)
    assert status is Status.SEC_E_OK and token is not None and token.account_name == "alice"
    token.close()
    assert raw.query_security_context_token(None) == (Status.SEC_E_INVALID_HANDLE, None)


@needs_root
@pytest.mark.proves("sspi.ImpersonateSecurityContext", "sspi.RevertSecurityContext")
def test_R200_R201_the_thread_is_the_client_until_it_goes_back(authority: FakeAuthority) -> None:
    authority.posix_uid = NOBODY
    context = accepted(authority)
    seen: list[object] = []

    def work() -> None:
        seen.extend([raw.impersonate_security_context(context), os.geteuid()])
        seen.extend([raw.revert_security_context(context), os.geteuid()])

    # Of this thread alone, which ends whatever it has become.
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert seen == [Status.SEC_E_OK, NOBODY, Status.SEC_E_OK, 0]


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plain SSP that is installed and that nobody uses yet."""
    info = tmp_path / "offered_ssp-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offered-ssp\nVersion: 1.0\n")
    (tmp_path / "offered_ssp.py").write_text(
        "from secpkg.contract import PackageInfo\n"
        "class Plain:\n"
        "    def enumerate_security_packages(self):\n"
        "        return [PackageInfo('Plain', max_token=16)]\n"
    )
    (info / "entry_points.txt").write_text("[secpkg.security_provider]\noffered = offered_ssp:Plain\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "offered"


def names(authority: FakeAuthority) -> list[str]:
    return [info.name for info in raw.enumerate_security_packages(authority)[1]]


@pytest.mark.proves("sspi.AddSecurityPackage", "sspi.DeleteSecurityPackage")
def test_a_plain_ssp_is_added_to_this_process_and_taken_out_again(authority: FakeAuthority, offered: str) -> None:
    options = raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_SSPI)
    assert names(authority) == ["Tiny"]
    assert raw.add_security_package(offered, options) is Status.SEC_E_OK
    assert names(authority) == ["Plain", "Tiny"] and providers.is_added(offered)
    assert raw.delete_security_package(offered) is Status.SEC_E_OK
    assert names(authority) == ["Tiny"] and not providers.is_added(offered)


def test_a_module_is_added_to_the_authority(authority: FakeAuthority) -> None:
    """R8: on a trusted connection; what did not load is taken out again."""
    options = raw.SecurityPackageOptions(SECPKG_OPTIONS_TYPE_LSA)
    assert raw.add_security_package("module", options, authority) is Status.SEC_E_CANNOT_INSTALL
    asked = [message.operation for message in authority.seen if isinstance(message, schema.Manage)]
    assert asked == ["packages.add", "packages.remove"]


@pytest.mark.proves("sspi.InitSecurityInterface")
def test_the_function_table_has_every_function_that_the_module_has(authority: FakeAuthority) -> None:
    status, table = raw.init_security_interface()
    found: Any = table
    assert status is Status.SEC_E_OK
    assert found.enumerate_security_packages(authority)[1] == (authority.info,)
