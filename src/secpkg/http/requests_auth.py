"""requests: ``requests.get(url, auth=Auth(hosts=["service.example"], schemes={"NTLM": "NTLM"}, username=..., ...))``.

The legs of a handshake go through an adapter of their own, a copy of the session's, so that nobody else can take their
connection; at the end it moves into the session's pool, in the place of one that is not authenticated.
"""

from __future__ import annotations

import copy
import queue
from collections.abc import Mapping
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

try:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase
    from requests.cookies import extract_cookies_to_jar
    from urllib3 import HTTPConnectionPool
except ModuleNotFoundError as error:  # pragma: no cover  # the tests have it
    message = "secpkg.http.requests_auth needs requests: pip install requests"
    raise ModuleNotFoundError(message, name=error.name) from error

from secpkg.contract.status import SecurityError
from secpkg.http.answering import Answering, Origin, Reply, Send, Start, origin
from secpkg.http.contexts import BlockingContexts
from secpkg.sspi.client import Client


class Auth(Answering, AuthBase):
    """An ``auth=`` object; parameters and errors as for `secpkg.http.answering.Answering`.

    A refusal is a response with 401. SecurityError where the client's side failed, and where a server that let us in
    did not prove itself. A body has to be bytes, text or a file that can be rewound: it may be sent more than once.
    `close` frees its handles.
    """

    def _prepare(self) -> None:
        self._contexts = BlockingContexts(self)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """For requests: the response will be looked at."""
        tell = getattr(r.body, "tell", None)
        r.register_hook("response", partial(self._answer, _origin(r), None if tell is None else tell()))
        return r

    def close(self) -> None:
        """Free the credentials. Harmless when repeated."""
        self._contexts.close()

    def _answer(
        self, asked: Origin, position: int | None, response: requests.Response, **how: Any
    ) -> requests.Response:
        reply = _reply(response)
        if not self.answers(asked, reply):
            return response
        adapter = response.connection
        if not isinstance(adapter, HTTPAdapter):
            return response
        pinned = copy.copy(adapter)  # its state without its pools (HTTPAdapter.__getstate__)
        exchange = _Exchange(pinned, response, position, how)
        try:
            if asked.scheme == "https" and reply.tls is None:
                # That connection is closed already, and its certificate gone with it.
                response = exchange.send(None, True)
                reply = _reply(response)
                if not self.answers(asked, reply):
                    return response
            self._drive(exchange, asked, reply)
            _hand_over(pinned, adapter, exchange.response, how)
            return exchange.response
        except BaseException:
            exchange.response.close()
            pinned.close()
            raise

    def _drive(self, exchange: _Exchange, asked: Origin, reply: Reply) -> None:
        client: Client | None = None
        legs = self.legs(asked, reply)
        try:
            command = next(legs)
            while True:
                if isinstance(command, Send):
                    command = legs.send(_reply(exchange.send(command.authorization, command.empty)))
                    continue
                try:
                    if client is None or isinstance(command, Start):
                        if client is not None:
                            client.close()
                        client = self._contexts.start(cast(Start, command))
                    stepped = self._contexts.step(client, command)
                except SecurityError as error:
                    command = legs.throw(error)
                else:
                    command = legs.send(stepped)
        except StopIteration:
            return
        finally:
            if client is not None:
                client.close()


class _Exchange:
    """One request, sent several times by one adapter."""

    def __init__(
        self, adapter: HTTPAdapter, response: requests.Response, position: int | None, how: Mapping[str, Any]
    ) -> None:
        self.response = response
        self._adapter = adapter
        self._position = position
        self._how = how

    def send(self, authorization: str | None, empty: bool) -> requests.Response:
        """The next leg; the response before it is read away, so that its connection is free."""
        before = self.response
        _ = before.content
        before.close()
        request = before.request.copy()
        if self._position is not None:
            cast(Any, before.request.body).seek(self._position)
        if empty:
            sent = request.copy()
            for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
                sent.headers.pop(name, None)
            sent.body = None
            if sent.method not in ("GET", "HEAD"):
                sent.headers["Content-Length"] = "0"
        else:
            sent = request
        jar = cast(Any, sent)._cookies
        extract_cookies_to_jar(jar, before.request, before.raw)
        sent.headers.pop("Cookie", None)
        sent.prepare_cookies(jar)
        if authorization is not None:
            sent.headers["Authorization"] = authorization
        response = self._adapter.send(sent, **self._how)
        # What comes after is made from the whole request, and shows no proof.
        request.headers.pop("Authorization", None)
        response.request = request
        response.history = [*before.history, before]
        self.response = response
        return response


def _origin(request: requests.PreparedRequest) -> Origin:
    parts = urlsplit(request.url or "")
    return origin(parts.scheme, parts.hostname or "", parts.port)


def _reply(response: requests.Response) -> Reply:
    held = getattr(response.raw, "connection", None)
    sock = getattr(held, "sock", None)
    # A line for each: requests would join them, but for urllib3's own headers.
    lines = getattr(getattr(response.raw, "headers", None), "getlist", None)
    found = lines("WWW-Authenticate") if callable(lines) else [response.headers.get("WWW-Authenticate", "")]
    return Reply(response.status_code, tuple(found), _origin(response.request), sock, sock)


def _hand_over(pinned: HTTPAdapter, adapter: HTTPAdapter, response: requests.Response, how: Mapping[str, Any]) -> None:
    """When the application has read its response, the connection goes to the session's pool, and takes the place of the
    one that was used last. Where the pools are not urllib3's, it ends with the response.
    """
    options = {name: how[name] for name in ("verify", "proxies", "cert") if name in how}
    try:
        ours = pinned.get_connection_with_tls_context(response.request, **options)
        theirs = adapter.get_connection_with_tls_context(response.request, **options)
    except (AttributeError, TypeError, requests.RequestException):
        return
    if not isinstance(ours, HTTPConnectionPool) or not isinstance(theirs, HTTPConnectionPool) or theirs.pool is None:
        return
    try:
        replaced = theirs.pool.get(block=False)
    except queue.Empty:
        replaced = None
    if replaced is not None:
        replaced.close()
    ours.pool = theirs.pool
