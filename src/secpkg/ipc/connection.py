"""A client's connection to an authority, with the packages that were opened on it.

Connections to an address are shared by the whole process; those of a logon process or of an explicit
``secpkg.lsa.connect`` are their owner's. What a finalizer has to release is noted and sent with the next operation: a
finalizer may run inside a call on the same channel, and must not wait for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PackageInfo
from secpkg.ipc import fork, schema, where
from secpkg.ipc.errors import ChannelError
from secpkg.ipc.link import AuthorityLink, Exchange, WorkerChannel, authority_error, failure, next_id, worker_error

_ATTRIBUTE = "_secpkg_connection"

MAX_DEFERRED = 4096
"""Releases kept for the next operation; beyond that the end of the channel releases them."""


WorkerEnd = schema.DeleteContext | schema.FreeCredentials
AuthorityEnd = schema.ReleaseReference | schema.CloseToken | schema.FreeBuffer
_Ended = TypeVar("_Ended", bound=WorkerEnd | AuthorityEnd)


async def _tell(tell: Callable[[_Ended], bool], call: Callable[[_Ended], object], message: _Ended) -> None:
    """Tell of an end, or make a call of it: the one way to wait until there is room."""
    if not tell(message):
        await Exchange(call, msgspec.structs.replace(message, id=next_id()))


async def _release(tell: Callable[[_Ended], bool], call: Callable[[_Ended], object], deferred: deque[_Ended]) -> None:
    """Tell of what was noted. If the other end is gone, there is nothing to release."""
    while deferred:
        try:
            await _tell(tell, call, deferred.popleft())
        except ChannelError:
            deferred.clear()


class OpenedPackage:
    """A package, and the channel to its worker."""

    __slots__ = ("backend", "channel", "connection", "deferred", "info", "number", "thunks", "user_half")

    def __init__(self, connection: Connection, opened: schema.PackageOpened, channel: WorkerChannel) -> None:
        self.connection = connection
        self.channel = channel
        self.info: PackageInfo = opened.info
        self.number = opened.package
        self.user_half = opened.user_half
        self.thunks = opened.thunks
        self.deferred: deque[WorkerEnd] = deque(maxlen=MAX_DEFERRED)
        self.backend: object = None
        """What makes contexts with it (`secpkg.sspi.backends`): one for all of them."""

    async def ask(self, message: schema.ToWorker) -> schema.FromWorker:
        """One exchange with the worker; SecurityError for `Failed` and for a channel that is gone."""
        if self.deferred:
            await _release(self.channel.tell, self.channel.call, self.deferred)
        try:
            if self.connection.in_place:  # whoever drives this would do no more
                reply = self.channel.call(message)
            else:
                reply = await Exchange(self.channel.call, message)
        except ChannelError as error:
            raise worker_error(error) from error
        if type(reply) is schema.Failed:
            raise failure(reply.status, reply.substatus, reply.reason)
        return reply

    async def end(self, message: WorkerEnd) -> None:
        """Tell the worker that something is over, without waiting: what its package says to that only the trace has.
        SecurityError for a channel that is gone.
        """
        if self.deferred:
            await _release(self.channel.tell, self.channel.call, self.deferred)
        try:
            await _tell(self.channel.tell, self.channel.call, message)
        except ChannelError as error:
            raise worker_error(error) from error


class Connection:
    """A link and what hangs on it. ``authority`` is what it was opened for: an address or an object."""

    __slots__ = ("__weakref__", "asynchronous", "authority", "deferred", "in_place", "link", "opened", "retired")

    def __init__(self, authority: object, link: AuthorityLink, *, asynchronous: bool = False) -> None:
        self.authority = authority
        self.asynchronous = asynchronous
        self.link = link
        self.in_place = link.in_place
        self.opened: dict[tuple[str, int], OpenedPackage] = {}
        self.retired: list[tuple[int, OpenedPackage]] = []
        self.deferred: deque[AuthorityEnd] = deque(maxlen=MAX_DEFERRED)

    async def ask(self, message: schema.ToAuthority) -> schema.FromAuthority:
        """One exchange with the authority; SecurityError for `Failed` and for a connection that is gone."""
        if self.deferred:
            await self.release()
        try:
            reply = self.link.call(message) if self.in_place else await Exchange(self.link.call, message)
        except ChannelError as error:
            raise authority_error(error) from error
        if type(reply) is schema.Failed:
            raise failure(reply.status, reply.substatus, reply.reason)
        return reply

    async def release(self) -> None:
        """Tell the authority what was noted for it, without waiting."""
        await _release(self.link.tell, self.link.call, self.deferred)

    async def package(self, name: str, token: int = 0) -> OpenedPackage:
        """The package of this name, presenting an access token of this connection (0: none). SEC_E_SECPKG_NOT_FOUND."""
        known = self.opened.get((name, token))
        if known is not None and not known.channel.closed:
            return known
        if not name or len(name) > schema.MAX_NAME:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="package_name_length")
        try:
            pair = await Exchange(self.link.open_channel, name, token)
        except ChannelError as error:
            raise authority_error(error) from error
        opened = OpenedPackage(self, *pair)
        quicker = self.opened.get((name, token))
        if quicker is not None and not quicker.channel.closed:  # another task or thread: one channel is enough
            opened.channel.close()
            return quicker
        self.opened[name, token] = opened
        return opened

    def forget(self, opened: OpenedPackage) -> None:
        """Close a channel that turned out to be dead, so that the next use opens another."""
        for key, value in list(self.opened.items()):
            if value is opened:
                self.opened.pop(key, None)
        opened.channel.close()

    def retire(self, opened: OpenedPackage) -> None:
        """Open no more contexts on a channel whose module is draining; those that are there keep it until the end."""
        for key, value in list(self.opened.items()):
            if value is opened:
                self.opened.pop(key, None)
                self.retired.append((key[1], opened))
        self.retired = [kept for kept in self.retired if not kept[1].channel.closed]

    def drop_token(self, token: int) -> None:
        """Close the channels that presented a token whose handle is being closed."""
        for key, value in list(self.opened.items()):
            if key[1] == token:
                self.opened.pop(key, None)
                value.channel.close()
        for presented, retired in self.retired:
            if presented == token:
                retired.channel.close()

    def close(self) -> None:
        """Close the channels and the link. Harmless when repeated."""
        for opened in (*self.opened.values(), *(retired for _, retired in self.retired)):
            opened.channel.close()
        self.opened.clear()
        self.retired.clear()
        self.link.close()


async def open_connection(authority: object, logon_process_name: str | None, *, asynchronous: bool) -> Connection:
    """A connection of its owner's to a resolved authority."""
    function: Callable[..., AuthorityLink]
    try:
        if isinstance(authority, str):
            function = where.opener(authority, asynchronous=asynchronous)
            link = await Exchange(function, authority, logon_process_name)
        else:
            function = authority.link  # type: ignore[attr-defined]  # `where.resolve` looked for it
            link = await (Exchange(function) if logon_process_name is None else Exchange(function, logon_process_name))
    except ChannelError as error:
        raise authority_error(error) from error
    awaited = asynchronous and isinstance(authority, str) and authority != where.EMBEDDED
    return Connection(authority, link, asynchronous=awaited)


