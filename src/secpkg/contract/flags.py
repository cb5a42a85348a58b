"""The documented numbers of the custom security package interfaces, as typed Python.

One class for each constant group of the SDK headers (ntsecpkg.h, sspi.h, ntsecapi.h). A member is the documented name
with its prefix dropped, in UPPER_SNAKE; ``.native`` gives the documented spelling back. Classes that are combined with
``|`` are flags and keep bits that have no name; the others are closed: an unknown number raises ValueError.

Making an enumeration costs some twenty microseconds a member, and a client process pays for it at start-up. What a
handshake touches is here; the other classes are in `flags_seldom` and are made when they are first asked for, by the
same name in this module.
"""

from __future__ import annotations

import enum
import importlib
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from secpkg.contract.flags_seldom import (
        AuthIdentityEncryption,
        AuthIdentityFlag,
        CallPackageMessageType,
        ChannelBindingsResult,
        ClientFlag,
        ContextAttribute,
        CredentialAttribute,
        CredentialClass,
        CredpFlag,
        ExtendedInformationClass,
        LastClientTokenStatus,
        MachineState,
        NameType,
        NegotiationState,
        NotifierFlag,
        NotifierType,
        NotifyClass,
        PackageChange,
        PrimaryCredentialFlag,
        PromptFlag,
        SessionInfoType,
        TokenInformationType,
        Win32Error,
    )

__all__ = [
    "LSA_QUERY_CLIENT_PRELOGON_SESSION_ID",
    "MAX_CRED_SIZE",
    "NO_LONG_NAMES",
    "PRIMARY_CRED_LOGON_PACKAGE_SHIFT",
    "SASL_OPTION_AUTHZ_PROCESSING",
    "SASL_OPTION_AUTHZ_STRING",
    "SASL_OPTION_RECV_SIZE",
    "SASL_OPTION_SEND_SIZE",
    "SECBUFFER_VERSION",
    "SECPKG_ALL_PACKAGES",
    "SECPKG_ANSI_ATTRIBUTE",
    "SECPKG_ATTR_SASL_CONTEXT",
    "SECPKG_ATTR_THUNK_ALL",
    "SECPKG_CONTEXT_EXPORT_DELETE_OLD",
    "SECPKG_CONTEXT_EXPORT_RESET_NEW",
    "SECPKG_CONTEXT_EXPORT_TO_KERNEL",
    "SECPKG_CREDENTIAL_ATTRIBUTE",
    "SECPKG_CREDENTIAL_FLAGS_CALLER_HAS_TCB",
    "SECPKG_CREDENTIAL_FLAGS_CREDMAN_CRED",
    "SECPKG_CREDENTIAL_VERSION",
    "SECPKG_ID_NONE",
    "SECPKG_MAX_OID_LENGTH",
    "SECPKG_OPTIONS_PERMANENT",
    "SECPKG_OPTIONS_TYPE_LSA",
    "SECPKG_OPTIONS_TYPE_SSPI",
    "SECPKG_OPTIONS_TYPE_UNKNOWN",
    "SECPKG_SURROGATE_LOGON_VERSION_1",
    "SECPKG_UNICODE_ATTRIBUTE",
    "SECQOP_WRAP_NO_ENCRYPT",
    "SECQOP_WRAP_OOB_DATA",
    "SECURITY_NATIVE_DREP",
    "SECURITY_NETWORK_DREP",
    "SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION",
    "SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_2",
    "SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_3",
    "SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_4",
    "SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5",
    "SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS",
    "SEC_DELETED_HANDLE",
    "SEC_WINNT_AUTH_IDENTITY_VERSION",
    "SEC_WINNT_AUTH_IDENTITY_VERSION_2",
    "UNDERSTANDS_LONG_NAMES",
    "AscReq",
    "AscRet",
    "AuthIdentityEncryption",
    "AuthIdentityFlag",
    "BufferFlag",
    "BufferType",
    "CallAttribute",
    "CallFlags",
    "CallPackageMessageType",
    "Capability",
    "ChannelBindingsResult",
    "ClientFlag",
    "ContextAttribute",
    "CredentialAttribute",
    "CredentialClass",
    "CredentialUse",
    "CredpFlag",
    "ExtendedInformationClass",
    "ImpersonationLevel",
    "InterfaceVersion",
    "IscReq",
    "IscRet",
    "LastClientTokenStatus",
    "LogonType",
    "MachineState",
    "NameType",
    "NativeEnum",
    "NativeFlag",
    "NegotiationState",
    "NotifierFlag",
    "NotifierType",
    "NotifyClass",
    "PackageChange",
    "PrimaryCredentialFlag",
    "PromptFlag",
    "Sasl_AuthZIDForbidden",
    "Sasl_AuthZIDProcessed",
    "SessionInfoType",
    "TokenInformationType",
    "Win32Error",
]


