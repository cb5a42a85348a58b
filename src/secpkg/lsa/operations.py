"""What a logon application asks of the authority, each written once as a coroutine."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRequest, ProtocolReply
from secpkg.ipc import schema, where
from secpkg.ipc.connection import Connection, open_connection
from secpkg.ipc.errors import ChannelError
from secpkg.ipc.link import Exchange, authority_error, next_id, status_of

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


async def logon(
    connection: Connection, package: int, request: LogonRequest
) -> tuple[schema.LoggedOn, schema.TokenOpened]:
    """LsaLogonUser, and what the new access token says."""
    texts = (request.username, request.domain, request.password or "", request.workstation, request.origin_name)
    if any(len(text) > schema.MAX_NAME for text in texts):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="name_too_long")
    if len(request.authentication_information) > schema.MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="authentication_information_too_large")
    made = await _ask(connection, schema.LogonUser(next_id(), package, request), schema.LoggedOn)
    try:
        # Who the token is for comes with a handle of it: this one is kept, the first is given back.
        opened = await _ask(connection, schema.DuplicateToken(next_id(), made.token), schema.TokenOpened)
    finally:
        connection.deferred.append(schema.CloseToken(next_id(), made.token))
    return made, opened


def logon_request(
    logon_type: LogonType,
    username: str = "",
    domain: str = "",
    password: str | None = None,
    workstation: str = "",
    authentication_information: bytes = b"",
    origin_name: str = "",
) -> LogonRequest:
    """The request of a logon, with a copy of the caller's data (R42); STATUS_INVALID_LOGON_TYPE for a number that is
    none.
    """
    try:
        kind = LogonType(logon_type)
    except ValueError as error:
        raise SecurityError(Status.STATUS_INVALID_LOGON_TYPE, reason="logon_type") from error
    return LogonRequest(kind, username, domain, password, workstation, bytes(authentication_information), origin_name)


async def call_package(connection: Connection, package: int, data: bytes) -> ProtocolReply:
    """LsaCallAuthenticationPackage: the service's own result is in ``protocol_status`` (R77)."""
    if len(data) > schema.MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="submit_buffer_too_large")
    reply = await _ask(connection, schema.CallPackage(next_id(), package, data), schema.PackageAnswered)
    return ProtocolReply(reply.data, status_of(reply.protocol_status))


async def call_other_domain(connection: Connection, package: str | int, data: bytes, domain: str) -> ProtocolReply:
    """LsaCallAuthenticationPackage, passed through: STATUS_PRIVILEGE_NOT_HELD (``trusted_connection_needed``)."""
    if not connection.link.trusted:
        raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="trusted_connection_needed")
    if len(data) > schema.MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="submit_buffer_too_large")
    number, name = (package, "") if isinstance(package, int) else (0, package)
    reply = await _ask(connection, schema.CallPackage(next_id(), number, data, domain, name), schema.PackageAnswered)
    return ProtocolReply(reply.data, status_of(reply.protocol_status))


async def adopt(connection: Connection, descriptor: int) -> schema.TokenOpened:
    """A handle of the token that a descriptor stands for."""
    try:
        opened: schema.TokenOpened = await Exchange(connection.link.adopt_token, descriptor)
    except ChannelError as error:
        raise authority_error(error) from error
    return opened


async def sessions(connection: Connection) -> tuple[int, ...]:
    """LsaEnumerateLogonSessions."""
    return (await _ask(connection, schema.ListSessions(next_id()), schema.SessionList)).logon_ids


async def session_data(connection: Connection, logon_id: int) -> schema.SessionData:
    """LsaGetLogonSessionData (R101)."""
    return await _ask(connection, schema.GetSession(next_id(), logon_id), schema.SessionData)


async def manage(connection: Connection, operation: str, arguments: dict[str, object]) -> object:
    """An operator's call."""
    if not connection.link.trusted:
        raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="connection_not_trusted")
    raw = msgspec.Raw(msgspec.msgpack.encode(arguments))
    reply = await _ask(connection, schema.Manage(next_id(), operation, raw), schema.Answered)
    return msgspec.msgpack.decode(reply.value)
