"""The logon functions one to one, over a whole authority: what they do, and what they refuse."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.lsa.passwords import PASSWORD, PROFILE, Passwords, charged, passwords_lab

import secpkg
from secpkg.authority.policy import Policy
from secpkg.contract import LogonType, Status
from secpkg.contract.values import NEVER, QuotaLimits, TokenSource
from secpkg.lsa import raw
from secpkg.testing import LabAuthority

OK = Status.STATUS_SUCCESS
QUOTAS = QuotaLimits(1 << 20, 1 << 18, 4096, 1 << 22, 1 << 24, 3600.0)
SYSTEM = 0x3E7


@pytest.fixture
def package() -> Passwords:
    return Passwords()


@pytest.fixture
def lab(package: Passwords) -> Iterator[LabAuthority]:
    with passwords_lab(package, policy=Policy(process_quotas=QUOTAS, max_password_age=1000.0)) as lab:
        yield lab


@pytest.fixture
def handle(lab: LabAuthority) -> Iterator[secpkg.lsa.Lsa]:
    status, handle = raw.connect_untrusted(lab)
    assert status is OK and handle is not None
    yield handle
    handle.close()


@pytest.fixture
def number(handle: secpkg.lsa.Lsa) -> int:
    status, number = raw.lookup_authentication_package(handle, "Passwords")
    assert status is OK
    return number


def by_password(handle: secpkg.lsa.Lsa, number: int, kind: int = LogonType.INTERACTIVE) -> tuple[object, ...]:
    return raw.logon_user(handle, "tests", kind, number, username="alice", password=PASSWORD)


@pytest.mark.proves("lsa_logon.LsaRegisterLogonProcess", "lsa_logon.LsaConnectUntrusted")
def test_R76_R85_the_two_kinds_of_connection(lab: LabAuthority) -> None:
    status, plain = raw.connect_untrusted(lab)
    assert status is OK and plain is not None and not plain.trusted and plain.domain_name == "EXAMPLE"
    status, process, mode = raw.register_logon_process("p" * 127, lab)
    assert status is OK and process is not None and process.trusted and mode == 0
    number = raw.lookup_authentication_package(plain, "Passwords")[1]
    for each, said in ((plain, b"untrusted x"), (process, b"trusted x")):
        status, reply = raw.call_authentication_package(each, number, b"x")
        assert status is OK and reply is not None and reply.data == said
        each.close()


def test_R83_names_that_are_too_long_or_no_names(lab: LabAuthority, handle: secpkg.lsa.Lsa) -> None:
    """R87."""
    assert raw.register_logon_process("é" * 64, lab)[0] is Status.STATUS_NAME_TOO_LONG
    assert raw.register_logon_process(7, lab)[0] is Status.STATUS_INVALID_PARAMETER  # type: ignore[arg-type]
    assert raw.lookup_authentication_package(handle, "é" * 64) == (Status.STATUS_NAME_TOO_LONG, 0)
    assert raw.lookup_authentication_package(handle, "Nobody") == (Status.STATUS_NO_SUCH_PACKAGE, 0)
    assert raw.lookup_authentication_package(handle, b"x") == (  # type: ignore[arg-type]
        Status.STATUS_INVALID_PARAMETER,
        0,
    )


@pytest.mark.proves("lsa_logon.LsaDeregisterLogonProcess")
@pytest.mark.breaks("R86", "secpkg.lsa.client:Lsa.deregister_logon_process")
def test_R86_connections_of_both_kinds_are_closed_once(lab: LabAuthority) -> None:
    open_before = len(lab.embedded.machine.authority.connections)
    _, plain = raw.connect_untrusted(lab)
    _, process, _ = raw.register_logon_process("tests", lab)
    assert plain is not None and process is not None
    for each in (plain, process):
        assert raw.deregister_logon_process(each) is OK
        assert raw.deregister_logon_process(each) is Status.STATUS_INVALID_HANDLE
        assert raw.lookup_authentication_package(each, "Passwords")[0] is Status.STATUS_INVALID_HANDLE
        assert raw.logon_user(each, "tests", 2, 1)[0] is Status.STATUS_INVALID_HANDLE
        assert raw.call_authentication_package(each, 1, b"")[0] is Status.STATUS_INVALID_HANDLE
        assert raw.enumerate_logon_sessions(each)[0] is Status.STATUS_INVALID_HANDLE
        assert raw.get_logon_session_data(each, SYSTEM)[0] is Status.STATUS_INVALID_HANDLE
    assert raw.deregister_logon_process(None) is Status.STATUS_INVALID_HANDLE  # type: ignore[arg-type]
    assert len(lab.embedded.machine.authority.connections) == open_before


@pytest.mark.proves("lsa_logon.LsaLookupAuthenticationPackage")
def test_R87_a_package_has_the_number_that_the_other_functions_take(handle: secpkg.lsa.Lsa) -> None:
    status, number = raw.lookup_authentication_package(handle, "pAsSwOrDs")
    assert status is OK and number > 0
    assert raw.call_authentication_package(handle, number, b"x")[0] is OK
    assert raw.call_authentication_package(handle, number + 1, b"x")[0] is Status.STATUS_NO_SUCH_PACKAGE


@pytest.mark.proves("lsa_logon.LsaLogonUser")
def test_R62_a_logon_gives_session_token_profile_and_quotas(
    package: Passwords, handle: secpkg.lsa.Lsa, number: int
) -> None:
    status, substatus, made, token = raw.logon_user(
        handle,
        "terminal 7",
        LogonType.INTERACTIVE,
        number,
        username="alice",
        password=PASSWORD,
        source_context=TokenSource("login", 77),
    )
    assert (status, substatus) == (OK, OK) and made is not None and token is not None
    assert (made.profile, made.quotas, made.account_name) == (PROFILE, QUOTAS, "alice")
    assert token.logon_id == made.logon_id and token.account_name == "alice" and token.primary
    assert token.source == TokenSource("login", 77)
    assert package.requests[0].origin_name == "terminal 7" and package.requests[0].token_source is None
    token.close()


@pytest.mark.proves("lsa_logon.LsaLogonUser")
@pytest.mark.breaks("R68", "secpkg.authority.directory:PackageDirectory.in_service")
def test_R68_what_a_logon_answers_to_what_it_cannot_take(
    package: Passwords, handle: secpkg.lsa.Lsa, number: int
) -> None:
    """R53, R54, R57: statuses, and a call that is refused early reaches no package."""
    assert raw.logon_user(handle, "", 2, number + 9, username="alice")[0] is Status.STATUS_NO_SUCH_PACKAGE
    for kind in (0, 1, 6, 14, -1):
        assert raw.logon_user(handle, "", kind, number, username="alice")[0] is Status.STATUS_INVALID_LOGON_TYPE
    bad = Status.STATUS_INVALID_PARAMETER
    assert raw.logon_user(handle, "", 2, number, username=5)[0] is bad  # type: ignore[arg-type]
    assert raw.logon_user(handle, "", 2, number, "text")[0] is bad  # type: ignore[arg-type]
    assert raw.logon_user(handle, "", 2, "x")[0] is bad  # type: ignore[arg-type]
    assert raw.logon_user(handle, "", 2, number, username="x" * 1025)[0] is bad
    assert raw.logon_user(handle, "", 2, number, bytes(65537))[0] is bad
    for source in (TokenSource("ninebytes"), TokenSource("\n"), TokenSource("ok", -1), TokenSource("ok", 1 << 64)):
        assert raw.logon_user(handle, "", 2, number, username="alice", source_context=source)[0] is bad
    assert raw.logon_user(None, "", 2, number)[0] is Status.STATUS_INVALID_HANDLE  # type: ignore[arg-type]
    assert package.requests == []
    status, substatus, made, token = raw.logon_user(handle, "", 2, number, username="alice", password="wrong")
    assert (status, substatus, made, token) == (Status.STATUS_LOGON_FAILURE, OK, None, None)


@pytest.mark.proves("lsa_logon.LsaFreeReturnBuffer")
@pytest.mark.breaks("R52", "secpkg.authority.connections:ConnectionTable.free")
def test_R52_a_profile_is_charged_until_it_is_freed_once(
    lab: LabAuthority, handle: secpkg.lsa.Lsa, number: int
) -> None:
    """R50, R79, R100: every kind of return buffer."""
    before = charged(lab)
    _, _, made, token = raw.logon_user(handle, "", 3, number, username="alice", password=PASSWORD)
    assert made is not None and token is not None
    assert charged(lab) >= before + len(PROFILE)
    _, reply = raw.call_authentication_package(handle, number, b"x" * 1000)
    _, listed = raw.enumerate_logon_sessions(handle)
    _, data = raw.get_logon_session_data(handle, made.logon_id)
    assert reply is not None and data is not None and charged(lab) > before + 2000
    for buffer in (made.profile, reply.data, listed, data):
        held = charged(lab)
        assert raw.free_return_buffer(buffer) is OK
        assert charged(lab) < held
        held = charged(lab)
        assert raw.free_return_buffer(buffer) is Status.STATUS_INVALID_PARAMETER
        assert charged(lab) == held
    assert charged(lab) == before
    for stranger in (None, b"", b"home", (1,), 7, handle):
        assert raw.free_return_buffer(stranger) is Status.STATUS_INVALID_PARAMETER
    token.close()


def test_numbers_that_no_parameter_has_are_refused_before_anyone_is_asked(handle: secpkg.lsa.Lsa, number: int) -> None:
    bad = Status.STATUS_INVALID_PARAMETER
    for wrong in (-1, 1 << 64, 1 << 200):
        assert raw.logon_user(handle, "", 2, wrong, username="alice")[0] is bad
        assert raw.call_authentication_package(handle, wrong, b"")[0] is bad
        assert raw.get_logon_session_data(handle, wrong)[0] is bad
        assert raw.query_domain_information_policy(handle, wrong)[0] is bad
        assert raw.set_domain_information_policy(handle, wrong, None) is bad
    assert raw.logon_user(handle, "", 2, number, username="alice", local_groups=7)[0] is bad  # type: ignore[arg-type]
    assert raw.logon_user(handle, "", 2, number, source_context="x")[0] is bad  # type: ignore[arg-type]
    assert raw.query_forest_trust_information(handle, 7)[0] is bad  # type: ignore[arg-type]
    assert raw.logon_user_ex_ex_w("alice", ".", "p", 2, 0, 7, authority=handle)[:2] == (False, 87)  # type: ignore[arg-type]


@pytest.mark.breaks("R79", "secpkg.lsa.return_buffers:Lease.__del__")
def test_R79_what_is_not_freed_goes_with_its_last_holder_or_the_connection(
    lab: LabAuthority, handle: secpkg.lsa.Lsa, number: int
) -> None:
    before = charged(lab)
    _, reply = raw.call_authentication_package(handle, number, b"x" * 1000)
    assert reply is not None and charged(lab) > before + 1000
    del reply
    gc.collect()
    assert raw.lookup_authentication_package(handle, "Passwords")[0] is OK
    assert charged(lab) == before
    _, kept = raw.call_authentication_package(handle, number, b"x" * 1000)
    assert kept is not None and charged(lab) > before
    raw.deregister_logon_process(handle)
    assert charged(lab) == before
    assert raw.free_return_buffer(kept.data) is OK
    assert raw.free_return_buffer(kept.data) is Status.STATUS_INVALID_PARAMETER


@pytest.mark.breaks("R59", "secpkg.authority.connections:ConnectionTable.keep")
def test_R59_a_client_that_frees_nothing_is_refused_and_nobody_is_logged_on(package: Passwords) -> None:
    """R51: neither session nor charge is left."""
    package.profile = bytes(20_000)
    with passwords_lab(package, policy=Policy(bytes_per_uid=50_000)) as lab:
        _, handle = raw.connect_untrusted(lab)
        assert handle is not None
        number = raw.lookup_authentication_package(handle, "Passwords")[1]
        first, second = by_password(handle, number), by_password(handle, number)
        assert first[0] is second[0] is OK
        held = charged(lab)
        assert by_password(handle, number)[0] is Status.STATUS_QUOTA_EXCEEDED
        assert len(lab.embedded.machine.authority.sessions) == 2 and charged(lab) == held
        handle.close()
        assert charged(lab) == 0


def test_the_pleasant_floor_keeps_no_buffers(lab: LabAuthority) -> None:
    before = charged(lab)
    with secpkg.lsa.connect(lab) as lsa:
        with lsa.logon_user("Passwords", LogonType.BATCH, username="alice", password=PASSWORD) as logon:
            assert logon.profile == PROFILE and logon.quotas == QUOTAS
            assert lsa.call_authentication_package("Passwords", b"x").data == b"untrusted x"
            assert logon.luid in lsa.enumerate_logon_sessions()
            assert lsa.get_logon_session_data(logon.luid).user_name == "alice"
        assert charged(lab) == before


@pytest.mark.proves("lsa_logon.LsaCallAuthenticationPackage")
@pytest.mark.breaks("R77", "secpkg.ipc.link:status_of")
def test_R77_the_services_own_result_is_apart(lab: LabAuthority, handle: secpkg.lsa.Lsa, number: int) -> None:
    status, reply = raw.call_authentication_package(handle, number, bytearray(b"x"))
    assert status is OK and reply is not None and (reply.data, reply.protocol_status) == (b"untrusted x", OK)
    _, process, _ = raw.register_logon_process("tests", lab)
    assert process is not None
    status, reply = raw.call_authentication_package(process, number, b"x")
    assert status is OK and reply is not None and reply.protocol_status is Status.STATUS_MORE_ENTRIES
    assert raw.call_authentication_package(handle, number, "x")[0] is Status.STATUS_INVALID_PARAMETER  # type: ignore[arg-type]
    assert raw.call_authentication_package(handle, number, bytes(65537)) == (Status.STATUS_INVALID_PARAMETER, None)
    process.close()


@pytest.mark.proves("lsa_logon.LsaEnumerateLogonSessions")
@pytest.mark.breaks("R91", "secpkg.authority.sessions:SessionTable.release")
def test_R91_the_list_of_sessions_follows_them(handle: secpkg.lsa.Lsa, number: int) -> None:
    assert raw.enumerate_logon_sessions(handle) == (OK, (SYSTEM,))
    _, _, made, token = raw.logon_user(handle, "", 2, number, username="alice", password=PASSWORD)
    assert made is not None and token is not None
    assert raw.enumerate_logon_sessions(handle) == (OK, (SYSTEM, made.logon_id))
    token.close()
    assert raw.enumerate_logon_sessions(handle) == (OK, (SYSTEM,))


@pytest.mark.proves("lsa_logon.LsaGetLogonSessionData")
@pytest.mark.breaks("R101", "secpkg.authority.session_data:describe")
def test_R101_session_data_of_a_user_and_of_the_system(lab: LabAuthority, handle: secpkg.lsa.Lsa, number: int) -> None:
    authority = lab.embedded.machine.authority
    _, _, made, token = raw.logon_user(handle, "", 4, number, username="alice", password=PASSWORD)
    assert made is not None and token is not None
    status, data = raw.get_logon_session_data(handle, made.logon_id)
    account = authority.store.find("alice")
    assert status is OK and data is not None and account is not None
    assert (data.logon_id, data.user_name, data.logon_domain, data.sid) == (
        made.logon_id,
        "alice",
        "EXAMPLE",
        str(account.sid),
    )
    assert (data.authentication_package, data.logon_type, data.session) == ("Passwords", LogonType.BATCH, 0)
    assert (data.logon_server, data.dns_domain_name, data.kick_off_time) == ("EXAMPLE", "example.test", NEVER)
    assert 0 < data.logon_time <= authority.clock()
    assert data.password_last_set == data.password_can_change == (account.password_set_at or 0.0)
    status, system = raw.get_logon_session_data(handle, SYSTEM)
    assert status is OK and system is not None and system.logon_id == SYSTEM
    rest = {
        name: getattr(system, name) for name in system.__struct_fields__ if name not in ("id", "logon_id", "buffer")
    }
    assert not any(rest.values()), "zeros"
    assert raw.get_logon_session_data(handle, 99)[0] is Status.STATUS_NO_SUCH_LOGON_SESSION
    assert raw.get_logon_session_data(handle, "x")[0] is Status.STATUS_INVALID_PARAMETER  # type: ignore[arg-type]
    token.close()


def test_R53_the_password_of_a_session_says_when_it_must_change(lab: LabAuthority) -> None:
    authority = lab.embedded.machine.authority
    authority.store.create_user("bob", supplementals={"Passwords": b"v"}, now=authority.clock())
    with (
        secpkg.lsa.connect(lab) as lsa,
        lsa.logon_user("Passwords", LogonType.INTERACTIVE, username="bob", password=PASSWORD) as logon,
    ):
        data = lsa.get_logon_session_data(logon.luid)
        assert data.password_must_change == data.password_last_set + 1000.0 > 1000.0
        authority.store.update("bob", must_change=True)
        assert lsa.get_logon_session_data(logon.luid).password_must_change == data.password_last_set
