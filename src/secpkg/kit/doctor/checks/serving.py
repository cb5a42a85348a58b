"""Worker and user half: whether what was loaded is at work, here and in applications."""

from __future__ import annotations

import re

from secpkg.contract.flags import Capability
from secpkg.kit.doctor.facts import LSA_MODE, USER_MODE, Facts, Row
from secpkg.kit.doctor.model import Check, Evidence

_LAST = re.compile(r"the last: (?P<last>.*)$")


def _in(facts: Facts, state: str) -> Row | None:
    return next((row for row in facts.listed if row.state == state), None)


def draining(facts: Facts) -> Evidence | None:
    """Removed while contexts are open."""
    row = _in(facts, "draining")
    channels = row.worker.channels if row is not None and row.worker is not None else 0
    return Evidence({"package": row.name, "channels": str(channels)}) if row is not None else None


def still_loading(facts: Facts) -> Evidence | None:
    """The module has not come to an end of its start."""
    row = _in(facts, "loading")
    return Evidence({}, (row.reason,) if row.reason else ()) if row is not None else None


def _quarantined(pattern: str) -> Check:
    compiled = re.compile(pattern)

    def check(facts: Facts) -> Evidence | None:
        row = _in(facts, "quarantined")
        if row is None:
            return None
        found = _LAST.search(row.reason)
        last = found["last"] if found is not None else row.reason
        if not compiled.search(last):
            return None
        return Evidence({"package": row.name, "last": last}, (row.reason,))

    return check


quarantined_hung = _quarantined(r"^step_hung$")
quarantined_load = _quarantined(r"^load_took_too_long$")
quarantined_killed = _quarantined(r"^killed_by_signal_9$")
quarantined_crashed = _quarantined(r"^killed_by_signal_")
quarantined = _quarantined(r"")


def worker_restarting(facts: Facts) -> Evidence | None:
    """Between a death and the next start."""
    for row in facts.listed:
        if row.state == "loaded" and row.worker is not None and row.worker.pid is None:
            return Evidence({"package": row.name, "restarts": str(row.worker.restarts)})
    return None


def _needs_user_half(row: Row) -> bool:
    return bool(Capability(row.capabilities) & (Capability.INTEGRITY | Capability.PRIVACY))


def _announced(row: Row) -> str:
    flags = Capability(row.capabilities)
    return " and ".join(flag.name or "" for flag in (Capability.INTEGRITY, Capability.PRIVACY) if flag & flags)


def user_half_not_offered(facts: Facts) -> Evidence | None:
    """spec/README 3: who announces INTEGRITY or PRIVACY has user-mode functions."""
    if not facts.loading.of(LSA_MODE, facts.module) or facts.loading.of(USER_MODE, facts.module):
        return None
    for row in facts.own:
        if _needs_user_half(row):
            return Evidence({"package": row.name, "announced": _announced(row)})
    return None


def _half(*reasons: str) -> Check:
    def check(facts: Facts) -> Evidence | None:
        found = facts.user_half
        if not found.tried or found.reason not in reasons:
            return None
        entry = facts.entry
        distribution = f"{entry.distribution}=={entry.version}" if entry is not None else facts.module
        return Evidence({"python": facts.here.python, "distribution": distribution, "text": found.text}, (found.text,))

    return check


user_half_not_here = _half("user_half_missing")
user_half_version = _half("user_half_version")
user_half_digest = _half("user_half_digest")
user_half_import = _half("user_half_import")
user_half_initialize = _half("user_half_initialize", "user_half_name", "user_half_duplicate")
user_half_broken = _half("user_half_broken", "user_half_instance")
user_functions_missing = _half("user_functions_missing")
