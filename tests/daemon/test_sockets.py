"""Bad input on the daemon's sockets: refused by name or cut off, unnoticed by everybody else, and nothing stays."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable, Iterator

import msgspec
import pytest
from tests.daemon.harness import (
    PATIENCE,
    Daemon,
    Ends,
    answered,
    at_end,
    close_opened,
    descriptors,
    gone,
    opened,
    reason_of,
    refused,
    running,
    works,
)

from secpkg.contract import LogonRequest, LogonType, Status
from secpkg.ipc import control, packet, schema
from secpkg.ipc.client import decode_from_authority, link
from secpkg.ipc.link import next_id
from secpkg.runtime import daemon as rooms

NOBODY = 65_534
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="another user's processes can be made by root only")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        daemon.expected |= {"ChannelBroken", "DescriptorsLost"}
        yield daemon


@pytest.fixture(scope="module")
def settled(daemon: Daemon) -> dict[str, object]:
    return daemon.settled("hello")


@pytest.fixture(autouse=True)
def _nothing_stays(daemon: Daemon, settled: dict[str, object]) -> Iterator[None]:
    yield
    close_opened()
    works(daemon)
    daemon.settles(settled)


def raw(daemon: Daemon) -> socket.socket:
    """A connection that has not said anything."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    opened.append(sock.close)
    sock.connect(daemon.address.partition(":")[2])
    sock.settimeout(PATIENCE)
    return sock


def connected(daemon: Daemon) -> socket.socket:
    sock = raw(daemon)
    sock.send(CONNECT)
    assert isinstance(reply(sock), schema.Connected)
    return sock


def reply(sock: socket.socket) -> schema.FromAuthority:
    message: schema.FromAuthority = decode_from_authority(packet.recv_frame(sock, packet.buffer()))
    return message


CONNECT = schema.encode(schema.Connect(1, schema.PROTOCOL_VERSION))
LOOKUP = schema.encode(schema.LookupPackage(2, "Hello"))
GARBAGE = {
    "oversize": b"\0" * (packet.MAX_FRAME + 1),
    "largest": b"\0" * packet.MAX_FRAME,
    "empty": b"",
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "nil": b"\xc0",
    "deep": b"\x91" * 10_000,
    "promises": b"\xdd\xff\xff\xff\xff",
    "twice": LOOKUP + LOOKUP,
    "unknown": schema.encode(["Unknown", 1]),
    "short": schema.encode(["LookupPackage", 1]),
    "types": schema.encode(["LookupPackage", "one", 1]),
    "a number too large": schema.encode(["CloseToken", 1, 2**64 - 1]),
    "bad UTF-8": b"\x93\xadLookupPackage\x01\xa1\xff",
    "of a worker's channel": schema.encode(schema.DeleteContext(1, 1)),
    "a reply": schema.encode(schema.Done(1)),
    "a control frame": schema.encode(control.Stop()),
    **{f"cut at {n}": LOOKUP[:n] for n in range(1, len(LOOKUP))},
}


