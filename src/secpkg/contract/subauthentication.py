"""Subauthentication: what replaces the password check of a network logon, and what may refuse a logon afterwards.

A subauthentication package is a module like any other whose package defines some of these functions; the operator gives
it a number (``Auth0`` to ``Auth255`` of the key Lsa\\MSV1_0). Number 0 is the filter, the others are routines. MSV1_0
and packages that stand in its place reach a routine with CallPackage under the name `SUBAUTH_PACKAGE`: `submit` makes
the buffer, `outcome_of` and `outcome_ex_of` read the answer (docs/adr/0015). Pages: subauth/*, ntsecapi MSV1_0_*.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias

import msgspec

from secpkg.contract.flags import LogonType, NativeEnum, NativeFlag
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, Call, Value

SUBAUTH_PACKAGE: Final = "MSV1_0_SUBAUTH"
"""The name under which CallPackage reaches the authority's host of routines; no package can have it."""
MAX_NUMBER: Final = 255
MAX_PARAMETERS: Final = 32 * 1024
"""Characters of an account's Parameters."""


class LogonInfoClass(NativeEnum, prefix="Netlogon", camel=True):
    """``NETLOGON_LOGON_INFO_CLASS``: the kind of LogonInformation."""

    INTERACTIVE_INFORMATION = 1
    NETWORK_INFORMATION = 2
    SERVICE_INFORMATION = 3
    GENERIC_INFORMATION = 4
    INTERACTIVE_TRANSITIVE_INFORMATION = 5
    NETWORK_TRANSITIVE_INFORMATION = 6
    SERVICE_TRANSITIVE_INFORMATION = 7


class SubAuthFlag(NativeFlag, prefix="MSV1_0_"):
    """Flags of a routine or filter."""

    PASSTHRU = 0x1
    GUEST_LOGON = 0x2


class UserFlag(NativeFlag, prefix="LOGON_"):
    """UserFlags of MSV1_0_LM20_LOGON_PROFILE."""

    GUEST = 0x1
    NOENCRYPTION = 0x2
    CACHED_ACCOUNT = 0x4
    USED_LM_PASSWORD = 0x8
    EXTRA_SIDS = 0x20
    SUBAUTH_SESSION_KEY = 0x40
    GRACE_LOGON = 0x1000000


class UserAllField(NativeFlag, prefix="USER_ALL_"):
    """WhichFields of a routine or filter: the one field of the account that may be written back (R266)."""

    PARAMETERS = 0x200000


class ValidationField(NativeFlag, prefix="MSV1_0_VALIDATION_"):
    """WhichFields of `ValidationInfo`."""

    LOGOFF_TIME = 0x1
    KICKOFF_TIME = 0x2
    LOGON_SERVER = 0x4
    LOGON_DOMAIN = 0x8
    SESSION_KEY = 0x10
    USER_FLAGS = 0x20
    USER_ID = 0x40


class ActionsPerformed(NativeFlag, prefix="MSV1_0_SUBAUTH_"):
    """ActionsPerformed of the extended routine: the checks that it has done."""

    ACCOUNT_DISABLED = 0x1
    PASSWORD = 0x2
    WORKSTATIONS = 0x4
    LOGON_HOURS = 0x8
    ACCOUNT_EXPIRY = 0x10
    PASSWORD_EXPIRY = 0x20
    ACCOUNT_TYPE = 0x40
    LOCKOUT = 0x80


class LogonIdentity(Value, frozen=True):
    """``NETLOGON_LOGON_IDENTITY_INFO``. The domain's name is to be ignored by a routine."""

    user_name: str
    workstation: str = ""
    logon_domain_name: str = ""
    parameter_control: int = 0
    logon_id: int = 0


class InteractiveInfo(Value, frozen=True, tag=True):
    """``NETLOGON_INTERACTIVE_INFO``: the one-way functions of the password, where the caller has them."""

    _secrets = ("lm_owf_password", "nt_owf_password")

    identity: LogonIdentity
    lm_owf_password: bytes = b""
    nt_owf_password: bytes = b""


