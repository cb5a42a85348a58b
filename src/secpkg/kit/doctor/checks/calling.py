"""Calls seen: loaded, and still never called - or called, and always refused."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from secpkg.contract.flags import Capability
from secpkg.contract.status import Status
from secpkg.kit.doctor.checks.listing import nearest
from secpkg.kit.doctor.facts import Asking, Facts, LogonRecord, Row
from secpkg.kit.doctor.model import Check, Evidence

_LOGONS = frozenset({"logon_user", "logon_user_ex", "logon_user_ex2", "logon_user_ex3"})
_CALLS = frozenset({"call_package", "call_package_untrusted"})
_UNKNOWN = "no_such_package"


def _names(facts: Facts) -> frozenset[str]:
    return frozenset(row.name.casefold() for row in facts.own if row.name)


def _asked(facts: Facts, *hows: str) -> Iterator[Asking]:
    """Who asked for one of the module's packages."""
    names = _names(facts)
    for row in facts.counts.asked if facts.counts is not None else ():
        if row.name.casefold() in names and (not hows or row.how in hows):
            yield row


def _who(row: Asking) -> str:
    return f"the newest: process {row.application} of uid {row.uid}, {row.count} times in all, {row.refused} refused"


def logon_entry_null(facts: Facts) -> Evidence | None:
    """A logon asked for it, and it has no LsaApLogonUser* (R40)."""
    for row in _asked(facts, "logon"):
        package = _row(facts, row.name)
        if row.refused and package is not None and not frozenset(package.functions) & _LOGONS:
            return Evidence({"package": row.name}, (_who(row),))
    return None


def logon_announced_without_function(facts: Facts) -> Evidence | None:
    """It announces LOGON and cannot."""
    for row in facts.own:
        announced = row.functions and Capability(row.capabilities) & Capability.LOGON
        if announced and not frozenset(row.functions) & _LOGONS and not _takes_part(row):
            return Evidence({"package": row.name})
    return None


def _takes_part(row: Row) -> bool:
    """Whether it is asked at other packages' logons, by nobody's name for it (surrogates, filters)."""
    return any("surrogate" in function or "subauthentication" in function for function in row.functions)


def _row(facts: Facts, name: str) -> Row | None:
    return next((row for row in facts.own if row.name.casefold() == name.casefold()), None)


def _call_null(how: str) -> Check:
    function = "call_package_untrusted" if how == "call_untrusted" else "call_package"

    def check(facts: Facts) -> Evidence | None:
        for row in _asked(facts, how):
            package = _row(facts, row.name)
            if row.refused and package is not None and function not in package.functions:
                return Evidence({"package": row.name}, (_who(row),))
        return None

    return check


untrusted_call_null = _call_null("call_untrusted")
call_null = _call_null("call")


def no_context_functions(facts: Facts) -> Evidence | None:
    """Applications open it for contexts, and it makes none."""
    needed = frozenset({"acquire_credentials_handle", "init_lsa_mode_context", "accept_lsa_mode_context"})
    for row in _asked(facts, "context"):
        package = _row(facts, row.name)
        if package is not None and not frozenset(package.functions) & needed:
            return Evidence({"package": row.name}, (_who(row),))
    return None


def asked_by_another_name(facts: Facts) -> Evidence | None:
    """Nobody asked for it, somebody for what looks like it, and was told that there is no such package."""
    if facts.counts is None or any(_asked(facts)):
        return None
    names = tuple(row.name for row in facts.own if row.name)
    for row in facts.counts.asked:
        # An application that asks for the module's name means its package.
        meant = names[0] if names and row.name == facts.module else nearest(row.name, names)
        if row.refused and row.reason == _UNKNOWN and meant:
            return Evidence({"asked": row.name, "package": meant}, (_who(row),))
    return None


def _restricted(status: Status) -> Check:
    native = status.native

    def check(facts: Facts) -> Evidence | None:
        record = _newest(facts)
        if record is None:
            return None
        told = {*record.facts.values(), *record.claimed.values(), record.status}
        if native not in told and native.lower() not in told:
            return None
        return Evidence({"user": _account(record), "package": record.package}, (_told(record),))

    return check


def _newest(facts: Facts) -> LogonRecord | None:
    """The newest logon under one of the packages; None where it succeeded."""
    names = _names(facts)
    records = facts.counts.logons if facts.counts is not None else ()
    newest = next((record for record in reversed(records) if record.package.casefold() in names), None)
    if newest is None:
        return None
    status = str(newest.claimed.get("status", newest.status)) if newest.event == "audit_logon" else newest.status
    known = getattr(Status, status, None)
    return newest if isinstance(known, Status) and known.is_error else None


