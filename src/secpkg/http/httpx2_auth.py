"""httpx2: ``httpx2.Client(auth=Auth(hosts=["service.example"], schemes={"NTLM": "NTLM"}, username=..., ...))``.

With ``httpx2.AsyncClient`` on asyncio, too. As `secpkg.http.httpx_auth`; ``httpx2.Auth`` is not ``httpx.Auth``.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

try:
    import httpx2
except ModuleNotFoundError as error:  # pragma: no cover  # the tests have it
    raise ModuleNotFoundError("secpkg.http.httpx2_auth needs httpx2: pip install httpx2", name=error.name) from error

from secpkg.http.httpx_flow import FlowAuth, bodiless
from secpkg.http.httpx_pinning import AsyncEnding, AsyncPinning, Ending, Pinning

_ONE = httpx2.Limits(max_connections=1, max_keepalive_connections=1)


class Auth(FlowAuth[httpx2.Request, httpx2.Response], httpx2.Auth):
    """An ``auth=`` object; parameters and errors as for `secpkg.http.answering.Answering`.

    Give the client a `PinningTransport` (or `AsyncPinningTransport`) where it is used by several threads or tasks: then
    each handshake has a connection of its own. Without, the library chooses; handshakes wait for each other, one that
    was torn apart is begun again, and after some attempts it is SEC_E_OUT_OF_SEQUENCE.

    A refusal is a response with 401. SecurityError where the client's side failed, and where a server that let us in
    did not prove itself. `close` (or `aclose`, on the event loop that used it) frees its handles.
    """

    @staticmethod
    def _without_body(request: httpx2.Request) -> httpx2.Request:
        headers = bodiless(request.method, request.headers)
        return httpx2.Request(request.method, request.url, headers=headers, extensions=request.extensions)


class PinningTransport(Pinning[httpx2.Request, httpx2.Response], httpx2.BaseTransport):
    """For ``httpx2.Client(transport=...)``: HTTP/1.1, a connection of its own for each handshake (`httpx_pinning`)."""

    def __init__(self, *, verify: ssl.SSLContext | bool = True, proxy: str | None = None) -> None:
        context = verify if isinstance(verify, ssl.SSLContext) else httpx2.create_ssl_context(verify=verify)
        super().__init__(lambda: httpx2.HTTPTransport(verify=context, proxy=proxy, limits=_ONE))

    def _ending(self, response: httpx2.Response, end: Callable[[], None]) -> httpx2.Response:
        assert isinstance(response.stream, httpx2.SyncByteStream)
        stream = _Stream(response.stream, end)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class AsyncPinningTransport(AsyncPinning[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport):
    """For ``httpx2.AsyncClient(transport=...)``, as `PinningTransport`."""

    def __init__(self, *, verify: ssl.SSLContext | bool = True, proxy: str | None = None) -> None:
        context = verify if isinstance(verify, ssl.SSLContext) else httpx2.create_ssl_context(verify=verify)
        super().__init__(lambda: httpx2.AsyncHTTPTransport(verify=context, proxy=proxy, limits=_ONE))

    def _ending(self, response: httpx2.Response, end: Callable[[], None]) -> httpx2.Response:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        stream = _AsyncStream(response.stream, end)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class _Stream(Ending, httpx2.SyncByteStream):
    """The library's own class, by which it knows a stream."""


class _AsyncStream(AsyncEnding, httpx2.AsyncByteStream):
    """As `_Stream`."""
