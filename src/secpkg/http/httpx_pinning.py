"""Connections of their own for handshakes: what `httpx_auth.PinningTransport` and its siblings are made of.

httpx picks a connection for each request, whichever is free. Here a request goes to a *lane*: a transport of the
library that holds one connection. A flow takes a lane with its first request and keeps it until its last response: all
legs are on one connection, whoever else is at work. Free lanes are used again, the last one first, so that connections
that are authenticated already serve what comes next.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, MutableMapping
from typing import Final, Generic, Protocol, TypeVar

from secpkg.http.answering import origin

L = TypeVar("L")

PIN: Final = "secpkg.pin"
"""The extension of a request under which its flow's `Pin` is."""

MAX_FREE: Final = 100
"""Lanes that are kept for later."""


class Pin(Generic[L]):
    """One flow's claim on a lane. ``pinned``: a transport has heard of it."""

    __slots__ = ("_free", "_lane", "busy", "origin", "released")

    def __init__(self) -> None:
        self.origin: object = None
        self.busy = 0
        self.released = False
        self._lane: L | None = None
        self._free: Callable[[object, L], None] | None = None

    @property
    def pinned(self) -> bool:
        """Whether all requests of the flow take one connection."""
        return self._lane is not None

    def release(self) -> None:
        """The flow is over; the lane is free when its last response has been read."""
        self.released = True
        self.settle()

    def settle(self) -> None:
        """Give the lane back, if nothing needs it any more."""
        if self.released and not self.busy and self._lane is not None and self._free is not None:
            lane, self._lane = self._lane, None
            self._free(self.origin, lane)


class Lanes(Generic[L]):
    """The free lanes of a transport, by origin."""

    def __init__(self, make: Callable[[], L]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._free: dict[object, list[L]] = {}
        self._all: list[L] = []
        self._surplus: list[L] = []

    def lane(self, origin: object, extensions: MutableMapping[str, object]) -> tuple[L, Pin[L]]:
        """The lane for a request; the pin to `end` when its response has been closed."""
        pin = extensions.get(PIN)
        if not isinstance(pin, Pin) or pin.released or (pin.pinned and pin.origin != origin):
            pin = Pin()
            pin.released = True  # a request of its own, or one that a redirect led elsewhere
        with self._lock:
            if pin._lane is None:
                free = self._free.get(origin)
                if free:
                    pin._lane = free.pop()
                else:
                    pin._lane = self._make()
                    self._all.append(pin._lane)
                pin.origin, pin._free = origin, self._give_back
            pin.busy += 1
            return pin._lane, pin

    def end(self, pin: Pin[L]) -> None:
        """A response was closed, or there was none."""
        pin.busy -= 1
        pin.settle()

    def surplus(self) -> list[L]:
        """Lanes to close: more than are worth keeping."""
        with self._lock:
            surplus, self._surplus = self._surplus, []
            return surplus

    def drain(self) -> list[L]:
        """All lanes, to be closed."""
        with self._lock:
            lanes, self._all = self._all, []
            self._free.clear()
            self._surplus.clear()
            return lanes

    def _give_back(self, origin: object, lane: L) -> None:
        with self._lock:
            if lane not in self._all:
                return
            free = self._free.setdefault(origin, [])
            if len(free) < MAX_FREE:
                free.append(lane)
            else:
                self._all.remove(lane)
                self._surplus.append(lane)


class Url(Protocol):
    """Of a request, in either library."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...


class _Request(Protocol):
    @property
    def url(self) -> Url: ...
    @property
    def extensions(self) -> MutableMapping[str, object]: ...


Rq = TypeVar("Rq", bound=_Request)
Rs = TypeVar("Rs")
Rq_contra = TypeVar("Rq_contra", contravariant=True)
Rs_co = TypeVar("Rs_co", covariant=True)


class _Lane(Protocol[Rq_contra, Rs_co]):
    def handle_request(self, request: Rq_contra) -> Rs_co: ...
    def close(self) -> None: ...


class _AsyncLane(Protocol[Rq_contra, Rs_co]):
    async def handle_async_request(self, request: Rq_contra) -> Rs_co: ...
    async def aclose(self) -> None: ...


class Pinning(Generic[Rq, Rs]):
    """A blocking transport of either library but for the library's own classes: HTTP/1.1, a connection of its own for
    each handshake.
    """

    def __init__(self, make: Callable[[], _Lane[Rq, Rs]]) -> None:
        self._lanes = Lanes(make)

    def _ending(self, response: Rs, end: Callable[[], None]) -> Rs:
        """The same response, whose stream calls ``end`` when it is closed (`Ending`)."""
        raise NotImplementedError

    def handle_request(self, request: Rq) -> Rs:
        """One request, on its flow's lane."""
        url = request.url
        lane, pin = self._lanes.lane(origin(url.scheme, url.host, url.port), request.extensions)
        try:
            response = lane.handle_request(request)
        except BaseException:
            self._lanes.end(pin)
            raise
        for surplus in self._lanes.surplus():
            surplus.close()
        return self._ending(response, lambda: self._lanes.end(pin))

    def close(self) -> None:
        """Close all connections."""
        for lane in self._lanes.drain():
            lane.close()


class AsyncPinning(Generic[Rq, Rs]):
    """As `Pinning`, awaited."""

    def __init__(self, make: Callable[[], _AsyncLane[Rq, Rs]]) -> None:
        self._lanes = Lanes(make)

    def _ending(self, response: Rs, end: Callable[[], None]) -> Rs:
        """As that of `Pinning` (`AsyncEnding`)."""
        raise NotImplementedError

    async def handle_async_request(self, request: Rq) -> Rs:
        """One request, on its flow's lane."""
        url = request.url
        lane, pin = self._lanes.lane(origin(url.scheme, url.host, url.port), request.extensions)
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            self._lanes.end(pin)
            raise
        for surplus in self._lanes.surplus():
            await surplus.aclose()
        return self._ending(response, lambda: self._lanes.end(pin))

    async def aclose(self) -> None:
        """Close all connections."""
        for lane in self._lanes.drain():
            await lane.aclose()


class _Stream(Iterable[bytes], Protocol):
    def close(self) -> None: ...


class _AsyncStream(AsyncIterable[bytes], Protocol):
    async def aclose(self) -> None: ...


class Ending:
    """The stream of a response; the first `close` says so."""

    def __init__(self, stream: _Stream, end: Callable[[], None]) -> None:
        self._stream, self._end, self._closed = stream, end, False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        """Close it; then the flow may go on."""
        try:
            self._stream.close()
        finally:
            if not self._closed:
                self._closed = True
                self._end()


class AsyncEnding:
    """As `Ending`, awaited."""

    def __init__(self, stream: _AsyncStream, end: Callable[[], None]) -> None:
        self._stream, self._end, self._closed = stream, end, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        """Close it; then the flow may go on."""
        try:
            await self._stream.aclose()
        finally:
            if not self._closed:
                self._closed = True
                self._end()
