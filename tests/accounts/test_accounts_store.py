"""What every account store does, asked of each kind in the same words."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from secpkg.accounts import AccountStore, LockoutPolicy
from secpkg.accounts.sid import BUILTIN_ADMINISTRATORS, BUILTIN_GUESTS, BUILTIN_USERS, Sid
from secpkg.accounts.store import MAX_PACKAGES, MAX_SUPPLEMENTAL
from secpkg.contract.status import SecurityError, Status

Make = Callable[..., AccountStore]
NOW = 1_700_000_000.0


def refused(status: Status, reason: str, call: Callable[..., object], *args: object, **named: object) -> None:
    with pytest.raises(SecurityError) as caught:
        call(*args, **named)
    assert (caught.value.status, caught.value.reason) == (status, reason)


def invalid(reason: str, call: Callable[..., object], *args: object, **named: object) -> None:
    refused(Status.STATUS_INVALID_PARAMETER, reason, call, *args, **named)


def test_a_new_store_has_its_domain_and_the_builtin_groups(make: Make) -> None:
    store, other = make("EXAMPLE"), make("OTHER")
    assert store.domain_name == "EXAMPLE"
    assert store.domain_sid.startswith("S-1-5-21-") and store.domain_sid != other.domain_sid
    assert {group.sid for group in store.groups()} == {BUILTIN_ADMINISTRATORS, BUILTIN_USERS, BUILTIN_GUESTS}
    assert store.accounts() == ()


def test_an_account_is_found_by_name_sid_and_upn_as_it_was_made(store: AccountStore) -> None:
    staff = store.create_group("Staff")
    made = store.create_user(
        "Alice",
        full_name="Alice Ä.",
        groups=("staff", "USERS", "Staff"),
        posix_uid=1234,
        upn="Alice@Example.org",
        now=NOW,
    )
    assert made.name == "Alice" and made.full_name == "Alice Ä." and made.created_at == NOW
    assert made.posix_uid == 1234 and made.upn == "Alice@Example.org" and made.enabled and not made.locked
    assert {group.sid for group in made.groups} == {staff.sid, BUILTIN_USERS}
    assert made.sid.is_child_of(store.domain_sid)
    for found in (store.find("aLICE"), store.find_by_sid(made.sid), store.find_by_upn("ALICE@EXAMPLE.ORG")):
        assert found == made
    assert store.accounts() == (made,)


def test_names_match_whatever_their_case_and_width(store: AccountStore) -> None:
    made = store.create_user("Straße", now=NOW)
    assert store.find("STRASSE") == store.find("straße") == store.find("\uff33trasse") == made
    invalid("name_taken", store.create_user, "strasse", now=NOW)


def test_looking_for_what_is_no_account_finds_nothing(store: AccountStore) -> None:
    store.create_user("alice", now=NOW)
    for name in ("bob", "", "a/b", "alice\0", "\ud800", "alice\u200b", "x" * 100_000, "alice@example"):
        assert store.find(name) is None
        assert store.auth_record(name, "Hello") == (None, None)
    foreign = Sid("S-1-5-21-1-2-3-1000")
    assert store.find_by_sid(foreign) is None and store.find_by_sid(BUILTIN_USERS) is None
    assert store.find_by_upn("alice") is None and store.find_by_upn("alice@nowhere") is None
    assert store.supplemental(foreign, "Hello") is None


@pytest.mark.parametrize(
    "name", ["", " a", "a ", ".", "a\\b", "a\nb", "a\u202eb", "\uff0f", "x" * 257, "\ud800", "\u3164"]
)
def test_what_is_no_name_is_refused_by_name(store: AccountStore, name: str) -> None:
    for call in (store.create_group, store.delete_user, store.delete_group, store.update):
        invalid("name_invalid", call, name)
    invalid("name_invalid", store.create_user, name, now=NOW)
    invalid("name_invalid", store.create_user, "good", groups=[name], now=NOW)
    assert store.accounts() == ()


def test_users_and_groups_share_one_name_space(store: AccountStore) -> None:
    store.create_user("alice", now=NOW)
    store.create_group("staff")
    invalid("name_taken", store.create_group, "ALICE")
    invalid("name_taken", store.create_user, "STAFF", now=NOW)
    invalid("name_taken", store.create_group, "administrators")


def test_protected_users_is_the_group_that_everybody_means(store: AccountStore) -> None:
    """RID 525, which is never used twice: so it stays."""
    group = store.create_group("Protected Users")
    assert group.sid == store.domain_sid.child(525)
    account = store.create_user("alice", groups=["protected users"], now=NOW)
    assert account.groups == (group,) and account.rid == 1000
    with pytest.raises(SecurityError) as caught:
        store.delete_group("PROTECTED USERS")
    assert caught.value.status is Status.STATUS_ACCESS_DENIED and caught.value.reason == "group_is_builtin"


def test_rids_start_at_1000_and_are_never_used_twice(store: AccountStore) -> None:
    first = store.create_user("a", now=NOW)
    group = store.create_group("g")
    assert (first.rid, group.sid.rid) == (1000, 1001)
    store.delete_user("a")
    store.delete_group("g")
    assert store.create_user("a", now=NOW).rid == 1002


def test_a_refused_creation_leaves_nothing(store: AccountStore) -> None:
    refused(Status.STATUS_OBJECT_NAME_NOT_FOUND, "no_such_group", store.create_user, "a", groups=["none"], now=NOW)
    invalid("posix_uid_invalid", store.create_user, "a", posix_uid=0, now=NOW)
    invalid("groups_invalid", store.create_user, "a", groups="Users", now=NOW)
    invalid("time_invalid", store.create_user, "a", now=float("nan"))
    invalid("supplemental_too_large", store.create_user, "a", supplementals={"P": bytes(MAX_SUPPLEMENTAL + 1)}, now=NOW)
    assert store.accounts() == () and store.find("a") is None
    assert store.create_user("a", now=NOW).rid == 1000


def test_well_known_accounts_get_their_rid_and_stay(store: AccountStore) -> None:
    """R257 needs to know Guest."""
    assert store.create_user("Administrator", now=NOW).rid == 500
    assert store.create_user("Guest", now=NOW).rid == 501
    refused(Status.STATUS_ACCESS_DENIED, "account_is_builtin", store.delete_user, "guest")
    refused(Status.STATUS_ACCESS_DENIED, "group_is_builtin", store.delete_group, "users")
    assert store.update("guest", enabled=False).rid == 501


def test_update_changes_what_is_named_and_nothing_else(store: AccountStore) -> None:
    store.create_group("staff")
    made = store.create_user("alice", full_name="A", groups=["Users"], posix_uid=7, upn="a@b", now=NOW)
    changes: list[tuple[str, object]] = [
        ("full_name", "B"), ("enabled", False), ("locked", True), ("expires_at", NOW + 1.5), ("must_change", True),
        ("logon_hours", (1 << 168) - 2), ("workstations", ("PC1", "PC2")), ("posix_uid", None), ("upn", "c@d"),
    ]  # fmt: skip
    before = made
    for field, value in changes:
        after = store.update("ALICE", **{field: value})  # type: ignore[arg-type]
        assert getattr(after, field) == value != getattr(before, field)
        differing = {name for name in made.__struct_fields__ if getattr(after, name) != getattr(before, name)}
        assert differing == {field} and store.find("alice") == after == store.find_by_sid(made.sid)
        before = after
    after = store.update("alice", groups=["STAFF"], upn=None, expires_at=None, logon_hours=None)
    assert [group.name for group in after.groups] == ["staff"] and store.find("alice") == after
    assert after.upn is None and after.expires_at is None and after.logon_hours is None
    assert store.find_by_upn("a@b") is None and store.find_by_upn("c@d") is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"posix_uid": 0}, "posix_uid_invalid"), ({"posix_uid": -1}, "posix_uid_invalid"),
        ({"posix_uid": 2**32 - 1}, "posix_uid_invalid"), ({"posix_uid": True}, "posix_uid_invalid"),
        ({"logon_hours": 1 << 168}, "logon_hours_invalid"), ({"logon_hours": -1}, "logon_hours_invalid"),
        ({"expires_at": float("nan")}, "time_invalid"), ({"expires_at": float("inf")}, "time_invalid"),
        ({"workstations": ("a\x1fb",)}, "workstations_invalid"), ({"workstations": ["PC"]}, "workstations_invalid"),
        ({"upn": "nobody"}, "upn_invalid"), ({"upn": "a@b@c"}, "upn_invalid"), ({"enabled": "no"}, "flag_invalid"),
        ({"full_name": "a\nb"}, "full_name_invalid"), ({"full_name": "x" * 257}, "full_name_invalid"),
    ],
)  # fmt: skip
def test_an_illegal_change_is_refused_and_changes_nothing(
    store: AccountStore, change: dict[str, object], reason: str
) -> None:
    made = store.create_user("alice", now=NOW)
    invalid(reason, store.update, "alice", **change)
    assert store.find("alice") == made


def test_only_known_fields_change(store: AccountStore) -> None:
    made = store.create_user("alice", now=NOW)
    for field in ("sid", "name", "password_set_at", "colour"):
        with pytest.raises(TypeError, match=field):
            store.update("alice", **{field: "x"})  # type: ignore[arg-type]
    assert store.find("alice") == made


def test_absent_users_and_groups_have_their_documented_status(store: AccountStore) -> None:
    """R256: an absent user is STATUS_NO_SUCH_USER."""
    refused(Status.STATUS_NO_SUCH_USER, "no_such_user", store.delete_user, "nobody")
    refused(Status.STATUS_NO_SUCH_USER, "no_such_user", store.update, "nobody", enabled=False)
    refused(Status.STATUS_OBJECT_NAME_NOT_FOUND, "no_such_group", store.delete_group, "none")
    for sid in (store.domain_sid.child(1000), Sid("S-1-5-21-1-2-3-1000"), BUILTIN_USERS):
        refused(
            Status.STATUS_NO_SUCH_USER, "no_such_user",
            store.set_supplementals, sid, {"P": b"x"}, password_set_at=NOW, must_change=False,
        )  # fmt: skip


def test_two_accounts_cannot_have_one_upn(store: AccountStore) -> None:
    store.create_user("alice", upn="a@example", now=NOW)
    invalid("upn_taken", store.create_user, "bob", upn="A@EXAMPLE", now=NOW)
    assert store.find("bob") is None
    store.create_user("bob", now=NOW)
    invalid("upn_taken", store.update, "bob", upn="a@EXAMPLE")
    store.delete_user("alice")
    assert store.update("bob", upn="a@example") == store.find_by_upn("A@example")


def test_deleting_a_group_ends_its_memberships(store: AccountStore) -> None:
    store.create_group("staff")
    store.create_user("alice", groups=["staff", "Users"], now=NOW)
    store.delete_group("STAFF")
    alice = store.find("alice")
    assert alice is not None and [group.name for group in alice.groups] == ["Users"]


def test_a_change_of_password_replaces_the_verifiers_of_all_packages(store: AccountStore) -> None:
    sid = store.create_user("alice", supplementals={"Old": b"old", "Both": b"old"}, now=NOW).sid
    assert store.supplemental(sid, "Old") == store.supplemental(sid, "Both") == b"old"
    store.set_supplementals(sid, {"Both": b"new", "New": b""}, password_set_at=NOW + 5, must_change=True)
    assert [store.supplemental(sid, package) for package in ("Old", "Both", "New")] == [None, b"new", b""]
    alice = store.find("alice")
    assert alice is not None and alice.password_set_at == NOW + 5 and alice.must_change


def test_a_verifier_goes_with_its_account(store: AccountStore) -> None:
    sid = store.create_user("alice", supplementals={"P": b"secret"}, now=NOW).sid
    store.delete_user("alice")
    assert store.supplemental(sid, "P") is None
    again = store.create_user("alice", now=NOW)
    assert store.auth_record("alice", "P") == (again, None)


def test_auth_record_gives_the_account_and_its_own_verifier(store: AccountStore) -> None:
    alice = store.create_user("Alice", groups=["Users"], supplementals={"P": b"a", "Q": b"q"}, now=NOW)
    bob = store.create_user("bob", supplementals={"P": b"b"}, now=NOW)
    assert store.auth_record("ALICE", "P") == (alice, b"a")
    assert store.auth_record("alice", "Q") == (alice, b"q")
    assert store.auth_record("alice", "R") == (alice, None)
    assert store.auth_record("bob", "P") == (bob, b"b")
    assert store.auth_record("carol", "P") == (None, None)


@pytest.mark.parametrize(
    ("supplementals", "reason"),
    [
        ({"": b""}, "package_name_invalid"),
        ({"x" * 128: b""}, "package_name_invalid"),
        ({"a\nb": b""}, "package_name_invalid"),
        ({"P": bytes(MAX_SUPPLEMENTAL + 1)}, "supplemental_too_large"),
        ({"P": "text"}, "supplemental_too_large"),
        ({f"P{n}": b"" for n in range(MAX_PACKAGES + 1)}, "supplementals_too_many"),
    ],
)
def test_verifiers_have_limits(store: AccountStore, supplementals: dict[str, bytes], reason: str) -> None:
    """R87 for the package's name."""
    sid = store.create_user("alice", supplementals={"P": b"old"}, now=NOW).sid
    invalid(reason, store.set_supplementals, sid, supplementals, password_set_at=NOW, must_change=False)
    assert store.supplemental(sid, "P") == b"old"


