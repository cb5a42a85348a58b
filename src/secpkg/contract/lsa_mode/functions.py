"""LSA functions: what a package in LSA mode calls, as ``self.authority.<function>(...)``, by power.

Every function is awaited, even where the host can answer at once: a package cannot tell a worker from embedded mode.
The package's own identity and the client it is working for come from the channel and the call, so the parameters of
the documents that repeat them (AuthenticationPackage, ClientRequest) are left out. A failure raises `SecurityError`
with the documented status. Functions that this release does not offer raise STATUS_NOT_IMPLEMENTED.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from secpkg.contract.flags import (
    CallAttribute,
    CallFlags,
    ImpersonationLevel,
    LogonType,
    NameType,
    NotifierFlag,
    NotifierType,
    NotifyClass,
)
from secpkg.contract.status import Status
from secpkg.contract.values import (
    AuthData,
    ClientInfo,
    ConvertedToken,
    LogonAudit,
    PrimaryCredential,
    ProtocolReply,
    SamUser,
    SecBuffer,
    StoredCredential,
    SupplementalCredential,
    TokenInformation,
    TokenReference,
    Value,
)


class CallInfo(Value, frozen=True):
    """``SECPKG_CALL_INFO`` (GetCallInfo, R141)."""

    process_id: int
    thread_id: int
    attributes: CallAttribute
    call_count: int


class AppModeInfo(Value, frozen=True):
    """Parameters of an application-mode call (GetAppModeInfo)."""

    user_function: int
    argument1: int
    argument2: int
    user_data: bytes
    return_to_lsa: bool


class CrackedName(Value, frozen=True):
    """Result of CrackSingleName."""

    name: str
    dns_domain_name: str


class SharedPiece(Value, frozen=True):
    """Result of AllocateSharedMemory: an address within the section, and the bytes there, writable. Clients write into
    them too (R131). The view ends with the piece.
    """

    address: int
    memory: memoryview


class EncryptedCredential(Value, frozen=True):
    """``ENCRYPTED_CREDENTIALW``: a credential manager entry."""

    _secrets = ("credential_blob",)

    target_name: str
    type: int
    user_name: str
    credential_blob: bytes


class DecodedString(Value, frozen=True):
    """Result of CrediUnmarshalandDecodeString."""

    _secrets = ("blob",)

    blob: bytes
    is_failure_fatal: bool


class ServiceAccountPassword(Value, frozen=True):
    """Result of GetServiceAccountPassword."""

    _secrets = ("current_password", "previous_password")

    current_password: str
    previous_password: str
    expiry: float


class Sessions(Protocol):
    """Logon sessions."""

    def create_logon_session(self, logon_id: int) -> Awaitable[None]:
        """CreateLogonSession: after drawing a LUID and before returning token information or calling `create_token`.
        STATUS_LOGON_SESSION_COLLISION when the id is in use (R98). A session made in vain is deleted again.
        Page: ntsecpkg/nc-ntsecpkg-lsa_create_logon_session.
        """
        ...

    def delete_logon_session(self, logon_id: int) -> Awaitable[None]:
        """DeleteLogonSession: no LsaApLogonTerminated follows (R95). STATUS_BAD_LOGON_SESSION_STATE while a token
        refers to it, STATUS_NO_SUCH_LOGON_SESSION when unknown, or another package's (R97).
        Page: ntsecpkg/nc-ntsecpkg-lsa_delete_logon_session.
        """
        ...


class SessionCredentials(Protocol):
    """Credentials that this package keeps with a session; they live in the authority, encrypted (lock 4)."""

    def add_credential(self, logon_id: int, key: bytes, credentials: bytes) -> Awaitable[None]:
        """AddCredential: keys need not be unique (R109); the bytes are copied (R110).
        STATUS_NO_SUCH_LOGON_SESSION (R116). Page: ntsecpkg/nc-ntsecpkg-lsa_add_credential.
        """
        ...

    def get_credentials(
        self, logon_id: int, query_context: int = 0, key: bytes | None = None
    ) -> Awaitable[StoredCredential]:
        """GetCredentials: one entry per call, own entries only (R111, R112); ``key`` None walks over all
        (RetrieveAllCredentials). ERROR_GEN_FAILURE when there is no (further) entry (R114).
        Page: ntsecpkg/nc-ntsecpkg-lsa_get_credentials.
        """
        ...

    def delete_credential(self, logon_id: int, key: bytes) -> Awaitable[None]:
        """DeleteCredential: the first entry with the key (R115); ERROR_GEN_FAILURE when there is none.
        Page: ntsecpkg/nc-ntsecpkg-lsa_delete_credential.
        """
        ...


class LsaHeap(Protocol):
    """Memory that passes between package and LSA (R123): no Python work, only the duty (spec/README 11)."""

    def allocate_lsa_heap(self, length: int) -> Awaitable[bytearray]:
        """AllocateLsaHeap: zeros, charged to the package until they are freed, or nobody holds them.
        STATUS_NO_MEMORY. Page: ntsecpkg/nc-ntsecpkg-lsa_allocate_lsa_heap.
        """
        ...

    def free_lsa_heap(self, base: bytearray) -> Awaitable[None]:
        """FreeLsaHeap: STATUS_INVALID_PARAMETER for what is no block of this heap, and for the second time.
        Page: ntsecpkg/nc-ntsecpkg-lsa_free_lsa_heap.
        """
        ...


class ClientBuffers(Protocol):
    """Memory of the client (R124, R125), charged to its quota."""

    def allocate_client_buffer(self, length: int) -> Awaitable[int]:
        """AllocateClientBuffer: STATUS_NO_MEMORY when the quota is used up (R127).
        Page: ntsecpkg/nc-ntsecpkg-lsa_allocate_client_buffer.
        """
        ...

    def free_client_buffer(self, client_base_address: int) -> Awaitable[None]:
        """FreeClientBuffer: 0 is accepted and does nothing (R126). Page:
        ntsecpkg/nc-ntsecpkg-lsa_free_client_buffer.
        """
        ...

    def copy_to_client_buffer(self, client_base_address: int, data: bytes) -> Awaitable[None]:
        """CopyToClientBuffer. Page: ntsecpkg/nc-ntsecpkg-lsa_copy_to_client_buffer."""
        ...

    def copy_from_client_buffer(self, client_base_address: int, length: int) -> Awaitable[bytes]:
        """CopyFromClientBuffer. Page: ntsecpkg/nc-ntsecpkg-lsa_copy_from_client_buffer."""
        ...


class LsaDispatchTable(Sessions, SessionCredentials, LsaHeap, ClientBuffers, Protocol):
    """``LSA_DISPATCH_TABLE``: the eleven functions that LsaApInitializePackage hands to an authentication package."""


class Callers(Protocol):
    """Who is calling."""

    def get_client_info(self) -> Awaitable[ClientInfo]:
        """GetClientInfo (R140). STATUS_UNSUCCESSFUL where nobody calls: at start-up, in a callback.
        Page: ntsecpkg/nc-ntsecpkg-lsa_get_client_info.
        """
        ...

    def get_client_info_ex(self) -> Awaitable[ClientInfo]:
        """GetClientInfoEx: as `get_client_info`. Header NTSecPKG.h (docs/adr/0017)."""
        ...

    def get_call_info(self) -> Awaitable[CallInfo]:
        """GetCallInfo (R141). Page: ntsecpkg/nc-ntsecpkg-lsa_get_call_info."""
        ...

    def get_extended_call_flags(self) -> Awaitable[CallFlags]:
        """GetExtendedCallFlags: FORCE_SUPPLIED for a caller that shows no logon session. Header NTSecPKG.h
        (docs/adr/0017).
        """
        ...

    def query_client_request(self, query_type: int) -> Awaitable[int]:
        """QueryClientRequest: 1 asks for the session before logon, the one that the caller shows.
        STATUS_NO_SUCH_LOGON_SESSION, STATUS_INVALID_PARAMETER. Header NTSecPKG.h (docs/adr/0017).
        """
        ...

    def impersonate_client(self) -> Awaitable[None]:
        """ImpersonateClient (R138): where the client is the user that the module runs as; there is nothing to revert.
        Else STATUS_PRIVILEGE_NOT_HELD, and the request is to be abandoned. Page: legacy aa375494.
        """
        ...


class Accounts(Protocol):
    """The account database."""

    def open_sam_user(
        self, name: str, name_type: NameType = NameType.SAM_COMPATIBLE, prefix: str = "", allow_guest: bool = False
    ) -> Awaitable[SamUser]:
        """OpenSamUser: STATUS_NO_SUCH_USER; STATUS_INVALID_PARAMETER for an alternate id without prefix (R256); with
        ``allow_guest`` an unknown name falls back to an enabled Guest (R257).
        Page: ntsecpkg/nc-ntsecpkg-lsa_open_sam_user.
        """
        ...

    def get_user_auth_data(self, user_handle: int) -> Awaitable[AuthData]:
        """GetUserAuthData of an account opened in this call. Page: ntsecpkg/nc-ntsecpkg-lsa_get_user_auth_data."""
        ...

    def close_sam_user(self, user_handle: int) -> Awaitable[None]:
        """CloseSamUser: STATUS_INVALID_HANDLE. Page: ntsecpkg/nc-ntsecpkg-lsa_close_sam_user."""
        ...

    def get_auth_data_for_user(
        self, name: str, name_type: NameType = NameType.SAM_COMPATIBLE, prefix: str = ""
    ) -> Awaitable[AuthData]:
        """GetAuthDataForUser: OpenSamUser, GetUserAuthData and CloseSamUser in one call to the authority (R258).
        Page: ntsecpkg/nc-ntsecpkg-lsa_get_auth_data_for_user.
        """
        ...

    def get_user_credentials(self, user_handle: int) -> Awaitable[bytes]:
        """GetUserCredentials: documented as not implemented (R118). Header NTSecPKG.h."""
        ...

    def expand_auth_data_for_domain(self, auth_data: AuthData) -> Awaitable[AuthData]:
        """ExpandAuthDataForDomain: the groups of this domain in which the account is are added (R259).
        STATUS_NO_SUCH_USER for a SID of this domain without account.
        Page: ntsecpkg/nc-ntsecpkg-lsa_expand_auth_data_for_domain.
        """
        ...

    def crack_single_name(
        self, format_offered: int, name: str, requested_format: int, prefix: str = "", perform_at_gc: bool = False
    ) -> Awaitable[CrackedName]:
        """CrackSingleName: the formats are `secpkg.contract.directory.NameFormat`, of which an account store knows
        account name, display name, user principal name, SID and domain. STATUS_UNSUCCESSFUL, with the directory's code
        (`directory.CrackError`) as the reason and the nearest status as substatus; the SID is no format to ask for
        (R260). ``perform_at_gc`` and ``prefix`` change nothing: the store is all the directory there is.
        Page: ntsecpkg/nc-ntsecpkg-lsa_crack_single_name.
        """
        ...

    def get_service_account_password(
        self, account_name: str, domain_name: str = "", cred_fetch: int = 0
    ) -> Awaitable[ServiceAccountPassword]:
        """GetServiceAccountPassword. Header NTSecPKG.h."""
        ...


class Tokens(Protocol):
    """Access tokens: packages see references only (lock 5)."""

    def convert_auth_data_to_token(
        self,
        auth_data: AuthData,
        impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
        logon_type: LogonType = LogonType.NETWORK,
        authority_name: str = "",
        workstation: str = "",
    ) -> Awaitable[ConvertedToken]:
        """ConvertAuthDataToToken: session and token in one step (R105), audited as a logon of ``logon_type``. The
        account is looked up again, so that nothing in ``auth_data`` can add to it; STATUS_ACCOUNT_RESTRICTION with its
        substatus when a rule of the account refuses (R55). ``workstation`` is for the audit record.
        Page: ntsecpkg/nc-ntsecpkg-lsa_convert_auth_data_to_token.
        """
        ...

    def create_token(
        self,
        logon_id: int,
        token_information: TokenInformation,
        logon_type: LogonType = LogonType.NETWORK,
        impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
        account_name: str = "",
        authority_name: str = "",
        workstation: str = "",
    ) -> Awaitable[TokenReference]:
        """CreateToken: for a session made with `Sessions.create_logon_session` (R102). TokenSource is the package
        (R103). STATUS_NO_SUCH_LOGON_SESSION. Page: ntsecpkg/nc-ntsecpkg-lsa_create_token.
        """
        ...

    def create_token_ex(
        self,
        logon_id: int,
        token_information: TokenInformation,
        session_information: PrimaryCredential,
        logon_type: LogonType = LogonType.NETWORK,
        impersonation_level: ImpersonationLevel = ImpersonationLevel.IMPERSONATION,
        workstation: str = "",
    ) -> Awaitable[TokenReference]:
        """CreateTokenEx. Page: ntsecpkg/nc-ntsecpkg-lsa_create_token_ex."""
        ...

    def open_token_by_logon_id(self, logon_id: int) -> Awaitable[TokenReference]:
        """OpenTokenByLogonId: a token of the caller's own session. Page:
        ntsecpkg/nc-ntsecpkg-lsa_open_token_by_logon_id.
        """
        ...

    def duplicate_handle(self, source: TokenReference) -> Awaitable[TokenReference]:
        """DuplicateHandle: a handle for the client process (R106). Page: ntsecpkg/nc-ntsecpkg-lsa_duplicate_handle."""
        ...

    def duplicate_token_handle(self, source: TokenReference) -> Awaitable[TokenReference]:
        """DuplicateTokenHandle. Header NTSecPKG.h."""
        ...

    def check_protected_user_by_token(self, token: TokenReference) -> Awaitable[bool]:
        """CheckProtectedUserByToken. Header NTSecPKG.h."""
        ...


class Audit(Protocol):
    """The audit record, which the authority alone writes (lock 10)."""

    def audit_logon(self, record: LogonAudit) -> Awaitable[None]:
        """AuditLogon: a logon that the authority did not see itself; a failure counts towards the delay of the account
        and origin (lock 9). Page: ntsecpkg/nc-ntsecpkg-lsa_audit_logon.
        """
        ...

    def audit_logon_ex(self, record: LogonAudit, impersonation_level: ImpersonationLevel) -> Awaitable[None]:
        """AuditLogonEx. Header NTSecPKG.h."""
        ...

    def audit_account_logon(
        self, audit_id: int, success: bool, source: str, client_name: str, mapped_name: str, status: Status
    ) -> Awaitable[None]:
        """AuditAccountLogon: how a foreign name was mapped; always succeeds (R108).
        Page: ntsecpkg/nc-ntsecpkg-lsa_audit_account_logon.
        """
        ...


class Packages(Protocol):
    """Other packages, and the package's own place among them."""

    def call_package(self, authentication_package: str, submit_buffer: bytes) -> Awaitable[ProtocolReply]:
        """CallPackage: the other package's LsaApCallPackage; STATUS_NO_SUCH_PACKAGE (R88).
        Page: ntsecpkg/nc-ntsecpkg-lsa_call_package.
        """
        ...

    def call_package_ex(
        self, authentication_package: str, client_buffer_base: int, submit_buffer: bytes
    ) -> Awaitable[ProtocolReply]:
        """CallPackageEx. Page: ntsecpkg/nc-ntsecpkg-lsa_call_packageex."""
        ...

    def call_package_passthrough(
        self, authentication_package: str, client_buffer_base: int, submit_buffer: bytes
    ) -> Awaitable[ProtocolReply]:
        """CallPackagePassthrough (R89). Page: ntsecpkg/nc-ntsecpkg-lsa_call_package_passthrough."""
        ...

    def free_return_buffer(self, buffer: bytes) -> Awaitable[None]:
        """FreeReturnBuffer (R90). Page: ntsecpkg/nc-ntsecpkg-lsa_free_lsa_heap."""
        ...

    def unload_package(self) -> Awaitable[None]:
        """UnloadPackage: takes the calling package out of service; always succeeds (R39). Page: legacy aa380520."""
        ...

    def update_credentials(
        self, primary: PrimaryCredential, supplemental: tuple[SupplementalCredential, ...] = ()
    ) -> Awaitable[None]:
        """UpdateCredentials: SpAcceptCredentials in every package again (R72). With LUID 0, an account name and a clear
        password, the account's password is changed, once the package has been shown the old one (ADR 0018);
        STATUS_PRIVILEGE_NOT_HELD where the operator granted the module no clear passwords. Page:
        ntsecpkg/nc-ntsecpkg-lsa_update_primary_credentials.
        """
        ...


