"""SIDs, names, restrictions and the arithmetic of lockout: the parts that need no store."""

from __future__ import annotations

import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secpkg.accounts import Account, LockoutPolicy, restriction
from secpkg.accounts.lockout import LockoutState, after_failure, waiting
from secpkg.accounts.model import hour_of_week
from secpkg.accounts.names import account_key, name_key, upn_key
from secpkg.accounts.sid import AUTHENTICATED_USERS, BUILTIN_ADMINISTRATORS, EVERYONE, LOCAL_SYSTEM, Sid, domain_sid
from secpkg.contract.status import SecurityError, Status

SUBS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15)


@given(st.integers(0, 2**48 - 1), SUBS)
def test_a_sid_survives_both_forms(authority: int, subs: list[int]) -> None:
    sid = Sid.of(authority, subs)
    assert Sid(str(sid)) == sid == Sid.from_bytes(sid.to_bytes()) == pickle.loads(pickle.dumps(sid))
    assert (sid.authority, sid.sub_authorities, sid.rid) == (authority, tuple(subs), subs[-1])


@given(st.binary(max_size=80))
def test_any_bytes_are_a_sid_with_that_packed_form_or_refused(data: bytes) -> None:
    try:
        sid = Sid.from_bytes(data)
    except SecurityError as error:
        assert error.reason == "sid_malformed"
    else:
        assert sid.to_bytes() == data


@given(st.text(alphabet="S-0123456789xABF\n٣", max_size=40) | st.from_regex(r"S-1-[0-9]{1,11}(-[0-9]{1,11}){0,17}"))
def test_any_text_is_a_canonical_sid_or_refused(text: str) -> None:
    try:
        sid = Sid(text)
    except SecurityError as error:
        assert error.status is Status.STATUS_INVALID_PARAMETER
    else:
        assert Sid.from_bytes(sid.to_bytes()) == text


@pytest.mark.parametrize(
    "text",
    ["", "S-1-5", "s-1-5-18", "S-2-5-18", "S-1-05-18", "S-1-5-018", "S-1-5-18 ", "S-1-5-18\n", "S-1-5--18",
     "S-1-5-4294967296", "S-1-4294967296-1", "S-1-0x000000000005-18", "S-1-5" + "-1" * 16, "S-1-5-٣",
     "S-1-5-1" * 100_000],
)  # fmt: skip
def test_text_that_is_no_canonical_sid(text: str) -> None:
    with pytest.raises(SecurityError):
        Sid(text)


def test_known_packed_forms() -> None:
    """MS-DTYP 2.4.2.2, by hand: authority big-endian, subauthorities little-endian."""
    assert EVERYONE.to_bytes().hex() == "010100000000000100000000"
    assert LOCAL_SYSTEM.to_bytes().hex() == "010100000000000512000000"
    assert BUILTIN_ADMINISTRATORS.to_bytes().hex() == "01020000000000052000000020020000"
    domain = domain_sid(1, 2, 3)
    assert domain.child(500) == "S-1-5-21-1-2-3-500" and domain.child(500).is_child_of(domain)
    assert not AUTHENTICATED_USERS.is_child_of(domain) and not domain.is_child_of(domain)


FORBIDDEN = '"/\\[]:;|=,+*?<>@'


@given(st.text(max_size=300))
def test_a_name_that_is_accepted_has_one_stable_harmless_key(name: str) -> None:
    key = name_key(name)
    assert account_key(account_key(name)) == account_key(name) and len(account_key(name)) <= 256
    if key is None:
        return
    assert name_key(key) == key == name_key(name.swapcase().swapcase() if name.isascii() else name)
    for text in (name, key):
        assert 1 <= len(text) <= 256 and text == text.strip()
        assert not any(c in FORBIDDEN or unicodedata.category(c)[0] == "C" for c in text)


HOSTILE = st.sampled_from(
    "\0\n\x7f\x85\u200b\u200d\u202e\u2028\u2066\ufeff\ue000\ud800\udfff\u3164\u115f\ufe0f\U000e0041\uff0f\uff20\uff3c\uff1a"
)


@given(st.text(alphabet="abcÄß", max_size=5), HOSTILE, st.text(alphabet="abcÄß", max_size=5))
def test_hostile_unicode_is_no_name(before: str, bad: str, after: str) -> None:
    assert name_key(before + bad + after) is None
    assert account_key(before + bad + after).startswith("?")


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=20))
def test_the_fast_path_for_ascii_decides_as_the_slow_one(name: str) -> None:
    from secpkg.accounts.names import _unicode_key

    assert name_key(name) == _unicode_key(name)


