"""Requests after the logon, packages that call packages, new credentials, new passwords, the operator's accounts."""

from __future__ import annotations

import pytest
from tests.authority.world import NOW, PASSWORD, ROOT, USER, World, raising

from secpkg.authority.accounts_admin import AccountsAdmin
from secpkg.authority.calls import MAX_RETURN_BUFFER, MAX_SUBMIT_BUFFER
from secpkg.authority.functions import LSA_FUNCTIONS, WAITING
from secpkg.authority.passwords import require_password
from secpkg.authority.policy import Policy
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.flags import LogonType, PrimaryCredentialFlag
from secpkg.contract.reference import member_names
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PrimaryCredential, ProtocolReply, SupplementalCredential


def failure(world: World, coroutine: object) -> tuple[Status, str]:
    with pytest.raises(SecurityError) as caught:
        world.run(coroutine)  # type: ignore[arg-type]
    return caught.value.status, caught.value.reason


# --- LsaCallAuthenticationPackage and CallPackage --------------------------------------------------------------------


def test_the_connection_decides_which_function_is_called_R75(world: World) -> None:
    package = world.add_package(
        "Hello",
        call_package=lambda t, b: ProtocolReply(b"trusted " + b),
        call_package_untrusted=lambda t, b: ProtocolReply(b"untrusted " + b, Status.STATUS_NO_SUCH_USER),
    )
    trusted = world.lsa.connections.open(ROOT, "login")
    assert world.run(world.lsa.call_authentication_package(trusted, package, b"x")).data == b"trusted x"
    for caller in (USER, ROOT):
        reply = world.run(world.lsa.call_authentication_package(world.connect(caller), package, b"x"))
        assert reply == ProtocolReply(b"untrusted x", Status.STATUS_NO_SUCH_USER), "R77"
    assert world.lsa.quotas.taken(1000, "bytes") == 0


def test_calls_that_reach_no_package_or_come_back_wrong_R68() -> None:
    world = World(Policy(bytes_per_uid=2 * MAX_RETURN_BUFFER))
    answers: list[object] = [b"bytes", ProtocolReply(bytes(MAX_RETURN_BUFFER + 1))]
    package = world.add_package("Hello", call_package_untrusted=lambda t, b: answers.pop(0))
    mute = world.add_package("Mute")
    connection = world.connect()

    def call(package_id: int, data: bytes = b"") -> Status:
        return failure(world, world.lsa.call_authentication_package(connection, package_id, data))[0]

    assert call(99) == Status.STATUS_NO_SUCH_PACKAGE
    assert call(mute) == Status.STATUS_NOT_IMPLEMENTED
    assert call(package, bytes(MAX_SUBMIT_BUFFER + 1)) == Status.STATUS_INVALID_PARAMETER
    assert call(package) == Status.STATUS_INTERNAL_ERROR
    assert call(package) == Status.STATUS_QUOTA_EXCEEDED
    world.scripts[package]["call_package_untrusted"] = raising(SecurityError(Status.STATUS_NO_MEMORY, reason="inside"))
    with pytest.raises(SecurityError) as caught:
        world.run(world.lsa.call_authentication_package(connection, package, b""))
    assert (caught.value.status, caught.value.reason) == (Status.STATUS_NO_MEMORY, "")
    world.lsa.connections.charge(connection, MAX_RETURN_BUFFER + 1)
    assert call(package) == Status.STATUS_QUOTA_EXCEEDED


def test_one_package_calls_another_by_name_for_the_same_client_R88_R89(world: World) -> None:
    world.add_package(
        "Target",
        call_package=lambda t, b: ProtocolReply(b),
        call_package_passthrough=lambda t, b: ProtocolReply(b[::-1]),
    )
    connection = world.connect()
    origin = world.origin(world.add_package("Caller"), connection)

    def call(name: str, *arguments: object) -> object:
        assert name in WAITING
        return world.lsa.lsa_function(origin, name, arguments)

    assert world.run(call("call_package", "TARGET", b"ab")) == ProtocolReply(b"ab")  # type: ignore[arg-type]
    assert world.run(call("call_package_passthrough", "target", 0, b"ab")) == ProtocolReply(b"ba")  # type: ignore[arg-type]
    assert world.targets[0].origin.connection is connection and world.targets[0].caller == USER
    assert failure(world, call("call_package", "nobody", b""))[0] == Status.STATUS_NO_SUCH_PACKAGE
    world.run(call("call_package_passthrough", "target", 4, b"ab"))  # type: ignore[arg-type]
    assert world.targets[-1].client_buffer_base == 4, "neither examined nor changed (R89)"
    world.packages.set_state(1, "quarantined")
    assert failure(world, call("call_package", "target", b""))[1] == "package_quarantined"


