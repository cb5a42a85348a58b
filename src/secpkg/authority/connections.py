"""Connections of applications to the authority, and what each has to be released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.authority.quotas import Quotas
from secpkg.authority.sessions import SessionTable
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo

if TYPE_CHECKING:
    from secpkg.authority.audit import AuditRecord
    from secpkg.authority.tokens import AccessToken, TokenTable

MAX_LOGON_PROCESS_NAME: Final = 127
"""Bytes (R83)."""
RETURN_BUFFER_OVERHEAD: Final = 64
"""Bytes charged for a return buffer beside its contents."""


class Connection(msgspec.Struct, eq=False):
    """One connection. ``caller`` is what the authority learnt from the socket when it was made (lock 1)."""

    number: int
    caller: ClientInfo
    logon_process_name: str | None = None
    """Given by a logon process when it registered: the connection is trusted (R76)."""
    handles: dict[int, AccessToken] = msgspec.field(default_factory=dict)
    references: set[bytes] = msgspec.field(default_factory=set)
    last_handle: int = 0
    last_region: int = 0
    """Of its memory, as calls see it (`client_memory`): no number is used twice."""
    charged: int = 0
    kept: dict[int, int] = msgspec.field(default_factory=dict)
    """What was returned to it and not yet freed (LsaFreeReturnBuffer): number and bytes."""
    last_kept: int = 0
    closed: bool = False

    @property
    def trusted(self) -> bool:
        """Whether it was made with LsaRegisterLogonProcess."""
        return self.logon_process_name is not None

    def require_open(self) -> None:
        """STATUS_INVALID_HANDLE (``connection_closed``) after its end."""
        if self.closed:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="connection_closed")


class ConnectionTable:
    """The open connections."""

    def __init__(self, tokens: TokenTable, sessions: SessionTable, quotas: Quotas, audit: AuditRecord) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._quotas = quotas
        self._audit = audit
        self._open: dict[int, Connection] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._open)

    def open(self, caller: ClientInfo, logon_process_name: str | None = None) -> Connection:
        """LsaConnectUntrusted; with a name LsaRegisterLogonProcess, which is audited (lock 2).

        STATUS_NAME_TOO_LONG (R83), STATUS_PORT_CONNECTION_REFUSED without SeTcbPrivilege (R84), STATUS_QUOTA_EXCEEDED.
        """
        if logon_process_name is not None:
            self._register(caller, logon_process_name)
        self._quotas.take(caller.uid, "connections")
        self._last += 1
        connection = Connection(self._last, caller, logon_process_name)
        self._open[connection.number] = connection
        return connection

    def _register(self, caller: ClientInfo, name: str) -> None:
        if len(name.encode("utf-8", "replace")) > MAX_LOGON_PROCESS_NAME:
            raise SecurityError(Status.STATUS_NAME_TOO_LONG, reason="logon_process_name_too_long")
        status = Status.STATUS_SUCCESS if caller.has_tcb_privilege else Status.STATUS_PORT_CONNECTION_REFUSED
        self._audit.append("register_logon_process", caller=caller, status=status, claimed={"name": name})
        if status.is_error:
            raise SecurityError(status, reason="tcb_privilege_missing")

    def charge(self, connection: Connection, amount: int) -> None:
        """Take ``amount`` bytes of the uid's quota for this connection; STATUS_QUOTA_EXCEEDED (R59)."""
        connection.require_open()
        self._quotas.take(connection.caller.uid, "bytes", amount)
        connection.charged += amount

    def refund(self, connection: Connection, amount: int) -> None:
        """Give back what was charged; never more than that."""
        amount = min(amount, connection.charged)
        connection.charged -= amount
        self._quotas.give_back(connection.caller.uid, "bytes", amount)

    def keep(self, connection: Connection, size: int) -> int:
        """A return buffer of ``size`` bytes: its number. It stays charged until `free`, or the end of the connection.
        STATUS_QUOTA_EXCEEDED (R59).
        """
        amount = size + RETURN_BUFFER_OVERHEAD
        self.charge(connection, amount)
        connection.last_kept += 1
        connection.kept[connection.last_kept] = amount
        return connection.last_kept

    def free(self, connection: Connection, number: int) -> None:
        """LsaFreeReturnBuffer (R52, R79, R100): STATUS_INVALID_PARAMETER for what is not kept, and so the second
        time.
        """
        amount = connection.kept.pop(number, None)
        if amount is None:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="return_buffer_unknown")
        self.refund(connection, amount)

    def close(self, connection: Connection) -> None:
        """Run the connection down: handles, references, unfinished sessions, quotas, each exactly once."""
        if connection.closed:
            return
        connection.closed = True
        del self._open[connection.number]
        connection.kept.clear()
        self.refund(connection, connection.charged)
        self._quotas.give_back(connection.caller.uid, "connections")
        self._sessions.abandon_connection(connection.number)
        self._tokens.run_down(connection)
