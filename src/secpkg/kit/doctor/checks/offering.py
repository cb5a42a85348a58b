"""Entry point, distribution, environment: whether the module is there, and the one that was registered."""

from __future__ import annotations

import shlex

from secpkg.kit.doctor.checks.listing import is_known, nearest
from secpkg.kit.doctor.facts import GROUPS, LSA_MODE, SECURITY_PROVIDER, USER_MODE, Facts, Offer
from secpkg.kit.doctor.model import Evidence


def _missing(facts: Facts) -> bool:
    """Whether nobody offers an LSA half or a plain SSP of this name where it would be loaded."""
    entry = facts.entry
    if entry is not None and entry.path and not facts.loading.reason:
        return False
    return not any(facts.loading.of(group, facts.module) for group in (LSA_MODE, SECURITY_PROVIDER))


def _install(facts: Facts, offer: Offer) -> str:
    return f"{facts.loading.python} -m pip install {offer.distribution}=={offer.version}"


def entry_point_in_wrong_group(facts: Facts) -> Evidence | None:
    """The name stands in a group that nobody reads for an LSA half."""
    if not _missing(facts):
        return None
    for environment in (facts.loading, facts.here):
        if any(environment.of(group, facts.module) for group in (LSA_MODE, SECURITY_PROVIDER)):
            continue
        for offer in environment.offers:
            if offer.name == facts.module and offer.group not in (LSA_MODE, SECURITY_PROVIDER):
                values = {"group": offer.group, "distribution": offer.distribution, "value": offer.value}
                meant = LSA_MODE if offer.group == USER_MODE else nearest(offer.group, GROUPS) or LSA_MODE
                return Evidence({**values, "right": meant}, (f"{offer.name} = {offer.value} in {offer.group}",))
    return None


def only_in_users_environment(facts: Facts) -> Evidence | None:
    """Installed where the user looks, not where the authority runs."""
    if facts.there is None or facts.there.python == facts.here.python or not _missing(facts):
        return None
    offers = facts.here.of(LSA_MODE, facts.module)
    if not offers:
        return None
    values = {"there": facts.there.python, "here": facts.here.python, "mend": _install(facts, offers[0])}
    return Evidence(
        {**values, "distribution": offers[0].distribution},
        (f"this environment: {facts.here.python}", f"the authority's: {facts.there.python}"),
    )


def only_outside_isolation(facts: Facts) -> Evidence | None:
    """Found through PYTHONPATH or the user's site-packages, which the authority and workers do not look into."""
    if facts.there is None or facts.there.python != facts.here.python or not _missing(facts):
        return None
    offers = facts.here.of(LSA_MODE, facts.module)
    return Evidence({"mend": _install(facts, offers[0]), "distribution": offers[0].distribution}) if offers else None


def distribution_without_entry_point(facts: Facts) -> Evidence | None:
    """A distribution of that name is installed, and offers nothing."""
    if not _missing(facts):
        return None
    wanted = facts.module.replace("_", "-").casefold()
    for name in facts.here.distributions:
        if wanted in (name.replace("_", "-").casefold(), name.replace("_", "-").casefold().removeprefix("secpkg-")):
            return Evidence({"distribution": name, "import": name.replace("-", "_").casefold()})
    return None


def listed_name_misspelt(facts: Facts) -> Evidence | None:
    """It stands on a list under a name that nobody offers, and somebody offers one like it."""
    if facts.entry is None or facts.entry.distribution or facts.entry.path or not _missing(facts):
        return None
    suggestion = nearest(facts.module, facts.loading.names())
    if not suggestion:
        return None
    file = next(iter(facts.configured.files), "secpkg.toml")
    return Evidence({"suggestion": suggestion, "file": file})


def registered_and_gone(facts: Facts) -> Evidence | None:
    """It was there when it was registered."""
    entry = facts.entry
    if entry is None or not _missing(facts):
        return None
    where = f"nothing in {entry.path} offers it" if entry.path else f"{facts.loading.python} does not have it"
    mend = f"{facts.secpkg} packages remove {shlex.quote(facts.module)}"
    distribution = f"{entry.distribution} {entry.version}".strip() or "the distribution that offers it"
    if not entry.path:
        wanted = f"{entry.distribution}=={entry.version}" if entry.distribution else distribution
        mend = f"{facts.loading.python} -m pip install {wanted}"
    return Evidence({"distribution": distribution, "mend": mend}, (where,))


def not_installed(facts: Facts) -> Evidence | None:
    """Nobody has heard of it."""
    if is_known(facts) or not facts.name:
        return None
    known = ", ".join(facts.loading.names()) or "nothing"
    return Evidence({"python": facts.loading.python}, (f"offered where the authority runs: {known}",))


def offered_twice(facts: Facts) -> Evidence | None:
    """Two distributions offer a module of the name; nobody chooses for the operator."""
    for group in (LSA_MODE, SECURITY_PROVIDER):
        offers = facts.loading.of(group, facts.module)
        if len({(offer.distribution, offer.value) for offer in offers}) > 1:
            names = " and ".join(sorted({offer.distribution for offer in offers}))
            python = facts.loading.python
            return Evidence({"distributions": names, "python": python, "one": offers[-1].distribution})
    return None


def target_without_function(facts: Facts) -> Evidence | None:
    """The value of the entry point names no function."""
    for offer in facts.loading.of(LSA_MODE, facts.module):
        if ":" not in offer.value or not offer.value.partition(":")[2].strip():
            return Evidence({"value": offer.value, "distribution": offer.distribution})
    return None


def version_changed(facts: Facts) -> Evidence | None:
    """Another version is installed than the operator registered."""
    entry = facts.entry
    offers = facts.loading.of(LSA_MODE, facts.module)
    if entry is None or not offers or not entry.version:
        return None
    found = offers[0]
    if (found.distribution, found.version) == (entry.distribution, entry.version):
        return None
    registered, now = f"{entry.distribution} {entry.version}", f"{found.distribution} {found.version}"
    return Evidence({"registered": registered, "now": now})


def files_changed(facts: Facts) -> Evidence | None:
    """The same version, other files."""
    entry, digest = facts.entry, facts.loading.digest
    if entry is None or not digest or not entry.digest or entry.digest == digest:
        return None
    return Evidence({}, (f"registered: {entry.digest[:16]}…", f"now: {digest[:16]}…"))
