"""Package management."""

from __future__ import annotations

import os
from typing import Final

import msgspec

from secpkg.contract.flags import (
    SECPKG_OPTIONS_PERMANENT,
    SECPKG_OPTIONS_TYPE_LSA,
    SECPKG_OPTIONS_TYPE_SSPI,
    SECPKG_OPTIONS_TYPE_UNKNOWN,
)
from secpkg.contract.floor import floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PackageInfo
from secpkg.host.user_mode import providers
from secpkg.ipc import schema, where
from secpkg.ipc.connection import open_connection, shared
from secpkg.ipc.link import next_id, run

_LOGON_PROCESS: Final = "secpkg-sspi"
_LSA_MODE: Final = "secpkg.lsa_mode"


class SecurityPackageOptions(msgspec.Struct, frozen=True):
    """``SECURITY_PACKAGE_OPTIONS``: ``type`` is SECPKG_OPTIONS_TYPE_*, ``flags`` may have SECPKG_OPTIONS_PERMANENT.
    Signatures have no counterpart. Page: sspi.h.
    """

    type: int = SECPKG_OPTIONS_TYPE_UNKNOWN
    flags: int = 0


async def _enumerate(authority: object) -> tuple[PackageInfo, ...]:
    connection = await shared.shared(authority)
    reply = await connection.ask(schema.ListPackages(next_id()))
    if not isinstance(reply, schema.PackageList):
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="unexpected_reply")
    providers.load_offered(reply.security_providers)
    return providers.enumerate_packages(where.configuration().security_providers) + reply.packages


@floor("sspi", "EnumerateSecurityPackages")
def enumerate_security_packages(authority: object = None) -> tuple[Status, tuple[PackageInfo, ...]]:
    """EnumerateSecurityPackages: this process's plain SSPs, then the packages of the authority.
    Page: sspi/nf-sspi-enumeratesecuritypackagesw.
    """
    return Status.SEC_E_OK, run(_enumerate(authority))


@floor("sspi", "QuerySecurityPackageInfo", wrong={"package": Status.SEC_E_SECPKG_NOT_FOUND})
def query_security_package_info(package: str, authority: object = None) -> tuple[Status, PackageInfo | None]:
    """QuerySecurityPackageInfo: SEC_E_SECPKG_NOT_FOUND for an unknown name. A plain SSP is found without an authority.
    Page: sspi/nf-sspi-querysecuritypackageinfow.
    """
    found = providers.find(package, where.configuration().security_providers)
    packages = (found[1],) if found is not None else run(_enumerate(authority))
    info = next((info for info in packages if info.name.casefold() == package.casefold()), None)
    return (Status.SEC_E_OK, info) if info is not None else (Status.SEC_E_SECPKG_NOT_FOUND, None)


@floor("sspi", "InitSecurityInterface")
def init_security_interface() -> tuple[Status, object]:
    """InitSecurityInterface of the system: the table of functions, which is this module itself.
    Page: sspi/nf-sspi-initsecurityinterfacew.
    """
    from secpkg.sspi import raw

    return Status.SEC_E_OK, raw


@floor("sspi", "AddSecurityPackage")
def add_security_package(
    package: str, options: SecurityPackageOptions | None = None, authority: object = None
) -> Status:
    """AddSecurityPackage: ``package`` is the name of a module's entry point; it serves at once.

    SECPKG_OPTIONS_TYPE_LSA adds it to the running authority; a module outside the environment has its complete path,
    ``/directory/name`` (R8). That is an operator's call, on a trusted connection: STATUS_PORT_CONNECTION_REFUSED
    without the privilege (R84), STATUS_ACCESS_DENIED for what is inbox (R13), SEC_E_CANNOT_INSTALL for a module that
    does not load, of which nothing is left then. With SECPKG_OPTIONS_PERMANENT it is there after the next start too.
    Clear passwords are not granted in this way (lock 4).

    SECPKG_OPTIONS_TYPE_SSPI adds a plain SSP to this process; permanently it is the configuration file's to say:
    SEC_E_UNSUPPORTED_FUNCTION. SECPKG_OPTIONS_TYPE_UNKNOWN, and no options, is whichever of the two the entry points
    offer. SEC_E_SECPKG_NOT_FOUND when there is none. Page: sspi/nf-sspi-addsecuritypackagew.
    """
    chosen = SecurityPackageOptions() if options is None else options
    kind = chosen.type
    if kind == SECPKG_OPTIONS_TYPE_UNKNOWN:
        kind = SECPKG_OPTIONS_TYPE_LSA if _offers_lsa_half(package) else SECPKG_OPTIONS_TYPE_SSPI
    permanent = bool(chosen.flags & SECPKG_OPTIONS_PERMANENT)
    if kind == SECPKG_OPTIONS_TYPE_LSA:
        return run(_add(package, permanent, authority))
    if kind != SECPKG_OPTIONS_TYPE_SSPI:
        return Status.SEC_E_INVALID_PARAMETER
    if permanent:
        return Status.SEC_E_UNSUPPORTED_FUNCTION
    providers.add(package)
    return Status.SEC_E_OK


@floor("sspi", "DeleteSecurityPackage")
def delete_security_package(package: str, authority: object = None) -> Status:
    """DeleteSecurityPackage: a plain SSP that was added to this process, else a module of the running authority, by its
    own name or that of a package: new contexts are refused at once, existing ones live until they are closed.

    SEC_E_SECPKG_NOT_FOUND, STATUS_ACCESS_DENIED for what is inbox (R13), STATUS_PORT_CONNECTION_REFUSED without the
    privilege (R84). Page: sspi/nf-sspi-deletesecuritypackagew.
    """
    try:
        if providers.is_added(package):
            providers.remove(package)
        else:
            run(_manage(authority, ("packages.remove", {"name": package})))
    except SecurityError as error:
        if error.status is not Status.STATUS_NO_SUCH_PACKAGE:
            raise
        return Status.SEC_E_SECPKG_NOT_FOUND
    return Status.SEC_E_OK


def _offers_lsa_half(package: str) -> bool:
    from importlib.metadata import entry_points

    return os.path.isabs(package) or bool(entry_points(group=_LSA_MODE, name=package))


async def _add(package: str, permanent: bool, authority: object) -> Status:
    path, name = os.path.split(package) if os.path.isabs(package) else ("", package)
    arguments: dict[str, object] = {"module": name, "path": path, "permanent": permanent}
    added = await _manage(authority, ("packages.add", arguments))
    if isinstance(added, dict) and added.get("state") == "loaded":
        return Status.SEC_E_OK
    await _manage(authority, ("packages.remove", {"name": name, "deadline": 0.0}))
    return Status.SEC_E_CANNOT_INSTALL


async def _manage(authority: object, call: tuple[str, dict[str, object]]) -> object:
    """One operator's call, on a trusted connection of its own (lock 2)."""
    connection = await open_connection(where.resolve(authority), _LOGON_PROCESS, asynchronous=False)
    try:
        if not connection.link.trusted:
            raise SecurityError(Status.STATUS_PORT_CONNECTION_REFUSED, reason="connection_not_trusted")
        operation, arguments = call
        raw = msgspec.Raw(msgspec.msgpack.encode(arguments))
        reply = await connection.ask(schema.Manage(next_id(), operation, raw))
        if not isinstance(reply, schema.Answered):
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="unexpected_reply")
        return msgspec.msgpack.decode(reply.value)
    finally:
        connection.close()
