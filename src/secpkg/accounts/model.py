"""What the store knows about a principal: the account (USER_ALL_INFORMATION of the documents) and the group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypedDict

import msgspec

from secpkg.accounts.names import name_key, require_name, upn_key
from secpkg.accounts.sid import Sid
from secpkg.contract.status import SecurityError, Status

MAX_GROUPS: Final = 1015
"""Groups of one account: what fits into an access token."""
MAX_WORKSTATIONS: Final = 64
MAX_FULL_NAME: Final = 256
HOURS_A_WEEK: Final = 168
_NOBODY_UID: Final = 0xFFFF_FFFF
_THURSDAY: Final = 4 * 24
"""Hours from the start of a week (Sunday 00:00) to the hour of the week in which the epoch began."""


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=reason)


def _time(value: float | None, reason: str) -> None:
    _require(value is None or (isinstance(value, int | float) and math.isfinite(value)), reason)


class Group(msgspec.Struct, frozen=True):
    """A group: its name as it was made, and its SID."""

    name: str
    sid: Sid


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A user account, the counterpart of USER_ALL_INFORMATION (subauth) without its secrets.

    Times are Unix seconds, None is never. `logon_hours` is the documented bit string as a number: bit 0 is Sunday
    00:00 to 01:00 UTC, bit 167 Saturday 23:00; None is always. `workstations` empty is all. `locked` is an
    administrator's word; delays after failures are `lockout`'s. `posix_uid` is whom to become on impersonation, never
    uid 0.
    """

    name: str
    sid: Sid
    full_name: str = ""
    enabled: bool = True
    locked: bool = False
    expires_at: float | None = None
    must_change: bool = False
    password_set_at: float | None = None
    logon_hours: int | None = None
    workstations: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    posix_uid: int | None = None
    upn: str | None = None
    created_at: float

    def __post_init__(self) -> None:
        require_name(self.name)
        _require(isinstance(self.sid, Sid), "sid_malformed")
        _require(isinstance(self.full_name, str) and _printable(self.full_name), "full_name_invalid")
        flags = (self.enabled, self.locked, self.must_change)
        _require(all(isinstance(flag, bool) for flag in flags), "flag_invalid")
        for value in (self.expires_at, self.password_set_at, self.created_at):
            _time(value, "time_invalid")
        hours, uid = self.logon_hours, self.posix_uid
        _require(hours is None or (type(hours) is int and 0 <= hours < 1 << HOURS_A_WEEK), "logon_hours_invalid")
        # Lock 11: impersonation never maps to uid 0; 2**32-1 is "no change" to setresuid.
        _require(uid is None or (type(uid) is int and 0 < uid < _NOBODY_UID), "posix_uid_invalid")
        stations = self.workstations
        _require(isinstance(stations, tuple) and len(stations) <= MAX_WORKSTATIONS, "workstations_invalid")
        _require(all(isinstance(w, str) and name_key(w) is not None for w in stations), "workstations_invalid")
        _require(isinstance(self.groups, tuple) and len(self.groups) <= MAX_GROUPS, "groups_invalid")
        _require(self.upn is None or (isinstance(self.upn, str) and upn_key(self.upn) is not None), "upn_invalid")

    @property
    def rid(self) -> int:
        """The relative identifier: the last part of the SID."""
        return self.sid.rid


def _printable(text: str) -> bool:
    return len(text) <= MAX_FULL_NAME and (text.isprintable() or text == "")


class AccountChanges(TypedDict, total=False):
    """What `AccountStore.update` can change; a key that is absent stays. `groups` are names."""

    full_name: str
    enabled: bool
    locked: bool
    expires_at: float | None
    must_change: bool
    logon_hours: int | None
    workstations: tuple[str, ...]
    groups: Sequence[str]
    posix_uid: int | None
    upn: str | None


def changed(account: Account, changes: AccountChanges, groups: tuple[Group, ...] | None) -> Account:
    """`account` with `changes`; `groups` are the resolved ones, None leaves them.

    TypeError for a field that cannot be changed, SecurityError (STATUS_INVALID_PARAMETER) for a value that is illegal.
    """
    unknown = changes.keys() - AccountChanges.__annotations__.keys()
    if unknown:
        raise TypeError(f"an account has nothing to change called {', '.join(sorted(unknown))}")
    fields: dict[str, object] = {key: value for key, value in changes.items() if key != "groups"}
    if groups is not None:
        fields["groups"] = groups
    return Account(**{**{name: getattr(account, name) for name in account.__struct_fields__}, **fields})


def with_password(account: Account, password_set_at: float | None, must_change: bool) -> Account:
    """`account` as a change of password leaves it."""
    fields = {name: getattr(account, name) for name in account.__struct_fields__}
    return Account(**{**fields, "password_set_at": password_set_at, "must_change": must_change})


def hour_of_week(now: float) -> int:
    """The bit of `logon_hours` in force at `now` (Unix seconds)."""
    return (math.floor(now) // 3600 + _THURSDAY) % HOURS_A_WEEK


def restriction(
    account: Account, now: float, workstation: str | None = None, *, max_password_age: float | None = None
) -> Status | None:
    """Why a proven principal may still not log on: the SubStatus of STATUS_ACCOUNT_RESTRICTION (R53, R55), or None.

    To be asked only after a correct proof (lock 9). What the user can mend alone, the password, comes last. An account
    tied to workstations is refused where the workstation is not known. `max_password_age` in seconds is policy.
    """
    if not math.isfinite(now):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="time_invalid")
    set_at = account.password_set_at
    rules = (
        (not account.enabled, Status.STATUS_ACCOUNT_DISABLED),
        (account.locked, Status.STATUS_ACCOUNT_LOCKED_OUT),
        (account.expires_at is not None and now >= account.expires_at, Status.STATUS_ACCOUNT_EXPIRED),
        (
            account.logon_hours is not None and not account.logon_hours >> hour_of_week(now) & 1,
            Status.STATUS_INVALID_LOGON_HOURS,
        ),
        (bool(account.workstations) and not _allowed(account, workstation), Status.STATUS_INVALID_WORKSTATION),
        (account.must_change, Status.STATUS_PASSWORD_MUST_CHANGE),
        (
            max_password_age is not None and set_at is not None and now >= set_at + max_password_age,
            Status.STATUS_PASSWORD_EXPIRED,
        ),
    )
    for applies, status in rules:
        if applies:
            return status
    return None


def _allowed(account: Account, workstation: str | None) -> bool:
    key = None if workstation is None else name_key(workstation)
    return key is not None and any(name_key(allowed) == key for allowed in account.workstations)
