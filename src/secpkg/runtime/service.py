"""What the authority answers to applications: each message of `ipc.schema` and the authority's function for it.

The same service stands behind the daemon's sockets and behind embedded mode. A request is answered exactly once, with
``reply(message)`` or ``reply(message, fd)``; whatever fails answers its documented status. The reason of a refused
logon stays in the audit record; the host's own reasons (a quarantined module, a quota) are told, since they are about
this machine and not about an account.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Final, Protocol

import msgspec

from secpkg.authority import functions
from secpkg.authority.connections import Connection
from secpkg.authority.directory import PackageEntry
from secpkg.authority.logon import Logon
from secpkg.authority.logon_providers import provider
from secpkg.authority.lsa import LocalSecurityAuthority
from secpkg.authority.passthrough import DomainTarget, PassthroughCall
from secpkg.authority.session_data import describe
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.authority.tokens import AccessToken
from secpkg.contract.requests import Request, Resume, drive
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo
from secpkg.ipc.schema import (
    ENDS,
    MAX_SUBMIT_BUFFER,
    PROTOCOL_VERSION,
    AdoptToken,
    Answered,
    CallPackage,
    CloseToken,
    Connect,
    Connected,
    DepositContextKey,
    Done,
    DuplicateToken,
    Failed,
    FreeBuffer,
    GetSession,
    ListPackages,
    ListSessions,
    LoggedOn,
    LogonKey,
    LogonUser,
    LookupPackage,
    LookupProvider,
    Manage,
    OpenPackage,
    PackageAnswered,
    PackageList,
    PackageNumber,
    PackageOpened,
    RedeemContextKey,
    RedeemToken,
    ReleaseReference,
    SessionData,
    SessionList,
    ToAuthority,
    TokenDescriptor,
    TokenOpened,
    UserHalf,
    encode,
)
from secpkg.runtime import policy_requests
from secpkg.runtime.asked import COUNTED, Asked, Reply
from secpkg.runtime.policy_requests import PolicyRequest
from secpkg.runtime.ports import ModulePort, answer

_INTERNAL: Final = Status.STATUS_INTERNAL_ERROR
_LUID_SIZE: Final = 8
_SESSION_DATA_SIZE: Final = 1024
"""Bytes charged for SECURITY_LOGON_SESSION_DATA with its strings."""


class Descriptors(Protocol):
    """Access tokens that went out as descriptors (`runtime.descriptors`)."""

    def export(self, token: AccessToken, uid: int) -> socket.socket:
        """A descriptor that stands for the token until its last copy is closed. STATUS_QUOTA_EXCEEDED where ``uid``,
        who asked, has too many.
        """
        ...

    def identify(self, fd: int) -> AccessToken:
        """The token that a returned descriptor stands for; STATUS_INVALID_HANDLE."""
        ...


Operation = Callable[[Connection, dict[str, object], Callable[[object, BaseException | None], None]], None]
"""An operator's call: by-name arguments, and where the plain result goes."""


