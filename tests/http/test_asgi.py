"""The ASGI middleware, asked in this process."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.http import talk
from tests.http.asgi_site import Site, run
from tests.http.talk import BOUND, SCHEME, SCHEMES, ask, authenticate, following, opening

from secpkg import SecurityError
from secpkg.http import Connection, asgi
from secpkg.http.asgi import Authenticated
from secpkg.testing import LabAuthority


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_handshake_names_the_user_and_the_connection_keeps_it(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        bare = await ask(app, connection=connection)
        assert (bare.status, bare.all("WWW-Authenticate")) == (401, [SCHEME])
        assert bare.all("Cache-Control") == ["no-store"]
        replies = await authenticate(app, lab, connection=connection)
        assert [reply.status for reply in replies] == [401, 200]
        assert replies[-1].body == b"EXAMPLE\\alice"
        assert replies[-1].all("cache-control") == ["private"]
        again = await ask(app, connection=connection)
        assert (again.status, again.body) == (200, b"EXAMPLE\\alice")
        assert again.all("WWW-Authenticate") == []
        assert len(site.seen) == 2
        await app.close()

    run(body())


def test_without_an_object_for_the_connection_the_identity_is_one_requests(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        assert (await authenticate(app, lab))[-1].body == b"EXAMPLE\\alice"
        assert (await ask(app)).status == 401
        assert app.handshakes.connections == 0
        await app.close()

    run(body())


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("mallory", "correct horse")])
def test_a_refusal_looks_the_same_whoever_it_is(lab: LabAuthority, site: Site, user: str, password: str) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        replies = await authenticate(app, lab, user=user, password=password, connection=Connection())
        assert [reply.status for reply in replies] == [401, 401]
        assert replies[-1].all("WWW-Authenticate") == [SCHEME]
        assert site.seen == [] and app.handshakes.connections == 0
        await app.close()

    run(body())


def test_the_proof_does_not_reach_the_application(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        await authenticate(app, lab, connection=Connection())
        names = [name for name, _ in cast("list[tuple[bytes, bytes]]", site.scopes[0]["headers"])]
        assert b"authorization" not in names and b"host" in names
        await app.close()

    run(body())


def test_groups_and_the_access_token_when_asked_for(lab: LabAuthority) -> None:
    seen: list[tuple[str, int]] = []

    async def page(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        who = cast(Any, scope["secpkg"])
        token = await who.access_token()
        assert token is await who.access_token()
        seen.append((token.account_name, len(await who.groups())))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def body() -> None:
        app = Authenticated(page, schemes=SCHEMES, authority=lab, clock=lab.clock)
        await authenticate(app, lab)
        await app.close()

    run(body())
    assert seen[0][0] == "alice" and seen[0][1] >= 1


# --- connections mixed up ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["connection object", "address"])
def test_leg_two_on_another_connection_is_refused(lab: LabAuthority, site: Site, known: bool) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        here: dict[str, Any] = {"connection": Connection()} if known else {"client": ("192.0.2.7", 40000)}
        there: dict[str, Any] = {"connection": Connection()} if known else {"client": ("192.0.2.7", 40001)}
        with talk.first(lab) as client:
            reply = await ask(app, opening(client), **here)
            proof = following(client, reply)
            wrong = await ask(app, proof, **there)
            assert (wrong.status, wrong.all("WWW-Authenticate")) == (401, [SCHEME])
            assert (await ask(app, proof, **here)).status == 200, "the right one was not disturbed"
        assert site.seen == [("EXAMPLE\\alice", b"")]
        await app.close()

    run(body())


def test_legs_of_two_clients_crossed_over_authenticate_nobody(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        one, two = Connection(), Connection()
        with talk.first(lab) as alice, talk.first(lab, "bob", "battery staple") as bob:
            of_alice = following(alice, await ask(app, opening(alice), connection=one))
            of_bob = following(bob, await ask(app, opening(bob), connection=two))
            assert (await ask(app, of_bob, connection=one)).status == 401
            assert (await ask(app, of_alice, connection=two)).status == 401
        assert site.seen == []
        await app.close()

    run(body())


def test_an_identity_ends_with_its_connection_and_not_with_its_port(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        await authenticate(app, lab, connection=connection)
        assert app.handshakes.connections == 1
        connection.close()
        assert (await ask(app, connection=Connection())).status == 401, "same address and port, another connection"
        assert (app.handshakes.connections, len(app.handshakes.orphans)) == (0, 0)
        assert (await ask(app, connection=connection)).status == 401
        await app.close()

    run(body())


def test_a_connection_that_is_only_dropped_ends_too(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        await authenticate(app, lab, connection=connection)
        site.scopes.clear()
        del connection
        await ask(app)
        assert app.handshakes.connections == 0
        await app.close()

    run(body())


def test_who_authenticates_anew_is_nobody_until_that_is_done(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        await authenticate(app, lab, connection=connection)
        with talk.first(lab, "bob", "battery staple") as bob:
            reply = await ask(app, opening(bob), connection=connection)
            assert reply.status == 401
            assert (await ask(app, connection=connection)).status == 401, "neither alice nor bob"
        await authenticate(app, lab, user="bob", password="battery staple", connection=connection)
        assert (await ask(app, connection=connection)).body == b"EXAMPLE\\bob"
        await app.close()

    run(body())


@pytest.mark.parametrize("header", ["Via", "Forwarded", "X-Forwarded-For"])
def test_a_connection_of_a_proxy_keeps_no_identity(lab: LabAuthority, site: Site, header: str) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        through = [(header, "1.1 proxy.example")]
        assert (await authenticate(app, lab, connection=connection, headers=through))[-1].status == 200
        assert (await ask(app, connection=connection, headers=through)).status == 401
        assert (await ask(app, connection=connection)).status == 401
        await authenticate(app, lab, connection=connection)
        assert (await ask(app, connection=connection, headers=through)).status == 401, "somebody else's request"
        # Without an object of the server's those headers may have made the address: no handshake of several legs.
        replies = await authenticate(app, lab, headers=through)
        assert [reply.status for reply in replies] == [401] and replies[0].token() is None
        await app.close()

    run(body())


def test_another_request_between_the_legs_ends_the_handshake(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        with talk.first(lab) as client:
            proof = following(client, await ask(app, opening(client), connection=connection))
            assert (await ask(app, connection=connection)).status == 401
            assert app.handshakes.half_open == 0
            assert (await ask(app, proof, connection=connection)).status == 401
        await app.close()

    run(body())


def test_two_requests_of_one_connection_at_once(lab: LabAuthority, site: Site) -> None:
    """HTTP/1.1 pipelines requests, it does not interleave them: the second one is not heard during a leg."""

    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        with talk.first(lab) as client:
            proof = following(client, await ask(app, opening(client), connection=connection))
            within: list[int] = []
            step = cast(Any, app)._leg

            async def slow(leg: Any) -> Any:
                within.append((await ask(app, connection=connection)).status)
                return await step(leg)

            cast(Any, app)._leg = slow
            assert (await ask(app, proof, connection=connection)).status == 200
            assert within == [400] and len(site.seen) == 1
        await app.close()

    run(body())


# --- choices --------------------------------------------------------------------------------------------------------


def test_optional_lets_nobody_in_as_nobody(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, optional=True), Connection()
        assert (await ask(app, connection=connection)).body == b"nobody"
        assert (await ask(app, "Bearer abc", connection=connection)).body == b"nobody"
        replies = await authenticate(app, lab, password="wrong", connection=connection)
        assert replies[-1].status == 401, "who tries and fails is not nobody"
        await authenticate(app, lab, connection=connection)
        assert (await ask(app, connection=connection)).body == b"EXAMPLE\\alice"
        assert (await ask(app, "Bearer abc", connection=connection)).body == b"nobody", "other credentials, other user"
        await app.close()

    run(body())


def test_schemes_are_told_apart_whatever_their_case(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        with talk.first(lab) as client:
            reply = await ask(app, opening(client).replace("X-Test", "x-tEST"))
            assert reply.status == 401 and reply.token() is not None
        assert (await ask(app, "Basic YTpi")).all("WWW-Authenticate") == [SCHEME]
        await app.close()

    run(body())


OTHER = BOUND[:-1] + b"!"


@pytest.mark.parametrize(
    ("policy", "bound", "status"),
    [
        (None, BOUND, 200), (None, OTHER, 401), (None, None, 401), (None, bytes(53), 401),
        ("require", BOUND, 200), ("require", OTHER, 401), ("require", None, 401), ("require", bytes(53), 401),
        ("when-supported", BOUND, 200), ("when-supported", OTHER, 401), ("when-supported", None, 200),
        ("never", None, 200),
    ],
)  # fmt: skip
def test_channel_bindings_as_the_policy_has_them(
    lab: LabAuthority, site: Site, policy: str | None, bound: bytes | None, status: int
) -> None:
    """R234: a client behind another certificate is refused, one behind none is by default. Zeros are none."""

    async def body() -> None:
        app = Authenticated(
            site, schemes=SCHEMES, authority=lab, channel_bindings=BOUND, binding_policy=policy, clock=lab.clock
        )
        replies = await authenticate(app, lab, bound=bound, connection=Connection())
        assert replies[-1].status == status
        await app.close()

    run(body())


def test_bindings_that_are_never_looked_at(lab: LabAuthority, site: Site) -> None:
    """Any will do, as far as the package goes: SCRAM refuses a client that binds to a server that has no binding (RFC
    5802, 6).
    """

    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, channel_bindings=BOUND, binding_policy="never")
        replies = await authenticate(app, lab, bound=OTHER, connection=Connection())
        assert replies[-1].status == {"NTLM": 200, "Hello": 401}[SCHEMES[SCHEME]]
        await app.close()

    run(body())


def test_impersonate_needs_a_user_whom_one_can_act_for(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, impersonate=True, clock=lab.clock)
        replies = [await ask(app, connection=Connection())]
        with talk.first(lab, "bob", "battery staple") as bob:  # bob has no POSIX user
            connection = Connection()
            proof = following(bob, await ask(app, opening(bob), connection=connection))
            replies.append(await ask(app, proof, connection=connection))
            assert (await ask(app, connection=connection)).status == 401
        assert [reply.status for reply in replies] == [401, 403]
        assert (await authenticate(app, lab, connection=Connection()))[-1].status == 200
        await app.close()

    run(body())


def test_a_websocket_is_let_in_where_the_connection_is_authenticated(lab: LabAuthority) -> None:
    seen: list[object] = []

    async def page(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        seen.append((scope["type"], cast(Any, scope["secpkg"]).name))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def body() -> None:
        app, connection = Authenticated(page, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        sent: list[asgi.Message] = []

        async def receive() -> asgi.Message:
            return {"type": "websocket.connect"}

        async def send(message: asgi.Message) -> None:
            sent.append(message)

        scope: asgi.Scope = {
            "type": "websocket", "http_version": "1.1", "headers": [], "client": ("192.0.2.7", 4), "server": None,
            "state": {"secpkg.connection": connection},
        }  # fmt: skip
        await app(scope, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1008}] and seen == []
        await authenticate(app, lab, connection=connection)
        await app(scope, receive, send)
        assert seen == [("http", "EXAMPLE\\alice"), ("websocket", "EXAMPLE\\alice")]
        await app.close()

    run(body())


def test_without_an_authority_it_is_503(site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority="unix:/nonexistent/secpkg.sock")
        assert (await ask(app, "X-Test YQ==", connection=Connection())).status == 503
        assert site.seen == [] and app.handshakes.half_open == 0
        await app.close()

    run(body())


def test_configurations_that_cannot_work() -> None:
    with pytest.raises(ValueError, match="no scheme"):
        Authenticated(Site(), schemes={})
    with pytest.raises(ValueError, match="case"):
        Authenticated(Site(), schemes={"NTLM": "NTLM", "ntlm": "Hello"})
    with pytest.raises(ValueError, match="not the name"):
        Authenticated(Site(), schemes={"a b": "NTLM"})
    with pytest.raises(SecurityError) as empty:
        Authenticated(Site(), schemes=SCHEMES, channel_bindings=bytes(8))
    assert empty.value.reason == "bindings_empty"


def test_contexts_of_the_authority_end_with_the_middleware(lab: LabAuthority, site: Site) -> None:
    """Half-open ones at their connection's end, finished ones too: nothing is left at the package (R193)."""

    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        connections = [Connection() for _ in range(3)]
        with talk.first(lab) as client:
            hello = opening(client)
        await authenticate(app, lab, connection=connections[0])
        for connection in connections[1:]:
            await ask(app, hello, connection=connection)
        for connection in connections:
            connection.close()
        await ask(app)
        assert (app.handshakes.connections, app.handshakes.half_open, len(app.handshakes.orphans)) == (0, 0, 0)
        await app.close()

    run(body())
