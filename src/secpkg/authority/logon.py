"""LsaLogonUser: the package proves who it is, the authority decides what that is worth.

The order is the lock: the package's proof, the delay after failures, the account's restrictions, the token, the audit
record, and only then anything that another could see (locks 9 and 10). Between the package's answer and the new handle
nothing waits but a subauthentication filter, and a failure at any point has one thing to undo: the session that the
package created (R45, R51).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.authority.directory import PackageEntry
from secpkg.authority.fanout import accept_credentials, primary_of
from secpkg.authority.logon_grant import MAX_PROFILE, Granted, filtered, grant, quotas_of, wishes
from secpkg.authority.principals import counted_name, origin_of
from secpkg.authority.surrogates import Surrogates, post_logon_user
from secpkg.authority.targets import ModuleFailed, PackageTarget
from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.ap import SurrogateLogon
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRefused, LogonRequest, LogonResult, QuotaLimits

if TYPE_CHECKING:
    from secpkg.authority.audit import Fact
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority

MAX_NAME: Final = 1024
"""Characters of a user, domain, workstation or origin name."""
MAX_PASSWORD: Final = 4096
"""Characters."""
MAX_AUTHENTICATION_INFORMATION: Final = 64 * 1024

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
    """What LsaLogonUser returns. The profile is the caller's own copy, ``token`` is its to close and ``buffer`` its to
    free (`ConnectionTable.free`).
    """

    logon_id: int
    token: int
    profile: bytes
    account_name: str
    quotas: QuotaLimits | None = None
    """Only with a primary token (R65)."""
    buffer: int = 0


class _Attempt(msgspec.Struct, eq=False):
    """What is known so far, for the audit record."""

    entry: PackageEntry | None = None
    function: str = ""
    account_name: str = ""
    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    claimed: dict[str, Fact] = msgspec.field(default_factory=dict)
    logon_id: int | None = None
    asked: bool = False
    """The logon package was reached: what it refuses is a wrong proof, what others refuse is not."""
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
    authority: LocalSecurityAuthority, connection: Connection, package_id: int, request: LogonRequest, token: int = 0
) -> Logon:
    """LsaLogonUser (ntsecapi/nf-ntsecapi-lsalogonuser). The error that is raised has a status and a substatus; the
    reason is in the audit record only (R54). STATUS_NO_SUCH_PACKAGE (R68), STATUS_NOT_IMPLEMENTED, and those of
    `logon_grant.wishes`; ``token`` is a handle of the caller's own access token, for new credentials.
    """
    require_sizes(request)
    attempt = _Attempt(claimed={"workstation": request.workstation, "origin_name": request.origin_name})
    attempt.account_name = request.username
    attempt.facts["logon_type"] = int(request.logon_type)
    surrogates = Surrogates(authority, connection, request)
    outcome = await _decide(authority, connection, package_id, request, token, attempt, surrogates)
    if isinstance(outcome, SecurityError):
        await surrogates.after(LogonRefused(outcome.status, attempt.account_name, outcome.substatus))
        raise outcome
    granted, result = outcome
    session = granted.session
    authority.sessions.acquire(session.logon_id)
    try:
        await surrogates.after(result)
        await _hand_on(authority, connection, request, attempt, granted, result)
        await post_logon_user(authority, connection, session)
    finally:
        authority.sessions.release(session.logon_id)
    quotas = quotas_of(authority, granted.token)
    name = granted.principal.name
    return Logon(session.logon_id, granted.handle, bytes(result.profile), name, quotas, granted.buffer)


async def _decide(
    authority: LocalSecurityAuthority,
    connection: Connection,
    package_id: int,
    request: LogonRequest,
    token: int,
    attempt: _Attempt,
    surrogates: Surrogates,
) -> tuple[Granted, LogonResult] | SecurityError:
    """The logon as it stands, or what its caller is told; either way it is on the record, and nothing is left over."""
    target: PackageTarget | None = None
    try:
        attempt.entry = entry = authority.packages.in_service(package_id)
        wanted = wishes(authority, connection, request, token)
        function = next((name for name in NEWEST_FIRST if name in entry.functions), None)
        if function is None:
            raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="no_logon_function")
        attempt.function = function
        # LocalGroups and SourceContext are between the caller and the authority.
        request = msgspec.structs.replace(request, local_groups=(), token_source=None)
        try:
            await surrogates.before()
        except SecurityError as raised:
            attempt.claimed["reason"] = raised.reason
            raise SecurityError(raised.status, substatus=raised.substatus, reason="refused_by_surrogate") from None
        target = PackageTarget.of_request(authority, package_id, connection, request.authentication_information)
        attempt.asked = True
        result = await _ask_package(authority, target, request, attempt, surrogates.shared)
        if result.client_buffer:  # R50
            profile = target.origin.returned(result.profile, result.client_buffer, MAX_PROFILE)
            result = msgspec.structs.replace(result, profile=profile, client_buffer=0)
        package = authority.packages.at_work(package_id).name
        if authority.subauthentication.filters(package):
            result = await filtered(authority, connection, request, result)
        granted = grant(authority, connection, package, request, wanted, result, attempt.facts, attempt.claimed)
        attempt.account_name = granted.principal.name
        return granted, result
    except SecurityError as refused:
        return _refuse(authority, connection, request, attempt, refused)
    finally:
        if attempt.logon_id is not None:
            authority.sessions.discard(attempt.logon_id)
        if target is not None:
            authority.end_call(target.origin, discard_sessions=True)


async def _hand_on(
    authority: LocalSecurityAuthority,
    connection: Connection,
    request: LogonRequest,
    attempt: _Attempt,
    granted: Granted,
    result: LogonResult,
) -> None:
    """The credentials of the session to every package (R60, R69)."""
    session, outbound = granted.session, granted.token.outbound
    with_credentials = attempt.function in _WITH_CREDENTIALS
    given = result.primary_credentials if with_credentials else None
    primary = primary_of(given, session, granted.principal, granted.token)
    supplemental = result.supplemental_credentials if with_credentials and outbound else ()
    await accept_credentials(
        authority, session, request.logon_type, primary, supplemental, connection.caller, connection
    )


@implements("authentication_package", "LsaApLogonUser")
@implements("authentication_package", "LsaApLogonUserEx")
@implements("authentication_package", "LsaApLogonUserEx2")
@implements("lsa_mode", "LsaApLogonUserEx3")
async def _ask_package(
    authority: LocalSecurityAuthority,
    target: PackageTarget,
    request: LogonRequest,
    attempt: _Attempt,
    shared: SurrogateLogon,
) -> LogonResult:
    function = attempt.function
    arguments: tuple[object, ...] = (request, shared) if function == "logon_user_ex3" else (request,)
    try:
        answer = await Request[object](function, arguments, target)
    except ModuleFailed:
        raise
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
    reason = refused.reason if isinstance(refused, ModuleFailed) else ""
    return SecurityError(refused.status, substatus=refused.substatus, reason=reason)


def _record_refusal(
    authority: LocalSecurityAuthority,
    connection: Connection,
    request: LogonRequest,
    attempt: _Attempt,
    refused: SecurityError,
) -> None:
    try:
        # A right proof during a delay is not a wrong one; a wrong one during a delay is counted.
        if refused.status in WRONG_PROOF and attempt.asked and not attempt.proven:
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
