"""The asyncio channel; the server is a socket in the same loop's hands, or frames put in beforehand."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine

import pytest
from ipc_helpers import Message, decode, encode, in_child

from secpkg.ipc import aio_channel, packet
from secpkg.ipc.aio_channel import AsyncChannel
from secpkg.ipc.errors import ChannelBroken, ChannelClosed, ChannelForked, FrameRefused

Pair = tuple[socket.socket, socket.socket]
Test = Callable[[Pair], Coroutine[None, None, None]]


def run(pair: Pair, test: Test) -> None:
    """Run it, with what the loop would only have logged counted as a failure."""
    complaints: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        pair[1].setblocking(False)
        async with asyncio.timeout(20):
            await test(pair)

    asyncio.run(main())
    assert complaints == []


def channel_on(sock: socket.socket) -> AsyncChannel[Message, Message]:
    return AsyncChannel(sock, encode, decode)


async def take(sock: socket.socket) -> Message:
    return decode(await asyncio.get_running_loop().sock_recv(sock, packet.MAX_FRAME))


def test_many_calls_are_matched_by_id_in_any_order(pair: Pair) -> None:
    async def test(pair: Pair) -> None:
        async with channel_on(pair[0]) as channel:
            calls = [asyncio.create_task(channel.call(Message(channel.next_id(), b"%d" % n))) for n in range(50)]
            requests = [await take(pair[1]) for _ in calls]
            for request in reversed(requests):
                pair[1].send(encode(request))
            assert [reply.body for reply in await asyncio.gather(*calls)] == [b"%d" % n for n in range(50)]

    run(pair, test)


def test_a_cancelled_call_leaves_the_channel_usable(pair: Pair) -> None:
    async def test(pair: Pair) -> None:
        async with channel_on(pair[0]) as channel:
            call = asyncio.create_task(channel.call(Message(1)))
            await take(pair[1])
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            with pytest.raises(FrameRefused):
                await channel.call(Message(1))
            pair[1].send(encode(Message(1, b"late")))
            pair[1].send(encode(Message(2, b"own")))
            assert (await channel.call(Message(2))).body == b"own"

    run(pair, test)


def test_a_full_socket_makes_callers_wait_and_loses_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio_channel, "MAX_QUEUED", 4)

    async def test(pair: Pair) -> None:
        async with channel_on(pair[0]) as channel:
            body = os.urandom(100_000)
            calls = [asyncio.create_task(channel.call(Message(n, body))) for n in range(1, 21)]
            cancelled = calls[4]
            while len(channel._queue) < 4:
                await asyncio.sleep(0)
            # One that the kernel has not seen was never made; one that waits for room neither.
            queued = {number for number, _ in channel._queue}
            assert 5 in queued
            for call in (cancelled, calls[-1]):
                call.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for _ in range(18):
                request = await take(pair[1])
                assert request.id not in {5, 20}
                await asyncio.get_running_loop().sock_sendall(pair[1], encode(Message(request.id)))
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert [n for n, reply in enumerate(done, 1) if isinstance(reply, asyncio.CancelledError)] == [5, 20]
            assert not channel._owed

    run(pair, test)


@pytest.mark.parametrize("who", ["we", "they"])
def test_close_fails_what_is_pending(pair: Pair, who: str) -> None:
    async def test(pair: Pair) -> None:
        channel = channel_on(pair[0])
        calls = [asyncio.create_task(channel.call(Message(n))) for n in (1, 2)]
        await take(pair[1])
        await take(pair[1])
        if who == "we":
            channel.close()
            channel.close()
        else:
            pair[1].close()
        for call in calls:
            with pytest.raises(ChannelClosed):
                await call
        with pytest.raises(ChannelClosed):
            await channel.call(Message(3))
        assert channel.closed

    run(pair, test)


def test_close_wakes_those_who_wait_for_room(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio_channel, "MAX_QUEUED", 1)

    async def test(pair: Pair) -> None:
        channel = channel_on(pair[0])
        calls = [asyncio.create_task(channel.call(Message(n, bytes(150_000)))) for n in range(1, 9)]
        while not channel._room:
            await asyncio.sleep(0)
        channel.close()
        for result in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(result, ChannelClosed)

    run(pair, test)


def test_a_reply_in_front_of_connection_reset_is_delivered(pair: Pair) -> None:
    async def test(pair: Pair) -> None:
        channel = channel_on(pair[0])
        call = asyncio.create_task(channel.call(Message(1)))
        await asyncio.sleep(0)
        pair[1].send(encode(Message(1, b"farewell")))
        pair[1].close()
        assert (await call).body == b"farewell"
        with pytest.raises(ChannelClosed):
            await channel.call(Message(2))
        channel.close()

    run(pair, test)


@pytest.mark.parametrize("frame", [b"\xc1", encode(Message(7)), encode([1]), bytes(packet.MAX_FRAME + 1)])
def test_a_frame_that_is_no_reply_breaks_the_channel(pair: Pair, frame: bytes) -> None:
    async def test(pair: Pair) -> None:
        channel = channel_on(pair[0])
        call = asyncio.create_task(channel.call(Message(1)))
        await take(pair[1])
        pair[1].send(frame)
        with pytest.raises(ChannelBroken):
            await call
        with pytest.raises(ChannelBroken):
            await channel.call(Message(2))

    run(pair, test)


def test_oversize_costs_nothing_but_itself(pair: Pair) -> None:
    async def test(pair: Pair) -> None:
        async with channel_on(pair[0]) as channel:
            with pytest.raises(FrameRefused):
                await channel.call(Message(1, bytes(packet.MAX_FRAME)))
            pair[1].send(encode(Message(1)))
            assert (await channel.call(Message(1))).id == 1

    run(pair, test)


def test_the_child_of_a_fork_refuses_and_the_parents_loop_still_hears(pair: Pair) -> None:
    async def test(pair: Pair) -> None:
        async with channel_on(pair[0]) as channel:

            def child() -> bool:
                with pytest.raises(ChannelForked):
                    channel.call(Message(1)).send(None)
                channel.close()
                return True

            assert in_child(child)
            call = asyncio.create_task(channel.call(Message(1)))
            await take(pair[1])
            pair[1].send(encode(Message(1)))
            assert (await call).id == 1

    run(pair, test)


def test_another_loop_is_refused(pair: Pair) -> None:
    made: list[AsyncChannel[Message, Message]] = []

    async def make() -> None:
        made.append(channel_on(pair[0]))

    async def use() -> None:
        await made[0].call(Message(1))

    asyncio.run(make())
    with pytest.raises(RuntimeError, match="another"):
        asyncio.run(use())
    made[0].close()
