"""Access tokens as handles and as descriptors, over real sockets (lock 5, R92, R93, R94)."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest
from tests.daemon.harness import Daemon, Ends, answered, close_opened, descriptors, logon, reason_of, refused, running

from secpkg.contract import Status
from secpkg.ipc import packet, schema
from secpkg.ipc.client import SocketLink
from secpkg.ipc.link import next_id

pytestmark = pytest.mark.slow  # each takes a while, and there are many


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def settled(daemon: Daemon) -> dict[str, object]:
    return daemon.settled("hello")


@pytest.fixture(autouse=True)
def _nothing_leaks(daemon: Daemon, settled: dict[str, object]) -> Iterator[None]:
    yield
    close_opened()
    daemon.settles(settled)


def live(daemon: Daemon, session: schema.LoggedOn) -> bool:
    return session.logon_id in {row["logon_id"] for row in daemon.manage("sessions.list")}


def close(authority: SocketLink, token: int) -> None:
    answered(schema.Done, authority.call(schema.CloseToken(next_id(), token)))


def terminated(daemon: Daemon, cursor: int) -> int:
    events = daemon.trace(cursor)
    return sum(event["function"] == "LsaApLogonTerminated" and event["package"] == "Hello" for event in events)


def adopt(authority: SocketLink, descriptor: int) -> object:
    """Present a descriptor; as the raw message, with the frame that brings it."""
    frame = schema.encode(schema.AdoptToken(next_id()))
    sock: socket.socket = authority._channel._sock
    packet.send(sock, frame, (descriptor,))
    reply: object = authority._channel._decode(packet.recv_frame(sock, packet.buffer()))
    return reply


def through_a_socket(descriptor: int) -> int:
    """The same descriptor, as it arrives where it was passed to."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        packet.send(ours, b"!", (descriptor,))
        _data, owned = packet.receive(theirs, packet.buffer(), 1)
        return owned.take(0)


def test_the_session_ends_with_the_last_copy_of_the_last_descriptor_and_its_package_hears_it_once(
    daemon: Daemon,
) -> None:
    """R92-R94: handle, dup, fork and a copy that went through a socket."""
    authority = daemon.link()
    session = logon(authority)
    cursor = daemon.manage("trace.start")["cursor"]
    first = authority.token_descriptor(session.token)
    copies = [os.dup(first), through_a_socket(first), authority.token_descriptor(session.token)]
    child_waits, let_go = os.pipe()
    child = os.fork()
    if not child:
        os.close(let_go)
        os.read(child_waits, 1)
        os._exit(0)
    os.close(child_waits)
    close(authority, session.token)
    os.close(first)
    for copy in copies:
        assert live(daemon, session)
        os.close(copy)
    assert live(daemon, session), "the child still holds copies"
    assert terminated(daemon, cursor) == 0
    os.close(let_go)
    os.waitpid(child, 0)
    daemon.until(lambda: not live(daemon, session))
    daemon.until(lambda: terminated(daemon, cursor))
    daemon.manage("trace.stop")
    assert terminated(daemon, cursor) == 1


def test_a_descriptor_that_was_passed_on_gives_a_handle_of_the_same_session(daemon: Daemon) -> None:
    first, second = daemon.link(), daemon.link()
    session = logon(first)
    descriptor = first.token_descriptor(session.token)
    close(first, session.token)
    opened = answered(schema.TokenOpened, adopt(second, descriptor))
    assert (opened.logon_id, opened.account_name) == (session.logon_id, "alice")
    os.close(descriptor)
    assert live(daemon, session)
    ends = Ends(second, token=opened.token)
    ends.handshake()
    close(second, opened.token)
    assert not live(daemon, session)


@pytest.mark.parametrize("spoil", ["shutdown", "read", "both"])
def test_a_holder_that_shuts_a_descriptor_down_ends_nothing_but_its_close_still_does(
    daemon: Daemon, spoil: str
) -> None:
    authority = daemon.link()
    session = logon(authority)
    descriptor = authority.token_descriptor(session.token)
    close(authority, session.token)
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        if spoil != "shutdown":
            copy.recv(1)
        if spoil != "read":
            copy.shutdown(socket.SHUT_RDWR)
    assert live(daemon, session)
    opened = answered(schema.TokenOpened, adopt(authority, descriptor))
    close(authority, opened.token)
    assert live(daemon, session)
    os.close(descriptor)
    daemon.until(lambda: not live(daemon, session))


