"""httpx2: ``httpx2.Client(auth=Auth(hosts=["service.example"], schemes={"NTLM": "NTLM"}, username=..., ...))``.

With ``httpx2.AsyncClient`` on asyncio, too. As `secpkg.http.httpx_auth`; ``httpx2.Auth`` is not ``httpx.Auth``.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Generator, Iterator, Mapping

try:
    import httpx2
except ModuleNotFoundError as error:  # pragma: no cover  # the tests have it
    raise ModuleNotFoundError("secpkg.http.httpx2_auth needs httpx2: pip install httpx2", name=error.name) from error

from secpkg.http.answering import LEGS, Answering, origin
from secpkg.http.httpx_flow import Flows
from secpkg.http.httpx_pinning import Lanes

_ONE = httpx2.Limits(max_connections=1, max_keepalive_connections=1)


class Auth(Answering, httpx2.Auth):
    """An ``auth=`` object; parameters and errors as for `secpkg.http.answering.Answering`.

    Give the client a `PinningTransport` (or `AsyncPinningTransport`) where it is used by several threads or tasks: then
    each handshake has a connection of its own. Without, the library chooses; handshakes wait for each other, one that
    was torn apart is begun again, and after some attempts it is SEC_E_OUT_OF_SEQUENCE.

    A refusal is a response with 401. SecurityError where the client's side failed, and where a server that let us in
    did not prove itself. `close` (or `aclose`, on the event loop that used it) frees its handles.
    """

    def __init__(
        self,
        *,
        hosts: Collection[str],
        schemes: Mapping[str, str],
        username: str | None = None,
        domain: str = "",
        password: str | None = None,
        authority: object = None,
        plaintext: bool = False,
        channel_bindings: bool = True,
        service: str = "HTTP",
        requirements: int = 0,
        legs: int = LEGS,
    ) -> None:
        super().__init__(
            hosts=hosts,
            schemes=schemes,
            username=username,
            domain=domain,
            password=password,
            authority=authority,
            plaintext=plaintext,
            channel_bindings=channel_bindings,
            service=service,
            requirements=requirements,
            legs=legs,
        )
        self._flows: Flows[httpx2.Request, httpx2.Response] = Flows(self, _without_body)

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """For ``httpx2.Client``."""
        return self._flows.blocking(request)

    def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """For ``httpx2.AsyncClient``."""
        return self._flows.awaited(request)

    def close(self) -> None:
        """Free the credentials of the blocking flow. Harmless when repeated."""
        self._flows.contexts.close()

    async def aclose(self) -> None:
        """Free the credentials of this event loop. Harmless when repeated."""
        await self._flows.by_loop.here().close()


def _without_body(request: httpx2.Request) -> httpx2.Request:
    dropped = ("content-length", "content-type", "transfer-encoding")
    headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in dropped]
    if request.method not in ("GET", "HEAD"):
        headers.append(("Content-Length", "0"))
    return httpx2.Request(request.method, request.url, headers=headers, extensions=request.extensions)


class PinningTransport(httpx2.BaseTransport):
    """For ``httpx2.Client(transport=...)``: HTTP/1.1, a connection of its own for each handshake (`httpx_pinning`)."""

    def __init__(self, *, verify: ssl.SSLContext | bool = True, proxy: str | None = None) -> None:
        context = verify if isinstance(verify, ssl.SSLContext) else httpx2.create_ssl_context(verify=verify)
        self._lanes = Lanes(lambda: httpx2.HTTPTransport(verify=context, proxy=proxy, limits=_ONE))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
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
        assert isinstance(response.stream, httpx2.SyncByteStream)
        stream = _Stream(response.stream, lambda: self._lanes.end(pin))
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def close(self) -> None:
        """Close all connections."""
        for lane in self._lanes.drain():
            lane.close()


class AsyncPinningTransport(httpx2.AsyncBaseTransport):
    """For ``httpx2.AsyncClient(transport=...)``, as `PinningTransport`."""

    def __init__(self, *, verify: ssl.SSLContext | bool = True, proxy: str | None = None) -> None:
        context = verify if isinstance(verify, ssl.SSLContext) else httpx2.create_ssl_context(verify=verify)
        self._lanes = Lanes(lambda: httpx2.AsyncHTTPTransport(verify=context, proxy=proxy, limits=_ONE))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
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
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        stream = _AsyncStream(response.stream, lambda: self._lanes.end(pin))
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for lane in self._lanes.drain():
            await lane.aclose()


class _Stream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, end: Callable[[], None]) -> None:
        self._stream, self._end, self._closed = stream, end, False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            if not self._closed:
                self._closed = True
                self._end()


class _AsyncStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, end: Callable[[], None]) -> None:
        self._stream, self._end, self._closed = stream, end, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if not self._closed:
                self._closed = True
                self._end()