def test_packages_do_not_call_in_circles_for_ever(world: World) -> None:
    def again(target: PackageTarget, submit_buffer: bytes) -> object:
        return world.run(world.lsa.lsa_function(target.origin, "call_package", ("Self", submit_buffer)))  # type: ignore[arg-type]

    origin = world.origin(world.add_package("Self", call_package=again))
    coroutine = world.lsa.lsa_function(origin, "call_package", ("Self", b""))
    assert failure(world, coroutine)[1] == "packages_call_in_circles" and len(world.calls) == 4


def test_every_offered_function_is_a_documented_one() -> None:
    assert set(LSA_FUNCTIONS) <= set(member_names("lsa_secpkg"))
    assert {
        "call_package",
        "call_package_ex",
        "call_package_passthrough",
        "create_token_ex",
        "update_credentials",
    } == WAITING


# --- UpdateCredentials -----------------------------------------------------------------------------------------------


@pytest.mark.proves("lsa_secpkg.UpdateCredentials")
@pytest.mark.breaks("R72", "secpkg.authority.functions.packages:update_credentials")
def test_update_credentials_tells_every_package_again_R72(world: World) -> None:
    world.add_user()
    given: list[tuple[object, ...]] = []
    hello = world.add_hello(accept_credentials=lambda t, *a: given.append(a))
    world.add_package("Other", accept_credentials=lambda t, *a: given.append(a))
    logon = world.logon(world.connect(), hello)
    given.clear()
    clear = PrimaryCredentialFlag.CLEAR_PASSWORD
    lies = PrimaryCredential(logon.logon_id, "root", "LIES", "S-1-5-18", password="new", flags=clear)
    update = (lies, (SupplementalCredential("Other", b"o"),))
    world.run(world.lsa.lsa_function(world.origin(hello), "update_credentials", update))  # type: ignore[arg-type]
    (_, name, first, own), (_, _, second, others) = given
    assert isinstance(first, PrimaryCredential) and isinstance(second, PrimaryCredential)
    assert name == first.downlevel_name == "alice" and first.domain_name == "EXAMPLE" and first.user_sid != "S-1-5-18"
    assert (first.password, second.password, own) == ("new", None, None)
    assert first.flags == PrimaryCredentialFlag.CLEAR_PASSWORD | PrimaryCredentialFlag.UPDATE
    assert second.flags == PrimaryCredentialFlag.UPDATE and others == SupplementalCredential("Other", b"o")
    assert world.records("update_credentials")[0].facts["account_name"] == "alice"


def test_update_credentials_is_for_sessions_that_carry_credentials_and_are_known_lock3(world: World) -> None:
    world.add_user()
    hello, stranger = world.add_hello(), world.add_package("Stranger")
    connection = world.connect()
    network = world.logon(connection, hello, logon_type=LogonType.NETWORK).logon_id

    def update(origin: Origin, logon_id: int, *more: object) -> Status:
        arguments = (PrimaryCredential(logon_id, "", ""), *more)
        return failure(world, world.lsa.lsa_function(origin, "update_credentials", arguments))[0]

    world.lsa.lsa_function(world.origin(hello), "create_logon_session", (4711 << 8,))
    for logon_id in (0, 5, 4711 << 8):
        assert update(world.origin(hello), logon_id) == Status.STATUS_NO_SUCH_LOGON_SESSION
    assert update(world.origin(stranger), network) == Status.STATUS_NO_SUCH_LOGON_SESSION
    assert update(world.origin(hello), network) == Status.STATUS_BAD_LOGON_SESSION_STATE
    interactive = world.logon(connection, hello).logon_id
    too_large = (SupplementalCredential("x", bytes(65537)),)
    assert update(world.origin(hello), interactive, too_large) == Status.STATUS_INVALID_PARAMETER


