"""The blocking channel. The server's part is played by frames put into its socket beforehand, or by a thread."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipc_helpers import Message, decode, encode, in_child

from secpkg.ipc import channel as channel_module
from secpkg.ipc import fork, packet
from secpkg.ipc.channel import Channel
from secpkg.ipc.errors import (
    ChannelBroken,
    ChannelBusy,
    ChannelClosed,
    ChannelError,
    ChannelForked,
    ChannelTimeout,
    DescriptorsLost,
    FrameRefused,
)

Pair = tuple[socket.socket, socket.socket]


def channel_on(sock: socket.socket, timeout: float | None = 10.0) -> Channel[Message, Message]:
    return Channel(sock, encode, decode, timeout=timeout)


def serve(sock: socket.socket, answer: Callable[[Message], bytes | None]) -> threading.Thread:
    """Answer on a thread until the end of file."""

    def run() -> None:
        try:
            while data := sock.recv(packet.MAX_FRAME):
                if (reply := answer(decode(data))) is not None:
                    sock.send(reply)
        except ConnectionError:
            return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_call_returns_its_reply(pair: Pair) -> None:
    with channel_on(pair[0]) as channel:
        thread = serve(pair[1], lambda request: encode(Message(request.id, request.body[::-1])))
        assert channel.call(Message(channel.next_id(), b"abc")).body == b"cba"
        reply, fds = channel.call_with_fds(Message(channel.next_id(), b"def"))
        assert (reply.body, len(fds)) == (b"fed", 0)
    thread.join()


def test_threads_queue_and_each_gets_its_own(pair: Pair) -> None:
    wrong: list[object] = []
    with channel_on(pair[0]) as channel:
        server = serve(pair[1], encode)

        def client() -> None:
            for _ in range(200):
                request = Message(channel.next_id(), os.urandom(8))
                if (reply := channel.call(request)) != request:
                    wrong.append(reply)

        clients = [threading.Thread(target=client) for _ in range(4)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
    server.join()
    assert wrong == []


class Alarm(Exception):
    pass


def test_the_reply_to_an_interrupted_call_is_not_taken_for_the_next(pair: Pair) -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Alarm

    before = signal.signal(signal.SIGUSR1, interrupt)
    asked = threading.Event()

    def answer() -> None:
        first = decode(pair[1].recv(1000))
        asked.set()
        second = decode(pair[1].recv(1000))
        for request in (first, second):
            pair[1].send(encode(request))

    server = threading.Thread(target=answer)

    def strike() -> None:
        asked.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    striker = threading.Thread(target=strike)
    try:
        with channel_on(pair[0]) as channel:
            server.start()
            striker.start()
            with pytest.raises(Alarm):
                channel.call(Message(1, b"first"))
            assert channel.call(Message(2, b"second")) == Message(2, b"second")
    finally:
        signal.signal(signal.SIGUSR1, before)
        striker.join()
        server.join()


def test_a_late_reply_is_dropped_and_its_id_not_used_again(pair: Pair) -> None:
    with channel_on(pair[0], timeout=0.001) as channel:
        with pytest.raises(ChannelTimeout):
            channel.call(Message(1))
        with pytest.raises(FrameRefused):
            channel.call(Message(1))
        with pytest.raises(FrameRefused):
            channel.call_with_fds(Message(1))
        pair[1].send(encode(Message(1, b"late")))
        pair[1].send(encode(Message(2, b"own")))
        assert channel.call(Message(2)).body == b"own"
        assert not channel.closed


def test_a_late_reply_leaves_no_descriptor(pair: Pair) -> None:
    with channel_on(pair[0], timeout=0.001) as channel:
        with pytest.raises(ChannelTimeout):
            channel.call_with_fds(Message(1))
        packet.send(pair[1], encode(Message(1)), (0,))
        packet.send(pair[1], encode(Message(2)), (0,))
        reply, fds = channel.call_with_fds(Message(2))
        assert (reply.id, len(fds)) == (2, 1)
        fds.close()


def test_a_request_that_is_not_taken_in_time_is_a_timeout(pair: Pair) -> None:
    pair[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            pair[0].send(bytes(1000))
    with channel_on(pair[0], timeout=0.001) as channel, pytest.raises(ChannelTimeout):
        channel.call(Message(1))


def test_a_server_that_never_answers_ends_the_channel(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "MAX_OWED", 2)
    channel = channel_on(pair[0], timeout=0.001)
    for _ in range(2):
        with pytest.raises(ChannelTimeout):
            channel.call(Message(channel.next_id()))
    for _ in range(2):
        with pytest.raises(ChannelBroken):
            channel.call(Message(channel.next_id()))


@pytest.mark.parametrize("frame", [encode(Message(7)), b"\xc1", b"\x90" * 50, encode([1]), bytes(packet.MAX_FRAME + 1)])
@pytest.mark.parametrize("with_fds", [False, True])
def test_a_frame_that_is_no_reply_breaks_the_channel_for_good(pair: Pair, frame: bytes, with_fds: bool) -> None:
    channel = channel_on(pair[0])
    call = channel.call_with_fds if with_fds else channel.call
    packet_fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"\0\0\0\0")]
    pair[1].sendmsg([frame], packet_fds)
    pair[1].send(encode(Message(2)))
    with pytest.raises(ChannelBroken):
        call(Message(1))
    assert channel.closed
    with pytest.raises(ChannelBroken):
        call(Message(2))


def test_too_many_descriptors_cost_the_call_not_the_channel(pair: Pair) -> None:
    with channel_on(pair[0]) as channel:
        packet.send(pair[1], encode(Message(1)), (0, 0))
        with pytest.raises(DescriptorsLost):
            channel.call_with_fds(Message(1))
        packet.send(pair[1], encode(Message(2)), (0,))
        assert len(channel.call_with_fds(Message(2))[1]) == 1


def test_a_reply_behind_connection_reset_is_still_read(pair: Pair) -> None:
    """The peer answered, and went away with something of ours unread."""
    pair[1].send(encode(Message(1, b"farewell")))
    with channel_on(pair[0]) as channel:
        pair[0].send(b"unread")
        pair[1].close()
        assert channel.call(Message(1)).body == b"farewell"
        with pytest.raises(ChannelClosed):
            channel.call(Message(2))


def test_a_peer_that_goes_away_while_we_wait_closes_the_channel(pair: Pair) -> None:
    channel = channel_on(pair[0])

    def leave() -> None:
        pair[1].recv(1000)
        pair[1].close()

    thread = threading.Thread(target=leave)
    thread.start()
    with pytest.raises(ChannelClosed):
        channel.call(Message(1))
    thread.join()
    for call in (channel.call, channel.call_with_fds):
        with pytest.raises(ChannelClosed):
            call(Message(2))


def test_close_wakes_the_thread_that_waits(pair: Pair) -> None:
    channel = channel_on(pair[0], timeout=None)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            channel.call(Message(1))
        except ChannelError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    pair[1].recv(1000)
    channel.close()
    channel.close()
    thread.join()
    assert [type(error) for error in raised] == [ChannelClosed]
    with pytest.raises(ChannelClosed, match="this end"):
        channel.call(Message(2))
    with pytest.raises(ChannelClosed):
        channel.set_timeout(1.0)


def test_a_call_from_inside_a_call_is_refused_not_hung(pair: Pair) -> None:
    refused: list[type[BaseException]] = []

    def decode_and_come_back(data: bytes) -> Message:
        for call in (channel.call, channel.call_with_fds):
            with pytest.raises(ChannelBusy) as caught:
                call(Message(2))
            refused.append(caught.type)
        return decode(data)

    with Channel(pair[0], encode, decode_and_come_back) as channel:
        pair[1].send(encode(Message(1)))
        assert channel.call(Message(1)).id == 1
    assert refused == [ChannelBusy, ChannelBusy]


@pytest.mark.parametrize("size", [packet.MAX_FRAME, packet.MAX_FRAME + 1])
def test_a_request_too_large_costs_nothing_but_itself(pair: Pair, size: int) -> None:
    with channel_on(pair[0]) as channel:
        with pytest.raises(FrameRefused):
            channel.call(Message(1, bytes(size)))
        pair[1].send(encode(Message(1)))
        assert channel.call(Message(1)).id == 1


def test_in_the_child_of_a_fork_every_call_is_refused_and_the_parents_goes_on(pair: Pair) -> None:
    channel = channel_on(pair[0])
    number = channel.fileno()
    generation = fork.generation()

    def child() -> bool:
        for call in (channel.call, channel.call_with_fds):
            with pytest.raises(ChannelForked):
                call(Message(1))
        with pytest.raises(ChannelForked):
            channel.set_timeout(1.0)
        channel.close()
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(number)
        return channel.closed and fork.generation() == generation + 1

    assert in_child(child)
    assert fork.generation() == generation
    pair[1].send(encode(Message(1)))
    assert channel.call(Message(1)).id == 1
    channel.close()


def test_a_fork_while_another_thread_holds_the_lock_leaves_nothing_to_wait_for(pair: Pair) -> None:
    channel = channel_on(pair[0], timeout=None)
    replies: list[Message] = []
    thread = threading.Thread(target=lambda: replies.append(channel.call(Message(1))))
    thread.start()
    pair[1].recv(1000)

    def child() -> bool:
        with pytest.raises(ChannelForked):
            channel.call(Message(2))
        channel.close()
        return True

    assert in_child(child)
    pair[1].send(encode(Message(1)))
    thread.join()
    assert replies == [Message(1)]
    channel.close()


def test_one_that_fails_at_fork_does_not_keep_the_others_alive(pair: Pair) -> None:
    class Bad:
        def forked(self) -> None:
            sys.stderr.close()
            raise RuntimeError

    bad = [Bad(), Bad()]
    channel = channel_on(pair[0])
    for thing in bad:
        fork.guard(thing)

    def child() -> bool:
        with pytest.raises(ChannelForked):
            channel.call(Message(1))
        return True

    assert in_child(child)
    channel.close()


def test_the_registry_keeps_nobody_alive(pair: Pair) -> None:
    told = os.eventfd(1, os.EFD_NONBLOCK)

    class Thing:
        def forked(self) -> None:
            os.eventfd_read(told)

    thing = Thing()
    fork.guard(thing)
    del thing
    assert in_child(lambda: True)
    assert os.eventfd_read(told) == 1
    os.close(told)


def test_the_client_does_not_pay_for_asyncio() -> None:
    script = "import sys, secpkg.ipc.channel; sys.exit('asyncio' in sys.modules)"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0


def test_a_socket_of_another_kind_is_refused() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs, pytest.raises(ValueError, match="SEQPACKET"):
        channel_on(ours)


def test_a_timeout_of_nothing_is_refused(pair: Pair) -> None:
    with channel_on(pair[0]) as channel, pytest.raises(ValueError, match="timeout"):
        channel.set_timeout(0)


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_garbage_is_a_reply_or_a_named_error(frames: list[bytes], with_fds: bool) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, channel_on(ours) as channel:
        for frame in frames:
            theirs.send(frame)
        theirs.shutdown(socket.SHUT_WR)
        for _ in frames:
            try:
                if with_fds:
                    channel.call_with_fds(Message(1))
                else:
                    channel.call(Message(1))
            except (ChannelClosed, ChannelBroken):
                assert channel.closed
