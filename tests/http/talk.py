"""HTTP without a network: requests given to an application in this process, and a client's half of a handshake."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from secpkg import Client, aio
from secpkg.http import asgi, framing, wsgi
from secpkg.http.connection import KEY, Connection
from secpkg.http.framing import challenges

SCHEME = "X-Test"
SCHEMES = {SCHEME: "Hello"}
"""The fixture ``lab`` has another package speak it, for the time of a test."""
BOUND = b"tls-server-end-point:" + bytes(range(32))


class Response(msgspec.Struct):
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def token(self, scheme: str = SCHEME) -> bytes | None:
        """The one leg in it."""
        found = [c.token() for c in challenges(self.all("WWW-Authenticate")) if framing.same(c.scheme, scheme)]
        assert len(found) <= 1
        return found[0] if found else None


async def ask(
    app: Any,
    *authorization: str,
    connection: Connection | None = None,
    client: tuple[str, int] | None = ("192.0.2.7", 40000),
    method: str = "GET",
    body: bytes = b"",
    version: str = "1.1",
    headers: Iterable[tuple[str, str]] = (),
    length: bool = True,
) -> Response:
    """One request to an ASGI application."""
    fields = [("host", "service.example"), *headers, *(("Authorization", value) for value in authorization)]
    if body and length:
        fields.append(("content-length", str(len(body))))
    scope: asgi.Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": version, "method": method, "scheme": "https",
        "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "", "server": ("192.0.2.1", 443),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in fields],
        "client": client, "state": {} if connection is None else {KEY: connection},
    }  # fmt: skip
    pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
    sent: list[asgi.Message] = []

    async def receive() -> asgi.Message:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = cast("dict[str, Any]", sent[0])
    return Response(
        start["status"],
        [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]],
        b"".join(cast(bytes, message.get("body", b"")) for message in sent[1:]),
    )


def call(
    app: Any, authorization: str | None = None, *, sock: object = None, port: str = "40000", method: str = "GET",
    body: bytes = b"", protocol: str = "HTTP/1.1", **more: object,
) -> Response:  # fmt: skip
    """One request to a WSGI application."""
    environ: wsgi.Environ = {
        "REQUEST_METHOD": method, "SERVER_PROTOCOL": protocol, "SERVER_NAME": "service.example", "SERVER_PORT": "443",
        "REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": port, "PATH_INFO": "/", "wsgi.input": io.BytesIO(body), **more,
    }  # fmt: skip
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    if sock is not None:
        environ["gunicorn.socket"] = sock
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None, /) -> Any:
        started.append((status, headers))

    result = app(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    status, headers = started[0]
    return Response(int(status.split()[0]), headers, body)


async def authenticate(
    app: Any, lab: object, *, user: str = "alice", password: str = "correct horse", bound: bytes | None = None,
    **request: Any,
) -> list[Response]:  # fmt: skip
    """A whole handshake; the responses, the last one being the application's or a refusal."""
    async with aio.Client(
        SCHEMES[SCHEME], username=user, password=password, target="HTTP/service.example", channel_bindings=bound,
        requirements=0, authority=lab,
    ) as client:  # fmt: skip
        replies: list[Response] = []
        token = await client.step()
        while token is not None:
            replies.append(await ask(app, framing.header(SCHEME, token), **request))
            answer = replies[-1].token()
            if replies[-1].status != 401:
                if not client.complete:
                    await client.step(answer)
                assert client.complete
                break
            if answer is None:
                break
            token = await client.step(answer)
        return replies


def first(lab: object, user: str = "alice", password: str = "correct horse", bound: bytes | None = None) -> Client:
    """A client, for handshakes that go by hand."""
    return Client(
        SCHEMES[SCHEME], username=user, password=password, target="HTTP/service.example", channel_bindings=bound,
        requirements=0, authority=lab,
    )  # fmt: skip


def opening(client: Client) -> str:
    """The header of its first leg."""
    token = client.step()
    assert token is not None
    return framing.header(SCHEME, token)


def following(client: Client, response: Response) -> str:
    """The header of its next one."""
    token = client.step(response.token())
    assert token is not None
    return framing.header(SCHEME, token)
