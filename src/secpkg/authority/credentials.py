"""Credentials that packages keep with a session (AddCredential and its kin), sealed in between (lock 4).

An entry's number only grows; the cursor of GetCredentials is the number of the entry returned last, so that a walk
survives deletions behind and before it. The seal is bound to the user's SID once it is known, to the LUID before.
"""

from __future__ import annotations

from typing import Final

import msgspec

from secpkg.accounts.vault import Vault
from secpkg.authority.policy import Policy
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import StoredCredential

PURPOSE: Final = "session"
MAX_KEY: Final = 1024
"""Bytes of a PrimaryKeyValue."""
MAX_CREDENTIALS: Final = 64 * 1024
"""Bytes of one entry."""


class _Entry(msgspec.Struct, frozen=True, gc=False):
    number: int
    key: bytes
    sealed: bytes
    size: int


class SessionCredentials:
    """The entries of every session and package. Whether a session exists is `SessionTable`'s to say (R116)."""

    def __init__(self, vault: Vault, policy: Policy) -> None:
        self._vault = vault
        self._max_entries = policy.credentials_per_session
        self._max_bytes = policy.credential_bytes_per_session
        self._entries: dict[int, dict[str, list[_Entry]]] = {}
        self._owners: dict[int, str] = {}
        self._last = 0

    def add(self, logon_id: int, package: str, key: bytes, credentials: bytes) -> None:
        """AddCredential: the bytes are copied (R110), keys need not be unique (R109).

        STATUS_INVALID_PARAMETER (``key_too_large``), STATUS_QUOTA_EXCEEDED (``quota_credential_size``,
        ``quota_credential_count``, ``quota_credential_bytes``).
        """
        if len(key) > MAX_KEY:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="key_too_large")
        if len(credentials) > MAX_CREDENTIALS:
            raise _quota("size")
        size = len(key) + len(credentials)
        entries = self._entries.get(logon_id, {}).get(package, [])
        if len(entries) >= self._max_entries:
            raise _quota("count")
        if sum(entry.size for entry in entries) + size > self._max_bytes:
            raise _quota("bytes")
        sealed = self._vault.seal(bytes(credentials), sid=self._owner(logon_id), package=package, purpose=PURPOSE)
        self._last += 1
        entry = _Entry(self._last, bytes(key), sealed, size)
        self._entries.setdefault(logon_id, {}).setdefault(package, []).append(entry)

    def get(self, logon_id: int, package: str, query_context: int, key: bytes | None) -> StoredCredential:
        """GetCredentials: the next entry after the cursor, of this package only (R111, R112); ERROR_GEN_FAILURE when
        there is none (R114).
        """
        for entry in self._entries.get(logon_id, {}).get(package, ()):
            if entry.number > query_context and (key is None or entry.key == key):
                clear = self._vault.open(entry.sealed, sid=self._owner(logon_id), package=package, purpose=PURPOSE)
                return StoredCredential(entry.key, clear, entry.number)
        raise _no_entry()

    def delete(self, logon_id: int, package: str, key: bytes) -> None:
        """DeleteCredential: the first entry with the key (R115); ERROR_GEN_FAILURE when there is none (R114)."""
        entries = self._entries.get(logon_id, {}).get(package, [])
        for at, entry in enumerate(entries):
            if entry.key == key:
                del entries[at]
                return
        raise _no_entry()

    def bind(self, logon_id: int, sid: str) -> None:
        """The session is this user's from now on: seal what it has for that SID."""
        packages = self._entries.get(logon_id, {})
        for package, entries in packages.items():
            packages[package] = [self._rebound(entry, logon_id, sid, package) for entry in entries]
        self._owners[logon_id] = sid

    def wipe(self, logon_id: int) -> None:
        """The session is gone, and all that was kept with it."""
        self._entries.pop(logon_id, None)
        self._owners.pop(logon_id, None)

    def _rebound(self, entry: _Entry, logon_id: int, sid: str, package: str) -> _Entry:
        clear = self._vault.open(entry.sealed, sid=self._owner(logon_id), package=package, purpose=PURPOSE)
        return msgspec.structs.replace(entry, sealed=self._vault.seal(clear, sid=sid, package=package, purpose=PURPOSE))

    def _owner(self, logon_id: int) -> str:
        return self._owners.get(logon_id) or f"logon session {logon_id:#x}"


def _quota(which: str) -> SecurityError:
    return SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason=f"quota_credential_{which}")


def _no_entry() -> SecurityError:
    return SecurityError(Status.ERROR_GEN_FAILURE, reason="no_such_credential")
