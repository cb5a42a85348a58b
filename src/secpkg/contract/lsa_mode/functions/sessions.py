"""Logon sessions, and the credentials that a package keeps with one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from secpkg.contract.values import (
    StoredCredential,
)


class Sessions(Protocol):
    """Logon sessions."""

    def create_logon_session(self, logon_id: int) -> Awaitable[None]:
        """CreateLogonSession: after drawing a LUID and before returning token information or calling `create_token`.
        STATUS_LOGON_SESSION_COLLISION when the id is in use (R98). A session made in vain is deleted again.
        Page: ntsecpkg/nc-ntsecpkg-lsa_create_logon_session.
        """
        ...

    def delete_logon_session(self, logon_id: int) -> Awaitable[None]:
        """DeleteLogonSession: no LsaApLogonTerminated follows (R95). STATUS_BAD_LOGON_SESSION_STATE while a token
        refers to it, STATUS_NO_SUCH_LOGON_SESSION when unknown, or another package's (R97).
        Page: ntsecpkg/nc-ntsecpkg-lsa_delete_logon_session.
        """
        ...


class SessionCredentials(Protocol):
    """Credentials that this package keeps with a session; they live in the authority, encrypted (lock 4)."""

    def add_credential(self, logon_id: int, key: bytes, credentials: bytes) -> Awaitable[None]:
        """AddCredential: keys need not be unique (R109); the bytes are copied (R110).
        STATUS_NO_SUCH_LOGON_SESSION (R116). Page: ntsecpkg/nc-ntsecpkg-lsa_add_credential.
        """
        ...

    def get_credentials(
        self, logon_id: int, query_context: int = 0, key: bytes | None = None
    ) -> Awaitable[StoredCredential]:
        """GetCredentials: one entry per call, own entries only (R111, R112); ``key`` None walks over all
        (RetrieveAllCredentials). ERROR_GEN_FAILURE when there is no (further) entry (R114).
        Page: ntsecpkg/nc-ntsecpkg-lsa_get_credentials.
        """
        ...

    def delete_credential(self, logon_id: int, key: bytes) -> Awaitable[None]:
        """DeleteCredential: the first entry with the key (R115); ERROR_GEN_FAILURE when there is none.
        Page: ntsecpkg/nc-ntsecpkg-lsa_delete_credential.
        """
        ...
