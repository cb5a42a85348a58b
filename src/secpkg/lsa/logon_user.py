"""LogonUser and its longer forms: a logon by name and password over a provider of the operator's choice.

They answer like BOOL functions: (whether it succeeded, last error, ...). The last error of a refusal is the Windows
error of its SubStatus where there is one, since that alone says why, else of its Status.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from secpkg.contract.flags import LogonType
from secpkg.contract.floor import floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import QuotaLimits
from secpkg.ipc import schema
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.connection import Connection, shared
from secpkg.ipc.link import run
from secpkg.ipc.session import current
from secpkg.lsa import client, operations
from secpkg.lsa.client import Lsa
from secpkg.lsa.handles import connection_of, require
from secpkg.lsa.return_buffers import ReturnBytes, leased_bytes
from secpkg.lsa.win_errors import ERROR_INVALID_PARAMETER, ERROR_MR_MID_NOT_FOUND, nt_status_to_win_error

LOGON32_PROVIDER_DEFAULT: Final = 0
LOGON32_PROVIDER_WINNT40: Final = 2
LOGON32_PROVIDER_WINNT50: Final = 3
LOGON32_LOGON: Final = frozenset({2, 3, 4, 5, 7, 8, 9})
"""LOGON32_LOGON_*: the numbers are those of SECURITY_LOGON_TYPE."""
_PROCESS_NAME: Final = "LogonUserExExW"
_WRONG: Final[tuple[object, ...]] = (ERROR_INVALID_PARAMETER, None)
"""After FALSE, for an argument of a wrong type."""


def _not(_status: Status) -> bool:
    return False


class LoggedOnUser(msgspec.Struct, frozen=True):
    """Outputs of LogonUserEx. ``profile_buffer`` is freed with LsaFreeReturnBuffer, the token closed."""

    token: AccessToken
    logon_sid: str
    """The SID of the user."""
    profile_buffer: ReturnBytes
    quota_limits: QuotaLimits | None
    """Only with a primary token (R65)."""


class _OnlyToken(AccessToken):
    """The token of a connection that was made for it alone, and ends with it."""

    __slots__ = ()

    def close(self) -> None:
        super().close()
        self._connection.close()


@floor("lsa_logon", "LogonUser", told=_not, failed=_WRONG)
def logon_user_w(
    username: str,
    domain: str | None,
    password: str | None,
    logon_type: int,
    logon_provider: int = LOGON32_PROVIDER_DEFAULT,
    *,
    authority: Lsa | object = None,
) -> tuple[bool, int, AccessToken | None]:
    """LogonUser: (TRUE, 0, token) or (FALSE, last error, None). ``domain`` None: the name is a UPN; ".": the accounts
    of this authority alone. ``authority`` names it as everywhere, or is an open `Lsa`. Page:
    winbase/nf-winbase-logonuserw.
    """
    done, error, made = _logon(username, domain, password, logon_type, logon_provider, (), authority)
    if made is None:
        return done, error, None
    made.profile_buffer.lease.free()
    return done, error, made.token


@floor("lsa_logon", "LogonUserEx", told=_not, failed=_WRONG)
def logon_user_ex(
    username: str,
    domain: str | None,
    password: str | None,
    logon_type: int,
    logon_provider: int = LOGON32_PROVIDER_DEFAULT,
    *,
    authority: Lsa | object = None,
) -> tuple[bool, int, LoggedOnUser | None]:
    """LogonUserEx: as LogonUser, with the user's SID, the profile and the quotas. Page:
    winbase/nf-winbase-logonuserexw.
    """
    return _logon(username, domain, password, logon_type, logon_provider, (), authority)


@floor("lsa_logon", "LogonUserExExW", told=_not, failed=_WRONG)
def logon_user_ex_ex_w(
    username: str,
    domain: str | None,
    password: str | None,
    logon_type: int,
    logon_provider: int = LOGON32_PROVIDER_DEFAULT,
    token_groups: Iterable[str] = (),
    *,
    authority: Lsa | object = None,
) -> tuple[bool, int, LoggedOnUser | None]:
    """LogonUserExExW: as LogonUserEx, with groups to add to the token: they need SeTcbPrivilege
    (ERROR_PRIVILEGE_NOT_HELD). Page: SecAuthN logonuserexexw.
    """
    return _logon(username, domain, password, logon_type, logon_provider, token_groups, authority)


def _logon(
    username: str,
    domain: str | None,
    password: str | None,
    logon_type: int,
    provider: int,
    groups: Iterable[str],
    authority: object,
) -> tuple[bool, int, LoggedOnUser | None]:
    try:
        require(Iterable, groups)
        return True, 0, _logged_on(username, domain, password, logon_type, provider, tuple(groups), authority)
    except SecurityError as refused:
        return False, _last_error(refused), None


def _logged_on(
    username: str,
    domain: str | None,
    password: str | None,
    logon_type: int,
    provider: int,
    groups: tuple[str, ...],
    authority: object,
) -> LoggedOnUser:
    require(str, *groups)
    if not username or ("@" not in username if domain is None else "@" in username):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="upn_or_domain")
    new_credentials = logon_type == LogonType.NEW_CREDENTIALS
    if logon_type not in LOGON32_LOGON or (new_credentials and provider != LOGON32_PROVIDER_WINNT50):
        raise SecurityError(Status.STATUS_INVALID_LOGON_TYPE, reason="logon_type")
    alone = bool(groups) and not isinstance(authority, Lsa)
    connection = _registered(authority) if alone else _connection(authority)
    try:
        made, opened = _made(connection, username, domain, password, LogonType(logon_type), provider, groups)
    except SecurityError:
        if alone:
            connection.close()
        raise
    token = _OnlyToken(connection, opened) if alone else AccessToken(connection, opened)
    profile = leased_bytes(connection, made.profile, made.buffer)
    return LoggedOnUser(token, token.user, profile, made.quotas)


def _made(
    connection: Connection,
    username: str,
    domain: str | None,
    password: str | None,
    logon_type: LogonType,
    provider: int,
    groups: tuple[str, ...],
) -> tuple[schema.LoggedOn, schema.TokenOpened]:
    place = connection.link.domain_name if domain == "." else domain or ""
    request = operations.logon_request(logon_type, username, place, password, local_groups=groups)
    package = run(operations.provider(connection, provider))
    return run(operations.logon(connection, package, request, keep=True))


def _registered(authority: object) -> Connection:
    try:
        return client.register_logon_process(_PROCESS_NAME, authority)._connection
    except SecurityError as refused:
        if refused.status is Status.STATUS_PORT_CONNECTION_REFUSED:
            raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="tcb_privilege_missing") from None
        raise


def _connection(authority: object) -> Connection:
    if isinstance(authority, Lsa):
        return connection_of(authority)
    session = current.get()
    if session is not None and session.applies_to(authority):
        return session.connection
    return run(shared.shared(authority))


def _last_error(refused: SecurityError) -> int:
    why = refused.substatus if refused.substatus is not Status.STATUS_SUCCESS else refused.status
    if why is Status.SEC_E_INVALID_PARAMETER:  # of the authority's address
        return ERROR_INVALID_PARAMETER
    error = nt_status_to_win_error(why)
    return why.value if error == ERROR_MR_MID_NOT_FOUND and why.native.startswith("SEC_E_") else error


__all__ = ["LoggedOnUser", "logon_user_ex", "logon_user_ex_ex_w", "logon_user_w"]
