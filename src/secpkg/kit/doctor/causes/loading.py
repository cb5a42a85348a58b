"""Import, table, initialize, registration."""

from __future__ import annotations

from typing import Final

from secpkg.kit.doctor.causes.stage import stage
from secpkg.kit.doctor.checks import loading
from secpkg.kit.doctor.model import Cause

CAUSES: Final[tuple[Cause, ...]] = (
    *stage(
        "import",
        ("syntax_error", loading.syntax_error, "{value} has a syntax error: {text}", "correct {where}, then {again}"),
        (
            "target_not_importable",
            loading.target_not_importable,
            "the entry point of {module} names {target!r}, and there is no module {name!r}",
            "correct the entry point in pyproject.toml, install it again, then {again}",
        ),
        (
            "dependency_missing",
            loading.dependency_missing,
            "{target} imports {name!r}, which is not installed where the authority runs",
            "{python} -m pip install {name}",
        ),
        (
            "dependency_name",
            loading.dependency_name,
            "{value} cannot be imported: {text}",
            "install the version of that dependency that has the name, then {again}",
        ),
        (
            "target_attribute_missing",
            loading.attribute_missing,
            "the entry point of {module} names {attribute!r}, and {target} has none",
            "write def {attribute}(version) in {target}, or correct the entry point; then {again}",
        ),
        (
            "import_exits",
            loading.import_exits,
            "importing {value} ends the process ({kind})",
            'move what runs at import under if __name__ == "__main__", then {again}',
        ),
        ("import_raises", loading.import_raises, "importing {value} failed: {text}", "correct {where}, then {again}"),
        (
            "target_not_callable",
            loading.not_callable,
            "{value} is not callable: the entry point must name SpLsaModeInitialize",
            "write def lsa_mode_initialize(version), name it in the entry point, then {again}",
        ),
        (
            "files_not_found",
            loading.files_not_found,
            "the files of {module} are not where its distribution says",
            "{again} after installing the distribution again",
        ),
        (
            "hangs_at_load",
            loading.hangs_at_load,
            "{module} does not come to an end of being loaded",
            "take what waits out of import and SpInitialize, then {again}",
        ),
        ("dies_at_load", loading.dies_at_load, "loading {module} {text}", "take that out of import, then {again}"),
    ),
    *stage(
        "table",
        (
            "initialize_async",
            loading.initialize_async,
            "SpLsaModeInitialize of {module} is async def",
            "write def instead of async def before lsa_mode_initialize, then {again}",
        ),
        (
            "initialize_nonsense",
            loading.initialize_nonsense,
            "SpLsaModeInitialize of {module} returned {kind}, not ModuleTables (R20)",
            "write return ModuleTables(InterfaceVersion.V1, (Package(),)), then {again}",
        ),
        (
            "version_nonsense",
            loading.version_nonsense,
            "SpLsaModeInitialize of {module} returned the version {version}, newer than this host or none at all (R22)",
            "return a member of InterfaceVersion, no newer than the one it is given, then {again}",
        ),
        (
            "no_packages",
            loading.no_packages,
            "SpLsaModeInitialize of {module} returned no packages, or what is no sequence of them (R20)",
            "return ModuleTables(InterfaceVersion.V1, (Package(),)), then {again}",
        ),
        (
            "initialize_raises",
            loading.initialize_raises,
            "SpLsaModeInitialize of {module} failed: {text}",
            "correct {where}, then {again}",
        ),
        (
            "function_misspelt",
            loading.misspelt,
            "{package} defines {field}, which is no documented function; {meant} is meant",
            "rename {field} to {meant}, then {again}",
        ),
        (
            "wrong_signature",
            loading.wrong_signature,
            "{field} of {package} {text}",
            "correct the parameters of {field}, then {again}",
        ),
        (
            "function_not_async",
            loading.not_async,
            "{field} of {package} is def; the LSA half is async def",
            "write async def {field}, then {again}",
        ),
        (
            "not_a_function",
            loading.not_a_function,
            "{field} of {package} is a {kind}, and a documented function",
            "rename {field}, or make it a function; then {again}",
        ),
        (
            "beyond_version",
            loading.beyond_version,
            "{package} defines {field}, which the interface version that it returned does not have (R23)",
            "return the version that has {field} from lsa_mode_initialize, then {again}",
        ),
    ),
    *stage(
        "initialize",
        (
            "no_info",
            loading.no_info,
            "{package} has no `info: PackageInfo`, and SpGetInfo gave none (R33)",
            "write info = PackageInfo(name=...) in the class, then {again}",
        ),
        (
            "bad_info",
            loading.bad_info,
            "PackageInfo of {package}: {field} {text}",
            "correct PackageInfo.{field}, then {again}",
        ),
        (
            "ap_without_name",
            loading.ap_without_name,
            "LsaApInitializePackage of {package} returned no name (R32)",
            "write return self.info.name in initialize_package, then {again}",
        ),
        (
            "initialize_status",
            loading.status_returned,
            "SpInitialize of {package} returned {status}",
            "return nothing from initialize, or mend what it refused; then {again}",
        ),
        (
            "initialize_failed",
            loading.start_failed,
            "SpInitialize of {package} failed: {text}",
            "correct {where}, then {again}",
        ),
    ),
    *stage(
        "registration",
        (
            "name_taken",
            loading.name_taken_by,
            "package {package} is not served: {owner} has a package of that name already (R18)",
            "{secpkg} packages remove {owner}, or give the package another name",
        ),
        (
            "name_reserved",
            loading.name_reserved,
            "package {package} is not served: the name is an inbox package's (R13)",
            "give the package another name in its PackageInfo, then {again}",
        ),
        (
            "name_invalid",
            loading.name_invalid,
            "package {package} is not served: its name is not printable, or longer than 127 bytes (R87)",
            "give the package another name in its PackageInfo, then {again}",
        ),
        (
            "second_nego_extender",
            loading.second_nego_extender,
            "package {package} is not served: another one extends negotiation already (NEGO_EXTENDER, R170)",
            "take Capability.NEGO_EXTENDER out of its PackageInfo, then {again}",
        ),
        (
            "unloaded_itself",
            loading.unloaded_itself,
            "package {package} took itself out of service with UnloadPackage (R39)",
            "{again}",
        ),
        ("removed", loading.removed, "package {package} was removed", "{again}"),
    ),
)
