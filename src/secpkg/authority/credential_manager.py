"""Where the stored credentials of a session are: with its user's account, or with the session when there is none."""

from __future__ import annotations

from secpkg.accounts.credentials import Credential, Key, require_room, seal, unseal
from secpkg.accounts.sid import Sid
from secpkg.accounts.store import AccountStore
from secpkg.accounts.vault import Vault
from secpkg.authority.sessions import LogonSession


class CredentialManager:
    """The credentials of live sessions. Whose they are to see is the LSA functions' to say."""

    def __init__(self, store: AccountStore, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        self._sessions: dict[int, dict[Key, bytes]] = {}

    def all(self, session: LogonSession) -> tuple[Credential, ...]:
        """Every entry, by target and type."""
        sid = Sid(session.sid)
        if self._store.find_by_sid(sid) is not None:
            return self._store.credentials(sid)
        held = sorted(self._sessions.get(session.logon_id, {}).items())
        return tuple(unseal(self._vault, _owner(session), key, blob) for key, blob in held)

    def put(self, session: LogonSession, credential: Credential) -> None:
        """Keep an entry; STATUS_QUOTA_EXCEEDED."""
        sid = Sid(session.sid)
        if self._store.find_by_sid(sid) is not None:
            self._store.put_credential(sid, credential)
            return
        held = self._sessions.setdefault(session.logon_id, {})
        if credential.key not in held:
            require_room(len(held))
        held[credential.key] = seal(self._vault, _owner(session), credential)

    def wipe(self, logon_id: int) -> None:
        """The session is gone."""
        self._sessions.pop(logon_id, None)


def _owner(session: LogonSession) -> str:
    return f"{session.sid} in {session.logon_id:#x}"
