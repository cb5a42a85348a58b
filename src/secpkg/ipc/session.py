"""The logon session that a client acts for: the one whose access token it presents, else none (lock 3).

It is a context variable: a thread, and a task of an event loop, has its own. Nothing else selects a session.
"""

from __future__ import annotations

from contextvars import ContextVar

from secpkg.contract.status import SecurityError, Status
from secpkg.ipc import where
from secpkg.ipc.connection import Connection

current: ContextVar[LogonSession | None] = ContextVar("secpkg_logon_session", default=None)


class LogonSession:
    """A connection, and a handle of it that stands for the access token to present."""

    __slots__ = ("connection", "token")

    def __init__(self, connection: Connection, token: int) -> None:
        self.connection = connection
        self.token = token

    def applies_to(self, authority: object) -> bool:
        """Whether a client that names this authority (None: no particular one) acts for the session.

        A client of another authority acts for none. SEC_E_NO_CREDENTIALS when the session has ended: a client that
        meant to act for it must not act for nobody.
        """
        if authority is not None and where.resolve(authority) != self.connection.authority:
            return False
        if self.connection.link.closed:
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="logon_session_ended")
        return True
