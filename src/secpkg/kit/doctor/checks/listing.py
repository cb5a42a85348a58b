"""The operator's lists: an entry point only offers; what is loaded is what stands on a list."""

from __future__ import annotations

import difflib
import os
import shlex

from secpkg.kit.doctor.facts import (
    AUTHENTICATION_PACKAGES,
    LSA_MODE,
    SECURITY_PROVIDER,
    SECURITY_PROVIDERS,
    Facts,
    Row,
)
from secpkg.kit.doctor.model import Evidence

_SUFFIXES = (".dll", ".so", ".py", ".pyd")
_CONTEXTS = frozenset({"acquire_credentials_handle", "init_lsa_mode_context", "accept_lsa_mode_context"})
_LOGONS = frozenset({"logon_user", "logon_user_ex", "logon_user_ex2", "logon_user_ex3"})
_CALLS = frozenset({"call_package", "call_package_untrusted", "call_package_passthrough"})
LIKENESS = 0.7


def known_names(facts: Facts) -> tuple[str, ...]:
    """Every name that would have been understood: modules on a list or offered, and packages."""
    rows = tuple(name for row in facts.rows for name in (row.module, row.name) if name)
    listed = (*(entry.module for entry in facts.registered), *facts.providers)
    return tuple(dict.fromkeys((*listed, *rows, *facts.loading.names(), *facts.here.names())))


def is_known(facts: Facts) -> bool:
    """Whether the name stands for something."""
    return facts.module in known_names(facts)


def nearest(name: str, names: tuple[str, ...]) -> str:
    """The name that is probably meant, or ""."""
    folded = {known.casefold(): known for known in reversed(names)}
    if name.casefold() in folded:
        return folded[name.casefold()]
    found = difflib.get_close_matches(name.casefold(), folded, 1, LIKENESS)
    return folded[found[0]] if found else ""


def registry_invalid(facts: Facts) -> Evidence | None:
    """A registry that is not understood stops the authority; nothing in it is skipped."""
    return Evidence({"fault": facts.registry_fault}) if facts.registry_fault else None


def dll_name(facts: Facts) -> Evidence | None:
    """A file's name, as on Windows; the lists have the names of entry points."""
    if is_known(facts) or not facts.module.casefold().endswith(_SUFFIXES) or "/" in facts.module:
        return None
    stem = os.path.splitext(facts.module)[0]
    return Evidence({"suggestion": nearest(stem, known_names(facts)) or stem})


def name_is_path(facts: Facts) -> Evidence | None:
    """A path where a name is wanted; the path goes into --path, and is absolute (R8)."""
    if is_known(facts) or "/" not in facts.module:
        return None
    path = facts.module
    stem = os.path.splitext(os.path.basename(path.rstrip("/")))[0]
    folder = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path))
    relative = "relative path" if not path.startswith("/") else "path"
    return Evidence({"kind": relative, "stem": nearest(stem, known_names(facts)) or stem, "folder": folder})


def name_is_target(facts: Facts) -> Evidence | None:
    """``package.module:function``: the value of an entry point, not its name."""
    if is_known(facts) or ":" not in facts.module:
        return None
    same = [offer.name for offer in (*facts.loading.offers, *facts.here.offers) if offer.value == facts.module]
    return Evidence({"suggestion": next(iter(same), facts.module.partition(".")[0].partition(":")[0])})


def name_is_distribution(facts: Facts) -> Evidence | None:
    """The name of a distribution, or of what it imports as."""
    if is_known(facts):
        return None
    wanted = _normal(facts.module)
    for offer in (*facts.loading.offers, *facts.here.offers):
        tops = (_normal(offer.distribution), _normal(offer.value.partition(":")[0].partition(".")[0]))
        if offer.group in (LSA_MODE, SECURITY_PROVIDER) and wanted in tops:
            return Evidence({"suggestion": offer.name, "distribution": offer.distribution})
    return None


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").casefold()


def name_misspelt(facts: Facts) -> Evidence | None:
    """Nobody has this name, somebody has one like it."""
    if is_known(facts):
        return None
    suggestion = nearest(facts.module, known_names(facts))
    known = ", ".join(known_names(facts)) or "none"
    return Evidence({"suggestion": suggestion}, (f"names that are known: {known}",)) if suggestion else None