def _spell(prefix: str, camel: bool, name: str) -> str:
    return prefix + (name.title().replace("_", "") if camel else name)


class NativeEnum(enum.IntEnum):
    """A closed enumeration whose members know their documented spelling."""

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


class NativeFlag(enum.IntFlag):
    """A set of bits whose members, and whose combinations, know their documented spelling."""

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
    NativeEnum,
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


class Capability(NativeFlag, prefix="SECPKG_FLAG_"):
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


class CallFlags(NativeFlag, prefix="SECPKG_CALLFLAGS_"):
    """What GetExtendedCallFlags says of the caller (SECPKG_CALLFLAGS_*)."""

    APPCONTAINER = 0x1
    APPCONTAINER_AUTHCAPABLE = 0x2
    FORCE_SUPPLIED = 0x4
    APPCONTAINER_UPNCAPABLE = 0x8


# sspi/nf-sspi-acquirecredentialshandlew


class CredentialUse(NativeFlag, prefix="SECPKG_CRED_"):
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


class IscReq(NativeFlag, prefix="ISC_REQ_"):
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


class IscRet(NativeFlag, prefix="ISC_RET_"):
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


class AscReq(NativeFlag, prefix="ASC_REQ_"):
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


class AscRet(NativeFlag, prefix="ASC_RET_"):
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


# sspi/ns-sspi-secbuffer; the two reserved bits are named in ntsecpkg.h


class BufferType(NativeEnum, prefix="SECBUFFER_"):
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


class BufferFlag(NativeFlag, prefix="SECBUFFER_"):
    """The flag bits of SecBuffer.BufferType; ATTRMASK covers them all."""

    READONLY = 0x80000000
    READONLY_WITH_CHECKSUM = 0x10000000
    UNMAPPED = 0x40000000
    KERNEL_MAP = 0x20000000
    RESERVED = 0x60000000
    ATTRMASK = 0xF0000000


SECBUFFER_VERSION: Final = 0
SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS: Final = 1

# ntsecapi/ne-ntsecapi-security_logon_type; winnt.h


class LogonType(NativeEnum, prefix="", camel=True):
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


class ImpersonationLevel(NativeEnum, prefix="Security", camel=True):
    """SECURITY_IMPERSONATION_LEVEL: how far a server may act as the client."""

    ANONYMOUS = 0
    IDENTIFICATION = 1
    IMPERSONATION = 2
    DELEGATION = 3


# ntsecpkg/ns-ntsecpkg-secpkg_call_info, -secpkg_client_info, -secpkg_primary_cred, -secpkg_parameters


class CallAttribute(NativeFlag, prefix="SECPKG_CALL_"):
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


PRIMARY_CRED_LOGON_PACKAGE_SHIFT: Final = 24
SEC_WINNT_AUTH_IDENTITY_VERSION: Final = 0x200
SEC_WINNT_AUTH_IDENTITY_VERSION_2: Final = 0x201

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

_SELDOM: Final = frozenset(
    (
        "AuthIdentityEncryption",
        "AuthIdentityFlag",
        "CallPackageMessageType",
        "ChannelBindingsResult",
        "ClientFlag",
        "ContextAttribute",
        "CredentialAttribute",
        "CredentialClass",
        "CredpFlag",
        "ExtendedInformationClass",
        "LastClientTokenStatus",
        "MachineState",
        "NameType",
        "NegotiationState",
        "NotifierFlag",
        "NotifierType",
        "NotifyClass",
        "PackageChange",
        "PrimaryCredentialFlag",
        "PromptFlag",
        "SessionInfoType",
        "TokenInformationType",
        "Win32Error",
    )
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _SELDOM:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module("secpkg.contract.flags_seldom"), name)
        globals()[name] = found
        return found
