"""What a logon application asks of the authority, each written once as a coroutine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRequest, ProtocolReply, TokenSource
from secpkg.ipc import peer_address, schema, where
from secpkg.ipc.connection import Connection, open_connection
from secpkg.ipc.errors import ChannelError
from secpkg.ipc.link import Exchange, authority_error, next_id, status_of
from secpkg.ipc.session import current

if TYPE_CHECKING:
    from secpkg.contract.domain_policy import DomainInformation, ForestTrustCollision, ForestTrustRecord

MAX_NAME = 127
"""Bytes in the name of a logon process (R83) or of a package (R87)."""

R = TypeVar("R", bound=schema.FromAuthority)


async def connect(authority: object, *, asynchronous: bool = False) -> Connection:
    """LsaConnectUntrusted."""
    return await open_connection(where.resolve(authority), None, asynchronous=asynchronous)


async def register(name: str, authority: object, *, asynchronous: bool = False) -> Connection:
    """LsaRegisterLogonProcess: STATUS_NAME_TOO_LONG (R83), STATUS_PORT_CONNECTION_REFUSED (R84)."""
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME:
        raise SecurityError(Status.STATUS_NAME_TOO_LONG, reason="logon_process_name_too_long")
    connection = await open_connection(where.resolve(authority), name, asynchronous=asynchronous)
    if not connection.link.trusted:
        connection.close()
        raise SecurityError(Status.STATUS_PORT_CONNECTION_REFUSED, reason="connection_not_trusted")
    return connection


async def _ask(connection: Connection, message: schema.ToAuthority, kind: type[R]) -> R:
    reply = await connection.ask(message)
    if not isinstance(reply, kind):
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason=f"unexpected_reply_{type(reply).__name__}")
    return reply


async def lookup(connection: Connection, package: str) -> int:
    """LsaLookupAuthenticationPackage: STATUS_NAME_TOO_LONG, STATUS_NO_SUCH_PACKAGE (R87)."""
    if len(package.encode("utf-8", "surrogatepass")) > MAX_NAME:
        raise SecurityError(Status.STATUS_NAME_TOO_LONG, reason="package_name_too_long")
    return (await _ask(connection, schema.LookupPackage(next_id(), package), schema.PackageNumber)).package


async def provider(connection: Connection, number: int) -> int:
    """The package of a logon provider: STATUS_INVALID_PARAMETER, STATUS_NO_SUCH_PACKAGE."""
    return (await _ask(connection, schema.LookupProvider(next_id(), number), schema.PackageNumber)).package


async def logon(
    connection: Connection, package: int, request: LogonRequest, *, keep: bool = False
) -> tuple[schema.LoggedOn, schema.TokenOpened]:
    """LsaLogonUser, and what the new access token says. For new credentials the caller's own token is that of the
    session that it acts for (lock 3). With ``keep`` the profile is a return buffer.
    """
    texts = (request.username, request.domain, request.password or "", request.workstation, request.origin_name)
    if any(len(text) > schema.MAX_NAME for text in texts):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="name_too_long")
    if len(request.authentication_information) > schema.MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="authentication_information_too_large")
    session = current.get() if request.logon_type == LogonType.NEW_CREDENTIALS else None
    own = session.token if session is not None and session.connection is connection else 0
    made = await _ask(connection, schema.LogonUser(next_id(), package, request, own, keep), schema.LoggedOn)
    try:
        # Who the token is for comes with a handle of it: this one is kept, the first is given back.
        opened = await _ask(connection, schema.DuplicateToken(next_id(), made.token), schema.TokenOpened)
    finally:
        connection.deferred.append(schema.CloseToken(0, made.token))
    return made, opened


def logon_request(
    logon_type: LogonType,
    username: str = "",
    domain: str = "",
    password: str | None = None,
    workstation: str = "",
    authentication_information: bytes = b"",
    origin_name: str = "",
    local_groups: Iterable[str] = (),
    token_source: TokenSource | None = None,
) -> LogonRequest:
    """The request of a logon, with a copy of the caller's data (R42); STATUS_INVALID_LOGON_TYPE for a number that is
    none. Without an origin of its own it has the peer's address of this thread's call context, if there is one (R281).
    """
    try:
        kind = LogonType(logon_type)
    except ValueError as error:
        raise SecurityError(Status.STATUS_INVALID_LOGON_TYPE, reason="logon_type") from error
    information = bytes(authentication_information)
    names = (username, domain, password, workstation)
    origin = origin_name or peer_address.origin_name()
    return LogonRequest(kind, *names, information, origin, tuple(local_groups), token_source)


async def free_buffer(connection: Connection, number: int) -> None:
    """LsaFreeReturnBuffer: STATUS_INVALID_PARAMETER the second time."""
    await _ask(connection, schema.FreeBuffer(next_id(), number), schema.Done)


async def call_package(connection: Connection, package: int, data: bytes) -> ProtocolReply:
    """LsaCallAuthenticationPackage: the service's own result is in ``protocol_status`` (R77)."""
    reply = await package_answer(connection, package, data, keep=False)
    return ProtocolReply(reply.data, status_of(reply.protocol_status))


