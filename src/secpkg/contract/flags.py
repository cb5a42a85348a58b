"""The documented numbers of the custom security package interfaces, as typed Python.

One class for each constant group of the SDK headers (ntsecpkg.h, sspi.h, ntsecapi.h). A member is the documented name
with its prefix dropped, in UPPER_SNAKE; ``.native`` gives the documented spelling back. Classes that are combined with
``|`` are flags and keep bits that have no name; the others are closed: an unknown number raises ValueError.
"""

from __future__ import annotations

import enum
from typing import ClassVar, Final


def _spell(prefix: str, camel: bool, name: str) -> str:
    return prefix + (name.title().replace("_", "") if camel else name)


class _Number(enum.IntEnum):
    _prefix: ClassVar[str]
    _camel: ClassVar[bool]
    _spelt: ClassVar[dict[str, str]]

    def __init_subclass__(cls, prefix: str, camel: bool = False, spelt: dict[str, str] | None = None) -> None:
        super().__init_subclass__()
        cls._prefix = prefix
        cls._camel = camel
        cls._spelt = spelt or {}

    @property
    def native(self) -> str:
        """The documented spelling of this constant."""
        return self._spelt.get(self._name_) or _spell(self._prefix, self._camel, self._name_)


class _Flags(enum.IntFlag):
    _prefix: ClassVar[str]
    _spelt: ClassVar[dict[str, str]]

    def __init_subclass__(cls, prefix: str, spelt: dict[str, str] | None = None) -> None:
        super().__init_subclass__()
        cls._prefix = prefix
        cls._spelt = spelt or {}

    @property
    def native(self) -> str:
        """The documented spelling; a combination is joined with " | ", bits without a name are one hex number."""
        exact = [name for name, member in type(self).__members__.items() if member._value_ == self._value_]
        names = exact[:1] or [str(member._name_) for member in type(self) if member._value_ & self._value_]
        parts = [self._spelt.get(name) or self._prefix + name for name in names]
        if not exact:
            rest = self._value_
            for name in names:
                rest &= ~type(self)[name]._value_
            if rest or not parts:
                parts.append(f"{rest:#x}")
        return " | ".join(parts)


# ntsecpkg.h: interface versions; sspi/ns-sspi-secpkginfow: capabilities


class InterfaceVersion(
    _Number,
    prefix="SECPKG_INTERFACE_VERSION_",
    spelt={
        "V1": "SECPKG_INTERFACE_VERSION",
        "V2": "SECPKG_INTERFACE_VERSION_2",
        "V3": "SECPKG_INTERFACE_VERSION_3",
        "V4": "SECPKG_INTERFACE_VERSION_4",
        "V5": "SECPKG_INTERFACE_VERSION_5",
        "V6": "SECPKG_INTERFACE_VERSION_6",
        "V7": "SECPKG_INTERFACE_VERSION_7",
        "V8": "SECPKG_INTERFACE_VERSION_8",
        "V9": "SECPKG_INTERFACE_VERSION_9",
        "V10": "SECPKG_INTERFACE_VERSION_10",
        "V11": "SECPKG_INTERFACE_VERSION_11",
    },
):
    """Interface version of a function table (SpLsaModeInitialize; R21): a single bit, newer is greater."""

    V1 = 0x10000
    V2 = 0x20000
    V3 = 0x40000
    V4 = 0x80000
    V5 = 0x100000
    V6 = 0x200000
    V7 = 0x400000
    V8 = 0x800000
    V9 = 0x1000000
    V10 = 0x2000000
    V11 = 0x4000000


