"""The enumerations that few processes need; `secpkg.contract.flags` is their door and says why they are here."""

from __future__ import annotations

from secpkg.contract.flags import NativeEnum, NativeFlag

# sspi/nf-sspi-querycredentialsattributesw, sspi/nf-sspi-querycontextattributesw


class CredentialAttribute(
    NativeEnum,
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


class ContextAttribute(NativeEnum, prefix="SECPKG_ATTR_"):
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


class NegotiationState(NativeEnum, prefix="SECPKG_NEGOTIATION_"):
    """SecPkgContext_NegotiationInfo.NegotiationState (SECPKG_NEGOTIATION_*)."""

    COMPLETE = 0
    OPTIMISTIC = 1
    IN_PROGRESS = 2
    DIRECT = 3
    TRY_MULTICRED = 4


class CredentialClass(NativeEnum, prefix="SecPkgCredClass_", camel=True):
    """SECPKG_CRED_CLASS: how specific the credential of a context is; a greater number wins."""

    NONE = 0
    EPHEMERAL = 10
    PERSISTED_GENERIC = 20
    PERSISTED_SPECIFIC = 30
    EXPLICIT = 40


class LastClientTokenStatus(NativeEnum, prefix="SecPkgAttrLastClientToken", camel=True):
    """SECPKG_ATTR_LCT_STATUS: whether the token just made is the client's last."""

    YES = 0
    NO = 1
    MAYBE = 2


# "EPA support in service"; sspi.h


class ChannelBindingsResult(NativeFlag, prefix="SEC_CHANNEL_BINDINGS_RESULT_"):
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


# ntsecpkg/ns-ntsecpkg-secpkg_call_info, -secpkg_client_info, -secpkg_primary_cred, -secpkg_parameters


class ClientFlag(NativeFlag, prefix="SECPKG_CLIENT_"):
    """SECPKG_CLIENT_INFO.ClientFlags (header only)."""

    PROCESS_TERMINATED = 0x1
    THREAD_TERMINATED = 0x2


class PrimaryCredentialFlag(NativeFlag, prefix="PRIMARY_CRED_"):
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


class MachineState(NativeFlag, prefix="SECPKG_STATE_"):
    """SECPKG_PARAMETERS.MachineState (SpInitialize)."""

    ENCRYPTION_PERMITTED = 0x1
    STRONG_ENCRYPTION_PERMITTED = 0x2
    DOMAIN_CONTROLLER = 0x4
    WORKSTATION = 0x8
    STANDALONE = 0x10
    CRED_ISOLATION_ENABLED = 0x20
    RESERVED_1 = 0x80000000


# ntsecpkg/ne-ntsecpkg-*


class ExtendedInformationClass(NativeEnum, prefix="Secpkg", camel=True):
    """SECPKG_EXTENDED_INFORMATION_CLASS (SpGetExtendedInformation, SpSetExtendedInformation)."""

    GSS_INFO = 1
    CONTEXT_THUNKS = 2
    MUTUAL_AUTH_LEVEL = 3
    WOW_CLIENT_DLL = 4
    EXTRA_OIDS = 5
    MAX_INFO = 6
    NEGO2_INFO = 7


class TokenInformationType(NativeEnum, prefix="LsaTokenInformation", camel=True):
    """LSA_TOKEN_INFORMATION_TYPE: the layout of TokenInformation (LsaApLogonUser, CreateToken)."""

    NULL = 0
    V1 = 1
    V2 = 2
    V3 = 3


class SessionInfoType(NativeEnum, prefix="SecSession", camel=True):
    """SECPKG_SESSIONINFO_TYPE: what is known of a new logon session."""

    PRIMARY_CRED = 0


class NameType(NativeEnum, prefix="SecName", camel=True, spelt={"DN": "SecNameDN", "SPN": "SecNameSPN"}):
    """SECPKG_NAME_TYPE: the form of a name given to OpenSamUser."""

    SAM_COMPATIBLE = 0
    ALTERNATE_ID = 1
    FLAT = 2
    DN = 3
    SPN = 4


# ntsecpkg/nc-ntsecpkg-lsa_register_notification


class NotifierType(NativeEnum, prefix="NOTIFIER_TYPE_"):
    """Type of RegisterNotification: what fires it."""

    INTERVAL = 1
    HANDLE_WAIT = 2
    STATE_CHANGE = 3
    NOTIFY_EVENT = 4
    IMMEDIATE = 16


class NotifierFlag(NativeFlag, prefix="NOTIFIER_FLAG_"):
    """Flags of RegisterNotification. With SECONDS the interval is in seconds, else in minutes."""

    NEW_THREAD = 0x1
    ONE_SHOT = 0x2
    SECONDS = 0x80000000


class NotifyClass(NativeEnum, prefix="NOTIFY_CLASS_"):
    """EventClass of RegisterNotification: which system event."""

    PACKAGE_CHANGE = 1
    ROLE_CHANGE = 2
    DOMAIN_CHANGE = 3
    REGISTRY_CHANGE = 4


class PackageChange(NativeEnum, prefix="SECPKG_PACKAGE_CHANGE_"):
    """SECPKG_EVENT_PACKAGE_CHANGE.ChangeType: what happened to a package."""

    LOAD = 0
    UNLOAD = 1
    SELECT = 2


# ntsecpkg.h (header only); ntsecpkg/nc-ntsecpkg-credreadfn


class CallPackageMessageType(NativeEnum, prefix="SecPkgCallPackage", camel=True):
    """SECPKG_CALL_PACKAGE_MESSAGE_TYPE; message types of a package's own stay below 1024."""

    PIN_DC_MESSAGE = 0x400
    UNPIN_ALL_DCS_MESSAGE = 0x401
    TRANSFER_CRED_MESSAGE = 0x402


class CredpFlag(NativeFlag, prefix="CREDP_FLAGS_"):
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
    NativeFlag,
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


class AuthIdentityEncryption(NativeFlag, prefix="SEC_WINNT_AUTH_IDENTITY_ENCRYPT_"):
    """Options of SspiEncryptAuthIdentityEx: who can decrypt."""

    SAME_LOGON = 0x1
    SAME_PROCESS = 0x2
    FOR_SYSTEM = 0x4


class PromptFlag(NativeFlag, prefix="SSPIPFC_"):
    """dwFlags of SspiPromptForCredentials (SSPIPFC_*)."""

    CREDPROV_DO_NOT_SAVE = 0x1
    NO_CHECKBOX = 0x2
    CREDPROV_DO_NOT_LOAD = 0x4
    USE_CREDUIBROKER = 0x8


# winerror.h: Win32 codes that some functions are documented to return


class Win32Error(NativeEnum, prefix="ERROR_"):
    """Win32 error codes (winerror.h)."""

    SUCCESS = 0x0
    GEN_FAILURE = 0x1F
    MR_MID_NOT_FOUND = 0x13D
    CANCELLED = 0x4C7
