"""What an SSP/AP implements in LSA mode (SECPKG_FUNCTION_TABLE), by power.

State objects belong to the package, handles to the host: where the documents pass a handle, these functions are given
the object that the package itself returned (`Acquired.credential`, `Continue.context`). The calls of one context never
run concurrently; different contexts and credentials do (spec/README 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from secpkg.contract.flags import CredentialUse, ExtendedInformationClass, InterfaceVersion, LogonType
from secpkg.contract.lsa_mode.functions import LsaFunctions
from secpkg.contract.values import (
    Acquired,
    Attribute,
    AuthIdentity,
    Call,
    ContextAttributes,
    ContextRequest,
    PackageInfo,
    PackageParameters,
    PrimaryCredential,
    Step,
    SupplementalCredential,
    Value,
)


class LsaModePackage(Protocol):
    """The one member that every package in LSA mode has: its ``SecPkgInfo``.

    The host answers SpGetInfo from it; a package that must compute its information defines `GetInfo.get_info`.
    """

    info: PackageInfo


class ModuleTables(Value, frozen=True):
    """What SpLsaModeInitialize returns: the interface version of the tables, and one package object per table (R20)."""

    version: InterfaceVersion
    packages: Sequence[LsaModePackage]


class LsaModeInitialize(Protocol):
    """The export that the authority looks for: entry point group ``secpkg.lsa_mode``."""

    def __call__(self, version: InterfaceVersion, /) -> ModuleTables:
        """SpLsaModeInitialize: called exactly once per load (R19), with the authority's version; returns the module's
        (R21). Raising makes the module unusable. Page: ntsecpkg/nc-ntsecpkg-splsamodeinitializefn.
        """
        ...


class UserInfo(Value, frozen=True):
    """``SECURITY_USER_DATA`` (SpGetUserInfo)."""

    user_name: str
    logon_domain_name: str
    logon_server: str
    sid: str


class MetaData(Value, frozen=True):
    """Result of SpQueryMetaData: the bytes for the peer and the context that was used or made (R168)."""

    data: bytes
    context: object


class TargetInfo(Value, frozen=True):
    """``SECPKG_TARGETINFO``."""

    domain_sid: str
    computer_name: str


class RemoteCredentialGuardBuffer(Value, frozen=True):
    """Results of the two Remote Credential Guard functions."""

    _secrets = ("buffer",)

    redirected_logon_handle: object
    buffer: bytes


class Lifecycle(Protocol):
    """Start and end of a package."""

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        """SpInitialize: once, after SpLsaModeInitialize (R25). Keep ``authority``: it is the LSA function table.
        ``package_id`` is good until the authority stops and must not be kept on disk (R26). Raising unloads the
        package and hides it from enumeration (R18, R27). Page: ntsecpkg/nc-ntsecpkg-spinitializefn.
        """
        ...

    async def shutdown(self) -> None:
        """SpShutdown: before the package is unloaded, in reverse order of loading; release everything (R38).
        Page: legacy aa380183.
        """
        ...


class GetInfo(Protocol):
    """A package that computes its information."""

    async def get_info(self) -> PackageInfo:
        """SpGetInfo: called at load, after SpInitialize. Page: ntsecpkg/nc-ntsecpkg-spgetinfofn."""
        ...


class ExtendedInformation(Protocol):
    """Optional facts about a package."""

    async def get_extended_information(self, information_class: ExtendedInformationClass) -> bytes:
        """SpGetExtendedInformation: GSS OID, context thunks and the like, in the documented layout.
        SEC_E_UNSUPPORTED_FUNCTION for a class not offered. Page: ntsecpkg/nc-ntsecpkg-spgetextendedinformationfn.
        """
        ...

    async def set_extended_information(self, information_class: ExtendedInformationClass, info: bytes) -> None:
        """SpSetExtendedInformation. Page: ntsecpkg/nc-ntsecpkg-spsetextendedinformationfn."""
        ...


class AcceptCredentials(Protocol):
    """A package that wants the credentials of every logon."""

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> SupplementalCredential | None:
        """SpAcceptCredentials: once per set of credentials after a logon, in every package (R69, R70), the one that
        logged on included; a failure is audited and changes nothing. ``supplemental`` is the entry addressed to this
        package. Members of ``primary`` may be empty; the clear password comes only where the operator granted it.

        With PRIMARY_CRED_UPDATE and LUID 0 the account's password was set: what is returned replaces what the account
        keeps for this package (its verifier). Otherwise the result is None. (ADR 0003: the documents return a status
        only and leave the way into the account unnamed.) Page: ntsecpkg/nc-ntsecpkg-spacceptcredentialsfn.
        """
        ...


class Credentials(Protocol):
    """Credential handles: what a context is made from."""

    async def acquire_credentials_handle(
        self,
        call: Call,
        principal: str | None,
        use: CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> Acquired:
        """SpAcquireCredentialsHandle. ``principal`` None is the caller (R196). ``logon_id`` is the session that the
        caller presented, or one that a caller with SeTcbPrivilege named (R144). ``authorization_data`` is an
        `AuthIdentity`, package-defined bytes, or None for default credentials. Whether the caller may have them is
        the package's decision (R143). Errors: SEC_E_NOT_OWNER, SEC_E_NO_CREDENTIALS (R142).
        Page: ntsecpkg/nc-ntsecpkg-spacquirecredentialshandlefn.
        """
        ...

    async def free_credentials_handle(self, call: Call, credential: object) -> None:
        """SpFreeCredentialsHandle: the last reference is gone; called exactly once, with the cleanup call attribute
        when the client died. Page: ntsecpkg/nc-ntsecpkg-spfreecredentialshandlefn.
        """
        ...


class AddCredentials(Protocol):
    """A handle that holds several credentials."""

    async def add_credentials(
        self,
        call: Call,
        credential: object,
        principal: str | None,
        package: str,
        use: CredentialUse,
        authorization_data: AuthIdentity | bytes | None,
    ) -> float:
        """SpAddCredentials: returns the expiry. Page: ntsecpkg/nc-ntsecpkg-spaddcredentialsfn."""
        ...


class CredentialAttributes(Protocol):
    """Attributes of a credential."""

    async def query_credentials_attributes(self, call: Call, credential: object, attribute: int) -> Attribute | bytes:
        """SpQueryCredentialsAttributes (SECPKG_CRED_ATTR_*): a structure of `secpkg.contract.attributes`, or bytes in
        the documented layout. Page: ntsecpkg/nc-ntsecpkg-spquerycredentialsattributesfn.
        """
        ...

    async def set_credentials_attributes(self, call: Call, credential: object, attribute: int, value: bytes) -> None:
        """SpSetCredentialsAttributes: ``value`` as the application gave it, or as SpMarshalAttributeData of the user
        half packed it (R167). Header NTSecPKG.h; ADR 0018.
        """
        ...


class StoredCredentials(Protocol):
    """Credentials kept with the user object."""

    async def save_credentials(self, call: Call, credential: object, credentials: bytes) -> None:
        """SpSaveCredentials. Page: ntsecpkg/nc-ntsecpkg-spsavecredentialsfn."""
        ...

    async def get_credentials(self, call: Call, credential: object) -> bytes:
        """SpGetCredentials. Page: ntsecpkg/nc-ntsecpkg-spgetcredentialsfn."""
        ...

    async def delete_credentials(self, call: Call, credential: object, key: bytes) -> None:
        """SpDeleteCredentials. Page: ntsecpkg/nc-ntsecpkg-spdeletecredentialsfn."""
        ...


class InitiateContext(Protocol):
    """The client side of a context."""

    async def init_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        """SpInitLsaModeContext: one leg for InitializeSecurityContext (R145). ``context`` is None on the first leg,
        when the token is empty unless the server speaks first (R150). Never both None (R151).
        Page: ntsecpkg/nc-ntsecpkg-spinitlsamodecontextfn.
        """
        ...


class AcceptContext(Protocol):
    """The server side of a context."""

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        """SpAcceptLsaModeContext: one leg for AcceptSecurityContext (R145). Make the client's access token here (R102)
        and return its reference in `Complete.access_token`. At most two calls to the authority per leg.
        Page: ntsecpkg/nc-ntsecpkg-spacceptlsamodecontextfn.
        """
        ...


class DeleteContext(Protocol):
    """The end of a context's LSA half."""

    async def delete_context(self, call: Call, context: object) -> None:
        """SpDeleteContext: after the user half was deleted, exactly once, also for half-built contexts and (with the
        cleanup call attribute) when the client died (spec/README 9). Page: ntsecpkg/nc-ntsecpkg-kspdeletecontextfn.
        """
        ...


