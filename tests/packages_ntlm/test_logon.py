"""The AP half: LsaLogonUser by password and by challenge and response, and what a session is left with."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from tests.packages_ntlm.callers import Untrusted, asked, lm20, logon, no_credentials, refused_logon, trusted
from tests.packages_ntlm.world import DOMAIN, MACHINE, PASSWORD, WRONG, lab_with, reason_of, records

from secpkg import lsa
from secpkg.contract import NEVER, LogonType, Status, msv1_0
from secpkg.lsa.client import Lsa
from secpkg.packages.ntlm.lsa_mode import accounts
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import Credential, legacy
from secpkg.protocols.ntlm.flags import EXTENDED_SESSIONSECURITY
from secpkg.protocols.ntlm.initiator import respond_v2
from secpkg.testing import LabAuthority, Pair

FAILED = Status.STATUS_LOGON_FAILURE
CHALLENGE = bytes(range(8))
KINDS = [
    LogonType.INTERACTIVE,
    LogonType.UNLOCK,
    LogonType.BATCH,
    LogonType.SERVICE,
    LogonType.REMOTE_INTERACTIVE,
    LogonType.NETWORK,
    LogonType.NETWORK_CLEARTEXT,
]
KEEPING = (LogonType.INTERACTIVE, LogonType.BATCH, LogonType.SERVICE, LogonType.REMOTE_INTERACTIVE)


@pytest.fixture
def login(lab: LabAuthority) -> Iterator[Lsa]:
    with trusted(lab) as made:
        yield made


def responses(
    user: str = "alice", domain: str = DOMAIN, password: str = PASSWORD, challenge: bytes = CHALLENGE
) -> msv1_0.ChallengeResponse:
    """What a client elsewhere makes of a challenge."""
    made = respond_v2(Credential.from_password(user, domain, password), challenge, bytes(8), ntlm.filetime(1.7e9))
    return msv1_0.ChallengeResponse(made.nt_response, made.lm_response, user, domain, made.session_base_key)


@pytest.mark.parametrize("kind", KINDS)
def test_by_password(lab: LabAuthority, login: Lsa, kind: LogonType) -> None:
    """Sessions of people and services have a credential for their clients; those of the network have none (lock 3)."""
    with logon(login, kind) as made:
        profile = msv1_0.InteractiveProfile.unpack(made.profile)
        assert (profile.logon_server, profile.kick_off_time) == (MACHINE, NEVER)
        info = asked(login, msv1_0.GetUserInfo(made.luid), msv1_0.UserInfo)
        assert (info.user_name, info.logon_domain_name, info.logon_type) == ("alice", DOMAIN, kind)
        assert asked(login, msv1_0.EnumerateUsers(), msv1_0.EnumeratedUsers).logon_ids == (made.luid,)
        with made.session():
            if kind in KEEPING:
                with Pair(lab, "NTLM") as ends:
                    assert ends.run().server.peer == f"{DOMAIN}\\alice"
            else:
                assert no_credentials(lab)
    assert asked(login, msv1_0.EnumerateUsers(), msv1_0.EnumeratedUsers).logon_ids == ()


@pytest.mark.parametrize(
    ("user", "domain"),
    [
        ("alice", ""),
        ("ALICE", DOMAIN),
        (f"{DOMAIN}\\alice", ""),
        ("alice", MACHINE),
        (".\\alice", ""),
        (f"alice@{DOMAIN}", ""),
    ],
)
def test_the_ways_to_write_a_name(lab: LabAuthority, login: Lsa, user: str, domain: str) -> None:
    with logon(login, user=user, domain=domain) as made, made.session(), Pair(lab, "NTLM") as ends:
        assert ends.run().server.peer == f"{DOMAIN}\\alice"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_is_one_failure_outside(lab: LabAuthority, login: Lsa, kind: LogonType) -> None:
    """R54, and the same calls for everybody; inside it has its name."""
    lab.add_user("bob")
    seen = []
    for user, domain, password, reason in (
        ("alice", "", WRONG, "wrong_password"),
        ("nobody", "", PASSWORD, "unknown_user"),
        ("bob", "", PASSWORD, "no_nt_hash"),
        ("alice", "ELSEWHERE", PASSWORD, "unknown_domain"),
        ("alice", "", "x" * 1024, "wrong_password"),
        ("x" * 600, "ELSEWHERE", PASSWORD, "too_long"),
        ("x" * 600, "", PASSWORD, "unknown_user"),
    ):
        with lab.lsa_calls() as calls:
            failure = refused_logon(login, logon_type=kind, username=user, domain=domain, password=password)
        seen.append([call.function for call in calls])
        assert (failure.status, failure.substatus) == (FAILED, Status.SEC_E_OK)
        assert reason_of(records(lab, "logon")[-1]) == reason, user
    assert seen[0] == seen[1] == seen[2] == ["get_auth_data_for_user"]


def test_passwords_are_compared_in_constant_time_whoever_it_is(
    lab: LabAuthority, login: Lsa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One comparison of two hashes, by what takes the same time for all of them."""
    seen: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        seen.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(accounts, "hmac", SimpleNamespace(compare_digest=compare))
    for user, password in (("alice", PASSWORD), ("alice", WRONG), ("nobody", PASSWORD)):
        seen.clear()
        if (user, password) == ("alice", PASSWORD):
            logon(login).close()
        else:
            refused_logon(login, logon_type=LogonType.INTERACTIVE, username=user, password=password)
        assert seen == [(16, 16)]


