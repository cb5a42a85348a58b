"""The example over TLS on loopback, with each client: httpx and httpx2 (blocking and asynchronous) and requests."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.http import visit
from tests.http.service import relaying, serving
from tests.http.visit import CLIENTS, Tls, Visitor

from secpkg import SecurityError
from secpkg.http import Limits, httpx2_auth, httpx_auth
from secpkg.testing import LabAuthority
from secpkg_http_service.certificate import make
from secpkg_http_service.page import application

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class World:
    """A package under a scheme, where alice has an account, with the time of the day: nothing here waits for it."""

    schemes: dict[str, str]
    lab: LabAuthority

    @property
    def scheme(self) -> bytes:
        (scheme,) = self.schemes
        return scheme.encode()

    def somebody(self) -> str:
        """A user of the test's own, whose failures delay nobody else (lock 9)."""
        name = f"guest{next(_NUMBERS)}"
        self.lab.add_user(name, password="correct horse")
        return name


_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return make(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture(scope="module", params=["Hello", "NTLM"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    package = request.param
    with LabAuthority(domain="EXAMPLE", modules=[package.lower()]) as lab:
        lab.add_user("alice", password="correct horse", groups=["staff"])
        yield World({"NTLM" if package == "NTLM" else "X-Hello": package}, lab)


@pytest.fixture(scope="module")
def port(world: World, tls: Tls) -> Iterator[int]:
    site = application(
        world.schemes, certificate=tls[0], authority=world.lab, limits=Limits(half_open_per_address=2000)
    )
    with serving(site, tls) as number:
        yield number


def visitor(client: str, world: World, port: int, tls: Tls, password: str = "correct horse", **more: Any) -> Visitor:
    return visit.visitor(client, world.schemes, world.lab, port, tls, password, **more)


@pytest.mark.parametrize("client", CLIENTS)
def test_right_password_with_channel_bindings(client: str, world: World, port: int, tls: Tls) -> None:
    url = f"https://localhost:{port}/whoami"
    guest = visitor(client, world, port, tls)
    first, second = guest.ask(url, url)
    assert first[0] == 200 and second == first
    assert first[1]["name"] == "EXAMPLE\\alice" and first[1]["groups"]
    guest.auth.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_body_arrives_once_and_whole(client: str, world: World, port: int, tls: Tls) -> None:
    guest = visitor(client, world, port, tls)
    for size in (10, 100_000):
        ((status, told),) = guest.ask(f"https://localhost:{port}/whoami", method="POST", content=b"x" * size)
        assert (status, told["received"]) == (200, size)
    guest.auth.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_wrong_password(client: str, world: World, port: int, tls: Tls) -> None:
    guest = visitor(client, world, port, tls, password="wrong", username=world.somebody())
    assert guest.ask(f"https://localhost:{port}/whoami") == [(401, None)]
    guest.auth.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_relay_that_ends_tls_is_refused(client: str, world: World, port: int, tls: Tls, tmp_path: Path) -> None:
    """R234: the client's bindings are those of the relay's certificate, though the client trusts that."""
    others = make(tmp_path, "localhost")
    with relaying(port, others, tls[0]) as between:
        guest = visitor(client, world, between, others, username=world.somebody())
        assert guest.ask(f"https://localhost:{between}/whoami") == [(401, None)]
        unbound = visitor(client, world, between, others, username=world.somebody(), channel_bindings=False)
        assert unbound.ask(f"https://localhost:{between}/whoami") == [(401, None)]
        for auth in (guest.auth, unbound.auth):
            auth.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_hosts_that_were_not_named_are_not_answered(client: str, world: World, port: int, tls: Tls) -> None:
    with world.lab.lsa_calls() as calls:
        guest = visitor(client, world, port, tls, hosts=["localhost", "other.example"])
        assert guest.ask(f"https://localhost:{port}/whoami", f"https://127.0.0.1:{port}/whoami") == [(401, None)] * 2
    assert calls == []
    guest.auth.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_redirect_to_another_realm_is_not_answered(client: str, world: World, port: int, tls: Tls) -> None:
    """Though the other one is on the list: it was not asked for. Within the origin the answer is given anew."""

    async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
        target = f"https://{'localhost' if scope['path'] == '/a' else '127.0.0.1'}:{port}/whoami".encode()
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", target)]})
        await send({"type": "http.response.body", "body": b""})

    with serving(elsewhere, tls) as other, world.lab.lsa_calls() as calls:
        guest = visitor(
            client, world, port, tls, hosts=[f"localhost:{port}", f"localhost:{other}", f"127.0.0.1:{port}"]
        )
        assert guest.ask(f"https://localhost:{other}/a", f"https://localhost:{other}/b") == [(401, None)] * 2
    assert calls == []
    guest.auth.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_redirect_within_the_service(client: str, world: World, tls: Tls) -> None:
    site = application(world.schemes, certificate=tls[0], authority=world.lab)
    whoami = site._app

    async def moved(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/whoami":
            await whoami(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", b"/whoami")]})
        await send({"type": "http.response.body", "body": b""})

    site._app = moved
    with serving(site, tls) as number:
        guest = visitor(client, world, number, tls)
        ((status, told),) = guest.ask(f"https://localhost:{number}/old")
        assert (status, told["name"]) == (200, "EXAMPLE\\alice")
        guest.auth.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_plain_http_is_answered_only_where_that_was_said(client: str, world: World, tls: Tls) -> None:
    from secpkg.http.asgi import Authenticated

    site = Authenticated(
        application(world.schemes, certificate=tls[0])._app, schemes=world.schemes, authority=world.lab
    )
    with serving(site, None) as number:
        url = f"http://localhost:{number}/whoami"
        guest = visitor(client, world, number, tls)
        assert guest.ask(url) == [(401, None)]
        daring = visitor(client, world, number, tls, plaintext=True)
        assert daring.ask(url)[0][0] == 200
        for auth in (guest.auth, daring.auth):
            auth.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_lets_in_and_proves_nothing(client: str, world: World, tls: Tls) -> None:
    """Whoever answers 200 without the last token has not shown that it knows the user."""

    async def impostor(scope: Any, receive: Any, send: Any) -> None:
        claims = dict(scope["headers"]).get(b"authorization")
        status = 200 if claims else 401
        fields = [(b"www-authenticate", world.scheme), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    with serving(impostor, tls) as number:
        guest = visitor(client, world, number, tls)
        with pytest.raises(SecurityError, match="MUTUAL_AUTH_FAILED"):
            guest.ask(f"https://localhost:{number}/whoami")
        guest.auth.close()


def test_a_server_that_asks_for_ever(world: World, tls: Tls) -> None:
    asked: list[bytes] = []

    async def insatiable(scope: Any, receive: Any, send: Any) -> None:
        asked.append(dict(scope["headers"]).get(b"authorization", b""))
        await send({"type": "http.response.start", "status": 401, "headers": [(b"www-authenticate", world.scheme)]})
        await send({"type": "http.response.body", "body": b""})

    with serving(insatiable, tls) as number:
        guest = visitor("httpx", world, number, tls)
        assert guest.ask(f"https://localhost:{number}/")[0][0] == 401
        assert len(asked) == 2, "a bare challenge to a leg is a refusal, not an invitation"
        guest.auth.close()


@pytest.mark.parametrize("client", ["httpx", "httpx2", "requests"])
def test_many_threads_with_one_session(client: str, world: World, port: int, tls: Tls) -> None:
    guest = visitor(client, world, port, tls)
    url = f"https://localhost:{port}/whoami"
    told: list[int] = []

    def work(ask: Any) -> None:
        told.extend(ask(url).status_code for _ in range(5))

    if client == "requests":
        session: Any = requests.Session()
        session.trust_env, session.auth, session.verify = False, guest.auth, str(tls[0])
    else:
        module: Any = httpx_auth if client == "httpx" else httpx2_auth
        context = ssl.create_default_context(cafile=str(tls[0]))
        transport = module.PinningTransport(verify=context)
        session = guest.library.Client(auth=guest.auth, verify=context, transport=transport)
    with session:
        threads = [threading.Thread(target=work, args=(session.get,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told == [200] * 40
    guest.auth.close()


@pytest.mark.parametrize("client", ["httpx", "httpx2"])
def test_many_tasks_with_one_client(client: str, world: World, port: int, tls: Tls) -> None:
    module: Any = httpx_auth if client == "httpx" else httpx2_auth
    guest = visitor(client, world, port, tls)

    async def body() -> list[int]:
        context = ssl.create_default_context(cafile=str(tls[0]))
        transport = module.AsyncPinningTransport(verify=context)
        async with guest.library.AsyncClient(auth=guest.auth, verify=context, transport=transport) as http:
            replies = await asyncio.gather(*(http.get(f"https://localhost:{port}/whoami") for _ in range(30)))
        await guest.auth.aclose()
        return [reply.status_code for reply in replies]

    assert asyncio.run(body()) == [200] * 30


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_does_not_say_which_connection(client: str, world: World, tls: Tls) -> None:
    """uvicorn's own protocol: every request authenticates, by the addresses of its connection."""
    with serving(application(world.schemes, certificate=tls[0], authority=world.lab), tls, http="h11") as number:
        url = f"https://localhost:{number}/whoami"
        guest = visitor(client, world, number, tls)
        assert [status for status, _ in guest.ask(url, url)] == [200, 200]
        guest.auth.close()
