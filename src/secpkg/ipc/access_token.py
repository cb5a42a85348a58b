"""An access token as a client holds it: a handle at the authority, and what the token says (lock 5)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from secpkg.contract.flags import ImpersonationLevel
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import TokenInformation, TokenSource
from secpkg.ipc import fork, schema
from secpkg.ipc.connection import Connection
from secpkg.ipc.errors import ChannelError
from secpkg.ipc.link import Exchange, authority_error, next_id, run
from secpkg.ipc.session import LogonSession, current


class TokenHandle:
    """What both faces of an access token have. When its last copy is closed, the logon session ends."""

    __slots__ = ("__weakref__", "_connection", "_handle", "opened")

    def __init__(self, connection: Connection, opened: schema.TokenOpened) -> None:
        self._connection = connection
        self._handle = opened.token
        self.opened = opened
        fork.guard(self)

    @property
    def information(self) -> TokenInformation:
        """``LSA_TOKEN_INFORMATION_V1`` of the token."""
        return self.opened.information

    @property
    def user(self) -> str:
        """SID of the user."""
        return self.opened.information.user

    @property
    def groups(self) -> tuple[str, ...]:
        """SIDs of the groups."""
        return self.opened.information.groups

    @property
    def privileges(self) -> tuple[str, ...]:
        """Names of the privileges."""
        return self.opened.information.privileges

    @property
    def logon_id(self) -> int:
        """LUID of the logon session."""
        return self.opened.logon_id

    @property
    def account_name(self) -> str:
        """Name of the account."""
        return self.opened.account_name

    @property
    def domain_name(self) -> str:
        """Domain of the account."""
        return self.opened.domain_name

    @property
    def posix_uid(self) -> int | None:
        """The uid that impersonation of this token takes; None: it has none."""
        return self.opened.posix_uid

    @property
    def source(self) -> TokenSource:
        """``TOKEN_SOURCE``: who asked for the token, or the package that made it."""
        return TokenSource(self.opened.source_name, self.opened.source_identifier)

    @property
    def primary(self) -> bool:
        """Whether it is a primary token, as opposed to one for impersonation (R64)."""
        return self.opened.primary

    @property
    def impersonation_level(self) -> ImpersonationLevel:
        """What a server may do with the token."""
        return ImpersonationLevel(self.opened.impersonation_level)

    @property
    def closed(self) -> bool:
        """Whether the handle was given back."""
        return not self._handle

    @property
    def handle(self) -> int:
        """The handle; SEC_E_INVALID_HANDLE once closed."""
        if not self._handle:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="access_token_closed")
        return self._handle

    @contextmanager
    def session(self) -> Iterator[None]:
        """In a ``with`` block, clients without a name of their own present this access token: its session's
        credentials are their default credentials (lock 3). It holds for this thread, or this task.
        """
        reset = current.set(LogonSession(self._connection, self.handle))
        try:
            yield
        finally:
            current.reset(reset)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.opened.domain_name}\\{self.opened.account_name}>"

    def __reduce__(self) -> str:
        raise TypeError("an access token cannot be copied or pickled; pass on its descriptor")

    async def _close(self) -> None:
        handle, self._handle = self._handle, 0
        if handle:
            self._connection.drop_token(handle)
            await self._connection.ask(schema.CloseToken(next_id(), handle))

    async def _descriptor(self) -> int:
        try:
            descriptor: int = await Exchange(self._connection.link.token_descriptor, self.handle)
        except ChannelError as error:
            raise authority_error(error) from error
        return descriptor

    def forked(self) -> None:
        self._handle = 0

    def __del__(self) -> None:
        handle = getattr(self, "_handle", 0)
        if handle:
            self._handle = 0
            self._connection.deferred.append(schema.CloseToken(0, handle))


class AccessToken(TokenHandle):
    """The blocking face. Close it, or use it in a ``with`` block."""

    __slots__ = ("_fd",)

    def __init__(self, connection: Connection, opened: schema.TokenOpened) -> None:
        super().__init__(connection, opened)
        self._fd = -1

    def close(self) -> None:
        """CloseHandle. Harmless when repeated."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        run(self._close())

    def fileno(self) -> int:
        """A file descriptor (close-on-exec) that stands for the token and can be passed to another process. It stays
        the token's, and is closed with it.
        """
        if self._fd < 0:
            self._fd = run(self._descriptor())
        return self._fd

    def __enter__(self) -> AccessToken:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