@pytest.mark.parametrize("spoken", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("what", [key for key in GARBAGE if not key.startswith("cut")])
def test_garbage_ends_its_connection(daemon: Daemon, what: str, spoken: bool) -> None:
    sock = connected(daemon) if spoken else raw(daemon)
    sock.send(GARBAGE[what])
    assert at_end(sock) or what == "a number too large"


def test_a_frame_that_is_cut_anywhere_ends_its_connection(daemon: Daemon) -> None:
    for what in (key for key in GARBAGE if key.startswith("cut")):
        sock = connected(daemon)
        sock.send(GARBAGE[what])
        assert at_end(sock), what


@pytest.mark.parametrize("what", list(GARBAGE))
def test_garbage_on_a_channel_ends_that_channel_alone(daemon: Daemon, what: str) -> None:
    if what in ("of a worker's channel", "a reply"):
        return
    authority = daemon.link()
    kept, spoilt = Ends(authority), Ends(authority)
    first = kept.initiate(0, b"")
    sock: socket.socket = spoilt.channel._sock
    sock.send(GARBAGE[what])
    assert at_end(sock)
    challenge = kept.accept(0, first.token)
    assert challenge.status == Status.SEC_I_CONTINUE_NEEDED


@pytest.mark.parametrize("what", [CONNECT, LOOKUP, schema.encode(schema.Done(1)), schema.encode(control.Stop())])
def test_a_frame_for_the_authority_ends_the_channel_that_it_is_sent_on(daemon: Daemon, what: bytes) -> None:
    ends = Ends(daemon.link())
    sock: socket.socket = ends.channel._sock
    sock.send(what)
    assert at_end(sock)


def test_who_does_not_begin_with_connect_is_refused_and_cut_off(daemon: Daemon) -> None:
    sock = raw(daemon)
    sock.send(LOOKUP)
    assert refused(reply(sock)) == (Status.STATUS_ACCESS_DENIED, "not_connected")
    assert at_end(sock)
    with pytest.raises(BrokenPipeError):
        sock.send(CONNECT)


def test_another_version_is_refused_by_name(daemon: Daemon) -> None:
    sock = raw(daemon)
    sock.send(schema.encode(schema.Connect(1, schema.PROTOCOL_VERSION + 1)))
    assert refused(reply(sock)) == (Status.STATUS_REVISION_MISMATCH, "protocol_version")
    assert at_end(sock)


def test_a_second_connect_is_refused_and_changes_nothing(daemon: Daemon) -> None:
    sock = connected(daemon)
    sock.send(schema.encode(schema.Connect(7, schema.PROTOCOL_VERSION, "winlogon")))
    assert refused(reply(sock)) == (Status.STATUS_INVALID_PARAMETER, "already_connected")
    sock.send(schema.encode(schema.Manage(8, "authority.status", msgspec.Raw(schema.encode({})))))
    assert refused(reply(sock)) == (Status.STATUS_PRIVILEGE_NOT_HELD, "trusted_connection_needed")


def test_every_request_is_answered_once_under_its_number(daemon: Daemon) -> None:
    sock = connected(daemon)
    for number in range(100, 150):
        sock.send(schema.encode(schema.LookupPackage(number, "Hello" if number % 2 else "none")))
    kinds = {message.id: type(message) for message in (reply(sock) for _ in range(50))}
    expected = {n: schema.PackageNumber if n % 2 else schema.Failed for n in range(100, 150)}
    assert kinds == expected
    assert not select.select([sock], [], [], 0.05)[0]


def test_requests_too_large_for_the_next_hop_fail_by_name(daemon: Daemon) -> None:
    authority = daemon.link()
    number = answered(schema.PackageNumber, authority.call(schema.LookupPackage(next_id(), "Hello"))).package
    long = "x" * (packet.MAX_FRAME - 200)
    worker = daemon.worker("hello")
    messages: list[schema.ToAuthority] = [
        schema.LogonUser(next_id(), number, LogonRequest(LogonType.INTERACTIVE, long, password="x")),
        schema.LogonUser(next_id(), number, LogonRequest(LogonType.INTERACTIVE, "alice", password=long)),
        schema.CallPackage(next_id(), number, long.encode()),
        schema.LookupPackage(next_id(), long),
        schema.OpenPackage(next_id(), long),
    ]
    for message in messages:
        assert refused(authority.call(message))[0].is_error
    assert daemon.worker("hello") == worker


@pytest.mark.parametrize("count", [1, 2, 30])
def test_descriptors_that_nobody_wants_are_closed(daemon: Daemon, count: int) -> None:
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]
    sock = connected(daemon)
    before = descriptors(daemon.process.pid)
    packet.send(sock, LOOKUP, files)
    if count == 1:
        assert isinstance(reply(sock), schema.PackageNumber)
        daemon.until(lambda: descriptors(daemon.process.pid) == before)
    else:
        assert at_end(sock)
    ends = Ends(daemon.link())
    worker = daemon.worker("hello")
    held = descriptors(worker)
    packet.send(ends.channel._sock, schema.encode(schema.QueryContext(1, 1, 1)), files)
    assert packet.recv_frame(ends.channel._sock, packet.buffer()) != b""
    daemon.until(lambda: descriptors(worker) == held)
    for file in files:
        os.close(file)


def test_handles_are_of_one_channel(daemon: Daemon) -> None:
    """Stale, foreign and invented ones find nothing (R46)."""
    authority = daemon.link()
    mine, theirs = Ends(authority), Ends(daemon.link())
    for _ in range(2):
        mine.initiate(0, b"")
    context = mine.initiate(0, b"").context
    foreign: list[schema.ToWorker] = [
        schema.InitializeContext(next_id(), theirs.client, context, b""),
        schema.QueryContext(next_id(), context, 1),
        schema.DeleteContext(next_id(), context),
        schema.FreeCredentials(next_id(), context),
        schema.DeleteContext(next_id(), 2**63 - 1),
        schema.DeleteContext(next_id(), -1),
        schema.DeleteContext(next_id(), 0),
    ]
    for message in foreign:
        assert refused(theirs.channel.call(message))[0] is Status.SEC_E_INVALID_HANDLE
    answered(schema.Done, mine.delete(context))
    assert refused(mine.delete(context))[0] is Status.SEC_E_INVALID_HANDLE
    wrong = schema.AcquireCredentials(next_id(), mine.opened.package + 1, 1)
    assert refused(mine.channel.call(wrong)) == (Status.SEC_E_SECPKG_NOT_FOUND, "package_not_in_module")


def test_channels_that_are_closed_are_forgotten_while_the_connection_lives(daemon: Daemon) -> None:
    authority = daemon.link()
    before = daemon.counts("hello")
    for _ in range(50):
        Ends(authority).close()
    daemon.settles(before)