class Capability(_Flags, prefix="SECPKG_FLAG_"):
    """What a package can do: SecPkgInfo.fCapabilities (SECPKG_FLAG_*)."""

    INTEGRITY = 0x1
    PRIVACY = 0x2
    TOKEN_ONLY = 0x4
    DATAGRAM = 0x8
    CONNECTION = 0x10
    MULTI_REQUIRED = 0x20
    CLIENT_ONLY = 0x40
    EXTENDED_ERROR = 0x80
    IMPERSONATION = 0x100
    ACCEPT_WIN32_NAME = 0x200
    STREAM = 0x400
    NEGOTIABLE = 0x800
    GSS_COMPATIBLE = 0x1000
    LOGON = 0x2000
    ASCII_BUFFERS = 0x4000
    FRAGMENT = 0x8000
    MUTUAL_AUTH = 0x10000
    DELEGATION = 0x20000
    READONLY_WITH_CHECKSUM = 0x40000
    RESTRICTED_TOKENS = 0x80000
    NEGO_EXTENDER = 0x100000
    NEGOTIABLE2 = 0x200000
    APPCONTAINER_PASSTHROUGH = 0x400000
    APPCONTAINER_CHECKS = 0x800000
    CREDENTIAL_ISOLATION_ENABLED = 0x1000000
    APPLY_LOOPBACK = 0x2000000


class CallFlags(_Flags, prefix="SECPKG_CALLFLAGS_"):
    """What GetExtendedCallFlags says of the caller (SECPKG_CALLFLAGS_*)."""

    APPCONTAINER = 0x1
    APPCONTAINER_AUTHCAPABLE = 0x2
    FORCE_SUPPLIED = 0x4
    APPCONTAINER_UPNCAPABLE = 0x8


# sspi/nf-sspi-acquirecredentialshandlew


class CredentialUse(_Flags, prefix="SECPKG_CRED_"):
    """fCredentialUse of AcquireCredentialsHandle (SECPKG_CRED_*)."""

    INBOUND = 0x1
    OUTBOUND = 0x2
    BOTH = 0x3
    DEFAULT = 0x4
    AUTOLOGON_RESTRICTED = 0x10
    PROCESS_POLICY_ONLY = 0x20
    KERB_ANCHOR_DS_VERSION = 0x40
    RESERVED = 0xF0000000


# "Context Requirements"; sspi/nf-sspi-initializesecuritycontextw, sspi/nf-sspi-acceptsecuritycontext


class IscReq(_Flags, prefix="ISC_REQ_"):
    """fContextReq of InitializeSecurityContext (ISC_REQ_*); bits above 32 travel in a SECBUFFER_FLAGS buffer."""

    DELEGATE = 0x1
    MUTUAL_AUTH = 0x2
    REPLAY_DETECT = 0x4
    SEQUENCE_DETECT = 0x8
    CONFIDENTIALITY = 0x10
    USE_SESSION_KEY = 0x20
    PROMPT_FOR_CREDS = 0x40
    USE_SUPPLIED_CREDS = 0x80
    ALLOCATE_MEMORY = 0x100
    USE_DCE_STYLE = 0x200
    DATAGRAM = 0x400
    CONNECTION = 0x800
    CALL_LEVEL = 0x1000
    FRAGMENT_SUPPLIED = 0x2000
    EXTENDED_ERROR = 0x4000
    STREAM = 0x8000
    INTEGRITY = 0x10000
    IDENTIFY = 0x20000
    NULL_SESSION = 0x40000
    MANUAL_CRED_VALIDATION = 0x80000
    RESERVED1 = 0x100000
    FRAGMENT_TO_FIT = 0x200000
    FORWARD_CREDENTIALS = 0x400000
    NO_INTEGRITY = 0x800000
    USE_HTTP_STYLE = 0x1000000
    UNVERIFIED_TARGET_NAME = 0x20000000
    CONFIDENTIALITY_ONLY = 0x40000000
    MESSAGES = 0x100000000
    DEFERRED_CRED_VALIDATION = 0x200000000
    NO_POST_HANDSHAKE_AUTH = 0x400000000
    REUSE_SESSION_TICKETS = 0x800000000
    EXPLICIT_SESSION = 0x1000000000


