"""Curfew beside Hello: who may log on when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import secpkg
from secpkg.contract import LogonType, SecurityError, Status
from secpkg.lsa import Lsa
from secpkg.testing import FrozenClock, LabAuthority
from secpkg_curfew import LIMIT, Rule

HOUR = 3600.0


@pytest.fixture
def clock() -> FrozenClock:
    clock = FrozenClock(1_699_920_000.0)  # midnight, UTC
    assert clock.now % 86_400 == 0
    return clock


@pytest.fixture
def lsa(clock: FrozenClock) -> Iterator[Lsa]:
    with LabAuthority(domain="EXAMPLE", modules=["hello", "curfew"], clock=clock) as lab:
        for name in ("alice", "bob", "carol"):
            lab.add_user(name, password=f"password of {name}")
        with secpkg.lsa.register_logon_process("curfew tests", authority=lab) as connected:
            yield connected


def ask(lsa: Lsa, text: str) -> tuple[Status, str]:
    reply = lsa.call_authentication_package("Curfew", text.encode())
    return reply.protocol_status, reply.data.decode()


def may_log_on(lsa: Lsa, name: str) -> bool:
    try:
        logon = lsa.logon_user("Hello", LogonType.INTERACTIVE, username=name, password=f"password of {name}")
    except SecurityError as refused:
        assert (refused.status, refused.substatus) == (Status.STATUS_LOGON_FAILURE, Status.STATUS_SUCCESS)
        return False
    logon.close()
    return True


def test_members_of_a_group_log_on_within_its_hours(lsa: Lsa, clock: FrozenClock) -> None:
    assert ask(lsa, "allow day 08-18 alice BOB") == (Status.STATUS_SUCCESS, "")
    assert ask(lsa, "allow night 22-06 bob") == (Status.STATUS_SUCCESS, "")
    allowed = {}
    for hour in (3, 7, 8, 17, 18, 23):
        clock.now = 1_699_920_000.0 + hour * HOUR
        allowed[hour] = "".join(name[0] for name in ("alice", "bob", "carol") if may_log_on(lsa, name))
    assert allowed == {3: "bc", 7: "c", 8: "abc", 17: "abc", 18: "c", 23: "bc"}


def test_a_refused_hour_and_a_wrong_password_look_alike_and_a_forgotten_group_binds_nobody(lsa: Lsa) -> None:
    ask(lsa, "allow day 08-18 alice")
    assert not may_log_on(lsa, "alice")
    with pytest.raises(SecurityError) as wrong:
        lsa.logon_user("Hello", LogonType.INTERACTIVE, username="carol", password="not hers")
    assert wrong.value.status is Status.STATUS_LOGON_FAILURE
    assert ask(lsa, "rules") == (Status.STATUS_SUCCESS, "day 08-18 1")
    assert ask(lsa, "forget day") == (Status.STATUS_SUCCESS, "")
    assert may_log_on(lsa, "alice")


@pytest.mark.parametrize(
    "text", ["", "allow", "allow day 08-25 alice", "allow day 8-18 alice", "allow day 08-18", "forget"]
)
def test_what_is_no_rule_is_refused_and_changes_nothing(lsa: Lsa, text: str) -> None:
    assert ask(lsa, text) == (Status.STATUS_INVALID_PARAMETER, "")
    assert ask(lsa, "rules") == (Status.STATUS_SUCCESS, "")


def test_there_is_room_for_so_many_groups(lsa: Lsa) -> None:
    for number in range(LIMIT):
        assert ask(lsa, f"allow g{number} 00-24 alice")[0] is Status.STATUS_SUCCESS
    assert ask(lsa, "allow another 00-24 alice")[0] is Status.STATUS_QUOTA_EXCEEDED
    assert ask(lsa, "allow g0 00-24 bob")[0] is Status.STATUS_SUCCESS


def test_a_rule_may_go_over_midnight() -> None:
    night = Rule(22, 6, frozenset())
    assert [hour for hour in range(24) if night.open_at(hour)] == [0, 1, 2, 3, 4, 5, 22, 23]