async def package_answer(connection: Connection, package: int, data: bytes, *, keep: bool) -> schema.PackageAnswered:
    """The same, as it came; with ``keep`` the reply is a return buffer."""
    if len(data) > schema.MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="submit_buffer_too_large")
    return await _ask(connection, schema.CallPackage(next_id(), package, data, keep=keep), schema.PackageAnswered)


async def call_other_domain(connection: Connection, package: str | int, data: bytes, domain: str) -> ProtocolReply:
    """LsaCallAuthenticationPackage, passed through: STATUS_PRIVILEGE_NOT_HELD (``trusted_connection_needed``)."""
    reply = await other_domain_answer(connection, package, data, domain, keep=False)
    return ProtocolReply(reply.data, status_of(reply.protocol_status))


async def other_domain_answer(
    connection: Connection, package: str | int, data: bytes, domain: str, *, keep: bool
) -> schema.PackageAnswered:
    """The same, as it came; with ``keep`` the reply is a return buffer."""
    if len(domain) > schema.MAX_NAME:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="domain_too_long")
    if not connection.link.trusted:
        raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="trusted_connection_needed")
    if len(data) > schema.MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="submit_buffer_too_large")
    number, name = (package, "") if isinstance(package, int) else (0, package)
    return await _ask(
        connection, schema.CallPackage(next_id(), number, data, domain, name, keep), schema.PackageAnswered
    )


async def adopt(connection: Connection, descriptor: int) -> schema.TokenOpened:
    """A handle of the token that a descriptor stands for."""
    try:
        opened: schema.TokenOpened = await Exchange(connection.link.adopt_token, descriptor)
    except ChannelError as error:
        raise authority_error(error) from error
    return opened


async def sessions(connection: Connection) -> tuple[int, ...]:
    """LsaEnumerateLogonSessions."""
    return (await session_list(connection, keep=False)).logon_ids


async def session_list(connection: Connection, *, keep: bool) -> schema.SessionList:
    """The same, as it came; with ``keep`` it is a return buffer."""
    return await _ask(connection, schema.ListSessions(next_id(), keep), schema.SessionList)


async def session_data(connection: Connection, logon_id: int, *, keep: bool = False) -> schema.SessionData:
    """LsaGetLogonSessionData (R101)."""
    return await _ask(connection, schema.GetSession(next_id(), logon_id, keep), schema.SessionData)


async def query_domain_policy(connection: Connection, information_class: int) -> DomainInformation:
    """LsaQueryDomainInformationPolicy."""
    from secpkg.contract.domain_policy import EfsInfo, KerberosTicketInfo

    reply = await _ask(connection, schema.QueryDomainPolicy(next_id(), information_class), schema.Answered)
    return msgspec.msgpack.decode(reply.value, type=EfsInfo | KerberosTicketInfo)


async def set_domain_policy(connection: Connection, information_class: int, information: object) -> None:
    """LsaSetDomainInformationPolicy."""
    raw = _raw(information)
    await _ask(connection, schema.SetDomainPolicy(next_id(), information_class, raw), schema.Done)


async def query_forest_trust(connection: Connection, name: str) -> tuple[ForestTrustRecord, ...]:
    """LsaQueryForestTrustInformation."""
    from secpkg.contract.domain_policy import ForestTrustRecord

    reply = await _ask(connection, schema.QueryForestTrust(next_id(), name), schema.Answered)
    return msgspec.msgpack.decode(reply.value, type=tuple[ForestTrustRecord, ...])


async def set_forest_trust(
    connection: Connection, name: str, records: Sequence[ForestTrustRecord], check_only: bool
) -> tuple[ForestTrustCollision, ...]:
    """LsaSetForestTrustInformation."""
    from secpkg.contract.domain_policy import ForestTrustCollision

    message = schema.SetForestTrust(next_id(), name, _raw(records), check_only)
    reply = await _ask(connection, message, schema.Answered)
    return msgspec.msgpack.decode(reply.value, type=tuple[ForestTrustCollision, ...])


def _raw(value: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.msgpack.encode(value))
    except (TypeError, OverflowError):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="structure_of_a_wrong_type") from None


async def manage(connection: Connection, operation: str, arguments: dict[str, object]) -> object:
    """An operator's call."""
    if not connection.link.trusted:
        raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="connection_not_trusted")
    raw = msgspec.Raw(msgspec.msgpack.encode(arguments))
    reply = await _ask(connection, schema.Manage(next_id(), operation, raw), schema.Answered)
    return msgspec.msgpack.decode(reply.value)
