"""The ASGI middleware: half-open handshakes and their limits, bodies, methods and versions."""

from __future__ import annotations

import pytest
from tests.http import talk
from tests.http.asgi_site import Site, run
from tests.http.talk import SCHEME, SCHEMES, ask, authenticate, following, opening

from secpkg.http import Connection, Limits
from secpkg.http.asgi import Authenticated
from secpkg.testing import FrozenClock, LabAuthority


@pytest.fixture
def site() -> Site:
    return Site()


def test_half_open_handshakes_are_counted_by_address_and_altogether(
    lab: LabAuthority, site: Site, clock: FrozenClock
) -> None:
    async def body() -> None:
        limits = Limits(half_open=3, half_open_per_address=2, half_open_seconds=30)
        app = Authenticated(site, schemes=SCHEMES, authority=lab, limits=limits, clock=clock)
        with talk.first(lab) as client:
            hello = opening(client)
            for port in (1, 2):
                assert (await ask(app, hello, client=("192.0.2.7", port))).status == 401
            busy = await ask(app, hello, client=("192.0.2.7", 3))
            assert (busy.status, busy.all("Retry-After"), busy.all("WWW-Authenticate")) == (503, ["30"], [])
            # The /64 of IPv6, and the IPv4 address however it is written, are one.
            assert (await ask(app, hello, client=("::ffff:192.0.2.7", 4))).status == 503
            assert (await ask(app, hello, client=("2001:db8::1", 5))).status == 401
            assert (await ask(app, hello, client=("2001:db8::2", 6))).status == 503, "three altogether"
            clock.advance(30)
            assert (await ask(app, hello, client=("192.0.2.7", 3))).status == 401
            assert app.handshakes.half_open == 1 and not app.handshakes.orphans
        await app.close()
        assert app.handshakes.half_open == 0

    run(body())


def test_a_handshake_has_thirty_seconds_from_its_first_leg(lab: LabAuthority, site: Site, clock: FrozenClock) -> None:
    """R195"""

    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=clock), Connection()
        with talk.first(lab) as client:
            proof = following(client, await ask(app, opening(client), connection=connection))
            clock.advance(30)
            assert (await ask(app, proof, connection=connection)).status == 401
        assert site.seen == []
        await app.close()

    run(body())


def test_an_identity_lasts_as_long_as_it_is_allowed_to(lab: LabAuthority, site: Site, clock: FrozenClock) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=clock), Connection()
        await authenticate(app, lab, connection=connection)
        clock.advance(3599)
        assert (await ask(app, connection=connection)).status == 200
        clock.advance(1)
        assert (await ask(app, connection=connection)).status == 401
        await app.close()

    run(body())


def test_more_legs_than_allowed(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, limits=Limits(legs=1), clock=lab.clock)
        replies = await authenticate(app, lab, connection=Connection())
        assert [reply.status for reply in replies] == [401, 401] and site.seen == []
        await app.close()

    run(body())


@pytest.mark.parametrize(
    "lines",
    [["X-Test"], ["X-Test "], ["X-Test !!!!"], ["X-Test YQ"], ["X-Test YQ==", "X-Test YQ=="], ["\xe4 YQ=="],
     ["X-Test YR=="], ["X-Test " + "A" * 70000], ["x-test a b"]],
)  # fmt: skip
def test_headers_that_are_none_are_400_and_end_the_handshake(lab: LabAuthority, site: Site, lines: list[str]) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        with talk.first(lab) as client:
            await ask(app, opening(client), connection=connection)
            assert (await ask(app, *lines, connection=connection)).status == 400
            assert app.handshakes.half_open == 0
        await app.close()

    run(body())


# --- bodies, methods, versions ------------------------------------------------------------------------------------


def test_bodies_of_legs_do_not_reach_the_application(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        replies = await authenticate(app, lab, connection=Connection(), method="POST", body=b"x" * 100_000)
        assert [reply.status for reply in replies] == [401, 200]
        assert site.seen == [("EXAMPLE\\alice", b"x" * 100_000)], "once, from the last leg"
        await app.close()

    run(body())


@pytest.mark.parametrize("length", [True, False], ids=["Content-Length", "chunked"])
def test_a_leg_with_too_long_a_body_costs_its_connection(lab: LabAuthority, site: Site, length: bool) -> None:
    async def body() -> None:
        app, connection = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock), Connection()
        with talk.first(lab) as client:
            reply = await ask(
                app, opening(client), connection=connection, method="POST", body=b"x" * 300_000, length=length
            )
        assert (reply.status, reply.all("Connection")) == (401, ["close"])
        assert app.handshakes.half_open == 0
        await app.close()

    run(body())


@pytest.mark.parametrize(("version", "headers"), [("1.1", [("Connection", "Close")]), ("1.0", [])])
def test_a_connection_that_closes_takes_no_leg(
    lab: LabAuthority, site: Site, version: str, headers: list[tuple[str, str]]
) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        with talk.first(lab) as client:
            reply = await ask(app, opening(client), connection=Connection(), version=version, headers=headers)
        assert (reply.status, reply.all("WWW-Authenticate")) == (401, [SCHEME])
        assert app.handshakes.half_open == 0
        await app.close()

    run(body())


def test_http_2_is_refused_with_505_and_offers_nothing(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app, optional = (
            Authenticated(site, schemes=SCHEMES, authority=lab, optional=optional) for optional in (False, True)
        )
        with talk.first(lab) as client:
            hello = opening(client)
        for reply in (
            await ask(app, version="2"),
            await ask(app, hello, version="2"),
            await ask(optional, hello, version="3"),
        ):
            assert (reply.status, reply.all("WWW-Authenticate"), reply.all("Connection")) == (505, [], [])
        assert (await ask(optional, version="2")).body == b"nobody"
        await app.close()
        await optional.close()

    run(body())


def test_head_and_options(lab: LabAuthority, site: Site) -> None:
    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        head = await ask(app, method="HEAD")
        assert (head.status, head.body) == (401, b"") and int(head.all("Content-Length")[0]) > 0
        assert (await ask(app, method="OPTIONS")).status == 401
        assert site.seen == []
        await app.close()

    run(body())
