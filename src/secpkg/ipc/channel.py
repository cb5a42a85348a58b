"""The blocking client end of a channel: one request, one reply.

Replies are matched by call id, because a wait can end without its reply: the time runs out, or a signal handler raises
out of recv. The id of such a call is *owed*; its reply, when it comes, is dropped. A reply to anything else was never
asked for, and breaks the channel. Counting instead of matching would not do: a signal handler may raise after the
kernel handed the reply over and before Python kept it.

One call is on the wire at a time. Threads queue at the lock; the thread that holds it must not come back (a finalizer
that releases a handle while its thread waits for a reply would wait for itself), so it is recognised and told
`ChannelBusy`. The lock is taken by `with` alone: after any other way of taking it a signal handler may raise before the
`try` is entered, and it is held for ever.

A message that gets no reply (`tell`) does not queue there: one frame is one send, whoever else waits for a reply. It
has a lock of its own, so that the descriptor is not closed, and its number given to something else, under a send.

After a fork the child finds locks that refuse, in place of some that may be held by a thread that it does not have.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import count
from threading import get_ident
from types import TracebackType
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from . import fork, packet
from .errors import (
    ChannelBroken,
    ChannelBusy,
    ChannelClosed,
    ChannelError,
    ChannelForked,
    ChannelTimeout,
    DescriptorsLost,
    FrameRefused,
    ResourceShortage,
)
from .rights import OwnedFds

_TIMEVAL: Final = struct.Struct("ll")
_NOSIGNAL: Final = int(socket.MSG_NOSIGNAL)
_AT_ONCE: Final = int(socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
_LIMIT: Final = packet.MAX_FRAME
# Calls given up whose replies are still to come. A server that owes so many is not going to answer.
MAX_OWED: Final = 1024
# What a decoder says about bytes that it does not like.
UNDECODABLE: Final = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)


class Numbered(Protocol):
    """A message that says to which call it belongs. A client never uses the number of a call twice on one channel."""

    @property
    def id(self) -> int: ...


Req = TypeVar("Req", bound=Numbered)
Rep = TypeVar("Rep", bound=Numbered)


class _Refusal(AbstractContextManager[bool]):
    """Stands where the lock was."""

    def __enter__(self) -> bool:
        raise ChannelForked("the channel belongs to the parent of this process")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Channel(Generic[Req, Rep]):
    """A connected SOCK_SEQPACKET socket, which the channel owns and closes. Safe for threads; dead in the child of a
    fork.

    `timeout` is in seconds and bounds the wait for the kernel to take the request and, again, for each frame that comes
    back; None waits for ever. `encode` makes a frame of a request, `decode` a reply of a frame, raising one of
    `UNDECODABLE` where it cannot. `serve` is given what has a negative id, and returns the frame that answers it.
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_decode",
        "_encode",
        "_lock",
        "_numbers",
        "_owed",
        "_owner",
        "_recv",
        "_send",
        "_serve",
        "_sock",
        "_teller",
        "_telling",
        "_why",
    )

    def __init__(
        self,
        sock: socket.socket,
        encode: Callable[[Req], bytes],
        decode: Callable[[bytes], Rep],
        *,
        timeout: float | None = None,
        serve: Callable[[Rep], bytes | None] | None = None,
    ) -> None:
        if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_SEQPACKET:
            raise ValueError("a channel is a SOCK_SEQPACKET socket of the Unix domain")
        sock.settimeout(None)
        self._sock = sock
        self._send = sock.send
        self._recv = sock.recv_into
        self._encode = encode
        self._decode = decode
        self._serve = serve
        self._buffer = packet.buffer()
        self._lock: AbstractContextManager[bool] = threading.Lock()
        self._owner = 0
        self._telling: AbstractContextManager[bool] = threading.Lock()
        self._teller = 0
        self._owed: set[int] = set()
        self._numbers = count(1)
        self._why: ChannelError | None = None
        self.set_timeout(timeout)
        fork.guard(self)

    def set_timeout(self, timeout: float | None) -> None:
        """Seconds, or None to wait for ever; holds for the waits that begin after it."""
        if timeout is not None and timeout <= 0:
            raise ValueError("a timeout is more than nothing")
        whole, rest = divmod(max(1, round(timeout * 1_000_000)), 1_000_000) if timeout is not None else (0, 0)
        try:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self._sock.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL.pack(whole, rest))
        except OSError as error:
            raise self._dead() or packet.named(error) from error

    def next_id(self) -> int:
        """A call id that this channel has not given before."""
        return next(self._numbers)

    def call(self, request: Req) -> Rep:
        """Send `request` and wait for its reply. Descriptors that come with the reply are dropped by the kernel.

        Raises every error of `secpkg.ipc.errors` but DescriptorsLost and PeerRefused.
        """
        number = request.id
        frame = self._encode(request)
        if not 0 < len(frame) <= _LIMIT:
            packet.check(frame)
        me = get_ident()
        if self._owner == me:
            raise self._dead() or ChannelBusy("this thread waits for a reply on this channel already")
        with self._lock:
            self._owner = me
            try:
                if self._owed:
                    self._refuse_owed(number)
                try:
                    self._send(frame, _NOSIGNAL)
                    while True:
                        size = self._recv(self._buffer)
                        if not 0 < size <= _LIMIT:
                            raise self._bad_size(size)
                        data = self._buffer[:size].tobytes()
                        try:
                            reply = self._decode(data)
                        except UNDECODABLE as error:
                            raise ChannelBroken("a frame that is not a reply") from error
                        if reply.id == number:
                            return reply
                        self._unasked(reply)
                except ConnectionResetError:
                    return self._last_words(number)
            except BaseException as error:
                named = self._failed(error, number)
                if named is error:
                    raise
                raise named from error
            finally:
                self._owner = 0

    def tell(self, message: Req) -> bool:
        """Send a message that gets no reply. False where the kernel does not take it at once, or where this thread is
        interrupted in `tell`: then it was not sent.

        ChannelClosed, ChannelForked, FrameRefused, ResourceShortage. That the other end is gone is for the next call to
        find: what it sent before it went may still have to be read.
        """
        frame = self._encode(message)
        packet.check(frame)
        me = get_ident()
        if self._teller == me:
            return False
        try:
            with self._telling:
                self._teller = me
                try:
                    if self._why is not None:
                        raise self._dead() or self._why
                    self._send(frame, _AT_ONCE)
                except BlockingIOError:
                    return False
                except ChannelError:
                    raise
                except OSError as error:
                    raise packet.named(error) from error
                finally:
                    self._teller = 0
        finally:
            if self._why is not None:
                self.close()  # a signal handler may have closed it in there, and left the descriptor to us
        return True

    def call_with_fds(self, request: Req, max_fds: int = 1, passing: Sequence[int] = ()) -> tuple[Rep, OwnedFds]:
        """`call` where the request carries copies of the descriptors `passing`, and the reply may carry up to `max_fds`
        descriptors (close-on-exec), which the caller owns.

        DescriptorsLost where more came or this process is at its limit: the call is over, the channel is whole.
        """
        number = request.id
        frame = self._encode(request)
        packet.check(frame)
        if self._owner == get_ident():
            raise self._dead() or ChannelBusy("this thread waits for a reply on this channel already")
        with self._lock:
            self._owner = get_ident()
            try:
                self._refuse_owed(number)
                packet.send(self._sock, frame, passing)
                while True:
                    data, fds = packet.receive(self._sock, self._buffer, max_fds)
                    try:
                        if not data:
                            raise self._bad_size(0)
                        reply = self._read(data)
                        if reply.id == number:
                            return reply, fds
                        self._settle(reply.id)
                    except BaseException:
                        fds.close()
                        raise
                    fds.close()
            except BaseException as error:
                named = self._failed(error, number)
                if named is error:
                    raise
                raise named from error
            finally:
                self._owner = 0

    def close(self) -> None:
        """Close the channel; a thread that waits on it gets ChannelClosed. Harmless when repeated, and in the child of
        a fork.
        """
        if self._why is None:
            self._why = ChannelClosed("this end was closed")
            self._shut_down()
        if self._owner == get_ident():
            return
        try:
            with self._lock:
                self._close_socket()
        except ChannelForked:
            return

    @property
    def closed(self) -> bool:
        """Whether every later call is refused."""
        return self._why is not None

    def fileno(self) -> int:
        """The descriptor, for a poll on the death of the other end; -1 when closed. It stays the channel's."""
        return self._sock.fileno()

    def forked(self) -> None:
        """For `secpkg.ipc.fork`: let go of the child's copy. No shutdown, which would end the parent's, and no lock."""
        self._why = ChannelForked("the channel belongs to the parent of this process")
        self._lock = self._telling = _Refusal()
        self._owner = self._teller = 0
        self._sock.close()

    def __enter__(self) -> Channel[Req, Rep]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _last_words(self, number: int) -> Rep:
        """ECONNRESET stands in front of what the peer sent before it went: read that, up to the end."""
        while True:
            data = packet.recv_frame(self._sock, self._buffer)
            if not data:
                raise self._bad_size(0)
            reply = self._read(data)
            if reply.id == number:
                return reply
            self._unasked(reply)

    def _read(self, data: bytes) -> Rep:
        try:
            return self._decode(data)
        except UNDECODABLE as error:
            raise ChannelBroken("a frame that is not a reply") from error

    def _bad_size(self, size: int) -> ChannelError:
        if size:
            return ChannelBroken(f"a frame of more than {_LIMIT} bytes")
        return ChannelClosed("the other end is gone")

    def _refuse_owed(self, number: int) -> None:
        if number in self._owed:
            raise FrameRefused(f"call id {number} is still owed a reply")

    def _unasked(self, message: Rep) -> None:
        """A frame that is not the reply: a request of the other end, which is served in the thread that waits, or the
        reply to a call that was given up.
        """
        answer = self._serve(message) if self._serve is not None and message.id < 0 else None
        if answer is None:
            self._settle(message.id)
        else:
            packet.send(self._sock, answer)

    def _settle(self, number: int) -> None:
        try:
            self._owed.remove(number)
        except KeyError:
            raise ChannelBroken(f"a reply to call {number}, which nobody made") from None

    def _failed(self, error: BaseException, number: int) -> BaseException:
        """What to raise for `error`, after putting the channel in the state that it leaves."""
        if isinstance(error, BlockingIOError):
            self._owe(number)
            return self._dead() or ChannelTimeout("no reply in time")
        if isinstance(error, OSError) and error.errno and not isinstance(error, ChannelError):
            error = packet.named(error)
        if isinstance(error, ChannelClosed | ChannelBroken):
            return self._end(error)
        if not isinstance(error, FrameRefused | ResourceShortage | DescriptorsLost):
            # Not ours: raised by a signal handler, perhaps before the reply came, perhaps after.
            self._owe(number)
        return error

    def _owe(self, number: int) -> None:
        self._owed.add(number)
        if len(self._owed) > MAX_OWED:
            self._end(ChannelBroken(f"more than {MAX_OWED} calls went without a reply"))

    def _dead(self) -> ChannelError | None:
        """A fresh copy of the final answer: an exception that is raised twice collects the traces of both."""
        return type(self._why)(*self._why.args) if self._why is not None else None

    def _end(self, why: ChannelError) -> ChannelError:
        """Holding the lock: the first reason stays."""
        if self._why is None:
            self._why = why
            self._shut_down()
        self._close_socket()
        return self._dead() or why

    def _close_socket(self) -> None:
        """Holding the lock: no `tell` is under way."""
        if self._teller == get_ident():  # a signal handler: the `tell` below it closes when it ends
            return
        with self._telling:
            self._sock.close()

    def _shut_down(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
