"""The logon functions one to one: statuses are returned and never raised; with outputs, a tuple that begins with it."""

from __future__ import annotations

import msgspec

from secpkg.contract.flags import LogonType
from secpkg.contract.floor import floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Buffer, ProtocolReply, TokenSource
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.link import run, status_of
from secpkg.ipc.schema import LoggedOn, SessionData
from secpkg.lsa import client, operations, return_buffers
from secpkg.lsa.client import Lsa
from secpkg.lsa.handles import connection_of
from secpkg.lsa.logon_user import logon_user_ex, logon_user_ex_ex_w, logon_user_w
from secpkg.lsa.policy import (
    query_domain_information_policy,
    query_forest_trust_information,
    set_domain_information_policy,
    set_forest_trust_information,
)
from secpkg.lsa.return_buffers import leased_bytes, leased_list, leased_session
from secpkg.lsa.win_errors import nt_status_to_win_error

__all__ = [
    "call_authentication_package",
    "connect_untrusted",
    "deregister_logon_process",
    "enumerate_logon_sessions",
    "free_return_buffer",
    "get_logon_session_data",
    "logon_user",
    "logon_user_ex",
    "logon_user_ex_ex_w",
    "logon_user_w",
    "lookup_authentication_package",
    "nt_status_to_win_error",
    "query_domain_information_policy",
    "query_forest_trust_information",
    "register_logon_process",
    "set_domain_information_policy",
    "set_forest_trust_information",
]


@floor("lsa_logon", "LsaRegisterLogonProcess")
def register_logon_process(name: str, authority: object = None) -> tuple[Status, Lsa | None, int]:
    """LsaRegisterLogonProcess: (status, handle, SecurityMode); the mode means nothing (R85). Page:
    ntsecapi/nf-ntsecapi-lsaregisterlogonprocess.
    """
    return Status.STATUS_SUCCESS, client.register_logon_process(name, authority), 0


@floor("lsa_logon", "LsaConnectUntrusted")
def connect_untrusted(authority: object = None) -> tuple[Status, Lsa | None]:
    """LsaConnectUntrusted. Page: ntsecapi/nf-ntsecapi-lsaconnectuntrusted."""
    return Status.STATUS_SUCCESS, client.connect(authority)


@floor("lsa_logon", "LsaDeregisterLogonProcess")
def deregister_logon_process(handle: Lsa) -> Status:
    """LsaDeregisterLogonProcess: handles of both kinds (R86). Page: ntsecapi/nf-ntsecapi-lsaderegisterlogonprocess."""
    connection_of(handle)
    handle.close()
    return Status.STATUS_SUCCESS


@floor("lsa_logon", "LsaLookupAuthenticationPackage")
def lookup_authentication_package(handle: Lsa, package: str) -> tuple[Status, int]:
    """LsaLookupAuthenticationPackage (R87). Page: ntsecapi/nf-ntsecapi-lsalookupauthenticationpackage."""
    return Status.STATUS_SUCCESS, run(operations.lookup(connection_of(handle), package))


@floor("lsa_logon", "LsaLogonUser")
def logon_user(
    handle: Lsa,
    origin_name: str,
    logon_type: int,
    package: int,
    authentication_information: Buffer = b"",
    *,
    username: str = "",
    domain: str = "",
    password: str | None = None,
    workstation: str = "",
    local_groups: list[str] | tuple[str, ...] = (),
    source_context: TokenSource | None = None,
) -> tuple[Status, Status, LoggedOn | None, AccessToken | None]:
    """LsaLogonUser: (Status, SubStatus, result, access token). The interactive form is given by its fields; the result
    has ProfileBuffer (LsaFreeReturnBuffer), LogonId and, with a primary token, Quotas (R65). STATUS_PRIVILEGE_NOT_HELD
    for LocalGroups over an untrusted connection (R66). Page: ntsecapi/nf-ntsecapi-lsalogonuser.
    """
    connection = connection_of(handle)
    try:
        names = (username, domain, password, workstation)
        request = operations.logon_request(
            LogonType(logon_type), *names, bytes(authentication_information), origin_name, local_groups, source_context
        )
        made, opened = run(operations.logon(connection, package, request, keep=True))
    except ValueError:
        return Status.STATUS_INVALID_LOGON_TYPE, Status.STATUS_SUCCESS, None, None
    except SecurityError as error:
        return error.status, error.substatus, None, None
    made = msgspec.structs.replace(made, profile=leased_bytes(connection, made.profile, made.buffer))
    return Status.STATUS_SUCCESS, Status.STATUS_SUCCESS, made, AccessToken(connection, opened)


@floor("lsa_logon", "LsaCallAuthenticationPackage")
def call_authentication_package(
    handle: Lsa, package: int, submit_buffer: Buffer, *, domain: str = ""
) -> tuple[Status, ProtocolReply | None]:
    """LsaCallAuthenticationPackage: ProtocolStatus counts only when the status is success (R78); the reply's data is
    freed with LsaFreeReturnBuffer. With ``domain``, a trusted connection reaches LsaApCallPackagePassthrough of the
    package of the same name at that domain's authority (docs/adr/0014). Page:
    ntsecapi/nf-ntsecapi-lsacallauthenticationpackage.
    """
    connection = connection_of(handle)
    data = bytes(submit_buffer)
    if domain:
        asking = operations.other_domain_answer(connection, package, data, domain, keep=True)
    else:
        asking = operations.package_answer(connection, package, data, keep=True)
    answer = run(asking)
    leased = leased_bytes(connection, answer.data, answer.buffer)
    return Status.STATUS_SUCCESS, ProtocolReply(leased, status_of(answer.protocol_status))


@floor("lsa_logon", "LsaFreeReturnBuffer")
def free_return_buffer(buffer: object) -> Status:
    """LsaFreeReturnBuffer of a profile or reply buffer, a session list or session data, which are charged to the caller
    until then (R52, R79, R100). STATUS_INVALID_PARAMETER for anything else, and the second time. Page:
    ntsecapi/nf-ntsecapi-lsafreereturnbuffer.
    """
    return_buffers.free(buffer)
    return Status.STATUS_SUCCESS


@floor("lsa_logon", "LsaEnumerateLogonSessions")
def enumerate_logon_sessions(handle: Lsa) -> tuple[Status, tuple[int, ...]]:
    """LsaEnumerateLogonSessions; here it needs a connection. Page: ntsecapi/nf-ntsecapi-lsaenumeratelogonsessions."""
    connection = connection_of(handle)
    listed = run(operations.session_list(connection, keep=True))
    return Status.STATUS_SUCCESS, leased_list(connection, listed.logon_ids, listed.buffer)


@floor("lsa_logon", "LsaGetLogonSessionData")
def get_logon_session_data(handle: Lsa, logon_id: int) -> tuple[Status, SessionData | None]:
    """LsaGetLogonSessionData (R101). STATUS_NO_SUCH_LOGON_SESSION, STATUS_ACCESS_DENIED. Page:
    ntsecapi/nf-ntsecapi-lsagetlogonsessiondata.
    """
    connection = connection_of(handle)
    data = run(operations.session_data(connection, logon_id, keep=True))
    return Status.STATUS_SUCCESS, leased_session(connection, data)
