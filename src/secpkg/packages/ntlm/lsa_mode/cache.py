"""Cached logons (R245): who logged on with the word of another authority can do so again while it is out of reach.

Off unless ``cached_logons`` says how many. What is kept is a slow derivation of the NT hash, in this process's memory
only: a restart forgets it. A cached logon is for interactive logons, never for the network.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData, Call
from secpkg.protocols.ntlm import Credential

_ROUNDS: Final = 10_240
_SALT: Final = 16


class Entry:
    """One user's last logon."""

    __slots__ = ("auth", "cached_at", "derived", "salt")

    def __init__(self, auth: AuthData, cached_at: float, salt: bytes, derived: bytes) -> None:
        self.auth, self.cached_at, self.salt, self.derived = auth, cached_at, salt, derived


class LogonCache:
    """The last of them, by name; the oldest goes."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Entry] = {}

    def remember(self, credential: Credential, auth: AuthData, call: Call, limit: int) -> None:
        """Keep a logon that held, within ``limit``."""
        if not limit:
            return
        key = _key(credential.user, credential.domain)
        self.entries.pop(key, None)
        while len(self.entries) >= limit:
            del self.entries[next(iter(self.entries))]
        salt = call.entropy(_SALT)
        self.entries[key] = Entry(auth, call.now, salt, _derive(credential.nt_hash, salt))

    def check(self, credential: Credential, now: float) -> AuthData:
        """Who it is, where the cached logon holds: STATUS_NO_LOGON_SERVERS where there is none, SEC_E_LOGON_DENIED."""
        entry = self.entries.get(_key(credential.user, credential.domain))
        if entry is None or entry.auth.token_information.expiration <= now:
            raise SecurityError(Status.STATUS_NO_LOGON_SERVERS, reason="no_cached_logon")
        if not hmac.compare_digest(entry.derived, _derive(credential.nt_hash, entry.salt)):
            raise SecurityError(Status.SEC_E_LOGON_DENIED, reason="cached_logon_wrong_password")
        return entry.auth

    def find(self, user: str, domain: str) -> Entry | None:
        """The entry of a user."""
        return self.entries.get(_key(user, domain))

    def replace(self, credential: Credential, call: Call) -> None:
        """Another password for an entry, where there is one (MsV1_0ChangeCachedPassword)."""
        entry = self.find(credential.user, credential.domain)
        if entry is not None:
            entry.salt = call.entropy(_SALT)
            entry.derived = _derive(credential.nt_hash, entry.salt)


def _key(user: str, domain: str) -> tuple[str, str]:
    return user.casefold(), domain.casefold()


def _derive(hashed: bytes, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", hashed, salt, _ROUNDS)