def test_failures_open_a_delay_by_account_and_origin_only(make: Make) -> None:
    """Lock 9: nobody can lock others out; a success forgets."""
    store = make(policy=LockoutPolicy(threshold=2, base_delay=10.0))
    store.create_user("alice", now=NOW)
    store.record_failure("Alice", "attacker", NOW)
    assert store.lockout("alice", "attacker", NOW) == 0.0
    store.record_failure("ALICE", "attacker", NOW)
    assert store.lockout("alice", "attacker", NOW) == 10.0
    assert store.lockout("\uff21LICE", "attacker", NOW + 4) == 6.0
    assert store.lockout("alice", "attacker", NOW + 10) == 0.0
    assert store.lockout("alice", "home", NOW) == 0.0 == store.lockout("bob", "attacker", NOW)
    store.record_success("alice", "home")
    assert store.lockout("alice", "attacker", NOW) == 10.0
    store.record_success("alice", "attacker")
    assert store.lockout("alice", "attacker", NOW) == 0.0


@pytest.mark.parametrize("name", ["nobody", "", "a/b", "\ud800", "x" * 100_000, "alice\u200b"])
def test_names_of_nobody_are_delayed_alike(make: Make, name: str) -> None:
    """Lock 9: unknown users take the same path."""
    store = make(policy=LockoutPolicy(threshold=1, base_delay=3.0))
    store.record_failure(name, "o" * 100_000, NOW)
    assert store.lockout(name, "o" * 100_000, NOW) == 3.0
    store.record_success(name, "o" * 100_000)
    assert store.lockout(name, "o" * 100_000, NOW) == 0.0


