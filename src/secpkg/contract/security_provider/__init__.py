"""A plain SSP: it lives in the application alone and implements SSPI itself (R1), the documented SampSSP case.

Its door is ``InitSecurityInterface`` (entry point group ``secpkg.security_provider``), which returns the SSPI function
table: one object with the methods below that it defines. As everywhere, state objects belong to the package and
handles to the host, and a function that is missing answers SEC_E_UNSUPPORTED_FUNCTION.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from secpkg.contract.flags import CredentialUse
from secpkg.contract.user_mode.ssp import ExportedContext, Sealing, Signatures, Transfer
from secpkg.contract.values import (
    Acquired,
    Call,
    ContextAttributes,
    ContextRequest,
    PackageInfo,
    Step,
    TokenReference,
)


class SecurityProvider(Protocol):
    """``SecurityFunctionTable`` of a plain SSP: what every one has."""

    def enumerate_security_packages(self) -> Sequence[PackageInfo]:
        """EnumerateSecurityPackages: the packages of this provider (R4). Page:
        sspi/nf-sspi-enumeratesecuritypackagesw.
        """
        ...


class InitSecurityInterface(Protocol):
    """The export that the application's host looks for."""

    def __call__(self) -> SecurityProvider:
        """InitSecurityInterface: once per process. Page: sspi/nf-sspi-initsecurityinterfacew."""
        ...


class ProviderCredentials(Protocol):
    """Credential handles."""

    def acquire_credentials_handle(
        self, call: Call, package: str, principal: str | None, use: CredentialUse, authorization_data: object
    ) -> Acquired:
        """AcquireCredentialsHandle. Page: sspi/nf-sspi-acquirecredentialshandlew."""
        ...

    def free_credentials_handle(self, credential: object) -> None:
        """FreeCredentialsHandle. Page: sspi/nf-sspi-freecredentialshandle."""
        ...

    def query_credentials_attributes(self, credential: object, attribute: int) -> object:
        """QueryCredentialsAttributes. Page: sspi/nf-sspi-querycredentialsattributesw."""
        ...

    def set_credentials_attributes(self, credential: object, attribute: int, value: bytes) -> None:
        """SetCredentialsAttributes. Page: sspi/nf-sspi-setcredentialsattributesw."""
        ...

    def add_credentials(
        self, call: Call, credential: object, principal: str | None, package: str, use: CredentialUse, data: object
    ) -> float:
        """AddCredentials. Page: sspi/nf-sspi-addcredentialsw."""
        ...

    def change_account_password(
        self,
        call: Call,
        package: str,
        domain_name: str,
        account_name: str,
        old_password: str,
        new_password: str,
        impersonating: bool,
    ) -> bytes:
        """ChangeAccountPassword: returns the data of the one output buffer, SECBUFFER_CHANGE_PASS_RESPONSE. Page:
        sspi/nf-sspi-changeaccountpasswordw.
        """
        ...


class ProviderContexts(Protocol):
    """Contexts: `Complete.context` is the finished context; `Complete.packed_context` is not used here."""

    def initialize_security_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        """InitializeSecurityContext. Page: sspi/nf-sspi-initializesecuritycontextw."""
        ...

    def accept_security_context(self, call: Call, credential: object, context: object, request: ContextRequest) -> Step:
        """AcceptSecurityContext. Page: sspi/nf-sspi-acceptsecuritycontext."""
        ...

    def delete_security_context(self, context: object) -> None:
        """DeleteSecurityContext: exactly once, also for half-built contexts. Page:
        sspi/nf-sspi-deletesecuritycontext.
        """
        ...

    def complete_auth_token(self, context: object, token: bytes) -> bytes:
        """CompleteAuthToken. Page: sspi/nf-sspi-completeauthtoken."""
        ...

    def apply_control_token(self, context: object, token: bytes) -> None:
        """ApplyControlToken. Page: sspi/nf-sspi-applycontroltoken."""
        ...

    def query_context_attributes(self, context: object, attribute: int) -> ContextAttributes:
        """QueryContextAttributes. Page: sspi/nf-sspi-querycontextattributesw."""
        ...

    def set_context_attributes(self, context: object, attribute: int, value: bytes) -> None:
        """SetContextAttributes. Page: sspi/nf-sspi-setcontextattributesw."""
        ...

    def query_security_context_token(self, context: object) -> TokenReference:
        """QuerySecurityContextToken. Page: sspi/nf-sspi-querysecuritycontexttoken."""
        ...


PROTOCOLS: tuple[type, ...] = (
    SecurityProvider,
    ProviderCredentials,
    ProviderContexts,
    Signatures,
    Sealing,
    Transfer,
)

__all__ = [
    "PROTOCOLS",
    "ExportedContext",
    "InitSecurityInterface",
    "ProviderContexts",
    "ProviderCredentials",
    "Sealing",
    "SecurityProvider",
    "Signatures",
    "Transfer",
]
