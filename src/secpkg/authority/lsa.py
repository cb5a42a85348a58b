"""The Local Security Authority: composes its parts, and is the one object that a runtime talks to.

It knows no transport and starts nothing. Whoever composes it drives its coroutines (`secpkg.contract.requests.drive`):
each ``await`` inside is one call of a package's function, with a `PackageTarget`. It is not guarded against threads:
one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine

from secpkg.accounts.store import AccountStore
from secpkg.accounts.vault import Vault
from secpkg.authority import calls, functions, logon, passwords
from secpkg.authority.audit import AuditRecord, Fact
from secpkg.authority.connections import Connection, ConnectionTable
from secpkg.authority.credential_manager import CredentialManager
from secpkg.authority.credentials import SessionCredentials
from secpkg.authority.directory import PackageDirectory
from secpkg.authority.domain_policy import DomainPolicy
from secpkg.authority.exported_contexts import ExportedContexts
from secpkg.authority.fanout import logon_terminated
from secpkg.authority.logon import Logon
from secpkg.authority.logon_keys import LogonKeys
from secpkg.authority.passthrough import Passthrough, call_for_application
from secpkg.authority.policy import Policy
from secpkg.authority.principals import Principal
from secpkg.authority.quotas import Quotas
from secpkg.authority.sessions import LogonSession, SessionTable
from secpkg.authority.subauthentication import Subauthentication
from secpkg.authority.targets import Origin
from secpkg.authority.tokens import AccessToken, TokenTable
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo, LogonRequest, ProtocolReply

LOCAL_SYSTEM_LOGON_ID = 0x3E7
"""The session of LocalSystem, which is always there (R101)."""

Spawn = Callable[[Coroutine[object, object, None]], None]


class LocalSecurityAuthority:
    """The LSA of one machine, or of one process that embeds it.

    ``clock`` gives UTC seconds, ``entropy`` n random bytes; ``spawn`` runs a coroutine to its end, now or later, on
    nobody's behalf.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        vault: Vault,
        audit: AuditRecord,
        packages: PackageDirectory,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        policy: Policy,
        spawn: Spawn,
    ) -> None:
        self.store = store
        self.vault = vault
        self.audit = audit
        self.packages = packages
        self.clock = clock
        self.entropy = entropy
        self.policy = policy
        self.itself = ClientInfo(os.getpid(), os.geteuid(), os.getegid(), has_tcb_privilege=True)
        self._spawn = spawn
        self.subauthentication = Subauthentication()
        self.passthrough: Passthrough | None = None
        """The way to other domains' authorities, when whoever composes this one has one."""
        self.domain_policy = DomainPolicy(vault, policy.skew)
        self.quotas = Quotas(policy)
        self.credentials = SessionCredentials(vault, policy)
        self.stored_credentials = CredentialManager(store, vault)
        self.logon_keys = LogonKeys(entropy)
        self.exported_contexts = ExportedContexts(clock)
        self.sessions = SessionTable(self._ended, self._forget, policy.pending_sessions_per_package)
        self.tokens = TokenTable(self.sessions, self.quotas, entropy, policy.handles_per_connection)
        self.connections = ConnectionTable(self.tokens, self.sessions, self.quotas, audit)

    def _forget(self, logon_id: int) -> None:
        self.credentials.wipe(logon_id)
        self.stored_credentials.wipe(logon_id)

    def _ended(self, session: LogonSession) -> None:
        self._spawn(logon_terminated(self, session))

    # What an application asks for

    async def logon_user(self, connection: Connection, package_id: int, request: LogonRequest, token: int = 0) -> Logon:
        """LsaLogonUser: see `secpkg.authority.logon`."""
        return await logon.logon_user(self, connection, package_id, request, token)

    async def call_authentication_package(
        self, connection: Connection, package_id: int, submit_buffer: bytes
    ) -> ProtocolReply:
        """LsaCallAuthenticationPackage: see `secpkg.authority.calls`."""
        return await calls.call_authentication_package(self, connection, package_id, submit_buffer)

    async def call_other_domain(
        self, connection: Connection, domain: str, package: str | int, submit_buffer: bytes
    ) -> ProtocolReply:
        """LsaCallAuthenticationPackage passed through: see `secpkg.authority.passthrough`."""
        return await call_for_application(self, connection, domain, package, submit_buffer)

    def client_info(self, connection: Connection, token: int = 0) -> ClientInfo:
        """Who calls through a channel for which this handle is presented (lock 3); 0 presents nothing.

        A network or identify-level token names no session: it carries no outbound credentials. STATUS_INVALID_HANDLE.
        """
        connection.require_open()
        caller = connection.caller
        held = self.tokens.token(connection, token) if token else None
        return ClientInfo(
            caller.process_id,
            caller.uid,
            caller.gid,
            caller.has_tcb_privilege,
            held.logon_id if held is not None and held.outbound else None,
            caller.thread_id,
            caller.impersonating,
            caller.restricted,
        )

    def logon_key(self, connection: Connection, token: int = 0) -> bytes:
        """The key of the logon session whose token this is, or of the caller's uid: see `secpkg.authority.logon_keys`.

        STATUS_INVALID_HANDLE; STATUS_ACCESS_DENIED for a token that carries no outbound credentials (lock 3).
        """
        caller = self.client_info(connection, token)
        if token and caller.logon_id is None:
            raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="token_without_outbound_credentials")
        return self.logon_keys.key(caller)

    def enumerate_logon_sessions(self) -> tuple[int, ...]:
        """LsaEnumerateLogonSessions: the LUIDs of the live sessions, LocalSystem's first."""
        return (LOCAL_SYSTEM_LOGON_ID, *(session.logon_id for session in self.sessions.live()))

    def logon_session_data(self, connection: Connection, logon_id: int) -> LogonSession:
        """LsaGetLogonSessionData: for the session's user, who shows a token of it, and for SeTcbPrivilege (R101). That
        of LocalSystem is empty.

        STATUS_NO_SUCH_LOGON_SESSION, STATUS_ACCESS_DENIED.
        """
        if logon_id == LOCAL_SYSTEM_LOGON_ID:
            return LogonSession(logon_id, 0, 0.0, state="live")
        session = self.sessions.get(logon_id)
        owns = any(token.information.user == session.sid for token in connection.handles.values())
        if not owns and not connection.caller.has_tcb_privilege:
            raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="not_its_session")
        return session

    async def set_password(
        self, name: str, password: str, *, must_change: bool = False, by: ClientInfo | None = None
    ) -> None:
        """Set an account's password: see `secpkg.authority.passwords`."""
        await passwords.set_password(self, self.itself if by is None else by, name, password, must_change=must_change)

    # What a package asks for

    def lsa_function(
        self, origin: Origin, name: str, arguments: tuple[object, ...]
    ) -> object | Coroutine[object, object, object]:
        """Call an LSA function: its result, or for the names in `functions.WAITING` a coroutine to drive.

        STATUS_NOT_IMPLEMENTED for one that is not offered (R118, spec/README 10), STATUS_INVALID_PARAMETER for a wrong
        number of arguments, or the documented failures.
        """
        return functions.call(self, origin, name, functions.judged(name, arguments))

    def end_call(self, origin: Origin, *, discard_sessions: bool = False) -> None:
        """A call into a package is over: its account handles are closed and the client's memory is released, with
        ``discard_sessions`` also what sessions it left unfinished (R45).
        """
        origin.scratch.end()
        if discard_sessions:
            for logon_id in tuple(origin.scratch.sessions):
                self.sessions.discard(logon_id)

    def package_gone(self, package_id: int) -> None:
        """The package's worker died or was unloaded: sessions that it had only created are given up (lock 7)."""
        self.sessions.abandon(package_id)

    # What the parts do together

    def establish(self, session: LogonSession, principal: Principal, token: AccessToken, logon_server: str) -> None:
        """Make a session live; the first handle or reference must be made at once."""
        self.credentials.bind(session.logon_id, principal.sid)
        self.sessions.establish(session, principal, token, logon_server)

    def record_quietly(
        self, event: str, failed: SecurityError, package: str, *, claimed: bool = True, **facts: Fact
    ) -> None:
        """Record a failure that changes nothing; a record that cannot be written stops the next logon, not this.

        With ``claimed`` the reason is the package's own.
        """
        reason: dict[str, Fact] = {"reason": failed.reason}
        try:
            self.audit.append(
                event,
                status=failed.status,
                package=package,
                facts=facts if claimed else {**facts, **reason},
                claimed=reason if claimed else None,
            )
        except SecurityError:
            return