def ssp_as_module(facts: Facts) -> Evidence | None:
    """R1: a plain SSP has no LSA half; Security Packages has nothing to load of it."""
    if facts.entry is None or not facts.is_provider:
        return None
    return Evidence({"list": _documented(facts.entry.list)}, ("it offers InitSecurityInterface and no LSA half (R1)",))


def module_as_ssp(facts: Facts) -> Evidence | None:
    """An SSP/AP or AP on SecurityProviders: applications look there for InitSecurityInterface."""
    offers = facts.loading
    if facts.module not in facts.providers or facts.entry is not None:
        return None
    if offers.of(SECURITY_PROVIDER, facts.module) or not offers.of(LSA_MODE, facts.module):
        return None
    return Evidence({}, ("it offers SpLsaModeInitialize and no InitSecurityInterface",))


def is_pure_ap(row: Row) -> bool:
    """Whether a package logs on or is called, and makes no contexts."""
    functions = frozenset(row.functions)
    return bool(functions & (_LOGONS | _CALLS)) and not functions & _CONTEXTS


def pure_ap_as_ssp(facts: Facts) -> Evidence | None:
    """A module whose packages are APs alone belongs on Authentication Packages (spec/README 12)."""
    entry, rows = facts.entry, tuple(row for row in facts.own if row.functions)
    if entry is None or entry.list == AUTHENTICATION_PACKAGES or not rows or not all(map(is_pure_ap, rows)):
        return None
    return Evidence({"packages": ", ".join(row.name for row in rows)}, ("it has no function that makes a context",))


def ssp_on_authentication_packages(facts: Facts) -> Evidence | None:
    """A module that makes contexts belongs on Security Packages."""
    entry = facts.entry
    rows = tuple(row for row in facts.own if frozenset(row.functions) & _CONTEXTS)
    if entry is None or entry.list != AUTHENTICATION_PACKAGES or not rows:
        return None
    return Evidence({"packages": ", ".join(row.name for row in rows)})


def provider_not_listed(facts: Facts) -> Evidence | None:
    """A plain SSP that is installed, on nobody's list."""
    if not facts.is_provider or facts.module in facts.providers:
        return None
    file = next(iter(facts.configured.files), "secpkg.toml")
    if facts.embedded:
        return Evidence({"mend": f'add "{facts.module}" to security_providers in {file}'})
    return Evidence({"mend": f"{facts.secpkg} packages add {shlex.quote(facts.module)} --list {SECURITY_PROVIDERS}"})


def not_listed(facts: Facts) -> Evidence | None:
    """Installed, and on no list: pip install never puts code into the authority."""
    offers = facts.loading.of(LSA_MODE, facts.module)
    if facts.entry is not None or facts.listed or not offers or not facts.registry_known:
        return None
    if facts.embedded and not facts.registered and not facts.providers:
        return None  # said already: no authority was chosen
    if facts.embedded:
        file = next(iter(facts.configured.files), "~/.config/secpkg/secpkg.toml")
        return Evidence({"mend": f'add "{facts.module}" to security_packages in {file}'})
    pure = facts.probe.rows and all(map(is_pure_ap, facts.probe.rows))
    option = f" --list {AUTHENTICATION_PACKAGES}" if pure else ""
    return Evidence(
        {"mend": f"{facts.secpkg} packages add {shlex.quote(facts.module)}{option}"},
        (f"offered by {offers[0].distribution} {offers[0].version}",),
    )


def nothing_listed(facts: Facts) -> Evidence | None:
    """Asked about everything, and the lists are empty; what is inbox is on none of them."""
    if facts.name or facts.registered or facts.providers or not facts.registry_known:
        return None
    if any(not row.inbox for row in facts.rows):
        return None
    inbox = {name.casefold() for name in facts.reserved}
    names = [name for name in facts.loading.names() if name.casefold() not in inbox]
    offered = f"offered here: {', '.join(names) or 'nothing'}"
    return Evidence({"suggestion": next(iter(names), "MODULE")}, (offered,))


def _documented(list_name: str) -> str:
    return {"security_packages": "Security Packages", "authentication_packages": "Authentication Packages"}.get(
        list_name, list_name
    )