def test_what_a_forked_child_keeps_open_is_run_down_when_its_parent_exits(
    daemon: Daemon, settled: dict[str, object]
) -> None:
    """process-model.md: the authority watches the process that connected, not the last copy of its socket."""
    tell, told = os.pipe()
    parent = os.fork()
    if not parent:
        authority = link(daemon.address)
        ends = Ends(authority)
        ends.initiate(0, b"")
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                select.select([], [], [])
            os._exit(0)
        os.write(told, b"%d" % child)
        os._exit(0)
    os.waitpid(parent, 0)
    child = int(os.read(tell, 20))
    os.close(tell)
    os.close(told)
    daemon.settles(settled)
    os.kill(child, 9)
    assert gone(child)


def test_connections_that_say_nothing_are_bounded(daemon: Daemon) -> None:
    silent = [raw(daemon) for _ in range(rooms.MAX_STRANGERS_OF_A_UID)]
    late = raw(daemon)
    assert refused(reply(late)) == (Status.STATUS_PORT_CONNECTION_REFUSED, "connection_refused")
    assert at_end(late)
    assert reason_of(daemon.link) == (Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, "authority_unreachable")
    silent[0].send(CONNECT)
    assert isinstance(reply(silent[0]), schema.Connected)
    daemon.link()


def test_connections_of_a_uid_are_bounded(daemon: Daemon) -> None:
    """Lock 9."""
    limit = 256
    for _ in range(limit - 1):
        daemon.link()
    assert reason_of(daemon.link) == (Status.STATUS_QUOTA_EXCEEDED, "quota_connections")
    opened.pop()()
    daemon.until(lambda: daemon.manage("authority.status")["connections"] == limit - 1)
    daemon.link()


def as_nobody(work: Callable[[], object]) -> object:
    """What ``work`` returns, or the refusal that it met, in a process of another user."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(read)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            answer = work()
        except BaseException as error:
            answer = [type(error).__name__, str(getattr(error, "reason", error))]
        os.write(write, msgspec.msgpack.encode(answer))
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return msgspec.msgpack.decode(data)


@root_only
def test_another_user_is_served_but_not_trusted(daemon: Daemon) -> None:
    """Locks 1 and 2, R84."""

    def untrusted() -> object:
        authority = link(daemon.address)
        Ends(authority).handshake()
        message = schema.Manage(next_id(), "accounts.list", msgspec.Raw(schema.encode({})))
        return [authority.trusted, *refused(authority.call(message))]

    assert as_nobody(untrusted) == [False, Status.STATUS_PRIVILEGE_NOT_HELD, "trusted_connection_needed"]
    assert as_nobody(lambda: link(daemon.address, "winlogon").trusted) == ["SecurityError", "trusted_socket_refused"]
    assert as_nobody(lambda: os.listdir(daemon.directory) and (daemon.directory / "master.key").read_bytes()) == [
        "PermissionError",
        f"[Errno 13] Permission denied: '{daemon.directory}/master.key'",
    ]


@root_only
def test_a_logon_process_needs_the_privilege_even_where_the_file_mode_lets_it_in(daemon: Daemon) -> None:
    """Lock 2: the uid decides, the mode of the socket only keeps crowds away."""
    trusted = daemon.directory / "lsa-trusted.sock"
    trusted.chmod(0o666)
    try:
        assert as_nobody(lambda: link(daemon.address, "winlogon").trusted) == ["SecurityError", "tcb_privilege_missing"]
    finally:
        trusted.chmod(0o600)


@root_only
def test_an_authority_of_another_user_is_not_talked_to(daemon: Daemon) -> None:
    """Lock 1: the client looks who listens."""
    place = daemon.directory.parent / "foreign"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    path = str(place / "lsa.sock")
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        os.setuid(NOBODY)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(path)
        listener.listen()
        os.write(tell, b"!")
        with contextlib.suppress(BaseException):
            select.select([], [], [])
        os._exit(0)
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    assert reason_of(lambda: link(f"unix:{path}")) == (
        Status.SEC_E_NO_AUTHENTICATING_AUTHORITY,
        "authority_foreign_uid",
    )
    os.kill(child, 9)
    os.waitpid(child, 0)


def test_an_authority_that_is_down_is_an_error_by_name(daemon: Daemon) -> None:
    nowhere = f"unix:{daemon.directory}/nowhere.sock"
    assert reason_of(lambda: link(nowhere)) == (Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, "authority_unreachable")


def test_a_flood_that_reads_nothing_is_not_read_and_others_are_served(daemon: Daemon) -> None:
    """Backpressure: what a client does not take, it cannot go on asking for."""
    sock = connected(daemon)
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(100_000):
            sock.send(schema.encode(schema.ListPackages(3)))
    works(daemon)
