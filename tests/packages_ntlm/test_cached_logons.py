"""R245: what is done while the authority that has the account cannot be reached (`two`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.packages_ntlm.callers import asked, logon, refused_logon, told, trusted
from tests.packages_ntlm.two import ELSEWHERE, ZOE, Two
from tests.packages_ntlm.world import PASSWORD, WRONG, met, reason_of, records, refusal

from secpkg.contract import LogonType, Status, msv1_0

FAILED, NO_SERVERS = Status.STATUS_LOGON_FAILURE, Status.STATUS_NO_LOGON_SERVERS
CHALLENGE = bytes(range(8))
PEOPLE = (LogonType.INTERACTIVE, LogonType.UNLOCK, LogonType.BATCH, LogonType.SERVICE)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path)
    yield made
    made.close()


@pytest.fixture
def caching(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path, cached=2)
    yield made
    made.close()


def test_out_of_reach(two: Two) -> None:
    """No substitute, for anybody."""
    two.part()
    assert refusal(two.here, **ZOE)[0] is NO_SERVERS
    with trusted(two.here) as login:
        for kind in (*PEOPLE, LogonType.NETWORK):
            failure = refused_logon(login, logon_type=kind, username="zoe", domain=ELSEWHERE, password=PASSWORD)
            assert failure.status is NO_SERVERS


def test_a_cached_logon_is_for_people(caching: Two) -> None:
    """R245: who logged on before does so again, with the same password; not over the network, and nobody else."""
    with trusted(caching.here) as login:
        logon(login, LogonType.INTERACTIVE, "zoe", ELSEWHERE).close()
        assert told(login, msv1_0.CacheLookup("ZOE", "other")) is Status.STATUS_SUCCESS
        caching.part()
        for kind in PEOPLE:
            with logon(login, kind, "zoe", ELSEWHERE) as made:
                assert asked(login, msv1_0.GetUserInfo(made.luid), msv1_0.UserInfo).user_name == "zoe"
            failure = refused_logon(login, logon_type=kind, username="zoe", domain=ELSEWHERE, password=WRONG)
            assert failure.status is FAILED
            assert reason_of(records(caching.here, "logon")[-1]) == "cached_logon_wrong_password"
        for kind, name in ((LogonType.NETWORK, "zoe"), (LogonType.NETWORK_CLEARTEXT, "zoe"), (LogonType.BATCH, "bob")):
            failure = refused_logon(login, logon_type=kind, username=name, domain=ELSEWHERE, password=PASSWORD)
            assert failure.status is NO_SERVERS
        assert refusal(caching.here, **ZOE)[0] is NO_SERVERS
        assert told(login, msv1_0.ClearCachedCredentials()) is Status.STATUS_SUCCESS
        assert told(login, msv1_0.CacheLookup("zoe", ELSEWHERE)) is Status.STATUS_NO_SUCH_USER
        failure = refused_logon(
            login, logon_type=LogonType.INTERACTIVE, username="zoe", domain=ELSEWHERE, password=PASSWORD
        )
        assert failure.status is NO_SERVERS


def test_logons_over_the_network_are_not_cached(caching: Two) -> None:
    with trusted(caching.here) as login:
        for kind in (LogonType.NETWORK, LogonType.NETWORK_CLEARTEXT):
            logon(login, kind, "zoe", ELSEWHERE).close()
        met(caching.here, **ZOE)
        assert told(login, msv1_0.CacheLookup("zoe", ELSEWHERE)) is Status.STATUS_NO_SUCH_USER


def test_the_oldest_goes(caching: Two) -> None:
    """As many as `cached_logons` says, and what is kept is the last password."""
    for name in ("yan", "xi"):
        caching.there.add_user(name, password=PASSWORD)
    with trusted(caching.here) as login:
        for name in ("zoe", "yan", "xi"):
            logon(login, LogonType.INTERACTIVE, name, ELSEWHERE).close()
        found = [told(login, msv1_0.CacheLookup(name, ELSEWHERE)) for name in ("zoe", "yan", "xi")]
        assert found == [Status.STATUS_NO_SUCH_USER, Status.STATUS_SUCCESS, Status.STATUS_SUCCESS]
        with logon(login, LogonType.INTERACTIVE, "xi", ELSEWHERE) as made:
            assert told(login, msv1_0.ChangeCachedPassword(ELSEWHERE, "xi", WRONG, made.luid)) is Status.STATUS_SUCCESS
        caching.part()
        logon(login, LogonType.INTERACTIVE, "xi", ELSEWHERE, WRONG).close()
        failure = refused_logon(
            login, logon_type=LogonType.INTERACTIVE, username="xi", domain=ELSEWHERE, password=PASSWORD
        )
        assert failure.status is FAILED


def test_guesses_at_a_cached_logon_are_delayed(caching: Two) -> None:
    """Lock 9, with nobody else to count: however the name is written."""

    def refused_by(name: str, domain: str, password: str) -> str:
        failure = refused_logon(
            login, logon_type=LogonType.INTERACTIVE, username=name, domain=domain, password=password
        )
        assert failure.status is FAILED
        record = records(caching.here, "logon")[-1]
        return str(record.facts["reason"])

    with trusted(caching.here) as login:
        logon(login, LogonType.INTERACTIVE, "zoe", ELSEWHERE).close()
        caching.part()
        for name, domain in (("zoe", ELSEWHERE), ("ZOE", "other"), ("Other\\Zoe", "")) * 4:
            assert refused_by(name, domain, WRONG) == "refused_by_package"
        assert refused_by("zoe", ELSEWHERE, PASSWORD) == "lockout_delay"
        caching.here.advance(24 * 3600)
        logon(login, LogonType.INTERACTIVE, "zoe", ELSEWHERE).close()
