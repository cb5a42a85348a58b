"""Other packages: calling one, and telling all of new credentials. These functions wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secpkg.authority import subauthentication
from secpkg.authority.calls import call_other_package, digest
from secpkg.authority.fanout import accept_credentials, require_supplementals
from secpkg.authority.functions.table import lsa_function
from secpkg.authority.passthrough import call_by_name
from secpkg.authority.passwords import change_password
from secpkg.authority.principals import is_protected
from secpkg.contract.flags import LogonType, PrimaryCredentialFlag
from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PrimaryCredential, ProtocolReply, SupplementalCredential

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin


@lsa_function("call_package")
async def call_package(
    authority: LocalSecurityAuthority, origin: Origin, authentication_package: str, submit_buffer: bytes
) -> ProtocolReply:
    """CallPackage (R88); under the name of `SUBAUTH_PACKAGE`, to the host of subauthentication (docs/adr/0015)."""
    if subauthentication.is_host(authentication_package):
        return await subauthentication.call_host(authority, origin, submit_buffer)
    return await call_other_package(authority, origin, "call_package", authentication_package, submit_buffer)


@lsa_function("call_package_ex")
async def call_package_ex(
    authority: LocalSecurityAuthority,
    origin: Origin,
    authentication_package: str,
    client_buffer_base: int,
    submit_buffer: bytes,
) -> ProtocolReply:
    """CallPackageEx (R88): the callee sees the same memory of the client. STATUS_INVALID_PARAMETER for a base that is
    no address of it.
    """
    if client_buffer_base and not (origin.scratch.memory and origin.scratch.memory.holds(client_buffer_base)):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="client_address_unknown")
    return await call_other_package(
        authority, origin, "call_package", authentication_package, submit_buffer, client_buffer_base
    )


@implements(
    "lsa_secpkg", "FreeReturnBuffer", "duty", "a buffer is Python's to release; that it is freed once is checked"
)
@lsa_function("free_return_buffer")
def free_return_buffer(authority: LocalSecurityAuthority, origin: Origin, buffer: bytes) -> None:
    """FreeReturnBuffer (R90), once for each reply of this call: STATUS_INVALID_PARAMETER for anything else."""
    if not origin.scratch.free(digest(buffer)):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="return_buffer_unknown")


@lsa_function("call_package_passthrough")
async def call_package_passthrough(
    authority: LocalSecurityAuthority,
    origin: Origin,
    authentication_package: str,
    client_buffer_base: int,
    submit_buffer: bytes,
) -> ProtocolReply:
    """CallPackagePassthrough (R89), of the package ``DOMAIN\\Package`` also at that domain's authority (docs/adr/0014).
    The base is passed on unseen, and an address that it does not name is the callee's to notice.
    """
    return await call_by_name(authority, origin, authentication_package, submit_buffer, client_buffer_base)


@lsa_function("update_credentials")
async def update_credentials(
    authority: LocalSecurityAuthority,
    origin: Origin,
    primary: PrimaryCredential,
    supplemental: tuple[SupplementalCredential, ...] = (),
) -> None:
    """UpdateCredentials (R72): of a live session that this package knows of; who it is stays the authority's word.

    A session that carries no outbound credentials takes none (lock 3): STATUS_BAD_LOGON_SESSION_STATE. LUID 0 is no
    session: with a clear password it is the account itself, which a package gives that password (docs/adr/0018).
    """
    if primary.logon_id == 0 and primary.flags & PrimaryCredentialFlag.CLEAR_PASSWORD:
        await change_password(authority, origin, primary)
        return
    session = authority.sessions.get(primary.logon_id)
    if session.state != "live" or origin.package_id not in session.told:
        raise SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION, reason="not_its_session")
    if not session.outbound:
        raise SecurityError(Status.STATUS_BAD_LOGON_SESSION_STATE, reason="session_not_outbound")
    require_supplementals(supplemental)
    if session.logon_type is not LogonType.NEW_CREDENTIALS:  # there, who it is elsewhere is not who it is here
        primary = msgspec.structs.replace(
            primary, downlevel_name=session.account_name, domain_name=session.domain, upn=session.upn
        )
    flags = PrimaryCredentialFlag(primary.flags | PrimaryCredentialFlag.UPDATE)
    if session.token is not None and is_protected(session.sid, session.token.information.groups):
        flags |= PrimaryCredentialFlag.PROTECTED_USER
    primary = msgspec.structs.replace(primary, user_sid=session.sid, logon_server=session.logon_server, flags=flags)
    authority.audit.append(
        "update_credentials",
        caller=origin.call,
        package=authority.packages.entry(origin.package_id).name,
        facts={"logon_id": session.logon_id, "account_name": session.account_name},
    )
    await accept_credentials(
        authority, session, session.logon_type, primary, supplemental, origin.call, origin.connection
    )