class NetworkInfo(Value, frozen=True, tag=True):
    """``NETLOGON_NETWORK_INFO``: the challenge and what the client made of it."""

    _secrets = ("nt_challenge_response", "lm_challenge_response")

    identity: LogonIdentity
    lm_challenge: bytes = b""
    nt_challenge_response: bytes = b""
    lm_challenge_response: bytes = b""


class ServiceInfo(Value, frozen=True, tag=True):
    """``NETLOGON_SERVICE_INFO``."""

    _secrets = ("lm_owf_password", "nt_owf_password")

    identity: LogonIdentity
    lm_owf_password: bytes = b""
    nt_owf_password: bytes = b""


class GenericInfo(Value, frozen=True, tag=True):
    """``NETLOGON_GENERIC_INFO``: data for a package."""

    _secrets = ("logon_data",)

    identity: LogonIdentity
    package_name: str = ""
    logon_data: bytes = b""


LogonInformation: TypeAlias = InteractiveInfo | NetworkInfo | ServiceInfo | GenericInfo


class UserAllInformation(Value, frozen=True):
    """``USER_ALL_INFORMATION``, as far as an account has a counterpart. Times are UTC seconds, `NEVER` for never and
    None for unknown; ``logon_hours`` are the 168 bits of a week from Sunday 00:00 UTC, None is always. What a password
    is derived to is each package's own and not here.
    """

    user_name: str
    user_sid: str
    user_id: int
    full_name: str = ""
    work_stations: tuple[str, ...] = ()
    parameters: str = ""
    account_expires: float = NEVER
    password_last_set: float | None = None
    password_must_change: bool = False
    account_disabled: bool = False
    account_locked: bool = False
    logon_hours: bytes | None = None


class SubAuthResult(Value, frozen=True):
    """Outputs of a routine or filter. ``authoritative`` is there whatever the status; False lets the caller ask another
    controller (R265). Times are UTC seconds, `NEVER` as documented (R268). ``parameters`` is written back where
    ``which_fields`` says so, and only on success (R266). ``reason`` is for the audit record.
    """

    _secrets = ("parameters",)

    status: Status = Status.STATUS_SUCCESS
    authoritative: bool = True
    user_flags: int = 0
    logoff_time: float = NEVER
    kickoff_time: float = NEVER
    which_fields: int = 0
    parameters: str = ""
    reason: str = ""


class ValidationInfo(Value, frozen=True):
    """``MSV1_0_VALIDATION_INFO``: ``which_fields`` (`ValidationField`) says what is filled in."""

    _secrets = ("session_key",)

    logoff_time: float = NEVER
    kickoff_time: float = NEVER
    logon_server: str = ""
    logon_domain_name: str = ""
    session_key: bytes = b""
    """USER_SESSION_KEY: 16 bytes, or none."""
    authoritative: bool = True
    user_flags: int = 0
    which_fields: int = 0
    user_id: int = 0


class SubAuthResultEx(Value, frozen=True):
    """Outputs of the extended routine."""

    status: Status = Status.STATUS_SUCCESS
    validation: ValidationInfo = ValidationInfo()
    actions_performed: int = 0
    reason: str = ""


