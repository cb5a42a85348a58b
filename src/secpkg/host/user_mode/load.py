"""Loads the user half of a package into the application, and exactly the one that the authority registered.

The authority names an entry point of group ``secpkg.user_mode`` and the distribution that has it: name, version, digest
of its files (`secpkg.contract.digest`, over the top-level package of the entry point). The application looks into its
own environment; what is not the same is refused with what was expected and what was found. SpUserModeInitialize runs
once per process and module, SpInstanceInit once per package behind it, at the first mapped context (spec/README 2).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from secpkg.contract.flags import Capability, InterfaceVersion
from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.user_mode.callbacks import REGISTERED
from secpkg.host.tables import Table, TableFault, build_table
from secpkg.host.user_mode.dll_functions import DllFunctionTable
from secpkg.host.user_mode.trace import observed, observed_initialize

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from secpkg.contract.user_mode.ssp import UserModuleTables

GROUP: Final = "secpkg.user_mode"
VERSION: Final = InterfaceVersion.V11

_MESSAGE_FUNCTIONS: Final = {
    Capability.INTEGRITY: ("make_signature", "verify_signature"),
    Capability.PRIVACY: ("seal_message", "unseal_message"),
}


class UserHalfError(SecurityError):
    """A user half that cannot be used; ``text`` says what was expected and what was found."""

    text: str = ""

    def __str__(self) -> str:
        return f"{super().__str__()}: {self.text}" if self.text else super().__str__()


def _refusal(status: Status, reason: str, text: str) -> UserHalfError:
    error = UserHalfError(status, reason=reason)
    error.text = text
    return error


class UserPackage:
    """One package of a loaded module: the object and its function table; ``broken`` raises why it cannot be used."""

    __slots__ = ("_broken", "name", "table")

    def __init__(self, name: str, table: Table, broken: tuple[str, str] | None) -> None:
        self.name = name
        self.table = table
        self._broken = broken

    def require(self, capabilities: Capability) -> UserPackage:
        """Itself, when it works and has the functions that its capabilities promise (spec/README 3)."""
        if self._broken is not None:
            raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, *self._broken)
        needed = ["init_user_mode_context"]
        for capability, names in _MESSAGE_FUNCTIONS.items():
            if capabilities & capability:
                needed.extend(names)
        missing = [name for name in needed if name not in self.table]
        if missing:
            text = f"user half of {self.name} has no {', '.join(missing)}"
            raise _refusal(Status.SEC_E_UNSUPPORTED_FUNCTION, "user_functions_missing", text)
        return self


class Module:
    """A module whose SpUserModeInitialize has run."""

    @implements("user_mode", "SpUserModeInitialize")
    def __init__(self, entry_point: str, initialize: Callable[[InterfaceVersion], UserModuleTables]) -> None:
        self.entry_point = entry_point
        self._objects: dict[int, object] = {}
        self.services = DllFunctionTable(self._objects.get)
        try:
            tables = observed_initialize(entry_point, initialize)(VERSION)
            self._offered: Sequence[object] = tuple(tables.packages)
            version = InterfaceVersion(tables.version)
        except Exception as error:
            text = f"SpUserModeInitialize of {entry_point} failed: {type(error).__name__}"
            raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_initialize", text) from error
        self.packages: dict[str, UserPackage] = {}
        for package in self._offered:
            loaded = self._package(package, version)
            if loaded.name in self.packages:
                text = f"module {entry_point} offers {loaded.name} twice"
                raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_duplicate", text)
            self.packages[loaded.name] = loaded

    @implements("user_mode", "SpInstanceInit")
    def _package(self, package: object, version: InterfaceVersion) -> UserPackage:
        name = getattr(package, "name", None)
        if not isinstance(name, str) or not name:
            text = f"a package of module {self.entry_point} has no name"
            raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_name", text)
        protocols = import_module("secpkg.contract.user_mode.ssp").PROTOCOLS
        try:
            table = build_table(package, protocols)
        except TableFault as fault:
            return UserPackage(name, {}, ("user_half_broken", f"{name}: {fault}"))
        if version is InterfaceVersion.V1:
            # R23: the first version of the table ends before this slot.
            table.pop("marshal_attribute_data", None)
        table = observed(name, table)
        start = table.get("instance_init")
        if start is not None:
            try:
                start(VERSION, self.services)
            except Exception as error:
                return UserPackage(name, {}, ("user_half_instance", f"SpInstanceInit of {name} failed: {error!r}"))
        return UserPackage(name, table, None)

    def adopt(self, name: str, number: int) -> UserPackage:
        """The package of this name, under the authority's number from now on."""
        found = self.packages.get(name)
        if found is None:
            others = ", ".join(self.packages) or "none"
            text = f"module {self.entry_point} has no user half for {name}, but for {others}"
            raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_missing", text)
        self._objects[number] = next(p for p in self._offered if getattr(p, "name", None) == name)
        return found


