"""NTLM over HTTP and TLS: strangers' clients at our example, and our ``auth=`` objects at a server of pyspnego's.

A client is a function of a `Place`, a user and a password: who the page says that he is, None where he is refused.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.http import visit
from tests.http.service import relaying, serving
from tests.http.visit import Tls
from tests.strangers import peers
from tests.strangers.talk import DOMAIN, PASSWORD, USER, Refused, Seen, Wish

from secpkg.http import bindings, framing
from secpkg.testing import LabAuthority
from secpkg_http_service.certificate import make
from secpkg_http_service.page import application

SCHEMES: Final = {"NTLM": "NTLM"}
NAME: Final = f"{DOMAIN}\\{USER.lower()}"
VISITORS: Final = (
    ("curl", "curl", "`--ntlm`. It has no channel bindings and sends no MIC for NTLM, so it is let in under "
     "*when-supported* and not under *require*; and so is who relays it"),
    ("Chromium", "chromium", "headless, user and password in the address. It binds to the certificate that it sees, "
     "and names `HTTP/host:port`"),
)  # fmt: skip
"""Strangers that are HTTP clients: name, Debian package, what is to be said of them."""
_CHROMIUM: Final = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--dump-dom",
    "--ignore-certificate-errors",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a service is: its port, the certificate that its clients see, a folder, and the tokens that have passed.

    ``lab``: an authority for clients of ours, where nobody has an account.
    """

    port: int
    tls: Tls
    folder: Path
    lab: LabAuthority
    passed: list[bytes] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    @property
    def seen(self) -> Seen:
        """The first handshake."""
        negotiate, challenge, authenticate = self.passed[:3]
        return Seen(negotiate, challenge, authenticate)


Client = Callable[[Place, str, str], str | None]


def curl(place: Place, user: str, password: str, *options: str) -> str | None:
    """curl --ntlm; the password by its standard input. With more URLs among the options they are one to it."""
    secret = f'user = "{DOMAIN}\\\\{user}:{password}"\n'
    command = ["curl", "--silent", "--ntlm", "--config", "-", "--cacert", str(place.tls[0])]
    command += ["--write-out", "%{stderr}%{http_code} ", *options, place.url("/whoami")]
    done = subprocess.run(command, input=secret, capture_output=True, text=True, timeout=60, check=True)
    (status,) = {int(status) for status in done.stderr.split()}
    return _told(status, json.JSONDecoder().raw_decode(done.stdout)[0] if status == 200 else None)


def chromium(place: Place, user: str, password: str) -> str | None:
    """Headless Chromium; the certificate is self-made, so it is told not to judge it."""
    at = f"https://{DOMAIN}%5C{user}:{password.replace(' ', '%20')}@localhost:{place.port}/"
    profile = f"--user-data-dir={place.folder / f'profile{len(place.passed)}'}"
    done = subprocess.run([*_CHROMIUM, profile, at], capture_output=True, text=True, timeout=100, check=True)
    shown = re.search(r"You are</small> (.*?)</h1>", done.stdout)
    if shown is None:
        assert "ERR_INVALID_AUTH_CREDENTIALS" in done.stderr, done.stderr[-2000:]
        return None
    return shown[1]


def ours(client: str) -> Client:
    """A client of `tests.http.visit`."""

    def go(place: Place, user: str, password: str) -> str | None:
        guest = visit.visitor(
            client, SCHEMES, place.lab, place.port, place.tls, password, username=user, domain=DOMAIN
        )  # fmt: skip
        try:
            ((status, told),) = guest.ask(place.url("/whoami"))
        finally:
            guest.auth.close()
        return _told(status, told)

    return go


def _told(status: int, told: Any) -> str | None:
    assert status in (200, 401)
    return None if status == 401 else str(told["name"])


# ------------------------------------------------------------------------------------------------------------- services


class _Recorded:
    """An ASGI application, and the tokens that pass it."""

    def __init__(self, app: Any, passed: list[bytes]) -> None:
        self._app, self._passed = app, passed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._note(scope["headers"], b"authorization")

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._note(message["headers"], b"www-authenticate")
            await send(message)

        await self._app(scope, receive, sending)

    def _note(self, headers: Any, wanted: bytes) -> None:
        for name, value in headers:
            if name.lower() == wanted and b" " in value:
                self._passed.append(framing.decode(value.decode().partition(" ")[2]))

    async def close(self) -> None:
        await self._app.close()


@contextmanager
def example(folder: Path, policy: str) -> Iterator[Place]:
    """The example, where Alice has an account. Some have guest accounts, to try wrong passwords on (lock 9)."""
    with LabAuthority(domain=DOMAIN, modules=["ntlm"]) as lab:
        for name in (USER.lower(), "guest"):
            lab.add_user(name, password=PASSWORD, groups=["staff"])
        tls = make(folder, "localhost")
        passed: list[bytes] = []
        site = application(SCHEMES, certificate=tls[0], binding_policy=policy, authority=lab)
        with serving(_Recorded(site, passed), tls) as port:
            yield Place(port, tls, folder, lab, passed)


@contextmanager
def spnego(folder: Path) -> Iterator[Place]:
    """An HTTP server whose connections are let in by pyspnego's acceptor, bound to its certificate."""
    peers.accounts(folder)
    tls = make(folder, "localhost")
    passed: list[bytes] = []
    wish = Wish(side="acceptor", bindings=bindings.of_pem(tls[0]), sign=False, seal=False)

    class Handler(BaseHTTPRequestHandler):
        """One for each connection."""

        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.end: peers.Pyspnego | None = None
            self.known = False

        def do_GET(self) -> None:
            scheme, _, data = self.headers.get("Authorization", "").partition(" ")
            challenge = "NTLM"
            if scheme == "NTLM":
                challenge = self._step(framing.decode(data)) or challenge
            body = json.dumps({"name": NAME} if self.known else None).encode()
            self.send_response(200 if self.known else 401)
            if not self.known:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _step(self, token: bytes) -> str | None:
            passed.append(token)
            end, self.end = self.end or peers.Pyspnego(wish, folder / "accounts"), None
            try:
                reply = end.step(token)
            except Refused:
                return None
            self.known = end.complete
            if reply is None:
                return None
            passed.append(reply)
            self.end = end
            return framing.header("NTLM", reply)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    with (
        LabAuthority(domain="CLIENTS", modules=["ntlm"]) as lab,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
    ):
        # The handshake of TLS is its connection's thread's.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Place(server.server_port, tls, folder, lab, passed)
        finally:
            server.shutdown()
            thread.join(30)


@contextmanager
def relayed(place: Place) -> Iterator[Place]:
    """The same service behind a relay with a certificate of its own that the client trusts."""
    folder = place.folder / "relay"
    others = make(folder, "localhost")
    with relaying(place.port, others, place.tls[0]) as port:
        yield Place(port, others, folder, place.lab, place.passed)
