"""A finished context is exported and imported, in the four worlds (R203, R204, lock 6)."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import pytest
from tests.behaviour.world import AsyncWorld, World, refused

import secpkg
from secpkg.aio import driving
from secpkg.contract import SecurityError, Status
from secpkg.contract.flags import CredentialUse, IscReq
from secpkg.contract.user_mode.ssp import ExportedContext
from secpkg.host.user_mode import providers
from secpkg.ipc.connection import shared
from secpkg_records import Context, Records

NO_FILE: Final = 2**30
"""A descriptor beyond the limit of any process."""


def waits(world: World) -> bool:
    """Whether anything of a move is waited for: elsewhere the exchanges are made in place, and nothing cancels them."""
    return isinstance(world, AsyncWorld) and not world.place.embedded


def cut(world: World, make: Callable[[], Coroutine[Any, Any, Any]], at: int) -> Any:
    """Drive a coroutine of secpkg, and cancel it where it waits for its exchange number ``at``, which was made: what it
    gave, or None where it was cancelled.
    """

    async def main() -> Any:
        coroutine = make()
        try:
            exchange = coroutine.send(None)
            for number in itertools.count():
                try:
                    answer = exchange.function(*exchange.arguments)
                    if inspect.isawaitable(answer):
                        answer = await answer
                    if number == at:
                        raise asyncio.CancelledError
                except BaseException as error:
                    exchange = coroutine.throw(error)
                else:
                    exchange = coroutine.send(answer)
        except StopIteration as stop:
            return stop.value
        except asyncio.CancelledError:
            return None

    return world._run(main()) if isinstance(world, AsyncWorld) else asyncio.run(main())


def descriptor_of(world: World, token: Any) -> int:
    """A descriptor of an access token that is ours to close."""
    if world.kind == "async":
        return int(world.do(token.descriptor))
    return os.dup(token.fileno())


def test_both_ends_move_and_go_on_where_they_were(world: World) -> None:
    client, server = world.pair()
    assert server.decrypt(client.encrypt(b"before")) == b"before"
    on_its_way = client.encrypt(b"on its way")
    key, expiry, flags = world.session_key(server), server.expiry, server.flags
    packed = world.export(server)
    there = world.moved_server(packed)
    assert there.complete and (there.expiry, there.flags, there.package) == (expiry, flags, "Hello")
    assert world.peer(there) == r"EXAMPLE\alice" and world.session_key(there) == key and key not in packed
    assert there.decrypt(on_its_way) == b"on its way"
    here = world.moved_client(world.export(client))
    assert here.decrypt(there.encrypt(b"both moved")) == b"both moved"
    there.verify(b"signed", here.sign(b"signed"))


def test_the_end_that_was_exported_is_closed(world: World) -> None:
    client, server = world.pair()
    world.export(server)
    assert not server.complete
    for use in (lambda: server.encrypt(b"x"), lambda: server.sign(b"x"), lambda: world.export(server)):
        assert refused(use).status is Status.SEC_E_INVALID_HANDLE
    world.close(server)
    assert client.complete


def test_a_context_is_imported_once(world: World) -> None:
    _, server = world.pair()
    packed = world.export(server)
    world.moved_server(packed)
    assert refused(lambda: world.moved_server(packed)).status is Status.SEC_E_NO_CREDENTIALS


def test_what_does_not_fit_is_refused_and_uses_nothing_up(world: World) -> None:
    """R204: another role, another package, other bytes, no access token; afterwards it still can be imported."""
    client, server = world.pair()
    packed = world.export(server)
    spoilt = packed[:-1] + bytes([packed[-1] ^ 1])
    for attempt, status in (
        (lambda: world.moved_client(packed), Status.SEC_E_UNKNOWN_CREDENTIALS),
        (lambda: world.moved_server(packed, package="NTLM"), Status.SEC_E_UNKNOWN_CREDENTIALS),
        (lambda: world.moved_server(b""), Status.SEC_E_UNKNOWN_CREDENTIALS),
        (lambda: world.moved_server(spoilt), Status.SEC_E_NO_CREDENTIALS),
        (lambda: world.moved_server(packed, "a token"), Status.SEC_E_INVALID_PARAMETER),
        (lambda: world.moved_server(packed, -1), Status.SEC_E_INVALID_PARAMETER),
        (lambda: world.moved_server(packed, NO_FILE), Status.SEC_E_INVALID_PARAMETER),
        (lambda: world.moved_server(packed, 2**64), Status.SEC_E_INVALID_PARAMETER),
    ):
        assert refused(attempt).status is status
    assert world.moved_server(packed).decrypt(client.encrypt(b"still")) == b"still"


def test_only_a_finished_context_moves(world: World) -> None:
    client = world.client()
    world.step(client)
    assert refused(lambda: world.export(client)).reason == "context_not_complete"


@pytest.mark.parametrize("how", ["token", "descriptor"])
def test_the_access_token_travels_beside_it(world: World, how: str) -> None:
    """R202: the one that the server had, and its session lives as long as the last copy."""
    _, server = world.pair()
    token = world.access_token(server)
    if how == "descriptor" and world.place.embedded:
        assert refused(lambda: descriptor_of(world, token)).status is Status.SEC_E_UNSUPPORTED_FUNCTION
        return
    packed = world.export(server)
    if how == "token":
        moved = world.moved_server(packed, token)
    else:
        descriptor = descriptor_of(world, token)
        try:
            moved = world.moved_server(packed, descriptor)
        finally:
            os.close(descriptor)
    world.close(token)
    again = world.access_token(moved)
    assert (again.account_name, again.logon_id) == ("alice", token.logon_id)
    assert token.logon_id in world.place.sessions()
    world.close(again)
    world.close(moved)
    world.settle()
    world.place.until(lambda: token.logon_id not in world.place.sessions())


def test_without_its_access_token_it_has_none(world: World) -> None:
    _, server = world.pair()
    moved = world.moved_server(world.export(server))
    assert refused(lambda: world.get(moved, "access_token")).status is Status.SEC_E_NO_IMPERSONATION


def test_from_either_face_to_the_other(world: World) -> None:
    """The bytes do not say which face made them; to another process an access token goes by its descriptor."""
    client, server = world.pair()
    token = world.access_token(server)
    packed = world.export(server)
    shown = token if world.place.embedded else descriptor_of(world, token)
    try:
        blocking = secpkg.Server.import_context("Hello", packed, shown, authority=world.place.authority)
    finally:
        if not world.place.embedded:
            os.close(shown)
    assert blocking.decrypt(client.encrypt(b"x")) == b"x"
    with blocking.access_token as again:
        assert again.account_name == "alice"
        third = world.moved_server(blocking.export(), again)
    assert third.decrypt(client.encrypt(b"y")) == b"y"
    assert world.access_token(third).account_name == "alice"


def test_an_awaited_access_token_is_not_for_another_connection(world: World) -> None:
    """Its loop may not be the one that runs: the descriptor goes. Where nothing is awaited, there is no such thing."""
    client, server = world.pair()
    token = world.access_token(server)
    packed = world.export(server)

    def blocking() -> secpkg.Server:
        return secpkg.Server.import_context("Hello", packed, token, authority=world.place.authority)

    if world.kind == "async" and not world.place.embedded:
        assert refused(blocking).reason == "access_token_of_event_loop"
        return
    with blocking() as moved:
        assert moved.decrypt(client.encrypt(b"x")) == b"x"


def test_an_export_that_is_cancelled_anywhere_leaves_one_holder_or_none(world: World) -> None:
    """Lock 6: nothing came out that could be imported, so the old context may go on, or is closed."""
    for at in itertools.count():
        client, server = world.pair()
        if cut(world, server._export, at) is not None:
            break
        if server.complete:
            assert client.decrypt(server.encrypt(b"goes on")) == b"goes on"
        else:
            assert refused(partial(server.encrypt, b"x")).status is Status.SEC_E_INVALID_HANDLE
        world.close(server)
        assert not server.complete
    assert at > 1 if waits(world) else at == 0


def test_an_import_that_is_cancelled_anywhere_leaves_one_holder_or_none(world: World) -> None:
    """Lock 6: the context was used up, or can still be imported."""
    asynchronous = isinstance(world, AsyncWorld)
    for at in itertools.count():
        client, server = world.pair()
        packed = world.export(server)

        def make(packed: bytes = packed) -> Coroutine[Any, Any, Any]:
            connections = driving.connections() if asynchronous else shared
            made: Coroutine[Any, Any, Any] = world.parties.Server._import(
                connections, "Hello", packed, None, world.place.authority
            )
            return made

        made = cut(world, make, at)
        if made is not None:
            assert made.decrypt(client.encrypt(b"in time")) == b"in time"
            world.close(made)
            break
        try:
            again = world.moved_server(packed)
        except SecurityError as error:
            assert error.status is Status.SEC_E_NO_CREDENTIALS
        else:
            assert again.decrypt(client.encrypt(b"again")) == b"again"
    assert at > 0 if waits(world) else at == 0


class MovingRecords(Records):
    """Records whose contexts move within this process."""

    def __init__(self) -> None:
        self.moving: dict[bytes, Context] = {}

    def export_security_context(self, context: Context, flags: int) -> ExportedContext:
        packed = b"%d" % len(self.moving)
        self.moving[packed] = context
        return ExportedContext(packed)

    def import_security_context(self, packed_context: bytes, token: object) -> Context:
        return self.moving[packed_context]


def test_a_plain_ssp_keeps_the_key_at_the_authority_that_the_party_named(world: World) -> None:
    """It knows no authority of its own; nobody but that one may be asked, least of all the configured one."""
    providers.add("moving-records", MovingRecords)
    try:
        options: dict[str, Any] = {"requirements": IscReq.STREAM}
        client = world.client("Records", **options)
        credential = world.credential(package="Records", use=CredentialUse.INBOUND)
        server = world.server_of(credential, **options)
        world.finish(client, server)
        moved = world.moved_server(world.export(server), package="Records")
        assert moved.complete
    finally:
        providers.remove("moving-records")
