"""Attributes of contexts and credentials: which half is asked, and what the host answers itself."""

from __future__ import annotations

from types import NoneType
from typing import Final

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ContextAttributes, ContextFlags
from secpkg.ipc import schema
from secpkg.sspi import operations
from secpkg.sspi.backends import attribute_type
from secpkg.sspi.operations import ContextHandle, CredentialHandle

_PACKAGE_INFO: Final = 0xA
_NEGOTIATION_INFO: Final = 0xC
_FLAGS: Final = 0xE
_NEGOTIATION_COMPLETE: Final = 0
_NEGOTIATION_IN_PROGRESS: Final = 2
_ULONG: Final = 0xFFFF_FFFF


async def query(context: ContextHandle, attribute: int) -> ContextAttributes:
    """QueryContextAttributes: the user half, then the LSA half; the latter alone for context thunks (R164).
    PACKAGE_INFO, NEGOTIATION_INFO and, of a finished context, FLAGS the host knows itself where the package is silent.
    """
    context.require("query")
    try:
        value = await _asked(context, attribute)
    except SecurityError as error:
        known = _known(context, attribute) if error.status is Status.SEC_E_UNSUPPORTED_FUNCTION else None
        if known is None:
            raise
        return known
    if not isinstance(value, attribute_type(attribute)):
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="attribute_type")
    return value


def _known(context: ContextHandle, attribute: int) -> ContextAttributes | None:
    complete = context.state == "complete"
    if attribute == _PACKAGE_INFO:
        return context.backend.info
    if attribute == _FLAGS and complete:
        return ContextFlags(context.attributes)
    if attribute == _NEGOTIATION_INFO:
        from secpkg.contract.attributes import NegotiationInfo  # seldom

        return NegotiationInfo(context.backend.info, _NEGOTIATION_COMPLETE if complete else _NEGOTIATION_IN_PROGRESS)
    return None


async def _asked(context: ContextHandle, attribute: int) -> ContextAttributes:
    user, backend = context.user, context.backend
    if user is not None and user.has("query_context_attributes") and not backend.is_thunked(attribute):
        try:
            return user.query(attribute)
        except SecurityError as error:
            if error.status is not Status.SEC_E_UNSUPPORTED_FUNCTION or backend.opened is None:
                raise
    return await backend.query(context.native, attribute)


async def set_context(context: ContextHandle, attribute: int, value: bytes) -> None:
    """SetContextAttributes: the LSA half has the function (R205)."""
    _require(attribute, value)
    await operations.call_context(context, "set_context_attributes", attribute, value, kind=NoneType)


async def query_credential(credential: CredentialHandle, attribute: int) -> ContextAttributes:
    """QueryCredentialsAttributes."""
    from secpkg.contract.attributes import CREDENTIAL_TYPES  # seldom

    _require(attribute, b"")
    kind: type[ContextAttributes] = CREDENTIAL_TYPES.get(attribute, bytes)
    return await operations.call_credential(credential, "query_credentials_attributes", attribute, kind=kind)


async def set_credential(credential: CredentialHandle, attribute: int, value: bytes) -> None:
    """SetCredentialsAttributes: the user half may pack the value first (R167)."""
    _require(attribute, value)
    operations.require_credential(credential)
    packed = credential.backend.marshal_attribute(attribute, bytes(value))
    await operations.call_credential(credential, "set_credentials_attributes", attribute, packed, kind=NoneType)


def _require(attribute: object, value: object) -> None:
    if not isinstance(attribute, int) or not 0 <= attribute <= _ULONG:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="attribute_number")
    if not isinstance(value, bytes | bytearray | memoryview) or len(value) > schema.MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="attribute_value")
