"""Credentials in the form in which a package wants them kept."""

from __future__ import annotations

from secpkg.contract.status import SecurityError, Status
from secpkg.host.user_mode import credential_forms
from secpkg.ipc.connection import shared
from secpkg.ipc.link import run
from secpkg.ipc.session import current
from secpkg.sspi import operations
from secpkg.sspi.backends import WorkerBackend


def format_credentials(package: str, credentials: bytes, *, authority: object = None) -> bytes:
    """SpFormatCredentials of the user half of ``package``: what to write into a user object or a keyring, in place of
    the credentials as they were supplied. A package without that function keeps them as they are.

    SEC_E_SECPKG_NOT_FOUND; SEC_E_UNSUPPORTED_FUNCTION for a plain SSP, whose credentials are its own affair;
    SEC_E_INVALID_PARAMETER above 64 KiB. Page: ntsecpkg/nc-ntsecpkg-spformatcredentialsfn.
    """
    backend = run(operations.open_backend(shared, package, authority, current.get()))
    if not isinstance(backend, WorkerBackend):
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="plain_ssp")
    table = {} if backend.opened.user_half is None else backend._user_package().table
    return credential_forms.format_credentials(table, credentials)
