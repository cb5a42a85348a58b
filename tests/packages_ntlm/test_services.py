"""LsaCallAuthenticationPackage, ChangeAccountPassword: what MSV1_0 does for whom, and what it keeps of a password."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.packages_ntlm.callers import Untrusted, logon, no_credentials, told, trusted
from tests.packages_ntlm.world import DOMAIN, MACHINE, PASSWORD, WRONG, met, reason_of, records, refusal

from secpkg import lsa
from secpkg.contract import LogonType, SecurityError, Status, msv1_0
from secpkg.contract.flags import BufferType
from secpkg.contract.values import SecBuffer
from secpkg.lsa.client import Lsa
from secpkg.sspi.raw import change_account_password
from secpkg.testing import LabAuthority, Pair

NEW = "a longer horse"
OK, WRONG_PASSWORD = Status.STATUS_SUCCESS, Status.STATUS_WRONG_PASSWORD
HELD, DENIED = Status.STATUS_PRIVILEGE_NOT_HELD, Status.STATUS_ACCESS_DENIED
NO_SESSION = Status.STATUS_NO_SUCH_LOGON_SESSION


@pytest.fixture
def login(lab: LabAuthority) -> Iterator[Lsa]:
    with trusted(lab) as made:
        yield made


@pytest.fixture
def stranger(lab: LabAuthority) -> Iterator[Lsa]:
    with lsa.connect(Untrusted(lab)) as made:
        yield made


MESSAGES: tuple[msv1_0.Structure, ...] = (
    msv1_0.Lm20ChallengeRequest(),
    msv1_0.GetChallengeResponse(0x1234, bytes(8)),
    msv1_0.EnumerateUsers(),
    msv1_0.GetUserInfo(0x1234),
    msv1_0.ChangePassword(DOMAIN, "alice", WRONG, NEW),
    msv1_0.ChangeCachedPassword(DOMAIN, "alice", NEW, 0x1234),
    msv1_0.GenericPassthrough("ELSEWHERE", "Echo", b"x"),
    msv1_0.CacheLookup("alice", DOMAIN),
    msv1_0.ClearCachedCredentials(),
    msv1_0.SubAuth(7, b"x"),
)


@pytest.mark.parametrize(
    ("message", "to_the_trusted", "to_others"),
    list(
        zip(
            MESSAGES,
            (
                OK,
                Status.SEC_E_NO_CREDENTIALS,
                OK,
                NO_SESSION,
                WRONG_PASSWORD,
                NO_SESSION,
                Status.STATUS_NO_SUCH_DOMAIN,
                Status.STATUS_NO_SUCH_USER,
                OK,
                Status.STATUS_DLL_NOT_FOUND,
            ),
            (OK, DENIED, HELD, DENIED, WRONG_PASSWORD, DENIED, HELD, HELD, HELD, HELD),
            strict=True,
        )
    ),
    ids=[type(message).__name__ for message in MESSAGES],
)
def test_who_may_send_what(
    login: Lsa, stranger: Lsa, message: msv1_0.Structure, to_the_trusted: Status, to_others: Status
) -> None:
    """R75: and none of them does anything for nobody's session, password or domain."""
    assert told(login, message) is to_the_trusted
    assert told(stranger, message) is to_others


def test_what_is_no_message(login: Lsa, stranger: Lsa) -> None:
    """Cut short, made longer, of another structure, with texts that are too long: not attempted at all (R77)."""
    wrong: list[bytes] = [
        b"",
        b"\x00",
        b"\x91" * 2000,
        bytes(msv1_0.MAX_SUBMIT + 1)[: 64 * 1024],
        msv1_0.ChangePassword("d" * 1025, "alice", "a", "b").pack(),
        msv1_0.ChangePassword("", "alice", "a" * 1025, "b").pack(),
        msv1_0.Lm20Logon("", "", "", b"", b"").pack(),
        msv1_0.Lm20ChallengeResponse(bytes(8)).pack(),
    ]
    for message in MESSAGES:
        whole = message.pack()
        wrong += [whole[:-1], whole + b"\x00"]
    for data in wrong:
        for caller in (login, stranger):
            with pytest.raises(SecurityError) as caught:
                caller.call_authentication_package("NTLM", data)
            assert caught.value.status is Status.STATUS_INVALID_PARAMETER, data[:40]


def test_messages_say_no_secret() -> None:
    said = repr(
        [
            *MESSAGES,
            msv1_0.ChallengeResponse(b"hidden", b"hidden", "", "", b"hidden"),
            msv1_0.Lm20Logon("", "", "", b"", b"hidden", b"hidden"),
            msv1_0.NetworkValidation("", "", "", (), b"hidden"),
            msv1_0.NetworkValidationRequest(LogonType.NETWORK, "", "", "", b"", b"hidden", b"hidden"),
        ]
    )
    assert "hidden" not in said and NEW not in said and WRONG not in said


def test_services_for_a_session_are_for_the_trusted(login: Lsa, stranger: Lsa) -> None:
    """Lock 3: a connection to the authority presents no session, so an untrusted one has none to ask for."""
    with logon(stranger) as mine, mine.session():
        for message in (msv1_0.GetUserInfo(mine.luid), msv1_0.GetChallengeResponse(mine.luid, bytes(8))):
            assert told(stranger, message) is DENIED
            assert told(login, message) is OK
        assert told(login, msv1_0.GetChallengeResponse(mine.luid, bytes(7))) is Status.STATUS_INVALID_PARAMETER


