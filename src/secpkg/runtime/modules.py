"""Where modules are found: entry points offer, the operator's list decides (design, section 4).

`describe` reads metadata only; nothing of a module is imported before `lsa_mode_initialize`, which runs in the worker.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Final, cast

import msgspec

from secpkg.contract.digest import distribution_digest
from secpkg.contract.flags import InterfaceVersion
from secpkg.contract.status import SecurityError, Status
from secpkg.host.lsa_mode.load import LoadFault, explain

LSA_MODE: Final = "secpkg.lsa_mode"
USER_MODE: Final = "secpkg.user_mode"
SECURITY_PROVIDER: Final = "secpkg.security_provider"

LsaModeInitialize = Callable[[InterfaceVersion], object]


class ModuleDescription(msgspec.Struct, frozen=True):
    """A module as its distribution describes it: the entry point's name, the distribution, and the digest of its
    files.
    """

    name: str
    distribution: str
    version: str
    digest: bytes
    target: str
    has_user_half: bool
    path: str = ""
    """Directory that the worker adds to where it looks, for a module outside the environment (R8)."""
    blocking: bool = False
    """The operator says that it blocks: in a worker its functions run on threads."""


def use_path(path: str) -> None:
    """Look for modules in ``path`` too, after everything that the environment has, so that it shadows nothing."""
    if path and path not in sys.path:
        sys.path.append(path)


def _follow(distribution: metadata.Distribution) -> None:
    """Look where an editable installation points, which Python itself does at its start alone: the directories in the
    distribution's own ``.pth`` files. Lines with code in them are not run.
    """
    for file in distribution.files or ():
        if file.suffix == ".pth":
            with contextlib.suppress(OSError, UnicodeDecodeError):
                for line in file.read_text().splitlines():
                    if os.path.isabs(line) and os.path.isdir(line):
                        use_path(line)


def describe(name: str, path: str = "") -> ModuleDescription:
    """The module that an installed distribution offers under ``name``: SEC_E_SECPKG_NOT_FOUND with a named reason.

    ``path`` is a complete one (R8): ``path_is_not_absolute``.
    """
    if path and not os.path.isabs(path):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="path_is_not_absolute")
    use_path(path)
    entries = metadata.entry_points(group=LSA_MODE, name=name)
    if not entries:
        raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="no_such_module")
    if len({(entry.dist.name if entry.dist else "", entry.value) for entry in entries}) > 1:
        raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="module_offered_twice")
    entry = next(iter(entries))
    if entry.dist is None:
        raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="module_without_distribution")
    importlib.invalidate_caches()
    _follow(entry.dist)
    try:
        digest = distribution_digest(entry.module.partition(".")[0])
    except (LookupError, ValueError):
        raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="module_files_not_found") from None
    user = metadata.entry_points(group=USER_MODE, name=name)
    return ModuleDescription(
        name, entry.dist.name, entry.dist.version, digest, entry.value, has_user_half=bool(user), path=path
    )


def lsa_mode_initialize(description: ModuleDescription) -> LsaModeInitialize:
    """Import the module and give its SpLsaModeInitialize. `LoadFault` when it is not the module that was registered, or
    cannot be imported.
    """
    try:
        found = describe(description.name, description.path)
    except SecurityError as error:
        raise LoadFault(f"module {description.name!r} is not here: {error.reason}") from None
    for field in ("distribution", "version", "digest", "target"):
        if getattr(found, field) != getattr(description, field):
            raise LoadFault(
                f"module {description.name!r} is not the one that was registered: its {field} differs; "
                f"register it again: secpkg packages add {description.name}"
            )
    (entry, *_) = metadata.entry_points(group=LSA_MODE, name=description.name)
    try:
        initialize = entry.load()
    except BaseException as error:
        raise LoadFault(f"importing {entry.value} failed: {explain(error)}") from None
    if not callable(initialize):
        raise LoadFault(f"{entry.value} is not callable")
    return cast(LsaModeInitialize, initialize)
