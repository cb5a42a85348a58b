"""The handles that a function cannot do without: NULL is allowed in C, and answered here once for all."""

from __future__ import annotations

from secpkg.contract.status import SecurityError, Status
from secpkg.sspi.operations import ContextHandle, CredentialHandle


def context_of(context: ContextHandle | None) -> ContextHandle:
    """The context; SEC_E_INVALID_HANDLE without one."""
    if not isinstance(context, ContextHandle):
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_null")
    return context


def credential_of(credential: CredentialHandle | None) -> CredentialHandle:
    """The credential; SEC_E_INVALID_HANDLE without one."""
    if not isinstance(credential, CredentialHandle):
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="credential_null")
    return credential