# --- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["", DOMAIN, MACHINE])
def test_the_old_password_is_the_right_to_a_new_one(lab: LabAuthority, stranger: Lsa, domain: str) -> None:
    def change(old: str, new: str, name: str = "alice") -> Status:
        return told(stranger, msv1_0.ChangePassword(domain, name, old, new))

    assert change(WRONG, NEW) is change(PASSWORD, NEW, "nobody") is WRONG_PASSWORD
    assert [reason_of(r) for r in records(lab, "audit_logon")] == [
        "change_password_wrong_password",
        "change_password_unknown_user",
    ]
    assert change(PASSWORD, "alice") is Status.STATUS_PASSWORD_RESTRICTION
    assert met(lab) == f"{DOMAIN}\\alice"
    assert change(PASSWORD, NEW) is OK
    assert refusal(lab)[1] == "wrong_password"
    assert met(lab, password=NEW) == f"{DOMAIN}\\alice"


def test_a_password_that_must_be_changed_can_be(lab: LabAuthority, stranger: Lsa) -> None:
    lab.set_password("alice", PASSWORD, must_change=True)
    assert refusal(lab)[0] is Status.STATUS_ACCOUNT_RESTRICTION
    assert told(stranger, msv1_0.ChangePassword("", "alice", PASSWORD, NEW)) is OK
    assert met(lab, password=NEW) == f"{DOMAIN}\\alice"


def test_an_account_that_nobody_may_use_gets_no_password(lab: LabAuthority, stranger: Lsa) -> None:
    """Told to who knows the password, and to nobody else."""
    lab.update_user("alice", enabled=False)
    assert told(stranger, msv1_0.ChangePassword("", "alice", WRONG, NEW)) is WRONG_PASSWORD
    assert told(stranger, msv1_0.ChangePassword("", "alice", PASSWORD, NEW)) is Status.STATUS_ACCOUNT_RESTRICTION
    lab.update_user("alice", enabled=True)
    assert met(lab) == f"{DOMAIN}\\alice"


def test_another_domains_password_is_not_changed_here(stranger: Lsa) -> None:
    assert told(stranger, msv1_0.ChangePassword("ELSEWHERE", "alice", PASSWORD, NEW)) is Status.STATUS_NO_SUCH_DOMAIN


def test_guesses_at_the_old_password_are_delayed(lab: LabAuthority, stranger: Lsa) -> None:
    """Lock 9: and while it runs the right one is as good as a wrong one."""
    for _ in range(12):
        assert told(stranger, msv1_0.ChangePassword("", "alice", WRONG, NEW)) is WRONG_PASSWORD
    assert told(stranger, msv1_0.ChangePassword("", "alice", PASSWORD, NEW)) is WRONG_PASSWORD
    lab.advance(24 * 3600)
    assert told(stranger, msv1_0.ChangePassword("", "alice", PASSWORD, NEW)) is OK


def test_a_change_renews_the_sessions_of_the_user(lab: LabAuthority, login: Lsa) -> None:
    """R115: their clients go on, and others' sessions are left alone."""
    lab.add_user("bob", password=PASSWORD)
    with logon(login) as alice, logon(login, LogonType.NETWORK) as network, logon(login, user="bob") as bob:
        assert told(login, msv1_0.ChangePassword("", "alice", PASSWORD, NEW)) is OK
        for session, name in ((alice, "alice"), (bob, "bob")):
            with session.session(), Pair(lab, "NTLM") as ends:
                assert ends.run().server.peer == f"{DOMAIN}\\{name}"
        with network.session():
            assert no_credentials(lab)


def test_a_cached_password_is_that_of_the_session_alone(lab: LabAuthority, login: Lsa) -> None:
    """MsV1_0ChangeCachedPassword: after a change elsewhere; the account keeps what it has."""
    with logon(login) as session:
        for name, domain in (("bob", DOMAIN), ("alice", "ELSEWHERE"), ("", DOMAIN)):
            assert told(login, msv1_0.ChangeCachedPassword(domain, name, NEW, session.luid)) is NO_SESSION
        assert told(login, msv1_0.ChangeCachedPassword(DOMAIN, "alice", NEW, session.luid)) is OK
        with session.session(), pytest.raises(SecurityError), Pair(lab, "NTLM") as ends:
            ends.run()
        lab.set_password("alice", NEW)
        with session.session(), Pair(lab, "NTLM") as ends:
            assert ends.run().complete


def test_R206_change_account_password_works_for_ntlm(lab: LabAuthority) -> None:
    """By the SSPI function: one buffer for the answer, which has nothing to say."""

    def change(old: str, new: str, *output: SecBuffer) -> Status:
        return change_account_password("NTLM", DOMAIN, "alice", old, new, False, list(output), authority=lab)

    response = SecBuffer(BufferType.CHANGE_PASS_RESPONSE)
    assert change(PASSWORD, NEW) is Status.SEC_E_INVALID_PARAMETER
    assert change(PASSWORD, NEW, response, response) is Status.SEC_E_INVALID_PARAMETER
    assert change(WRONG, NEW, response) is WRONG_PASSWORD
    assert change(PASSWORD, NEW, response) is Status.SEC_E_OK and bytes(response.data) == b""
    assert met(lab, password=NEW) == f"{DOMAIN}\\alice"