class IscRet(_Flags, prefix="ISC_RET_"):
    """pfContextAttr of InitializeSecurityContext (ISC_RET_*)."""

    DELEGATE = 0x1
    MUTUAL_AUTH = 0x2
    REPLAY_DETECT = 0x4
    SEQUENCE_DETECT = 0x8
    CONFIDENTIALITY = 0x10
    USE_SESSION_KEY = 0x20
    USED_COLLECTED_CREDS = 0x40
    USED_SUPPLIED_CREDS = 0x80
    ALLOCATED_MEMORY = 0x100
    USED_DCE_STYLE = 0x200
    DATAGRAM = 0x400
    CONNECTION = 0x800
    INTERMEDIATE_RETURN = 0x1000
    CALL_LEVEL = 0x2000
    EXTENDED_ERROR = 0x4000
    STREAM = 0x8000
    INTEGRITY = 0x10000
    IDENTIFY = 0x20000
    NULL_SESSION = 0x40000
    MANUAL_CRED_VALIDATION = 0x80000
    RESERVED1 = 0x100000
    FRAGMENT_ONLY = 0x200000
    FORWARD_CREDENTIALS = 0x400000
    USED_HTTP_STYLE = 0x1000000
    NO_ADDITIONAL_TOKEN = 0x2000000
    REAUTHENTICATION = 0x8000000
    CONFIDENTIALITY_ONLY = 0x40000000
    MESSAGES = 0x100000000
    DEFERRED_CRED_VALIDATION = 0x200000000
    NO_POST_HANDSHAKE_AUTH = 0x400000000
    REUSE_SESSION_TICKETS = 0x800000000
    EXPLICIT_SESSION = 0x1000000000


class AscReq(_Flags, prefix="ASC_REQ_"):
    """fContextReq of AcceptSecurityContext (ASC_REQ_*); above FRAGMENT_SUPPLIED they are not the ISC_REQ_* numbers."""

    DELEGATE = 0x1
    MUTUAL_AUTH = 0x2
    REPLAY_DETECT = 0x4
    SEQUENCE_DETECT = 0x8
    CONFIDENTIALITY = 0x10
    USE_SESSION_KEY = 0x20
    SESSION_TICKET = 0x40
    ALLOCATE_MEMORY = 0x100
    USE_DCE_STYLE = 0x200
    DATAGRAM = 0x400
    CONNECTION = 0x800
    CALL_LEVEL = 0x1000
    FRAGMENT_SUPPLIED = 0x2000
    EXTENDED_ERROR = 0x8000
    STREAM = 0x10000
    INTEGRITY = 0x20000
    LICENSING = 0x40000
    IDENTIFY = 0x80000
    ALLOW_NULL_SESSION = 0x100000
    ALLOW_NON_USER_LOGONS = 0x200000
    ALLOW_CONTEXT_REPLAY = 0x400000
    FRAGMENT_TO_FIT = 0x800000
    NO_TOKEN = 0x1000000
    PROXY_BINDINGS = 0x4000000
    ALLOW_MISSING_BINDINGS = 0x10000000
    MESSAGES = 0x100000000
    EXPLICIT_SESSION = 0x1000000000


class AscRet(_Flags, prefix="ASC_RET_"):
    """pfContextAttr of AcceptSecurityContext (ASC_RET_*)."""

    DELEGATE = 0x1
    MUTUAL_AUTH = 0x2
    REPLAY_DETECT = 0x4
    SEQUENCE_DETECT = 0x8
    CONFIDENTIALITY = 0x10
    USE_SESSION_KEY = 0x20
    SESSION_TICKET = 0x40
    ALLOCATED_MEMORY = 0x100
    USED_DCE_STYLE = 0x200
    DATAGRAM = 0x400
    CONNECTION = 0x800
    CALL_LEVEL = 0x2000
    THIRD_LEG_FAILED = 0x4000
    EXTENDED_ERROR = 0x8000
    STREAM = 0x10000
    INTEGRITY = 0x20000
    LICENSING = 0x40000
    IDENTIFY = 0x80000
    NULL_SESSION = 0x100000
    ALLOW_NON_USER_LOGONS = 0x200000
    ALLOW_CONTEXT_REPLAY = 0x400000
    FRAGMENT_ONLY = 0x800000
    NO_TOKEN = 0x1000000
    NO_ADDITIONAL_TOKEN = 0x2000000
    MESSAGES = 0x100000000
    REUSE_SESSION_TICKETS = 0x800000000
    EXPLICIT_SESSION = 0x1000000000


