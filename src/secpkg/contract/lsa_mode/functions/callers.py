"""Who is calling, and calls back into the client."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from secpkg.contract.flags import (
    CallAttribute,
    CallFlags,
)
from secpkg.contract.values import (
    ClientInfo,
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
