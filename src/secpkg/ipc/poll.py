"""A plain epoll loop for the authority and the workers: many peers, one thread, no tasks.

**Fairness.** A turn visits every ready peer once and takes at most `weight` frames from each, so what a quiet peer
waits for is bounded by the number of peers, whatever a flooding one does. Most peers have one frame at a time, and the
read that would find nothing more costs as much as an exception: so a peer is read once per turn until it has been ready
for several turns in a row, then up to its weight for as long as there is more to find.

**Backpressure.** A frame is sent at once; what the kernel does not take is queued, with copies of its descriptors. A
peer whose queue is past `STUCK_FRAMES` or `STUCK_BYTES` is not read until half of it is gone: it can not ask for more
than it takes away. What is sent to it unasked goes on piling up, and past `LOST_BYTES` or `LOST_FRAMES` it is closed.

**Faults.** An exception in a peer's handler closes that peer, one in a callback drops that callback (a source rests for
a moment), and `on_error` is told. Nothing that is an Exception ends the loop.

The loop is used by its own thread; `call_soon_threadsafe` and `stop` alone are for others. It does not survive a fork.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from . import packet
from .errors import ChannelBroken, ChannelClosed, ResourceShortage
from .rights import NO_FDS, OwnedFds, ancillary_size, duplicate

FRAMES_A_TURN: Final = 8
STUCK_FRAMES: Final = 64
STUCK_BYTES: Final = 1024 * 1024
LOST_FRAMES: Final = 16 * STUCK_FRAMES
LOST_BYTES: Final = 8 * STUCK_BYTES
# Turns in a row after which a peer is looked at more closely.
_STREAK: Final = 8
# Seconds for which a source whose handler failed is not asked again: long enough not to spin, short enough to come
# back.
_REST: Final = 0.1
_EVENTS: Final = 256

_IN: Final = select.EPOLLIN | select.EPOLLRDHUP
_READABLE: Final = int(select.EPOLLIN)
_OUT: Final = select.EPOLLOUT
_NOSIGNAL: Final = int(socket.MSG_NOSIGNAL)
_GONE: Final = select.EPOLLHUP | select.EPOLLERR
_LIMIT: Final = packet.MAX_FRAME


class Timer:
    """A callback that waits for its time."""

    __slots__ = ("_loop", "call")

    def __init__(self, loop: Loop, call: Callable[[], object]) -> None:
        self._loop = loop
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Never call it. Harmless when it was called or cancelled."""
        if self.call is not None:
            self.call = None
            self._loop._timer_cancelled()


class Source:
    """Anything readable that is no peer: a listener, a pidfd, an eventfd. The descriptor stays its owner's."""

    __slots__ = ("_fd", "_loop", "_on_readable", "_weight")

    def __init__(self, loop: Loop, fd: int, on_readable: Callable[[], object], weight: int) -> None:
        self._loop = loop
        self._fd = fd
        self._on_readable = on_readable
        self._weight = weight

    def _ready(self, events: int) -> None:
        for _ in range(self._weight):
            if self._on_readable() is not True or self._loop._watched.get(self._fd) is not self:
                return

    def _fault(self, error: Exception) -> None:
        loop = self._loop
        if loop._watched.get(self._fd) is self:
            # Still registered with its owner's consent: deaf for a moment rather than for ever.
            loop._epoll.modify(self._fd, 0)
            loop.call_at(loop.clock() + _REST, self._rearm)
        loop._report(self, error)

    def _rearm(self) -> None:
        if self._loop._watched.get(self._fd) is self:
            self._loop._epoll.modify(self._fd, select.EPOLLIN)

    def _loop_closed(self) -> None:
        return

    def unregister(self) -> None:
        """Watch it no more; before its owner closes it. Harmless when repeated."""
        if self._loop._watched.get(self._fd) is self:
            del self._loop._watched[self._fd]
            self._loop._epoll.unregister(self._fd)


