"""Everything that can be wrong, in the order of the walk. Of one stage the first that holds is told, so what is more
particular stands before what is more general.
"""

from __future__ import annotations

from typing import Final

from secpkg.kit.doctor.checks import calling, listing, loading, offering, reaching, serving
from secpkg.kit.doctor.model import Cause, Check, Stage

_GROUP: Final = '[project.entry-points."secpkg.lsa_mode"]'


def _stage(stage: Stage, *rows: tuple[str, Check, str, str]) -> tuple[Cause, ...]:
    return tuple(Cause(name, stage, title, mend, check) for name, check, title, mend in rows)


CAUSES: Final[tuple[Cause, ...]] = (
    *_stage(
        "configuration",
        (
            "configuration_unreadable",
            reaching.configuration_unreadable,
            "the configuration file cannot be read: {detail}",
            "chmod a+r {file}",
        ),
        (
            "configuration_invalid",
            reaching.configuration_invalid,
            "the configuration file is not understood: {detail}",
            "correct {file}, then run secpkg doctor again",
        ),
        (
            "address_without_path",
            reaching.address_without_path,
            "{source} says {address!r}, and the path of a socket must be absolute",
            "export SECPKG_AUTHORITY=unix:{absolute}",
        ),
        (
            "address_without_scheme",
            reaching.address_without_scheme,
            "{source} says {address!r}, a path without unix: before it",
            "export SECPKG_AUTHORITY=unix:{address}",
        ),
        (
            "address_misspelt",
            reaching.address_not_unix,
            "{source} says {address!r}, which is neither unix:/path nor embedded:",
            "export SECPKG_AUTHORITY=unix:/run/secpkg/lsa.sock",
        ),
    ),
    *_stage(
        "authority",
        (
            "embedded_without_modules",
            reaching.embedded_without_modules,
            "no authority is chosen ({source}), and the embedded one of each process has no modules",
            "{mend}",
        ),
        (
            "socket_elsewhere",
            reaching.socket_nearby,
            "there is no authority at {path}, which {source} names, but one at {nearby}",
            "export SECPKG_AUTHORITY=unix:{nearby}",
        ),
        (
            "socket_directory_missing",
            reaching.directory_missing,
            "the authority is down: {directory}, where {source} puts its socket, does not exist",
            "secpkg authority run --dir {directory}",
        ),
        (
            "socket_missing",
            reaching.socket_missing,
            "the authority is down: there is no socket {path}, which {source} names",
            "secpkg authority run --socket {path} --dir {directory}",
        ),
        (
            "not_a_socket",
            reaching.not_a_socket,
            "{path} is no socket",
            "export SECPKG_AUTHORITY=unix:{directory}/lsa.sock",
        ),
        (
            "socket_denied",
            reaching.socket_denied,
            "uid {me} may not open {path} (mode {mode}, owner uid {owner})",
            "sudo chmod a+x {directory}",
        ),
        (
            "foreign_uid",
            reaching.foreign_uid,
            "{path} is served by uid {owner}, which may not be an authority for uid {me}",
            "echo 'authority_uids = [{owner}]' >> ~/.config/secpkg/secpkg.toml",
        ),
        (
            "authority_died",
            reaching.authority_died,
            "the authority is down: nobody listens on {path} any more",
            "secpkg authority run --socket {path} --dir {directory}",
        ),
        (
            "protocol_version",
            reaching.protocol_version,
            "the authority at {path} is another version of secpkg",
            "secpkg authority stop, then secpkg authority run of this environment",
        ),
        (
            "authority_silent",
            reaching.authority_silent,
            "the authority at {path} does not answer ({reason})",
            "secpkg authority stop, then secpkg authority run",
        ),
        (
            "trusted_socket_denied",
            reaching.trusted_denied,
            "uid {me} may not ask the authority about packages: the trusted socket {path} belongs to {owner}",
            "sudo {secpkg} doctor {name}",
        ),
        (
            "not_trusted",
            reaching.not_trusted,
            "the authority does not trust uid {me} ({reason})",
            "secpkg authority run --trust {me}",
        ),
    ),
    *_stage(
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
    *_stage(
        "entry point",
        (
            "entry_point_in_wrong_group",
            offering.entry_point_in_wrong_group,
            "{distribution} offers {module} in the group {group!r}, which is not where an LSA half is looked for",
            'write [project.entry-points."{right}"] {module} = "{value}" in its pyproject.toml and install it again',
        ),
        (
            "only_in_users_environment",
            offering.only_in_users_environment,
            "{distribution} is installed here and not where the authority runs ({there})",
            "{mend}",
        ),
        (
            "only_outside_isolation",
            offering.only_outside_isolation,
            "{distribution} is found here through PYTHONPATH or the user's own site-packages, where no authority looks",
            "{mend}",
        ),
        (
            "entry_point_missing",
            offering.distribution_without_entry_point,
            "{distribution} is installed and has no entry point for an LSA half",
            f'write {_GROUP} {{module}} = "{{import}}:lsa_mode_initialize" in its pyproject.toml and install it again',
        ),
        (
            "registered_and_gone",
            offering.registered_and_gone,
            "module {module} is on a list, and {distribution} is not installed where the authority runs any more",
            "{mend}",
        ),
        (
            "not_installed",
            offering.not_installed,
            "nothing called {module!r} is installed or listed",
            "{python} -m pip install the distribution that offers it",
        ),
        (
            "offered_twice",
            offering.offered_twice,
            "module {module} is offered twice, by {distributions}",
            "{python} -m pip uninstall {one}",
        ),
        (
            "target_without_function",
            offering.target_without_function,
            "the entry point of {module} names no function: {value!r}",
            'write {module} = "{value}:lsa_mode_initialize" in the pyproject.toml of {distribution}, install it again',
        ),
    ),
    *_stage(
        "environment",
        (
            "version_changed",
            offering.version_changed,
            "{module} was registered as {registered}, and {now} is installed",
            "{again}",
        ),
        (
            "files_changed",
            offering.files_changed,
            "the files of {module} are not those that were registered: they were edited or installed again",
            "{again}",
        ),
        (
            "not_what_was_registered",
            loading.not_what_was_registered,
            "{module} was not loaded: its {field} is not what was registered",
            "{again}",
        ),
    ),
    *_stage(
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
    *_stage(
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
            "function_not_sync",
            loading.not_sync,
            "{field} of {package} is async def, and must be def",
            "write def {field}, then {again}",
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
    *_stage(
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
    *_stage(
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
    *_stage(
        "worker",
        (
            "draining",
            serving.draining,
            "{package} is being removed: {channels} applications still use it, new ones are refused",
            "{again}",
        ),
        (
            "still_loading",
            serving.still_loading,
            "{module} is still being loaded",
            "wait, then {secpkg} doctor {name}",
        ),
        (
            "quarantined_hung",
            serving.quarantined_hung,
            "{package} is quarantined: a function of it did not give control back",
            "correct the loop or the blocking call, then {secpkg} packages revive {module}",
        ),
        (
            "quarantined_load",
            serving.quarantined_load,
            "{package} is quarantined: its start took too long",
            "take what waits out of SpInitialize, then {secpkg} packages revive {module}",
        ),
        (
            "quarantined_killed",
            serving.quarantined_killed,
            "{package} is quarantined: its worker was killed, by the memory limit of the system or by hand",
            "{secpkg} packages revive {module}",
        ),
        (
            "quarantined_crashed",
            serving.quarantined_crashed,
            "{package} is quarantined: native code in its worker crashed ({last})",
            "{secpkg} packages revive {module}",
        ),
        (
            "quarantined",
            serving.quarantined,
            "{package} is quarantined: its worker ended too often ({last})",
            "{secpkg} packages revive {module}",
        ),
        (
            "worker_restarting",
            serving.worker_restarting,
            "the worker of {package} has died ({restarts} times so far) and is about to be started again",
            "{secpkg} trace --failed --package {package}",
        ),
    ),
    *_stage(
        "user half",
        (
            "user_half_not_offered",
            serving.user_half_not_offered,
            "{package} announces {announced} and has no user half to keep it",
            'write [project.entry-points."secpkg.user_mode"] {module} = "...:user_mode_initialize", then {again}',
        ),
        (
            "user_half_not_here",
            serving.user_half_not_here,
            "applications of this environment do not have the user half of {module}: {text}",
            "{python} -m pip install {distribution}",
        ),
        (
            "user_half_version",
            serving.user_half_version,
            "applications of this environment have another version of {module}: {text}",
            "{python} -m pip install {distribution}",
        ),
        (
            "user_half_digest",
            serving.user_half_digest,
            "applications of this environment have other files of {module}: {text}",
            "{python} -m pip install --force-reinstall {distribution}",
        ),
        (
            "user_half_import",
            serving.user_half_import,
            "the user half of {module} cannot be imported in an application: {text}",
            "correct that import in the user half, then {again}",
        ),
        (
            "user_half_initialize",
            serving.user_half_initialize,
            "the user half of {module} does not start: {text}",
            "correct user_mode_initialize, then {again}",
        ),
        (
            "user_half_broken",
            serving.user_half_broken,
            "the user half of {module} has a broken table: {text}",
            "correct the function that it names, then {again}",
        ),
        (
            "user_functions_missing",
            serving.user_functions_missing,
            "{text}, which its capabilities announce",
            "define them in the user half, then {again}",
        ),
    ),
    *_stage(
        "calls",
        (
            "logon_null",
            calling.logon_entry_null,
            "logons name {package}, which has no LsaApLogonUser function (R40)",
            "define logon_user_ex2, then {again}",
        ),
        (
            "logon_announced",
            calling.logon_announced_without_function,
            "{package} announces LOGON and has no LsaApLogonUser function",
            "define logon_user_ex2 or take Capability.LOGON out of its PackageInfo, then {again}",
        ),
        (
            "untrusted_call_null",
            calling.untrusted_call_null,
            "an untrusted caller reaches LsaApCallPackageUntrusted only (R75), which {package} does not have",
            "define call_package_untrusted in {package}, then {again}",
        ),
        (
            "call_null",
            calling.call_null,
            "LsaCallAuthenticationPackage names {package}, which has no LsaApCallPackage",
            "define call_package in {package}, then {again}",
        ),
        (
            "no_context_functions",
            calling.no_context_functions,
            "applications want contexts of {package}, which makes none",
            "define acquire_credentials_handle, init_lsa_mode_context and accept_lsa_mode_context, then {again}",
        ),
        (
            "asked_by_another_name",
            calling.asked_by_another_name,
            "applications ask for {asked!r}, and the package is called {package!r}",
            'write "{package}" instead of "{asked}" in the application',
        ),
        (
            "account_locked",
            calling.account_locked,
            "logons under {package} are refused: the account {user} is locked",
            "{secpkg} accounts unlock {user}",
        ),
        (
            "must_change",
            calling.must_change,
            "logons under {package} are refused: {user} must change the password first",
            "{secpkg} accounts passwd {user}",
        ),
        (
            "password_expired",
            calling.password_expired,
            "logons under {package} are refused: the password of {user} has expired",
            "{secpkg} accounts passwd {user}",
        ),
        (
            "account_disabled",
            calling.account_disabled,
            "logons under {package} are refused: the account {user} is disabled",
            "{secpkg} accounts enable {user}",
        ),
        (
            "account_expired",
            calling.account_expired,
            "logons under {package} are refused: the account {user} has expired",
            "{secpkg} accounts expire {user} --at never",
        ),
        (
            "lockout_delay",
            calling.lockout_delay,
            "logons of {user} under {package} are delayed after too many wrong passwords (lock 9)",
            "{secpkg} accounts unlock {user}",
        ),
        (
            "no_primary_credentials",
            calling.no_primary_credentials,
            "{package} keeps something of passwords and is shown none: primary credentials are not granted",
            "{again} --primary-credentials",
        ),
        (
            "always_refused",
            calling.last_calls_refused,
            "{package} is asked for ({how}), and refused each time: {status}",
            "{secpkg} trace --failed --package {package}",
        ),
        (
            "function_refuses",
            calling.function_refuses,
            "{function} of {package} is called, and refuses each time: {status}",
            "{secpkg} trace --failed --package {package} --function {function}",
        ),
        (
            "logons_elsewhere",
            calling.logons_elsewhere,
            "{package} is loaded and never called: logons name {other}",
            "{secpkg} logon USER --package {package}",
        ),
        (
            "never_asked",
            calling.never_asked,
            "{package} is loaded and never called: nobody has asked for it since the authority started",
            "{mend}",
        ),
    ),
)
