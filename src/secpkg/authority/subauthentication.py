"""The host of subauthentication routines and filters (R262-R272; docs/adr/0015).

A routine decides a network logon in place of the password check. Packages reach it with CallPackage under the name
`SUBAUTH_PACKAGE`; what it decided goes back to the package that asked, which makes of it what its logon function
returns, so that nothing of a routine's word reaches a token without the authority's own restrictions.

The filter (number 0) is asked by the authority itself, after a package of the operator's list has accepted a logon and
its account has been admitted. It can refuse, or end the session earlier; what else it says of the logon counts for
nothing. A filter that is registered and cannot be reached refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.accounts.model import HOURS_A_WEEK, Account
from secpkg.authority.calls import MAX_DEPTH, MAX_RETURN_BUFFER, MAX_SUBMIT_BUFFER, digest
from secpkg.authority.directory import PackageEntry
from secpkg.authority.principals import Principal, auth_data
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.flags import LogonType
from secpkg.contract.implements import implements
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.subauthentication import (
    MAX_NUMBER,
    MAX_PARAMETERS,
    SUBAUTH_PACKAGE,
    InteractiveInfo,
    LogonIdentity,
    LogonInfoClass,
    LogonInformation,
    NetworkInfo,
    SubAuthFlag,
    SubAuthLogon,
    SubAuthRequest,
    SubAuthResult,
    SubAuthResultEx,
    UserAllField,
    UserAllInformation,
    ValidationInfo,
    answer,
    submitted,
)
from secpkg.contract.values import NEVER, ClientInfo, ProtocolReply

if TYPE_CHECKING:
    from secpkg.authority.audit import Fact
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority

FILTER: Final = 0
"""The number of the filter (Auth0)."""
NEVER_A_ROUTINE: Final = frozenset({"kerberos"})
FILTERED: Final = ("NTLM", "Kerberos")
"""Whose logons the filter sees, unless the operator says otherwise."""

_NETWORK: Final = frozenset({LogonType.NETWORK, LogonType.NETWORK_CLEARTEXT})
_ROUTINE: Final = "msv1_0_sub_authentication_routine"
_ROUTINE_EX: Final = "msv1_0_sub_authentication_routine_ex"
_GENERIC: Final = "msv1_0_sub_authentication_routine_generic"
_FILTER: Final = "msv1_0_sub_authentication_filter"
_SESSION_KEY: Final = (0, 16)


class Subauthentication(msgspec.Struct, frozen=True):
    """The operator's word: package names by number, and the packages whose logons are filtered."""

    numbers: Mapping[int, str] = {}
    filtered: tuple[str, ...] = FILTERED

    def filters(self, package: str) -> bool:
        """Whether there is a filter, and it sees this package's logons."""
        folded = package.casefold()
        return FILTER in self.numbers and any(name.casefold() == folded for name in self.filtered)


def is_host(name: str) -> bool:
    """Whether a package's name means the host of routines."""
    return name.casefold() == SUBAUTH_PACKAGE.casefold()


async def call_host(authority: LocalSecurityAuthority, origin: Origin, submit_buffer: bytes) -> ProtocolReply:
    """CallPackage to `SUBAUTH_PACKAGE`: ProtocolStatus is the routine's status (R77). What keeps a routine from being
    asked at all is raised: STATUS_INVALID_PARAMETER, and as `run_routine`.
    """
    if len(submit_buffer) > MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="submit_buffer_too_large")
    request = submitted(submit_buffer)
    if isinstance(request, SubAuthRequest):
        reply = ProtocolReply(await run_generic(authority, origin, request.number, request.submit_buffer))
    elif request.validation is None:
        outcome = await run_routine(authority, origin, request)
        reply = ProtocolReply(answer(outcome), outcome.status)
    else:
        extended = await run_routine_ex(authority, origin, request)
        reply = ProtocolReply(answer(extended), extended.status)
    origin.scratch.lend(digest(reply.data))
    return reply


@implements("subauth", "Msv1_0SubAuthenticationRoutine")
async def run_routine(authority: LocalSecurityAuthority, origin: Origin, logon: SubAuthLogon) -> SubAuthResult:
    """Msv1_0SubAuthenticationRoutine of the package with this number; what it decided, whatever the status.

    STATUS_INVALID_LOGON_TYPE for a logon that is not a network one (R262, R272), STATUS_PRIVILEGE_NOT_HELD over an
    untrusted connection (R67), STATUS_NOT_SUPPORTED for Kerberos (R262), STATUS_DLL_NOT_FOUND where no package is
    registered or in service, STATUS_ENTRYPOINT_NOT_FOUND, STATUS_NO_SUCH_USER where the account is not of here (R262).
    """
    entry, account = _require(authority, origin, logon, _ROUTINE)
    target = PackageTarget.of(entry.package_id, origin.call, origin.connection, origin.depth + 1)
    arguments = (logon.logon_level, logon.logon_information, logon.flags, user_all(authority, account))
    try:
        result = _checked(await Request[object](_ROUTINE, arguments, target))
    except SecurityError as raised:
        result = SubAuthResult(raised.status, reason=raised.reason)
    finally:
        authority.end_call(target.origin, discard_sessions=True)
    result = _write_back(authority, account, result)
    _record(authority, _ROUTINE, origin.call, entry, logon.number, account, result.status, result.authoritative, result)
    return result