class ProtectedMemory(Protocol):
    """Secrets in memory."""

    def protect_memory(self, buffer: bytearray) -> Awaitable[None]:
        """LsaProtectMemory: encrypts in place (R121), 1 MiB at most. Page: ntsecpkg/nc-ntsecpkg-lsa_protect_memory."""
        ...

    def unprotect_memory(self, buffer: bytearray) -> Awaitable[None]:
        """LsaUnprotectMemory: decrypts in place (R121). Page: ntsecpkg/nc-ntsecpkg-lsa_protect_memory."""
        ...

    def allocate_private_heap(self, length: int) -> Awaitable[bytearray]:
        """AllocatePrivateHeap: as `LsaHeap.allocate_lsa_heap`; the bytes are wiped when they are released.
        Page: ntsecpkg/nc-ntsecpkg-lsa_allocate_private_heap.
        """
        ...

    def free_private_heap(self, base: bytearray) -> Awaitable[None]:
        """FreePrivateHeap: as `LsaHeap.free_lsa_heap`. Page: ntsecpkg/nc-ntsecpkg-lsa_free_private_heap."""
        ...

    def map_buffer(self, buffer: SecBuffer) -> Awaitable[SecBuffer]:
        """MapBuffer (R128): of a buffer that the client marked SECBUFFER_UNMAPPED a read-only view, valid for this call
        only; any other is repeated as a descriptor. Page: ntsecpkg/nc-ntsecpkg-lsa_map_buffer.
        """
        ...


