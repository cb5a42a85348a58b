"""LsaLogonUser: the package proves who it is, the authority decides what that is worth.

The order is the lock: the package's proof, the delay after failures, the account's restrictions, the token, the audit
record, and only then anything that another could see (locks 9 and 10). Between the package's answer and the new handle
nothing waits, so a failure at any point has one thing to undo: the session that the package created (R45, R51).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.authority import tokens
from secpkg.authority.directory import PackageEntry
from secpkg.authority.fanout import accept_credentials, require_supplementals
from secpkg.authority.principals import Principal, admit, by_sid, counted_name, origin_of
from secpkg.authority.sessions import LogonSession
from secpkg.authority.targets import PackageTarget
from secpkg.contract.flags import ImpersonationLevel, PrimaryCredentialFlag
from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.ap import SurrogateLogon
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRefused, LogonRequest, LogonResult, PrimaryCredential

if TYPE_CHECKING:
    from secpkg.authority.audit import Fact
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority

MAX_NAME: Final = 1024
"""Characters of a user, domain, workstation or origin name."""
MAX_PASSWORD: Final = 4096
"""Characters."""
MAX_AUTHENTICATION_INFORMATION: Final = 64 * 1024
MAX_PROFILE: Final = 64 * 1024

NEWEST_FIRST: Final = ("logon_user_ex3", "logon_user_ex2", "logon_user_ex", "logon_user")
"""Exactly one is called: the first that the package has (R40, spec/README 4)."""
_WITH_CREDENTIALS: Final = frozenset(NEWEST_FIRST[:2])
_WITH_MACHINE_NAME: Final = frozenset(NEWEST_FIRST[:3])

WRONG_PROOF: Final = frozenset(
    {
        Status.STATUS_LOGON_FAILURE,
        Status.STATUS_NO_SUCH_USER,
        Status.STATUS_WRONG_PASSWORD,
        Status.SEC_E_LOGON_DENIED,
    }
)
"""Outcomes that count towards a delay, and look the same from outside (R54)."""


class Logon(msgspec.Struct, frozen=True):
    """What LsaLogonUser returns. The profile is the caller's own copy, and ``token`` is its to close."""

    logon_id: int
    token: int
    profile: bytes
    account_name: str


class _Attempt(msgspec.Struct, eq=False):
    """What is known so far, for the audit record."""

    entry: PackageEntry | None = None
    function: str = ""
    account_name: str = ""
    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    claimed: dict[str, Fact] = msgspec.field(default_factory=dict)
    logon_id: int | None = None
    proven: bool = False


def require_sizes(request: LogonRequest) -> None:
    """STATUS_INVALID_PARAMETER (``logon_request_too_large``) for what no package should have to look at."""
    names = (request.username, request.domain, request.workstation, request.origin_name)
    if (
        any(len(name) > MAX_NAME for name in names)
        or len(request.password or "") > MAX_PASSWORD
        or len(request.authentication_information) > MAX_AUTHENTICATION_INFORMATION
    ):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="logon_request_too_large")


async def logon_user(
    authority: LocalSecurityAuthority, connection: Connection, package_id: int, request: LogonRequest
) -> Logon:
    """LsaLogonUser (ntsecapi/nf-ntsecapi-lsalogonuser). The error that is raised has a status and a substatus; the
    reason is in the audit record only (R54). STATUS_NO_SUCH_PACKAGE (R68), STATUS_NOT_IMPLEMENTED.
    """
    require_sizes(request)
    target = PackageTarget.of(package_id, connection.caller, connection)
    attempt = _Attempt(claimed={"workstation": request.workstation, "origin_name": request.origin_name})
    attempt.account_name = request.username
    attempt.facts["logon_type"] = int(request.logon_type)
    try:
        result = await _ask_package(authority, target, request, attempt)
        session, principal, token, handle = _grant(authority, connection, target, request, result, attempt)
    except SecurityError as refused:
        raise _refuse(authority, connection, request, attempt, refused) from None
    finally:
        if attempt.logon_id is not None:
            authority.sessions.discard(attempt.logon_id)
        authority.end_call(target.origin, discard_sessions=True)
    with_credentials = attempt.function in _WITH_CREDENTIALS
    primary = _primary(result.primary_credentials if with_credentials else None, session, principal, token.outbound)
    supplemental = result.supplemental_credentials if with_credentials and token.outbound else ()
    await accept_credentials(
        authority, session, request.logon_type, primary, supplemental, connection.caller, connection
    )
    return Logon(session.logon_id, handle, bytes(result.profile), principal.name)


