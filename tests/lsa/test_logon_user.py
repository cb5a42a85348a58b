"""LogonUser and its longer forms, and the Windows errors that they end with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.lsa.passwords import PASSWORD, PROFILE, Passwords, charged, passwords_lab

import secpkg
from secpkg.authority.policy import Policy
from secpkg.contract import LogonType, Status
from secpkg.contract.values import QuotaLimits
from secpkg.lsa import raw
from secpkg.lsa.win_errors import WIN_ERRORS
from secpkg.testing import LabAuthority

INVALID_PARAMETER, INVALID_LOGON_TYPE, LOGON_FAILURE, NO_SUCH_PACKAGE = 87, 1367, 1326, 1364
PRIVILEGE_NOT_HELD, ACCOUNT_DISABLED, INVALID_HANDLE, NO_SUCH_LOGON_SESSION = 1314, 1331, 6, 1312
QUOTAS = QuotaLimits(pagefile_limit=1 << 30)
DEFAULT, WINNT40, WINNT50 = 0, 2, 3
EXTRA = "S-1-5-21-1-2-3-4"


@pytest.fixture
def package() -> Passwords:
    return Passwords()


@pytest.fixture
def lab(package: Passwords) -> Iterator[LabAuthority]:
    policy = Policy(process_quotas=QUOTAS, logon_providers={3: "Passwords", 2: "Absent"})
    with passwords_lab(package, policy=policy) as lab:
        yield lab


@pytest.mark.proves("lsa_logon.LogonUser")
@pytest.mark.parametrize("kind", [2, 3, 4, 5, 7, 8])
def test_a_name_and_a_password_give_a_token(package: Passwords, lab: LabAuthority, kind: int) -> None:
    before = charged(lab)
    done, error, token = raw.logon_user_w("alice", ".", PASSWORD, kind, authority=lab)
    assert (done, error) == (True, 0) and token is not None
    assert (token.account_name, token.domain_name) == ("alice", "EXAMPLE")
    assert token.primary is (kind not in (LogonType.NETWORK, LogonType.NETWORK_CLEARTEXT))
    assert (package.requests[0].domain, package.requests[0].logon_type) == ("EXAMPLE", kind)
    assert charged(lab) == before, "LogonUser returns no profile, and keeps none"
    token.close()


@pytest.mark.proves("lsa_logon.LogonUserEx")
def test_R65_the_longer_form_gives_sid_profile_and_quotas(lab: LabAuthority) -> None:
    account = lab.embedded.machine.authority.store.find("alice")
    assert account is not None
    before = charged(lab)
    for kind, quotas in ((LogonType.INTERACTIVE, QUOTAS), (LogonType.NETWORK, None)):
        done, error, made = raw.logon_user_ex("alice", "EXAMPLE", PASSWORD, kind, authority=lab)
        assert (done, error) == (True, 0) and made is not None
        assert (made.logon_sid, made.profile_buffer, made.quota_limits) == (str(account.sid), PROFILE, quotas)
        assert charged(lab) > before
        assert raw.free_return_buffer(made.profile_buffer) is Status.STATUS_SUCCESS
        assert charged(lab) == before
        made.token.close()


@pytest.mark.proves("lsa_logon.LogonUserExExW")
@pytest.mark.breaks("R66", "secpkg.authority.logon_grant:require_tcb")
def test_R66_token_groups_need_the_privilege(lab: LabAuthority) -> None:
    """R67."""
    done, error, made = raw.logon_user_ex_ex_w("alice", ".", PASSWORD, 2, DEFAULT, [EXTRA], authority=lab)
    assert (done, error) == (True, 0) and made is not None and EXTRA in made.token.groups
    assert made.profile_buffer == PROFILE
    connections = lab.embedded.machine.authority.connections
    held = len(connections)
    made.token.close()
    assert len(connections) == held - 1, "the connection that was made for it"
    assert raw.free_return_buffer(made.profile_buffer) is Status.STATUS_SUCCESS
    with secpkg.lsa.connect(lab) as untrusted:
        outcome = raw.logon_user_ex_ex_w("alice", ".", PASSWORD, 2, DEFAULT, [EXTRA], authority=untrusted)
        assert outcome == (False, PRIVILEGE_NOT_HELD, None)
        done, _, made = raw.logon_user_ex_ex_w("alice", ".", PASSWORD, 2, authority=untrusted)
        assert done and made is not None and EXTRA not in made.token.groups
        made.token.close()
    assert raw.logon_user_ex_ex_w("alice", ".", PASSWORD, 2, DEFAULT, ["alice"], authority=lab)[1] == INVALID_PARAMETER
    assert len(connections) == held - 1, "also after a refusal"


def test_token_groups_without_the_privilege_end_before_anyone_is_asked(
    package: Passwords, lab: LabAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    from secpkg.contract import SecurityError
    from secpkg.lsa import client

    def refuses(name: str, authority: object = None) -> secpkg.lsa.Lsa:
        raise SecurityError(Status.STATUS_PORT_CONNECTION_REFUSED)

    monkeypatch.setattr(client, "register_logon_process", refuses)
    outcome = raw.logon_user_ex_ex_w("alice", ".", PASSWORD, 2, DEFAULT, [EXTRA], authority=lab)
    assert outcome == (False, PRIVILEGE_NOT_HELD, None) and package.requests == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("alice", None, PASSWORD, 2), INVALID_PARAMETER),  # a name without domain is a UPN
        (("alice@example", "EXAMPLE", PASSWORD, 2), INVALID_PARAMETER),  # and a UPN has none
        (("", ".", PASSWORD, 2), INVALID_PARAMETER),
        ((b"alice", ".", PASSWORD, 2), INVALID_PARAMETER),
        (("alice", ".", 7, 2), INVALID_PARAMETER),
        (("alice", ".", PASSWORD, "2"), INVALID_PARAMETER),
        (("alice", ".", PASSWORD, 6), INVALID_LOGON_TYPE),
        (("alice", ".", PASSWORD, 10), INVALID_LOGON_TYPE),
        (("alice", ".", PASSWORD, 9, DEFAULT), INVALID_LOGON_TYPE),  # new credentials: WINNT50 only
        (("alice", ".", PASSWORD, 2, 77), INVALID_PARAMETER),
        (("alice", ".", PASSWORD, 2, WINNT40), NO_SUCH_PACKAGE),
        (("alice", ".", "wrong", 2), LOGON_FAILURE),
        (("nobody", ".", PASSWORD, 2), LOGON_FAILURE),
        (("bob", ".", PASSWORD, 2), ACCOUNT_DISABLED),  # the substatus: the status would say less
    ],
)
def test_R53_what_is_refused_ends_with_its_windows_error(
    lab: LabAuthority, arguments: tuple[object, ...], error: int
) -> None:
    lab.add_user("bob")
    lab.embedded.machine.authority.store.update("bob", enabled=False)
    for function in (raw.logon_user_w, raw.logon_user_ex, raw.logon_user_ex_ex_w):
        assert function(*arguments, authority=lab) == (False, error, None)  # type: ignore[arg-type]
    assert not lab.embedded.machine.authority.sessions


def test_a_upn_needs_no_domain(package: Passwords, lab: LabAuthority) -> None:
    lab.embedded.machine.authority.store.update("alice", upn="alice@corp.test")
    done, _, token = raw.logon_user_w("alice@corp.test", None, PASSWORD, 3, WINNT50, authority=lab)
    assert done and token is not None and token.account_name == "alice" and package.requests[0].domain == ""
    token.close()


def test_new_credentials_are_given_to_a_copy_of_the_callers_token(package: Passwords, lab: LabAuthority) -> None:
    assert raw.logon_user_w("svc", "ELSEWHERE", "there", 9, WINNT50, authority=lab)[1] == NO_SUCH_LOGON_SESSION
    with secpkg.lsa.connect(lab) as lsa:
        own = lsa.logon_user("Passwords", LogonType.INTERACTIVE, username="alice", password=PASSWORD)
        with own.session():
            done, error, made = raw.logon_user_ex("svc", "ELSEWHERE", "there", 9, WINNT50)
        assert (done, error) == (True, 0) and made is not None
        token = made.token
        assert (token.account_name, token.user) == ("alice", own.access_token.user)
        assert token.logon_id != own.luid and token.primary
        told = package.accepted[-1]
        assert (told.logon_id, told.downlevel_name, told.domain_name) == (token.logon_id, "svc", "ELSEWHERE")
        assert told.password == "there"
        token.close()
        own.close()


def test_the_standard_provider_is_the_only_package_or_the_one_that_is_named() -> None:
    with passwords_lab(Passwords("One"), Passwords("Two")) as lab:
        assert raw.logon_user_w("alice", ".", PASSWORD, 3, authority=lab)[1] == NO_SUCH_PACKAGE
    one, two = Passwords("One"), Passwords("Two")
    with passwords_lab(one, two, policy=Policy(logon_providers={0: "Two"})) as lab:
        done, _, token = raw.logon_user_w("alice", ".", PASSWORD, 3, authority=lab)
        assert done and token is not None and (len(one.requests), len(two.requests)) == (0, 1)
        token.close()


def test_a_handle_that_has_ended(lab: LabAuthority) -> None:
    lsa = secpkg.lsa.connect(lab)
    lsa.close()
    assert raw.logon_user_w("alice", ".", PASSWORD, 3, authority=lsa) == (False, INVALID_HANDLE, None)
    assert raw.logon_user_w("alice", ".", PASSWORD, 3, authority=7)[0] is False


@pytest.mark.proves("lsa_logon.LsaNtStatusToWinError")
def test_every_nt_status_has_its_windows_error_or_says_that_it_has_none() -> None:
    assert raw.nt_status_to_win_error(Status.STATUS_SUCCESS) == 0
    assert raw.nt_status_to_win_error(0xC000006D) == raw.nt_status_to_win_error(0xC000006D - (1 << 32)) == 1326
    assert raw.nt_status_to_win_error(Status.STATUS_ACCOUNT_DISABLED) == 1331
    for absent in (0xDEADBEEF, Status.SEC_E_INVALID_TOKEN, Status.STATUS_NO_SECURITY_CONTEXT, "0", None):
        assert raw.nt_status_to_win_error(absent) == 317, absent  # type: ignore[arg-type]
    named = {s for s in Status if s.native.startswith("STATUS_")}
    assert named - set(WIN_ERRORS) == {Status.STATUS_NO_SECURITY_CONTEXT}
    assert all(error for status, error in WIN_ERRORS.items() if status is not Status.STATUS_SUCCESS)