class Peer:
    """One connected SOCK_SEQPACKET socket, owned from here on. Subclass it, and say what a frame means.

    `max_fds` is how many descriptors a frame may bring; with 0 the kernel drops them all. `weight` is the most frames
    taken in a turn.
    """

    __slots__ = (
        "_buffer",
        "_fd",
        "_finishing",
        "_loop",
        "_max_fds",
        "_queue",
        "_queued",
        "_recv",
        "_recvmsg",
        "_room",
        "_send",
        "_sock",
        "_streak",
        "_stuck",
        "_weight",
    )

    def __init__(self, loop: Loop, sock: socket.socket, *, max_fds: int = 0, weight: int = FRAMES_A_TURN) -> None:
        if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_SEQPACKET:
            raise ValueError("a peer is a SOCK_SEQPACKET socket of the Unix domain")
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._buffer = loop._buffer
        self._recv = sock.recv_into
        self._recvmsg = sock.recvmsg_into
        self._send = sock.send
        self._max_fds = max_fds
        self._room = ancillary_size(max_fds)
        self._weight = weight
        self._streak = 0
        self._queue: deque[tuple[bytes, OwnedFds]] | None = None
        self._queued = 0
        self._stuck = False
        self._finishing = False
        loop._watch(self._fd, self, _IN)

    def on_frame(self, data: bytes, fds: OwnedFds) -> None:
        """A frame came. Descriptors that are not taken from `fds` before this returns are closed."""
        raise NotImplementedError

    def on_close(self) -> None:
        """The peer is gone or was closed; called once. Nothing can be sent any more."""

    @property
    def loop(self) -> Loop:
        """The loop that serves it."""
        return self._loop

    @property
    def closed(self) -> bool:
        """Whether it is gone."""
        return self._fd < 0

    @property
    def stuck(self) -> bool:
        """Whether it does not take what is sent to it, and so is not read."""
        return self._stuck

    @property
    def queued(self) -> int:
        """Frames that wait for the kernel to take them."""
        return len(self._queue) if self._queue else 0

    def fileno(self) -> int:
        """The descriptor, -1 when closed. It stays the peer's."""
        return self._fd

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send a frame, now or when the kernel takes it, with copies of `fds`.

        To a peer that is gone it is dropped. FrameRefused; ResourceShortage, where the frame was dropped too.
        """
        if self._queue is None and not fds and 0 < len(data) <= _LIMIT:
            try:
                self._send(data, _NOSIGNAL)
                return
            except BlockingIOError:
                self._enqueue(data, fds)
                return
            except OSError as error:
                named = packet.named(error)
                if isinstance(named, ChannelClosed):
                    # What it sent before it went is still to be read; the reader finds the end behind it.
                    return
                raise named from error
        self._send_slowly(data, fds)

    def finish(self) -> None:
        """Read no more, and close when everything queued is sent. There is no time limit: set a timer."""
        if self._fd < 0:
            return
        if self._queue is None:
            self.close()
            return
        self._finishing = True
        self._streak = _STREAK
        self._loop._epoll.modify(self._fd, _OUT)

    def close(self) -> None:
        """Close it and drop what is queued. Harmless when repeated."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        self._loop._unwatch(fd)
        self._sock.close()
        queue, self._queue = self._queue, None
        for _, owned in queue or ():
            owned.close()
        try:
            self.on_close()
        except Exception as error:
            self._loop._report(self, error)

    def _ready(self, events: int) -> None:
        if events == _READABLE and self._streak < _STREAK:
            self._streak += 1
            self._read()
        else:
            self._attend(events)

    def _attend(self, events: int) -> None:
        """What is not one frame of a peer that takes its own: it keeps `_streak` up where a turn is not to read."""
        if events & _OUT:
            self._flush()
        if self._fd < 0:
            return
        if self._stuck or self._finishing:
            if events & _GONE:
                self.close()
            return
        if self._streak < _STREAK:
            self._streak += 1
            self._read()
            return
        for _ in range(self._weight):
            if not self._read():
                self._streak = 0
                return
            if self._fd < 0 or self._stuck or self._finishing:
                return

    def _read(self) -> bool:
        """Take one frame; False where there is none."""
        if self._max_fds:
            return self._read_with_fds()
        buffer = self._buffer
        try:
            size = self._recv(buffer)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            # It may stand in front of frames: the next turn reads them, then the end.
            return True
        except OSError as error:
            raise packet.named(error) from error
        if 0 < size <= _LIMIT:
            self.on_frame(buffer[:size].tobytes(), NO_FDS)
            return True
        if size:
            raise ChannelBroken(f"a frame of more than {_LIMIT} bytes")
        self.close()
        return False

    def _read_with_fds(self) -> bool:
        buffer = self._buffer
        try:
            size, ancillary, flags, _address = self._recvmsg((buffer,), self._room, packet.CLOEXEC)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        except OSError as error:
            raise packet.named(error) from error
        if not ancillary and 0 < size <= _LIMIT and not flags & packet.CUT:
            self.on_frame(buffer[:size].tobytes(), NO_FDS)
            return True
        data, fds = packet.taken(size, ancillary, flags, buffer, self._max_fds)
        if not data:
            self.close()
            return False
        try:
            self.on_frame(data, fds)
        finally:
            fds.close()
        return True

    def _send_slowly(self, data: bytes, fds: Sequence[int]) -> None:
        packet.check(data)
        if self._fd < 0 or self._finishing:
            return
        if self._queue is None:
            try:
                packet.send(self._sock, data, fds)
                return
            except BlockingIOError:
                pass
            except ChannelClosed:
                return
        self._enqueue(data, fds)

    def _enqueue(self, data: bytes, fds: Sequence[int]) -> None:
        try:
            owned = duplicate(fds) if fds else NO_FDS
        except OSError as error:
            raise ResourceShortage("a descriptor to pass could not be kept for later: nothing was sent") from error
        if self._queue is None:
            self._queue = deque()
        self._queue.append((data, owned))
        self._queued += len(data)
        if len(self._queue) > LOST_FRAMES or self._queued > LOST_BYTES:
            # Not here: the handler that sends does not expect its peer to vanish under it.
            self._stuck = True
            self._streak = _STREAK
            self._loop._epoll.modify(self._fd, 0)
            self._loop.call_soon(self.close)
            return
        stuck = len(self._queue) > STUCK_FRAMES or self._queued > STUCK_BYTES
        if stuck != self._stuck or len(self._queue) == 1:
            self._stuck = stuck
            self._streak = _STREAK
            self._loop._epoll.modify(self._fd, _OUT if stuck or self._finishing else _OUT | _IN)

    def _flush(self) -> None:
        queue = self._queue
        while queue:
            data, fds = queue[0]
            try:
                packet.send(self._sock, data, fds.peek() if len(fds) else ())
            except BlockingIOError:
                break
            except ChannelClosed:
                self.close()
                return
            queue.popleft()
            fds.close()
            self._queued -= len(data)
        if not queue:
            self._queue = None
            if self._finishing:
                self.close()
                return
            self._stuck = False
            self._loop._epoll.modify(self._fd, _IN)
        elif (
            self._stuck and not self._finishing and len(queue) <= STUCK_FRAMES // 2 and self._queued <= STUCK_BYTES // 2
        ):
            self._stuck = False
            self._loop._epoll.modify(self._fd, _IN | _OUT)

    def _fault(self, error: Exception) -> None:
        self.close()
        self._loop._report(self, error)

    def _loop_closed(self) -> None:
        self.close()


