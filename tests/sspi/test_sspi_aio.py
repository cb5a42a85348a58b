"""The same operations on an event loop."""

from __future__ import annotations

import asyncio

import pytest
from tests.sspi.fakes import FakeAuthority

from secpkg import aio
from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.connection import Connection
from secpkg.ipc.schema import OpenPackage


async def shake(client: aio.Client, server: aio.Server) -> None:
    token = await client.step()
    while token is not None:
        reply = await server.step(token)
        token = await client.step(reply) if reply is not None else None


def test_a_handshake_on_a_loop(authority: FakeAuthority) -> None:
    async def main() -> None:
        async with (
            aio.Client("Tiny", username="alice", password="right", authority=authority) as client,
            aio.Server("Tiny", authority=authority) as server,
        ):
            await shake(client, server)
            assert client.complete and server.complete and await server.peer() == "alice"
            assert server.decrypt(client.encrypt(b"x")) == b"x" and await client.session_key() == b"k" * 16
            async with await server.access_token() as token:
                assert token.account_name == "alice"
        with pytest.raises(SecurityError):
            await client.step()

    asyncio.run(main())
    assert authority.kinds().count("DeleteContext") == 2


def test_what_is_awaited_may_really_wait_and_may_be_cancelled(authority: FakeAuthority) -> None:
    """A cancelled leg leaves a context that can only be closed (R190)."""

    async def main() -> None:
        client = aio.Client("Tiny", username="alice", password="right", authority=authority)
        await client.step()
        channel = authority.channels[0]
        plain, gate = channel.call, asyncio.Event()

        async def waits(message: object) -> object:
            await gate.wait()
            return plain(message)  # type: ignore[arg-type]

        channel.call = waits  # type: ignore[method-assign,assignment]
        task = asyncio.ensure_future(client.step(b"2"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        with pytest.raises(SecurityError, match="context_failed"):
            await client.step(b"2")
        await client.close()

    asyncio.run(main())
    assert authority.kinds()[-2:] == ["DeleteContext", "FreeCredentials"]


def test_logons(authority: FakeAuthority) -> None:
    async def main() -> None:
        async with await aio.lsa.connect(authority) as lsa:
            with pytest.raises(SecurityError) as caught:
                await lsa.logon_user("Tiny", LogonType.INTERACTIVE, username="alice", password="wrong")
            assert caught.value.substatus is Status.STATUS_ACCOUNT_DISABLED
            async with await lsa.logon_user("Tiny", LogonType.NETWORK, username="alice", password="right") as logon:
                with logon.session():
                    client = aio.Client("Tiny", authority=authority)
                await client.step()
                await client.close()
                handle = logon.access_token.handle
        opened = [m for m in authority.seen if isinstance(m, OpenPackage)]
        assert [m.token for m in opened] == [handle]

    asyncio.run(main())


def test_a_session_of_a_loop_is_not_for_a_blocking_client(authority: FakeAuthority) -> None:
    from secpkg.ipc.session import LogonSession, current
    from secpkg.sspi.client import Client

    connection = Connection(authority, authority.link(), asynchronous=True)
    reset = current.set(LogonSession(connection, 1))
    try:
        with pytest.raises(SecurityError, match="logon_session_of_event_loop"):
            Client("Tiny")
    finally:
        current.reset(reset)