def test_types_and_forms_that_are_not_offered(lab: LabAuthority, login: Lsa) -> None:
    """R56, R57."""
    class_ = Status.STATUS_BAD_VALIDATION_CLASS
    for arguments, status in (
        ({"logon_type": LogonType.PROXY, "username": "alice", "password": PASSWORD}, Status.STATUS_INVALID_LOGON_TYPE),
        ({"logon_type": LogonType.INTERACTIVE, "username": "alice"}, class_),
        ({"logon_type": LogonType.INTERACTIVE, "password": PASSWORD}, class_),
        ({"logon_type": LogonType.NETWORK, "authentication_information": b"\x90"}, class_),
        ({"logon_type": LogonType.NETWORK, "authentication_information": msv1_0.EnumerateUsers().pack()}, class_),
        ({"logon_type": LogonType.INTERACTIVE, "authentication_information": lm20(CHALLENGE, responses())}, class_),
        ({"logon_type": LogonType.UNLOCK, "authentication_information": lm20(CHALLENGE, responses())}, class_),
        ({"logon_type": LogonType.NETWORK, "authentication_information": lm20(CHALLENGE[1:], responses())},
         Status.STATUS_INVALID_PARAMETER),
    ):  # fmt: skip
        assert refused_logon(login, **arguments).status is status, arguments


def test_restrictions_of_the_account(lab: LabAuthority, login: Lsa) -> None:
    lab.update_user("alice", expires_at=lab.clock() - 1)
    right = refused_logon(login, logon_type=LogonType.INTERACTIVE, username="alice", password=PASSWORD)
    assert (right.status, right.substatus) == (Status.STATUS_ACCOUNT_RESTRICTION, Status.STATUS_ACCOUNT_EXPIRED)
    wrong = refused_logon(login, logon_type=LogonType.INTERACTIVE, username="alice", password=WRONG)
    assert (wrong.status, wrong.substatus) == (FAILED, Status.SEC_E_OK)
    assert asked(login, msv1_0.EnumerateUsers(), msv1_0.EnumeratedUsers).logon_ids == ()


def test_wrong_passwords_delay_the_next_logon(lab: LabAuthority, login: Lsa) -> None:
    for user in ("alice", f"{DOMAIN}\\ALICE", f"alice@{DOMAIN}", ".\\alice") * 3:
        refused_logon(login, logon_type=LogonType.INTERACTIVE, username=user, password=WRONG)
    failure = refused_logon(login, logon_type=LogonType.INTERACTIVE, username="alice", password=PASSWORD)
    assert failure.status is FAILED and records(lab, "logon")[-1].facts["reason"] == "lockout_delay"


# --- challenge and response ------------------------------------------------------------------------------------------


def test_a_challenge_and_its_response(lab: LabAuthority, login: Lsa) -> None:
    """All three halves in one house: the server's challenge, the responses of a session, the logon."""
    challenge = asked(login, msv1_0.Lm20ChallengeRequest(), msv1_0.Lm20ChallengeResponse).challenge_to_client
    again = asked(login, msv1_0.Lm20ChallengeRequest(), msv1_0.Lm20ChallengeResponse).challenge_to_client
    assert len(challenge) == 8 and challenge != again
    with logon(login) as session:
        made = asked(login, msv1_0.GetChallengeResponse(session.luid, challenge), msv1_0.ChallengeResponse)
    assert (made.user_name, made.logon_domain_name) == ("alice", DOMAIN)
    with login.logon_user("NTLM", LogonType.NETWORK, authentication_information=lm20(challenge, made)) as network:
        profile = msv1_0.Lm20LogonProfile.unpack(network.profile)
        assert profile.user_session_key == made.user_session_key and len(made.user_session_key) == 16
        assert (profile.logon_domain_name, profile.logon_server) == (DOMAIN, MACHINE)
        with network.session():
            assert no_credentials(lab)


