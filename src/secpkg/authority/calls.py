"""LsaCallAuthenticationPackage, and one package calling another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.authority.directory import PackageEntry
from secpkg.authority.targets import ModuleFailed, Origin, PackageTarget
from secpkg.contract.implements import implements
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ProtocolReply

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority

MAX_SUBMIT_BUFFER: Final = 64 * 1024
MAX_RETURN_BUFFER: Final = 64 * 1024
MAX_DEPTH: Final = 4
"""Packages that may call one another in a row."""


@implements("authentication_package", "LsaApCallPackage")
@implements("authentication_package", "LsaApCallPackageUntrusted")
async def call_authentication_package(
    authority: LocalSecurityAuthority, connection: Connection, package_id: int, submit_buffer: bytes
) -> ProtocolReply:
    """LsaCallAuthenticationPackage: `call_package` from a trusted connection, `call_package_untrusted` from any other
    (R75). The buffers are charged to the caller while the package is at work.

    STATUS_NO_SUCH_PACKAGE (R68), STATUS_NOT_IMPLEMENTED, STATUS_QUOTA_EXCEEDED; what the package raises says that the
    service was not attempted (R77).
    """
    entry = authority.packages.in_service(package_id)
    function = "call_package" if connection.trusted else "call_package_untrusted"
    _require_size(submit_buffer)
    amount = len(submit_buffer) + MAX_RETURN_BUFFER
    authority.connections.charge(connection, amount)
    target = PackageTarget.of_request(authority, package_id, connection, submit_buffer)
    try:
        return await _call(authority, entry, function, submit_buffer, target)
    except ModuleFailed:
        raise
    except SecurityError as failed:
        raise SecurityError(failed.status, substatus=failed.substatus) from None
    finally:
        authority.connections.refund(connection, amount)


@implements("authentication_package", "LsaApCallPackagePassthrough")
async def call_other_package(
    authority: LocalSecurityAuthority,
    origin: Origin,
    function: str,
    name: str,
    submit_buffer: bytes,
    client_buffer_base: int | None = None,
) -> ProtocolReply:
    """CallPackage, CallPackageEx and CallPackagePassthrough: the target by name (R88), its buffer untouched (R89).

    With a ``client_buffer_base`` the callee works in the client's memory of this very call (R88); without one it begins
    with none.
    """
    if origin.depth >= MAX_DEPTH:
        raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="packages_call_in_circles")
    found = authority.packages.find(name)
    entry = authority.packages.in_service(found.package_id)
    _require_size(submit_buffer)
    target = PackageTarget.of(entry.package_id, origin.call, origin.connection, origin.depth + 1)
    if client_buffer_base is not None:
        target = msgspec.structs.replace(target, client_buffer_base=client_buffer_base)
        if origin.connection is not None:
            target.origin.scratch.memory, target.origin.scratch.borrowed = origin.memory(authority), True
    reply = await _call(authority, entry, function, submit_buffer, target)
    origin.scratch.lend(digest(reply.data))
    return reply


def digest(buffer: bytes) -> bytes:
    """By what a returned buffer is known when it is freed (R90)."""
    return hashlib.blake2b(buffer, digest_size=16, person=b"return buffer").digest()


async def _call(
    authority: LocalSecurityAuthority, entry: PackageEntry, function: str, submit_buffer: bytes, target: PackageTarget
) -> ProtocolReply:
    if function not in entry.functions:
        raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="no_such_function")
    try:
        reply = await Request[object](function, (submit_buffer,), target)
        if not isinstance(reply, ProtocolReply):
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="reply_invalid")
        data = target.origin.returned(reply.data, reply.client_buffer, MAX_RETURN_BUFFER)
    finally:
        authority.end_call(target.origin, discard_sessions=True)
    return ProtocolReply(data, reply.protocol_status)


def _require_size(submit_buffer: bytes) -> None:
    if len(submit_buffer) > MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="submit_buffer_too_large")
