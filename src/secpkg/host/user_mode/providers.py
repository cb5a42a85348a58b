"""Plain security support providers: they live in the application alone and need no authority (R1).

An entry point of group ``secpkg.security_provider`` only offers. What is used is named: by the operator in the key
``security_providers`` of the configuration file, or by the program itself (`add`). InitSecurityInterface runs once per
process and provider.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PackageInfo
from secpkg.host.tables import Table, TableFault, build_table
from secpkg.host.user_mode.contexts import package_call

if TYPE_CHECKING:
    from secpkg.contract.security_provider import SecurityProvider

GROUP: Final = "secpkg.security_provider"


class Provider:
    """A provider whose InitSecurityInterface has run: its function table and its packages."""

    __slots__ = ("name", "packages", "table")

    def __init__(self, name: str, interface: SecurityProvider) -> None:
        self.name = name
        protocols = import_module("secpkg.contract.security_provider").PROTOCOLS
        try:
            self.table: Table = build_table(interface, protocols)
        except TableFault as fault:
            error = SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="provider_broken")
            error.add_note(f"provider {name}: {fault}")
            raise error from fault
        if "enumerate_security_packages" not in self.table:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="provider_without_packages")
        listed = package_call(self.table["enumerate_security_packages"])
        self.packages = {info.name: info for info in cast("Iterable[PackageInfo]", listed)}
        if not self.packages:
            # R4: a provider has at least one package.
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="provider_without_packages")


_providers: dict[str, Provider] = {}
_lock = threading.RLock()


def add(name: str, initialize: Callable[[], SecurityProvider] | None = None) -> Provider:
    """AddSecurityPackage for this process: the provider of this entry point, or of ``initialize`` under that name.

    SEC_E_SECPKG_NOT_FOUND when there is none or it does not load; adding one twice gives the one that is there.
    """
    with _lock:
        known = _providers.get(name)
        if known is None:
            known = _providers[name] = _load(name, initialize)
        return known


def remove(name: str) -> None:
    """DeleteSecurityPackage for this process; contexts live on. SEC_E_SECPKG_NOT_FOUND for an unknown name."""
    with _lock:
        if _providers.pop(name, None) is None:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="provider_unknown")


def is_added(name: str) -> bool:
    """Whether a provider of this name is in use here."""
    return name in _providers


def find(package: str, configured: Iterable[str] = ()) -> tuple[Provider, PackageInfo] | None:
    """The provider that has this package: first those added, then the operator's list, which is loaded for it."""
    for name in configured:
        if name not in _providers:
            add(name)
    if not _providers:
        return None
    for provider in list(_providers.values()):
        info = provider.packages.get(package)
        if info is not None:
            return provider, info
    return None


def load_offered(listed: Iterable[str]) -> None:
    """Load an authority's list, as far as this environment offers it: the list is the machine's, not this program's."""
    for name in listed:
        with contextlib.suppress(SecurityError):
            add(name)


def enumerate_packages(configured: Iterable[str] = ()) -> tuple[PackageInfo, ...]:
    """The packages of every provider of this process."""
    for name in configured:
        add(name)
    return tuple(info for provider in list(_providers.values()) for info in provider.packages.values())


def _load(name: str, initialize: Callable[[], SecurityProvider] | None) -> Provider:
    if initialize is None:
        metadata: Any = import_module("importlib.metadata")
        offers = list(metadata.entry_points(group=GROUP, name=name))
        if len(offers) != 1:
            reason = "provider_ambiguous" if offers else "provider_missing"
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason=reason)
        try:
            initialize = offers[0].load()
        except Exception as error:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="provider_import") from error
    return Provider(name, cast("SecurityProvider", package_call(cast("Callable[..., object]", initialize))))


def _new_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_new_lock)
