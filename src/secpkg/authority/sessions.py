"""Logon sessions: made by packages, kept alive by access tokens, ended by the last one.

A session is ``created`` while its package is still at work, ``live`` from the first access token on, and ``terminated``
when nothing refers to it any more. Only a created one can be deleted by its package (R96), and then nobody hears of it
(R95); the end of a live one is told to every package that was told of the session (R93).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.authority.principals import Principal
    from secpkg.authority.tokens import AccessToken

SessionState = Literal["created", "live", "terminated"]

FIRST_FREE_LUID: Final = 1 << 12
"""Below are the well-known sessions (LocalSystem is 0x3e7)."""
_LAST_LUID: Final = (1 << 63) - 1


class LogonSession(msgspec.Struct, eq=False):
    """One logon session. Who it is for is known once it is live."""

    logon_id: int
    package_id: int
    created: float
    account_name: str = ""
    domain: str = ""
    sid: str = ""
    logon_type: LogonType = LogonType.UNDEFINED_LOGON_TYPE
    upn: str = ""
    logon_server: str = ""
    dns_domain_name: str = ""
    """What the package said in its primary credentials."""
    state: SessionState = "created"
    outbound: bool = False
    """Whether its tokens carry credentials for other machines (lock 3)."""
    connection: int | None = None
    """For whom it was created; while it is ``created`` it goes with that connection."""
    references: int = 0
    told: set[int] = msgspec.field(default_factory=set)
    """Packages that know of the session and hear of its end."""
    token: AccessToken | None = None
    """The access token that made it live."""


class SessionTable:
    """All sessions of this authority. ``ended`` is called once for each that was live, after it is gone."""

    def __init__(self, ended: Callable[[LogonSession], None], removed: Callable[[int], None], pending: int) -> None:
        self._sessions: dict[int, LogonSession] = {}
        self._pending: dict[int, set[int]] = {}
        self._max_pending = pending
        self._ended = ended
        self._removed = removed

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, logon_id: int, package_id: int, now: float, connection: int | None = None) -> LogonSession:
        """CreateLogonSession. STATUS_LOGON_SESSION_COLLISION for an id in use (R98), STATUS_INVALID_PARAMETER for no
        LUID of a package's making, STATUS_QUOTA_EXCEEDED (``quota_pending_sessions``).
        """
        if type(logon_id) is not int or not FIRST_FREE_LUID <= logon_id <= _LAST_LUID:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="logon_id_invalid")
        if logon_id in self._sessions:
            raise SecurityError(Status.STATUS_LOGON_SESSION_COLLISION, reason="logon_id_in_use")
        pending = self._pending.setdefault(package_id, set())
        if len(pending) >= self._max_pending:
            raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="quota_pending_sessions")
        session = LogonSession(logon_id, package_id, now, connection=connection, told={package_id})
        pending.add(logon_id)
        self._sessions[logon_id] = session
        return session

    def get(self, logon_id: int) -> LogonSession:
        """The session; STATUS_NO_SUCH_LOGON_SESSION (R97, R116)."""
        session = self._sessions.get(logon_id)
        if session is None:
            raise _no_such_session("no_such_session")
        return session

    def own(self, logon_id: int, package_id: int) -> LogonSession:
        """The session if this package created it: another's looks as if it were not there."""
        session = self.get(logon_id)
        if session.package_id != package_id:
            raise _no_such_session("not_its_session")
        return session

    def known_to(self, logon_id: int, package_id: int) -> LogonSession:
        """The session if this package may know of it: its own, or a live one."""
        session = self.get(logon_id)
        if session.package_id != package_id and session.state != "live":
            raise _no_such_session("not_its_session")
        return session

    def live(self) -> tuple[LogonSession, ...]:
        """LsaEnumerateLogonSessions: the live sessions."""
        return tuple(session for session in self._sessions.values() if session.state == "live")

    def delete(self, logon_id: int, package_id: int) -> None:
        """DeleteLogonSession: STATUS_BAD_LOGON_SESSION_STATE once it is live (R96, R97)."""
        session = self.own(logon_id, package_id)
        if session.state != "created":
            raise SecurityError(Status.STATUS_BAD_LOGON_SESSION_STATE, reason="session_is_live")
        self.discard(logon_id)

    def discard(self, logon_id: int) -> None:
        """Remove a session that never became live; one that is not there, or live, is left alone (R45, R95)."""
        session = self._sessions.get(logon_id)
        if session is not None and session.state == "created":
            self._remove(session)

    def abandon(self, package_id: int) -> None:
        """The package is gone: what it had only created will never be finished."""
        for logon_id in tuple(self._pending.get(package_id, ())):
            self.discard(logon_id)

    def abandon_connection(self, connection: int) -> None:
        """The client is gone: what was only created for it will never be finished."""
        gone = [i for ids in self._pending.values() for i in ids if self._sessions[i].connection == connection]
        for logon_id in gone:
            self.discard(logon_id)

    def establish(self, session: LogonSession, principal: Principal, token: AccessToken, logon_server: str) -> None:
        """Make a created session live, as this principal's; its first reference must follow at once."""
        session.account_name, session.domain, session.sid = principal.name, principal.domain, principal.sid
        session.upn, session.logon_server = principal.upn, logon_server
        session.logon_type, session.outbound, session.token = token.logon_type, token.outbound, token
        session.state = "live"
        self._no_longer_pending(session)

    def acquire(self, logon_id: int) -> None:
        """One reference more (R92)."""
        session = self._sessions.get(logon_id) or self.get(logon_id)
        session.references += 1

    def release(self, logon_id: int) -> None:
        """One reference less; with the last one the session ends (R91, R92)."""
        session = self._sessions.get(logon_id) or self.get(logon_id)
        session.references -= 1
        if session.references == 0:
            self._remove(session)
            self._ended(session)

    def _remove(self, session: LogonSession) -> None:
        session.state = "terminated"
        session.token = None
        del self._sessions[session.logon_id]
        self._no_longer_pending(session)
        self._removed(session.logon_id)

    def _no_longer_pending(self, session: LogonSession) -> None:
        pending = self._pending.get(session.package_id)
        if pending is not None:
            pending.discard(session.logon_id)
            if not pending:
                del self._pending[session.package_id]


def _no_such_session(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION, reason=reason)
