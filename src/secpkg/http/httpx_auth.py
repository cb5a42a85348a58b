"""httpx: ``httpx.Client(auth=Auth(hosts=["service.example"], schemes={"NTLM": "NTLM"}, username=..., ...))``.

With ``httpx.AsyncClient`` on asyncio, too. With ``http2=True`` nothing is answered that came over HTTP/2.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

try:
    import httpx
except ModuleNotFoundError as error:  # pragma: no cover  # the tests have it
    raise ModuleNotFoundError("secpkg.http.httpx_auth needs httpx: pip install httpx", name=error.name) from error

from secpkg.http.httpx_flow import FlowAuth, bodiless
from secpkg.http.httpx_pinning import AsyncEnding, AsyncPinning, Ending, Pinning

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class Auth(FlowAuth[httpx.Request, httpx.Response], httpx.Auth):
    """An ``auth=`` object; parameters and errors as for `secpkg.http.answering.Answering`.

    Give the client a `PinningTransport` (or `AsyncPinningTransport`) where it is used by several threads or tasks: then
    each handshake has a connection of its own. Without, the library chooses; handshakes wait for each other, one that
    was torn apart is begun again, and after some attempts it is SEC_E_OUT_OF_SEQUENCE.

    A refusal is a response with 401. SecurityError where the client's side failed, and where a server that let us in
    did not prove itself. `close` (or `aclose`, on the event loop that used it) frees its handles.
    """

    @staticmethod
    def _without_body(request: httpx.Request) -> httpx.Request:
        headers = bodiless(request.method, request.headers)
        return httpx.Request(request.method, request.url, headers=headers, extensions=request.extensions)


class PinningTransport(Pinning[httpx.Request, httpx.Response], httpx.BaseTransport):
    """For ``httpx.Client(transport=...)``: HTTP/1.1, a connection of its own for each handshake (`httpx_pinning`)."""

    def __init__(self, *, verify: ssl.SSLContext | bool = True, proxy: str | None = None) -> None:
        context = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify)
        super().__init__(lambda: httpx.HTTPTransport(verify=context, proxy=proxy, limits=_ONE))

    def _ending(self, response: httpx.Response, end: Callable[[], None]) -> httpx.Response:
        assert isinstance(response.stream, httpx.SyncByteStream)
        stream = _Stream(response.stream, end)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class AsyncPinningTransport(AsyncPinning[httpx.Request, httpx.Response], httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=...)``, as `PinningTransport`."""

    def __init__(self, *, verify: ssl.SSLContext | bool = True, proxy: str | None = None) -> None:
        context = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify)
        super().__init__(lambda: httpx.AsyncHTTPTransport(verify=context, proxy=proxy, limits=_ONE))

    def _ending(self, response: httpx.Response, end: Callable[[], None]) -> httpx.Response:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        stream = _AsyncStream(response.stream, end)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class _Stream(Ending, httpx.SyncByteStream):
    """The library's own class, by which it knows a stream."""


class _AsyncStream(AsyncEnding, httpx.AsyncByteStream):
    """As `_Stream`."""
