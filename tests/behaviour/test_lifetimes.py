"""Nothing is left behind: handles, sessions, references, and what the child of a fork holds."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from tests.behaviour.world import PASSWORD, Child, Place, World, refused

import secpkg
from secpkg.contract import AscReq, SecurityError, Status

MANY = 300


def counting(world: World) -> Any:
    """A server of Counter, in the middle of its handshake."""
    server = world.server("Counter", requirements=AscReq(0))
    assert world.step(server, b"first") == b"first"
    return server


def test_every_state_object_of_a_package_is_given_back(world: World) -> None:
    """Each credential and each context once: when it is closed, when it failed, and when nobody has it any more."""
    place = world.place
    before = place.counted()
    closed, failed = counting(world), counting(world)
    world.close(closed)
    world.close(closed)
    too_much = refused(lambda: world.step(failed, b"x" * 65))
    assert too_much.status is Status.SEC_E_INTERNAL_ERROR, "R35: Counter echoes, and has announced 64 bytes"
    world.close(failed)
    place.until(lambda: place.counted() == before)
    forgotten = counting(world)
    assert place.counted() == {"credentials": before["credentials"] + 1, "contexts": before["contexts"] + 1}
    world.forget(forgotten)
    del forgotten
    gc.collect()
    world.close(counting(world))  # what a finalizer left to release goes with the next call
    place.until(lambda: place.counted() == before)


@pytest.mark.slow
def test_many_contexts_at_once_and_nothing_is_left(world: World) -> None:
    place = world.place
    world.settle()
    sessions, counted = len(place.sessions()), place.counted()
    pairs = [world.pair() for _ in range(MANY)]
    counting_ones = [counting(world) for _ in range(MANY)]
    assert place.counted()["contexts"] == counted["contexts"] + MANY
    assert len(place.sessions()) >= sessions + MANY
    tokens = [world.access_token(server) for _, server in pairs[:20]]
    assert len({token.logon_id for token in tokens}) == 20
    for client, server in pairs:
        assert server.decrypt(client.encrypt(b"x")) == b"x"
    for thing in (*tokens, *(party for pair in pairs for party in pair), *counting_ones):
        world.close(thing)
    world.settle()
    place.until(lambda: len(place.sessions()) == sessions)
    place.until(lambda: place.counted() == counted)


@pytest.mark.slow
def test_a_server_that_never_looks_at_its_access_tokens_serves_for_ever(world: World) -> None:
    """Lock 5, lock 9: the references of contexts that are closed do not use up the quota of the uid."""
    place = world.place
    sessions = len(place.sessions())
    credential = world.credential()
    for _ in range(1_100):
        client, server = world.client_of(credential), world.server()
        world.finish(client, server)
        world.close(client)
        world.close(server)
        world.forget(client)
        world.forget(server)
    assert len(place.sessions()) <= sessions + 100


def status_of(call: Callable[[], object]) -> str:
    try:
        call()
    except SecurityError as error:
        return error.status.native
    return "SEC_E_OK"


@pytest.fixture
def blocking(place: Place) -> Any:
    world = World(place)
    yield world
    world.end()


def test_handles_die_in_the_child_of_a_fork(blocking: World) -> None:
    """Lock 6."""
    world = blocking
    lsa = world.connect()
    logon = world.logon(lsa)
    credential = world.credential()
    client, server = world.pair()
    token = world.access_token(server)
    half = world.client()
    world.step(half)
    sealed = client.encrypt(b"to the parent")
    calls: list[Callable[[], object]] = [
        lambda: client.encrypt(b"x"),
        lambda: server.decrypt(sealed),
        lambda: client.sign(b"x"),
        lambda: client.peer,
        lambda: server.access_token,
        lambda: token.handle,
        lambda: logon.access_token.handle,
        lambda: half.step(b"x"),
        lambda: secpkg.Client("Hello", credential=credential),
        lambda: secpkg.Client("Hello", credential=credential).step(),
        lambda: lsa.logon_user("Hello", 2, username="alice", password=PASSWORD),
        lsa.enumerate_logon_sessions,
    ]
    statuses = Child(lambda: [status_of(call) for call in calls]).found
    constructed = statuses.pop(8)
    assert constructed in ("SEC_E_INVALID_HANDLE", "SEC_E_OK"), "a handle is looked at when it is used"
    assert set(statuses) == {"SEC_E_INVALID_HANDLE"}, statuses
    ended = Child(lambda: [status_of(thing.close) for thing in (client, server, half, token, credential, logon, lsa)])
    assert set(ended.found) == {"SEC_E_OK"}, "closing is harmless, and closes nothing of the parent's"

    assert server.decrypt(sealed) == b"to the parent"
    assert client.decrypt(server.encrypt(b"and back")) == b"and back"
    assert token.handle and logon.luid in world.place.sessions()
    assert lsa.lookup_authentication_package("Hello")
    assert server.access_token.user == token.user


def test_the_child_of_a_fork_makes_connections_of_its_own(blocking: World) -> None:
    """Lock 6: what it opens itself is its own."""
    authority = blocking.place.authority
    before = blocking.pair()

    def in_child() -> object:
        with secpkg.Client("Hello", username="alice", password=PASSWORD, authority=authority) as client:
            server = secpkg.Server("Hello", authority=authority)
            token = client.step()
            while token is not None:
                reply = server.step(token)
                token = client.step(reply) if reply is not None else None
            with server.access_token as access_token:
                return [server.peer, server.decrypt(client.encrypt(b"x")).decode(), access_token.account_name]

    assert Child(in_child).found == ["EXAMPLE\\alice", "x", "alice"]
    assert before[1].decrypt(before[0].encrypt(b"x")) == b"x"