class Connections:
    """The shared connections of a process (or, asynchronous, of an event loop).

    That to an object is kept in the object itself, since both refer to each other and shall go together.
    """

    __slots__ = ("__weakref__", "_by_address", "_lock", "asynchronous")

    def __init__(self, *, asynchronous: bool = False) -> None:
        self.asynchronous = asynchronous
        self._by_address: dict[str, Connection] = {}
        self._lock = threading.Lock()
        fork.guard(self)

    async def shared(self, authority: object = None) -> Connection:
        """The shared connection to an authority, as `where.resolve` finds it; opened when there is none alive."""
        found = where.resolve(authority)
        known = self._known(found)
        if known is not None:
            return known
        opened = await open_connection(found, None, asynchronous=self.asynchronous)
        with self._lock:
            known = self._known(found)
            if known is None:
                self._keep(found, opened)
                return opened
        # Another thread was quicker.
        opened.close()
        return known

    def opened(self, authority: object, package: str) -> OpenedPackage | None:
        """The package of a named authority, as it was opened before without an access token and is still there."""
        known = self._known(where.resolve(authority))
        opened = None if known is None else known.opened.get((package, 0))
        return None if opened is None or opened.channel.closed else opened

    def _known(self, found: object) -> Connection | None:
        known = self._by_address.get(found) if isinstance(found, str) else getattr(found, _ATTRIBUTE, None)
        return None if known is None or known.link.closed else known

    def _keep(self, found: object, opened: Connection) -> None:
        if isinstance(found, str):
            self._by_address[found] = opened
        else:
            setattr(found, _ATTRIBUTE, opened)

    def forked(self) -> None:
        """The connections are the parent's: begin anew."""
        self._by_address = {}
        self._lock = threading.Lock()
        fork.guard(self)


shared = Connections()
"""The blocking connections of this process."""


def release_reference(connection: Connection, reference: bytes) -> None:
    """Note that the context of a reference that was not redeemed is gone."""
    connection.deferred.append(schema.ReleaseReference(0, reference))
