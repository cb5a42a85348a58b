"""Documented status codes, and the one exception that carries them.

The numbers are those of SECURITY_STATUS (winerror.h, "SSPI Status Codes") and NTSTATUS (ntstatus.h). Both families
share one enumeration because an SSP/AP returns either from the same table, and because the host compares them.
A status is held as the unsigned 32-bit number that the documents print.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Final

_SEVERITY_BIT: Final = 0x8000_0000


class Status(enum.IntEnum):
    """A SECURITY_STATUS or NTSTATUS (win32 "SSPI Status Codes"; ntstatus.h), under its documented name.

    Where two documented names share a number, the first below is the member and the other an alias of it:
    ``Status.STATUS_SUCCESS is Status.SEC_E_OK``. ``Status(number)`` raises ValueError for a number without a name.
    """

    # SECURITY_STATUS (winerror.h; SecAuthN "SSPI Status Codes")
    SEC_E_OK = 0x00000000
    SEC_E_INSUFFICIENT_MEMORY = 0x80090300
    SEC_E_INVALID_HANDLE = 0x80090301
    SEC_E_UNSUPPORTED_FUNCTION = 0x80090302
    SEC_E_TARGET_UNKNOWN = 0x80090303
    SEC_E_INTERNAL_ERROR = 0x80090304
    SEC_E_SECPKG_NOT_FOUND = 0x80090305
    SEC_E_NOT_OWNER = 0x80090306
    SEC_E_CANNOT_INSTALL = 0x80090307
    SEC_E_INVALID_TOKEN = 0x80090308
    SEC_E_CANNOT_PACK = 0x80090309
    SEC_E_QOP_NOT_SUPPORTED = 0x8009030A
    SEC_E_NO_IMPERSONATION = 0x8009030B
    SEC_E_LOGON_DENIED = 0x8009030C
    SEC_E_UNKNOWN_CREDENTIALS = 0x8009030D
    SEC_E_NO_CREDENTIALS = 0x8009030E
    SEC_E_MESSAGE_ALTERED = 0x8009030F
    SEC_E_OUT_OF_SEQUENCE = 0x80090310
    SEC_E_NO_AUTHENTICATING_AUTHORITY = 0x80090311
    SEC_I_CONTINUE_NEEDED = 0x00090312
    SEC_I_COMPLETE_NEEDED = 0x00090313
    SEC_I_COMPLETE_AND_CONTINUE = 0x00090314
    SEC_I_LOCAL_LOGON = 0x00090315
    SEC_I_GENERIC_EXTENSION_RECEIVED = 0x00090316
    SEC_E_BAD_PKGID = 0x80090316
    SEC_E_CONTEXT_EXPIRED = 0x80090317
    SEC_I_CONTEXT_EXPIRED = 0x00090317
    SEC_E_INCOMPLETE_MESSAGE = 0x80090318
    SEC_E_INCOMPLETE_CREDENTIALS = 0x80090320
    SEC_E_BUFFER_TOO_SMALL = 0x80090321
    SEC_I_INCOMPLETE_CREDENTIALS = 0x00090320
    SEC_I_RENEGOTIATE = 0x00090321
    SEC_E_WRONG_PRINCIPAL = 0x80090322
    SEC_I_NO_LSA_CONTEXT = 0x00090323
    SEC_E_TIME_SKEW = 0x80090324
    SEC_E_UNTRUSTED_ROOT = 0x80090325
    SEC_E_ILLEGAL_MESSAGE = 0x80090326
    SEC_E_CERT_UNKNOWN = 0x80090327
    SEC_E_CERT_EXPIRED = 0x80090328
    SEC_E_ENCRYPT_FAILURE = 0x80090329
    SEC_E_DECRYPT_FAILURE = 0x80090330
    SEC_E_ALGORITHM_MISMATCH = 0x80090331
    SEC_E_SECURITY_QOS_FAILED = 0x80090332
    SEC_E_UNFINISHED_CONTEXT_DELETED = 0x80090333
    SEC_E_NO_TGT_REPLY = 0x80090334
    SEC_E_NO_IP_ADDRESSES = 0x80090335
    SEC_E_WRONG_CREDENTIAL_HANDLE = 0x80090336
    SEC_E_CRYPTO_SYSTEM_INVALID = 0x80090337
    SEC_E_MAX_REFERRALS_EXCEEDED = 0x80090338
    SEC_E_MUST_BE_KDC = 0x80090339
    SEC_E_STRONG_CRYPTO_NOT_SUPPORTED = 0x8009033A
    SEC_E_TOO_MANY_PRINCIPALS = 0x8009033B
    SEC_E_NO_PA_DATA = 0x8009033C
    SEC_E_PKINIT_NAME_MISMATCH = 0x8009033D
    SEC_E_SMARTCARD_LOGON_REQUIRED = 0x8009033E
    SEC_E_SHUTDOWN_IN_PROGRESS = 0x8009033F
    SEC_E_KDC_INVALID_REQUEST = 0x80090340
    SEC_E_KDC_UNABLE_TO_REFER = 0x80090341
    SEC_E_KDC_UNKNOWN_ETYPE = 0x80090342
    SEC_E_UNSUPPORTED_PREAUTH = 0x80090343
    SEC_E_DELEGATION_REQUIRED = 0x80090345
    SEC_E_BAD_BINDINGS = 0x80090346
    SEC_E_MULTIPLE_ACCOUNTS = 0x80090347
    SEC_E_NO_KERB_KEY = 0x80090348
    SEC_E_CERT_WRONG_USAGE = 0x80090349
    SEC_E_DOWNGRADE_DETECTED = 0x80090350
    SEC_E_SMARTCARD_CERT_REVOKED = 0x80090351
    SEC_E_ISSUING_CA_UNTRUSTED = 0x80090352
    SEC_E_REVOCATION_OFFLINE_C = 0x80090353
    SEC_E_PKINIT_CLIENT_FAILURE = 0x80090354
    SEC_E_SMARTCARD_CERT_EXPIRED = 0x80090355
    SEC_E_NO_S4U_PROT_SUPPORT = 0x80090356
    SEC_E_CROSSREALM_DELEGATION_FAILURE = 0x80090357
    SEC_E_REVOCATION_OFFLINE_KDC = 0x80090358
    SEC_E_ISSUING_CA_UNTRUSTED_KDC = 0x80090359
    SEC_E_KDC_CERT_EXPIRED = 0x8009035A
    SEC_E_KDC_CERT_REVOKED = 0x8009035B
    SEC_I_SIGNATURE_NEEDED = 0x0009035C
    SEC_E_INVALID_PARAMETER = 0x8009035D
    SEC_E_DELEGATION_POLICY = 0x8009035E
    SEC_E_POLICY_NLTM_ONLY = 0x8009035F
    SEC_I_NO_RENEGOTIATION = 0x00090360
    SEC_E_NO_CONTEXT = 0x80090361
    SEC_E_PKU2U_CERT_FAILURE = 0x80090362
    SEC_E_MUTUAL_AUTH_FAILED = 0x80090363
    SEC_I_MESSAGE_FRAGMENT = 0x00090364
    SEC_E_ONLY_HTTPS_ALLOWED = 0x80090365
    SEC_I_CONTINUE_NEEDED_MESSAGE_OK = 0x00090366
    SEC_E_APPLICATION_PROTOCOL_MISMATCH = 0x80090367
    SEC_I_ASYNC_CALL_PENDING = 0x00090368
    SEC_E_INVALID_UPN_NAME = 0x80090369
    SEC_E_EXT_BUFFER_TOO_SMALL = 0x8009036A
    SEC_E_INSUFFICIENT_BUFFERS = 0x8009036B
    SEC_E_NO_SPM = 0x80090304
    SEC_E_NOT_SUPPORTED = 0x80090302

    # NTSTATUS (ntstatus.h; the LsaLogonUser, LsaAp* and Msv1_0SubAuthentication* pages)
    STATUS_SUCCESS = 0x00000000
    STATUS_PENDING = 0x00000103
    STATUS_MORE_ENTRIES = 0x00000105
    STATUS_NO_MORE_ENTRIES = 0x8000001A
    STATUS_UNSUCCESSFUL = 0xC0000001
    STATUS_NOT_IMPLEMENTED = 0xC0000002
    STATUS_INVALID_INFO_CLASS = 0xC0000003
    STATUS_INVALID_HANDLE = 0xC0000008
    STATUS_INVALID_PARAMETER = 0xC000000D
    STATUS_NO_MEMORY = 0xC0000017
    STATUS_ACCESS_DENIED = 0xC0000022
    STATUS_BUFFER_TOO_SMALL = 0xC0000023
    STATUS_OBJECT_NAME_NOT_FOUND = 0xC0000034
    STATUS_PORT_CONNECTION_REFUSED = 0xC0000041
    STATUS_QUOTA_EXCEEDED = 0xC0000044
    STATUS_UNKNOWN_REVISION = 0xC0000058
    STATUS_REVISION_MISMATCH = 0xC0000059
    STATUS_NO_LOGON_SERVERS = 0xC000005E
    STATUS_NO_SUCH_LOGON_SESSION = 0xC000005F
    STATUS_NO_SUCH_PRIVILEGE = 0xC0000060
    STATUS_PRIVILEGE_NOT_HELD = 0xC0000061
    STATUS_NO_SUCH_USER = 0xC0000064
    STATUS_WRONG_PASSWORD = 0xC000006A
    STATUS_ILL_FORMED_PASSWORD = 0xC000006B
    STATUS_PASSWORD_RESTRICTION = 0xC000006C
    STATUS_LOGON_FAILURE = 0xC000006D
    STATUS_ACCOUNT_RESTRICTION = 0xC000006E
    STATUS_INVALID_LOGON_HOURS = 0xC000006F
    STATUS_INVALID_WORKSTATION = 0xC0000070
    STATUS_PASSWORD_EXPIRED = 0xC0000071
    STATUS_ACCOUNT_DISABLED = 0xC0000072
    STATUS_NONE_MAPPED = 0xC0000073
    STATUS_INSUFFICIENT_RESOURCES = 0xC000009A
    STATUS_BAD_IMPERSONATION_LEVEL = 0xC00000A5
    STATUS_CANT_OPEN_ANONYMOUS = 0xC00000A6
    STATUS_BAD_VALIDATION_CLASS = 0xC00000A7
    STATUS_NOT_SUPPORTED = 0xC00000BB
    STATUS_INVALID_DOMAIN_STATE = 0xC00000DD
    STATUS_NO_SUCH_DOMAIN = 0xC00000DF
    STATUS_INTERNAL_DB_CORRUPTION = 0xC00000E4
    STATUS_INTERNAL_ERROR = 0xC00000E5
    STATUS_LOGON_SESSION_EXISTS = 0xC00000EE
    STATUS_NO_SUCH_PACKAGE = 0xC00000FE
    STATUS_BAD_LOGON_SESSION_STATE = 0xC0000104
    STATUS_LOGON_SESSION_COLLISION = 0xC0000105
    STATUS_NAME_TOO_LONG = 0xC0000106
    STATUS_INVALID_LOGON_TYPE = 0xC000010B
    STATUS_CANNOT_IMPERSONATE = 0xC000010D
    STATUS_TIME_DIFFERENCE_AT_DC = 0xC0000133
    STATUS_DLL_NOT_FOUND = 0xC0000135
    STATUS_ENTRYPOINT_NOT_FOUND = 0xC0000139
    STATUS_LOGON_NOT_GRANTED = 0xC0000155
    STATUS_LOGON_TYPE_NOT_GRANTED = 0xC000015B
    STATUS_NT_CROSS_ENCRYPTION_REQUIRED = 0xC000015D
    STATUS_LM_CROSS_ENCRYPTION_REQUIRED = 0xC000017F
    STATUS_NO_TRUST_LSA_SECRET = 0xC000018A
    STATUS_NO_TRUST_SAM_ACCOUNT = 0xC000018B
    STATUS_TRUSTED_DOMAIN_FAILURE = 0xC000018C
    STATUS_TRUSTED_RELATIONSHIP_FAILURE = 0xC000018D
    STATUS_NETLOGON_NOT_STARTED = 0xC0000192
    STATUS_ACCOUNT_EXPIRED = 0xC0000193
    STATUS_NOLOGON_INTERDOMAIN_TRUST_ACCOUNT = 0xC0000198
    STATUS_NOLOGON_WORKSTATION_TRUST_ACCOUNT = 0xC0000199
    STATUS_NOLOGON_SERVER_TRUST_ACCOUNT = 0xC000019A
    STATUS_USER_SESSION_DELETED = 0xC0000203
    STATUS_PASSWORD_MUST_CHANGE = 0xC0000224
    STATUS_NOT_FOUND = 0xC0000225
    STATUS_DOMAIN_CONTROLLER_NOT_FOUND = 0xC0000233
    STATUS_ACCOUNT_LOCKED_OUT = 0xC0000234
    STATUS_MUTUAL_AUTHENTICATION_FAILED = 0xC00002C3
    STATUS_SMARTCARD_LOGON_REQUIRED = 0xC00002FA
    STATUS_PKINIT_FAILURE = 0xC0000320
    STATUS_SMARTCARD_SUBSYSTEM_FAILURE = 0xC0000321
    STATUS_BAD_BINDINGS = 0xC000035B
    STATUS_SMARTCARD_WRONG_PIN = 0xC0000380
    STATUS_DOWNGRADE_DETECTED = 0xC0000388
    STATUS_PKINIT_CLIENT_FAILURE = 0xC000038C
    STATUS_AUTHENTICATION_FIREWALL_FAILED = 0xC0000413
    STATUS_NTLM_BLOCKED = 0xC0000418
    STATUS_NO_SECURITY_CONTEXT = 0xC000042D

    # Win32 (winerror.h): what the GetCredentials and DeleteCredential pages say when nothing matches
    ERROR_GEN_FAILURE = 0x0000001F

    @property
    def native(self) -> str:
        """The documented spelling of this code."""
        return self._name_

    @property
    def is_error(self) -> bool:
        """Whether the call failed: severity bit set (warnings included), or the one Win32 code among these."""
        return bool(self._value_ & _SEVERITY_BIT) or self._value_ == _ERROR_GEN_FAILURE

    @property
    def is_success(self) -> bool:
        """Whether the call did what it could: SEC_E_OK and every informational code (SEC_I_*, STATUS_PENDING)."""
        return not self.is_error

    @property
    def meaning(self) -> str:
        """One line on what the code says; empty where the documents give none."""
        return _meanings().get(self._name_, "")

    @staticmethod
    def known(value: int) -> Status | None:
        """The member with this number (a negative signed 32-bit form is understood), or None if it has no name."""
        if value < 0:
            value += 1 << 32
        return _by_value().get(value)


_ERROR_GEN_FAILURE: Final = 0x1F


class SecurityError(Exception):
    """A failed call: the exception form of a SECURITY_STATUS or NTSTATUS that is an error.

    ``status`` and ``substatus`` are the documented codes (SubStatus: LsaApLogonUser, LsaLogonUser).
    ``reason`` is the named reason, a snake_case identifier such as ``mic_missing``; it is for the audit record and the
    trace and is never sent to a peer. ``token`` is the error reply for the peer, where one was made (R185).
    """

    __slots__ = ("reason", "status", "substatus", "token")

    def __init__(
        self,
        status: Status,
        *,
        substatus: Status = Status.STATUS_SUCCESS,
        reason: str = "",
        token: bytes | None = None,
    ) -> None:
        super().__init__(status)
        self.status: Status = status
        self.substatus: Status = substatus
        self.reason: str = reason
        self.token: bytes | None = token

    def __str__(self) -> str:
        text = _spell(self.status)
        if self.substatus != Status.STATUS_SUCCESS:
            text += f", substatus {_spell(self.substatus)}"
        if self.reason:
            text += f": {self.reason}"
        return text

    def __repr__(self) -> str:
        parts = [self.status.native]
        if self.substatus != Status.STATUS_SUCCESS:
            parts.append(f"substatus={self.substatus.native}")
        if self.reason:
            parts.append(f"reason={self.reason!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __reduce__(self) -> tuple[Callable[..., SecurityError], tuple[object, ...]]:
        return _rebuild, (type(self), self.status, self.substatus, self.reason, self.token)


def _rebuild(
    kind: type[SecurityError], status: Status, substatus: Status, reason: str, token: bytes | None
) -> SecurityError:
    return kind(status, substatus=substatus, reason=reason, token=token)


def _spell(status: Status) -> str:
    return f"{status.native} (0x{status.value:08X})"


@functools.cache
def _by_value() -> dict[int, Status]:
    return {status.value: status for status in Status}


@functools.cache
def _meanings() -> dict[str, str]:
    return {
        "SEC_E_OK": "success",
        "SEC_E_INSUFFICIENT_MEMORY": "not enough memory",
        "SEC_E_INVALID_HANDLE": "handle not valid",
        "SEC_E_UNSUPPORTED_FUNCTION": "function or flag not supported (alias SEC_E_NOT_SUPPORTED)",
        "SEC_E_TARGET_UNKNOWN": "target unknown or unreachable",
        "SEC_E_INTERNAL_ERROR": "error with no SSPI mapping (alias SEC_E_NO_SPM)",
        "SEC_E_SECPKG_NOT_FOUND": "package name unknown",
        "SEC_E_NOT_OWNER": "caller may not use these credentials",
        "SEC_E_CANNOT_INSTALL": "package failed to initialise; do not install",
        "SEC_E_INVALID_TOKEN": "token or buffer set malformed",
        "SEC_E_CANNOT_PACK": "context cannot be packed",
        "SEC_E_QOP_NOT_SUPPORTED": "asked protection was not negotiated",
        "SEC_E_NO_IMPERSONATION": "context may not be impersonated",
        "SEC_E_LOGON_DENIED": "authentication rejected (obsolete on the status-code page, in use elsewhere)",
        "SEC_E_UNKNOWN_CREDENTIALS": "credentials given were not recognised",
        "SEC_E_NO_CREDENTIALS": "no credentials available",
        "SEC_E_MESSAGE_ALTERED": "signature does not match",
        "SEC_E_OUT_OF_SEQUENCE": "message out of order or replayed",
        "SEC_E_NO_AUTHENTICATING_AUTHORITY": "no authority could be reached",
        "SEC_I_CONTINUE_NEEDED": "send token, wait for answer, call again",
        "SEC_I_COMPLETE_NEEDED": "call CompleteAuthToken",
        "SEC_I_COMPLETE_AND_CONTINUE": "CompleteAuthToken, then continue",
        "SEC_I_LOCAL_LOGON": "logged on with local knowledge, no network authority",
        "SEC_I_GENERIC_EXTENSION_RECEIVED": "TLS extension received",
        "SEC_E_BAD_PKGID": "package id unknown",
        "SEC_E_CONTEXT_EXPIRED": "context was closed",
        "SEC_I_CONTEXT_EXPIRED": "peer ended the connection",
        "SEC_E_INCOMPLETE_MESSAGE": "more input needed; state must not change",
        "SEC_E_INCOMPLETE_CREDENTIALS": "credentials not complete",
        "SEC_E_BUFFER_TOO_SMALL": "buffer too small",
        "SEC_I_INCOMPLETE_CREDENTIALS": "peer wants credentials that were not given",
        "SEC_I_RENEGOTIATE": "renegotiate or shut down",
        "SEC_E_WRONG_PRINCIPAL": "peer is not the named target",
        "SEC_I_NO_LSA_CONTEXT": "no LSA-mode context belongs to this context",
        "SEC_E_TIME_SKEW": "clocks differ",
        "SEC_E_UNTRUSTED_ROOT": "chain not trusted",
        "SEC_E_ILLEGAL_MESSAGE": "unexpected or malformed message",
        "SEC_E_CERT_UNKNOWN": "certificate error",
        "SEC_E_CERT_EXPIRED": "certificate expired",
        "SEC_E_ENCRYPT_FAILURE": "encryption failed",
        "SEC_E_DECRYPT_FAILURE": "decryption failed",
        "SEC_E_ALGORITHM_MISMATCH": "no common algorithm",
        "SEC_E_SECURITY_QOS_FAILED": "requested quality of service not met",
        "SEC_E_UNFINISHED_CONTEXT_DELETED": "context deleted before complete; counts as logon failure",
        "SEC_E_NO_TGT_REPLY": "user-to-user needed, no TGT reply",
        "SEC_E_NO_IP_ADDRESSES": "machine has no address",
        "SEC_E_WRONG_CREDENTIAL_HANDLE": "credential handle is not the context's one",
        "SEC_E_CRYPTO_SYSTEM_INVALID": "cipher or checksum function missing",
        "SEC_E_MAX_REFERRALS_EXCEEDED": "too many referrals",
        "SEC_E_MUST_BE_KDC": "needs a KDC machine",
        "SEC_E_STRONG_CRYPTO_NOT_SUPPORTED": "peer wants strong crypto",
        "SEC_E_TOO_MANY_PRINCIPALS": "several principals in the reply",
        "SEC_E_NO_PA_DATA": "no pre-auth data",
        "SEC_E_PKINIT_NAME_MISMATCH": "client certificate name mismatch",
        "SEC_E_SMARTCARD_LOGON_REQUIRED": "smart card required",
        "SEC_E_SHUTDOWN_IN_PROGRESS": "system is shutting down",
        "SEC_E_KDC_INVALID_REQUEST": "KDC got a bad request",
        "SEC_E_KDC_UNABLE_TO_REFER": "KDC cannot refer",
        "SEC_E_KDC_UNKNOWN_ETYPE": "encryption type unknown to the KDC",
        "SEC_E_UNSUPPORTED_PREAUTH": "pre-auth mechanism unknown",
        "SEC_E_DELEGATION_REQUIRED": "delegation required",
        "SEC_E_BAD_BINDINGS": "channel bindings wrong",
        "SEC_E_MULTIPLE_ACCOUNTS": "certificate maps to several accounts",
        "SEC_E_NO_KERB_KEY": "no key",
        "SEC_E_CERT_WRONG_USAGE": "certificate usage wrong",
        "SEC_E_DOWNGRADE_DETECTED": "possible downgrade attack",
        "SEC_E_SMARTCARD_CERT_REVOKED": "certificate revoked",
        "SEC_E_ISSUING_CA_UNTRUSTED": "CA not trusted",
        "SEC_E_REVOCATION_OFFLINE_C": "revocation unknown (client)",
        "SEC_E_PKINIT_CLIENT_FAILURE": "client certificate not trusted",
        "SEC_E_SMARTCARD_CERT_EXPIRED": "certificate expired",
        "SEC_E_NO_S4U_PROT_SUPPORT": "no S4U at the DC",
        "SEC_E_CROSSREALM_DELEGATION_FAILURE": "cross-realm constrained delegation",
        "SEC_E_REVOCATION_OFFLINE_KDC": "revocation unknown (KDC)",
        "SEC_E_ISSUING_CA_UNTRUSTED_KDC": "KDC CA not trusted",
        "SEC_E_KDC_CERT_EXPIRED": "KDC certificate expired",
        "SEC_E_KDC_CERT_REVOKED": "KDC certificate revoked",
        "SEC_I_SIGNATURE_NEEDED": "caller must sign with its private key",
        "SEC_E_INVALID_PARAMETER": "parameter wrong",
        "SEC_E_DELEGATION_POLICY": "delegation forbidden by policy",
        "SEC_E_POLICY_NLTM_ONLY": "policy allows only NTLM (name misspelt in the header)",
        "SEC_I_NO_RENEGOTIATION": "renegotiation refused",
        "SEC_E_NO_CONTEXT": "no context",
        "SEC_E_PKU2U_CERT_FAILURE": "PKU2U certificate error",
        "SEC_E_MUTUAL_AUTH_FAILED": "mutual authentication failed",
        "SEC_I_MESSAGE_FRAGMENT": "output is a fragment",
        "SEC_E_ONLY_HTTPS_ALLOWED": "only https",
        "SEC_I_CONTINUE_NEEDED_MESSAGE_OK": "continue; message already usable",
        "SEC_E_APPLICATION_PROTOCOL_MISMATCH": "no common application protocol",
        "SEC_I_ASYNC_CALL_PENDING": "asynchronous call still running",
        "SEC_E_INVALID_UPN_NAME": "UPN malformed",
        "SEC_E_EXT_BUFFER_TOO_SMALL": "extension buffer too small",
        "SEC_E_INSUFFICIENT_BUFFERS": "too few buffers",
        "STATUS_PENDING": "still running",
        "STATUS_MORE_ENTRIES": (
            "informational: key string buffer too small, nothing returned, cursor unchanged (GetCredentials)"
        ),
        "STATUS_NO_MORE_ENTRIES": "end of list",
        "STATUS_UNSUCCESSFUL": "generic failure; maps to ERROR_GEN_FAILURE (31)",
        "STATUS_NOT_IMPLEMENTED": "not implemented",
        "STATUS_INVALID_INFO_CLASS": "level or class invalid",
        "STATUS_INVALID_HANDLE": "handle invalid",
        "STATUS_INVALID_PARAMETER": "parameter invalid",
        "STATUS_NO_MEMORY": "no memory or quota",
        "STATUS_ACCESS_DENIED": "access denied",
        "STATUS_BUFFER_TOO_SMALL": "buffer too small",
        "STATUS_OBJECT_NAME_NOT_FOUND": "name not found",
        "STATUS_PORT_CONNECTION_REFUSED": "logon-process registration refused: no SeTcbPrivilege",
        "STATUS_QUOTA_EXCEEDED": "client memory quota too small for the return buffer",
        "STATUS_UNKNOWN_REVISION": "revision unknown",
        "STATUS_REVISION_MISMATCH": "revisions differ",
        "STATUS_NO_LOGON_SERVERS": "no domain controller available",
        "STATUS_NO_SUCH_LOGON_SESSION": "logon session does not exist",
        "STATUS_NO_SUCH_PRIVILEGE": "privilege unknown",
        "STATUS_PRIVILEGE_NOT_HELD": "privilege missing",
        "STATUS_NO_SUCH_USER": "account does not exist",
        "STATUS_WRONG_PASSWORD": "password wrong",
        "STATUS_ILL_FORMED_PASSWORD": "new password malformed",
        "STATUS_PASSWORD_RESTRICTION": "new password breaks policy",
        "STATUS_LOGON_FAILURE": "bad user name or password, reason hidden",
        "STATUS_ACCOUNT_RESTRICTION": "credentials right but account restricted; see SubStatus",
        "STATUS_INVALID_LOGON_HOURS": "outside allowed hours (SubStatus)",
        "STATUS_INVALID_WORKSTATION": "workstation not allowed (SubStatus)",
        "STATUS_PASSWORD_EXPIRED": "password expired (SubStatus)",
        "STATUS_ACCOUNT_DISABLED": "account disabled (SubStatus)",
        "STATUS_NONE_MAPPED": "no name mapped",
        "STATUS_INSUFFICIENT_RESOURCES": "resources exhausted",
        "STATUS_BAD_IMPERSONATION_LEVEL": "impersonation level too low",
        "STATUS_CANT_OPEN_ANONYMOUS": "anonymous token cannot be opened",
        "STATUS_BAD_VALIDATION_CLASS": "authentication information not recognised by the package",
        "STATUS_NOT_SUPPORTED": "not supported",
        "STATUS_INVALID_DOMAIN_STATE": "not for a domain in this state",
        "STATUS_NO_SUCH_DOMAIN": "domain unknown",
        "STATUS_INTERNAL_DB_CORRUPTION": "policy database damaged",
        "STATUS_NOT_FOUND": "nothing was set",
        "STATUS_INTERNAL_ERROR": "internal error",
        "STATUS_LOGON_SESSION_EXISTS": "session id in use",
        "STATUS_NO_SUCH_PACKAGE": "package unknown to the LSA",
        "STATUS_BAD_LOGON_SESSION_STATE": "session reference count forbids deletion",
        "STATUS_LOGON_SESSION_COLLISION": "logon id already in use",
        "STATUS_NAME_TOO_LONG": "name longer than 127 bytes",
        "STATUS_INVALID_LOGON_TYPE": "logon type invalid",
        "STATUS_CANNOT_IMPERSONATE": "cannot impersonate",
        "STATUS_TIME_DIFFERENCE_AT_DC": "clock skew with the DC",
        "STATUS_DLL_NOT_FOUND": "module not found",
        "STATUS_ENTRYPOINT_NOT_FOUND": "entry point not found",
        "STATUS_LOGON_NOT_GRANTED": "logon not granted",
        "STATUS_LOGON_TYPE_NOT_GRANTED": "account lacks the right for this logon type",
        "STATUS_NT_CROSS_ENCRYPTION_REQUIRED": "NT cross-encryption needed",
        "STATUS_LM_CROSS_ENCRYPTION_REQUIRED": "LM cross-encryption needed",
        "STATUS_NO_TRUST_LSA_SECRET": "machine trust secret missing",
        "STATUS_NO_TRUST_SAM_ACCOUNT": "machine account missing",
        "STATUS_TRUSTED_DOMAIN_FAILURE": "trusted domain failed",
        "STATUS_TRUSTED_RELATIONSHIP_FAILURE": "machine trust broken",
        "STATUS_NETLOGON_NOT_STARTED": "SAM or Netlogon not available",
        "STATUS_ACCOUNT_EXPIRED": "account expired",
        "STATUS_NOLOGON_INTERDOMAIN_TRUST_ACCOUNT": "trust account may not log on",
        "STATUS_NOLOGON_WORKSTATION_TRUST_ACCOUNT": "machine account may not log on",
        "STATUS_NOLOGON_SERVER_TRUST_ACCOUNT": "server account may not log on",
        "STATUS_USER_SESSION_DELETED": "remote session deleted",
        "STATUS_PASSWORD_MUST_CHANGE": "password must be changed at next logon",
        "STATUS_DOMAIN_CONTROLLER_NOT_FOUND": "DC not found",
        "STATUS_ACCOUNT_LOCKED_OUT": "account locked",
        "STATUS_MUTUAL_AUTHENTICATION_FAILED": "mutual authentication failed",
        "STATUS_SMARTCARD_LOGON_REQUIRED": "smart card required",
        "STATUS_PKINIT_FAILURE": "KDC certificate invalid",
        "STATUS_SMARTCARD_SUBSYSTEM_FAILURE": "smart card subsystem failed",
        "STATUS_BAD_BINDINGS": "channel bindings wrong",
        "STATUS_SMARTCARD_WRONG_PIN": "PIN wrong",
        "STATUS_DOWNGRADE_DETECTED": "downgrade detected",
        "STATUS_PKINIT_CLIENT_FAILURE": "client certificate invalid",
        "STATUS_AUTHENTICATION_FIREWALL_FAILED": "authentication firewall",
        "STATUS_NTLM_BLOCKED": "NTLM blocked by policy",
        "STATUS_NO_SECURITY_CONTEXT": "no security context",
        "ERROR_GEN_FAILURE": "no such entry (GetCredentials, DeleteCredential)",
    }
