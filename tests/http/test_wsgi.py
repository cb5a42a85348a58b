"""The WSGI middleware, asked in this process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.http import talk
from tests.http.talk import BOUND, SCHEME, SCHEMES, call, following, opening

from secpkg.contract.status import SecurityError
from secpkg.http import Connection, Identity, Limits, wsgi
from secpkg.http.wsgi import Authenticated
from secpkg.testing import FrozenClock, LabAuthority


class Site:
    """An application that remembers what reached it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.environs: list[wsgi.Environ] = []
        self.closed = 0

    def __call__(self, environ: wsgi.Environ, start_response: wsgi.StartResponse) -> Iterable[bytes]:
        body: Any = environ["wsgi.input"]
        self.environs.append(environ)
        self.seen.append((str(environ.get("REMOTE_USER", "nobody")), body.read()))
        start_response("200 OK", [("X-App", "yes")])
        return self._result()

    def _result(self) -> Iterator[bytes]:
        try:
            yield self.seen[-1][0].encode()
        finally:
            self.closed += 1


@pytest.fixture
def site() -> Site:
    return Site()


def handshake(
    app: Any,
    lab: object,
    user: str = "alice",
    password: str = "correct horse",
    bound: bytes | None = None,
    **request: Any,
) -> list[talk.Response]:
    with talk.first(lab, user, password, bound) as client:
        replies = [call(app, opening(client), **request)]
        if replies[0].token() is not None:
            replies.append(call(app, following(client, replies[0]), **request))
            if replies[-1].status == 200:
                if not client.complete:
                    client.step(replies[-1].token())
                assert client.complete
        return replies


def test_a_handshake_names_the_user_and_the_socket_keeps_it(lab: LabAuthority, site: Site) -> None:
    app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
    with socket.socket() as here, socket.socket() as there:
        assert call(app, sock=here).all("WWW-Authenticate") == [SCHEME]
        replies = handshake(app, lab, sock=here)
        assert [reply.status for reply in replies] == [401, 200] and replies[-1].body == b"EXAMPLE\\alice"
        again = call(app, sock=here, REMOTE_USER="root", AUTH_TYPE="Basic")
        assert (again.status, again.body) == (200, b"EXAMPLE\\alice")
        assert site.environs[-1]["AUTH_TYPE"] == SCHEME and site.closed == 2
        assert "HTTP_AUTHORIZATION" not in site.environs[0]
        who = site.environs[-1]["secpkg"]
        assert isinstance(who, Identity) and who.access_token.account_name == "alice" and who.groups
        assert call(app, sock=there).status == 401, "the same address and port"
    app.close()


def test_without_a_socket_the_identity_is_one_requests(lab: LabAuthority, site: Site) -> None:
    app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
    assert handshake(app, lab)[-1].status == 200
    who = site.environs[-1]["secpkg"]
    assert isinstance(who, Identity)
    with pytest.raises(SecurityError):
        _ = who.access_token  # it ended with its request
    assert call(app).status == 401 and app.handshakes.connections == 0
    no_port = handshake(app, lab, port="")
    assert [reply.status for reply in no_port] == [401] and no_port[0].token() is None
    app.close()


@pytest.mark.parametrize("known", [True, False], ids=["socket", "address"])
def test_leg_two_on_another_connection_is_refused(lab: LabAuthority, site: Site, known: bool) -> None:
    app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
    with socket.socket() as one, socket.socket() as two, talk.first(lab) as client:
        here: dict[str, Any] = {"sock": one} if known else {"port": "1"}
        there: dict[str, Any] = {"sock": two} if known else {"port": "2"}
        proof = following(client, call(app, opening(client), **here))
        assert call(app, proof, **there).status == 401
        assert call(app, proof, **here).status == 200
    app.close()


