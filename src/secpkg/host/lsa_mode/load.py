"""Loading a module: the order of spec/README 1.

Per module SpLsaModeInitialize, once (R19); then per package SpInitialize, LsaApInitializePackage where it is an AP,
SpGetInfo, SpGetExtendedInformation. A package that fails is unloaded, hidden from enumeration (R18) and listed as
broken with the reason; its siblings live. At stop SpShutdown runs in reverse order; a package that was initialized and
fails after that is shut down at once (R38).
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Coroutine
from itertools import islice
from typing import Final, cast

from secpkg.contract import subauthentication
from secpkg.contract.flags import Capability, ExtendedInformationClass, InterfaceVersion
from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode import ap, ssp
from secpkg.contract.reference import members_of
from secpkg.contract.reference import table as reference_table
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PackageInfo, PackageParameters
from secpkg.host.lsa_mode.functions import LSA_DISPATCH_TABLE, LSA_SECPKG_FUNCTION_TABLE
from secpkg.host.tables import TableFault, build_table

PROTOCOLS: Final = (*ssp.PROTOCOLS, *ap.PROTOCOLS, *subauthentication.PROTOCOLS)
INTERFACE_VERSION: Final = max(InterfaceVersion)
MAX_PACKAGES: Final = 64
MAX_TOKEN: Final = 128 * 1024
MAX_NAME: Final = 127
MAX_EXPLANATION: Final = 500
"""Characters of an author's own text in an explanation."""

LOGON_FUNCTIONS: Final = ("logon_user_ex3", "logon_user_ex2", "logon_user_ex", "logon_user")
"""Newest first (spec/README 4)."""


class HostedPackage:
    """One package as its host knows it: the table, the information, and whether it serves."""

    __slots__ = ("broken", "draining", "info", "package_id", "table", "thunks")

    def __init__(self, package_id: int, table: dict[str, Callable[..., object]], info: PackageInfo) -> None:
        self.package_id = package_id
        self.table = table
        self.info = info
        self.broken = ""
        self.draining = False
        self.thunks: bytes = b""

    def __repr__(self) -> str:
        return f"<HostedPackage {self.package_id} {self.info.name!r}{' broken' if self.broken else ''}>"


class LoadFault(Exception):
    """A module that cannot be used: what is wrong, in one line that an author can act on."""


def explain(error: BaseException) -> str:
    """One line for an author: what was raised and where in the author's code."""
    try:
        text = " ".join(str(error).split())[:MAX_EXPLANATION]
    except BaseException:  # an author's __str__
        text = "(its text cannot be had)"
    if isinstance(error, SecurityError):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {text}{where}"


@implements("lsa_mode", "SpLsaModeInitialize")
def tables_of(initialize: Callable[[InterfaceVersion], object]) -> ssp.ModuleTables:
    """SpLsaModeInitialize, called once, and what it returned checked (R20-R22)."""
    try:
        tables = initialize(INTERFACE_VERSION)
    except BaseException as error:
        raise LoadFault(f"SpLsaModeInitialize failed: {explain(error)}") from None
    if isinstance(tables, Coroutine):
        tables.close()
        raise LoadFault("SpLsaModeInitialize must be def, not async def")
    if not isinstance(tables, ssp.ModuleTables):
        raise LoadFault(f"SpLsaModeInitialize returned {type(tables).__name__}, not ModuleTables (R20)")
    if not isinstance(tables.version, InterfaceVersion):
        raise LoadFault(f"SpLsaModeInitialize returned version {tables.version!r}, not an InterfaceVersion (R22)")
    try:
        packages = tuple(islice(tables.packages, MAX_PACKAGES + 1))
    except BaseException:
        raise LoadFault("ModuleTables.packages is no sequence of packages (R20)") from None
    if not 0 < len(packages) <= MAX_PACKAGES:
        number = f"more than {MAX_PACKAGES}" if packages else "no"
        raise LoadFault(f"SpLsaModeInitialize returned {number} tables; 1 to {MAX_PACKAGES} are allowed (R20)")
    return ssp.ModuleTables(tables.version, packages)


