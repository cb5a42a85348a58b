"""Who a connection belongs to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from secpkg.contract.flags import ImpersonationLevel
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg import aio
    from secpkg.ipc.access_token import AccessToken, TokenHandle
    from secpkg.sspi.server import Server

P = ParamSpec("P")
T = TypeVar("T")


class _Who:
    """What both faces have."""

    __slots__ = ("name", "package", "scheme")

    def __init__(self, name: str, scheme: str, package: str) -> None:
        self.name: Final = name
        """The user as the package names him (SECPKG_ATTR_NAMES), for example ``EXAMPLE\\alice``."""
        self.scheme: Final = scheme
        """The HTTP scheme."""
        self.package: Final = package
        """The security package."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} by {self.package}>"


class Identity(_Who):
    """The user of a WSGI request: ``environ["secpkg"]``. It is the connection's (or the request's) and ends with it:
    do not keep it, and do not close its access token.
    """

    __slots__ = ("_server", "_token")

    def __init__(self, scheme: str, server: Server) -> None:
        super().__init__(server.peer, scheme, server.package)
        self._server = server
        self._token: AccessToken | None = None

    @property
    def access_token(self) -> AccessToken:
        """QuerySecurityContextToken, when it is first asked for. SEC_E_NO_IMPERSONATION where the package gave none."""
        if self._token is None:
            self._token = self._server.access_token
        return self._token

    @property
    def groups(self) -> tuple[str, ...]:
        """SIDs of the groups of the access token."""
        return self.access_token.groups

    def impersonate(self) -> AbstractContextManager[None]:
        """ImpersonateSecurityContext for a ``with`` block of this thread (R201, lock 11). SEC_E_NO_IMPERSONATION."""
        from secpkg.sspi.impersonation import impersonating

        return impersonating(self.access_token)

    def run_as(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call ``function`` as the user, on a thread made for it. SEC_E_NO_IMPERSONATION."""
        from secpkg.sspi.impersonation import run_as

        return run_as(self.access_token, function, *arguments, **named)

    def close(self) -> None:
        """CloseHandle of the access token, DeleteSecurityContext. The middleware calls this."""
        token, self._token = self._token, None
        try:
            if token is not None:
                token.close()
        finally:
            self._server.close()


class AsyncIdentity(_Who):
    """The user of an ASGI request: ``scope["secpkg"]``. It is the connection's (or the request's) and ends with it: do
    not keep it, and do not close its access token.
    """

    __slots__ = ("_server", "_token")

    def __init__(self, name: str, scheme: str, server: aio.Server) -> None:
        super().__init__(name, scheme, server.package)
        self._server = server
        self._token: aio.AccessToken | None = None

    async def access_token(self) -> aio.AccessToken:
        """QuerySecurityContextToken, when it is first asked for. SEC_E_NO_IMPERSONATION where the package gave none."""
        if self._token is None:
            token = await self._server.access_token()
            if self._token is None:
                self._token = token
            else:  # another request of the same moment was first
                await token.close()
        return self._token

    async def groups(self) -> tuple[str, ...]:
        """SIDs of the groups of the access token."""
        return (await self.access_token()).groups

    async def run_as(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call ``function`` as the user, on a thread without an event loop (lock 11). SEC_E_NO_IMPERSONATION."""
        from secpkg import aio

        return await aio.run_as(await self.access_token(), function, *arguments, **named)

    async def close(self) -> None:
        """CloseHandle of the access token, DeleteSecurityContext. The middleware calls this."""
        token, self._token = self._token, None
        try:
            if token is not None:
                await token.close()
        finally:
            await self._server.close()


def require_impersonation(token: TokenHandle) -> None:
    """SEC_E_NO_IMPERSONATION for an access token that identifies only, or that no POSIX user stands behind."""
    if token.impersonation_level < ImpersonationLevel.IMPERSONATION:
        raise SecurityError(Status.SEC_E_NO_IMPERSONATION, reason="impersonation_level")
    if not token.posix_uid:
        raise SecurityError(Status.SEC_E_NO_IMPERSONATION, reason="no_posix_user")
