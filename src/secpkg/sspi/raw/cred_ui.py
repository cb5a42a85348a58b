"""Credential UI: a package's own word on what to ask the user for, and what the user said, back to the package."""

from __future__ import annotations

from types import NoneType
from typing import Final
from uuid import UUID

from secpkg.contract import cred_ui
from secpkg.contract.cred_ui import CredUIContext
from secpkg.contract.floor import floor
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc import schema
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.connection import open_connection
from secpkg.ipc.link import next_id, run
from secpkg.sspi import operations
from secpkg.sspi.operations import ContextHandle
from secpkg.sspi.raw.handles import context_of

SEC_WINNT_AUTH_DATA_TYPE_PASSWORD: Final = UUID("28bfc32f-10f6-4738-98d1-1ac061df716a")
SEC_WINNT_AUTH_DATA_TYPE_CERT: Final = UUID("235f69ad-73fb-4dbc-8203-0629e739339b")
SEC_WINNT_AUTH_DATA_TYPE_CSP_DATA: Final = UUID("68fd9879-079c-4dfe-8281-578aadc1c100")

_LOGON_PROCESS: Final = "secpkg-sspi"


@floor("sspi", "SspiGetCredUIContext")
def sspi_get_cred_ui_context(
    context: ContextHandle | None, credential_type: UUID, logon_id: int | None = None
) -> tuple[Status, tuple[bytes, ...], AccessToken | None]:
    """SspiGetCredUIContext: (status, the flat contexts, the user's access token where the context has one; it is the
    caller's to close). The package's SpGetCredUIContext answers, and gives one context.

    Only a caller with SeTcbPrivilege may name a session (R280): STATUS_PORT_CONNECTION_REFUSED for others, and
    STATUS_NO_SUCH_LOGON_SESSION, before the package is asked. SEC_E_INVALID_HANDLE, SEC_E_INVALID_PARAMETER,
    SEC_E_UNSUPPORTED_FUNCTION where the package has no such function. Page: sspi/nf-sspi-sspigetcreduicontext.
    """
    flat, token = run(_get(context_of(context), credential_type, logon_id))
    return Status.SEC_E_OK, (flat,), token


@floor("sspi", "SspiUpdateCredentials")
def sspi_update_credentials(
    context: ContextHandle | None, credential_type: UUID, flat_cred_ui_context: bytes
) -> Status:
    """SspiUpdateCredentials: the package's SpUpdateCredentials is given the flat context. SEC_E_INVALID_HANDLE,
    SEC_E_INVALID_PARAMETER, SEC_E_UNSUPPORTED_FUNCTION. Page: sspi/nf-sspi-sspiupdatecredentials.
    """
    if not 0 < len(flat_cred_ui_context) <= cred_ui.MAX_SIZE:
        return Status.SEC_E_INVALID_PARAMETER
    guid, handle = credential_type.bytes_le, context_of(context)
    run(operations.call_context(handle, "update_credentials", guid, flat_cred_ui_context, kind=NoneType))
    return Status.SEC_E_OK


@floor("sspi", "SspiUnmarshalCredUIContext")
def sspi_unmarshal_cred_ui_context(marshaled_cred_ui_context: bytes) -> tuple[Status, CredUIContext | None]:
    """SspiUnmarshalCredUIContext: SEC_E_INVALID_PARAMETER for what is not in the flat form. Page:
    sspi/nf-sspi-sspiunmarshalcreduicontext.
    """
    try:
        return Status.SEC_E_OK, cred_ui.unpack(marshaled_cred_ui_context)
    except ValueError:
        return Status.SEC_E_INVALID_PARAMETER, None


async def _get(context: ContextHandle, credential_type: UUID, logon_id: int | None) -> tuple[bytes, AccessToken | None]:
    if logon_id is not None:
        context.require("control")
        await _require_session(context, logon_id)
    flat = await operations.call_context(context, "get_cred_ui_context", credential_type.bytes_le, kind=bytes)
    token = await _token(context)
    if token is not None and logon_id not in (None, token.logon_id):
        await token._close()
        token = None
    return flat, token


async def _require_session(context: ContextHandle, logon_id: int) -> None:
    """R280: the authority decides who may name a session, and whether it is there."""
    opened = context.backend.opened
    if opened is None:
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="no_sessions_without_authority")
    if not logon_id:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="logon_id_is_no_luid")
    connection = await open_connection(opened.connection.authority, _LOGON_PROCESS, asynchronous=False)
    try:
        if not connection.link.trusted:
            raise SecurityError(Status.STATUS_PORT_CONNECTION_REFUSED, reason="connection_not_trusted")
        await connection.ask(schema.GetSession(next_id(), logon_id))
    finally:
        connection.close()


async def _token(context: ContextHandle) -> AccessToken | None:
    opened = context.backend.opened
    if opened is None or context.state != "complete":
        return None
    try:
        return AccessToken(opened.connection, await operations.query_token(context))
    except SecurityError as error:
        if error.status is Status.SEC_E_NO_IMPERSONATION:
            return None
        raise