def test_a_package_that_fails_unforeseen_fails_alone(world: World) -> None:
    def fails(*_: object) -> object:
        raise ZeroDivisionError

    world.add_user()
    hello = world.add_hello(accept_credentials=fails, logon_terminated=fails)
    world.add_package("Other", accept_credentials=lambda *_: None, logon_terminated=lambda *_: None)
    connection = world.connect()
    world.logon(connection, hello)
    world.lsa.connections.close(connection)
    assert [name for name, *_ in world.calls] == ["Hello"] + ["Hello", "Other"] * 2
    reasons = {r.claimed["reason"] for r in world.records() if r.event != "logon"}
    assert reasons == {"host_raised_ZeroDivisionError"}


def test_what_cannot_be_recorded_at_the_end_of_a_session_ends_it_all_the_same(world: World) -> None:
    world.add_user()
    hello = world.add_hello(logon_terminated=raising(SecurityError(Status.SEC_E_INTERNAL_ERROR)))
    connection = world.connect()
    world.logon(connection, hello)
    world.audit.close()
    world.lsa.connections.close(connection)
    assert not world.lsa.sessions


# --- passwords -------------------------------------------------------------------------------------------------------


def verifier(name: str, data: bytes = b"") -> object:
    def accept(target: PackageTarget, logon_type: int, account: str, primary: PrimaryCredential, own: object) -> object:
        assert (primary.logon_id, account, own) == (0, primary.downlevel_name, None)
        assert primary.flags & PrimaryCredentialFlag.UPDATE
        return SupplementalCredential(name, data or (primary.password or "nothing").encode()[::-1])

    return accept


def set_password(world: World, name: str = "alice", password: str = "a new one") -> tuple[Status, str]:
    return failure(world, world.lsa.set_password(name, password))


def test_every_package_makes_its_verifier_and_all_appear_at_once(world: World) -> None:
    account = world.add_user()
    world.add_package("Hello", granted=True, accept_credentials=verifier("hello"))  # type: ignore[arg-type]
    world.add_package("Digest", granted=True, accept_credentials=verifier("Digest"))  # type: ignore[arg-type]
    world.add_package("Blind", accept_credentials=verifier("Blind"))  # type: ignore[arg-type]
    world.add_package("Silent", accept_credentials=lambda *_: None)
    world.now += 5
    world.run(world.lsa.set_password("ALICE", "a new one", must_change=True, by=ROOT))
    kept = {p: world.store.supplemental(account.sid, p) for p in ("Hello", "Digest", "Blind", "Silent")}
    assert kept == {"Hello": b"eno wen a", "Digest": b"eno wen a", "Blind": b"gnihton", "Silent": None}, "lock 4"
    changed = world.store.find("alice")
    assert changed is not None and changed.must_change and changed.password_set_at == NOW + 5
    (record,) = world.records("set_password")
    assert record.uid == 0 and record.facts["account_name"] == "alice"
    assert not any(b"a new one" in line for line in world.audit.lines())


@pytest.mark.parametrize(
    ("accept", "reason"),
    [
        (raising(SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="worker_died")), "worker_died"),
        (verifier("Hello"), "verifier_of_another_package"),
        (verifier("Bad", bytes(65537)), "verifier_too_large"),
        (lambda *_: b"verifier", "verifier_invalid"),
    ],
)
def test_a_package_that_fails_fails_the_change_whole(world: World, accept: object, reason: str) -> None:
    account = world.add_user()
    world.add_package("Hello", granted=True, accept_credentials=verifier("Hello"))  # type: ignore[arg-type]
    world.add_package("Bad", accept_credentials=accept)  # type: ignore[arg-type]
    assert set_password(world)[1] == reason
    assert world.store.supplemental(account.sid, "Hello") == b"verifier of alice"
    (record,) = world.records("set_password")
    side = record.claimed if reason == "worker_died" else record.facts
    assert record.package == "Bad" and side["reason"] == reason


def test_a_password_with_which_nobody_could_log_on_is_not_set(world: World) -> None:
    world.add_user()
    world.add_package("Silent", accept_credentials=lambda *_: None)
    assert set_password(world)[1] == "no_package_keeps_a_verifier"
    assert set_password(world, "bob")[0] == Status.STATUS_NO_SUCH_USER


