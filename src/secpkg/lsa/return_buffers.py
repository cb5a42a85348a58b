"""What LsaFreeReturnBuffer frees: copies that the authority counts as memory of the client (R50, R79, R100).

Each carries a *lease*: it is charged to the client's quota until it is freed, once. A buffer that is dropped without
that is given back with the connection's next exchange, and what is left goes with the connection.
"""

from __future__ import annotations

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.ipc import fork, schema
from secpkg.ipc.connection import Connection
from secpkg.ipc.link import run
from secpkg.lsa import operations


class Lease:
    """One return buffer of a connection; ``number`` 0 when the authority keeps none."""

    __slots__ = ("__weakref__", "_connection", "_freed", "_number")

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._freed = False
        fork.guard(self)

    def free(self) -> None:
        """LsaFreeReturnBuffer: STATUS_INVALID_PARAMETER (``return_buffer_freed``) the second time."""
        if self._freed:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="return_buffer_freed")
        self._freed = True
        number, self._number = self._number, 0
        if number and not self._connection.link.closed:
            run(operations.free_buffer(self._connection, number))

    def forked(self) -> None:
        self._number = 0

    def __del__(self) -> None:
        number = getattr(self, "_number", 0)
        if number:
            self._number = 0
            self._connection.deferred.append(schema.FreeBuffer(0, number))


class ReturnBytes(bytes):
    """A profile or reply buffer."""

    lease: Lease


class ReturnList(tuple[int, ...]):
    """LogonSessionList: LUIDs."""

    lease: Lease


class ReturnSession(schema.SessionData, frozen=True, tag="ReturnSession", dict=True, gc=True):
    """ppLogonSessionData."""


def leased_bytes(connection: Connection, data: bytes, number: int) -> ReturnBytes:
    """``data`` as return buffer ``number``."""
    buffer = ReturnBytes(data)
    buffer.lease = Lease(connection, number)
    return buffer


def leased_list(connection: Connection, listed: tuple[int, ...], number: int) -> ReturnList:
    """The LUIDs as return buffer ``number``."""
    buffer = ReturnList(listed)
    buffer.lease = Lease(connection, number)
    return buffer


def leased_session(connection: Connection, data: schema.SessionData) -> ReturnSession:
    """The record as the return buffer that it names."""
    buffer = ReturnSession(*msgspec.structs.astuple(data))
    msgspec.structs.force_setattr(buffer, "lease", Lease(connection, data.buffer))
    return buffer


def free(buffer: object) -> None:
    """LsaFreeReturnBuffer. STATUS_INVALID_PARAMETER for what is no return buffer, and the second time."""
    lease = getattr(buffer, "lease", None)
    if not isinstance(lease, Lease):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="no_return_buffer")
    lease.free()
