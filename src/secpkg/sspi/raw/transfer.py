"""Context management: to another process of this computer and user."""

from __future__ import annotations

from secpkg.contract.floor import floor
from secpkg.contract.status import Status
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.link import run
from secpkg.sspi import transfer
from secpkg.sspi.operations import ContextHandle
from secpkg.sspi.raw.handles import context_of


@floor("sspi", "ExportSecurityContext")
def export_security_context(
    context: ContextHandle | None, flags: int, *, authority: object = None
) -> tuple[Status, bytes | None, AccessToken | None]:
    """ExportSecurityContext: (status, packed context, access token). With SECPKG_CONTEXT_EXPORT_DELETE_OLD the context
    is deleted, without it it only receives from now on; RESET_NEW is the package's to grant; TO_KERNEL is
    SEC_E_NOT_SUPPORTED (R203). The packed context can be imported once, within five minutes, by a process of this user
    at the same authority. The access token, None where the context has none, is the caller's to close. Page:
    sspi/nf-sspi-exportsecuritycontext.
    """
    packed, token = run(transfer.export(context_of(context), flags, authority=authority))
    return Status.SEC_E_OK, packed, AccessToken(*token) if token is not None else None


_UNKNOWN = Status.SEC_E_UNKNOWN_CREDENTIALS


@floor("sspi", "ImportSecurityContext", wrong={"package": _UNKNOWN, "packed_context": _UNKNOWN})
def import_security_context(
    package: str, packed_context: bytes, token: AccessToken | int | None = None, *, authority: object = None
) -> tuple[Status, ContextHandle | None]:
    """ImportSecurityContext: (status, new context). ``token`` is the access token or, from another process, a
    descriptor of it (`AccessToken.fileno`), which stays the caller's. SEC_E_UNKNOWN_CREDENTIALS for another package's
    (R204), SEC_E_NO_CREDENTIALS for one that was imported already, SEC_E_NOT_OWNER for another user's. Page:
    sspi/nf-sspi-importsecuritycontextw.
    """
    return Status.SEC_E_OK, run(transfer.import_(package, packed_context, token, authority=authority))