@implements("authentication_package", "LsaApLogonUser")
@implements("authentication_package", "LsaApLogonUserEx")
@implements("authentication_package", "LsaApLogonUserEx2")
@implements("lsa_mode", "LsaApLogonUserEx3")
async def _ask_package(
    authority: LocalSecurityAuthority, target: PackageTarget, request: LogonRequest, attempt: _Attempt
) -> LogonResult:
    attempt.entry = entry = authority.packages.in_service(target.package_id)
    tokens.require_logon_type(request.logon_type)
    function = next((name for name in NEWEST_FIRST if name in entry.functions), None)
    if function is None:
        raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="no_logon_function")
    attempt.function = function
    arguments: tuple[object, ...] = (request,)
    if function == "logon_user_ex3":
        arguments = (request, SurrogateLogon(0))
    try:
        answer = await Request[object](function, arguments, target)
    except SecurityError as raised:
        raise _refused_by_package(attempt, raised.status, raised.substatus, raised.reason) from None
    if isinstance(answer, LogonResult):
        attempt.proven = True
        attempt.logon_id = _own_pending(authority, answer.logon_id, target.package_id)
        attempt.claimed["account_name"] = answer.account_name
        attempt.claimed["authenticating_authority"] = answer.authenticating_authority
        if function in _WITH_MACHINE_NAME:
            attempt.claimed["machine_name"] = answer.machine_name
        return answer
    if isinstance(answer, LogonRefused) and answer.status.is_error:
        attempt.account_name = answer.account_name or request.username
        raise _refused_by_package(attempt, answer.status, answer.substatus, answer.reason)
    raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="logon_result_invalid")


def _refused_by_package(attempt: _Attempt, status: Status, substatus: Status, reason: str) -> SecurityError:
    attempt.claimed["reason"] = reason
    return SecurityError(status, substatus=substatus, reason="refused_by_package")


def _own_pending(authority: LocalSecurityAuthority, logon_id: int, package_id: int) -> int:
    if authority.sessions.own(logon_id, package_id).state != "created":
        raise SecurityError(Status.STATUS_BAD_LOGON_SESSION_STATE, reason="session_is_live")
    return logon_id


def _grant(
    authority: LocalSecurityAuthority,
    connection: Connection,
    target: PackageTarget,
    request: LogonRequest,
    result: LogonResult,
    attempt: _Attempt,
) -> tuple[LogonSession, Principal, tokens.AccessToken, int]:
    session = authority.sessions.get(result.logon_id)
    source = authority.packages.at_work(target.package_id).name
    information = result.token_information
    principal = by_sid(authority, information, result.account_name, result.authenticating_authority)
    attempt.account_name = principal.name
    origin = origin_of(connection.caller, request.origin_name)
    admit(authority, principal, origin, request.workstation)
    require_supplementals(result.supplemental_credentials)
    if len(result.profile) > MAX_PROFILE:
        raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="profile_too_large")
    token = tokens.build(
        principal,
        authority.policy,
        logon_id=session.logon_id,
        logon_type=request.logon_type,
        level=ImpersonationLevel.IMPERSONATION,
        source=source,
        expiration=information.expiration,
    )
    authority.tokens.require_handle(connection)
    authority.store.record_success(principal.lockout_name, origin)
    authority.audit.append(
        "logon",
        caller=connection.caller,
        package=source,
        facts={
            **attempt.facts,
            "account_name": principal.name,
            "domain": principal.domain,
            "sid": principal.sid,
            "logon_id": session.logon_id,
        },
        claimed=attempt.claimed,
    )
    authority.establish(session, principal, token, result.authenticating_authority)
    return session, principal, token, authority.tokens.open(connection, token)


def _refuse(
    authority: LocalSecurityAuthority,
    connection: Connection,
    request: LogonRequest,
    attempt: _Attempt,
    refused: SecurityError,
) -> SecurityError:
    """Count and record the refusal; what the caller may know of it."""
    try:
        _record_refusal(authority, connection, request, attempt, refused)
    except SecurityError as unrecorded:
        return SecurityError(unrecorded.status)
    if refused.status in WRONG_PROOF:
        return SecurityError(Status.STATUS_LOGON_FAILURE)
    return SecurityError(refused.status, substatus=refused.substatus)


def _record_refusal(
    authority: LocalSecurityAuthority,
    connection: Connection,
    request: LogonRequest,
    attempt: _Attempt,
    refused: SecurityError,
) -> None:
    try:
        # A right proof during a delay is not a wrong one; a wrong one during a delay is counted.
        if refused.status in WRONG_PROOF and not attempt.proven:
            name = counted_name(authority.store, attempt.account_name or request.username)
            origin = origin_of(connection.caller, request.origin_name)
            authority.store.record_failure(name, origin, authority.clock())
    finally:
        authority.audit.append(
            "logon",
            status=refused.status,
            caller=connection.caller,
            package="" if attempt.entry is None else attempt.entry.name,
            facts={**attempt.facts, "substatus": refused.substatus.native, "reason": refused.reason},
            claimed={**attempt.claimed, "account_name": attempt.account_name},
        )


def _primary(
    given: PrimaryCredential | None, session: LogonSession, principal: Principal, outbound: bool
) -> PrimaryCredential:
    """The package's SECPKG_PRIMARY_CRED with the authority's word for who it is (R60); secrets only where the session
    carries credentials at all (lock 3).
    """
    bare = PrimaryCredential(
        session.logon_id,
        principal.name,
        principal.domain,
        principal.sid,
        upn=principal.upn,
        logon_server=session.logon_server,
    )
    if given is None or not outbound:
        return bare
    return msgspec.structs.replace(
        bare,
        password=given.password,
        old_password=given.old_password,
        # LUID 0 and UPDATE mean that the account's password was set: not what a logon may say.
        flags=PrimaryCredentialFlag(given.flags & ~PrimaryCredentialFlag.UPDATE),
        dns_domain_name=given.dns_domain_name,
    )
