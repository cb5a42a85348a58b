"""The logon functions for asyncio; names, parameters and errors as in `secpkg.lsa`."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from secpkg.aio.driving import drive
from secpkg.aio.sspi import AccessToken
from secpkg.contract.flags import LogonType
from secpkg.contract.values import ProtocolReply, TokenSource
from secpkg.ipc import schema
from secpkg.ipc.connection import Connection
from secpkg.lsa import operations
from secpkg.lsa.client import LogonBase

__all__ = ["Logon", "Lsa", "connect", "register_logon_process"]


class Logon(LogonBase):
    """Result of a logon; the session ends when the last copy of its access token is closed."""

    def __init__(self, connection: Connection, made: schema.LoggedOn, token: AccessToken) -> None:
        super().__init__(connection, made, token)
        self.access_token = token

    async def close(self) -> None:
        """Close the access token. Harmless when repeated."""
        await self.access_token.close()

    async def __aenter__(self) -> Logon:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Lsa:
    """A connection to the authority."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def trusted(self) -> bool:
        """Whether it was made with LsaRegisterLogonProcess (R76)."""
        return self._connection.link.trusted

    @property
    def domain_name(self) -> str:
        """The domain of the authority."""
        return self._connection.link.domain_name

    async def lookup_authentication_package(self, package: str) -> int:
        """LsaLookupAuthenticationPackage (R87)."""
        return await drive(operations.lookup(self._connection, package))

    async def logon_user(
        self,
        package: str | int,
        logon_type: LogonType,
        *,
        username: str = "",
        domain: str = "",
        password: str | None = None,
        workstation: str = "",
        authentication_information: bytes = b"",
        origin_name: str = "",
        local_groups: Iterable[str] = (),
        token_source: TokenSource | None = None,
    ) -> Logon:
        """LsaLogonUser."""
        names = (username, domain, password, workstation)
        request = operations.logon_request(
            logon_type, *names, authentication_information, origin_name, local_groups, token_source
        )
        number = package if isinstance(package, int) else await self.lookup_authentication_package(package)
        made, opened = await drive(operations.logon(self._connection, number, request))
        return Logon(self._connection, made, AccessToken(self._connection, opened))

    async def call_authentication_package(self, package: str | int, data: bytes, *, domain: str = "") -> ProtocolReply:
        """LsaCallAuthenticationPackage (R75, R77), with ``domain`` passed through."""
        if domain:
            return await drive(operations.call_other_domain(self._connection, package, data, domain))
        number = package if isinstance(package, int) else await self.lookup_authentication_package(package)
        return await drive(operations.call_package(self._connection, number, data))

    async def enumerate_logon_sessions(self) -> tuple[int, ...]:
        """LsaEnumerateLogonSessions: LUIDs."""
        return await drive(operations.sessions(self._connection))

    async def get_logon_session_data(self, logon_id: int) -> schema.SessionData:
        """LsaGetLogonSessionData (R101)."""
        return await drive(operations.session_data(self._connection, logon_id))

    async def manage(self, operation: str, **arguments: object) -> object:
        """An operator's call, on a trusted connection."""
        return await drive(operations.manage(self._connection, operation, arguments))

    def close(self) -> None:
        """LsaDeregisterLogonProcess (R86). Harmless when repeated."""
        self._connection.close()

    async def __aenter__(self) -> Lsa:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def connect(authority: object = None) -> Lsa:
    """LsaConnectUntrusted."""
    return Lsa(await drive(operations.connect(authority, asynchronous=True)))


async def register_logon_process(name: str, authority: object = None) -> Lsa:
    """LsaRegisterLogonProcess (R83, R84)."""
    return Lsa(await drive(operations.register(name, authority, asynchronous=True)))
