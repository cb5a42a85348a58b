"""Client, server and access token for asyncio: what waits is awaited, sealing and signing stay plain calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from secpkg.aio.driving import connections, drive
from secpkg.contract.flags import CredentialUse
from secpkg.ipc.access_token import TokenHandle
from secpkg.sspi.credential import identity_of, source_of
from secpkg.sspi.party import CredentialSource, Party
from secpkg.sspi.server import DEFAULT_REQUIREMENTS as SERVER_REQUIREMENTS

P = ParamSpec("P")
T = TypeVar("T")


class AccessToken(TokenHandle):
    """An access token whose calls are awaited."""

    __slots__ = ()

    async def close(self) -> None:
        """CloseHandle. Harmless when repeated."""
        await drive(self._close())

    async def descriptor(self) -> int:
        """A new file descriptor (close-on-exec) that stands for the token and can be passed to another process; the
        caller closes it.
        """
        return await drive(self._descriptor())

    async def __aenter__(self) -> AccessToken:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def run_as(token: TokenHandle, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call ``function`` with the identity of ``token`` on a thread that has no event loop, and wait for it: as long as
    it runs the thread is nobody else's (lock 11). A wait that is cancelled does not stop it.

    SEC_E_NO_IMPERSONATION, with the reason, when it cannot be done; ``function`` is not called then.
    """
    from secpkg.sspi.impersonation import call_as

    return await asyncio.to_thread(lambda: call_as(token, function, *arguments, **named))


class Credential(CredentialSource):
    """A credential for several contexts, as `secpkg.Credential`: use it with ``async with``. Made on a running loop."""

    def __init__(
        self,
        package: str,
        use: CredentialUse = CredentialUse.OUTBOUND,
        *,
        username: str | None = None,
        domain: str = "",
        password: str | None = None,
        authority: object = None,
    ) -> None:
        super().__init__(connections(), package, use, identity_of(username, domain, password), authority)

    async def close(self) -> None:
        """FreeCredentialsHandle; contexts that exist live on (R193). Harmless when repeated."""
        await drive(self._free())

    async def __aenter__(self) -> Credential:
        await drive(self._open())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncParty(Party):
    """What client and server have in common."""

    async def step(self, token: bytes | None = None) -> bytes | None:
        """One leg, as `secpkg.sspi.client.BlockingParty.step`; the first one acquires the credential. A leg that is
        cancelled leaves a context that can only be closed.
        """
        return await drive(self._step(token))

    async def peer(self) -> str:
        """The name of the peer that was authenticated (SECPKG_ATTR_NAMES)."""
        return await drive(self._peer())

    async def session_key(self) -> bytes:
        """SECPKG_ATTR_SESSION_KEY."""
        return await drive(self._session_key())

    async def access_token(self) -> AccessToken:
        """QuerySecurityContextToken: the caller's to close (R202). SEC_E_NO_IMPERSONATION when there is none."""
        return AccessToken(*await drive(self._query_token()))

    async def export(self) -> bytes:
        """ExportSecurityContext with SECPKG_CONTEXT_EXPORT_DELETE_OLD, as `secpkg.Client.export`: this end is closed.
        An access token travels beside it, by its descriptor (`AccessToken.descriptor`). An export that is cancelled
        gives nothing that could be imported; close the context then.
        """
        return await drive(self._export())

    @classmethod
    async def import_context(
        cls, package: str, packed: bytes, token: TokenHandle | int | None = None, *, authority: object = None
    ) -> Self:
        """ImportSecurityContext: what `export` gave elsewhere, to this face or the blocking one, complete, and for the
        loop that runs. ``token`` is its access token or a descriptor of it (`AccessToken.descriptor`, which an access
        token of another awaited connection needs). Errors as `secpkg.Client.import_context`. An import that is
        cancelled may have used the context up.
        """
        return await drive(cls._import(connections(), package, packed, token, authority))

    async def close(self) -> None:
        """DeleteSecurityContext, then FreeCredentialsHandle. Harmless when repeated."""
        await drive(self._close())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Client(AsyncParty):
    """The initiator; parameters as for `secpkg.Client`. Made and used on a running event loop."""

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
            source = CredentialSource(connections(), package, CredentialUse.OUTBOUND, identity, authority)
        super().__init__(False, source, credential is None, target, channel_bindings, requirements)

    async def __aenter__(self) -> Client:
        await drive(self._source._open())
        return self


class Server(AsyncParty):
    """The acceptor; parameters as for `secpkg.Server`. Impersonation changes a thread and is refused on the loop's."""

    _accepts = True

    def __init__(
        self,
        package: str,
        *,
        credential: Credential | None = None,
        channel_bindings: bytes | None = None,
        requirements: int = SERVER_REQUIREMENTS,
        authority: object = None,
    ) -> None:
        source: CredentialSource
        if credential is not None:
            if authority is not None:
                raise TypeError("a credential brings its own authority")
            source = source_of(credential, package, CredentialUse.INBOUND)
        else:
            source = CredentialSource(connections(), package, CredentialUse.INBOUND, None, authority)
        super().__init__(True, source, credential is None, None, channel_bindings, requirements)

    async def __aenter__(self) -> Server:
        await drive(self._source._open())
        return self