class Service:
    """The authority's front. One per authority."""

    def __init__(self, authority: LocalSecurityAuthority, descriptors: Descriptors | None) -> None:
        self.authority = authority
        self.ports: dict[str, ModulePort] = {}
        self.operations: dict[str, Operation] = {}
        self.descriptors = descriptors
        self.security_providers: Callable[[], tuple[str, ...]] = tuple
        """The operator's list of plain SSPs (spec/README 12); empty until whoever composes says otherwise."""
        self.observer: Callable[[ClientInfo, ToAuthority, Reply], Reply] | None = None
        """Given every request and its reply while somebody traces; the reply that it returns is used."""
        self.asked = Asked(authority.packages)
        self.ended: list[Callable[[Connection], None]] = []
        """Told the connections that have ended."""
        self._channels: dict[int, tuple[Connection, ModulePort]] = {}
        self._last_channel = 0

    # --- packages' side ------------------------------------------------------------------------------------------

    def ask(self, request: Request[object], resume: Resume) -> object:
        """What the authority's own coroutines await: functions of packages."""
        target = request.target
        if isinstance(target, DomainTarget):
            return self._ask_domain(request, resume)
        if not isinstance(target, PackageTarget):
            raise SecurityError(_INTERNAL, reason="request_without_target")
        entry = self.authority.packages.entry(target.package_id)
        port = self.ports.get(entry.module)
        if port is None:
            raise SecurityError(Status.STATUS_NO_SUCH_PACKAGE, reason="module_is_gone")
        return port.package_call(target, request.function, request.arguments, resume)

    def _ask_domain(self, request: Request[object], resume: Resume) -> object:
        passthrough, (call,) = self.authority.passthrough, request.arguments
        if passthrough is None or not isinstance(call, PassthroughCall):
            raise SecurityError(_INTERNAL, reason="request_without_target")
        return passthrough.call(call, resume)

    def lsa_call(self, origin: Origin, function: str, arguments: tuple[object, ...], resume: Resume) -> object:
        """What packages await: LSA functions, with arguments that the module's port has judged."""
        value = functions.call(self.authority, origin, function, arguments)
        if type(value) is CoroutineType:
            return answer(value, self.ask, resume)
        return value

    def spawn(self, coroutine: Coroutine[object, object, None]) -> None:
        """Run a coroutine of the authority that nobody waits for."""

        def done(_value: object, error: BaseException | None) -> None:
            if error is not None and not isinstance(error, SecurityError):
                raise error

        drive(coroutine, self.ask, done)

    # --- applications' side --------------------------------------------------------------------------------------

    def connect(self, message: ToAuthority, caller: ClientInfo, reply: Reply) -> Connection | None:
        """The first message of a connection, which must be `Connect`; None when it is refused."""
        if self.observer is not None:
            reply = self.observer(caller, message, reply)
        if not isinstance(message, Connect):
            reply(Failed(message.id, Status.STATUS_ACCESS_DENIED, reason="not_connected"))
            return None
        if message.version != PROTOCOL_VERSION:
            reply(Failed(message.id, Status.STATUS_REVISION_MISMATCH, reason="protocol_version"))
            return None
        try:
            connection = self.authority.connections.open(caller, message.logon_process_name)
        except SecurityError as refused:
            reply(_failed(message.id, refused))
            return None
        reply(Connected(message.id, PROTOCOL_VERSION, connection.trusted, self.authority.store.domain_name))
        return connection

    def disconnect(self, connection: Connection) -> None:
        """The application is gone: its channels, handles and references go with it."""
        for number, (owner, port) in list(self._channels.items()):
            if owner is connection:
                del self._channels[number]
                port.close_channel(number)
        self.authority.connections.close(connection)
        for told in self.ended:
            told(connection)

    def handle(self, connection: Connection, message: ToAuthority, reply: Reply, fd: int = -1) -> None:
        """Answer one message of a connection, unless it is an end whose sender does not listen. ``fd`` is a descriptor
        that came with it and stays the caller's.
        """
        size = _size(message)
        if not message.id and isinstance(message, ENDS):
            reply = unheard
        if self.observer is not None:
            reply = self.observer(connection.caller, message, reply)
        if isinstance(message, COUNTED):
            reply = self.asked.counting(connection, message, reply)
        try:
            if size > MAX_SUBMIT_BUFFER:
                raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="submit_buffer_too_large")
            self._handle(connection, message, reply, fd)
        except SecurityError as refused:
            reply(_failed(message.id, refused))

    def _handle(self, connection: Connection, message: ToAuthority, reply: Reply, fd: int) -> None:
        authority, number = self.authority, message.id
        if isinstance(message, OpenPackage):
            self._open_package(connection, message, reply)
        elif isinstance(message, RedeemToken):
            handle = authority.tokens.redeem(connection, message.reference)
            reply(self._opened(number, connection, handle))
        elif isinstance(message, ReleaseReference):
            authority.tokens.drop_reference(connection, message.reference)
            reply(Done(number))
        elif isinstance(message, CloseToken):
            authority.tokens.close(connection, message.token)
            reply(Done(number))
        elif isinstance(message, DuplicateToken):
            handle = authority.tokens.duplicate(connection, message.token)
            reply(self._opened(number, connection, handle))
        elif isinstance(message, TokenDescriptor):
            self._export(connection, message, reply)
        elif isinstance(message, AdoptToken):
            self._adopt(connection, message, reply, fd)
        elif isinstance(message, LogonUser):
            self._logon(connection, message, reply)
        elif isinstance(message, CallPackage):
            self._call_package(connection, message, reply)
        elif isinstance(message, ListPackages):
            reply(PackageList(number, authority.packages.enumerate(), self.security_providers()))
        elif isinstance(message, LookupPackage | LookupProvider):
            reply(PackageNumber(number, _named(authority, message).package_id))
        elif isinstance(message, LogonKey):
            reply(Answered(number, msgspec.Raw(encode(authority.logon_key(connection, message.token)))))
        elif isinstance(message, DepositContextKey):
            authority.exported_contexts.deposit(connection.caller.uid, message.digest, message.key)
            reply(Done(number))
        elif isinstance(message, RedeemContextKey):
            key = authority.exported_contexts.redeem(connection.caller.uid, message.digest)
            reply(Answered(number, msgspec.Raw(encode(key))))
        elif isinstance(message, FreeBuffer):
            authority.connections.free(connection, message.buffer)
            reply(Done(number))
        elif isinstance(message, ListSessions):
            listed = authority.enumerate_logon_sessions()
            reply(SessionList(number, listed, self._kept(connection, message, _LUID_SIZE * len(listed))))
        elif isinstance(message, GetSession):
            reply(self._session(connection, message))
        elif isinstance(message, PolicyRequest):
            reply(policy_requests.answer(authority, connection, message))
        elif isinstance(message, Manage):
            self._manage(connection, message, reply)
        else:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="already_connected")

    def _open_package(self, connection: Connection, message: OpenPackage, reply: Reply) -> None:
        authority = self.authority
        try:
            entry = authority.packages.find(message.name)
        except SecurityError:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="no_such_package") from None
        port = self.ports.get(entry.module)
        if entry.state != "loaded" or port is None:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason=f"package_{entry.state}")
        caller = authority.client_info(connection, message.token)  # lock 3: the session is the one that is presented
        self._last_channel += 1
        channel = self._last_channel
        description = port.description
        half = (
            UserHalf(description.name, description.distribution, description.version, description.digest)
            if description.has_user_half
            else None
        )

        def opened(end: object, error: BaseException | None) -> None:
            if error is not None:
                self.forget_channel(channel)
                reply(_failed(message.id, error))
                return
            if connection.closed:
                port.close_channel(channel)
                if isinstance(end, socket.socket):
                    end.close()
                return
            reply(PackageOpened(message.id, entry.package_id, entry.module, entry.info, half, entry.thunks), end)

        self._channels[channel] = (connection, port)
        port.open_channel(channel, caller, connection, opened)

    def forget_channel(self, number: int) -> None:
        """A channel has ended on its own."""
        self._channels.pop(number, None)

    def _opened(self, number: int, connection: Connection, handle: int) -> TokenOpened:
        token = self.authority.tokens.token(connection, handle)
        return TokenOpened(
            number,
            handle,
            token.logon_id,
            token.account_name,
            token.domain_name,
            token.information,
            token.impersonation_level,
            token.primary,
            token.posix_uid,
            token.source,
            token.source_identifier,
        )

    def _export(self, connection: Connection, message: TokenDescriptor, reply: Reply) -> None:
        token = self.authority.tokens.token(connection, message.token)
        if self.descriptors is None:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="embedded_has_no_token_descriptors")
        reply(Done(message.id), self.descriptors.export(token, connection.caller.uid))

    def _adopt(self, connection: Connection, message: AdoptToken, reply: Reply, fd: int) -> None:
        if self.descriptors is None or fd < 0:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="no_token_descriptor")
        handle = self.authority.tokens.open(connection, self.descriptors.identify(fd))
        reply(self._opened(message.id, connection, handle))

    def _logon(self, connection: Connection, message: LogonUser, reply: Reply) -> None:
        number = message.id

        def done(value: object, error: BaseException | None) -> None:
            if error is not None:
                reply(_failed(number, error))
                return
            logon = value
            assert isinstance(logon, Logon)
            buffer = logon.buffer
            if not message.keep and not connection.closed:
                self.authority.connections.free(connection, buffer)
                buffer = 0
            made = (logon.logon_id, logon.token, logon.profile, logon.account_name)
            reply(LoggedOn(number, *made, logon.quotas, buffer))

        logging_on = self.authority.logon_user(connection, message.package, message.request, message.token)
        drive(logging_on, self.ask, done)

    def _kept(self, connection: Connection, message: CallPackage | ListSessions | GetSession, size: int) -> int:
        """The number of the return buffer, 0 when the application does not keep it; STATUS_QUOTA_EXCEEDED."""
        return self.authority.connections.keep(connection, size) if message.keep else 0

    def _call_package(self, connection: Connection, message: CallPackage, reply: Reply) -> None:
        number = message.id

        def done(value: object, error: BaseException | None) -> None:
            if error is not None:
                reply(_failed(number, error))
                return
            data, protocol_status = getattr(value, "data", b""), getattr(value, "protocol_status", 0)
            try:
                buffer = self._kept(connection, message, len(data))
            except SecurityError as refused:
                reply(_failed(number, refused))
                return
            reply(PackageAnswered(number, data, protocol_status, buffer))

        if message.domain:
            package = message.name or message.package
            passed = self.authority.call_other_domain(connection, message.domain, package, message.submit_buffer)
            drive(passed, self.ask, done)
            return
        coroutine = self.authority.call_authentication_package(connection, message.package, message.submit_buffer)
        drive(coroutine, self.ask, done)

    def _session(self, connection: Connection, message: GetSession) -> SessionData:
        session = self.authority.logon_session_data(connection, message.logon_id)
        facts = describe(self.authority, session)
        return SessionData(
            message.id,
            session.logon_id,
            session.account_name,
            session.domain,
            facts.authentication_package,
            session.logon_type,
            session.sid,
            session.created,
            session.logon_server,
            session.upn,
            dns_domain_name=session.dns_domain_name,
            logoff_time=facts.logoff_time,
            kick_off_time=facts.kick_off_time,
            password_last_set=facts.password_last_set,
            password_can_change=facts.password_can_change,
            password_must_change=facts.password_must_change,
            buffer=self._kept(connection, message, _SESSION_DATA_SIZE),
        )

    def _manage(self, connection: Connection, message: Manage, reply: Reply) -> None:
        if not connection.trusted:
            raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="trusted_connection_needed")
        operation = self.operations.get(message.operation)
        if operation is None:
            raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="no_such_operation")
        try:
            arguments = msgspec.msgpack.decode(message.arguments, type=dict[str, object])
        except msgspec.MsgspecError:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="arguments_do_not_fit") from None
        number = message.id

        def done(value: object, error: BaseException | None) -> None:
            if error is None:
                reply(Answered(number, msgspec.Raw(encode(value))))
            else:
                reply(_failed(number, error))

        operation(connection, arguments, done)


def _named(authority: LocalSecurityAuthority, message: LookupPackage | LookupProvider) -> PackageEntry:
    if isinstance(message, LookupPackage):
        return authority.packages.find(message.name)
    return provider(authority, message.provider)


def unheard(message: object, passed: object = None) -> None:
    """Nobody waits for it."""


def _size(message: ToAuthority) -> int:
    if isinstance(message, LogonUser):
        return len(message.request.authentication_information)
    if isinstance(message, CallPackage):
        return len(message.submit_buffer)
    return 0


def _failed(number: int, error: BaseException) -> Failed:
    if isinstance(error, SecurityError):
        return Failed(number, error.status, error.substatus, error.reason)
    return Failed(number, _INTERNAL, reason=f"authority_raised_{type(error).__name__}")
