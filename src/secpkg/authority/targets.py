"""Who a call is for and whom it is to: what travels with a `Request` between the authority and its composer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.authority.client_memory import ClientMemory
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData, ClientInfo

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority

NO_UID: Final = 0xFFFF_FFFF
"""The uid of a caller from another machine: what POSIX keeps for "no uid"."""
MAX_LENT: Final = 64
"""Results of one call that are known to be freed once; an older one is forgotten, which frees it too."""


class ModuleFailed(SecurityError):
    """The process of a module failed, and not the package: the reason is the host's own, and a caller may know it."""


class Scratch(msgspec.Struct, eq=False):
    """What lives as long as one call into a package: its account handles, the sessions that it created, the client's
    memory, and the results that it has to free.
    """

    sam_users: dict[int, AuthData] = msgspec.field(default_factory=dict)
    last_sam_user: int = 0
    sessions: set[int] = msgspec.field(default_factory=set)
    memory: ClientMemory | None = None
    borrowed: bool = False
    """The memory is the calling package's (CallPackageEx), and ends with its call."""
    lent: deque[bytes] | None = None
    """Digests of what FreeReturnBuffer and CrediFreeCredentials may be called with, once each."""

    without_directory: bool = False
    """It is a filter's: no account is looked up for it (R271)."""

    def lend(self, digest: bytes) -> None:
        """Note a result that the package frees."""
        if self.lent is None:
            self.lent = deque(maxlen=MAX_LENT)
        self.lent.append(digest)

    def free(self, digest: bytes) -> bool:
        """The package frees a result: whether there was one to free."""
        if self.lent is None or digest not in self.lent:
            return False
        self.lent.remove(digest)
        return True

    def end(self) -> None:
        """The call is over: what is left is released."""
        self.sam_users.clear()
        self.lent = None
        if self.memory is not None and not self.borrowed:
            self.memory.release()


class Origin(msgspec.Struct, frozen=True, eq=False):
    """On whose behalf an LSA function is called: the package (from its channel, lock 4) and the client it works for.

    ``connection`` is None when the package works for nobody, as in SpInitialize or LsaApLogonTerminated. One origin
    is one call into a package: what is in its ``scratch`` ends with it.
    """

    package_id: int
    connection: Connection | None
    call: ClientInfo
    scratch: Scratch = msgspec.field(default_factory=Scratch)
    depth: int = 0
    """How many packages called one another to get here (CallPackage)."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether another authority asks, over pass-through: there is no client here."""
        return self.connection is None and self.call.uid == NO_UID

    def client(self) -> Connection:
        """The connection for which the package works; STATUS_INVALID_HANDLE (``no_client``, ``connection_closed``)."""
        connection = self.connection
        if connection is None:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="no_client")
        if connection.closed:
            connection.require_open()
        return connection

    def memory(self, authority: LocalSecurityAuthority) -> ClientMemory:
        """The client's memory in this call. PLSA_CLIENT_REQUEST, which a package only passes on, is the call itself
        (R130).
        """
        scratch = self.scratch
        if scratch.memory is None:
            scratch.memory = ClientMemory(authority.connections, self.client())
        return scratch.memory

    def returned(self, data: bytes, address: int, limit: int) -> bytes:
        """What a package returned to the application: the bytes, or in their place a buffer of the client, which is
        released (R50, R79).

        STATUS_INTERNAL_ERROR for both at once and for what is no such buffer, STATUS_QUOTA_EXCEEDED beyond ``limit``.
        """
        if not address:
            if len(data) > limit:
                raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="return_buffer_too_large")
            return bytes(data)
        if data or self.scratch.memory is None:
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="reply_invalid")
        try:
            return self.scratch.memory.take(address, limit)
        except SecurityError as refused:
            if refused.status is Status.STATUS_QUOTA_EXCEEDED:
                raise
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="reply_invalid") from None


class PackageTarget(msgspec.Struct, frozen=True, eq=False):
    """``Request.target`` of a call from the authority into a package.

    The host makes the `Call` with ``caller`` and ``client_buffer_base``; LSA functions that the package calls meanwhile
    are answered with ``origin``.
    """

    package_id: int
    caller: ClientInfo
    origin: Origin
    client_buffer_base: int = 0

    @classmethod
    def of(
        cls, package_id: int, caller: ClientInfo, connection: Connection | None = None, depth: int = 0
    ) -> PackageTarget:
        """The target of a new call: it begins with nothing open."""
        return cls(package_id, caller, Origin(package_id, connection, caller, depth=depth))

    @classmethod
    def of_request(
        cls, authority: LocalSecurityAuthority, package_id: int, connection: Connection, sent: bytes
    ) -> PackageTarget:
        """The target of a client's request, who sees ``sent`` as memory of the client."""
        origin = Origin(package_id, connection, connection.caller)
        base = origin.memory(authority).map(sent) if sent else 0
        return cls(package_id, connection.caller, origin, base)
