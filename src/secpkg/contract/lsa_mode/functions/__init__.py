"""LSA functions: what a package in LSA mode calls, as ``self.authority.<function>(...)``, by power.

Every function is awaited, even where the host can answer at once: a package cannot tell a worker from embedded mode.
The package's own identity and the client it is working for come from the channel and the call, so the parameters of
the documents that repeat them (AuthenticationPackage, ClientRequest) are left out. A failure raises `SecurityError`
with the documented status. Functions that this release does not offer raise STATUS_NOT_IMPLEMENTED.
"""

from __future__ import annotations

from typing import Protocol

from secpkg.contract.lsa_mode.functions.accounts import (
    Accounts,
    CrackedName,
    CredentialManager,
    DecodedString,
    EncryptedCredential,
    ServiceAccountPassword,
)
from secpkg.contract.lsa_mode.functions.callers import (
    AppModeInfo,
    Callers,
    CallInfo,
    ClientCallbacks,
)
from secpkg.contract.lsa_mode.functions.memory import (
    ClientBuffers,
    LsaHeap,
    ProtectedMemory,
    SharedMemory,
    SharedPiece,
)
from secpkg.contract.lsa_mode.functions.packages import (
    Notifications,
    Packages,
    Reserved,
)
from secpkg.contract.lsa_mode.functions.sessions import (
    SessionCredentials,
    Sessions,
)
from secpkg.contract.lsa_mode.functions.tokens import (
    Audit,
    Tokens,
)


class LsaDispatchTable(Sessions, SessionCredentials, LsaHeap, ClientBuffers, Protocol):
    """``LSA_DISPATCH_TABLE``: the eleven functions that LsaApInitializePackage hands to an authentication package."""


class LsaFunctions(
    LsaDispatchTable,
    Callers,
    Accounts,
    Tokens,
    Audit,
    Packages,
    ProtectedMemory,
    SharedMemory,
    Notifications,
    ClientCallbacks,
    CredentialManager,
    Reserved,
    Protocol,
):
    """``LSA_SECPKG_FUNCTION_TABLE``: what SpInitialize hands to an SSP/AP."""


PROTOCOLS: tuple[type, ...] = (
    Sessions,
    SessionCredentials,
    LsaHeap,
    ClientBuffers,
    Callers,
    Accounts,
    Tokens,
    Audit,
    Packages,
    ProtectedMemory,
    SharedMemory,
    Notifications,
    ClientCallbacks,
    CredentialManager,
    Reserved,
)

__all__ = [
    "PROTOCOLS",
    "Accounts",
    "AppModeInfo",
    "Audit",
    "CallInfo",
    "Callers",
    "ClientBuffers",
    "ClientCallbacks",
    "CrackedName",
    "CredentialManager",
    "DecodedString",
    "EncryptedCredential",
    "LsaDispatchTable",
    "LsaFunctions",
    "LsaHeap",
    "Notifications",
    "Packages",
    "ProtectedMemory",
    "Reserved",
    "ServiceAccountPassword",
    "SessionCredentials",
    "Sessions",
    "SharedMemory",
    "SharedPiece",
    "Tokens",
]