def test_responses_that_do_not_hold(lab: LabAuthority, login: Lsa) -> None:
    good = responses()
    for information, reason in (
        (lm20(CHALLENGE[::-1], good), "wrong_password"),
        (lm20(CHALLENGE, responses(password=WRONG)), "wrong_password"),
        (lm20(CHALLENGE, responses(user="nobody")), "unknown_user"),
        (lm20(CHALLENGE, good, user_name="bob"), "unknown_user"),
        (lm20(CHALLENGE, good, logon_domain_name="ELSEWHERE"), "unknown_domain"),
        (lm20(CHALLENGE, good, case_sensitive_challenge_response=b""), "lm_response"),
        (lm20(CHALLENGE, good, case_sensitive_challenge_response=bytes(24)), "ntlm_v1"),
        (lm20(CHALLENGE, good, case_sensitive_challenge_response=b"\x01"), "response_malformed"),
        (lm20(CHALLENGE, good, case_sensitive_challenge_response=bytes(60)), "response_malformed"),
    ):
        failure = refused_logon(login, logon_type=LogonType.NETWORK, authentication_information=information)
        assert failure.status is FAILED
        assert reason_of(records(lab, "logon")[-1]) == reason


def test_every_bit_of_a_response_counts(lab: LabAuthority, login: Lsa) -> None:
    good = responses()
    proof = good.case_sensitive_challenge_response
    for at in range(0, len(proof) * 8, 7):
        bent = bytearray(proof)
        bent[at // 8] ^= 1 << at % 8
        information = lm20(CHALLENGE, good, case_sensitive_challenge_response=bytes(bent))
        failure = refused_logon(login, logon_type=LogonType.NETWORK, authentication_information=information)
        assert failure.status is FAILED
        lab.advance(3600.0)


def test_who_is_not_trusted_answers_a_challenge_of_ours_once(lab: LabAuthority, login: Lsa) -> None:
    """A recorded exchange logs nobody on: neither with a challenge of his own, nor with ours twice, nor another's."""
    recorded = lm20(CHALLENGE, responses())
    kind = LogonType.NETWORK
    with lsa.connect(Untrusted(lab)) as stranger, lsa.connect(Untrusted(lab, 4712)) as other:
        assert refused_logon(stranger, logon_type=kind, authentication_information=recorded).status is FAILED
        assert reason_of(records(lab, "logon")[-1]) == "challenge_not_given"
        challenge = asked(stranger, msv1_0.Lm20ChallengeRequest(), msv1_0.Lm20ChallengeResponse).challenge_to_client
        right = lm20(challenge, responses(challenge=challenge))
        assert refused_logon(other, logon_type=kind, authentication_information=right).status is FAILED
        stranger.logon_user("NTLM", kind, authentication_information=right).close()
        assert refused_logon(stranger, logon_type=kind, authentication_information=right).status is FAILED
        for _ in range(64):
            asked(stranger, msv1_0.Lm20ChallengeRequest(), msv1_0.Lm20ChallengeResponse)
        first = asked(other, msv1_0.Lm20ChallengeRequest(), msv1_0.Lm20ChallengeResponse).challenge_to_client
        for _ in range(64):
            asked(other, msv1_0.Lm20ChallengeRequest(), msv1_0.Lm20ChallengeResponse)
        late = lm20(first, responses(challenge=first))
        assert refused_logon(other, logon_type=kind, authentication_information=late).status is FAILED
    login.logon_user("NTLM", kind, authentication_information=recorded).close()


def test_ntlm_v1_by_response_where_it_is_allowed() -> None:
    hashed, nonce = ntlm.nt_hash(PASSWORD), bytes(range(8, 16))
    with lab_with({"ntlm_v1": True}) as lab, trusted(lab) as login:
        made = legacy.nt_response_v1(hashed, EXTENDED_SESSIONSECURITY, CHALLENGE, nonce)
        plain = legacy.nt_response_v1(hashed, 0, CHALLENGE, nonce)
        for response, lm, good in (
            (made, nonce + bytes(16), True),
            (plain, nonce + bytes(16), False),
            (plain, b"", False),
        ):
            information = msv1_0.Lm20Logon(DOMAIN, "alice", "", CHALLENGE, response, lm).pack()
            if good:
                login.logon_user("NTLM", LogonType.NETWORK, authentication_information=information).close()
            else:
                failure = refused_logon(login, logon_type=LogonType.NETWORK, authentication_information=information)
                assert failure.status is FAILED
