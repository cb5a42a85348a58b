"""A connection to an embedded authority."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo
from secpkg.ipc import fork
from secpkg.ipc.errors import ChannelClosed, ChannelError, ChannelForked
from secpkg.ipc.link import failure, next_id
from secpkg.ipc.schema import (
    PROTOCOL_VERSION,
    Connect,
    Connected,
    Failed,
    FromAuthority,
    OpenPackage,
    PackageOpened,
    ToAuthority,
    TokenOpened,
)
from secpkg.runtime.asked import Reply
from secpkg.runtime.embedded_port import LocalChannel
from secpkg.runtime.service import unheard

if TYPE_CHECKING:
    from secpkg.runtime.embedded import EmbeddedAuthority


class LocalLink:
    """`secpkg.ipc.link.AuthorityLink` into this process."""

    __slots__ = ("__weakref__", "_connection", "_embedded", "_why", "domain_name", "trusted")

    in_place = True

    def __init__(self, embedded: EmbeddedAuthority, caller: ClientInfo, logon_process_name: str | None) -> None:
        self._embedded = embedded
        self._why: type[ChannelError] | None = None
        replies: list[FromAuthority] = []
        message = Connect(next_id(), PROTOCOL_VERSION, logon_process_name)
        with embedded.lock:
            connection = embedded.machine.service.connect(message, caller, lambda m, _p=None: replies.append(m))
        (reply,) = replies
        if isinstance(reply, Failed) or connection is None or not isinstance(reply, Connected):
            assert isinstance(reply, Failed)
            raise failure(reply.status, reply.substatus, reply.reason)
        self._connection = connection
        self.domain_name = reply.domain_name
        self.trusted = reply.trusted
        fork.guard(self)

    @property
    def closed(self) -> bool:
        return self._why is not None or self._connection.closed

    @property
    def clock(self) -> Callable[[], float]:
        return self._embedded.machine.authority.clock

    def _handle(self, message: ToAuthority, reply: Reply) -> None:
        if self._why is not None or self._connection.closed:
            raise (self._why or ChannelClosed)("the connection is closed")
        with self._embedded.lock:
            self._embedded.machine.service.handle(self._connection, message, reply)

    def _exchange(self, message: ToAuthority) -> tuple[FromAuthority, object]:
        replies: list[tuple[FromAuthority, object]] = []
        self._handle(message, lambda m, passed=None: replies.append((m, passed)))
        if not replies:
            raise ChannelClosed("no reply")
        return replies[0]

    def call(self, message: ToAuthority, /) -> FromAuthority:
        return self._exchange(message)[0]

    def tell(self, message: ToAuthority, /) -> bool:
        self._handle(message, unheard)
        return True

    def open_channel(self, name: str, token: int, /) -> tuple[PackageOpened, LocalChannel]:
        reply, channel = self._exchange(OpenPackage(next_id(), name, token))
        if isinstance(reply, Failed):
            raise failure(reply.status, reply.substatus, reply.reason)
        assert isinstance(reply, PackageOpened) and isinstance(channel, LocalChannel)
        return reply, channel

    def token_descriptor(self, token: int, /) -> int:
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="embedded_has_no_token_descriptors")

    def adopt_token(self, descriptor: int, /) -> TokenOpened:
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="embedded_has_no_token_descriptors")

    def close(self) -> None:
        if self._why is None:
            self._why = ChannelClosed
            with self._embedded.lock:
                self._embedded.machine.service.disconnect(self._connection)

    def forked(self) -> None:
        """The connection is the parent's (lock 6)."""
        self._why = ChannelForked