# sspi/nf-sspi-querycredentialsattributesw, sspi/nf-sspi-querycontextattributesw


class CredentialAttribute(
    _Number,
    prefix="SECPKG_CRED_ATTR_",
    spelt={
        "SUPPORTED_ALGS": "SECPKG_ATTR_SUPPORTED_ALGS",
        "CIPHER_STRENGTHS": "SECPKG_ATTR_CIPHER_STRENGTHS",
        "SUPPORTED_PROTOCOLS": "SECPKG_ATTR_SUPPORTED_PROTOCOLS",
    },
):
    """ulAttribute of QueryCredentialsAttributes (SECPKG_CRED_ATTR_*, and three of Schannel)."""

    NAMES = 1
    SSI_PROVIDER = 2
    KDC_PROXY_SETTINGS = 3
    KDC_NETWORK_SETTINGS = 3
    CERT = 4
    PAC_BYPASS = 5
    SUPPORTED_ALGS = 86
    CIPHER_STRENGTHS = 87
    SUPPORTED_PROTOCOLS = 88


class ContextAttribute(_Number, prefix="SECPKG_ATTR_"):
    """ulAttribute of QueryContextAttributes and SetContextAttributes (SECPKG_ATTR_*)."""

    SIZES = 0x0
    NAMES = 0x1
    LIFESPAN = 0x2
    DCE_INFO = 0x3
    STREAM_SIZES = 0x4
    KEY_INFO = 0x5
    AUTHORITY = 0x6
    PROTO_INFO = 0x7
    PASSWORD_EXPIRY = 0x8
    SESSION_KEY = 0x9
    PACKAGE_INFO = 0xA
    USER_FLAGS = 0xB
    NEGOTIATION_INFO = 0xC
    NATIVE_NAMES = 0xD
    FLAGS = 0xE
    USE_VALIDATED = 0xF
    CREDENTIAL_NAME = 0x10
    TARGET_INFORMATION = 0x11
    ACCESS_TOKEN = 0x12
    TARGET = 0x13
    AUTHENTICATION_ID = 0x14
    LOGOFF_TIME = 0x15
    NEGO_KEYS = 0x16
    PROMPTING_NEEDED = 0x18
    UNIQUE_BINDINGS = 0x19
    ENDPOINT_BINDINGS = 0x1A
    CLIENT_SPECIFIED_TARGET = 0x1B
    LAST_CLIENT_TOKEN_STATUS = 0x1E
    NEGO_PKG_INFO = 0x1F
    NEGO_STATUS = 0x20
    CONTEXT_DELETED = 0x21
    DTLS_MTU = 0x22
    APPLICATION_PROTOCOL = 0x23
    NEGOTIATED_TLS_EXTENSIONS = 0x24
    IS_LOOPBACK = 0x25
    REMOTE_CERT_CONTEXT = 0x53
    LOCAL_CERT_CONTEXT = 0x54
    ROOT_STORE = 0x55
    ISSUER_LIST_EX = 0x59
    CONNECTION_INFO = 0x5A
    EAP_KEY_BLOCK = 0x5B
    SESSION_INFO = 0x5D
    APP_DATA = 0x5E
    EAP_PRF_INFO = 0x65
    SUPPORTED_SIGNATURES = 0x66
    EARLY_START = 0x69
    KEYING_MATERIAL_INFO = 0x6A
    SUBJECT_SECURITY_ATTRIBUTES = 0x80
    CREDS_2 = 0x80000086


class NegotiationState(_Number, prefix="SECPKG_NEGOTIATION_"):
    """SecPkgContext_NegotiationInfo.NegotiationState (SECPKG_NEGOTIATION_*)."""

    COMPLETE = 0
    OPTIMISTIC = 1
    IN_PROGRESS = 2
    DIRECT = 3
    TRY_MULTICRED = 4


class CredentialClass(_Number, prefix="SecPkgCredClass_", camel=True):
    """SECPKG_CRED_CLASS: how specific the credential of a context is; a greater number wins."""

    NONE = 0
    EPHEMERAL = 10
    PERSISTED_GENERIC = 20
    PERSISTED_SPECIFIC = 30
    EXPLICIT = 40


