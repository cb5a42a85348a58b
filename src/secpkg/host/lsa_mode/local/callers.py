"""Who is calling: what the host knows of the client from the channel and the call (locks 1 and 3)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NoReturn

from secpkg.contract.flags import CallFlags
from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.functions import AppModeInfo, CallInfo
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Call, ClientInfo

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.running import Running

_SESSION_BEFORE_LOGON: Final = 1


def call_of(running: Running) -> Call:
    """The call that runs; STATUS_UNSUCCESSFUL (``no_client``) where the package works for nobody: at start-up, and in
    a callback.
    """
    if running.call is None:
        raise SecurityError(Status.STATUS_UNSUCCESSFUL, reason="no_client")
    return running.call


@implements("lsa_secpkg", "GetClientInfo")
def get_client_info(running: Running) -> ClientInfo:
    """GetClientInfo (R140)."""
    return call_of(running).caller


@implements("lsa_secpkg", "GetClientInfoEx")
def get_client_info_ex(running: Running) -> ClientInfo:
    """GetClientInfoEx: GetClientInfo's value, which is not sized and has no second, identifying token (ADR 17)."""
    return call_of(running).caller


@implements("lsa_secpkg", "GetCallInfo")
def get_call_info(running: Running) -> CallInfo:
    """GetCallInfo (R141). The count is that of the calls into this module."""
    call = call_of(running)
    caller = call.caller
    return CallInfo(caller.process_id, caller.thread_id, call.attributes, running.surroundings.calls)


@implements("lsa_secpkg", "GetExtendedCallFlags")
def get_extended_call_flags(running: Running) -> CallFlags:
    """GetExtendedCallFlags: FORCE_SUPPLIED for a caller that shows no logon session, and so has no credentials but
    those that it supplies (lock 3, ADR 17). There are no app containers here.
    """
    return CallFlags(0) if call_of(running).caller.logon_id is not None else CallFlags.FORCE_SUPPLIED


@implements("lsa_secpkg", "QueryClientRequest")
def query_client_request(running: Running, query_type: int) -> int:
    """QueryClientRequest: 1 asks for the session before the logon, which is the one that the caller shows (ADR 17).

    STATUS_INVALID_PARAMETER for any other question, STATUS_NO_SUCH_LOGON_SESSION for a caller that shows none.
    """
    logon_id = call_of(running).caller.logon_id
    if query_type != _SESSION_BEFORE_LOGON:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="query_type_unknown")
    if logon_id is None:
        raise SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION, reason="caller_shows_no_session")
    return logon_id


@implements("lsa_secpkg", "ImpersonateClient")
def impersonate_client(running: Running) -> None:
    """ImpersonateClient (R138): granted where the client is the user that the module runs as anyway, which is one of
    the documented cases; there is nothing to revert then (R139). A worker has given up the privilege to become anybody
    else (lock 8): STATUS_PRIVILEGE_NOT_HELD, and the request is to be abandoned.
    """
    caller = call_of(running).caller
    if (caller.uid, caller.gid) != (os.geteuid(), os.getegid()) or caller.impersonating:
        raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="client_is_another_user")


_NO_APP_MODE: Final = "in the header only; no call of an application is answered by a user-mode function here"


@implements("lsa_secpkg", "GetAppModeInfo", "undocumented", _NO_APP_MODE)
def get_app_mode_info(running: Running) -> NoReturn:
    """GetAppModeInfo: STATUS_NOT_IMPLEMENTED (ADR 17)."""
    raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="no_app_mode_calls")


@implements("lsa_secpkg", "SetAppModeInfo", "undocumented", _NO_APP_MODE)
def set_app_mode_info(running: Running, info: AppModeInfo) -> NoReturn:
    """SetAppModeInfo: STATUS_NOT_IMPLEMENTED (ADR 17)."""
    raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="no_app_mode_calls")
