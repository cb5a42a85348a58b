"""What may stand for an LsaHandle, checked once for all functions that take one."""

from __future__ import annotations

from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.connection import Connection
from secpkg.lsa.client import Lsa


def connection_of(handle: object) -> Connection:
    """The connection of a handle; STATUS_INVALID_HANDLE for what is none and for one that has ended."""
    if not isinstance(handle, Lsa) or handle._connection.link.closed:
        raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="lsa_handle")
    return handle._connection


def require(kind: type | tuple[type, ...], *values: object) -> None:
    """STATUS_INVALID_PARAMETER for a value of another type."""
    if not all(isinstance(value, kind) for value in values):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="parameter_of_a_wrong_type")