def _account(record: LogonRecord) -> str:
    return str(record.facts.get("account_name") or record.claimed.get("account_name") or "USER").rpartition("\\")[2]


def _told(record: LogonRecord) -> str:
    reasons = dict.fromkeys(str(told["reason"]) for told in (record.facts, record.claimed) if told.get("reason"))
    details = ", ".join((str(record.claimed.get("status", record.status)), *reasons))
    return f"the newest logon on the audit record, of {_account(record)}: {details}"


account_locked = _restricted(Status.STATUS_ACCOUNT_LOCKED_OUT)
must_change = _restricted(Status.STATUS_PASSWORD_MUST_CHANGE)
password_expired = _restricted(Status.STATUS_PASSWORD_EXPIRED)
account_disabled = _restricted(Status.STATUS_ACCOUNT_DISABLED)
account_expired = _restricted(Status.STATUS_ACCOUNT_EXPIRED)


def lockout_delay(facts: Facts) -> Evidence | None:
    """Too many wrong proofs: the next ones are refused unseen for a while (lock 9)."""
    record = _newest(facts)
    if record is None or "lockout_delay" not in {*record.facts.values(), *record.claimed.values()}:
        return None
    return Evidence({"user": _account(record), "package": record.package}, (_told(record),))


def no_primary_credentials(facts: Facts) -> Evidence | None:
    """It keeps something of passwords, and is shown none (lock 4)."""
    worked = any(row.count > row.refused for row in _asked(facts, "logon"))
    for row in facts.listed:
        if "accept_credentials" in row.functions and not row.primary_credentials and not worked and not facts.embedded:
            return Evidence({"package": row.name}, ("SpAcceptCredentials is called without a clear password (lock 4)",))
    return None


def last_calls_refused(facts: Facts) -> Evidence | None:
    """Every call that was asked for was refused."""
    rows = [row for row in _asked(facts, "context", "logon", "call", "call_untrusted") if row.count]
    if not rows or any(row.count > row.refused for row in rows):
        return None
    row = rows[-1]
    record = _newest(facts)
    told = (_told(record),) if record is not None else ()
    status = row.substatus or row.status
    reason = f" ({row.reason})" if row.reason else ""
    return Evidence({"package": row.name, "how": row.how, "status": status + reason}, (_who(row), *told))


def function_refuses(facts: Facts) -> Evidence | None:
    """Somebody looked on, and saw a function of the package refuse every time."""
    names = _names(facts)
    for row in facts.counts.functions if facts.counts is not None else ():
        if row.package.casefold() in names and row.function.startswith(("Sp", "LsaAp")) and row.failed == row.count:
            known = Status.known(row.status)
            status = f"0x{row.status:08X}" if known is None else known.native
            reason = f" ({row.reason})" if row.reason else ""
            return Evidence({"package": row.package, "function": row.function, "status": status + reason})
    return None


def logons_elsewhere(facts: Facts) -> Evidence | None:
    """It could log users on, and the logons of this authority name another package."""
    if facts.counts is None or any(_asked(facts)):
        return None
    own = next((row for row in facts.own if frozenset(row.functions) & _LOGONS), None)
    other = next((row for row in facts.counts.asked if row.how == "logon" and row.count), None)
    if own is None or other is None:
        return None
    return Evidence({"package": own.name, "other": other.name}, (_who(other),))


def never_asked(facts: Facts) -> Evidence | None:
    """Nobody asked for it since the authority started."""
    rows = tuple(row for row in facts.listed if row.state == "loaded" and not _takes_part(row))
    if facts.counts is None or not rows or any(_asked(facts)):
        return None
    row = rows[0]
    others = ", ".join(sorted({asked.name for asked in facts.counts.asked})) or "nothing"
    logs_on = frozenset(row.functions) & _LOGONS
    mend = f'call secpkg.Server("{row.name}") in an application'
    makes_contexts = frozenset(row.functions) & {"init_lsa_mode_context", "accept_lsa_mode_context"}
    if frozenset(row.functions) & _CALLS and not makes_contexts:
        mend = f'call secpkg.lsa.connect().call_authentication_package("{row.name}", b"...") in an application'
    if logs_on:
        mend = f"{facts.secpkg} logon USER --package {shlex.quote(row.name)}"
    return Evidence({"package": row.name, "mend": mend}, (f"asked for since the start: {others}",))