async def load_packages(
    tables: ssp.ModuleTables,
    first_package_id: int,
    parameters: PackageParameters,
    begin: Callable[[HostedPackage], None],
) -> list[HostedPackage]:
    """Everything after SpLsaModeInitialize, for each package in turn; broken ones are in the list with their reason.
    ``begin`` is told whose turn it is, so that an LSA function called from SpInitialize is known to be its.
    """
    reach = frozenset(
        function.python_name
        for table in ("lsa_mode", "authentication_package")
        for function in members_of(table, tables.version)
    ) | frozenset(function.python_name for function in reference_table("subauth"))  # exports, in no version's table
    loaded: list[HostedPackage] = []
    for offset, package in enumerate(tables.packages):
        hosted = HostedPackage(first_package_id + offset, {}, PackageInfo(name=type(package).__name__))
        loaded.append(hosted)
        begin(hosted)
        try:
            await _load(hosted, package, reach, parameters)
        except TableFault as fault:
            hosted.broken = str(fault)
        except LoadFault as fault:
            hosted.broken = str(fault)
        except BaseException as error:
            hosted.broken = explain(error)
        if hosted.broken:
            hosted.table = {}
    return loaded


@implements("authentication_package", "LsaApInitializePackage")
@implements("lsa_mode", "SpInitialize")
@implements("lsa_mode", "SpGetInfo")
@implements("lsa_mode", "SpGetExtendedInformation")
async def _load(hosted: HostedPackage, package: object, reach: frozenset[str], parameters: PackageParameters) -> None:
    info = getattr(package, "info", None)
    if isinstance(info, PackageInfo) and _is_name(info.name):
        hosted.info = PackageInfo(info.name)  # by this name it is listed, should it be broken
    table = build_table(package, PROTOCOLS)
    beyond = sorted(name for name in table if name not in reach)
    if beyond:
        raise LoadFault(f"{beyond[0]} is beyond the interface version that the module returned (R23)")
    hosted.table = table
    status = await _run(table, "initialize", hosted.package_id, parameters, LSA_SECPKG_FUNCTION_TABLE)
    if isinstance(status, Status) and status.is_error:  # R27, as a port from C returns it
        raise LoadFault(f"SpInitialize returned {status.native}")
    try:
        await _present(hosted, table, info)
    except BaseException:
        try:
            await _run(table, "shutdown")
        except BaseException:
            pass  # the first failure is the one to tell
        raise


async def _present(hosted: HostedPackage, table: dict[str, Callable[..., object]], info: object) -> None:
    if "initialize_package" in table:
        name = await _run(table, "initialize_package", hosted.package_id, LSA_DISPATCH_TABLE)
        if not isinstance(name, str) or not name:
            raise LoadFault("LsaApInitializePackage returned no name (R32)")
    if "get_info" in table:
        info = await _run(table, "get_info")
    hosted.info = _checked(info)
    if "get_extended_information" in table:
        from secpkg.contract.attributes import ContextThunks  # a start-up does without it for most packages

        try:
            thunks = await _run(table, "get_extended_information", ExtendedInformationClass.CONTEXT_THUNKS)
            ContextThunks(thunks if isinstance(thunks, bytes) else b"")
        except SecurityError:
            thunks = b""  # not offered, or no SECPKG_CONTEXT_THUNKS
        hosted.thunks = thunks if isinstance(thunks, bytes) else b""


def _checked(info: object) -> PackageInfo:
    if not isinstance(info, PackageInfo):
        raise LoadFault("the package has no `info: PackageInfo`, and SpGetInfo gave none (R33)")
    if not _is_name(info.name):
        raise LoadFault(f"PackageInfo.name must be printable, of 1 to {MAX_NAME} bytes (R87)")
    if not isinstance(info.comment, str):
        raise LoadFault("PackageInfo.comment must be a str (R33)")
    for field in ("capabilities", "max_token", "rpc_id"):
        number = getattr(info, field)
        if not isinstance(number, int) or not 0 <= number <= 0xFFFF_FFFF:
            raise LoadFault(f"PackageInfo.{field} is no unsigned 32-bit number (R34)")
    if info.version != 1:
        raise LoadFault(f"PackageInfo.version is {info.version}; it must be 1 (R34)")
    contexts = info.capabilities & (Capability.INTEGRITY | Capability.PRIVACY | Capability.CONNECTION)
    if info.max_token > MAX_TOKEN or (contexts and info.max_token == 0):
        raise LoadFault(f"PackageInfo.max_token is {info.max_token}; it must bound every token (R35)")
    return info


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and 0 < len(name.encode()) <= MAX_NAME


async def _run(table: dict[str, Callable[..., object]], name: str, *arguments: object) -> object:
    function = table.get(name)
    if function is None:
        return None
    return await cast(Callable[..., Awaitable[object]], function)(*arguments)
