"""Access tokens outside a logon call: what a package makes when a context is accepted (R102).

The steps are those of a logon after its proof: delay, restrictions, token, audit record, and then the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

import msgspec

from secpkg.authority import tokens
from secpkg.authority.audit import Fact
from secpkg.authority.fanout import accept_credentials, primary_of
from secpkg.authority.functions.table import lsa_function
from secpkg.authority.principals import Principal, admit, by_sid, origin_of
from secpkg.authority.sessions import FIRST_FREE_LUID, LogonSession
from secpkg.authority.subauthentication import run_filter
from secpkg.contract.flags import ImpersonationLevel, LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData, ConvertedToken, PrimaryCredential, TokenInformation, TokenReference

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin

R = TypeVar("R")


def _grant(
    authority: LocalSecurityAuthority,
    origin: Origin,
    information: TokenInformation,
    logon_id: int | None,
    logon_type: LogonType,
    level: ImpersonationLevel,
    claimed: dict[str, Fact],
) -> tuple[LogonSession, Principal, TokenReference]:
    """Admit the principal and make the reference; ``logon_id`` None makes the session too. Recorded either way."""
    package = authority.packages.at_work(origin.package_id).name
    facts: dict[str, Fact] = {"logon_type": int(logon_type)}
    try:
        connection = origin.client()
        tokens.require_logon_type(logon_type)
        authority.tokens.require_reference(connection)
        session = None if logon_id is None else authority.sessions.own(logon_id, origin.package_id)
        name, domain = str(claimed["account_name"] or ""), str(claimed["authenticating_authority"] or "")
        principal = by_sid(authority, information, name, domain)
        if session is not None and session.state == "live" and session.sid != principal.sid:
            raise SecurityError(Status.STATUS_BAD_LOGON_SESSION_STATE, reason="session_of_another_user")
        origin_name = origin_of(origin.call, "")
        admit(authority, principal, origin_name, str(claimed["workstation"] or ""))
        luid = _new_luid(authority) if logon_id is None else logon_id
        token = tokens.build(
            principal,
            authority.policy,
            logon_id=luid,
            logon_type=logon_type,
            level=level,
            source=package,
            expiration=information.expiration,
        )
        if session is None:
            session = authority.sessions.create(luid, origin.package_id, authority.clock(), connection.number)
        facts |= {"account_name": principal.name, "domain": principal.domain, "sid": principal.sid, "logon_id": luid}
        return session, principal, _release(authority, origin, connection, session, principal, token, facts, claimed)
    except SecurityError as refused:
        _record_refusal(authority, origin, package, refused, facts, claimed)
        raise


def _admit(
    authority: LocalSecurityAuthority,
    origin: Origin,
    information: TokenInformation,
    logon_type: LogonType,
    claimed: dict[str, Fact],
) -> str:
    """The name of the account, where it may log on; recorded either way. No session and no token come of it."""
    package = authority.packages.at_work(origin.package_id).name
    facts: dict[str, Fact] = {"logon_type": int(logon_type)}
    try:
        tokens.require_logon_type(logon_type)
        principal = by_sid(authority, information)
        if principal.account is None:
            raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="not_an_account")
        where = origin_of(origin.call, "")
        admit(authority, principal, where, str(claimed["workstation"] or ""))
        authority.store.record_success(principal.lockout_name, where)
    except SecurityError as refused:
        _record_refusal(authority, origin, package, refused, facts, claimed)
        raise
    facts |= {"account_name": principal.name, "domain": principal.domain, "sid": principal.sid}
    authority.audit.append("logon", caller=origin.call, package=package, facts=facts, claimed=claimed)
    return principal.name


def _record_refusal(
    authority: LocalSecurityAuthority,
    origin: Origin,
    package: str,
    refused: SecurityError,
    facts: dict[str, Fact],
    claimed: dict[str, Fact],
) -> None:
    authority.audit.append(
        "logon",
        status=refused.status,
        caller=origin.call,
        package=package,
        facts={**facts, "substatus": refused.substatus.native, "reason": refused.reason},
        claimed=claimed,
    )


async def _filtered(
    authority: LocalSecurityAuthority,
    origin: Origin,
    information: TokenInformation,
    logon_type: LogonType,
    claimed: dict[str, Fact],
    grant: Callable[[TokenInformation], R],
) -> R:
    """``grant`` with what the subauthentication filter leaves of a logon that would be admitted (R264)."""
    package = authority.packages.at_work(origin.package_id).name
    try:
        tokens.require_logon_type(logon_type)
        name, domain = str(claimed["account_name"] or ""), str(claimed["authenticating_authority"] or "")
        workstation = str(claimed["workstation"] or "")
        principal = by_sid(authority, information, name, domain)
        admit(authority, principal, origin_of(origin.call, ""), workstation)
        end = await run_filter(authority, origin.call, origin.connection, principal, logon_type, workstation)
    except SecurityError as refused:
        _record_refusal(authority, origin, package, refused, {"logon_type": int(logon_type)}, claimed)
        raise
    return grant(msgspec.structs.replace(information, expiration=min(information.expiration, end)))


def _is_filtered(authority: LocalSecurityAuthority, origin: Origin) -> bool:
    host = authority.subauthentication
    return bool(host.numbers) and host.filters(authority.packages.entry(origin.package_id).name)


def _release(
    authority: LocalSecurityAuthority,
    origin: Origin,
    connection: Connection,
    session: LogonSession,
    principal: Principal,
    token: tokens.AccessToken,
    facts: dict[str, Fact],
    claimed: dict[str, Fact],
) -> TokenReference:
    fresh = session.state == "created"
    try:
        authority.store.record_success(principal.lockout_name, origin_of(origin.call, ""))
        authority.audit.append("logon", caller=origin.call, package=token.source, facts=facts, claimed=claimed)
    except SecurityError:
        authority.sessions.discard(session.logon_id)
        raise
    if fresh:
        authority.establish(session, principal, token, str(claimed["authenticating_authority"] or ""))
    try:
        return authority.tokens.refer(connection, token, origin.package_id)
    except BaseException:
        authority.tokens.retain(token).release()  # a session to which no reference could be made ends here
        raise


def _new_luid(authority: LocalSecurityAuthority) -> int:
    return int.from_bytes(authority.entropy(8), "little") >> 2 | FIRST_FREE_LUID


def _claims(account_name: str, authority_name: str, workstation: str) -> dict[str, Fact]:
    return {"account_name": account_name, "authenticating_authority": authority_name, "workstation": workstation}


@lsa_function("convert_auth_data_to_token")
def convert_auth_data_to_token(
    authority: LocalSecurityAuthority,
    origin: Origin,
    auth_data: AuthData,
    impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
    logon_type: LogonType = LogonType.NETWORK,
    authority_name: str = "",
    workstation: str = "",
) -> ConvertedToken | Coroutine[object, object, ConvertedToken]:
    """ConvertAuthDataToToken (R105): nothing in ``auth_data`` but the SID is looked at, and the expiration; of a user
    without account here, the groups too. It waits where there is a subauthentication filter to be asked. In a
    pass-through call of another authority nobody here can hold a token: the account is admitted and recorded, and the
    reference names nothing.
    """
    given = auth_data.token_information
    information = TokenInformation(auth_data.user_sid, given.groups, expiration=given.expiration)
    claimed = _claims(auth_data.account_name, authority_name, workstation)

    def converted(information: TokenInformation) -> ConvertedToken:
        if origin.is_elsewhere:
            return ConvertedToken(TokenReference(b""), 0, _admit(authority, origin, information, logon_type, claimed))
        session, principal, reference = _grant(
            authority, origin, information, None, logon_type, impersonation_level, claimed
        )
        return ConvertedToken(reference, session.logon_id, principal.name)

    if _is_filtered(authority, origin):
        return _filtered(authority, origin, information, logon_type, claimed, converted)
    return converted(information)


@lsa_function("create_token")
def create_token(
    authority: LocalSecurityAuthority,
    origin: Origin,
    logon_id: int,
    token_information: TokenInformation,
    logon_type: LogonType = LogonType.NETWORK,
    impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
    account_name: str = "",
    authority_name: str = "",
    workstation: str = "",
) -> TokenReference | Coroutine[object, object, TokenReference]:
    """CreateToken (R102, R103) in a session of this package's own; a live one takes tokens of its user only. It waits
    where there is a subauthentication filter to be asked.
    """
    claimed = _claims(account_name, authority_name, workstation)

    def created(information: TokenInformation) -> TokenReference:
        return _grant(authority, origin, information, logon_id, logon_type, impersonation_level, claimed)[2]

    if _is_filtered(authority, origin):
        return _filtered(authority, origin, token_information, logon_type, claimed, created)
    return created(token_information)


@lsa_function("create_token_ex")
async def create_token_ex(
    authority: LocalSecurityAuthority,
    origin: Origin,
    logon_id: int,
    token_information: TokenInformation,
    session_information: PrimaryCredential,
    logon_type: LogonType = LogonType.NETWORK,
    impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
    workstation: str = "",
) -> TokenReference:
    """CreateTokenEx (R102): as CreateToken, and every package hears of the session's credentials as after a logon
    (R69); of a session that carries none they hear no secret (lock 3).
    """
    claimed = _claims(session_information.downlevel_name, session_information.domain_name, workstation)

    def created(information: TokenInformation) -> tuple[LogonSession, Principal, TokenReference]:
        return _grant(authority, origin, information, logon_id, logon_type, impersonation_level, claimed)

    if _is_filtered(authority, origin):
        made = await _filtered(authority, origin, token_information, logon_type, claimed, created)
    else:
        made = created(token_information)
    session, principal, reference = made
    assert session.token is not None  # live, since there is a reference
    primary = primary_of(session_information, session, principal, session.token)
    await accept_credentials(authority, session, logon_type, primary, (), origin.call, origin.connection)
    return reference


@lsa_function("open_token_by_logon_id")
def open_token_by_logon_id(authority: LocalSecurityAuthority, origin: Origin, logon_id: int) -> TokenReference:
    """OpenTokenByLogonId: of the session whose access token the caller presented, and of no other (lock 3)."""
    connection = origin.client()
    session = authority.sessions.get(logon_id)
    if origin.call.logon_id != logon_id or session.token is None:
        raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="not_the_callers_session")
    return authority.tokens.refer(connection, session.token, origin.package_id)


@lsa_function("duplicate_handle", "duplicate_token_handle")
def duplicate_handle(authority: LocalSecurityAuthority, origin: Origin, source: TokenReference) -> TokenReference:
    """DuplicateHandle (R106), DuplicateTokenHandle: a second reference for the same client."""
    return authority.tokens.duplicate_reference(origin.client(), source, origin.package_id)
