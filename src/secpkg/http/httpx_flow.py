"""What the auth objects for httpx and httpx2 share: they are alike, and their classes are not each other's.

The library reads each response before the next request goes out, so that the connection is there for the next leg.
What the application sent is read first: it may be sent more than once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, MutableMapping
from contextlib import nullcontext
from typing import Final, Generic, Protocol, TypeVar, cast

from secpkg import aio
from secpkg.contract.status import SecurityError
from secpkg.http.answering import Answering, Origin, Reply, Send, Start, origin
from secpkg.http.contexts import BlockingContexts, ByLoop
from secpkg.http.httpx_pinning import PIN, Pin, Url
from secpkg.sspi.client import Client


class _Headers(Protocol):
    def get_list(self, key: str) -> list[str]: ...


class _Sent(Protocol):
    def multi_items(self) -> list[tuple[str, str]]: ...


class _Request(Protocol):
    @property
    def url(self) -> Url: ...
    @property
    def headers(self) -> MutableMapping[str, str]: ...
    @property
    def extensions(self) -> MutableMapping[str, object]: ...
    def read(self) -> bytes: ...
    async def aread(self) -> bytes: ...


class _Response(Protocol):
    status_code: int

    @property
    def headers(self) -> _Headers: ...
    @property
    def extensions(self) -> Mapping[str, object]: ...
    @property
    def request(self) -> object: ...
    def read(self) -> bytes: ...
    async def aread(self) -> bytes: ...


Rq = TypeVar("Rq", bound=_Request)
Rs = TypeVar("Rs", bound=_Response)


_OF_A_BODY: Final = ("content-length", "content-type", "transfer-encoding")


class FlowAuth(Answering, Generic[Rq, Rs]):
    """An auth object of either library but for the library's own class. Parameters and errors as for `Answering`."""

    def _prepare(self) -> None:
        self._flows: Flows[Rq, Rs] = Flows(self, self._without_body)

    @staticmethod
    def _without_body(request: Rq) -> Rq:
        """A copy that leaves the body out (`bodiless`)."""
        raise NotImplementedError

    def sync_auth_flow(self, request: Rq) -> Generator[Rq, Rs, None]:
        """For the library's ``Client``."""
        return self._flows.blocking(request)

    def async_auth_flow(self, request: Rq) -> AsyncGenerator[Rq, Rs]:
        """For the library's ``AsyncClient``."""
        return self._flows.awaited(request)

    def close(self) -> None:
        """Free the credentials of the blocking flow. Harmless when repeated."""
        self._flows.contexts.close()

    async def aclose(self) -> None:
        """Free the credentials of this event loop. Harmless when repeated."""
        await self._flows.by_loop.here().close()


def bodiless(method: str, headers: _Sent) -> list[tuple[str, str]]:
    """The headers of a request, when its body is left out."""
    kept = [(name, value) for name, value in headers.multi_items() if name.lower() not in _OF_A_BODY]
    return kept if method in ("GET", "HEAD") else [*kept, ("Content-Length", "0")]


