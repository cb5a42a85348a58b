"""R244, R245: accounts of another authority, over mutual TLS; and what is done while it cannot be reached.

Alice is of EXAMPLE, and zoe of OTHER (`two`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.authority.subauthentication_packages import Hours
from tests.packages_ntlm.callers import asked, lm20, logon, no_credentials, refused_logon, trusted
from tests.packages_ntlm.test_logon import responses
from tests.packages_ntlm.two import ELSEWHERE, ZOE, Two
from tests.packages_ntlm.world import DENIED, DOMAIN, PASSWORD, WRONG, met, pair, reason_of, records, refusal

from secpkg.authority.subauthentication import FILTERED, Subauthentication
from secpkg.contract import InterfaceVersion, LogonType, ModuleTables, Status, msv1_0
from secpkg.testing import LabAuthority, Pair

pytestmark = pytest.mark.slow  # each takes a while, and there are many

FAILED, NO_SERVERS = Status.STATUS_LOGON_FAILURE, Status.STATUS_NO_LOGON_SERVERS
CHALLENGE = bytes(range(8))
PEOPLE = (LogonType.INTERACTIVE, LogonType.UNLOCK, LogonType.BATCH, LogonType.SERVICE)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path)
    yield made
    made.close()


def test_a_context_of_an_account_elsewhere(two: Two) -> None:
    """The whole exchange, keys and MIC, against a proof that was verified elsewhere; one record on each side."""
    with two.here.lsa_calls() as calls:
        assert met(two.here, **ZOE) == f"{ELSEWHERE}\\zoe"
    assert [call.function for call in calls] == ["call_package_passthrough", "convert_auth_data_to_token"]
    with pair(two.here, **ZOE) as ends:
        token = ends.run().server.access_token
        assert token.account_name == "zoe" and token.user == sid_of(two.there, "zoe")
    (*_, here), (*_, there) = records(two.here, "logon"), records(two.there, "logon")
    assert here.facts["account_name"] == there.facts["account_name"] == "zoe"
    assert (here.facts["domain"], there.facts["domain"]) == (ELSEWHERE, ELSEWHERE)
    assert records(two.there, "passthrough_served")[-1].facts["peer"] == DOMAIN


def sid_of(lab: LabAuthority, name: str) -> str:
    account = lab.embedded.machine.authority.store.find(name)
    assert account is not None
    return str(account.sid)


@pytest.mark.parametrize("domain", [ELSEWHERE, ELSEWHERE.lower()])
def test_a_wrong_password_is_on_the_accounts_record(two: Two, domain: str) -> None:
    for name, reason in (("zoe", "wrong_password"), ("nobody", "unknown_user")):
        status, found = refusal(two.here, username=name, domain=domain, password=WRONG)
        assert (status, found) == (DENIED, "refused_by_account_authority")
        assert reason_of(records(two.there, "audit_logon")[-1]) == reason


def test_the_accounts_authority_delays(two: Two) -> None:
    """Lock 9 where the account is: the right password does not help while it runs, and nobody can tell."""
    for _ in range(12):
        assert refusal(two.here, **ZOE, password=WRONG)[0] is DENIED
    assert refusal(two.here, **ZOE)[0] is DENIED
    assert records(two.there, "logon")[-1].facts["reason"] == "lockout_delay"
    for lab in (two.here, two.there):
        lab.advance(24 * 3600)
    assert met(two.here, **ZOE) == f"{ELSEWHERE}\\zoe"


def test_restrictions_of_the_account_hold_and_are_told_after_a_right_proof_only(two: Two) -> None:
    two.there.update_user("zoe", enabled=False)
    assert refusal(two.here, **ZOE, password=WRONG)[0] is DENIED
    assert refusal(two.here, **ZOE)[0] is Status.STATUS_ACCOUNT_RESTRICTION
    assert records(two.there, "logon")[-1].facts["reason"] == "status_account_disabled"
    with trusted(two.here) as login:
        information = lm20(CHALLENGE, responses("zoe", ELSEWHERE))
        failure = refused_logon(login, logon_type=LogonType.NETWORK, authentication_information=information)
        assert failure.status is Status.STATUS_ACCOUNT_RESTRICTION


def test_the_filter_is_asked_where_the_account_is(two: Two) -> None:
    """R264: not where a user of others is met."""
    filters = []
    for lab in (two.there, two.here):
        hours = Hours()
        filters.append(hours)
        lab.add_module(partial(_module, hours))
        lab.embedded.machine.authority.subauthentication = Subauthentication({0: "Hours"}, FILTERED)
    assert met(two.here, **ZOE) == f"{ELSEWHERE}\\zoe"
    assert [len(hours.asked) for hours in filters] == [1, 0]
    filters[0].status = Status.STATUS_INVALID_LOGON_HOURS
    assert refusal(two.here, **ZOE)[0] is Status.STATUS_INVALID_LOGON_HOURS
    assert refusal(two.here, **ZOE, password=WRONG)[0] is DENIED
    assert len(filters[0].asked) == 2


def _module(package: Hours, version: InterfaceVersion) -> ModuleTables:
    return ModuleTables(InterfaceVersion.V1, (package,))


def test_foreign_principals_are_the_operators_to_allow(tmp_path: Path) -> None:
    made = Two(tmp_path)
    policy = msgspec.structs.replace(made.here.embedded.machine.authority.policy, allow_foreign_principals=False)
    made.here.embedded.machine.authority.policy = policy
    assert refusal(made.here, **ZOE)[1] == "not_an_account"
    made.close()


@pytest.mark.parametrize(("told", "reason"), [("", "domain_sid_unknown"), ("S-1-5-21-1-2-3", "sid_of_another_domain")])
def test_nobody_is_let_in_under_a_sid_that_is_not_of_his_domain(tmp_path: Path, told: str, reason: str) -> None:
    """OTHER's authority speaks for OTHER's accounts: by the SID that the operator was told, and not by its own word."""
    made = Two(tmp_path, theirs=told)
    try:
        status, recorded = refusal(made.here, **ZOE)
        assert (status, recorded) == (Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE, reason)
        with trusted(made.here) as login:
            failure = refused_logon(
                login, logon_type=LogonType.INTERACTIVE, username="zoe", domain=ELSEWHERE, password=PASSWORD
            )
        assert failure.status is Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE
        assert records(made.there, "logon")[-1].facts["account_name"] == "zoe", "over there the proof was right"
    finally:
        made.close()


@pytest.mark.parametrize("kind", PEOPLE)
def test_a_logon_by_password(two: Two, kind: LogonType) -> None:
    """The password goes nowhere: it is the response to a challenge that was made here."""
    with trusted(two.here) as login, logon(login, kind, "zoe", ELSEWHERE) as made:
        info = asked(login, msv1_0.GetUserInfo(made.luid), msv1_0.UserInfo)
        assert (info.user_name, info.logon_domain_name, info.logon_type) == ("zoe", ELSEWHERE, kind)
        with made.session():
            if kind is LogonType.UNLOCK:
                assert no_credentials(two.here)
            else:
                with Pair(two.here, "NTLM") as ends:
                    assert ends.run().server.peer == f"{ELSEWHERE}\\zoe"
        failure = refused_logon(login, logon_type=kind, username="zoe", domain=ELSEWHERE, password=WRONG)
        assert failure.status is FAILED


def test_a_logon_by_challenge_and_response(two: Two) -> None:
    made = responses("zoe", ELSEWHERE)
    with trusted(two.here) as login:
        information = lm20(CHALLENGE, made)
        with login.logon_user("NTLM", LogonType.NETWORK, authentication_information=information) as network:
            profile = msv1_0.Lm20LogonProfile.unpack(network.profile)
            assert (profile.logon_domain_name, profile.user_session_key) == (ELSEWHERE, made.user_session_key)
        wrong = lm20(CHALLENGE[::-1], made)
        assert refused_logon(login, logon_type=LogonType.NETWORK, authentication_information=wrong).status is FAILED


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        ({"user_sid": "alice"}, "account_authority_names_our_account"),
        ({"domain_name": DOMAIN}, "account_authority_of_another_domain"),
        ({"domain_name": "THIRD"}, "account_authority_of_another_domain"),
        ({"user_session_key": bytes(15)}, "account_authority_without_key"),
        ({"account_name": "x" * 513}, "account_authority_malformed"),
        ({"account_name": "zoe\nalice"}, "account_authority_malformed"),
        ({"user_session_key": b""}, "account_authority_without_key"),
    ],
)
def test_an_authority_speaks_for_its_own_domain(
    two: Two, monkeypatch: pytest.MonkeyPatch, forged: dict[str, object], reason: str
) -> None:
    """Who is trusted with his own accounts is not with ours: it could name any of them."""
    if forged.get("user_sid") == "alice":
        forged = {"user_sid": sid_of(two.here, "alice")}
    pack = msv1_0.Structure.pack

    def lying(self: msv1_0.Structure) -> bytes:
        return pack(msgspec.structs.replace(self, **forged))

    monkeypatch.setattr(msv1_0.NetworkValidation, "pack", lying)
    assert refusal(two.here, **ZOE) == (Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE, reason)


def test_an_answer_that_is_none(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msv1_0.NetworkValidation, "pack", lambda _: b"\x93 no")
    status = Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE
    assert refusal(two.here, **ZOE) == (status, "account_authority_malformed")


def test_groups_of_ours_do_not_come_from_elsewhere(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    staff = next(g for g in two.here.embedded.machine.authority.store.groups() if g.name == "staff")
    pack = msv1_0.Structure.pack

    def lying(self: msv1_0.NetworkValidation) -> bytes:
        return pack(msgspec.structs.replace(self, group_sids=(*self.group_sids, str(staff.sid), "S-1-5-32-544")))

    monkeypatch.setattr(msv1_0.NetworkValidation, "pack", lying)
    with pair(two.here, **ZOE) as ends:
        groups = ends.run().server.access_token.groups
    assert any(sid.startswith("S-1-5-21-") for sid in groups)
    assert str(staff.sid) not in groups and "S-1-5-32-544" not in groups


def test_questions_that_are_none(two: Two) -> None:
    """Asked by a logon process in the place of an authority: not attempted at all."""
    good = msv1_0.NetworkValidationRequest(LogonType.NETWORK, ELSEWHERE, "zoe", "", CHALLENGE, b"")
    replace = msgspec.structs.replace
    with trusted(two.there) as login:
        for data, status in (
            (b"", Status.STATUS_INVALID_PARAMETER),
            (msv1_0.EnumerateUsers().pack(), Status.STATUS_INVALID_PARAMETER),
            (replace(good, lm_challenge=b"").pack(), Status.STATUS_INVALID_PARAMETER),
            (replace(good, logon_type=LogonType.NEW_CREDENTIALS).pack(), Status.STATUS_INVALID_PARAMETER),
            (replace(good, logon_domain_name="THIRD").pack(), Status.STATUS_NO_SUCH_DOMAIN),
        ):
            with pytest.raises(Exception) as caught:
                login.call_authentication_package("NTLM", data, domain=ELSEWHERE)
            assert getattr(caught.value, "status", None) is status
        reply = login.call_authentication_package("NTLM", good.pack(), domain=ELSEWHERE)
        assert reply.protocol_status is FAILED and reply.data == b""
