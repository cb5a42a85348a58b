"""What a proven logon is worth: the caller's wishes checked, and the access token that they and the account make.

A logon for new credentials proves nothing about an account here: it makes no token of its principal but clones the one
that the caller shows, and neither delays nor restrictions of an account come into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.accounts.sid import Sid
from secpkg.authority import tokens
from secpkg.authority.fanout import require_supplementals
from secpkg.authority.principals import Principal, admit, by_sid, origin_of
from secpkg.authority.sessions import LogonSession
from secpkg.authority.subauthentication import run_filter
from secpkg.contract.flags import ImpersonationLevel, LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRequest, LogonResult, QuotaLimits, TokenInformation

if TYPE_CHECKING:
    from secpkg.authority.audit import Fact
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority

MAX_PROFILE: Final = 64 * 1024
MAX_LOCAL_GROUPS: Final = 1015
"""What fits into an access token, as for the groups of an account."""
SOURCE_NAME_SIZE: Final = 8
"""Bytes of TOKEN_SOURCE.SourceName."""
_LUIDS: Final = 1 << 64


class Wishes(msgspec.Struct, frozen=True):
    """What the caller of LsaLogonUser wants in the token, checked."""

    local_groups: tuple[str, ...]
    source_name: str
    source_identifier: int
    own: tokens.AccessToken | None
    """The caller's own token, to be cloned for new credentials."""


def wishes(authority: LocalSecurityAuthority, connection: Connection, request: LogonRequest, token: int) -> Wishes:
    """STATUS_INVALID_LOGON_TYPE (R57), STATUS_PRIVILEGE_NOT_HELD for LocalGroups over an untrusted connection (R66,
    R67), STATUS_INVALID_PARAMETER for what is no SID or no TOKEN_SOURCE. For new credentials STATUS_INVALID_HANDLE,
    STATUS_NO_SUCH_LOGON_SESSION (``no_token_to_clone``), STATUS_BAD_IMPERSONATION_LEVEL.
    """
    tokens.require_logon_type(request.logon_type)
    require_tcb(connection, request.local_groups)
    if len(request.local_groups) > MAX_LOCAL_GROUPS:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="local_groups_too_many")
    groups = tuple(str(Sid(group)) for group in request.local_groups)
    source = request.token_source
    name, identifier = ("", 0) if source is None else (source.source_name, source.source_identifier)
    if (
        len(name.encode("utf-8", "replace")) > SOURCE_NAME_SIZE
        or not name.isprintable()
        or not 0 <= identifier < _LUIDS
    ):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="token_source")
    own = authority.tokens.token(connection, token) if token else None
    if request.logon_type == LogonType.NEW_CREDENTIALS:
        if own is None:
            raise SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION, reason="no_token_to_clone")
        if own.impersonation_level < ImpersonationLevel.IMPERSONATION:
            raise SecurityError(Status.STATUS_BAD_IMPERSONATION_LEVEL, reason="token_for_identification")
    return Wishes(groups, name, identifier, own)


def require_tcb(connection: Connection, local_groups: tuple[str, ...]) -> None:
    """STATUS_PRIVILEGE_NOT_HELD for LocalGroups over an untrusted connection (R66, R67)."""
    if local_groups and not connection.trusted:
        raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="local_groups_need_tcb")


def quotas_of(authority: LocalSecurityAuthority, token: tokens.AccessToken) -> QuotaLimits | None:
    """Quotas of LsaLogonUser: only with a primary token (R65)."""
    return authority.policy.process_quotas if token.primary else None


class Granted(msgspec.Struct, frozen=True, eq=False):
    """A logon that stands: session, principal, token, the caller's handle and return buffer."""

    session: LogonSession
    principal: Principal
    token: tokens.AccessToken
    handle: int
    buffer: int