class LastClientTokenStatus(_Number, prefix="SecPkgAttrLastClientToken", camel=True):
    """SECPKG_ATTR_LCT_STATUS: whether the token just made is the client's last."""

    YES = 0
    NO = 1
    MAYBE = 2


# sspi/ns-sspi-secbuffer; the two reserved bits are named in ntsecpkg.h


class BufferType(_Number, prefix="SECBUFFER_"):
    """SecBuffer.BufferType without its flag bits (SECBUFFER_*)."""

    EMPTY = 0
    DATA = 1
    TOKEN = 2
    PKG_PARAMS = 3
    MISSING = 4
    EXTRA = 5
    STREAM_TRAILER = 6
    STREAM_HEADER = 7
    NEGOTIATION_INFO = 8
    PADDING = 9
    STREAM = 10
    MECHLIST = 11
    MECHLIST_SIGNATURE = 12
    TARGET = 13
    CHANNEL_BINDINGS = 14
    CHANGE_PASS_RESPONSE = 15
    TARGET_HOST = 16
    ALERT = 17
    APPLICATION_PROTOCOLS = 18
    SRTP_PROTECTION_PROFILES = 19
    SRTP_MASTER_KEY_IDENTIFIER = 20
    TOKEN_BINDING = 21
    PRESHARED_KEY = 22
    PRESHARED_KEY_IDENTITY = 23
    DTLS_MTU = 24
    SEND_GENERIC_TLS_EXTENSION = 25
    SUBSCRIBE_GENERIC_TLS_EXTENSION = 26
    FLAGS = 27
    TRAFFIC_SECRETS = 28
    CERTIFICATE_REQUEST_CONTEXT = 29
    CHANNEL_BINDINGS_RESULT = 30
    APP_SESSION_STATE = 31
    SESSION_TICKET = 32


class BufferFlag(_Flags, prefix="SECBUFFER_"):
    """The flag bits of SecBuffer.BufferType; ATTRMASK covers them all."""

    READONLY = 0x80000000
    READONLY_WITH_CHECKSUM = 0x10000000
    UNMAPPED = 0x40000000
    KERNEL_MAP = 0x20000000
    RESERVED = 0x60000000
    ATTRMASK = 0xF0000000


SECBUFFER_VERSION: Final = 0

# "EPA support in service"; sspi.h


class ChannelBindingsResult(_Flags, prefix="SEC_CHANNEL_BINDINGS_RESULT_"):
    """SEC_CHANNEL_BINDINGS_RESULT.Flags: how the channel bindings compared."""

    CLIENT_SUPPORT = 0x1
    ABSENT = 0x2
    NOTVALID_MISMATCH = 0x4
    NOTVALID_MISSING = 0x8
    VALID_MATCHED = 0x10
    VALID_PROXY = 0x20
    VALID_MISSING = 0x40
    VALID = 0x70
    NOTVALID = 0xC


SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS: Final = 1

# ntsecapi/ne-ntsecapi-security_logon_type; winnt.h


class LogonType(_Number, prefix="", camel=True):
    """SECURITY_LOGON_TYPE: the kind of logon asked for; 1 is unused."""

    UNDEFINED_LOGON_TYPE = 0
    INTERACTIVE = 2
    NETWORK = 3
    BATCH = 4
    SERVICE = 5
    PROXY = 6
    UNLOCK = 7
    NETWORK_CLEARTEXT = 8
    NEW_CREDENTIALS = 9
    REMOTE_INTERACTIVE = 10
    CACHED_INTERACTIVE = 11
    CACHED_REMOTE_INTERACTIVE = 12
    CACHED_UNLOCK = 13


class ImpersonationLevel(_Number, prefix="Security", camel=True):
    """SECURITY_IMPERSONATION_LEVEL: how far a server may act as the client."""

    ANONYMOUS = 0
    IDENTIFICATION = 1
    IMPERSONATION = 2
    DELEGATION = 3


# ntsecpkg/ns-ntsecpkg-secpkg_call_info, -secpkg_client_info, -secpkg_primary_cred, -secpkg_parameters


