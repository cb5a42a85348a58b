"""Messages that get no reply, on both channels: sent at once or not at all, and beside the calls of others."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from types import FrameType

import pytest
from ipc_helpers import Message, decode, encode, in_child

from secpkg.ipc import aio_channel
from secpkg.ipc.aio_channel import AsyncChannel
from secpkg.ipc.channel import Channel
from secpkg.ipc.errors import ChannelClosed, ChannelForked, FrameRefused
from secpkg.ipc.packet import MAX_FRAME

Pair = tuple[socket.socket, socket.socket]


def channel_on(sock: socket.socket) -> Channel[Message, Message]:
    return Channel(sock, encode, decode, timeout=10.0)


def fill(sock: socket.socket) -> int:
    """Send until the kernel takes no more; how many frames it took."""
    sock.setblocking(False)
    taken = 0
    while True:
        try:
            sock.send(encode(Message(0, b"filling")))
        except BlockingIOError:
            return taken
        taken += 1


def test_it_is_sent_and_nothing_is_owed(pair: Pair) -> None:
    with channel_on(pair[0]) as channel:
        assert channel.tell(Message(0, b"over"))
        assert decode(pair[1].recv(MAX_FRAME)) == Message(0, b"over")
        pair[1].send(encode(Message(1)))
        assert channel.call(Message(1)) == Message(1)


def test_it_does_not_wait_for_the_call_of_another_thread(pair: Pair) -> None:
    with channel_on(pair[0]) as channel:
        caller = threading.Thread(target=channel.call, args=(Message(1),))
        caller.start()
        assert decode(pair[1].recv(MAX_FRAME)).id == 1
        assert channel.tell(Message(0, b"meanwhile"))
        assert decode(pair[1].recv(MAX_FRAME)).body == b"meanwhile"
        pair[1].send(encode(Message(1)))
        caller.join()


def test_where_the_kernel_takes_no_more_it_says_so_and_sends_nothing(pair: Pair) -> None:
    taken = fill(pair[0])
    with channel_on(pair[0]) as channel:
        assert not channel.tell(Message(0, b"too much"))
        for _ in range(taken):
            assert decode(pair[1].recv(MAX_FRAME)).body == b"filling"
        assert channel.tell(Message(0, b"now"))
        assert decode(pair[1].recv(MAX_FRAME)).body == b"now"


def test_a_peer_that_is_gone_is_named_and_what_it_sent_is_still_read(pair: Pair) -> None:
    with channel_on(pair[0]) as channel:
        pair[1].send(encode(Message(1, b"last")))
        pair[1].close()
        with pytest.raises(ChannelClosed):
            channel.tell(Message(0))
        assert not channel.closed


def test_closed_forked_and_oversized_ones_are_refused(pair: Pair) -> None:
    channel = channel_on(pair[0])
    with pytest.raises(FrameRefused):
        channel.tell(Message(0, bytes(MAX_FRAME)))

    def child() -> bool:
        with pytest.raises(ChannelForked):
            channel.tell(Message(0))
        return True

    assert in_child(child)
    channel.close()
    with pytest.raises(ChannelClosed):
        channel.tell(Message(0))


def test_a_signal_handler_that_tells_or_closes_inside_one_waits_for_nobody(pair: Pair) -> None:
    said: list[bool] = []
    channel: Channel[Message, Message]

    def send(frame: bytes, flags: int) -> int:
        signal.raise_signal(signal.SIGUSR1)
        return pair[0].send(frame, flags)

    def interrupt(number: int, frame: FrameType | None) -> None:
        said.append(channel.tell(Message(0, b"inside")))
        channel.close()

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        channel = channel_on(pair[0])
        channel._send = send  # type: ignore[assignment]  # where a handler may run
        with pytest.raises(ChannelClosed):
            channel.tell(Message(0))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert said == [False]
    assert channel.fileno() == -1, "the descriptor does not wait for the collector"


def test_asyncio_sends_now_or_later_and_in_order(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio_channel, "MAX_QUEUED", 2)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with AsyncChannel(pair[0], encode, decode) as channel, asyncio.timeout(20):
            taken = fill(pair[0])
            assert channel.tell(Message(0, b"first")) and channel.tell(Message(0, b"second"))
            assert not channel.tell(Message(0, b"third"))
            pair[1].setblocking(False)
            frames = [decode(await loop.sock_recv(pair[1], MAX_FRAME)).body for _ in range(taken + 2)]
            assert frames[taken:] == [b"first", b"second"]
            with pytest.raises(FrameRefused):
                channel.tell(Message(0, bytes(MAX_FRAME)))
        with pytest.raises(ChannelClosed):
            channel.tell(Message(0))

    asyncio.run(main())
