"""The logon functions one to one: statuses are returned and never raised; with outputs, a tuple that begins with it."""

from __future__ import annotations

from secpkg.contract.flags import LogonType
from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ProtocolReply
from secpkg.ipc import schema
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.link import run
from secpkg.lsa import client, operations
from secpkg.lsa.client import Lsa

_POLICY = "the Local Security Policy interface is another system"
_TRUST = "there are no trusted domains here"


@implements("lsa_logon", "LsaRegisterLogonProcess")
def register_logon_process(name: str, authority: object = None) -> tuple[Status, Lsa | None, int]:
    """LsaRegisterLogonProcess: (status, handle, SecurityMode); the mode means nothing (R85). Page:
    ntsecapi/nf-ntsecapi-lsaregisterlogonprocess.
    """
    try:
        return Status.STATUS_SUCCESS, client.register_logon_process(name, authority), 0
    except SecurityError as error:
        return error.status, None, 0


@implements("lsa_logon", "LsaConnectUntrusted")
def connect_untrusted(authority: object = None) -> tuple[Status, Lsa | None]:
    """LsaConnectUntrusted. Page: ntsecapi/nf-ntsecapi-lsaconnectuntrusted."""
    try:
        return Status.STATUS_SUCCESS, client.connect(authority)
    except SecurityError as error:
        return error.status, None


@implements("lsa_logon", "LsaDeregisterLogonProcess")
def deregister_logon_process(handle: Lsa | None) -> Status:
    """LsaDeregisterLogonProcess: handles of both kinds (R86). Page: ntsecapi/nf-ntsecapi-lsaderegisterlogonprocess."""
    if not isinstance(handle, Lsa) or handle._connection.link.closed:
        return Status.STATUS_INVALID_HANDLE
    handle.close()
    return Status.STATUS_SUCCESS


@implements("lsa_logon", "LsaLookupAuthenticationPackage")
def lookup_authentication_package(handle: Lsa, package: str) -> tuple[Status, int]:
    """LsaLookupAuthenticationPackage (R87). Page: ntsecapi/nf-ntsecapi-lsalookupauthenticationpackage."""
    try:
        return Status.STATUS_SUCCESS, handle.lookup_authentication_package(package)
    except SecurityError as error:
        return error.status, 0


@implements("lsa_logon", "LsaLogonUser")
def logon_user(
    handle: Lsa,
    origin_name: str,
    logon_type: int,
    package: int,
    authentication_information: bytes = b"",
    *,
    username: str = "",
    domain: str = "",
    password: str | None = None,
    workstation: str = "",
) -> tuple[Status, Status, schema.LoggedOn | None, AccessToken | None]:
    """LsaLogonUser: (Status, SubStatus, result, access token). The interactive form is given by its fields.
    LocalGroups, SourceContext and Quotas have no counterpart. Page: ntsecapi/nf-ntsecapi-lsalogonuser.
    """
    connection = handle._connection
    try:
        request = operations.logon_request(
            LogonType(logon_type), username, domain, password, workstation, authentication_information, origin_name
        )
        made, opened = run(operations.logon(connection, package, request))
    except ValueError:
        return Status.STATUS_INVALID_LOGON_TYPE, Status.STATUS_SUCCESS, None, None
    except SecurityError as error:
        return error.status, error.substatus, None, None
    return Status.STATUS_SUCCESS, Status.STATUS_SUCCESS, made, AccessToken(connection, opened)


@implements("lsa_logon", "LsaCallAuthenticationPackage")
def call_authentication_package(handle: Lsa, package: int, submit_buffer: bytes) -> tuple[Status, ProtocolReply | None]:
    """LsaCallAuthenticationPackage: ProtocolStatus counts only when the status is success (R78). Page:
    ntsecapi/nf-ntsecapi-lsacallauthenticationpackage.
    """
    try:
        return Status.STATUS_SUCCESS, handle.call_authentication_package(package, submit_buffer)
    except SecurityError as error:
        return error.status, None