class SharedMemory(Protocol):
    """Sections shared with clients, whose contents nobody may trust (R131)."""

    def create_shared_memory(self, max_size: int, initial_size: int) -> Awaitable[int]:
        """CreateSharedMemory: the handle of a section (docs/adr/0016). STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY,
        STATUS_INSUFFICIENT_RESOURCES. Page: ntsecpkg/nc-ntsecpkg-lsa_create_shared_memory.
        """
        ...

    def allocate_shared_memory(self, shared_memory: int, size: int) -> Awaitable[SharedPiece]:
        """AllocateSharedMemory: STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY.
        Page: ntsecpkg/nc-ntsecpkg-lsa_allocate_shared_memory.
        """
        ...

    def free_shared_memory(self, shared_memory: int, memory: int) -> Awaitable[None]:
        """FreeSharedMemory, by the piece's address: STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER.
        Page: ntsecpkg/nc-ntsecpkg-lsa_free_shared_memory.
        """
        ...

    def delete_shared_memory(self, shared_memory: int) -> Awaitable[bool]:
        """DeleteSharedMemory: False when there is no such section. Page:
        ntsecpkg/nc-ntsecpkg-lsa_delete_shared_memory.
        """
        ...


class Notifications(Protocol):
    """Being called back."""

    def register_notification(
        self,
        function: Callable[[object], object],
        parameter: object,
        notification_type: NotifierType,
        notification_class: NotifyClass | None = None,
        flags: NotifierFlag = NotifierFlag(0),
        interval_minutes: int = 0,
        wait_event: int | None = None,
    ) -> Awaitable[int]:
        """RegisterNotification (R249-R254): ``function(parameter)``, plain or ``async def``, is called later, for no
        client; for an event it is given a `secpkg.contract.lsa_mode.events.EventNotify`. ``wait_event`` is a descriptor
        that becomes readable. Calls of one notification do not overlap, and end with the package. Returns the handle
        for `cancel_notification`. STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES.
        Page: ntsecpkg/nc-ntsecpkg-lsa_register_notification.
        """
        ...

    def cancel_notification(self, notify_handle: int) -> Awaitable[None]:
        """CancelNotification: STATUS_INVALID_PARAMETER (R255). Page: ntsecpkg/nc-ntsecpkg-lsa_cancel_notification."""
        ...

    def create_thread(self, function: Callable[[object], object], parameter: object) -> Awaitable[int]:
        """CreateThread (R137): ``function(parameter)``, plain or ``async def``, runs soon, when nothing else of the
        module does; it is no thread of the system and must not block. What it raises goes to the trace. Returns its
        handle. STATUS_INSUFFICIENT_RESOURCES. Page: ntsecpkg/nc-ntsecpkg-lsa_create_thread.
        """
        ...


