"""Pass-through to the authority of another domain, and from it.

LsaApCallPackagePassthrough of a package is reached from the same machine by CallPackagePassthrough, and from another
one as ``DOMAIN\\Package`` (docs/adr/0014). How the request gets there is the composer's: the authority awaits a
`Request` whose target is a `DomainTarget`, as it awaits a package.

Each side records the call before its outcome is released (lock 10). What one authority says of the user who asked is a
claim to the other; what is certain is the name in the certificate with which it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from secpkg.authority.calls import MAX_DEPTH, MAX_RETURN_BUFFER, MAX_SUBMIT_BUFFER, call_other_package, digest
from secpkg.authority.targets import NO_UID, Origin
from secpkg.contract.requests import Request, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo, ProtocolReply, Value

if TYPE_CHECKING:
    from secpkg.accounts.sid import Sid
    from secpkg.authority.audit import Fact
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority

MAX_DOMAIN_NAME: Final = 255
"""Characters."""

_FUNCTION: Final = "call_package_passthrough"


class AskedBy(Value, frozen=True):
    """Who asked, as the asking authority knows it; for the asked one it is a claim, and goes to the audit record."""

    uid: int = NO_UID
    logon_process: str = ""
    """Of a trusted connection: the name with which it registered (R83)."""
    package: str = ""
    """The package that called CallPackagePassthrough, when it was one."""
    account_name: str = ""
    """Of the logon session whose access token the client presented, when it did."""


class PassthroughCall(Value, frozen=True):
    """One pass-through request on its way. ``depth`` counts the packages and authorities that called one another."""

    _secrets = ("submit_buffer",)

    domain: str
    package: str
    submit_buffer: bytes
    asked_by: AskedBy = AskedBy()
    depth: int = 0


class DomainTarget(msgspec.Struct, frozen=True):
    """``Request.target`` of a call that another domain's authority answers."""

    domain: str


class Passthrough(Protocol):
    """The way to other authorities, of whoever composes this one."""

    @property
    def domains(self) -> Sequence[str]:
        """The domains that can be reached, as they are configured."""
        ...

    @property
    def sids(self) -> Mapping[str, Sid | None]:
        """Those domains in small letters, and the SID of each; None where nobody has said it."""
        ...

    def call(self, call: PassthroughCall, resume: Resume) -> object:
        """A `ProtocolReply`, or PARKED. STATUS_NO_LOGON_SERVERS when the authority cannot be reached in time,
        STATUS_TRUSTED_RELATIONSHIP_FAILURE when one of the two does not accept the other's certificate.
        """
        ...


def split(name: str) -> tuple[str, str]:
    """``DOMAIN\\Package`` as its two parts; the domain is empty where none is named."""
    domain, backslash, package = name.rpartition("\\")
    return (domain, package) if backslash else ("", name)


def is_own(authority: LocalSecurityAuthority, domain: str) -> bool:
    """Whether a domain's name means this authority."""
    return domain.casefold() in ("", ".", authority.store.domain_name.casefold())


async def call_by_name(
    authority: LocalSecurityAuthority, origin: Origin, name: str, submit_buffer: bytes, client_buffer_base: int = 0
) -> ProtocolReply:
    """CallPackagePassthrough of a package: to the package of this machine (R89), or of another domain's authority,
    where no address of this client means anything.

    STATUS_NO_SUCH_PACKAGE, STATUS_NO_SUCH_DOMAIN, and what `Passthrough.call` raises.
    """
    domain, package = split(name)
    if is_own(authority, domain):
        return await call_other_package(authority, origin, _FUNCTION, package, submit_buffer, client_buffer_base)
    asked_by = _asked_by(authority, origin.call, origin.connection, authority.packages.entry(origin.package_id).name)
    call = PassthroughCall(domain, package, submit_buffer, asked_by, origin.depth + 1)
    reply = await _call_out(authority, call, origin.call)
    origin.scratch.lend(digest(reply.data))
    return reply


