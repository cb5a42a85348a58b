"""httpx: ``httpx.Client(auth=Auth(hosts=["service.example"], schemes={"NTLM": "NTLM"}, username=..., ...))``.

With ``httpx.AsyncClient`` on asyncio, too. With ``http2=True`` nothing is answered that came over HTTP/2.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Generator, Mapping

try:
    import httpx
except ModuleNotFoundError as error:  # pragma: no cover  # the tests have it
    raise ModuleNotFoundError("secpkg.http.httpx_auth needs httpx: pip install httpx", name=error.name) from error

from secpkg.http.answering import LEGS, Answering
from secpkg.http.httpx_flow import Flows


class Auth(Answering, httpx.Auth):
    """An ``auth=`` object; parameters and errors as for `secpkg.http.answering.Answering`.

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
        self._flows: Flows[httpx.Request, httpx.Response] = Flows(self, _without_body)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """For ``httpx.Client``."""
        return self._flows.blocking(request)

    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For ``httpx.AsyncClient``."""
        return self._flows.awaited(request)

    def close(self) -> None:
        """Free the credentials of the blocking flow. Harmless when repeated."""
        self._flows.contexts.close()

    async def aclose(self) -> None:
        """Free the credentials of this event loop. Harmless when repeated."""
        await self._flows.by_loop.here().close()


def _without_body(request: httpx.Request) -> httpx.Request:
    dropped = ("content-length", "content-type", "transfer-encoding")
    headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in dropped]
    if request.method not in ("GET", "HEAD"):
        headers.append(("Content-Length", "0"))
    return httpx.Request(request.method, request.url, headers=headers, extensions=request.extensions)