@implements("lsa_logon", "LsaFreeReturnBuffer")
def free_return_buffer(buffer: object = None) -> Status:
    """LsaFreeReturnBuffer: buffers are Python objects here. Page: ntsecapi/nf-ntsecapi-lsafreereturnbuffer."""
    return Status.STATUS_SUCCESS


@implements("lsa_logon", "LsaEnumerateLogonSessions")
def enumerate_logon_sessions(handle: Lsa) -> tuple[Status, tuple[int, ...]]:
    """LsaEnumerateLogonSessions; here it needs a connection. Page: ntsecapi/nf-ntsecapi-lsaenumeratelogonsessions."""
    try:
        return Status.STATUS_SUCCESS, handle.enumerate_logon_sessions()
    except SecurityError as error:
        return error.status, ()


@implements("lsa_logon", "LsaGetLogonSessionData")
def get_logon_session_data(handle: Lsa, logon_id: int) -> tuple[Status, schema.SessionData | None]:
    """LsaGetLogonSessionData (R101). Page: ntsecapi/nf-ntsecapi-lsagetlogonsessiondata."""
    try:
        return Status.STATUS_SUCCESS, handle.get_logon_session_data(logon_id)
    except SecurityError as error:
        return error.status, None


@implements("lsa_logon", "LsaQueryDomainInformationPolicy", "unsupported", _POLICY)
def query_domain_information_policy(*_arguments: object) -> Status:
    """LsaQueryDomainInformationPolicy: not built. Page: ntsecapi/nf-ntsecapi-lsaquerydomaininformationpolicy."""
    return Status.STATUS_NOT_IMPLEMENTED


@implements("lsa_logon", "LsaSetDomainInformationPolicy", "unsupported", _POLICY)
def set_domain_information_policy(*_arguments: object) -> Status:
    """LsaSetDomainInformationPolicy: not built. Page: ntsecapi/nf-ntsecapi-lsasetdomaininformationpolicy."""
    return Status.STATUS_NOT_IMPLEMENTED


@implements("lsa_logon", "LsaQueryForestTrustInformation", "unsupported", _TRUST)
def query_forest_trust_information(*_arguments: object) -> Status:
    """LsaQueryForestTrustInformation: not built. Page: ntsecapi/nf-ntsecapi-lsaqueryforesttrustinformation."""
    return Status.STATUS_NOT_IMPLEMENTED


@implements("lsa_logon", "LsaSetForestTrustInformation", "unsupported", _TRUST)
def set_forest_trust_information(*_arguments: object) -> Status:
    """LsaSetForestTrustInformation: not built. Page: ntsecapi/nf-ntsecapi-lsasetforesttrustinformation."""
    return Status.STATUS_NOT_IMPLEMENTED


@implements("lsa_logon", "LsaNtStatusToWinError", "unsupported", "there is no table of Win32 errors here")
def nt_status_to_win_error(status: int) -> Status:
    """LsaNtStatusToWinError: not built. Page: ntsecapi/nf-ntsecapi-lsantstatustowinerror."""
    return Status.STATUS_NOT_IMPLEMENTED


_WINBASE = "no default logon provider is chosen for the caller: name a package with LsaLogonUser"


@implements("lsa_logon", "LogonUser", "unsupported", _WINBASE)
def logon_user_w(*_arguments: object, **_named: object) -> Status:
    """LogonUser: not built. Page: winbase/nf-winbase-logonuserw."""
    return Status.STATUS_NOT_IMPLEMENTED


@implements("lsa_logon", "LogonUserEx", "unsupported", _WINBASE)
def logon_user_ex(*_arguments: object, **_named: object) -> Status:
    """LogonUserEx: not built. Page: winbase/nf-winbase-logonuserexw."""
    return Status.STATUS_NOT_IMPLEMENTED


@implements("lsa_logon", "LogonUserExExW", "unsupported", _WINBASE)
def logon_user_ex_ex_w(*_arguments: object, **_named: object) -> Status:
    """LogonUserExExW: not built. Page: SecAuthN logonuserexexw."""
    return Status.STATUS_NOT_IMPLEMENTED
