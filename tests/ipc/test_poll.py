"""The loop, turned by hand: what is asserted is the order of things, never their time."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secpkg.ipc import packet, poll
from secpkg.ipc.errors import ChannelBroken, DescriptorsLost, FrameRefused, ResourceShortage
from secpkg.ipc.poll import Loop, Peer
from secpkg.ipc.rights import OwnedFds

Log = list[tuple[str, bytes]]


class Bench:
    """A loop with a clock that stands still, its faults, and what its peers saw."""

    def __init__(self) -> None:
        self.now = 0.0
        self.errors: list[tuple[object, Exception]] = []
        self.log: Log = []
        self.others: list[socket.socket] = []
        self.loop = Loop(lambda where, error: self.errors.append((where, error)), clock=lambda: self.now)

    def peer(
        self, name: str = "p", *, handler: Handler | None = None, max_fds: int = 0
    ) -> tuple[Recorder, socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        self.others.append(theirs)
        return Recorder(self, name, ours, handler, max_fds), theirs

    def turn(self) -> None:
        self.loop.turn(0)

    def close(self) -> None:
        self.loop.close()
        for other in self.others:
            other.close()


class Recorder(Peer):
    def __init__(self, bench: Bench, name: str, sock: socket.socket, handler: Handler | None, max_fds: int) -> None:
        super().__init__(bench.loop, sock, max_fds=max_fds)
        self.bench = bench
        self.name = name
        self.handler = handler
        self.closes = 0

    def on_frame(self, data: bytes, fds: OwnedFds) -> None:
        self.bench.log.append((self.name, data))
        if self.handler is not None:
            self.handler(self, data, fds)

    def on_close(self) -> None:
        self.closes += 1
        self.bench.log.append((self.name, b""))


Handler = Callable[[Recorder, bytes, OwnedFds], None]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def fill(peer: Peer, frame: bytes = b"x" * 1000) -> int:
    """Send until the kernel takes no more; how many it took."""
    sent = 0
    while not peer.queued:
        peer.send(frame)
        sent += 1
    return sent - 1


def drain(sock: socket.socket) -> list[bytes]:
    frames: list[bytes] = []
    while True:
        try:
            frame = sock.recv(packet.MAX_FRAME)
        except BlockingIOError:
            return frames
        if not frame:
            return frames
        frames.append(frame)


def flood(sock: socket.socket) -> None:
    try:
        while True:
            sock.send(b"flood")
    except BlockingIOError:
        return


def test_a_quiet_peer_is_served_in_the_turn_it_speaks_whatever_a_flood_does(bench: Bench) -> None:
    """At most FRAMES_A_TURN frames of the flooding peer come in between, at every age of the flood."""
    _, noisy = bench.peer("noisy")
    _, quiet = bench.peer("quiet")
    most = 0
    for _ in range(40):
        flood(noisy)
        quiet.send(b"please")
        bench.log.clear()
        bench.turn()
        assert ("quiet", b"please") in bench.log
        floods = bench.log.count(("noisy", b"flood"))
        assert 1 <= floods <= poll.FRAMES_A_TURN
        most = max(most, floods)
    assert most == poll.FRAMES_A_TURN, "a peer that is always ready is read up to its weight"


def test_two_floods_share(bench: Bench) -> None:
    socks = [bench.peer(name)[1] for name in ("a", "b")]
    for _ in range(30):
        for sock in socks:
            flood(sock)
        bench.turn()
    a, b = (sum(name == who for who, _ in bench.log) for name in ("a", "b"))
    assert a == b > 100


def test_frames_are_answered_in_order(bench: Bench) -> None:
    _, theirs = bench.peer(handler=lambda peer, data, fds: peer.send(data))
    for n in range(60):
        theirs.send(b"%d" % n)
        bench.turn()
    assert drain(theirs) == [b"%d" % n for n in range(60)]


def test_a_peer_that_takes_nothing_is_not_read_until_it_does(bench: Bench) -> None:
    peer, theirs = bench.peer()
    taken = fill(peer)
    for _ in range(poll.STUCK_FRAMES):
        peer.send(b"y")
    assert peer.stuck
    theirs.send(b"more")
    bench.turn()
    assert bench.log == []
    received = 0
    while received < taken + 1 + poll.STUCK_FRAMES:
        received += len(drain(theirs))
        bench.turn()
    bench.turn()
    assert not peer.stuck
    assert bench.log == [("p", b"more")]
    assert received == taken + 1 + poll.STUCK_FRAMES


def test_a_few_queued_frames_do_not_stop_the_reading(bench: Bench) -> None:
    peer, theirs = bench.peer()
    fill(peer)
    theirs.send(b"more")
    bench.turn()
    assert bench.log == [("p", b"more")]


def test_a_queue_past_all_bounds_closes_the_peer_after_its_handler(bench: Bench) -> None:
    peer, theirs = bench.peer()
    fill(peer)
    for _ in range(poll.LOST_FRAMES):
        peer.send(b"y")
    assert not peer.closed
    bench.turn()
    assert peer.closed
    assert peer.closes == 1
    peer.send(b"to nobody")
    del theirs


def test_queued_descriptors_outlive_the_senders_and_are_closed_with_the_peer(bench: Bench) -> None:
    peer, theirs = bench.peer()
    fill(peer)
    reader, writer = os.pipe()
    for _ in range(2):
        peer.send(b"fd", (writer,))
    os.close(writer)
    into = packet.buffer()
    while True:
        bench.turn()
        data, fds = packet.receive(theirs, into, 1)
        if data == b"fd":
            break
    os.write(fds.peek()[0], b"!")
    assert os.read(reader, 1) == b"!"
    fds.close()
    peer.close()
    drain(theirs)
    theirs.close()
    assert os.read(reader, 1) == b"", "no copy is left"
    os.close(reader)


def test_a_descriptor_that_cannot_be_kept_for_later_is_refused_by_name(bench: Bench) -> None:
    peer, _ = bench.peer()
    fill(peer)
    queued = peer.queued
    with pytest.raises(ResourceShortage):
        peer.send(b"fd", (9999,))
    assert peer.queued == queued


def test_descriptors_that_a_handler_does_not_take_are_closed(bench: Bench) -> None:
    taken: list[int] = []
    _, theirs = bench.peer(handler=lambda peer, data, fds: taken.append(fds.take(0)), max_fds=2)
    packet.send(theirs, b"x", (0, 0))
    bench.turn()
    assert len(taken) == 1
    os.close(taken[0])


def test_too_many_descriptors_close_the_peer(bench: Bench) -> None:
    peer, theirs = bench.peer(max_fds=1)
    packet.send(theirs, b"x", (0, 0))
    bench.turn()
    assert peer.closed
    assert [type(error) for _, error in bench.errors] == [DescriptorsLost]


def test_an_exception_in_a_handler_closes_that_peer_alone(bench: Bench) -> None:
    def fail(peer: Recorder, data: bytes, fds: OwnedFds) -> None:
        raise RuntimeError("bug")

    bad, bad_sock = bench.peer("bad", handler=fail, max_fds=1)
    good, good_sock = bench.peer("good")
    packet.send(bad_sock, b"x", (0,))
    good_sock.send(b"x")
    bench.turn()
    assert (bad.closed, bad.closes, good.closed) == (True, 1, False)
    assert [(where, type(error)) for where, error in bench.errors] == [(bad, RuntimeError)]
    assert ("good", b"x") in bench.log


def test_a_hook_that_fails_does_not_end_the_loop() -> None:
    def hook(where: object, error: Exception) -> None:
        raise RuntimeError

    loop = Loop(hook)
    loop.call_soon(lambda: 1 / 0)
    loop.turn(0)
    loop.turn(0)
    loop.close()


def test_a_frame_past_the_limit_closes_the_peer(bench: Bench) -> None:
    peer, theirs = bench.peer()
    theirs.send(bytes(packet.MAX_FRAME + 1))
    bench.turn()
    assert peer.closed
    assert [type(error) for _, error in bench.errors] == [ChannelBroken]


@pytest.mark.parametrize("data", [b"", bytes(packet.MAX_FRAME + 1)])
@pytest.mark.parametrize("queued", [False, True])
def test_a_frame_that_may_not_be_sent_is_refused(bench: Bench, data: bytes, queued: bool) -> None:
    peer, _ = bench.peer()
    if queued:
        fill(peer)
    with pytest.raises(FrameRefused):
        peer.send(data)
    assert not peer.closed


@pytest.mark.parametrize("max_fds", [0, 1])
def test_what_a_peer_said_before_it_went_is_heard_then_it_is_closed_once(bench: Bench, max_fds: int) -> None:
    peer, theirs = bench.peer(max_fds=max_fds)
    peer.send(b"never read, so its close is a reset")
    theirs.send(b"1")
    theirs.send(b"2")
    theirs.close()
    for _ in range(5):
        bench.turn()
    assert bench.log == [("p", b"1"), ("p", b"2"), ("p", b"")]
    peer.close()
    assert peer.closes == 1
    assert bench.errors == []


def test_a_stuck_peer_that_goes_away_is_noticed(bench: Bench) -> None:
    peer, theirs = bench.peer()
    fill(peer)
    for _ in range(poll.STUCK_FRAMES + 1):
        peer.send(b"y")
    theirs.close()
    bench.turn()
    assert peer.closes == 1


def test_a_peer_closed_by_another_in_the_same_turn_hears_nothing_more(bench: Bench) -> None:
    def close_others(peer: Recorder, data: bytes, fds: OwnedFds) -> None:
        for other in peers:
            if other is not peer:
                other.close()

    made = [bench.peer(name, handler=close_others) for name in "abc"]
    peers = [peer for peer, _ in made]
    for _, sock in made:
        sock.send(b"x")
    bench.turn()
    assert sum(data == b"x" for _, data in bench.log) == 1
    assert bench.errors == []


def test_a_peer_that_closes_itself_reads_no_further(bench: Bench) -> None:
    _, theirs = bench.peer(handler=lambda peer, data, fds: peer.close() if data == b"20" else None)
    for n in range(40):
        theirs.send(b"%d" % n)
    for _ in range(40):
        bench.turn()
    assert [data for _, data in bench.log] == [b"%d" % n for n in range(21)] + [b""]


def test_finish_sends_what_is_queued_and_reads_no_more(bench: Bench) -> None:
    peer, theirs = bench.peer()
    taken = fill(peer)
    peer.send(b"last")
    peer.finish()
    peer.send(b"after the last")
    theirs.send(b"unheard")
    frames: list[bytes] = []
    while not peer.closed:
        frames += drain(theirs)
        bench.turn()
    # Our close with a frame of theirs unread: a reset may stand in front of what is left.
    try:
        frames += drain(theirs)
    except ConnectionResetError:
        frames += drain(theirs)
    assert len(frames) == taken + 2
    assert frames[-1] == b"last"
    assert bench.log == [("p", b"")]


def test_finish_with_nothing_queued_closes_at_once(bench: Bench) -> None:
    peer, _ = bench.peer()
    peer.finish()
    peer.finish()
    assert peer.closes == 1


def test_timers_run_when_due_in_order_and_not_when_cancelled(bench: Bench) -> None:
    ran: list[str] = []
    loop = bench.loop
    loop.call_at(2.0, lambda: ran.append("b"))

    def run_first() -> None:
        ran.append("a")
        second.cancel()

    first = loop.call_at(1.0, run_first)
    second = loop.call_at(1.0, lambda: ran.append("never"))
    loop.call_at(2.0, lambda: ran.append("c"))
    bench.turn()
    assert ran == []
    bench.now = 1.0
    bench.turn()
    assert ran == ["a"]
    bench.now = 2.0
    bench.turn()
    assert ran == ["a", "b", "c"]
    first.cancel()


def test_cancelled_timers_do_not_pile_up(bench: Bench) -> None:
    keep = [bench.loop.call_at(5.0, lambda: None) for _ in range(10)]
    for _ in range(10_000):
        bench.loop.call_at(1e9, lambda: None).cancel()
    assert len(bench.loop._timers) < 100
    del keep


def test_a_callback_that_calls_for_itself_runs_once_a_turn(bench: Bench) -> None:
    ran: list[int] = []

    def again() -> None:
        ran.append(1)
        bench.loop.call_soon(again)

    again()
    _, theirs = bench.peer()
    theirs.send(b"x")
    bench.turn()
    assert len(ran) == 2
    assert bench.log == [("p", b"x")]


def test_other_threads_wake_and_stop_the_loop(bench: Bench) -> None:
    seen: list[int] = []
    running = threading.Event()

    called = threading.Event()

    def call() -> None:
        seen.append(threading.get_ident())
        called.set()

    def other() -> None:
        running.wait()
        bench.loop.call_soon_threadsafe(call)
        called.wait()
        bench.loop.stop()

    thread = threading.Thread(target=other)
    thread.start()
    bench.loop.call_soon(running.set)
    signal.alarm(20)
    bench.loop.run()
    signal.alarm(0)
    thread.join()
    assert seen == [threading.get_ident()]


def test_stop_from_a_callback_ends_the_turn_that_would_wait_for_ever(bench: Bench) -> None:
    bench.turn()
    bench.loop.call_soon(bench.loop.stop)
    signal.alarm(20)
    bench.loop.run()
    bench.loop.stop()
    bench.loop.run()
    signal.alarm(0)


def test_a_source_that_fails_rests_and_is_asked_again(bench: Bench) -> None:
    asked: list[int] = []
    event = os.eventfd(1, os.EFD_NONBLOCK)

    def fail() -> None:
        asked.append(1)
        raise RuntimeError

    source = bench.loop.register(event, fail)
    for _ in range(3):
        bench.turn()
    assert len(asked) == 1
    assert [where for where, _ in bench.errors] == [source]
    bench.now += 1.0
    bench.turn()
    bench.turn()
    assert len(asked) == 2
    source.unregister()
    source.unregister()
    bench.now += 1.0
    bench.turn()
    bench.turn()
    assert len(asked) == 2
    os.close(event)


def test_a_source_is_asked_again_up_to_its_weight(bench: Bench) -> None:
    event = os.eventfd(100, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)
    asked: list[int] = []

    def take() -> bool:
        asked.append(os.eventfd_read(event))
        return True

    source = bench.loop.register(event, take, weight=3)
    bench.turn()
    assert len(asked) == 3
    source.unregister()
    os.close(event)


def test_a_fault_while_the_loop_is_idle_leaves_the_epoll_unmoved(bench: Bench) -> None:
    peer, theirs = bench.peer()
    theirs.shutdown(socket.SHUT_WR)
    bench.turn()
    assert peer.closes == 1
    assert list(bench.loop._watched) == [bench.loop._wake]


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=50)), max_size=60))
@settings(max_examples=50, deadline=None)
def test_every_frame_of_every_peer_arrives_once_and_in_order(frames: list[tuple[int, bytes]]) -> None:
    bench = Bench()
    socks = [bench.peer(str(n))[1] for n in range(3)]
    for n, data in frames:
        socks[n].send(data)
        if data[0] & 1:
            bench.turn()
    for _ in range(len(frames)):
        bench.turn()
    for n in range(3):
        assert [data for who, data in bench.log if who == str(n)] == [data for who, data in frames if who == n]
    bench.close()
