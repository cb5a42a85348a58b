"""The operator's lists."""

from __future__ import annotations

from typing import Final

from secpkg.kit.doctor.causes.stage import stage
from secpkg.kit.doctor.checks import listing
from secpkg.kit.doctor.model import Cause

CAUSES: Final[tuple[Cause, ...]] = (
    *stage(
        "lists",
        (
            "registry_invalid",
            listing.registry_invalid,
            "the registry is not understood: {fault}",
            "correct that line; the authority does not start before",
        ),
        (
            "dll_name",
            listing.dll_name,
            "{module!r} is the name of a file; the lists have names of modules",
            "{secpkg} packages add {suggestion}",
        ),
        (
            "name_is_path",
            listing.name_is_path,
            "{module!r} is a {kind}; a module is named, and looked for in an absolute directory (R8)",
            "{secpkg} packages add {stem} --path {folder}",
        ),
        (
            "name_is_target",
            listing.name_is_target,
            "{module!r} is the value of an entry point; the lists have its name",
            "{secpkg} packages add {suggestion}",
        ),
        (
            "name_is_distribution",
            listing.name_is_distribution,
            "{module!r} is a distribution; the module that {distribution} offers is called {suggestion!r}",
            "{secpkg} packages add {suggestion}",
        ),
        (
            "name_misspelt",
            listing.name_misspelt,
            "there is no module or package {module!r}; {suggestion!r} is probably meant",
            "{secpkg} doctor {suggestion}",
        ),
        (
            "ssp_on_security_packages",
            listing.ssp_as_module,
            "{module} is a plain SSP and stands on {list}; it belongs on SecurityProviders",
            "{secpkg} packages remove {module} && {secpkg} packages add {module} --list security_providers",
        ),
        (
            "module_on_security_providers",
            listing.module_as_ssp,
            "{module} has an LSA half and stands on SecurityProviders, where only plain SSPs are looked for",
            "{secpkg} packages remove {module} && {secpkg} packages add {module}",
        ),
        (
            "ap_on_security_packages",
            listing.pure_ap_as_ssp,
            "{module} offers only APs ({packages}) and stands on Security Packages",
            "{secpkg} packages remove {module} && {secpkg} packages add {module} --list authentication_packages",
        ),
        (
            "ssp_on_authentication_packages",
            listing.ssp_on_authentication_packages,
            "{module} makes contexts ({packages}) and stands on Authentication Packages",
            "{secpkg} packages remove {module} && {secpkg} packages add {module}",
        ),
        (
            "provider_not_listed",
            listing.provider_not_listed,
            "{module}, a plain SSP, is installed and not on the list SecurityProviders",
            "{mend}",
        ),
        (
            "not_listed",
            listing.not_listed,
            "module {module} is installed and on no list: installing alone loads nothing",
            "{mend}",
        ),
        ("nothing_listed", listing.nothing_listed, "no module is on any list", "{secpkg} packages add {suggestion}"),
    ),
)