def grant(
    authority: LocalSecurityAuthority,
    connection: Connection,
    package: str,
    request: LogonRequest,
    wanted: Wishes,
    result: LogonResult,
    facts: dict[str, Fact],
    claimed: dict[str, Fact],
) -> Granted:
    """The token of a proven logon, recorded and with its handle open; a failure leaves nothing but the session, which
    the caller discards (R45, R51).
    """
    session = authority.sessions.get(result.logon_id)
    require_supplementals(result.supplemental_credentials)
    if len(result.profile) > MAX_PROFILE:
        raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="profile_too_large")
    principal, token = _token(authority, connection, package, request, wanted, result, facts)
    recorded = {**facts, "domain": principal.domain, "sid": principal.sid, "logon_id": result.logon_id}
    if wanted.local_groups:
        recorded["local_groups"] = " ".join(wanted.local_groups)
    authority.tokens.require_handle(connection)
    buffer = authority.connections.keep(connection, len(result.profile))
    try:
        if request.logon_type != LogonType.NEW_CREDENTIALS:
            authority.store.record_success(principal.lockout_name, origin_of(connection.caller, request.origin_name))
        authority.audit.append("logon", caller=connection.caller, package=package, facts=recorded, claimed=claimed)
        primary = result.primary_credentials
        session.dns_domain_name = "" if primary is None else primary.dns_domain_name
        authority.establish(session, principal, token, result.authenticating_authority)
        return Granted(session, principal, token, authority.tokens.open(connection, token), buffer)
    except BaseException:
        release_profile(authority, connection, buffer)
        raise


async def filtered(
    authority: LocalSecurityAuthority, connection: Connection, request: LogonRequest, result: LogonResult
) -> LogonResult:
    """The result of a logon that the subauthentication filter lets pass, ending no later than it says (R264). Delay
    and restrictions come first: what the filter says is told to those only who would otherwise be admitted (lock 9).
    """
    if request.logon_type == LogonType.NEW_CREDENTIALS:
        return result
    information = result.token_information
    principal = by_sid(authority, information, result.account_name, result.authenticating_authority)
    admit(authority, principal, origin_of(connection.caller, request.origin_name), request.workstation)
    end = await run_filter(authority, connection.caller, connection, principal, request.logon_type, request.workstation)
    information = msgspec.structs.replace(information, expiration=min(information.expiration, end))
    return msgspec.structs.replace(result, token_information=information)


def release_profile(authority: LocalSecurityAuthority, connection: Connection, buffer: int) -> None:
    """Give back the return buffer of a logon that came to nothing (R51)."""
    authority.connections.free(connection, buffer)


def _token(
    authority: LocalSecurityAuthority,
    connection: Connection,
    package: str,
    request: LogonRequest,
    wanted: Wishes,
    result: LogonResult,
    facts: dict[str, Fact],
) -> tuple[Principal, tokens.AccessToken]:
    source = wanted.source_name or package
    expiration = result.token_information.expiration
    cloned = wanted.own if request.logon_type == LogonType.NEW_CREDENTIALS else None
    if cloned is not None:
        told = TokenInformation(cloned.information.user, cloned.information.groups)
        principal = by_sid(authority, told, cloned.account_name, cloned.domain_name)
        facts["account_name"], facts["cloned_logon_id"] = principal.name, cloned.logon_id
        token = tokens.cloned(cloned, result.logon_id, source, wanted.source_identifier, expiration)
    else:
        principal = by_sid(authority, result.token_information, result.account_name, result.authenticating_authority)
        facts["account_name"] = principal.name
        admit(authority, principal, origin_of(connection.caller, request.origin_name), request.workstation)
        token = tokens.build(
            principal,
            authority.policy,
            logon_id=result.logon_id,
            logon_type=request.logon_type,
            level=ImpersonationLevel.IMPERSONATION,
            source=source,
            expiration=expiration,
            local_groups=wanted.local_groups,
            source_identifier=wanted.source_identifier,
        )
    return principal, token