def test_a_flood_of_names_never_frees_a_running_delay_while_idle_rows_exist(make: Make) -> None:
    store = make(policy=LockoutPolicy(threshold=3, base_delay=100.0, max_rows=20))
    for _ in range(3):
        store.record_failure("victim", "o", NOW)
    for n in range(200):
        store.record_failure(f"flood{n}", "o", NOW + 1 + n / 1000)
    assert store.lockout("victim", "o", NOW + 2) == 98.0


def test_a_full_table_of_running_delays_gives_up_the_one_that_ends_first(make: Make) -> None:
    store = make(policy=LockoutPolicy(threshold=1, base_delay=100.0, max_rows=5))
    for n in range(6):
        store.record_failure(f"n{n}", "o", NOW + n)
    waits = [store.lockout(f"n{n}", "o", NOW + 6) for n in range(6)]
    assert waits == [0.0, 95.0, 96.0, 97.0, 98.0, 99.0]


def test_forgotten_rows_make_room_before_idle_ones(make: Make) -> None:
    store = make(policy=LockoutPolicy(threshold=2, base_delay=100.0, forget_after=400.0, max_rows=2))
    for _ in range(2):
        store.record_failure("old", "o", NOW)
    store.record_failure("idle", "o", NOW + 500)
    store.record_failure("new", "o", NOW + 500)
    store.record_failure("idle", "o", NOW + 500)
    assert store.lockout("idle", "o", NOW + 500) == 100.0


def test_threads_share_a_store(store: AccountStore) -> None:
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for n in range(15):
                made = store.create_user(f"u{worker}-{n}", supplementals={"P": bytes([worker, n])}, now=NOW)
                assert store.auth_record(made.name, "P") == (made, bytes([worker, n]))
                store.record_failure("same", "o", NOW)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({account.sid for account in store.accounts()}) == 60
    # 60 counted failures from one instant: the delay of the fifth, and the next is the longest there is.
    assert store.lockout("same", "o", NOW) == 1.0
    store.record_failure("same", "o", NOW + 1)
    assert store.lockout("same", "o", NOW + 1) == 300.0