@implements("subauth", "Msv1_0SubAuthenticationRoutineEx")
async def run_routine_ex(authority: LocalSecurityAuthority, origin: Origin, logon: SubAuthLogon) -> SubAuthResultEx:
    """Msv1_0SubAuthenticationRoutineEx: as `run_routine`; the routine has a handle of the account in its call."""
    entry, account = _require(authority, origin, logon, _ROUTINE_EX)
    target = PackageTarget.of(entry.package_id, origin.call, origin.connection, origin.depth + 1)
    scratch = target.origin.scratch
    scratch.last_sam_user = handle = 1
    scratch.sam_users[handle] = auth_data(authority.store, account.name, entry.name)
    everything = user_all(authority, account)
    arguments = (logon.logon_level, logon.logon_information, logon.flags, everything, handle, logon.validation)
    try:
        result = await Request[object](_ROUTINE_EX, arguments, target)
        if not isinstance(result, SubAuthResultEx) or not _sound(result):
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="result_invalid")
    except SecurityError as raised:
        result = SubAuthResultEx(raised.status, reason=raised.reason)
    finally:
        authority.end_call(target.origin, discard_sessions=True)
    authoritative = result.validation.authoritative
    _record(authority, _ROUTINE_EX, origin.call, entry, logon.number, account, result.status, authoritative, result)
    return result


@implements("subauth", "Msv1_0SubAuthenticationRoutineGeneric")
async def run_generic(authority: LocalSecurityAuthority, origin: Origin, number: int, submit_buffer: bytes) -> bytes:
    """Msv1_0SubAuthenticationRoutineGeneric. Who may ask is the word of the package that passes the request on (R75).

    STATUS_DLL_NOT_FOUND, STATUS_ENTRYPOINT_NOT_FOUND, STATUS_QUOTA_EXCEEDED for a reply that is too large.
    """
    _require_depth(origin)
    entry = _registered(authority, number, _GENERIC)
    target = PackageTarget.of(entry.package_id, origin.call, origin.connection, origin.depth + 1)
    try:
        data = await Request[object](_GENERIC, (submit_buffer,), target)
    finally:
        authority.end_call(target.origin, discard_sessions=True)
    if not isinstance(data, bytes):
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="reply_invalid")
    if len(data) > MAX_RETURN_BUFFER:
        raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="return_buffer_too_large")
    return data


@implements("subauth", "Msv1_0SubAuthenticationFilter")
async def run_filter(
    authority: LocalSecurityAuthority,
    caller: ClientInfo,
    connection: Connection | None,
    principal: Principal,
    logon_type: LogonType,
    workstation: str = "",
) -> float:
    """Msv1_0SubAuthenticationFilter over an accepted logon: when the session ends by its word, `NEVER` where it says
    nothing (the smaller of its times; 0 is none). Its refusal is raised (R264); a principal without an account here is
    filtered where its account is.
    """
    account = principal.account
    if account is None:
        return NEVER
    entry = _registered(authority, FILTER, _FILTER)
    target = PackageTarget.of(entry.package_id, caller, connection)
    target.origin.scratch.without_directory = True
    identity = LogonIdentity(account.name, workstation, principal.domain)
    level, information = _information(identity, logon_type)
    arguments = (level, information, SubAuthFlag(0), user_all(authority, account))
    try:
        result = _checked(await Request[object](_FILTER, arguments, target))
    except SecurityError as raised:
        result = SubAuthResult(raised.status, reason=raised.reason)
    finally:
        authority.end_call(target.origin, discard_sessions=True)
    result = _write_back(authority, account, result)
    _record(authority, _FILTER, caller, entry, FILTER, account, result.status, result.authoritative, result)
    if result.status.is_error:
        raise SecurityError(result.status, reason="refused_by_filter")
    return min(when or NEVER for when in (result.logoff_time, result.kickoff_time))


def _information(identity: LogonIdentity, logon_type: LogonType) -> tuple[LogonInfoClass, LogonInformation]:
    if logon_type in _NETWORK:
        return LogonInfoClass.NETWORK_INFORMATION, NetworkInfo(identity)
    return LogonInfoClass.INTERACTIVE_INFORMATION, InteractiveInfo(identity)


