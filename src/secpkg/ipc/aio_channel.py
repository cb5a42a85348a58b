"""The asyncio client end of a channel: many calls on the wire, replies in any order, matched by call id.

The loop watches the bare socket (`add_reader`): its transports do not take SOCK_SEQPACKET, and cost more. A request is
sent at once; only what the kernel does not take waits in a queue, and a caller waits while that queue is at its limit.
A call that is cancelled while its frame is still queued was never made; after that its id is owed a reply, which is
dropped when it comes.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Final, Generic

from . import fork, packet
from .channel import MAX_OWED, UNDECODABLE, Rep, Req
from .errors import ChannelBroken, ChannelClosed, ChannelError, ChannelForked, FrameRefused

# Requests that wait for the kernel before further callers wait.
MAX_QUEUED: Final = 64
# Replies taken in one turn of the loop: the program's other sockets get theirs in between.
_FRAMES_A_TURN: Final = 8


class AsyncChannel(Generic[Req, Rep]):
    """A connected SOCK_SEQPACKET socket, which the channel owns and closes. Made on the loop that runs, used there
    alone, dead in a fork.

    `encode`, `decode` and `serve` as for `secpkg.ipc.channel.Channel`. A time limit is the caller's
    (`asyncio.timeout`).
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_decode",
        "_encode",
        "_loop",
        "_numbers",
        "_owed",
        "_queue",
        "_room",
        "_serve",
        "_sock",
        "_waiting",
        "_why",
    )

    def __init__(
        self,
        sock: socket.socket,
        encode: Callable[[Req], bytes],
        decode: Callable[[bytes], Rep],
        serve: Callable[[Rep], bytes | None] | None = None,
    ) -> None:
        if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_SEQPACKET:
            raise ValueError("a channel is a SOCK_SEQPACKET socket of the Unix domain")
        sock.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._encode = encode
        self._decode = decode
        self._serve = serve
        self._buffer = packet.buffer()
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Rep]] = {}
        self._owed: set[int] = set()
        self._queue: deque[tuple[int, bytes]] = deque()
        self._room: deque[asyncio.Future[None]] = deque()
        self._why: ChannelError | None = None
        self._loop.add_reader(sock.fileno(), self._readable)
        fork.guard(self)

    def next_id(self) -> int:
        """A call id that this channel has not given before."""
        return next(self._numbers)

    async def call(self, request: Req) -> Rep:
        """Send `request` and wait for its reply.

        Raises ChannelClosed, ChannelForked, ChannelBroken, FrameRefused, ResourceShortage; RuntimeError on another
        loop.
        """
        if self._why is not None:
            raise self._dead()
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("the channel belongs to another event loop")
        number = request.id
        frame = self._encode(request)
        packet.check(frame)
        while len(self._queue) >= MAX_QUEUED:
            await self._wait_for_room()
        if number in self._waiting or number in self._owed:
            raise FrameRefused(f"call id {number} is still owed a reply")
        self._submit(number, frame)
        future: asyncio.Future[Rep] = self._loop.create_future()
        self._waiting[number] = future
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                future.exception()
            raise
        finally:
            if self._waiting.pop(number, None) is not None:
                self._abandon(number)

    def tell(self, message: Req) -> bool:
        """Send a message that gets no reply, now or when the kernel takes it. False where too many wait for that: then
        it was not sent. ChannelClosed, ChannelForked, FrameRefused, ResourceShortage.
        """
        if self._why is not None:
            raise self._dead()
        frame = self._encode(message)
        packet.check(frame)
        if len(self._queue) >= MAX_QUEUED:
            return False
        self._submit(message.id, frame)
        return True

    def close(self) -> None:
        """Close the channel; pending calls get ChannelClosed. Harmless when repeated, and in the child of a fork."""
        self._end(ChannelClosed("this end was closed"))

    @property
    def closed(self) -> bool:
        """Whether every later call is refused."""
        return self._why is not None

    def forked(self) -> None:
        """For `secpkg.ipc.fork`: let go of the child's copy. The epoll object of the loop is the parent's too, and is
        not touched.
        """
        self._why = ChannelForked("the channel belongs to the parent of this process")
        self._sock.close()

    async def __aenter__(self) -> AsyncChannel[Req, Rep]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, number: int, frame: bytes) -> None:
        if not self._queue:
            try:
                packet.send(self._sock, frame)
                return
            except BlockingIOError:
                self._loop.add_writer(self._sock.fileno(), self._writable)
            except ChannelClosed as error:
                # What the peer sent before it went is still to be read: the reader finds the end behind it.
                raise ChannelClosed(*error.args) from error
        self._queue.append((number, frame))

    def _writable(self) -> None:
        while self._queue:
            number, frame = self._queue[0]
            try:
                packet.send(self._sock, frame)
            except BlockingIOError:
                break
            except ChannelClosed as error:
                self._end(error)
                return
            except ChannelError as error:
                self._settle(number, error)
            self._queue.popleft()
        else:
            self._loop.remove_writer(self._sock.fileno())
        self._wake()

    def _readable(self) -> None:
        for _ in range(_FRAMES_A_TURN):
            try:
                data = packet.recv_frame(self._sock, self._buffer)
                if not data:
                    raise ChannelClosed("the other end is gone")
                self._deliver(data)
            except BlockingIOError:
                return
            except ChannelError as error:
                self._end(error)
                return
            if not self._waiting:
                return

    def _deliver(self, data: bytes) -> None:
        try:
            reply = self._decode(data)
        except UNDECODABLE as error:
            raise ChannelBroken("a frame that is not a reply") from error
        future = self._waiting.pop(reply.id, None)
        if future is None:
            answer = self._serve(reply) if self._serve is not None and reply.id < 0 else None
            if answer is not None:
                self._submit(reply.id, answer)
                return
            if reply.id not in self._owed:
                raise ChannelBroken(f"a reply to call {reply.id}, which nobody made")
            self._owed.remove(reply.id)
        elif not future.done():
            future.set_result(reply)

    def _settle(self, number: int, error: ChannelError) -> None:
        future = self._waiting.pop(number, None)
        if future is not None and not future.done():
            future.set_exception(error)

    def _abandon(self, number: int) -> None:
        if self._why is not None:
            return
        for entry in self._queue:
            if entry[0] == number:
                self._queue.remove(entry)
                self._wake()
                return
        self._owed.add(number)
        if len(self._owed) > MAX_OWED:
            self._end(ChannelBroken(f"more than {MAX_OWED} calls went without a reply"))

    async def _wait_for_room(self) -> None:
        room: asyncio.Future[None] = self._loop.create_future()
        self._room.append(room)
        try:
            await room
        except asyncio.CancelledError:
            # Woken and cancelled at once: the place goes to the next.
            if room.done() and not room.cancelled():
                self._wake()
            raise
        if self._why is not None:
            raise self._dead()

    def _wake(self) -> None:
        places = len(self._room) if self._why is not None else MAX_QUEUED - len(self._queue)
        while self._room and places > 0:
            room = self._room.popleft()
            if not room.done():
                room.set_result(None)
                places -= 1

    def _dead(self) -> ChannelError:
        """A fresh copy of the final answer: an exception that is raised twice collects the traces of both."""
        return type(self._why)(*self._why.args) if self._why is not None else ChannelClosed("this end was closed")

    def _end(self, why: ChannelError) -> None:
        if self._why is not None:
            return
        self._why = why
        if not self._loop.is_closed():
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._queue.clear()
        waiting, self._waiting = self._waiting, {}
        if self._loop.is_closed():
            return
        for future in waiting.values():
            if not future.done():
                error = self._dead()
                error.__cause__ = why.__cause__
                future.set_exception(error)
        self._wake()