def test_what_a_holder_sends_into_a_descriptor_is_nothing(daemon: Daemon) -> None:
    authority = daemon.link()
    session = logon(authority)
    with socket.socket(fileno=authority.token_descriptor(session.token)) as end:
        end.setblocking(False)
        end.send(b"x" * 65_536)
        close(authority, session.token)
        assert live(daemon, session)
    daemon.until(lambda: not live(daemon, session))


def _pipe() -> list[int]:
    return list(os.pipe())


def _file() -> list[int]:
    return [os.open("/dev/null", os.O_RDONLY)]


def _pair() -> list[int]:
    ours, theirs = socket.socketpair()
    return [ours.detach(), theirs.detach()]


@pytest.mark.parametrize("make", [_pipe, _file, _pair])
def test_a_foreign_descriptor_is_no_access_token_and_does_not_stay(
    daemon: Daemon, make: Callable[[], list[int]]
) -> None:
    authority = daemon.link()
    foreign = make()
    before = descriptors(daemon.process.pid)
    for _ in range(20):
        assert refused(adopt(authority, foreign[0])) == (Status.STATUS_INVALID_HANDLE, "no_token_descriptor")
    assert refused(authority.call(schema.AdoptToken(next_id()))) == (
        Status.STATUS_INVALID_HANDLE,
        "no_token_descriptor",
    )
    daemon.until(lambda: descriptors(daemon.process.pid) == before)
    for descriptor in foreign:
        os.close(descriptor)


def test_handles_are_of_one_connection_and_die_with_it(daemon: Daemon) -> None:
    first, second = daemon.link(), daemon.link()
    session = logon(first)
    unknown: list[schema.ToAuthority] = [
        schema.CloseToken(next_id(), session.token),
        schema.DuplicateToken(next_id(), session.token),
        schema.TokenDescriptor(next_id(), session.token),
        schema.CloseToken(next_id(), 2**63 - 1),
        schema.CloseToken(next_id(), -1),
        schema.OpenPackage(next_id(), "Hello", session.token),
    ]
    for message in unknown:
        assert refused(second.call(message))[0] is Status.STATUS_INVALID_HANDLE
    twin = answered(schema.TokenOpened, first.call(schema.DuplicateToken(next_id(), session.token)))
    close(first, session.token)
    assert refused(first.call(schema.CloseToken(next_id(), session.token)))[0] is Status.STATUS_INVALID_HANDLE
    assert live(daemon, session)
    assert twin.logon_id == session.logon_id
    first.close()
    daemon.until(lambda: not live(daemon, session))


def test_a_reference_is_redeemed_once_by_the_connection_for_which_it_was_made(daemon: Daemon) -> None:
    first, second = daemon.link(), daemon.link()
    ends = Ends(first)
    reference = ends.handshake()[1].access_token
    assert reference is not None
    for guess in (reference, b"", b"\0" * 16, reference[:-1], reference * 2):
        assert refused(second.call(schema.RedeemToken(next_id(), guess)))[0] is Status.STATUS_INVALID_HANDLE
    opened = answered(schema.TokenOpened, first.call(schema.RedeemToken(next_id(), reference)))
    assert refused(first.call(schema.RedeemToken(next_id(), reference)))[0] is Status.STATUS_INVALID_HANDLE
    close(first, opened.token)
    unused = ends.handshake()[1].access_token
    assert unused is not None
    sessions = daemon.manage("authority.status")["sessions"]
    answered(schema.Done, first.call(schema.ReleaseReference(next_id(), unused)))
    assert daemon.manage("authority.status")["sessions"] == sessions - 1


def test_a_descriptor_outlives_the_connection_that_asked_for_it(daemon: Daemon) -> None:
    authority = daemon.link()
    session = logon(authority)
    descriptor = authority.token_descriptor(session.token)
    authority.close()
    daemon.until(lambda: daemon.manage("authority.status")["connections"] == 1)
    assert live(daemon, session)
    os.close(descriptor)
    daemon.until(lambda: not live(daemon, session))
    assert reason_of(lambda: daemon.link().token_descriptor(session.token))[0] is Status.STATUS_INVALID_HANDLE
