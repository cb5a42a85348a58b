"""What the authority's own environment says of a module, for an operator who asks why it is not there.

Metadata and the digest of files only: nothing of a module is imported in the authority.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Final

from secpkg.authority.registry import Registry, RegistryError
from secpkg.contract.status import SecurityError
from secpkg.runtime.modules import describe

PREFIX: Final = "secpkg"
MAX_OFFERS: Final = 200


def offers(path: str = "") -> list[dict[str, str]]:
    """Every module that is offered here, or by the distributions of one directory."""
    found = []
    distributions = metadata.distributions(path=[path]) if path else metadata.distributions()
    for distribution in distributions:
        for entry in distribution.entry_points:
            if entry.group.startswith(PREFIX):  # a group that is misspelt, too
                row = {"group": entry.group, "name": entry.name, "value": entry.value}
                found.append({**row, "distribution": distribution.name, "version": distribution.version})
    return found[:MAX_OFFERS]


def examine(name: str, registry: Registry | None) -> dict[str, object]:
    """Offers, digest and lists, as this process has them."""
    registered: list[dict[str, object]] = []
    providers: tuple[str, ...] = ()
    fault = ""
    if registry is not None:
        try:
            contents = registry.read()
        except RegistryError as error:
            fault = str(error)
        else:
            providers = contents.security_providers
            for list_name in ("security_packages", "authentication_packages"):
                registered += [
                    {
                        "list": list_name,
                        "module": entry.module,
                        "path": entry.path,
                        "distribution": entry.distribution,
                        "version": entry.version,
                        "digest": entry.digest,
                        "primary_credentials": entry.primary_credentials,
                    }
                    for entry in getattr(contents, list_name)
                ]
    digest, reason = "", ""
    try:
        digest = describe(name).digest.hex()
    except (SecurityError, ValueError, OSError) as error:
        reason = getattr(error, "reason", "") or type(error).__name__
    return {
        "python": sys.executable,
        "uid": os.geteuid(),
        "offers": offers(),
        "digest": digest,
        "reason": reason,
        "registered": registered,
        "providers": providers,
        "registry_fault": fault,
    }
