"""The client's memory in a call: its regions, whose quota they are, and that each is given back once (R124-R127)."""

from __future__ import annotations

import pytest
from tests.authority.test_sessions import call, status_of
from tests.authority.world import OTHER, USER, World

from secpkg.authority.client_memory import MAX_COPY, MAX_REGIONS, OVERHEAD
from secpkg.authority.connections import Connection
from secpkg.authority.policy import Policy
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRequest, LogonResult, ProtocolReply, TokenInformation


@pytest.fixture
def connection(world: World) -> Connection:
    return world.connect()


@pytest.fixture
def origin(world: World, connection: Connection) -> Origin:
    return world.origin(world.add_package("A"), connection)


def taken(world: World, uid: int = USER.uid) -> int:
    return world.lsa.quotas.taken(uid, "bytes")


def allocated(world: World, origin: Origin, length: int) -> int:
    address = call(world, origin, "allocate_client_buffer", length)
    assert isinstance(address, int) and address
    return address


@pytest.mark.proves("lsa_secpkg.CopyToClientBuffer", "lsa_dispatch.CopyToClientBuffer")
@pytest.mark.proves("lsa_secpkg.CopyFromClientBuffer", "lsa_dispatch.CopyFromClientBuffer")
@pytest.mark.proves("lsa_secpkg.AllocateClientBuffer", "lsa_dispatch.AllocateClientBuffer")
def test_what_is_copied_there_is_copied_back_R125(world: World, origin: Origin) -> None:
    address = allocated(world, origin, 8)
    call(world, origin, "copy_to_client_buffer", address + 2, b"abc")
    assert call(world, origin, "copy_from_client_buffer", address, 8) == b"\0\0abc\0\0\0"
    assert call(world, origin, "copy_from_client_buffer", address + 8, 0) == b""


@pytest.mark.proves("lsa_secpkg.FreeClientBuffer", "lsa_dispatch.FreeClientBuffer")
def test_a_buffer_is_charged_and_freed_once_R126_R127(world: World, origin: Origin) -> None:
    address = allocated(world, origin, 100)
    assert taken(world) == 100 + OVERHEAD
    call(world, origin, "free_client_buffer", 0)
    assert taken(world) == 100 + OVERHEAD
    call(world, origin, "free_client_buffer", address)
    assert taken(world) == 0
    for stale in (address, address + 1, 1, -1, (1 << 63) - 1):
        assert status_of(world, origin, "free_client_buffer", stale)[0] == Status.STATUS_INVALID_PARAMETER
        assert status_of(world, origin, "copy_from_client_buffer", stale, 0)[0] == Status.STATUS_INVALID_PARAMETER
    assert allocated(world, origin, 100) != address, "no address is used twice"


def test_null_is_freed_for_nobody_too_R126(world: World) -> None:
    origin = world.origin(world.add_package("A"))
    call(world, origin, "free_client_buffer", 0)
    assert status_of(world, origin, "allocate_client_buffer", 1) == (Status.STATUS_INVALID_HANDLE, "no_client")


def test_the_clients_quota_is_the_limit_R127() -> None:
    world = World(Policy(bytes_per_uid=1000))
    connection = world.connect()
    origin = world.origin(world.add_package("A"), connection)
    call(world, origin, "allocate_client_buffer", 500)
    before = taken(world)
    for length in (1000, 400, 1 << 31):
        assert status_of(world, origin, "allocate_client_buffer", length)[0] == Status.STATUS_NO_MEMORY
    for length in (-1, 1 << 32):
        assert status_of(world, origin, "allocate_client_buffer", length)[0] == Status.STATUS_INVALID_PARAMETER
    assert taken(world) == before
    other = world.origin(1, world.connect(OTHER))
    assert call(world, other, "allocate_client_buffer", 900), "another user has a share of their own"


def test_a_call_has_only_so_many_buffers(world: World, origin: Origin) -> None:
    for _ in range(MAX_REGIONS):
        call(world, origin, "allocate_client_buffer", 0)
    assert status_of(world, origin, "allocate_client_buffer", 0)[0] == Status.STATUS_NO_MEMORY


def test_nothing_is_copied_over_an_end_or_where_nothing_is(world: World, origin: Origin) -> None:
    address = allocated(world, origin, 4)
    for at, data in ((address, b"12345"), (address + 4, b"1"), (address - 1, b"1"), (0, b"")):
        assert status_of(world, origin, "copy_to_client_buffer", at, data)[0] == Status.STATUS_INVALID_PARAMETER
    for at, length in ((address, 5), (address + 5, 0), (address, -1), (address, MAX_COPY + 1), (0, 1)):
        assert status_of(world, origin, "copy_from_client_buffer", at, length)[0] == Status.STATUS_INVALID_PARAMETER
    assert call(world, origin, "copy_from_client_buffer", address, 4) == bytes(4)


