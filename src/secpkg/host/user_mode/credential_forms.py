"""Other forms of credentials, as the user half of a package makes them (R136, ADR 20).

A package that has no such function takes credentials in the form in which they were given.
"""

from __future__ import annotations

from typing import Final

from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.host.tables import Table
from secpkg.host.user_mode.calls import package_call

MAX_CREDENTIALS: Final = 64 * 1024


@implements("user_mode", "SpFormatCredentials")
def format_credentials(table: Table, credentials: bytes) -> bytes:
    """SpFormatCredentials: the form in which credentials are kept with a user object."""
    return _formed(table, "format_credentials", credentials)


@implements("user_mode", "SpMarshallSupplementalCreds")
def marshall_supplemental_creds(table: Table, credentials: bytes) -> bytes:
    """SpMarshallSupplementalCreds: the flat form in which credentials go to the LSA half."""
    return _formed(table, "marshall_supplemental_creds", credentials)


def _formed(table: Table, name: str, credentials: bytes) -> bytes:
    if not isinstance(credentials, bytes) or len(credentials) > MAX_CREDENTIALS:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="credentials")
    function = table.get(name)
    if function is None:
        return credentials
    formed = package_call(function, credentials)
    if not isinstance(formed, bytes) or len(formed) > MAX_CREDENTIALS:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="package_result")
    return formed