class CallAttribute(_Flags, prefix="SECPKG_CALL_"):
    """SECPKG_CALL_INFO.Attributes (GetCallInfo). The page has BUFFER_MARSHALL, the header BUFFER_MARSHAL."""

    KERNEL_MODE = 0x1
    ANSI = 0x2
    URGENT = 0x4
    RECURSIVE = 0x8
    IN_PROC = 0x10
    CLEANUP = 0x20
    WOWCLIENT = 0x40
    THREAD_TERM = 0x80
    PROCESS_TERM = 0x100
    IS_TCB = 0x200
    NETWORK_ONLY = 0x400
    WINLOGON = 0x800
    ASYNC_UPDATE = 0x1000
    SYSTEM_PROC = 0x2000
    NEGO = 0x4000
    NEGO_EXTENDER = 0x8000
    BUFFER_MARSHAL = 0x10000
    UNLOCK = 0x20000
    CLOUDAP_CONNECT = 0x40000


class ClientFlag(_Flags, prefix="SECPKG_CLIENT_"):
    """SECPKG_CLIENT_INFO.ClientFlags (header only)."""

    PROCESS_TERMINATED = 0x1
    THREAD_TERMINATED = 0x2


class PrimaryCredentialFlag(_Flags, prefix="PRIMARY_CRED_"):
    """SECPKG_PRIMARY_CRED.Flags; the top byte (PACKAGE_MASK) is the id of the logon package."""

    CLEAR_PASSWORD = 0x1
    OWF_PASSWORD = 0x2
    UPDATE = 0x4
    CACHED_LOGON = 0x8
    LOGON_NO_TCB = 0x10
    LOGON_LUA = 0x20
    INTERACTIVE_SMARTCARD_LOGON = 0x40
    REFRESH_NEEDED = 0x80
    INTERNET_USER = 0x100
    AUTH_ID = 0x200
    DO_NOT_SPLIT = 0x400
    PROTECTED_USER = 0x800
    EX = 0x1000
    TRANSFER = 0x2000
    RESTRICTED_TS = 0x4000
    PACKED_CREDS = 0x8000
    ENTERPRISE_INTERNET_USER = 0x10000
    ENCRYPTED_CREDGUARD_PASSWORD = 0x20000
    CACHED_INTERACTIVE_LOGON = 0x40000
    INTERACTIVE_NGC_LOGON = 0x80000
    INTERACTIVE_FIDO_LOGON = 0x100000
    ARSO_LOGON = 0x200000
    SUPPLEMENTAL = 0x400000
    FOR_PASSWORD_CHANGE = 0x800000
    PACKAGE_MASK = 0xFF000000


PRIMARY_CRED_LOGON_PACKAGE_SHIFT: Final = 24


class MachineState(_Flags, prefix="SECPKG_STATE_"):
    """SECPKG_PARAMETERS.MachineState (SpInitialize)."""

    ENCRYPTION_PERMITTED = 0x1
    STRONG_ENCRYPTION_PERMITTED = 0x2
    DOMAIN_CONTROLLER = 0x4
    WORKSTATION = 0x8
    STANDALONE = 0x10
    CRED_ISOLATION_ENABLED = 0x20
    RESERVED_1 = 0x80000000


# ntsecpkg/ne-ntsecpkg-*


class ExtendedInformationClass(_Number, prefix="Secpkg", camel=True):
    """SECPKG_EXTENDED_INFORMATION_CLASS (SpGetExtendedInformation, SpSetExtendedInformation)."""

    GSS_INFO = 1
    CONTEXT_THUNKS = 2
    MUTUAL_AUTH_LEVEL = 3
    WOW_CLIENT_DLL = 4
    EXTRA_OIDS = 5
    MAX_INFO = 6
    NEGO2_INFO = 7


class TokenInformationType(_Number, prefix="LsaTokenInformation", camel=True):
    """LSA_TOKEN_INFORMATION_TYPE: the layout of TokenInformation (LsaApLogonUser, CreateToken)."""

    NULL = 0
    V1 = 1
    V2 = 2
    V3 = 3


class SessionInfoType(_Number, prefix="SecSession", camel=True):
    """SECPKG_SESSIONINFO_TYPE: what is known of a new logon session."""

    PRIMARY_CRED = 0