class ClientCallbacks(Protocol):
    """Calls from the LSA half into the client."""

    def client_callback(self, callback: int, argument1: int, argument2: int, data: bytes) -> Awaitable[bytes]:
        """ClientCallback: the user half must have registered it (R165), and has done so once a context of the module
        was mapped in the client. 64 KiB each way. STATUS_NOT_FOUND, STATUS_INVALID_PARAMETER, STATUS_UNSUCCESSFUL when
        there is no client, or it does not answer; else what the function failed with.
        Page: ntsecpkg/nc-ntsecpkg-lsa_client_callback.
        """
        ...

    def get_app_mode_info(self) -> Awaitable[AppModeInfo]:
        """GetAppModeInfo: STATUS_NOT_IMPLEMENTED. Header NTSecPKG.h (docs/adr/0017)."""
        ...

    def set_app_mode_info(self, info: AppModeInfo) -> Awaitable[None]:
        """SetAppModeInfo: STATUS_NOT_IMPLEMENTED. Header NTSecPKG.h (docs/adr/0017)."""
        ...


class CredentialManager(Protocol):
    """Stored credentials of a session's user, or of the session where its user has no account here.

    ``cred_flags`` are CREDP_FLAGS_* (`secpkg.contract.flags.CredpFlag`); ``flags`` is reserved and must be 0 (R122).
    The session is one of which this package was told, or the client's own, and carries credentials at all (lock 3).
    The blob of an entry is for the package that wrote it and for modules with ``primary_credentials`` (lock 4), others
    get it empty; that of a domain credential also needs CREDP_FLAGS_IN_PROCESS: it stays inside the LSA (R120).
    Errors of all: STATUS_NO_SUCH_LOGON_SESSION, STATUS_BAD_LOGON_SESSION_STATE, STATUS_INVALID_PARAMETER.
    """

    def credi_read(
        self, logon_id: int, cred_flags: int, target_name: str, type: int, flags: int = 0
    ) -> Awaitable[EncryptedCredential]:
        """CrediRead: the entry with that target and type (CRED_TYPE_*); STATUS_OBJECT_NAME_NOT_FOUND.
        Page: ntsecpkg/nc-ntsecpkg-credreadfn.
        """
        ...

    def credi_read_domain_credentials(
        self, logon_id: int, cred_flags: int, target: str, flags: int = 0
    ) -> Awaitable[tuple[EncryptedCredential, ...]]:
        """CrediReadDomainCredentials: the domain credentials that fit a machine's name, the best first: that name
        itself, ``*.suffix``, ``*``. STATUS_OBJECT_NAME_NOT_FOUND when none does.
        Page: ntsecpkg/nc-ntsecpkg-credreaddomaincredentialsfn.
        """
        ...

    def credi_free_credentials(self, credentials: tuple[EncryptedCredential, ...]) -> Awaitable[None]:
        """CrediFreeCredentials: what one call returned, once (R122). Page: ntsecpkg/nc-ntsecpkg-credfreecredentialsfn."""
        ...

    def credi_write(
        self, logon_id: int, cred_flags: int, credential: EncryptedCredential, flags: int = 0
    ) -> Awaitable[None]:
        """CrediWrite: in place of the entry with the same target and type. STATUS_ACCESS_DENIED for another package's
        entry without ``primary_credentials``; STATUS_QUOTA_EXCEEDED; STATUS_INVALID_PARAMETER for an illegal entry and
        for CREDP_FLAGS_USER_ENCRYPTED_PASSWORD, which nothing here could decrypt.
        Page: ntsecpkg/nc-ntsecpkg-credwritefn.
        """
        ...

    def credi_unmarshaland_decode_string(self, marshaled_string: str) -> Awaitable[DecodedString]:
        """CrediUnmarshalandDecodeString: the bytes of a string from CredMarshalCredential: a certificate's hash, a
        user name in UTF-16, or a blob. STATUS_INVALID_PARAMETER for what is no such string; the failure is fatal
        (IsFailureFatal) when the string says that it is one, and then the substatus is STATUS_INVALID_PARAMETER too.
        Page: ntsecpkg/nc-ntsecpkg-crediunmarshalanddecodestringfn.
        """
        ...


class Reserved(Protocol):
    """Slots that the documents reserve, retire or leave unimplemented: they answer an error (R118)."""

    def save_supplemental_credentials(
        self, logon_id: int, supplemental_credentials: bytes, synchronous: bool
    ) -> Awaitable[None]:
        """SaveSupplementalCredentials: obsolete. Header NTSecPKG.h."""
        ...

    def dummy_function6(self, buffer: bytearray) -> Awaitable[None]:
        """DummyFunction6: reserved. Header NTSecPKG.h."""
        ...

    def dummy_function7(self, buffer: bytearray) -> Awaitable[None]:
        """DummyFunction7: reserved. Header NTSecPKG.h."""
        ...


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