def test_names_that_look_alike_to_the_rules_are_the_same() -> None:
    assert name_key("ÅNGSTRÖM") == name_key("A\u030angstro\u0308m") == name_key("\u212bngström")
    assert name_key("ﬁle") == name_key("FILE") and name_key("ΣΑΣ") == name_key("σας")
    assert name_key("\ufdfa" * 200) is None
    assert account_key("a/b") != account_key("a/c") and account_key("\ud800") != account_key("\ud801")
    assert account_key("OTHER\\Zoe") == account_key("other\\zOE") != account_key("other\\yan")
    assert upn_key("Al@Ex.ORG") == "al@ex.org" and upn_key("al") is upn_key("@x") is upn_key("a@b@c") is None


def account(**fields: object) -> Account:
    return Account(**{"name": "a", "sid": domain_sid(1, 2, 3).child(1000), "created_at": 0.0, **fields})  # type: ignore[arg-type]


NOON = 1_700_049_600.0  # Wednesday 2023-11-15 12:00 UTC
HOUR = 1 << (3 * 24 + 12)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, None),
        ({"enabled": False}, Status.STATUS_ACCOUNT_DISABLED),
        ({"locked": True}, Status.STATUS_ACCOUNT_LOCKED_OUT),
        ({"expires_at": NOON}, Status.STATUS_ACCOUNT_EXPIRED),
        ({"expires_at": NOON + 1}, None),
        ({"logon_hours": HOUR}, None),
        ({"logon_hours": ~HOUR & (1 << 168) - 1}, Status.STATUS_INVALID_LOGON_HOURS),
        ({"logon_hours": 0}, Status.STATUS_INVALID_LOGON_HOURS),
        ({"workstations": ("pc1",)}, None),
        ({"workstations": ("PC2", "PC3")}, Status.STATUS_INVALID_WORKSTATION),
        ({"must_change": True}, Status.STATUS_PASSWORD_MUST_CHANGE),
        ({"password_set_at": NOON - 100}, Status.STATUS_PASSWORD_EXPIRED),
        ({"password_set_at": NOON - 99}, None),
        ({"enabled": False, "must_change": True}, Status.STATUS_ACCOUNT_DISABLED),
        ({"must_change": True, "logon_hours": 0}, Status.STATUS_INVALID_LOGON_HOURS),
    ],
)
def test_r53_each_restriction_has_its_substatus(fields: dict[str, object], status: Status | None) -> None:
    assert restriction(account(**fields), NOON, "PC1", max_password_age=100.0) is status


def test_an_unknown_workstation_is_refused_where_workstations_matter() -> None:
    tied = account(workstations=("PC1",))
    assert restriction(tied, NOON) is restriction(tied, NOON, "PC1\0") is Status.STATUS_INVALID_WORKSTATION
    assert restriction(account(), NOON) is None
    with pytest.raises(SecurityError):
        restriction(account(expires_at=1.0), float("nan"))


def test_hours_of_the_week() -> None:
    assert hour_of_week(0.0) == 4 * 24 and hour_of_week(NOON) == 3 * 24 + 12
    assert hour_of_week(NOON - 3.5 * 86400) == 0 and hour_of_week(NOON - 3.5 * 86400 - 0.001) == 167


POLICY = LockoutPolicy()


def test_lock_9_delays_double_up_to_the_longest_and_are_forgotten() -> None:
    now, state, waits = 1000.0, None, []
    for _ in range(15):
        state = after_failure(POLICY, state, now)
        waits.append(waiting(POLICY, state, now))
        now += waits[-1]
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert state is not None and after_failure(POLICY, state, state.last_failure + 899.9).failures == 16
    assert after_failure(POLICY, state, state.last_failure + 900.0).failures == 1


STEPS = st.lists(st.floats(0, 1000), max_size=80)


@given(st.integers(1, 10), STEPS, st.floats(-1e9, 1e9))
def test_lock_9_no_series_of_failures_locks_for_ever(threshold: int, steps: list[float], later: float) -> None:
    policy, now, state = LockoutPolicy(threshold=threshold), 0.0, None
    for step in steps:
        now += step
        running = waiting(policy, state, now)
        state = after_failure(policy, state, now)
        if running:  # a failure during a delay does not stretch it
            assert waiting(policy, state, now) == running
    assert waiting(policy, state, now + 300.0) == 0.0
    assert 0.0 <= waiting(policy, state, now + later) <= 300.0
    assert waiting(policy, state, now - 1e6) == 0.0  # the clock was set back


def test_a_time_that_is_none_is_refused() -> None:
    for call in (waiting, after_failure):
        with pytest.raises(SecurityError):
            call(POLICY, LockoutState(9, 0.0, 5.0), float("nan"))
    for wrong in (
        {"threshold": 0},
        {"base_delay": 0.0},
        {"max_delay": 1000.0},
        {"max_rows": 0},
        {"base_delay": float("nan")},
    ):
        with pytest.raises(SecurityError):
            LockoutPolicy(**wrong)