class Flows(Generic[Rq, Rs]):
    """The two flows of an auth object. ``without_body`` copies a request and leaves its body out."""

    def __init__(self, answering: Answering, without_body: Callable[[Rq], Rq]) -> None:
        self._answering = answering
        self._without_body = without_body
        self.contexts: Final = BlockingContexts(answering)
        self.by_loop: Final = ByLoop(answering)

    def blocking(self, request: Rq) -> Generator[Rq, Rs, None]:
        """``sync_auth_flow``."""
        request.read()
        asked = _origin(request.url)
        turn = self.contexts.turn(asked)
        with turn:
            pass
        pin: Pin[object] = Pin()
        request.extensions[PIN] = pin
        try:
            response = yield request
            reply = _reply(response, request)
            if self._answering.answers(asked, reply):
                with nullcontext() if pin.pinned else turn:
                    response = yield from self._blocking(asked, response, reply)
                    if not pin.pinned and _small(response):
                        response.read()  # or its connection becomes free in the middle of the next handshake
        finally:
            pin.release()

    def _blocking(self, asked: Origin, response: Rs, reply: Reply) -> Generator[Rq, Rs, Rs]:
        client: Client | None = None
        base = cast(Rq, response.request)
        legs = self._answering.legs(asked, reply)
        try:
            command = next(legs)
            while True:
                if isinstance(command, Send):
                    sent = self._leg(base, command)
                    response = yield sent
                    _forget(sent, response)
                    reply = _reply(response, sent)
                    base = cast(Rq, response.request) if reply.redirected else base
                    command = legs.send(reply)
                    continue
                try:
                    if client is None or isinstance(command, Start):
                        if client is not None:
                            client.close()
                        client = self.contexts.start(cast(Start, command))
                    stepped = self.contexts.step(client, command)
                except SecurityError as error:
                    command = legs.throw(error)
                else:
                    command = legs.send(stepped)
        except StopIteration:
            return response
        finally:
            base.headers.pop("Authorization", None)
            if client is not None:
                client.close()

    async def awaited(self, request: Rq) -> AsyncGenerator[Rq, Rs]:
        """``async_auth_flow``, on asyncio."""
        await request.aread()
        asked = _origin(request.url)
        contexts = self.by_loop.here()
        turn = contexts.turn(asked)
        async with turn:
            pass
        pin: Pin[object] = Pin()
        request.extensions[PIN] = pin
        client: aio.Client | None = None
        base = request
        try:
            response = yield request
            reply = _reply(response, request)
            if not self._answering.answers(asked, reply):
                return
            base = cast(Rq, response.request)
            legs = self._answering.legs(asked, reply)
            async with nullcontext() if pin.pinned else turn:
                try:
                    command = next(legs)
                    while True:
                        if isinstance(command, Send):
                            sent = self._leg(base, command)
                            response = yield sent
                            _forget(sent, response)
                            reply = _reply(response, sent)
                            base = cast(Rq, response.request) if reply.redirected else base
                            command = legs.send(reply)
                            continue
                        try:
                            if client is None or isinstance(command, Start):
                                if client is not None:
                                    await client.close()
                                client = contexts.start(cast(Start, command))
                            stepped = await contexts.step(client, command)
                        except SecurityError as error:
                            command = legs.throw(error)
                        else:
                            command = legs.send(stepped)
                except StopIteration:
                    pass
                if not pin.pinned and _small(response):
                    await response.aread()  # as above
        finally:
            pin.release()
            base.headers.pop("Authorization", None)
            if client is not None:
                await client.close()

    def _leg(self, base: Rq, command: Send) -> Rq:
        request = self._without_body(base) if command.empty else base
        request.headers["Authorization"] = command.authorization
        return request


def _forget(sent: _Request, response: _Response) -> None:
    """What the application is shown has no proof in it, also where a leg without a body was the last one."""
    for request in (sent, cast(_Request, response.request)):
        request.headers.pop("Authorization", None)


def _small(response: _Response) -> bool:
    length = response.headers.get_list("Content-Length")
    return len(length) == 1 and length[0].isdigit() and len(length[0]) < 6


def _origin(url: Url) -> Origin:
    return origin(url.scheme, url.host, url.port)


def _reply(response: _Response, sent: object) -> Reply:
    stream = response.extensions.get("network_stream")
    info = getattr(stream, "get_extra_info", None)
    answered = cast(_Request, response.request)
    # What belongs to a connection has no place where requests of several share one.
    multiplexed = response.extensions.get("http_version") not in (None, b"HTTP/1.1", b"HTTP/1.0")
    return Reply(
        response.status_code,
        () if multiplexed else tuple(response.headers.get_list("WWW-Authenticate")),
        _origin(answered.url),
        stream,
        info("ssl_object") if callable(info) else None,
        answered is not sent,
    )
