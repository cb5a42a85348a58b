"""The blocking face of the logon functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

from secpkg.contract.flags import LogonType
from secpkg.contract.values import ProtocolReply, TokenSource
from secpkg.ipc import schema
from secpkg.ipc.access_token import AccessToken, TokenHandle
from secpkg.ipc.connection import Connection
from secpkg.ipc.link import run
from secpkg.lsa import operations


class LogonBase:
    """Result of a logon: the session, its access token, and what the package returned."""

    def __init__(self, connection: Connection, made: schema.LoggedOn, token: TokenHandle) -> None:
        self._connection = connection
        self._token = token
        self.luid = made.logon_id
        """LogonId: the session's LUID."""
        self.profile = made.profile
        """ProfileBuffer: package-defined; a copy that is the caller's (R79)."""
        self.account_name = made.account_name
        """The account that was logged on."""
        self.quotas = made.quotas
        """Quotas: only with a primary token (R65)."""

    @contextmanager
    def session(self) -> Iterator[None]:
        """In a ``with`` block, clients without a name of their own present this access token: its session's
        credentials are their default credentials (lock 3). It holds for this thread, or this task.
        """
        with self._token.session():
            yield

    def __repr__(self) -> str:
        return f"<Logon {self.account_name} {self.luid:#x}>"


class Logon(LogonBase):
    """As `LogonBase`; the session ends when the last copy of its access token is closed."""

    def __init__(self, connection: Connection, made: schema.LoggedOn, token: AccessToken) -> None:
        super().__init__(connection, made, token)
        self.access_token = token
        """Token: the primary or impersonation token."""

    def close(self) -> None:
        """Close the access token. Harmless when repeated."""
        self.access_token.close()

    def __enter__(self) -> Logon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Lsa:
    """A connection to the authority. `connect` and `register_logon_process` make them."""

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

    def lookup_authentication_package(self, package: str) -> int:
        """LsaLookupAuthenticationPackage: the number of a package; STATUS_NO_SUCH_PACKAGE (R87)."""
        return run(operations.lookup(self._connection, package))

    def logon_user(
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
        """LsaLogonUser: by name and password, or with the package's own ``authentication_information``.

        Raises SecurityError with Status and SubStatus: STATUS_LOGON_FAILURE hides which half was wrong (R54),
        STATUS_ACCOUNT_RESTRICTION says why in ``substatus``, after a correct proof only (lock 9).
        STATUS_PRIVILEGE_NOT_HELD for ``local_groups`` over an untrusted connection (R66). New credentials are given to
        a copy of the access token whose `session` this thread acts for.
        """
        names = (username, domain, password, workstation)
        request = operations.logon_request(
            logon_type, *names, authentication_information, origin_name, local_groups, token_source
        )
        number = package if isinstance(package, int) else self.lookup_authentication_package(package)
        made, opened = run(operations.logon(self._connection, number, request))
        return Logon(self._connection, made, AccessToken(self._connection, opened))

    def adopt(self, descriptor: int) -> AccessToken:
        """An access token that another process handed over as a descriptor (`AccessToken.fileno`); the descriptor stays
        the caller's. STATUS_INVALID_HANDLE for any other descriptor.
        """
        return AccessToken(self._connection, run(operations.adopt(self._connection, descriptor)))

    def call_authentication_package(self, package: str | int, data: bytes, *, domain: str = "") -> ProtocolReply:
        """LsaCallAuthenticationPackage: a trusted connection reaches CallPackage, others CallPackageUntrusted (R75).

        With ``domain``, a trusted connection reaches LsaApCallPackagePassthrough of the package of that name at that
        domain's authority (docs/adr/0014): STATUS_PRIVILEGE_NOT_HELD, STATUS_NO_SUCH_DOMAIN, STATUS_NO_LOGON_SERVERS,
        STATUS_TRUSTED_RELATIONSHIP_FAILURE.
        """
        if domain:
            return run(operations.call_other_domain(self._connection, package, data, domain))
        number = package if isinstance(package, int) else self.lookup_authentication_package(package)
        return run(operations.call_package(self._connection, number, data))

    def enumerate_logon_sessions(self) -> tuple[int, ...]:
        """LsaEnumerateLogonSessions: LUIDs."""
        return run(operations.sessions(self._connection))

    def get_logon_session_data(self, logon_id: int) -> schema.SessionData:
        """LsaGetLogonSessionData: for the session's owner and trusted callers (R101)."""
        return run(operations.session_data(self._connection, logon_id))

    def manage(self, operation: str, **arguments: object) -> object:
        """An operator's call, on a trusted connection; plain data in and out. Each use is audited (lock 2)."""
        return run(operations.manage(self._connection, operation, arguments))

    def deregister_logon_process(self) -> None:
        """LsaDeregisterLogonProcess: ends connections of both kinds (R86), and with it the access tokens that were
        opened here. Harmless when repeated.
        """
        self._connection.close()

    close = deregister_logon_process

    def __enter__(self) -> Lsa:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(authority: object = None) -> Lsa:
    """LsaConnectUntrusted: a connection of its own. SEC_E_NO_AUTHENTICATING_AUTHORITY."""
    return Lsa(run(operations.connect(authority)))


def register_logon_process(name: str, authority: object = None) -> Lsa:
    """LsaRegisterLogonProcess: a trusted connection, for callers with SeTcbPrivilege (lock 2).

    STATUS_NAME_TOO_LONG above 127 bytes (R83), STATUS_PORT_CONNECTION_REFUSED without the privilege (R84).
    """
    return Lsa(run(operations.register(name, authority)))