class ControlToken(Protocol):
    """Documented as not called at present (R171); here SSPI's ApplyControlToken reaches it."""

    async def apply_control_token(self, call: Call, context: object, token: bytes) -> None:
        """SpApplyControlToken: SEC_E_INVALID_TOKEN for a token that is malformed.
        Page: ntsecpkg/nc-ntsecpkg-spapplycontroltokenfn.
        """
        ...


class LsaContextAttributes(Protocol):
    """Attributes that the LSA half answers (context thunks, R164)."""

    async def query_context_attributes(self, call: Call, context: object, attribute: int) -> ContextAttributes:
        """SpQueryContextAttributes. Page: ntsecpkg/nc-ntsecpkg-spquerycontextattributesfn."""
        ...

    async def set_context_attributes(self, call: Call, context: object, attribute: int, value: bytes) -> None:
        """SpSetContextAttributes: SEC_E_UNSUPPORTED_FUNCTION for what cannot be set (R205). Header NTSecPKG.h; ADR
        0018.
        """
        ...


class GetUserInfo(Protocol):
    """Who a session is."""

    async def get_user_info(self, call: Call, logon_id: int, flags: int) -> UserInfo:
        """SpGetUserInfo; with NO_LONG_NAMES the domain has at most 15 characters (R261).
        Page: ntsecpkg/nc-ntsecpkg-spgetuserinfofn.
        """
        ...


