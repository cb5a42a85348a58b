"""Telling every package: SpAcceptCredentials after a logon or an update, LsaApLogonTerminated at the end of a session.

Each package is told in turn; one that fails is recorded and the others are told all the same (spec/README 6, R93).
A clear password reaches only the modules to which the operator granted it, and nobody gets another package's
supplemental credentials (lock 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.authority.directory import PackageEntry
from secpkg.authority.principals import is_protected
from secpkg.authority.sessions import LogonSession
from secpkg.authority.targets import PackageTarget
from secpkg.contract.flags import LogonType, PrimaryCredentialFlag
from secpkg.contract.implements import implements
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo, PrimaryCredential, SupplementalCredential

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.principals import Principal
    from secpkg.authority.tokens import AccessToken

MAX_SUPPLEMENTAL: Final = 64 * 1024
"""Bytes addressed to one package."""
MAX_SUPPLEMENTALS: Final = 64
_SECRET_FLAGS: Final = PrimaryCredentialFlag.CLEAR_PASSWORD | PrimaryCredentialFlag.OWF_PASSWORD


def require_supplementals(supplemental: Sequence[SupplementalCredential]) -> None:
    """STATUS_INVALID_PARAMETER (``supplemental_credentials_too_large``) beyond the limits."""
    if len(supplemental) > MAX_SUPPLEMENTALS or any(len(s.credentials) > MAX_SUPPLEMENTAL for s in supplemental):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="supplemental_credentials_too_large")


def visible_to(entry: PackageEntry, primary: PrimaryCredential) -> PrimaryCredential:
    """What this package may see of the primary credentials (lock 4); the flags say what is left in them (R73)."""
    if entry.primary_credentials:
        return primary
    return msgspec.structs.replace(
        primary, password=None, old_password=None, flags=PrimaryCredentialFlag(primary.flags & ~_SECRET_FLAGS)
    )


def primary_of(
    given: PrimaryCredential | None, session: LogonSession, principal: Principal, token: AccessToken
) -> PrimaryCredential:
    """What a package says of a session's credentials (SECPKG_PRIMARY_CRED), with the authority's word for who it is
    (R60); secrets only where the session carries credentials at all (lock 3).
    """
    bare = PrimaryCredential(
        session.logon_id,
        principal.name,
        principal.domain,
        principal.sid,
        upn=principal.upn,
        logon_server=session.logon_server,
    )
    if is_protected(principal.sid, principal.groups):
        bare = msgspec.structs.replace(bare, flags=PrimaryCredentialFlag.PROTECTED_USER)
    if given is None or not token.outbound:
        return bare
    if token.logon_type == LogonType.NEW_CREDENTIALS:  # who it is elsewhere is not who it is here
        bare = msgspec.structs.replace(
            bare, downlevel_name=given.downlevel_name, domain_name=given.domain_name, upn=given.upn
        )
    return msgspec.structs.replace(
        bare,
        password=given.password,
        old_password=given.old_password,
        # LUID 0 and UPDATE mean that the account's password was set: not what a logon may say.
        flags=PrimaryCredentialFlag(bare.flags | given.flags & ~PrimaryCredentialFlag.UPDATE),
        dns_domain_name=given.dns_domain_name,
    )


@implements("lsa_mode", "SpAcceptCredentials")
async def accept_credentials(
    authority: LocalSecurityAuthority,
    session: LogonSession,
    logon_type: LogonType,
    primary: PrimaryCredential,
    supplemental: Sequence[SupplementalCredential],
    caller: ClientInfo,
    connection: Connection | None = None,
) -> None:
    """SpAcceptCredentials in every package, once each (R69-R72). The session is held meanwhile, so that its end is
    told after its beginning.
    """
    authority.sessions.acquire(session.logon_id)
    try:
        for entry in authority.packages.having("accept_credentials"):
            session.told.add(entry.package_id)
            own = next((s for s in supplemental if s.package_name.casefold() == entry.name.casefold()), None)
            arguments = (logon_type, primary.downlevel_name, visible_to(entry, primary), own)
            target = PackageTarget.of(entry.package_id, caller, connection)
            try:
                await Request[object]("accept_credentials", arguments, target)
            except SecurityError as failed:
                authority.record_quietly("accept_credentials", failed, entry.name, logon_id=session.logon_id)
            finally:
                authority.end_call(target.origin)
    finally:
        authority.sessions.release(session.logon_id)


@implements("authentication_package", "LsaApLogonTerminated")
async def logon_terminated(authority: LocalSecurityAuthority, session: LogonSession) -> None:
    """LsaApLogonTerminated in every package that was told of the session and has the function, once each (R93)."""
    for package_id in sorted(session.told):
        entry = authority.packages.entry(package_id)
        if entry.state not in ("loaded", "draining"):
            continue
        if "logon_terminated" not in entry.functions:
            continue
        target = PackageTarget.of(entry.package_id, authority.itself)
        try:
            request: Request[object] = Request("logon_terminated", (session.logon_id,), target)
            await request
        except SecurityError as failed:
            authority.record_quietly("logon_terminated", failed, entry.name, logon_id=session.logon_id)
        finally:
            authority.end_call(target.origin)
