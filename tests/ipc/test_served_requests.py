"""A request of the other end that comes in place of a reply: served by whoever waits, on both kinds of channel."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import pytest
from ipc_helpers import Message, decode, encode

from secpkg.contract.status import Status
from secpkg.contract.user_mode.callbacks import REGISTERED, UserHalfKey
from secpkg.ipc import schema
from secpkg.ipc.aio_channel import AsyncChannel
from secpkg.ipc.callbacks import callbacks_of
from secpkg.ipc.channel import Channel
from secpkg.ipc.errors import ChannelBroken, ChannelBusy

Pair = tuple[socket.socket, socket.socket]


def answers(message: Message) -> bytes | None:
    """Everything but b"?" is answered."""
    return None if message.body == b"?" else encode(Message(message.id, message.body[::-1]))


def blocking(pair: Pair, serve: Callable[[Message], bytes | None] | None = answers) -> Channel[Message, Message]:
    return Channel(pair[0], encode, decode, timeout=10.0, serve=serve)


def asynchronous(pair: Pair) -> AsyncChannel[Message, Message]:
    return AsyncChannel(pair[0], encode, decode, answers)


def test_what_comes_in_between_is_served_and_the_reply_awaited(pair: Pair) -> None:
    with blocking(pair) as channel:
        for number in (-1, -2):
            pair[1].send(encode(Message(number, b"abc")))
        pair[1].send(encode(Message(1, b"reply")))
        assert channel.call(Message(1)).body == b"reply"
        assert [decode(pair[1].recv(100)) for _ in range(3)] == [
            Message(1),
            Message(-1, b"cba"),
            Message(-2, b"cba"),
        ]


@pytest.mark.parametrize(("number", "body"), [(-1, b"?"), (7, b"abc")])
def test_what_nobody_serves_breaks_the_channel(pair: Pair, number: int, body: bytes) -> None:
    with blocking(pair) as channel:
        pair[1].send(encode(Message(number, body)))
        with pytest.raises(ChannelBroken):
            channel.call(Message(1))
        assert channel.closed


def test_a_channel_that_serves_nobody_is_broken_by_any_request(pair: Pair) -> None:
    with blocking(pair, None) as channel:
        pair[1].send(encode(Message(-1, b"abc")))
        with pytest.raises(ChannelBroken):
            channel.call(Message(1))


def test_who_serves_cannot_call_on_the_same_channel(pair: Pair) -> None:
    busy: list[type[BaseException]] = []

    def calls_again(message: Message) -> bytes:
        with pytest.raises(ChannelBusy) as caught:
            channel.call(Message(2))
        busy.append(caught.type)
        return encode(message)

    with blocking(pair, calls_again) as channel:
        pair[1].send(encode(Message(-1)))
        pair[1].send(encode(Message(1)))
        assert channel.call(Message(1)) == Message(1)
    assert busy == [ChannelBusy]


def test_a_request_that_comes_late_is_served_with_the_next_call(pair: Pair) -> None:
    with blocking(pair) as channel:
        pair[1].send(encode(Message(1)))
        channel.call(Message(1))
        pair[1].send(encode(Message(-1, b"abc")))
        pair[1].send(encode(Message(2)))
        channel.call(Message(2))
        assert [decode(pair[1].recv(100)).id for _ in range(3)] == [1, 2, -1]


def test_an_asynchronous_channel_serves_while_many_wait(pair: Pair) -> None:
    async def main() -> None:
        pair[1].setblocking(False)
        loop = asyncio.get_running_loop()
        async with asynchronous(pair) as channel:
            calls = [asyncio.create_task(channel.call(Message(number))) for number in (1, 2)]
            for expected in (1, 2):
                assert decode(await loop.sock_recv(pair[1], 100)).id == expected
            pair[1].send(encode(Message(-5, b"abc")))
            assert decode(await loop.sock_recv(pair[1], 100)) == Message(-5, b"cba")
            for number in (2, 1):
                pair[1].send(encode(Message(number)))
            assert [reply.id for reply in await asyncio.gather(*calls)] == [1, 2]

    asyncio.run(main())


def test_an_asynchronous_channel_is_broken_by_what_nobody_serves(pair: Pair) -> None:
    async def main() -> None:
        async with asynchronous(pair) as channel:
            pair[1].send(encode(Message(-5, b"?")))
            with pytest.raises(ChannelBroken):
                await channel.call(Message(1))

    asyncio.run(main())


HALF = schema.UserHalf("ring", "ring-dist", "1.0", b"digest")


def test_R165_a_channel_runs_the_functions_of_its_own_module_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    key: UserHalfKey = ("ring", "ring-dist", "1.0", b"digest")
    where: list[int] = []

    def echo(argument1: int, argument2: int, data: bytes) -> bytes:
        where.append(threading.get_ident())
        return b"%d %d " % (argument1, argument2) + data

    monkeypatch.setitem(REGISTERED, key, {1: echo})
    request = schema.ClientCallback(-3, 1, 2, 3, b"x")
    returned = callbacks_of(HALF)(request)
    assert returned is not None
    assert schema.decode_to_worker(returned) == schema.CallbackReturned(-3, 0, b"2 3 x")
    assert where == [threading.get_ident()]
    other = schema.UserHalf("ring", "ring-dist", "1.0", b"another")
    for serve, message in [
        (callbacks_of(other), request),
        (callbacks_of(None), request),
        (callbacks_of(HALF), schema.ClientCallback(-3, 2, 2, 3, b"x")),
    ]:
        refused = serve(message)
        assert refused is not None
        expected = schema.CallbackReturned(-3, Status.STATUS_NOT_FOUND)
        assert schema.decode_to_worker(refused) == expected
    assert callbacks_of(HALF)(schema.Done(-1)) is None
