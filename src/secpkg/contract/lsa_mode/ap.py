"""What an authentication package implements (LsaAp*), by power. A package takes the Protocols that it needs; none of
them is a base class, and nothing is inherited from here: a method that the package does not define is a NULL entry.
"""

from __future__ import annotations

from typing import Protocol

from secpkg.contract.lsa_mode.functions import LsaDispatchTable
from secpkg.contract.values import Call, LogonRefused, LogonRequest, LogonResult, ProtocolReply, Value


class SurrogateLogon(Value, frozen=True):
    """``SECPKG_SURROGATE_LOGON``: what surrogate packages and the logon package share; entries are (type GUID,
    data).
    """

    _secrets = ("entries",)

    surrogate_logon_id: int
    entries: tuple[tuple[bytes, bytes], ...] = ()


class PostLogonUserInfo(Value, frozen=True):
    """``SECPKG_POST_LOGON_USER_INFO``."""

    flags: int
    logon_id: int
    linked_logon_id: int


class InitializePackage(Protocol):
    """Start-up of an authentication package."""

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        """LsaApInitializePackage: called once at load (R30); returns the package's name, which LogonUser and
        CallPackage match. ``dispatch`` is the table of eleven; Database and Confidentiality are always NULL and left
        out (R31). A failure raises `SecurityError` and unloads the package.
        Page: ntsecpkg/nc-ntsecpkg-lsa_ap_initialize_package.
        """
        ...


class LogonUser(Protocol):
    """The oldest logon function."""

    async def logon_user(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        """LsaApLogonUser: as `LogonUserEx2.logon_user_ex2`; MachineName and credentials of the result are ignored.
        Page: ntsecpkg/nc-ntsecpkg-lsa_ap_logon_user.
        """
        ...


class LogonUserEx(Protocol):
    """Adds MachineName."""

    async def logon_user_ex(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        """LsaApLogonUserEx: as `LogonUserEx2.logon_user_ex2`; credentials of the result are ignored.
        Page: ntsecpkg/nc-ntsecpkg-lsa_ap_logon_user_ex.
        """
        ...


class LogonUserEx2(Protocol):
    """Adds credentials for the other packages: the form that an SSP/AP is expected to use."""

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        """LsaApLogonUserEx2: authenticate, draw a LUID, create the session under it (R44), return what the token is
        built from. A failure leaves no session (R45): return `LogonRefused`, or raise `SecurityError`.

        Of the logon functions that a package has, only the newest is called (spec/README 4).
        Errors: STATUS_LOGON_FAILURE (R54), STATUS_ACCOUNT_RESTRICTION (R55), STATUS_BAD_VALIDATION_CLASS (R56),
        STATUS_INVALID_LOGON_TYPE (R57), STATUS_NO_LOGON_SERVERS, STATUS_LOGON_SESSION_COLLISION.
        Page: ntsecpkg/nc-ntsecpkg-lsa_ap_logon_user_ex2.
        """
        ...


class LogonUserEx3(Protocol):
    """Adds surrogate packages."""

    async def logon_user_ex3(
        self, call: Call, request: LogonRequest, surrogate_logon: SurrogateLogon
    ) -> LogonResult | LogonRefused:
        """LsaApLogonUserEx3: as Ex2, with the state shared with surrogate packages. Header NTSecPKG.h."""
        ...


class SurrogateLogons(Protocol):
    """A package that takes part in the logons of others."""

    async def pre_logon_user_surrogate(
        self, call: Call, request: LogonRequest, surrogate_logon: SurrogateLogon
    ) -> SurrogateLogon:
        """LsaApPreLogonUserSurrogate: before the logon package runs; may add entries. Header NTSecPKG.h."""
        ...

    async def post_logon_user_surrogate(
        self,
        call: Call,
        request: LogonRequest,
        surrogate_logon: SurrogateLogon,
        result: LogonResult | LogonRefused,
    ) -> None:
        """LsaApPostLogonUserSurrogate: after it ran, with all its results. Header NTSecPKG.h."""
        ...


class PostLogon(Protocol):
    """A package that is told of finished logons."""

    async def post_logon_user(self, call: Call, info: PostLogonUserInfo) -> None:
        """LsaApPostLogonUser: after a logon. Header NTSecPKG.h."""
        ...


class CallPackage(Protocol):
    """Services of a package, reached by LsaCallAuthenticationPackage."""

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """LsaApCallPackage: a request from a TRUSTED connection (R75). Raising says that the service was not
        attempted; `ProtocolReply.protocol_status` is the service's own result (R77). The reply is copied to the
        client and charged to its quota. Page: ntsecpkg/nc-ntsecpkg-lsa_ap_call_package.
        """
        ...

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """LsaApCallPackageUntrusted: the same from an untrusted connection (R75). Page: legacy aa378218."""
        ...

    async def call_package_passthrough(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """LsaApCallPackagePassthrough: pass-through requests. Page:
        ntsecpkg/nc-ntsecpkg-lsa_ap_call_package_passthrough.
        """
        ...


class LogonTerminated(Protocol):
    """The end of a session."""

    async def logon_terminated(self, logon_id: int) -> None:
        """LsaApLogonTerminated: the last token of the session is gone (R93). Drop what is held for it: the authority
        does not do it (R94). Not called for a session that a package deleted itself (R95). Returns nothing; an error
        is recorded and changes nothing. Page: ntsecpkg/nc-ntsecpkg-lsa_ap_logon_terminated.
        """
        ...


PROTOCOLS: tuple[type, ...] = (
    InitializePackage,
    LogonUser,
    LogonUserEx,
    LogonUserEx2,
    LogonUserEx3,
    SurrogateLogons,
    PostLogon,
    CallPackage,
    LogonTerminated,
)
