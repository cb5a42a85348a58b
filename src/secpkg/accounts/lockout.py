"""Lockout as delays (lock 9): by account and origin, always ending, never a door that a stranger can shut on others.

Failures are counted per pair of account and origin. From the `threshold`-th on, each failure opens a delay that doubles
up to `max_delay`; the pair is forgotten `forget_after` seconds after its last failure. A failure that arrives during a
delay (many attempts may have been under way) counts, and so makes the *next* delay longer, but does not stretch the one
that runs: whoever waits it out gets a turn. Names that are no account's are counted in the same way.

The table is bounded. When it is full, forgotten pairs go first, then pairs without a running delay, then the delays
that end soonest. A pair is kept under a keyed digest: what people type into a name field is, now and then, a password.
"""

from __future__ import annotations

import heapq
import math
from typing import Final

import msgspec

from secpkg.accounts.names import account_key
from secpkg.accounts.vault import Vault
from secpkg.contract.status import SecurityError, Status

_MAX_DOUBLINGS: Final = 64
_MAX_FAILURES: Final = 1 << 31


class LockoutPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When failures cost time, and how much. Seconds, except `threshold` (failures) and `max_rows` (pairs kept)."""

    threshold: int = 5
    base_delay: float = 1.0
    max_delay: float = 300.0
    forget_after: float = 900.0
    max_rows: int = 100_000

    def __post_init__(self) -> None:
        if not (
            self.threshold >= 1
            and 0 < self.base_delay <= self.max_delay <= self.forget_after
            and math.isfinite(self.forget_after)
            and self.max_rows >= 1
        ):
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="lockout_policy_invalid")

    @property
    def batch(self) -> int:
        """How many pairs go at once when the table is full."""
        return max(1, self.max_rows // 100)


DEFAULT_POLICY: Final = LockoutPolicy()


class LockoutState(msgspec.Struct, frozen=True):
    """What is known about one pair; `until` is the end of its last delay, 0.0 when it never had one."""

    failures: int
    last_failure: float
    until: float


def remembered(policy: LockoutPolicy, state: LockoutState | None, now: float) -> LockoutState | None:
    """`state`, or None when it is forgotten - or from a future that no delay reaches, as after a clock set back."""
    if not math.isfinite(now):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="time_invalid")
    if state is None or not -policy.max_delay <= now - state.last_failure < policy.forget_after:
        return None
    return state


def waiting(policy: LockoutPolicy, state: LockoutState | None, now: float) -> float:
    """Seconds until the pair may try again, at most `max_delay`; 0.0 is now."""
    state = remembered(policy, state, now)
    return 0.0 if state is None else min(max(0.0, state.until - now), policy.max_delay)


def after_failure(policy: LockoutPolicy, state: LockoutState | None, now: float) -> LockoutState:
    """The pair's state after one more failure."""
    state = remembered(policy, state, now)
    failures = 1 if state is None else min(state.failures + 1, _MAX_FAILURES)
    until = 0.0 if state is None else state.until
    if failures >= policy.threshold and until <= now:
        doublings = min(failures - policy.threshold, _MAX_DOUBLINGS)
        until = now + min(policy.base_delay * 2.0**doublings, policy.max_delay)
    return LockoutState(failures, now, until)


def pair_key(vault: Vault, account: str, origin: str) -> bytes:
    """The key under which a pair is kept: 32 bytes, whatever was sent."""
    return vault.derive("lockout pair", account_key(account), origin)


class LockoutTable:
    """The pairs of a store that keeps them in memory. Not guarded: its store is."""

    __slots__ = ("_policy", "_rows")

    def __init__(self, policy: LockoutPolicy) -> None:
        self._policy = policy
        self._rows: dict[bytes, LockoutState] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def waiting(self, key: bytes, now: float) -> float:
        """Seconds until the pair may try again."""
        return waiting(self._policy, self._rows.get(key), now)

    def failure(self, key: bytes, now: float) -> None:
        """Count a failure."""
        state = after_failure(self._policy, self._rows.get(key), now)
        if key not in self._rows and len(self._rows) >= self._policy.max_rows:
            self._evict(now)
        self._rows[key] = state

    def success(self, key: bytes) -> None:
        """Forget the pair."""
        self._rows.pop(key, None)

    def _evict(self, now: float) -> None:
        rows, policy = self._rows, self._policy
        gone = [key for key, state in rows.items() if remembered(policy, state, now) is None]
        if not gone:
            idle = [key for key, state in rows.items() if state.until <= now]
            gone = heapq.nsmallest(
                policy.batch, idle or rows, key=lambda key: (rows[key].until, rows[key].last_failure)
            )
        for key in gone:
            del rows[key]
