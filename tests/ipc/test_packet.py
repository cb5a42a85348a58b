"""Frames, descriptors and what the kernel does to them."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secpkg.ipc import packet, rights
from secpkg.ipc.errors import ChannelBroken, ChannelClosed, ChannelError, DescriptorsLost, FrameRefused

Pair = tuple[socket.socket, socket.socket]


def inode(fd: int) -> int:
    return os.fstat(fd).st_ino


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    rights.close_all(ends)


def test_the_largest_frame_passes_whole(pair: Pair) -> None:
    data = os.urandom(packet.MAX_FRAME)
    packet.send(pair[0], data)
    assert packet.recv_frame(pair[1], packet.buffer()) == data
    packet.send(pair[0], data)
    assert packet.receive(pair[1], packet.buffer(), 1)[0] == data


@pytest.mark.parametrize("data", [b"", bytes(packet.MAX_FRAME + 1)])
def test_a_frame_that_may_not_be_is_refused_before_the_system_call(pair: Pair, data: bytes) -> None:
    with pytest.raises(FrameRefused):
        packet.send(pair[0], data)
    pair[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        pair[1].recv(1)


def test_a_send_buffer_smaller_than_the_limit_is_named(pair: Pair) -> None:
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    with pytest.raises(FrameRefused, match="wmem"):
        packet.send(pair[0], bytes(packet.MAX_FRAME))


@pytest.mark.parametrize("with_fds", [False, True])
def test_a_frame_past_the_limit_is_noticed_not_cut(pair: Pair, pipe: tuple[int, int], with_fds: bool) -> None:
    oversize = bytes(packet.MAX_FRAME + 1)
    into = packet.buffer()
    if with_fds:
        pair[0].sendmsg([oversize + b"more"], rights.control(pipe))
        with pytest.raises(ChannelBroken):
            packet.receive(pair[1], into, 2)
    else:
        pair[0].send(oversize)
        with pytest.raises(ChannelBroken):
            packet.recv_frame(pair[1], into)


def test_end_of_file_is_an_empty_frame(pair: Pair) -> None:
    pair[0].close()
    assert packet.recv_frame(pair[1], packet.buffer()) == b""
    data, fds = packet.receive(pair[1], packet.buffer(), 1)
    assert (data, len(fds)) == (b"", 0)


def test_descriptors_on_an_empty_message_are_closed(pair: Pair, pipe: tuple[int, int]) -> None:
    pair[0].sendmsg([b""], rights.control(pipe))
    data, fds = packet.receive(pair[1], packet.buffer(), 2)
    assert data == b""
    assert fds.take_all() == []


@pytest.mark.parametrize("with_fds", [False, True])
def test_connection_reset_does_not_hide_a_queued_frame(pair: Pair, with_fds: bool) -> None:
    ours, theirs = pair
    ours.send(b"never read")
    theirs.send(b"farewell")
    theirs.close()
    into = packet.buffer()

    def read() -> bytes:
        return packet.receive(ours, into, 1)[0] if with_fds else packet.recv_frame(ours, into)

    assert read() == b"farewell"
    assert read() == b""


def test_a_send_to_nobody_is_closed_and_raises_no_signal(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(ChannelClosed):
        packet.send(pair[0], b"x")
    with pytest.raises(ChannelClosed):
        packet.send(pair[0], b"x", (0,))


def test_descriptors_arrive_close_on_exec_and_in_order(pair: Pair, pipe: tuple[int, int]) -> None:
    packet.send(pair[0], b"x", pipe)
    data, fds = packet.receive(pair[1], packet.buffer(), 2)
    with fds:
        assert data == b"x"
        assert [inode(fd) for fd in fds.peek()] == [inode(fd) for fd in pipe]
        assert not any(os.get_inheritable(fd) for fd in fds.peek())


@pytest.mark.parametrize("expected", [0, 1, 2])
def test_more_descriptors_than_expected_are_lost_by_name_and_closed(
    pair: Pair, pipe: tuple[int, int], expected: int
) -> None:
    """One too many is the hard case: CMSG_SPACE(1) has room for two."""
    packet.send(pair[0], b"x", (*pipe, pipe[0])[: expected + 1])
    packet.send(pair[0], b"next")
    with pytest.raises(DescriptorsLost):
        packet.receive(pair[1], packet.buffer(), expected)
    assert packet.receive(pair[1], packet.buffer(), expected)[0] == b"next"


def test_descriptors_that_do_not_fit_under_the_process_limit_are_lost_by_name(
    pair: Pair, pipe: tuple[int, int]
) -> None:
    into = packet.buffer()
    packet.send(pair[0], b"x", pipe)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.dup(0)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, hard))
    try:
        with pytest.raises(DescriptorsLost):
            packet.receive(pair[1], into, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_plain_read_drops_descriptors(pair: Pair, pipe: tuple[int, int]) -> None:
    reader, writer = os.pipe()
    packet.send(pair[0], b"x", (writer,))
    os.close(writer)
    assert packet.recv_frame(pair[1], packet.buffer()) == b"x"
    assert os.read(reader, 1) == b"", "the copy in flight was the last writer"
    os.close(reader)


def test_too_many_descriptors_are_refused(pair: Pair) -> None:
    with pytest.raises(FrameRefused):
        packet.send(pair[0], b"x", [0] * (rights.MAX_FDS + 1))


def test_a_socket_that_would_block_says_so(pair: Pair) -> None:
    pair[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        packet.recv_frame(pair[1], packet.buffer())
    with pytest.raises(BlockingIOError):
        packet.receive(pair[1], packet.buffer(), 1)


def test_what_was_taken_is_not_closed(pipe: tuple[int, int]) -> None:
    owned = rights.duplicate(pipe)
    first = owned.take(0)
    second = owned.peek()[0]
    with pytest.raises(ValueError, match="taken"):
        owned.take(0)
    owned.close()
    owned.close()
    assert inode(first) == inode(pipe[0])
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(second)
    os.close(first)


def test_what_is_forgotten_is_closed(pipe: tuple[int, int]) -> None:
    owned = rights.duplicate(pipe)
    forgotten = owned.peek()
    del owned
    for fd in forgotten:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)


def test_duplicates_are_all_or_none(pipe: tuple[int, int]) -> None:
    with pytest.raises(OSError, match="Bad file"):
        rights.duplicate((*pipe, 9999))


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=8), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_any_frames_with_any_descriptors_come_whole_or_by_name(bodies: list[bytes], sent: int, expected: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    into = packet.buffer()
    with ours, theirs:
        for body in bodies:
            packet.send(ours, body, [0] * sent)
        for body in bodies:
            try:
                data, fds = packet.receive(theirs, into, expected)
            except ChannelError as error:
                assert isinstance(error, DescriptorsLost)
                assert sent > expected
            else:
                assert (data, len(fds)) == (body, sent)
                fds.close()