async def call_for_application(
    authority: LocalSecurityAuthority, connection: Connection, domain: str, package: str | int, submit_buffer: bytes
) -> ProtocolReply:
    """LsaCallAuthenticationPackage with the name of a domain: trusted connections only. A package's number is that of
    one of the same name here. The buffers are charged to the caller meanwhile.

    STATUS_PRIVILEGE_NOT_HELD, and as `call_by_name`.
    """
    if not connection.trusted:
        raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="trusted_connection_needed")
    name = authority.packages.in_service(package).name if isinstance(package, int) else package
    _require(domain, name, submit_buffer)
    amount = len(submit_buffer) + MAX_RETURN_BUFFER
    authority.connections.charge(connection, amount)
    try:
        if is_own(authority, domain):
            # The application itself is the caller: no package stands in between.
            origin = Origin(0, connection, connection.caller)
            return await call_other_package(authority, origin, _FUNCTION, name, submit_buffer)
        asked_by = _asked_by(authority, connection.caller, connection)
        call = PassthroughCall(domain, name, submit_buffer, asked_by, 1)
        return await _call_out(authority, call, connection.caller)
    finally:
        authority.connections.refund(connection, amount)


async def _call_out(authority: LocalSecurityAuthority, call: PassthroughCall, caller: ClientInfo) -> ProtocolReply:
    _require(call.domain, call.package, call.submit_buffer)
    try:
        if call.depth >= MAX_DEPTH:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="packages_call_in_circles")
        known = {domain.casefold() for domain in authority.passthrough.domains} if authority.passthrough else ()
        if call.domain.casefold() not in known:
            raise SecurityError(Status.STATUS_NO_SUCH_DOMAIN, reason="domain_not_configured")
        reply = await Request[object](_FUNCTION, (call,), DomainTarget(call.domain))
        if not isinstance(reply, ProtocolReply) or len(reply.data) > MAX_RETURN_BUFFER:
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="reply_invalid")
    except SecurityError as failed:
        _record(authority, "passthrough_call", call, caller, failed)
        raise SecurityError(failed.status, substatus=failed.substatus, reason=failed.reason) from None
    _record(authority, "passthrough_call", call, caller, None)
    return reply


async def serve(authority: LocalSecurityAuthority, peer: str, call: PassthroughCall) -> ProtocolReply:
    """A call of another authority: ``peer`` is the domain that its certificate names in our configuration.

    It reaches LsaApCallPackagePassthrough and nothing else, on behalf of nobody here. The peer learns the status; the
    reason stays in this side's record.
    """
    caller = ClientInfo(0, NO_UID, NO_UID)
    try:
        _require(call.domain, call.package, call.submit_buffer)
        if call.domain.casefold() != authority.store.domain_name.casefold():
            raise SecurityError(Status.STATUS_NO_SUCH_DOMAIN, reason="asked_for_another_domain")
        origin = Origin(0, None, caller, depth=max(1, call.depth))
        reply = await call_other_package(authority, origin, _FUNCTION, call.package, call.submit_buffer)
    except SecurityError as failed:
        _record(authority, "passthrough_served", call, None, failed, peer)
        raise SecurityError(failed.status, substatus=failed.substatus) from None
    _record(authority, "passthrough_served", call, None, None, peer)
    return reply


def _asked_by(
    authority: LocalSecurityAuthority, caller: ClientInfo, connection: Connection | None, package: str = ""
) -> AskedBy:
    name = connection.logon_process_name if connection is not None else None
    account = next((s.account_name for s in authority.sessions.live() if s.logon_id == caller.logon_id), "")
    return AskedBy(caller.uid, name or "", package, account)


def _require(domain: str, package: str, submit_buffer: bytes) -> None:
    if len(domain) > MAX_DOMAIN_NAME or not domain.isprintable() or not package or not package.isprintable():
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="name_invalid")
    if len(package.encode("utf-8", "replace")) > 127:  # R87
        raise SecurityError(Status.STATUS_NAME_TOO_LONG, reason="package_name_too_long")
    if len(submit_buffer) > MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="submit_buffer_too_large")


def _record(
    authority: LocalSecurityAuthority,
    event: str,
    call: PassthroughCall,
    caller: ClientInfo | None,
    failed: SecurityError | None,
    peer: str = "",
) -> None:
    """On the record before the outcome is released; `AuditBroken` withholds it (lock 10)."""
    asked = call.asked_by
    who: dict[str, Fact] = {
        "uid": asked.uid,
        "logon_process": asked.logon_process,
        "package": asked.package,
        "account_name": asked.account_name,
    }
    reason = failed.reason if failed is not None else ""
    facts: dict[str, Fact] = {"domain": call.domain, "bytes": len(call.submit_buffer), "reason": reason}
    authority.audit.append(
        event,
        status=failed.status if failed else Status.STATUS_SUCCESS,
        caller=caller,
        package=call.package,
        facts={**facts, **({"peer": peer} if peer else {f"asked_by_{name}": value for name, value in who.items()})},
        claimed=who if peer else None,
    )
