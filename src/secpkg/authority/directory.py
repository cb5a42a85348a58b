"""The packages that are alive: what the authority knows of each, by id and by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from secpkg.contract.flags import Capability
from secpkg.contract.msv1_0 import MSV1_0_PACKAGE_NAME
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PackageInfo

PackageState = Literal["loaded", "broken", "draining", "quarantined"]
PackageEvent = Literal["load", "unload"]
Watcher = Callable[[PackageEvent, "PackageEntry"], None]

MAX_PACKAGE_NAME: Final = 127
_ALIASES: Final = {MSV1_0_PACKAGE_NAME.casefold(): "ntlm"}
"""The documents give one package two names, one for logons and one for contexts (docs/adr/0022)."""
"""Bytes of a package name (R87)."""

_HOLDS_NAME: Final = frozenset({"loaded", "quarantined"})
"""A draining package has given its name to its successor; a broken one never got it (R18)."""


class PackageEntry(msgspec.Struct, frozen=True):
    """One package of a module. ``functions`` are the Python names of the entries of its tables."""

    package_id: int
    info: PackageInfo
    module: str
    functions: frozenset[str] = frozenset()
    inbox: bool = False
    primary_credentials: bool = False
    """The operator lets this module see clear passwords (lock 4)."""
    state: PackageState = "loaded"
    reason: str = ""
    """Why it is not ``loaded``."""
    thunks: bytes = b""
    """``SECPKG_CONTEXT_THUNKS``, for applications (R164)."""

    @property
    def name(self) -> str:
        """The package's name, as it announced it."""
        return self.info.name


class PackageDirectory:
    """Packages by id and by name. Ids are given out once and never again (R26).

    ``reserved`` are the names of the inbox packages: no other module's package can take them (R13).
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._reserved = frozenset(name.casefold() for name in reserved)
        self._entries: dict[int, PackageEntry] = {}
        self._names: dict[str, int] = {}
        self._last_id = 0
        self._watchers: list[Watcher] = []

    def reserve(self, count: int = 1) -> int:
        """Take ``count`` ids that follow each other, for a module about to be loaded; the first of them."""
        first = self._last_id + 1
        self._last_id += count
        return first

    def add(self, entry: PackageEntry) -> None:
        """Enter a package under an id from `reserve`.

        STATUS_INVALID_PARAMETER: ``package_id_not_reserved``, ``package_id_taken``, ``package_name_invalid``,
        ``package_name_taken``, ``package_name_reserved`` (R13), ``second_nego_extender`` (R170).
        """
        if not 0 < entry.package_id <= self._last_id:
            raise _refused("package_id_not_reserved")
        if entry.package_id in self._entries:
            raise _refused("package_id_taken")
        self._put(entry)

    def set_state(self, package_id: int, state: PackageState, reason: str = "") -> PackageEntry:
        """Move a package to another state; back to ``loaded`` only while nobody else has its name."""
        entry = msgspec.structs.replace(self.entry(package_id), state=state, reason=reason)
        self._put(entry)
        return entry

    def _put(self, entry: PackageEntry) -> None:
        key = entry.name.casefold()
        before = self._entries.get(entry.package_id)
        if entry.state in _HOLDS_NAME:
            if not key.isprintable() or not 0 < len(entry.name.encode("utf-8", "replace")) <= MAX_PACKAGE_NAME:
                raise _refused("package_name_invalid")
            if key in self._reserved and not entry.inbox:
                raise _refused("package_name_reserved")
            if self._names.get(key, entry.package_id) != entry.package_id:
                raise _refused("package_name_taken")
            if entry.info.capabilities & Capability.NEGO_EXTENDER and self._extends_negotiation(entry.package_id):
                raise _refused("second_nego_extender")
            self._names[key] = entry.package_id
        elif self._names.get(key) == entry.package_id:
            del self._names[key]
        self._entries[entry.package_id] = entry
        was, is_now = before is not None and before.state == "loaded", entry.state == "loaded"
        if was != is_now:
            for watcher in tuple(self._watchers):
                watcher("load" if is_now else "unload", entry)

    def _extends_negotiation(self, other_than: int) -> bool:
        return any(
            e.info.capabilities & Capability.NEGO_EXTENDER
            for e in map(self._entries.__getitem__, self._names.values())
            if e.package_id != other_than
        )

    def watch(self, watcher: Watcher) -> None:
        """Call ``watcher`` at every package change from now on (R252)."""
        self._watchers.append(watcher)

    def entry(self, package_id: int) -> PackageEntry:
        """The package with this id, in whatever state; STATUS_NO_SUCH_PACKAGE (R68)."""
        entry = self._entries.get(package_id)
        if entry is None:
            raise SecurityError(Status.STATUS_NO_SUCH_PACKAGE, reason="no_such_package")
        return entry

    def in_service(self, package_id: int) -> PackageEntry:
        """The package with this id if it takes new work; STATUS_NO_SUCH_PACKAGE otherwise (R68)."""
        entry = self.entry(package_id)
        if entry.state != "loaded":
            raise SecurityError(Status.STATUS_NO_SUCH_PACKAGE, reason=f"package_{entry.state}")
        return entry

    def at_work(self, package_id: int) -> PackageEntry:
        """The package with this id if it may still finish what it has begun: also while it is draining."""
        entry = self._entries.get(package_id)
        if entry is not None and entry.state in ("loaded", "draining"):
            return entry
        return self.in_service(package_id)

    def find(self, name: str) -> PackageEntry:
        """LsaLookupAuthenticationPackage: by name, without regard to case.

        STATUS_NAME_TOO_LONG, STATUS_NO_SUCH_PACKAGE (R87).
        """
        if len(name.encode("utf-8", "replace")) > MAX_PACKAGE_NAME:
            raise SecurityError(Status.STATUS_NAME_TOO_LONG, reason="package_name_too_long")
        key = name.casefold()
        package_id = self._names.get(_ALIASES.get(key, key))
        if package_id is None:
            raise SecurityError(Status.STATUS_NO_SUCH_PACKAGE, reason="no_such_package")
        return self._entries[package_id]

    def having(self, function: str) -> tuple[PackageEntry, ...]:
        """The packages in service whose tables have this function, by id."""
        return tuple(e for e in self._entries.values() if e.state == "loaded" and function in e.functions)

    def enumerate(self) -> tuple[PackageInfo, ...]:
        """EnumerateSecurityPackages: what is loaded; a package that failed to initialise is not there (R18)."""
        return tuple(e.info for e in self._entries.values() if e.state == "loaded")

    def entries(self) -> tuple[PackageEntry, ...]:
        """All, broken ones included, by id: for the operator."""
        return tuple(self._entries[package_id] for package_id in sorted(self._entries))


def _refused(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_INVALID_PARAMETER, reason=reason)