class Loop:
    """`on_error(where, error)` is told of every exception in a handler; `where` is the Peer, the Source, or the
    callback.
    """

    def __init__(
        self, on_error: Callable[[object, Exception], object], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._on_error = on_error
        self._epoll = select.epoll()
        self._poll = self._epoll.poll
        self._watched: dict[int, Peer | Source] = {}
        self._buffer = packet.buffer()
        self._soon: deque[Callable[[], object]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._cancelled = 0
        self._order = count()
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.register(self._wake, self._woken)

    def register(self, fd: int, on_readable: Callable[[], object], *, weight: int = 1) -> Source:
        """Call `on_readable` when `fd` is, and again in the same turn while it returns True, `weight` times at most."""
        source = Source(self, fd, on_readable, weight)
        self._watch(fd, source, select.EPOLLIN)
        return source

    def call_soon(self, call: Callable[[], object]) -> None:
        """Call it at the start of the next turn."""
        self._soon.append(call)

    def call_soon_threadsafe(self, call: Callable[[], object]) -> None:
        """`call_soon` for other threads and for signal handlers: wakes the loop."""
        self._soon.append(call)
        self._rouse()

    def call_at(self, when: float, call: Callable[[], object]) -> Timer:
        """Call it at the first turn that begins at `when` (seconds of `clock`) or later; equal times in order of this
        call.
        """
        timer = Timer(self, call)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def run(self) -> None:
        """Turn until `stop`; not at all when that came first."""
        while not self._stopping:
            self.turn()
        self._stopping = False

    def stop(self) -> None:
        """Let `run` return after this turn, whatever is still called for. For any thread."""
        # The flag before the wake: a turn that read the eventfd earlier has the flag still to look at.
        self._stopping = True
        self._rouse()

    def turn(self, timeout: float | None = None) -> None:
        """One turn: what was called for, timers that are due, then every descriptor that is ready. Waits `timeout`
        seconds at most.
        """
        if self._soon or self._timers:
            timeout = self._due(timeout)
        watched = self._watched
        for fd, events in self._poll(timeout, _EVENTS):
            target = watched.get(fd)
            # Closed earlier in this turn. (A number that was given out again meanwhile finds nothing to read, and
            # waits.)
            if target is not None:
                try:
                    target._ready(events)
                except Exception as error:
                    target._fault(error)

    def close(self) -> None:
        """Close every peer and the loop. Sources stay their owners'."""
        for target in list(self._watched.values()):
            target._loop_closed()
        self._watched.clear()
        self._soon.clear()
        self._timers.clear()
        self._epoll.close()
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    def _watch(self, fd: int, target: Peer | Source, events: int) -> None:
        self._epoll.register(fd, events)
        self._watched[fd] = target

    def _unwatch(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def _woken(self) -> None:
        os.eventfd_read(self._wake)

    def _rouse(self) -> None:
        with contextlib.suppress(BlockingIOError):
            # A counter that is full wakes too.
            os.eventfd_write(self._wake, 1)

    def _due(self, timeout: float | None) -> float | None:
        """Call what was called for and what is due; how long the turn may wait then."""
        soon = self._soon
        for _ in range(len(soon)):
            self._guarded(soon.popleft())
        if self._timers:
            when, _order, timer = self._timers[0]
            left = when - self.clock()
            if left <= 0 or timer.call is None:
                self._run_timers()
                left = self._timers[0][0] - self.clock() if self._timers else left
            if self._timers and (timeout is None or left < timeout):
                timeout = left if left > 0 else 0.0
        return 0 if soon else timeout

    def _run_timers(self) -> None:
        now = self.clock()
        due: list[Timer] = []
        while self._timers and (self._timers[0][2].call is None or self._timers[0][0] <= now):
            timer = heapq.heappop(self._timers)[2]
            if timer.call is None:
                self._cancelled -= 1
            else:
                due.append(timer)
        for timer in due:
            call, timer.call = timer.call, None
            if call is not None:
                self._guarded(call)

    def _timer_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled * 2 > len(self._timers) + 16:
            self._timers = [entry for entry in self._timers if entry[2].call is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            self._report(call, error)

    def _report(self, where: object, error: Exception) -> None:
        # A hook that fails has nobody left to tell.
        with contextlib.suppress(Exception):
            self._on_error(where, error)