def test_an_unrecorded_password_is_not_set_lock10(world: World) -> None:
    account = world.add_user()
    world.add_package("Hello", granted=True, accept_credentials=verifier("Hello"))  # type: ignore[arg-type]
    world.audit.close()
    assert set_password(world)[1] == "audit_unwritable"
    assert world.store.supplemental(account.sid, "Hello") == b"verifier of alice"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "password_too_short"),
        ("x" * 513, "password_too_long"),
        ("AliceAlice", "password_is_name"),
        ("nul\0inside", "password_has_nul"),
        ("surrogate\ud800", "password_not_unicode"),
    ],
)
def test_the_rules_for_new_passwords(world: World, password: str, reason: str) -> None:
    with pytest.raises(SecurityError) as caught:
        require_password(world.lsa, "alicealice", password)
    assert caught.value.reason == reason
    require_password(world.lsa, "alicealice", "12345678")


# --- the operator ----------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(world: World) -> AccountsAdmin:
    world.add_package("Hello", granted=True, accept_credentials=verifier("Hello"))  # type: ignore[arg-type]
    return AccountsAdmin(world.lsa, ROOT)


def test_accounts_need_the_privilege_and_each_try_is_recorded_lock2(world: World) -> None:
    with pytest.raises(SecurityError) as caught:
        AccountsAdmin(world.lsa, USER)
    assert caught.value.status == Status.STATUS_ACCESS_DENIED
    assert (world.records()[0].status, world.records()[0].uid) == ("STATUS_ACCESS_DENIED", 1000)


def test_the_life_of_an_account_is_recorded_with_who_did_it(world: World, admin: AccountsAdmin) -> None:
    staff = admin.create_group("staff")
    made = world.run(admin.create_user("alice", PASSWORD, groups=["staff"], posix_uid=7, upn="a@b.test"))
    assert (made["groups"], made["posix_uid"], made["upn"], made["enabled"]) == (["staff"], 7, "a@b.test", True)
    account = world.store.find("alice")
    assert account is not None and world.store.supplemental(account.sid, "Hello") == PASSWORD.encode()[::-1]
    assert admin.enable_user("alice", False)["enabled"] is False and admin.enable_user("alice")["enabled"] is True
    assert admin.lock_user("alice")["locked"] is True
    for origin in ("uid:1", "uid:2"):
        for _ in range(3):
            world.store.record_failure("alice", origin, world.now)
    assert admin.unlock_user("alice", ["uid:1"])["locked"] is False
    assert [world.store.lockout("alice", o, world.now) for o in ("uid:1", "uid:2")] == [0.0, 10.0]
    world.run(admin.set_password("alice", "another one"))
    assert staff in admin.groups() and [u["name"] for u in admin.users()] == ["alice"]
    admin.delete_group("staff")
    admin.delete_user("alice")
    assert admin.users() == []
    events = [r.event for r in world.records()]
    assert events == [
        "create_group",
        "create_user",
        "update_user",
        "update_user",
        "update_user",
        "update_user",
        "set_password",
        "delete_group",
        "delete_user",
    ]
    assert all(r.uid == 0 for r in world.records())
    assert not any(PASSWORD.encode() in line for line in world.audit.lines())


def test_an_account_without_password_can_be_made_and_a_failure_is_recorded(world: World, admin: AccountsAdmin) -> None:
    assert world.run(admin.create_user("bob"))["password_set_at"] is None
    assert failure(world, admin.create_user("bob"))[1] == "name_taken"
    assert [(r.status, r.facts.get("reason")) for r in world.records("create_user")] == [
        ("SEC_E_OK", None),
        ("SEC_E_OK", None),
        ("STATUS_INVALID_PARAMETER", "name_taken"),
    ]
    assert failure(world, admin.create_user("carol", "short"))[1] == "password_too_short"
    assert world.store.find("carol") is None


def test_no_change_without_a_record_lock10(world: World, admin: AccountsAdmin) -> None:
    world.run(admin.create_user("bob"))
    world.audit.close()
    with pytest.raises(SecurityError, match="audit_unwritable"):
        admin.delete_user("bob")
    assert world.store.find("bob") is not None
