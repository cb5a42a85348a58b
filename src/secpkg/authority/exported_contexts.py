"""Keys of contexts that are on their way from one process to another (ExportSecurityContext, ADR 20).

The exporting process seals the context under a key of its own, and leaves the key here, under the digest of what it
sealed. Whoever imports asks with that digest, and gets the key once: so a context arrives once, on this computer, in
this run of the authority, at the user who sent it, and nobody can use what a log or a swap file kept of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.status import SecurityError, Status

MAX_PER_UID: Final = 256
SIZE: Final = 32
"""Bytes of a digest and of a key."""
LIFETIME: Final = 300.0
"""Seconds in which an exported context has to be imported."""


class ExportedContexts:
    """The keys of one authority."""

    __slots__ = ("_clock", "_keys")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._keys: dict[bytes, tuple[int, bytes, float]] = {}

    def deposit(self, uid: int, digest: bytes, key: bytes) -> None:
        """Keep a key. STATUS_QUOTA_EXCEEDED; STATUS_INVALID_PARAMETER for other sizes and a digest that is known."""
        if len(digest) != SIZE or len(key) != SIZE or digest in self._keys:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="exported_context_key")
        now = self._clock()
        for old in [known for known, (_, _, end) in self._keys.items() if end <= now]:
            del self._keys[old]
        if sum(owner == uid for owner, _, _ in self._keys.values()) >= MAX_PER_UID:
            raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="exported_contexts")
        self._keys[digest] = (uid, key, now + LIFETIME)

    def redeem(self, uid: int, digest: bytes) -> bytes:
        """The key, once. SEC_E_NO_CREDENTIALS when there is none (any more), SEC_E_NOT_OWNER for another user."""
        owner, key, end = self._keys.get(digest, (uid, b"", 0.0))
        if owner != uid:
            raise SecurityError(Status.SEC_E_NOT_OWNER, reason="exported_by_another_user")
        self._keys.pop(digest, None)
        if end <= self._clock():
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="not_exported_or_imported_already")
        return key