class NameType(_Number, prefix="SecName", camel=True, spelt={"DN": "SecNameDN", "SPN": "SecNameSPN"}):
    """SECPKG_NAME_TYPE: the form of a name given to OpenSamUser."""

    SAM_COMPATIBLE = 0
    ALTERNATE_ID = 1
    FLAT = 2
    DN = 3
    SPN = 4


# ntsecpkg/nc-ntsecpkg-lsa_register_notification


class NotifierType(_Number, prefix="NOTIFIER_TYPE_"):
    """Type of RegisterNotification: what fires it."""

    INTERVAL = 1
    HANDLE_WAIT = 2
    STATE_CHANGE = 3
    NOTIFY_EVENT = 4
    IMMEDIATE = 16


class NotifierFlag(_Flags, prefix="NOTIFIER_FLAG_"):
    """Flags of RegisterNotification. With SECONDS the interval is in seconds, else in minutes."""

    NEW_THREAD = 0x1
    ONE_SHOT = 0x2
    SECONDS = 0x80000000


class NotifyClass(_Number, prefix="NOTIFY_CLASS_"):
    """EventClass of RegisterNotification: which system event."""

    PACKAGE_CHANGE = 1
    ROLE_CHANGE = 2
    DOMAIN_CHANGE = 3
    REGISTRY_CHANGE = 4


class PackageChange(_Number, prefix="SECPKG_PACKAGE_CHANGE_"):
    """SECPKG_EVENT_PACKAGE_CHANGE.ChangeType: what happened to a package."""

    LOAD = 0
    UNLOAD = 1
    SELECT = 2


# ntsecpkg.h (header only); ntsecpkg/nc-ntsecpkg-credreadfn


class CallPackageMessageType(_Number, prefix="SecPkgCallPackage", camel=True):
    """SECPKG_CALL_PACKAGE_MESSAGE_TYPE; message types of a package's own stay below 1024."""

    PIN_DC_MESSAGE = 0x400
    UNPIN_ALL_DCS_MESSAGE = 0x401
    TRANSFER_CRED_MESSAGE = 0x402


class CredpFlag(_Flags, prefix="CREDP_FLAGS_"):
    """CredFlags of CrediRead, CrediWrite and CrediReadDomainCredentials (CREDP_FLAGS_*)."""

    IN_PROCESS = 0x1
    USE_MIDL_HEAP = 0x2
    DONT_CACHE_TI = 0x4
    CLEAR_PASSWORD = 0x8
    USER_ENCRYPTED_PASSWORD = 0x10
    TRUSTED_CALLER = 0x20
    VALIDATE_PROXY_TARGET = 0x40


# sspi.h: SEC_WINNT_AUTH_IDENTITY, SspiEncryptAuthIdentityEx, SspiPromptForCredentials


class AuthIdentityFlag(
    _Flags,
    prefix="SEC_WINNT_AUTH_IDENTITY_FLAGS_",
    spelt={
        "ANSI": "SEC_WINNT_AUTH_IDENTITY_ANSI",
        "UNICODE": "SEC_WINNT_AUTH_IDENTITY_UNICODE",
        "MARSHALLED": "SEC_WINNT_AUTH_IDENTITY_MARSHALLED",
        "ONLY": "SEC_WINNT_AUTH_IDENTITY_ONLY",
    },
):
    """SEC_WINNT_AUTH_IDENTITY.Flags, also of its _EX and _EX2 forms."""

    ANSI = 0x1
    UNICODE = 0x2
    MARSHALLED = 0x4
    ONLY = 0x8
    PROCESS_ENCRYPTED = 0x10
    SYSTEM_PROTECTED = 0x20
    USER_PROTECTED = 0x40
    SYSTEM_ENCRYPTED = 0x80
    RESERVED = 0x10000
    NULL_USER = 0x20000
    NULL_DOMAIN = 0x40000
    ID_PROVIDER = 0x80000
    SSPIPFC_USE_MASK = 0xFF000000
    SSPIPFC_CREDPROV_DO_NOT_SAVE = 0x80000000
    SSPIPFC_SAVE_CRED_CHECKED = 0x40000000
    SSPIPFC_NO_CHECKBOX = 0x20000000
    SSPIPFC_CREDPROV_DO_NOT_LOAD = 0x10000000