def test_what_the_application_sent_is_there_to_be_read_only(world: World, connection: Connection) -> None:
    target = PackageTarget.of_request(world.lsa, 1, connection, b"sent")
    base = target.client_buffer_base
    assert base and taken(world) == 0, "the request was charged, its memory is not charged again"
    assert call(world, target.origin, "copy_from_client_buffer", base + 1, 3) == b"ent"
    assert status_of(world, target.origin, "copy_to_client_buffer", base, b"x")[0] == Status.STATUS_ACCESS_DENIED
    assert status_of(world, target.origin, "free_client_buffer", base)[0] == Status.STATUS_INVALID_PARAMETER
    assert PackageTarget.of_request(world.lsa, 1, connection, b"").client_buffer_base == 0


def test_an_address_is_of_one_call_and_one_client_R124(world: World, origin: Origin) -> None:
    address = allocated(world, origin, 4)
    later = world.origin(origin.package_id, origin.connection)
    stranger = world.origin(origin.package_id, world.connect(OTHER))
    for other in (later, stranger):
        assert status_of(world, other, "copy_from_client_buffer", address, 1)[0] == Status.STATUS_INVALID_PARAMETER


def test_the_end_of_the_call_releases_what_is_left(world: World, origin: Origin) -> None:
    for length in (10, 20):
        call(world, origin, "allocate_client_buffer", length)
    world.lsa.end_call(origin)
    world.lsa.end_call(origin)
    assert taken(world) == 0


def test_the_end_of_the_client_releases_it_and_the_call_does_not_again(world: World, origin: Origin) -> None:
    second = world.connect()
    world.lsa.connections.charge(second, 7)
    allocated(world, origin, 10)
    assert origin.connection is not None
    world.lsa.connections.close(origin.connection)
    assert taken(world) == 7
    world.lsa.end_call(origin)
    assert taken(world) == 7
    assert status_of(world, origin, "allocate_client_buffer", 1) == (Status.STATUS_INVALID_HANDLE, "connection_closed")


# --- replies -----------------------------------------------------------------------------------------------------


def replying(world: World, answer: object) -> int:
    """A package whose reply is what ``answer(target)`` says."""
    return world.add_package("Replies", call_package_untrusted=lambda target, buffer: answer(target))  # type: ignore[operator]


def ask(world: World, connection: Connection, package: int) -> ProtocolReply:
    return world.run(world.lsa.call_authentication_package(connection, package, b"sent"))


def filled(world: World, target: PackageTarget, data: bytes) -> int:
    address = allocated(world, target.origin, len(data))
    call(world, target.origin, "copy_to_client_buffer", address, data)
    return address


def test_a_buffer_of_the_client_is_the_reply_R79(world: World, connection: Connection) -> None:
    package = replying(world, lambda t: ProtocolReply(client_buffer=filled(world, t, b"answer")))
    assert ask(world, connection, package) == ProtocolReply(b"answer")
    assert taken(world) == 0


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (lambda w, t: ProtocolReply(b"both", client_buffer=filled(w, t, b"x")), Status.STATUS_INTERNAL_ERROR),
        (lambda w, t: ProtocolReply(client_buffer=filled(w, t, b"xy") + 1), Status.STATUS_INTERNAL_ERROR),
        (lambda w, t: ProtocolReply(client_buffer=t.client_buffer_base), Status.STATUS_INTERNAL_ERROR),
        (lambda w, t: ProtocolReply(client_buffer=filled(w, t, bytes(65537))), Status.STATUS_QUOTA_EXCEEDED),
    ],
)
def test_a_reply_that_is_no_buffer_of_this_call_is_none(
    world: World, connection: Connection, reply: object, status: Status
) -> None:
    package = replying(world, lambda t: reply(world, t))  # type: ignore[operator]
    with pytest.raises(SecurityError) as caught:
        ask(world, connection, package)
    assert caught.value.status == status
    assert taken(world) == 0


def profiled(world: World, target: PackageTarget, request: LogonRequest, **more: object) -> LogonResult:
    result = world.hello(target, request)
    assert isinstance(result, LogonResult)
    information = TokenInformation(str(more["user"])) if "user" in more else result.token_information
    address = filled(world, target, b"the profile")
    return LogonResult(result.logon_id, information, result.account_name, client_buffer=address)


@pytest.mark.breaks("R50", "secpkg.authority.targets:Origin.returned")
def test_a_buffer_of_the_client_is_the_profile_R50(world: World, connection: Connection) -> None:
    world.add_user()
    package = world.add_package("Hello", logon_user_ex2=lambda t, r: profiled(world, t, r))
    assert world.logon(connection, package).profile == b"the profile"
    assert taken(world) == sum(connection.kept.values()), "only the profile itself, until the application frees it"


@pytest.mark.breaks("R51", "secpkg.authority.targets:Scratch.end")
def test_a_profile_of_a_logon_that_fails_afterwards_is_freed_R51(world: World, connection: Connection) -> None:
    world.add_user(enabled=False)
    package = world.add_package("Hello", logon_user_ex2=lambda t, r: profiled(world, t, r))
    others = world.add_package("Other", logon_user_ex2=lambda t, r: (allocated(world, t.origin, 9), 1)[1])
    for failing in (package, others):
        with pytest.raises(SecurityError):
            world.logon(connection, failing)
        assert taken(world) == 0
