"""The initiator, blocking."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from secpkg.contract.flags import CredentialUse
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.connection import shared
from secpkg.ipc.link import run
from secpkg.sspi.credential import Credential, identity_of, source_of
from secpkg.sspi.party import DEFAULT_REQUIREMENTS, CredentialSource, Party

__all__ = ["DEFAULT_REQUIREMENTS", "BlockingParty", "Client"]


class BlockingParty(Party):
    """What a blocking client and a blocking server have in common."""

    def step(self, token: bytes | None = None) -> bytes | None:
        """One leg: takes the peer's token (None on a client's first), gives the token to send, or None.

        Raises SecurityError; its ``token``, when there is one, is for the peer (R185). SEC_E_INCOMPLETE_MESSAGE asks
        for the same message with more bytes; after any other error `close` is all that is left. Required
        MUTUAL_AUTH, CONFIDENTIALITY and INTEGRITY that were not granted are SEC_E_SECURITY_QOS_FAILED.
        """
        return run(self._step(token))

    @property
    def peer(self) -> str:
        """The name of the peer that was authenticated (SECPKG_ATTR_NAMES)."""
        return run(self._peer())

    @property
    def session_key(self) -> bytes:
        """SECPKG_ATTR_SESSION_KEY."""
        return run(self._session_key())

    @property
    def access_token(self) -> AccessToken:
        """QuerySecurityContextToken: an access token of the peer, the caller's to close (R202). SEC_E_NO_IMPERSONATION
        when the package gave none.
        """
        return AccessToken(*run(self._query_token()))

    def export(self) -> bytes:
        """ExportSecurityContext with SECPKG_CONTEXT_EXPORT_DELETE_OLD: the finished context, packed for another process
        of this user and computer, which imports it once within five minutes. This end is closed. An access token
        travels beside it, by its descriptor (`AccessToken.fileno`).
        """
        return run(self._export())

    @classmethod
    def import_context(
        cls, package: str, packed: bytes, token: AccessToken | int | None = None, *, authority: object = None
    ) -> Self:
        """ImportSecurityContext: what `export` gave elsewhere, complete. ``token`` is its access token or a descriptor
        of it. SEC_E_UNKNOWN_CREDENTIALS, SEC_E_NO_CREDENTIALS, SEC_E_NOT_OWNER: see `secpkg.sspi.transfer`.
        """
        return run(cls._import(shared, package, packed, token, authority))

    def close(self) -> None:
        """DeleteSecurityContext, then FreeCredentialsHandle of its own credential (R193). Harmless when repeated."""
        run(self._close())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Client(BlockingParty):
    """InitializeSecurityContext and what follows: the initiating side of one context.

    ``package`` is the name of an SSP/AP or of a plain SSP. With ``username`` (and ``domain``, ``password``) these
    credentials are used; with ``credential`` a handle made before; else the default ones, of the logon session whose
    access token this thread presents. ``target`` names the peer, ``channel_bindings`` the channel (R233).
    ``requirements`` are ISC_REQ_*; without them, `secpkg.sspi.party.DEFAULT_REQUIREMENTS`, and of these MUTUAL_AUTH
    only where the package announces it. ``authority`` is an address (``unix:/path``, ``embedded:``) or an object such
    as ``LabAuthority``.

    Raises SecurityError: SEC_E_SECPKG_NOT_FOUND, SEC_E_NO_AUTHENTICATING_AUTHORITY, SEC_E_NO_CREDENTIALS.
    """

    def __init__(
        self,
        package: str,
        *,
        username: str | None = None,
        domain: str = "",
        password: str | None = None,
        target: str | None = None,
        credential: Credential | None = None,
        channel_bindings: bytes | None = None,
        requirements: int | None = None,
        authority: object = None,
    ) -> None:
        source: CredentialSource
        if credential is not None:
            if username is not None or password is not None or domain or authority is not None:
                raise TypeError("a credential brings its own name, password and authority")
            source = source_of(credential, package, CredentialUse.OUTBOUND)
        else:
            identity = identity_of(username, domain, password)
            source = CredentialSource(shared, package, CredentialUse.OUTBOUND, identity, authority)
        super().__init__(False, source, credential is None, target, channel_bindings, requirements)
        run(source._open())

    def __enter__(self) -> Client:
        return self