class AuthIdentityEncryption(_Flags, prefix="SEC_WINNT_AUTH_IDENTITY_ENCRYPT_"):
    """Options of SspiEncryptAuthIdentityEx: who can decrypt."""

    SAME_LOGON = 0x1
    SAME_PROCESS = 0x2
    FOR_SYSTEM = 0x4


class PromptFlag(_Flags, prefix="SSPIPFC_"):
    """dwFlags of SspiPromptForCredentials (SSPIPFC_*)."""

    CREDPROV_DO_NOT_SAVE = 0x1
    NO_CHECKBOX = 0x2
    CREDPROV_DO_NOT_LOAD = 0x4
    USE_CREDUIBROKER = 0x8


SEC_WINNT_AUTH_IDENTITY_VERSION: Final = 0x200
SEC_WINNT_AUTH_IDENTITY_VERSION_2: Final = 0x201

# winerror.h: Win32 codes that some functions are documented to return


class Win32Error(_Number, prefix="ERROR_"):
    """Win32 error codes (winerror.h)."""

    SUCCESS = 0x0
    GEN_FAILURE = 0x1F
    MR_MID_NOT_FOUND = 0x13D
    CANCELLED = 0x4C7


# sspi.h and ntsecpkg.h: single numbers, under their documented names

SECPKG_ID_NONE: Final = 0xFFFF
SECPKG_ALL_PACKAGES: Final = 0xFFFFFFFE
SECPKG_MAX_OID_LENGTH: Final = 0x20
MAX_CRED_SIZE: Final = 0x400
SECPKG_ATTR_SASL_CONTEXT: Final = 0x10000
SECPKG_ATTR_THUNK_ALL: Final = 0x10000
UNDERSTANDS_LONG_NAMES: Final = 1
NO_LONG_NAMES: Final = 2
SECPKG_CREDENTIAL_VERSION: Final = 0xC9
SECPKG_CREDENTIAL_FLAGS_CALLER_HAS_TCB: Final = 1
SECPKG_CREDENTIAL_FLAGS_CREDMAN_CRED: Final = 2
SECPKG_SURROGATE_LOGON_VERSION_1: Final = 1
LSA_QUERY_CLIENT_PRELOGON_SESSION_ID: Final = 1
SECPKG_UNICODE_ATTRIBUTE: Final = 0x80000000
SECPKG_ANSI_ATTRIBUTE: Final = 0
SECPKG_CREDENTIAL_ATTRIBUTE: Final = 0
SEC_DELETED_HANDLE: Final = 0xFFFFFFFE
SECURITY_NATIVE_DREP: Final = 0x10
SECURITY_NETWORK_DREP: Final = 0
SECQOP_WRAP_NO_ENCRYPT: Final = 0x80000001
SECQOP_WRAP_OOB_DATA: Final = 0x40000000
SECPKG_CONTEXT_EXPORT_RESET_NEW: Final = 1
SECPKG_CONTEXT_EXPORT_DELETE_OLD: Final = 2
SECPKG_CONTEXT_EXPORT_TO_KERNEL: Final = 4
SECPKG_OPTIONS_TYPE_UNKNOWN: Final = 0
SECPKG_OPTIONS_TYPE_LSA: Final = 1
SECPKG_OPTIONS_TYPE_SSPI: Final = 2
SECPKG_OPTIONS_PERMANENT: Final = 1
SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION: Final = 1
SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_2: Final = 2
SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_3: Final = 3
SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_4: Final = 4
SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5: Final = 5
SASL_OPTION_SEND_SIZE: Final = 1
SASL_OPTION_RECV_SIZE: Final = 2
SASL_OPTION_AUTHZ_STRING: Final = 3
SASL_OPTION_AUTHZ_PROCESSING: Final = 4
Sasl_AuthZIDForbidden: Final = 0
Sasl_AuthZIDProcessed: Final = 1