def user_all(authority: LocalSecurityAuthority, account: Account) -> UserAllInformation:
    """An account as a routine or filter sees it: USER_ALL_INFORMATION."""
    hours = account.logon_hours
    return UserAllInformation(
        account.name,
        str(account.sid),
        account.rid,
        account.full_name,
        account.workstations,
        authority.store.parameters(account.sid),
        NEVER if account.expires_at is None else account.expires_at,
        account.password_set_at,
        account.must_change,
        not account.enabled,
        account.locked,
        None if hours is None else hours.to_bytes(HOURS_A_WEEK // 8, "little"),
    )


def _require(
    authority: LocalSecurityAuthority, origin: Origin, logon: SubAuthLogon, function: str
) -> tuple[PackageEntry, Account]:
    _require_depth(origin)
    require_network(logon.logon_type)
    require_trusted(origin)
    require_not_kerberos(authority.packages.entry(origin.package_id).name)
    if logon.number == FILTER:
        raise SecurityError(Status.STATUS_DLL_NOT_FOUND, reason="number_of_the_filter")
    entry = _registered(authority, logon.number, function)
    account = authority.store.find(logon.logon_information.identity.user_name)
    if account is None:
        raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="no_such_user")
    return entry, account


def require_network(logon_type: LogonType) -> None:
    """STATUS_INVALID_LOGON_TYPE for an interactive logon, or any other that is not over the network (R262, R272)."""
    if logon_type not in _NETWORK:
        raise SecurityError(Status.STATUS_INVALID_LOGON_TYPE, reason="subauthentication_of_no_network_logon")


def require_trusted(origin: Origin) -> None:
    """STATUS_PRIVILEGE_NOT_HELD unless a logon process asks (R67)."""
    if origin.connection is None or not origin.connection.trusted:
        raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="trusted_connection_needed")


def require_not_kerberos(package: str) -> None:
    """STATUS_NOT_SUPPORTED: Kerberos never calls a routine (R262)."""
    if package.casefold() in NEVER_A_ROUTINE:
        raise SecurityError(Status.STATUS_NOT_SUPPORTED, reason="kerberos_has_no_routine")


def _require_depth(origin: Origin) -> None:
    if origin.depth >= MAX_DEPTH:
        raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="packages_call_in_circles")


def _registered(authority: LocalSecurityAuthority, number: int, function: str) -> PackageEntry:
    name = authority.subauthentication.numbers.get(number) if 0 <= number <= MAX_NUMBER else None
    if name is None:
        raise SecurityError(Status.STATUS_DLL_NOT_FOUND, reason="subauthentication_not_registered")
    try:
        entry = authority.packages.in_service(authority.packages.find(name).package_id)
    except SecurityError as missing:
        raise SecurityError(Status.STATUS_DLL_NOT_FOUND, reason=missing.reason) from None
    if function not in entry.functions:
        raise SecurityError(Status.STATUS_ENTRYPOINT_NOT_FOUND, reason="no_such_function")
    return entry


def _checked(result: object) -> SubAuthResult:
    if not isinstance(result, SubAuthResult) or not (
        isinstance(result.status, Status) and _times(result.logoff_time, result.kickoff_time)
    ):
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="result_invalid")
    if result.status.is_success and (
        result.which_fields not in (0, UserAllField.PARAMETERS) or not _is_text(result.parameters)
    ):
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="only_parameters_can_be_written")  # R266
    return result


def _is_text(parameters: object) -> bool:
    if not isinstance(parameters, str) or len(parameters) > MAX_PARAMETERS:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in parameters)


def _sound(result: SubAuthResultEx) -> bool:
    validation = result.validation
    return (
        isinstance(result.status, Status)
        and isinstance(validation, ValidationInfo)
        and len(validation.session_key) in _SESSION_KEY
        and _times(validation.logoff_time, validation.kickoff_time)
    )


def _times(*times: object) -> bool:
    return all(isinstance(when, int | float) and when >= 0 for when in times)  # R268; no number is not one


def _write_back(authority: LocalSecurityAuthority, account: Account, result: SubAuthResult) -> SubAuthResult:
    """Parameters, where the result says so, and only on success (R266); what cannot be kept is no success."""
    if result.status.is_error or not result.which_fields & UserAllField.PARAMETERS:
        return result
    try:
        authority.store.set_parameters(account.sid, result.parameters)
    except SecurityError as failed:
        return SubAuthResult(failed.status, reason=failed.reason)
    return result


def _record(
    authority: LocalSecurityAuthority,
    function: str,
    caller: ClientInfo,
    entry: PackageEntry,
    number: int,
    account: Account,
    status: Status,
    authoritative: bool,
    result: SubAuthResult | SubAuthResultEx,
) -> None:
    """On the record before anyone acts on it (lock 10)."""
    facts: dict[str, Fact] = {
        "function": function,
        "number": number,
        "account_name": account.name,
        "sid": str(account.sid),
        "authoritative": authoritative,
    }
    claimed: dict[str, Fact] = {"reason": result.reason}
    authority.audit.append(
        "subauthentication", status=status, caller=caller, package=entry.name, facts=facts, claimed=claimed
    )