_modules: dict[tuple[str, str, str, bytes], Module] = {}
_lock = threading.RLock()


def _new_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


# A thread that the child of a fork does not have may hold it.
os.register_at_fork(after_in_child=_new_lock)


def user_package(
    name: str, number: int, capabilities: Capability, half: tuple[str, str, str, bytes] | None
) -> UserPackage:
    """The user half of package ``name``; ``half`` is the authority's word for it: entry point, distribution, version
    and digest, or None when it has none.

    SEC_E_SECPKG_NOT_FOUND with reason ``user_half_missing``, ``user_half_version``, ``user_half_digest``,
    ``user_half_broken`` and the like; SEC_E_UNSUPPORTED_FUNCTION ``user_functions_missing`` (spec/README 3).
    """
    if half is None:
        text = f"package {name} made a context for a user half, and the authority knows none"
        raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_missing", text)
    module = _modules.get(half)
    if module is None:
        with _lock:
            module = _modules.get(half)
            if module is None:
                module = _modules[half] = _load(*half)
    return module.adopt(name, number).require(capabilities)


def _load(entry_point: str, distribution: str, version: str, digest: bytes) -> Module:
    from secpkg.contract.digest import distribution_digest

    for loaded, *_ in _modules:
        if loaded == entry_point:
            text = f"another version of module {entry_point} is loaded in this process"
            raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_version", text)
    found = _find(entry_point, distribution, version)
    top_level = found.module.partition(".")[0]
    try:
        here = distribution_digest(top_level)
    except (LookupError, OSError, ValueError) as error:
        text = f"the files of {top_level} cannot be read: {error}"
        raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_digest", text) from error
    if here != digest:
        text = f"{distribution} {version}: expected files with digest {digest.hex()[:16]}, found {here.hex()[:16]}"
        raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_digest", text)
    try:
        initialize = found.load()
    except Exception as error:
        text = f"{found.value} cannot be imported: {error}"
        raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_import", text) from error
    module = Module(entry_point, initialize)
    REGISTERED[entry_point, distribution, version, digest] = module.services.callbacks
    return module


def _find(entry_point: str, distribution: str, version: str) -> EntryPoint:
    metadata: Any = import_module("importlib.metadata")
    offers = [
        (found, found.dist.name, found.dist.version)
        for found in metadata.entry_points(group=GROUP, name=entry_point)
        if found.dist is not None
    ]
    expected = f"expected entry point {entry_point} of {distribution} {version}"
    same = [offer for offer in offers if _normal(offer[1]) == _normal(distribution)]
    if not same:
        here = ", ".join(f"that of {name} {number}" for _, name, number in offers) or "none"
        raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_missing", f"{expected}, found {here}")
    for found, _, number in same:
        if number == version:
            chosen: EntryPoint = found
            return chosen
    raise _refusal(Status.SEC_E_SECPKG_NOT_FOUND, "user_half_version", f"{expected}, found version {same[0][2]}")


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()
