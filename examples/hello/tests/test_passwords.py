"""Hello changes passwords: by ChangeAccountPassword, and by a call of the package from connections of both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import secpkg
from secpkg.accounts.lockout import DEFAULT_POLICY
from secpkg.contract import AscReq, LogonType, SecBuffer, SecurityError, Status
from secpkg.contract.flags import BufferType
from secpkg.sspi import raw
from secpkg.sspi.server import DEFAULT_REQUIREMENTS
from secpkg.testing import FrozenClock, LabAuthority
from secpkg_hello.services import MAX_TEXT, ChangePassword

OLD, NEW = "an old password", "a new password"
WRONG = Status.STATUS_WRONG_PASSWORD


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(1_700_000_000.0)


@pytest.fixture
def lab(clock: FrozenClock) -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=["hello"], clock=clock) as made:
        made.add_user("alice", password=OLD)
        yield made


Change = Callable[..., Status]


@pytest.fixture(params=["sspi", "trusted", "untrusted"])
def change(lab: LabAuthority, request: pytest.FixtureRequest) -> Iterator[Change]:
    """One way to ask for it: (old, new, account, domain) to the status of the service."""

    def by_sspi(old: str, new: str, account: str = "alice", domain: str = "EXAMPLE") -> Status:
        output = [SecBuffer(BufferType.CHANGE_PASS_RESPONSE)]
        return raw.change_account_password("Hello", domain, account, old, new, False, output, authority=lab)

    if request.param == "sspi":
        yield by_sspi
        return
    trusted = request.param == "trusted"
    with secpkg.lsa.register_logon_process("tests", lab) if trusted else secpkg.lsa.connect(lab) as lsa:

        def by_call(old: str, new: str, account: str = "alice", domain: str = "EXAMPLE") -> Status:
            reply = lsa.call_authentication_package("Hello", ChangePassword(domain, account, old, new).pack())
            assert not reply.data
            return reply.protocol_status

        yield by_call


def logs_on(lab: LabAuthority, password: str) -> bool:
    with secpkg.lsa.connect(lab) as lsa:
        try:
            lsa.logon_user("Hello", LogonType.NETWORK, username="alice", password=password).close()
        except SecurityError as refused:
            assert refused.status is Status.STATUS_LOGON_FAILURE
            return False
    return True


def test_the_old_password_is_the_right_to_change_it(lab: LabAuthority, change: Change) -> None:
    assert change(OLD, NEW) is Status.STATUS_SUCCESS
    assert change(OLD, "another password") is WRONG
    assert logs_on(lab, NEW) and not logs_on(lab, OLD)
    assert change(NEW, OLD, "ALICE", "") is Status.STATUS_SUCCESS
    assert logs_on(lab, OLD)


def test_what_is_wrong_and_who_is_unknown_look_alike(lab: LabAuthority, change: Change) -> None:
    """R54, lock 9: a decoy takes the same work, and the same call to the authority audits it."""
    for account, domain in (("alice", "EXAMPLE"), ("nobody", "EXAMPLE"), ("alice", "ELSEWHERE")):
        with lab.lsa_calls() as calls:
            assert change("wrong", NEW, account, domain) is WRONG
        assert [call.function for call in calls] == ["get_auth_data_for_user", "audit_logon"]
    assert logs_on(lab, OLD)


def test_wrong_proofs_count_and_delay_the_right_one(lab: LabAuthority, clock: FrozenClock, change: Change) -> None:
    """Lock 9: nobody learns by changing it what a logon would not tell."""
    for _ in range(DEFAULT_POLICY.threshold):
        assert change("wrong", NEW) is WRONG
    assert change(OLD, NEW) is WRONG, "a delay runs"
    assert not logs_on(lab, OLD)
    clock.advance(DEFAULT_POLICY.max_delay + 1)
    assert change(OLD, NEW) is Status.STATUS_SUCCESS and logs_on(lab, NEW)


def test_a_handshake_during_a_delay_looks_like_a_wrong_password(lab: LabAuthority, clock: FrozenClock) -> None:
    """Lock 9: in its status, and in what the client is told (EXTENDED_ERROR)."""

    def handshake(password: str) -> tuple[Status, bytes | None]:
        client = secpkg.Client("Hello", username="alice", password=password, authority=lab)
        server = secpkg.Server("Hello", requirements=DEFAULT_REQUIREMENTS | AscReq.EXTENDED_ERROR, authority=lab)
        with client, server:
            try:
                server.step(client.step(server.step(client.step())))
            except SecurityError as refused:
                return refused.status, refused.token
            return Status.SEC_E_OK, None

    refusals = {handshake("wrong") for _ in range(DEFAULT_POLICY.threshold)}
    assert refusals == {(Status.SEC_E_LOGON_DENIED, b"e=invalid-proof")}
    assert handshake(OLD) in refusals
    clock.advance(DEFAULT_POLICY.max_delay + 1)
    assert handshake(OLD) == (Status.SEC_E_OK, None)


def test_the_authority_has_the_last_word_on_the_new_one(lab: LabAuthority, change: Change) -> None:
    assert change(OLD, "") is Status.STATUS_PASSWORD_RESTRICTION
    assert change(OLD, "Alice") is Status.STATUS_PASSWORD_RESTRICTION
    assert logs_on(lab, OLD)


def test_an_account_that_nobody_may_use_and_one_that_has_to(lab: LabAuthority, change: Change) -> None:
    with secpkg.lsa.register_logon_process("tests", lab) as operator:
        operator.manage("accounts.disable", name="alice")
        assert change(OLD, NEW) is Status.STATUS_ACCOUNT_RESTRICTION
        assert change("wrong", NEW) is WRONG, "who proves nothing is told nothing"
        operator.manage("accounts.enable", name="alice")
    lab.set_password("alice", OLD, must_change=True)
    assert change(OLD, NEW) is Status.STATUS_SUCCESS and logs_on(lab, NEW)


def test_R77_what_is_no_request_is_not_attempted(lab: LabAuthority) -> None:
    good = ChangePassword("EXAMPLE", "alice", OLD, NEW)
    assert ChangePassword.unpack(good.pack()) == good
    assert OLD not in repr(good) and NEW not in repr(good)
    with secpkg.lsa.connect(lab) as lsa, lab.lsa_calls() as calls:
        for bad in (
            b"",
            b"\0",
            good.pack()[:-1],
            good.pack() + b"\0",
            good.pack().replace(b"ChangePassword", b"ForgetPassword"),
            ChangePassword("EXAMPLE", "x" * (MAX_TEXT + 1), OLD, NEW).pack(),
            bytes(60_000),
        ):
            with pytest.raises(SecurityError) as refused:
                lsa.call_authentication_package("Hello", bad)
            named = Status.STATUS_INVALID_PARAMETER if bad else Status.STATUS_NOT_IMPLEMENTED  # no service is named
            assert refused.value.status is named
    assert not calls and logs_on(lab, OLD)
