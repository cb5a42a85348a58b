"""The asynchronous link over the authority's Unix-domain socket.

The authority is asked a few times in the life of a connection, workers with every leg. So the channels to workers are
the loop's own, while the authority's calls block a thread of the loop's executor.
"""

from __future__ import annotations

import asyncio
import os

from secpkg.ipc import client, schema
from secpkg.ipc.aio_channel import AsyncChannel
from secpkg.ipc.callbacks import callbacks_of
from secpkg.ipc.rights import OwnedFds


class AsyncSocketLink:
    """The asynchronous form of `secpkg.ipc.link.AuthorityLink`."""

    in_place = False

    def __init__(self, blocking: client.SocketLink) -> None:
        self._blocking = blocking
        self.domain_name = blocking.domain_name
        self.clock = blocking.clock
        self.trusted = blocking.trusted
        self.tell = blocking.tell
        self.close = blocking.close

    @property
    def closed(self) -> bool:
        """Whether every later call is refused."""
        return self._blocking.closed

    async def call(self, message: schema.ToAuthority) -> schema.FromAuthority:
        """Send a message and wait for its reply."""
        return await asyncio.to_thread(self._blocking.call, message)

    async def open_channel(
        self, name: str, token: int
    ) -> tuple[schema.PackageOpened, AsyncChannel[schema.ToWorker, schema.FromWorker]]:
        """`OpenPackage`; the channel belongs to the loop that runs."""
        reply, sock = await asyncio.to_thread(self._blocking.open_socket, name, token)
        try:
            return reply, AsyncChannel(sock, schema.encode, schema.decode_from_worker, callbacks_of(reply.user_half))
        except BaseException:
            sock.close()
            raise

    async def adopt_token(self, descriptor: int) -> schema.TokenOpened:
        """`AdoptToken`: as the blocking link's."""
        # A wait that is cancelled does not stop the thread: it sends a copy, since the caller may have closed its own
        # by then, and the number may be another file's.
        copy = OwnedFds([os.dup(descriptor)])

        def adopt() -> schema.TokenOpened:
            with copy:
                return self._blocking.adopt_token(copy.peek()[0])

        return await asyncio.to_thread(adopt)

    async def token_descriptor(self, token: int) -> int:
        """`TokenDescriptor`: the descriptor is the caller's to close."""
        return await asyncio.to_thread(self._blocking.token_descriptor, token)


async def link(address: str, logon_process_name: str | None = None) -> AsyncSocketLink:
    """As `secpkg.ipc.client.link`."""
    return AsyncSocketLink(await asyncio.to_thread(client.link, address, logon_process_name))
