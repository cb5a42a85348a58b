"""Access tokens, and the three things that keep one alive: handles, references and retentions.

A *handle* is a number of one connection. A *reference* is what a package gets: 16 random bytes that only the
connection for which it was made can redeem, once, for a handle (lock 5). A *retention* is held by whoever stands for
the token outside (a descriptor on its way between processes). Each counts once for the session (R92).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.accounts.sid import AUTHENTICATED_USERS, BATCH, EVERYONE, INTERACTIVE, NETWORK, SERVICE, Sid
from secpkg.authority.quotas import Quotas
from secpkg.authority.sessions import SessionTable
from secpkg.contract.flags import ImpersonationLevel, LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import TokenInformation, TokenReference

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection
    from secpkg.authority.policy import Policy
    from secpkg.authority.principals import Principal

REFERENCE_SIZE: Final = 16
_REMOTE_INTERACTIVE: Final = Sid("S-1-5-14")
_LOW: Final = 0xFFFF_FFFF

LOGON_GROUPS: Final[dict[LogonType, tuple[Sid, ...]]] = {
    LogonType.INTERACTIVE: (INTERACTIVE,),
    LogonType.UNLOCK: (INTERACTIVE,),
    LogonType.CACHED_INTERACTIVE: (INTERACTIVE,),
    LogonType.CACHED_UNLOCK: (INTERACTIVE,),
    LogonType.REMOTE_INTERACTIVE: (INTERACTIVE, _REMOTE_INTERACTIVE),
    LogonType.CACHED_REMOTE_INTERACTIVE: (INTERACTIVE, _REMOTE_INTERACTIVE),
    LogonType.NETWORK: (NETWORK,),
    LogonType.NETWORK_CLEARTEXT: (NETWORK,),
    LogonType.BATCH: (BATCH,),
    LogonType.SERVICE: (SERVICE,),
    LogonType.NEW_CREDENTIALS: (),
}
"""The groups of each logon type (R63). A type that is absent cannot be asked for: STATUS_INVALID_LOGON_TYPE (Proxy is
not supported, and zero is the system's own). A token for new credentials has the groups of the one that it is made of.
"""

_ADDED: Final = {
    kind: (str(EVERYONE), *map(str, groups), str(AUTHENTICATED_USERS)) for kind, groups in LOGON_GROUPS.items()
}
_IMPERSONATION: Final = frozenset({LogonType.NETWORK, LogonType.NETWORK_CLEARTEXT})


class AccessToken(msgspec.Struct, frozen=True, eq=False):
    """An access token. It holds no secret; ``information`` is complete (R61-R63), made by the authority alone."""

    logon_id: int
    account_name: str
    domain_name: str
    information: TokenInformation
    impersonation_level: ImpersonationLevel
    primary: bool
    source: str
    """TokenSource: who asked for it (LsaLogonUser), else the package (R103)."""
    logon_type: LogonType
    posix_uid: int | None = None
    source_identifier: int = 0

    @property
    def outbound(self) -> bool:
        """Whether it lets its holder act on other machines (lock 3)."""
        return self.logon_type != LogonType.NETWORK and self.impersonation_level > ImpersonationLevel.IDENTIFICATION


def require_logon_type(logon_type: LogonType) -> LogonType:
    """STATUS_INVALID_LOGON_TYPE (R57) for a type that no token can be made of."""
    if logon_type not in LOGON_GROUPS:
        raise SecurityError(Status.STATUS_INVALID_LOGON_TYPE, reason="logon_type_unsupported")
    return logon_type


def build(
    principal: Principal,
    policy: Policy,
    *,
    logon_id: int,
    logon_type: LogonType,
    level: ImpersonationLevel,
    source: str,
    expiration: float,
    local_groups: tuple[str, ...] = (),
    source_identifier: int = 0,
) -> AccessToken:
    """The token of a principal: its groups, ``local_groups``, and those that nobody asks for (R63).

    Network logons give an impersonation token of the level asked for, the others a primary one (R64).
    """
    added = (*local_groups, *_ADDED[logon_type], logon_sid(logon_id))
    groups = tuple(dict.fromkeys((*principal.groups, *added)))
    primary = logon_type not in _IMPERSONATION
    information = TokenInformation(
        user=principal.sid,
        groups=groups,
        primary_group=principal.groups[0] if principal.groups else str(AUTHENTICATED_USERS),
        privileges=policy.privileges_of((principal.sid, *groups)),
        expiration=min(expiration, principal.expires),
    )
    return AccessToken(
        logon_id=logon_id,
        account_name=principal.name,
        domain_name=principal.domain,
        information=information,
        impersonation_level=ImpersonationLevel.IMPERSONATION if primary else level,
        primary=primary,
        source=source,
        logon_type=logon_type,
        posix_uid=principal.posix_uid,
        source_identifier=source_identifier,
    )


def logon_sid(logon_id: int) -> str:
    """The SID of the group that stands for a logon session in its tokens."""
    return f"S-1-5-5-{logon_id >> 32}-{logon_id & _LOW}"


def cloned(token: AccessToken, logon_id: int, source: str, source_identifier: int, expiration: float) -> AccessToken:
    """The token of a NewCredentials logon: the same local identity in a session of its own, which carries other
    credentials (winbase/nf-winbase-logonuserw).
    """
    old, new = logon_sid(token.logon_id), logon_sid(logon_id)
    information = msgspec.structs.replace(
        token.information,
        groups=tuple(new if group == old else group for group in token.information.groups),
        expiration=min(expiration, token.information.expiration),
    )
    return msgspec.structs.replace(
        token,
        logon_id=logon_id,
        information=information,
        impersonation_level=ImpersonationLevel.IMPERSONATION,
        primary=True,
        source=source,
        source_identifier=source_identifier,
        logon_type=LogonType.NEW_CREDENTIALS,
    )


class Retention:
    """Keeps a token, and with it the session, alive until `release`; the second release does nothing."""

    __slots__ = ("_sessions", "_token")

    def __init__(self, sessions: SessionTable, token: AccessToken) -> None:
        sessions.acquire(token.logon_id)
        self._sessions = sessions
        self._token: AccessToken | None = token

    @property
    def token(self) -> AccessToken:
        """The token; STATUS_INVALID_HANDLE after `release`."""
        if self._token is None:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="retention_released")
        return self._token

    def release(self) -> None:
        """Let go of the token."""
        token, self._token = self._token, None
        if token is not None:
            self._sessions.release(token.logon_id)


class _Reference(msgspec.Struct, frozen=True, eq=False):
    token: AccessToken
    connection: int
    package_id: int


class TokenTable:
    """Handles and references of all connections."""

    def __init__(
        self, sessions: SessionTable, quotas: Quotas, entropy: Callable[[int], bytes], max_handles: int
    ) -> None:
        self._sessions = sessions
        self._quotas = quotas
        self._entropy = entropy
        self._max_handles = max_handles
        self._references: dict[bytes, _Reference] = {}

    def require_handle(self, connection: Connection) -> None:
        """That `open` would succeed: STATUS_INVALID_HANDLE (``connection_closed``), STATUS_QUOTA_EXCEEDED
        (``quota_handles``).
        """
        connection.require_open()
        if len(connection.handles) >= self._max_handles:
            raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="quota_handles")

    def open(self, connection: Connection, token: AccessToken) -> int:
        """A new handle of the token: never 0, never one that this connection had before."""
        self.require_handle(connection)
        self._sessions.acquire(token.logon_id)
        connection.last_handle += 1
        connection.handles[connection.last_handle] = token
        return connection.last_handle

    def token(self, connection: Connection, handle: int) -> AccessToken:
        """The token of a handle; STATUS_INVALID_HANDLE."""
        token = connection.handles.get(handle)
        if token is None:
            raise _invalid("handle_unknown")
        return token

    def duplicate(self, connection: Connection, handle: int) -> int:
        """Another handle of the same token, closed on its own (R92)."""
        return self.open(connection, self.token(connection, handle))

    def close(self, connection: Connection, handle: int) -> None:
        """CloseHandle; STATUS_INVALID_HANDLE the second time."""
        token = self.token(connection, handle)
        del connection.handles[handle]
        self._sessions.release(token.logon_id)

    def require_reference(self, connection: Connection) -> None:
        """That `refer` would succeed: STATUS_INVALID_HANDLE, STATUS_QUOTA_EXCEEDED (``quota_references``)."""
        connection.require_open()
        self._quotas.require(connection.caller.uid, "references")

    def refer(self, connection: Connection, token: AccessToken, package_id: int) -> TokenReference:
        """A reference for a package that works for this connection."""
        connection.require_open()
        value = self._entropy(REFERENCE_SIZE)
        if len(value) != REFERENCE_SIZE or value in self._references:
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="entropy_failed")
        self._quotas.take(connection.caller.uid, "references")
        self._sessions.acquire(token.logon_id)
        self._references[value] = _Reference(token, connection.number, package_id)
        connection.references.add(value)
        return TokenReference(value)

    def duplicate_reference(self, connection: Connection, source: TokenReference, package_id: int) -> TokenReference:
        """Another reference of the same token, for the package that had the first one made (R106)."""
        reference = self._reference(connection, source.value)
        if reference.package_id != package_id:
            raise _invalid("reference_unknown")
        return self.refer(connection, reference.token, package_id)

    def redeem(self, connection: Connection, value: bytes) -> int:
        """Turn a reference of this connection into a handle; it is used up (lock 5). STATUS_INVALID_HANDLE."""
        reference = self._reference(connection, value)
        handle = self.open(connection, reference.token)
        self.drop_reference(connection, value)
        return handle

    def drop_reference(self, connection: Connection, value: bytes) -> None:
        """The reference will not be redeemed. STATUS_INVALID_HANDLE."""
        reference = self._reference(connection, value)
        del self._references[value]
        connection.references.discard(value)
        self._quotas.give_back(connection.caller.uid, "references")
        self._sessions.release(reference.token.logon_id)

    def retain(self, token: AccessToken) -> Retention:
        """Keep the token alive outside the tables."""
        return Retention(self._sessions, token)

    def adopt(self, connection: Connection, retention: Retention) -> int:
        """A handle of a retained token, which stays retained."""
        return self.open(connection, retention.token)

    def run_down(self, connection: Connection) -> None:
        """Release everything that the connection has, each exactly once."""
        for value in tuple(connection.references):
            self.drop_reference(connection, value)
        for handle in tuple(connection.handles):
            self.close(connection, handle)

    def _reference(self, connection: Connection, value: bytes) -> _Reference:
        reference = self._references.get(value)
        if reference is None or reference.connection != connection.number:
            raise _invalid("reference_unknown")
        return reference


def _invalid(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_INVALID_HANDLE, reason=reason)
