"""The ASGI middleware: half-open handshakes and their limits, bodies, methods and versions."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

import pytest
from tests.http import talk
from tests.http.asgi_site import Site, run
from tests.http.talk import SCHEME, SCHEMES, ask, authenticate, following, opening

from secpkg.http import Connection, Limits, handshakes
from secpkg.http.asgi import Authenticated
from secpkg.testing import FrozenClock, LabAuthority

pytestmark = pytest.mark.slow  # each takes a while, and there are many


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


def test_a_suspect_address_waits_in_line_and_nobody_else_does(
    lab: LabAuthority, site: Site, clock: FrozenClock
) -> None:
    """One refused proof puts its address in the line, whose legs are made one by one; others pass it."""

    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=clock)
        assert (await authenticate(app, lab, password="wrong", connection=Connection()))[-1].status == 401
        step, under_way, together = app._leg, 0, 0
        serving, hold = asyncio.Event(), asyncio.Event()

        async def held(leg: Any) -> Any:
            nonlocal under_way, together
            under_way += 1
            together = max(together, under_way)
            if leg.slot.origin == "192.0.2.7":
                serving.set()
                await hold.wait()
            under_way -= 1
            return await step(leg)

        app._leg = held  # type: ignore[method-assign]
        with talk.first(lab) as client:
            hello = opening(client)
        connections = [Connection() for _ in range(5)]
        waiting = [asyncio.create_task(ask(app, hello, connection=connection)) for connection in connections]
        await serving.wait()
        replies = await authenticate(app, lab, connection=Connection(), client=("192.0.2.8", 1))
        assert replies[-1].status == 200 and together == 2, "it passed the one that is being served"
        hold.set()
        assert [reply.status for reply in await asyncio.gather(*waiting)] == [401] * 5
        assert together == 2 and app.handshakes.half_open == 5
        clock.advance(60)
        async with app._line:
            assert (await ask(app, hello, connection=Connection())).status == 401, "it is suspect no more"
        await app.close()

    run(body())


def test_who_leaves_the_line_is_served_no_more(lab: LabAuthority, site: Site) -> None:
    """A leg whose connection ended or whose request was cancelled while it waited is not made."""

    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        assert (await authenticate(app, lab, password="wrong", connection=Connection()))[-1].status == 401
        with talk.first(lab) as client:
            hello = opening(client)
        made: list[object] = []
        step = app._leg

        async def counted(leg: Any) -> Any:
            made.append(leg)
            return await step(leg)

        app._leg = counted  # type: ignore[method-assign]
        gone, other = Connection(), Connection()
        async with app._line:
            left = asyncio.create_task(ask(app, hello, connection=gone))
            cancelled = asyncio.create_task(ask(app, hello, connection=other))
            await asyncio.sleep(0)
            assert app.handshakes.half_open == 2 and not left.done() and not cancelled.done()
            gone.close()
            cancelled.cancel()
            assert (await ask(app, client=("192.0.2.8", 1))).status == 401
        assert (await left).status == 401
        assert cancelled.done() or await asyncio.wait([cancelled])
        assert made == [] and app.handshakes.half_open == 0 and not app.handshakes.orphans
        await app.close()

    run(body())


def test_suspects_are_forgotten_in_the_order_in_which_they_came(
    lab: LabAuthority, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "MAX_SUSPECTS", 2)

    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        for last in (7, 8, 7, 9):
            address = (f"192.0.2.{last}", 1)
            await authenticate(
                app, lab, user=f"nobody{last}", password="wrong", connection=Connection(), client=address
            )
        assert list(app.handshakes._suspects) == ["192.0.2.7", "192.0.2.9"]
        await app.close()

    run(body())


async def _until_nothing_is_left(app: Authenticated, of: int) -> None:
    """Without a request; pytest's time-out is the deadline."""
    while app.handshakes.connections > of or app.handshakes.orphans or (app._tidying and not app._tidying.done()):
        await asyncio.sleep(0)


def test_what_ends_with_its_connection_is_closed_without_another_request(lab: LabAuthority, site: Site) -> None:
    """An identity with its access token, and a half-open handshake (R193): the logon session is over at once."""

    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, clock=lab.clock)
        known, begun, other = Connection(), Connection(), Connection()
        await authenticate(app, lab, connection=known)
        with talk.first(lab) as client:
            hello = opening(client)
        for connection in (begun, other):
            await ask(app, hello, connection=connection)
        identity = app.handshakes._slots[weakref.ref(known)].identity
        assert identity is not None and identity._server.complete
        known.close()
        begun.close()
        await _until_nothing_is_left(app, 1)
        assert not identity._server.complete and app.handshakes.half_open == 1
        await app.close()

    run(body())


def test_a_half_open_handshake_is_closed_in_time_without_another_request(
    lab: LabAuthority, site: Site, clock: FrozenClock
) -> None:
    """R195"""

    async def body() -> None:
        app = Authenticated(site, schemes=SCHEMES, authority=lab, limits=Limits(half_open_seconds=0.02), clock=clock)
        connection = Connection()
        with talk.first(lab) as client:
            await ask(app, opening(client), connection=connection)
        assert app.handshakes.half_open == 1
        clock.advance(1)
        await _until_nothing_is_left(app, 0)
        assert app.handshakes.half_open == 0 and app._timer is None
        await app.close()

    run(body())
