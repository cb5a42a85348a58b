"""Package management."""

from __future__ import annotations

from secpkg.contract.flags import SECPKG_OPTIONS_TYPE_SSPI
from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PackageInfo
from secpkg.host.user_mode import providers
from secpkg.ipc import schema, where
from secpkg.ipc.connection import shared
from secpkg.ipc.link import next_id, run


async def _enumerate(authority: object) -> tuple[PackageInfo, ...]:
    own = providers.enumerate_packages(where.configuration().security_providers)
    connection = await shared.shared(authority)
    reply = await connection.ask(schema.ListPackages(next_id()))
    if not isinstance(reply, schema.PackageList):
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="unexpected_reply")
    return own + reply.packages


@implements("sspi", "EnumerateSecurityPackages")
def enumerate_security_packages(authority: object = None) -> tuple[Status, tuple[PackageInfo, ...]]:
    """EnumerateSecurityPackages: this process's plain SSPs, then the packages of the authority.
    Page: sspi/nf-sspi-enumeratesecuritypackagesw.
    """
    try:
        return Status.SEC_E_OK, run(_enumerate(authority))
    except SecurityError as error:
        return error.status, ()


@implements("sspi", "QuerySecurityPackageInfo")
def query_security_package_info(package: str, authority: object = None) -> tuple[Status, PackageInfo | None]:
    """QuerySecurityPackageInfo: SEC_E_SECPKG_NOT_FOUND for an unknown name. A plain SSP is found without an authority.
    Page: sspi/nf-sspi-querysecuritypackageinfow.
    """
    try:
        found = providers.find(package, where.configuration().security_providers)
        packages = (found[1],) if found is not None else run(_enumerate(authority))
    except SecurityError as error:
        return error.status, None
    info = next((info for info in packages if info.name.casefold() == package.casefold()), None)
    return (Status.SEC_E_OK, info) if info is not None else (Status.SEC_E_SECPKG_NOT_FOUND, None)


@implements("sspi", "InitSecurityInterface")
def init_security_interface() -> tuple[Status, object]:
    """InitSecurityInterface of the system: the table of functions, which is this module itself.
    Page: sspi/nf-sspi-initsecurityinterfacew.
    """
    from secpkg.sspi import raw

    return Status.SEC_E_OK, raw


@implements("sspi", "AddSecurityPackage")
def add_security_package(package: str, options: int = SECPKG_OPTIONS_TYPE_SSPI) -> Status:
    """AddSecurityPackage: with SECPKG_OPTIONS_TYPE_SSPI a plain SSP is added to this process, by the name of its entry
    point. Packages of the authority are the operator's: SEC_E_UNSUPPORTED_FUNCTION for other types (see `secpkg.lsa`).
    Page: sspi/nf-sspi-addsecuritypackagew.
    """
    if options != SECPKG_OPTIONS_TYPE_SSPI:
        return Status.SEC_E_UNSUPPORTED_FUNCTION
    try:
        providers.add(package)
    except SecurityError as error:
        return error.status
    return Status.SEC_E_OK


@implements("sspi", "DeleteSecurityPackage")
def delete_security_package(package: str) -> Status:
    """DeleteSecurityPackage: a plain SSP that was added to this process. Page: sspi/nf-sspi-deletesecuritypackagew."""
    try:
        providers.remove(package)
    except SecurityError as error:
        return error.status
    return Status.SEC_E_OK
