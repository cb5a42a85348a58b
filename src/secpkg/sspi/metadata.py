"""Metadata that the two ends of a negotiation exchange before the first token (NEGOEX), for a package that negotiates.

What `query` gives on one side is for `exchange` on the other (R169). Either makes a context where there is none, and
then needs a credential (R168); the first leg of that context continues it. Plain SSPs have no such functions.
"""

from __future__ import annotations

from types import NoneType

from secpkg.contract.status import SecurityError, Status
from secpkg.host.user_mode.contexts import busy
from secpkg.sspi import operations
from secpkg.sspi.backends import Backend, T
from secpkg.sspi.operations import ContextHandle, CredentialHandle


async def query(
    accept: bool,
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    target: str | None = None,
    requirements: int = 0,
) -> tuple[ContextHandle, bytes]:
    """SpQueryMetaData: the context and the bytes for the peer. SEC_E_INVALID_HANDLE without both handles, and for a
    context that is finished. Page: ntsecpkg/nc-ntsecpkg-spquerymetadatafn.
    """
    return await _call(accept, credential, context, "query_meta_data", (target, requirements), bytes)


async def exchange(
    accept: bool,
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    meta_data: bytes,
    target: str | None = None,
    requirements: int = 0,
) -> ContextHandle:
    """SpExchangeMetaData: what the peer's `query` gave, at most 64 KiB; the context. Page:
    ntsecpkg/nc-ntsecpkg-spexchangemetadatafn.
    """
    arguments = (target, requirements, meta_data)
    made, _ = await _call(accept, credential, context, "exchange_meta_data", arguments, NoneType)
    return made


async def _call(
    accept: bool,
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    function: str,
    arguments: tuple[object, ...],
    kind: type[T],
) -> tuple[ContextHandle, T]:
    if credential is not None:
        operations.require_credential(credential)
    native = None if credential is None else credential.native
    if context is None:
        if credential is None:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="both_handles_null")
        handle, result = await _ask(credential.backend, function, arguments, kind, native, None)
        return ContextHandle(credential.backend, accept, handle, credential), result
    try:
        context.turn.pop()
    except IndexError:
        raise busy() from None
    try:
        context.require("leg")
        return context, (await _ask(context.backend, function, arguments, kind, native, context.native))[1]
    finally:
        context.turn.append(None)


async def _ask(
    backend: Backend, function: str, arguments: tuple[object, ...], kind: type[T], credential: object, context: object
) -> tuple[int, T]:
    shape: type[tuple[int, T]] = tuple.__class_getitem__((int, kind))  # type: ignore[assignment]  # for the decoder
    return await backend.call(function, arguments, shape, credential=credential, context=context)
