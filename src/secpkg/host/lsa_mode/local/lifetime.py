"""A package's own end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secpkg.contract.implements import implements

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.running import Running


@implements("lsa_secpkg", "UnloadPackage")
def unload_package(running: Running) -> None:
    """UnloadPackage (R39): always succeeds. The package takes no call more, its siblings live, and SpShutdown is not
    called, since there is a fault that nothing recovers. While it loads it is listed as broken, as after any failure.
    """
    package = running.package
    if not package.broken:
        package.broken = UNLOADED
        running.surroundings.link.unload(package.package_id)


UNLOADED = "the package unloaded itself"
"""Why it is not in service, for the listing."""