def test_wrong_password_and_wrong_bindings(lab: LabAuthority, site: Site) -> None:
    """R234"""
    app = Authenticated(site, schemes=SCHEMES, authority=lab, channel_bindings=BOUND, clock=lab.clock)
    with socket.socket() as sock:
        assert handshake(app, lab, password="wrong", bound=BOUND, sock=sock)[-1].status == 401
        assert handshake(app, lab, bound=BOUND[:-1] + b"!", sock=sock)[-1].status == 401
        assert handshake(app, lab, sock=sock)[-1].status == 401
        assert site.seen == []
        assert handshake(app, lab, bound=BOUND, sock=sock)[-1].status == 200
    app.close()


def test_limits_and_expiry(lab: LabAuthority, site: Site, clock: FrozenClock) -> None:
    """R195"""
    app = Authenticated(site, schemes=SCHEMES, authority=lab, limits=Limits(half_open_per_address=1), clock=clock)
    with talk.first(lab) as client:
        hello = opening(client)
        proof = following(client, call(app, hello, port="1"))
        assert call(app, hello, port="2").status == 503
        clock.advance(30)
        assert call(app, proof, port="1").status == 401
        assert call(app, hello, port="2").status == 401
        assert app.handshakes.half_open == 1
    app.close()


def test_bodies_methods_and_versions(lab: LabAuthority, site: Site) -> None:
    app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
    with socket.socket() as sock:
        assert [reply.status for reply in handshake(app, lab, sock=sock, method="POST", body=b"x" * 1000)] == [401, 200]
        assert site.seen == [("EXAMPLE\\alice", b"x" * 1000)]
    head = call(app, method="HEAD")
    assert (head.status, head.body) == (401, b"")
    assert call(app, protocol="HTTP/2.0").status == 505
    assert call(app, "X-Test !").status == 400
    with talk.first(lab) as client:
        hello = opening(client)
    endings: list[dict[str, Any]] = [{"protocol": "HTTP/1.0"}, {"HTTP_CONNECTION": "close"}, {"body": b"x" * 300_000}]
    for ends in endings:
        call(app, hello, **ends)
        assert app.handshakes.half_open == 0
    app.close()


def test_optional_and_proxies(lab: LabAuthority, site: Site) -> None:
    app = Authenticated(site, schemes=SCHEMES, authority=lab, optional=True, clock=lab.clock)
    assert call(app, REMOTE_USER="root").body == b"nobody", "what the server says is not what was proved"
    connection = Connection()
    on: dict[str, Any] = {"secpkg.connection": connection}
    assert handshake(app, lab, **on)[-1].status == 200
    assert call(app, **on).body == b"EXAMPLE\\alice"
    assert call(app, **on, HTTP_VIA="1.1 proxy").body == b"nobody"
    connection.close()
    assert call(app, **on).body == b"nobody"
    app.close()


def test_many_clients_at_once(lab: LabAuthority, site: Site) -> None:
    app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
    last: list[int] = []

    def work(port: int) -> None:
        for _ in range(3):
            last.append(handshake(app, lab, port=str(port))[-1].status)

    threads = [threading.Thread(target=work, args=(port,)) for port in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert last == [200] * 24 and app.handshakes.connections == 0
    app.close()


def test_impersonate_needs_a_user_whom_one_can_act_for(lab: LabAuthority, site: Site) -> None:
    app = Authenticated(site, schemes=SCHEMES, authority=lab, impersonate=True, clock=lab.clock)
    assert handshake(app, lab, "bob", "battery staple")[-1].status == 403
    assert site.seen == [] and app.handshakes.half_open == 0
    app.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs uid 0")
def test_impersonate_runs_the_application_as_the_user(lab: LabAuthority, tmp_path: Path) -> None:
    """R201: while it is called, and while its result is iterated; the thread is itself again afterwards."""
    uids: list[int] = []

    def page(environ: wsgi.Environ, start_response: wsgi.StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        uids.append(os.geteuid())
        return late()

    def late() -> Iterator[bytes]:
        uids.append(os.geteuid())
        yield b"done"

    app = Authenticated(page, schemes=SCHEMES, authority=lab, impersonate=True, clock=lab.clock)
    seen: list[int] = []

    def work() -> None:
        handshake(app, lab)
        seen.append(os.geteuid())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert uids == [65534, 65534] and seen == [0]
    app.close()