class SubAuthenticationRoutine(Protocol):
    """What replaces the password check of a network logon."""

    async def msv1_0_sub_authentication_routine(
        self,
        call: Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        """Msv1_0SubAuthenticationRoutine: whether this logon is who it says is wholly this function's decision (R263).
        It is called for network logons only, where the account lives (R262), with its data at hand. Raising says the
        same as a result with that status, authoritative. Errors: STATUS_INVALID_INFO_CLASS, STATUS_NO_SUCH_USER,
        STATUS_WRONG_PASSWORD, STATUS_INVALID_LOGON_HOURS, STATUS_INVALID_WORKSTATION, STATUS_PASSWORD_EXPIRED,
        STATUS_PASSWORD_MUST_CHANGE, STATUS_ACCOUNT_DISABLED, STATUS_ACCOUNT_EXPIRED, STATUS_ACCOUNT_LOCKED_OUT.
        Page: subauth/nf-subauth-msv1_0subauthenticationroutine.
        """
        ...


class SubAuthenticationRoutineEx(Protocol):
    """The extended form."""

    async def msv1_0_sub_authentication_routine_ex(
        self,
        call: Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
        user_handle: int,
        validation_info: ValidationInfo,
    ) -> SubAuthResultEx:
        """Msv1_0SubAuthenticationRoutineEx: as `SubAuthenticationRoutine`, with a handle of the account (for
        GetUserAuthData, in this call) and the caller's validation, which it returns as it wants it. Header subauth.h.
        """
        ...


class SubAuthenticationRoutineGeneric(Protocol):
    """A service of the subauthentication package beside logons."""

    async def msv1_0_sub_authentication_routine_generic(self, call: Call, submit_buffer: bytes) -> bytes:
        """Msv1_0SubAuthenticationRoutineGeneric: a request that MSV1_0 was given as MSV1_0_SUBAUTH_REQUEST; its meaning
        is the package's own. Header subauth.h.
        """
        ...


class SubAuthenticationFilter(Protocol):
    """What may refuse a logon that was accepted."""

    async def msv1_0_sub_authentication_filter(
        self,
        call: Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        """Msv1_0SubAuthenticationFilter: after the package has accepted a logon; it can only refuse, or end it earlier
        (R264). It causes no directory traffic: LSA functions that look accounts up are refused to it (R271).
        Page: subauth/nf-subauth-msv1_0subauthenticationfilter.
        """
        ...


PROTOCOLS: tuple[type, ...] = (
    SubAuthenticationRoutine,
    SubAuthenticationFilter,
    SubAuthenticationRoutineEx,
    SubAuthenticationRoutineGeneric,
)


class SubAuthLogon(Value, frozen=True, tag=True):
    """A logon for a routine (MSV1_0_SUBAUTH_LOGON, or MSV1_0_LM20_LOGON whose ParameterControl names one). With
    ``validation`` the extended routine is called.
    """

    number: int
    logon_type: LogonType
    logon_level: LogonInfoClass
    logon_information: LogonInformation
    flags: SubAuthFlag = SubAuthFlag(0)
    validation: ValidationInfo | None = None


class SubAuthRequest(Value, frozen=True, tag=True):
    """``MSV1_0_SUBAUTH_REQUEST``: for Msv1_0SubAuthenticationRoutineGeneric."""

    _secrets = ("submit_buffer",)

    number: int
    submit_buffer: bytes


SubAuthSubmit: TypeAlias = SubAuthLogon | SubAuthRequest

_encode: Final = msgspec.msgpack.Encoder().encode


def _decoded(data: bytes, kind: Any, status: Status, reason: str) -> Any:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise SecurityError(status, reason=reason) from None


def submit(request: SubAuthSubmit) -> bytes:
    """The submit buffer of a CallPackage to `SUBAUTH_PACKAGE`."""
    return _encode(request)


def submitted(buffer: bytes) -> SubAuthSubmit:
    """The authority's side of `submit`: STATUS_INVALID_PARAMETER (``submit_buffer_invalid``)."""
    found: SubAuthSubmit = _decoded(buffer, SubAuthSubmit, Status.STATUS_INVALID_PARAMETER, "submit_buffer_invalid")
    return found


def answer(outcome: SubAuthResult | SubAuthResultEx) -> bytes:
    """The authority's side of `outcome_of` and `outcome_ex_of`."""
    return _encode(outcome)


def outcome_of(data: bytes) -> SubAuthResult:
    """What the routine decided, from the reply to a `SubAuthLogon`. STATUS_INTERNAL_ERROR."""
    found: SubAuthResult = _decoded(data, SubAuthResult, Status.STATUS_INTERNAL_ERROR, "reply_invalid")
    return found


def outcome_ex_of(data: bytes) -> SubAuthResultEx:
    """What the extended routine decided. STATUS_INTERNAL_ERROR."""
    found: SubAuthResultEx = _decoded(data, SubAuthResultEx, Status.STATUS_INTERNAL_ERROR, "reply_invalid")
    return found