class ChangeAccountPassword(Protocol):
    """Password change through the package."""

    async def change_account_password(
        self,
        call: Call,
        domain_name: str,
        account_name: str,
        old_password: str,
        new_password: str,
        impersonating: bool,
    ) -> bytes:
        """SpChangeAccountPassword: the right to do it is proven by ``old_password``, not by who is calling. Returns the
        data of the output buffer (DOMAIN_PASSWORD_INFORMATION in its layout, or nothing). ``impersonating``: for the
        session that the caller presented. Header NTSecPKG.h; ADR 0018.
        """
        ...


class NegotiateMetaData(Protocol):
    """NEGOEX metadata."""

    async def query_meta_data(
        self, call: Call, credential: object, context: object, target: str | None, requirements: int
    ) -> MetaData:
        """SpQueryMetaData (R168, R169). Page: ntsecpkg/nc-ntsecpkg-spquerymetadatafn."""
        ...

    async def exchange_meta_data(
        self, call: Call, credential: object, context: object, target: str | None, requirements: int, meta_data: bytes
    ) -> object:
        """SpExchangeMetaData: returns the context. Page: ntsecpkg/nc-ntsecpkg-spexchangemetadatafn."""
        ...


class CredentialUI(Protocol):
    """Prompting that depends on a context."""

    async def get_cred_ui_context(self, call: Call, context: object, credential_type: bytes) -> bytes:
        """SpGetCredUIContext; ``credential_type`` is a GUID in its 16 bytes. Page:
        ntsecpkg/nc-ntsecpkg-spgetcreduicontextfn.
        """
        ...

    async def update_credentials(
        self, call: Call, context: object, credential_type: bytes, flat_cred_ui_context: bytes
    ) -> None:
        """SpUpdateCredentials. Page: ntsecpkg/nc-ntsecpkg-spupdatecredentialsfn."""
        ...


class LogonTargets(Protocol):
    """Targets named inside a logon message."""

    async def validate_target_info(self, call: Call, submit_buffer: bytes, target_info: TargetInfo) -> None:
        """SpValidateTargetInfo. Page: ntsecpkg/nc-ntsecpkg-spvalidatetargetinfofn."""
        ...

    async def extract_target_info(self, call: Call, submit_buffer: bytes) -> bytes:
        """SpExtractTargetInfo: which target a logon message addresses. Header NTSecPKG.h; ADR 0018."""
        ...


class RemoteCredentialGuard(Protocol):
    """Remote Credential Guard."""

    async def get_remote_cred_guard_logon_buffer(
        self, call: Call, credential: object, context: object, target: str
    ) -> RemoteCredentialGuardBuffer:
        """SpGetRemoteCredGuardLogonBuffer. Header NTSecPKG.h."""
        ...

    async def get_remote_cred_guard_supplemental_creds(
        self, call: Call, credential: object, target: str
    ) -> RemoteCredentialGuardBuffer:
        """SpGetRemoteCredGuardSupplementalCreds. Header NTSecPKG.h."""
        ...


class TrustedBootAutoLogon(Protocol):
    """Sign-on after a restart."""

    async def get_tbal_supplemental_creds(self, call: Call, logon_id: int) -> bytes:
        """SpGetTbalSupplementalCreds. Header NTSecPKG.h."""
        ...


PROTOCOLS: tuple[type, ...] = (
    Lifecycle,
    GetInfo,
    ExtendedInformation,
    AcceptCredentials,
    Credentials,
    AddCredentials,
    CredentialAttributes,
    StoredCredentials,
    InitiateContext,
    AcceptContext,
    DeleteContext,
    ControlToken,
    LsaContextAttributes,
    GetUserInfo,
    ChangeAccountPassword,
    NegotiateMetaData,
    CredentialUI,
    LogonTargets,
    RemoteCredentialGuard,
    TrustedBootAutoLogon,
)
