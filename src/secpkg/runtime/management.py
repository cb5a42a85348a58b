"""What an operator does to a running authority: packages, accounts, sessions, trace. All of it on trusted connections,
and each use is on the audit record with who asked (lock 2).

An operation takes its arguments by name, as plain values, and gives plain values back; the command line and SSPI's
AddSecurityPackage and DeleteSecurityPackage are two clients of the same operations.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from secpkg.authority.accounts_admin import AccountsAdmin
from secpkg.authority.audit_lines import GENESIS
from secpkg.authority.audit_reader import Place
from secpkg.authority.connections import Connection
from secpkg.authority.registry import ModuleEntry, Registry, RegistryError
from secpkg.contract.requests import drive
from secpkg.contract.status import SecurityError, Status
from secpkg.runtime.audit_reading import AuditReading
from secpkg.runtime.examine import examine
from secpkg.runtime.inbox import INBOX_MODULES, RESERVED_PACKAGES
from secpkg.runtime.machine import Machine, Module
from secpkg.runtime.modules import ModuleDescription, describe
from secpkg.runtime.watching import Watching

Done = Callable[[object, BaseException | None], None]
DRAIN_LIMIT: Final = 3600.0
PAGE: Final = 200
"""Rows in one answer of a list of sessions, accounts or groups."""


class _Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of an operation's arguments: what does not fit is refused whole."""


class Nothing(_Arguments, frozen=True):
    pass


class Page(_Arguments, frozen=True):
    """A list that may be longer than a frame: `PAGE` rows from ``offset`` on; fewer say that it ends there."""

    offset: int = 0


class Named(_Arguments, frozen=True):
    name: str


class AddModule(_Arguments, frozen=True):
    module: str
    list: str = "security_packages"
    path: str = ""
    primary_credentials: bool = False
    blocking: bool = False
    permanent: bool = True


class RemoveModule(_Arguments, frozen=True):
    name: str
    deadline: float | None = None


class ReviveModule(_Arguments, frozen=True):
    module: str


class AddAccount(_Arguments, frozen=True):
    name: str
    full_name: str = ""
    groups: tuple[str, ...] = ()
    posix_uid: int | None = None
    password: str | None = None
    must_change: bool = False


class SetPassword(_Arguments, frozen=True):
    name: str
    password: str
    must_change: bool = False


class Expire(_Arguments, frozen=True):
    name: str
    at: float | None


class SetGroups(_Arguments, frozen=True):
    name: str
    groups: tuple[str, ...]


class ReadTrace(_Arguments, frozen=True):
    cursor: int = 0
    wait: float = 0.0


class ReadAudit(_Arguments, frozen=True):
    after: int = 0
    limit: int = PAGE
    wait: float = 0.0


class CheckAudit(_Arguments, frozen=True):
    """A `Place` from which to go on, and the number of a record to stop at (0: none)."""

    seq: int = 0
    mac: str = GENESIS
    file: int = 0
    offset: int = 0
    until: int = 0


class Management:
    """The operations of one machine. ``after`` calls a function later; where there is no loop (None) a draining module
    has no deadline but 0, and goes with its last context.
    """

    def __init__(
        self,
        machine: Machine,
        registry: Registry | None,
        *,
        after: Callable[[float, Callable[[], None]], object] | None = None,
        stop: Callable[[], None] | None = None,
        address: str = "embedded:",
        add: Callable[[str, str], ModuleDescription] = describe,
    ) -> None:
        self._machine = machine
        self._registry = registry
        self._after = after
        self._stop = stop
        self._address = address
        self._describe = add
        self._started = time.monotonic()
        self._watching = Watching(machine, after)
        self._auditing = AuditReading(machine.authority.audit, after)
        self._operation("packages.list", Nothing, self._packages)
        self._operation("packages.show", Named, self._package)
        self._operation("packages.add", AddModule, self._add, audited=True)
        self._operation("packages.remove", RemoveModule, self._remove, audited=True)
        self._operation("packages.revive", ReviveModule, self._revive, audited=True)
        self._operation("sessions.list", Page, self._sessions)
        self._operation("authority.status", Nothing, self._status)
        self._operation("authority.stop", Nothing, self._halt, audited=True)
        self._operation("trace.start", Nothing, self._trace_start, audited=True)
        self._operation("trace.read", ReadTrace, self._trace_read)
        self._operation("trace.stop", Nothing, self._trace_stop, audited=True)
        self._operation("audit.read", ReadAudit, self._audit_read)
        self._operation("audit.check", CheckAudit, self._audit_check)
        self._operation("audit.rotate", Nothing, self._audit_rotate, audited=True)
        self._operation("calls.counts", Nothing, self._counts)
        self._operation("packages.examine", Named, self._examine)
        self._account_operations()

    def _operation(
        self,
        name: str,
        kind: type[_Arguments],
        function: Callable[[Connection, Any, Done], None],
        *,
        audited: bool = False,
    ) -> None:
        def operation(connection: Connection, arguments: dict[str, object], done: Done) -> None:
            try:
                checked = msgspec.convert(arguments, kind)
            except msgspec.ValidationError:
                raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="arguments_do_not_fit") from None
            if audited:
                self._machine.authority.audit.append(
                    "manage",
                    caller=connection.caller,
                    facts={"operation": name, **_plain(checked)},
                )
            function(connection, checked, done)

        self._machine.service.operations[name] = operation

    # --- packages ------------------------------------------------------------------------------------------------

    def _packages(self, _connection: Connection, _arguments: Nothing, done: Done) -> None:
        rows: list[dict[str, object]] = []
        for module in self._machine.modules.values():
            rows.extend(self._rows(module))
        done(rows, None)

    def _rows(self, module: Module) -> list[dict[str, object]]:
        description = module.description
        worker = None if module.port is None else module.port.status()
        common = {
            "module": description.name,
            "distribution": description.distribution,
            "version": description.version,
            "list": module.list,
            "inbox": module.inbox,
            "primary_credentials": module.primary_credentials,
            "worker": worker,
        }
        if not module.packages:
            return [
                {
                    "name": "",
                    "package_id": 0,
                    **common,
                    "state": module.state,
                    "reason": module.reason,
                    "capabilities": 0,
                    "max_token": 0,
                    "comment": "",
                    "functions": [],
                }
            ]
        rows = []
        for package_id in module.packages:
            entry = self._machine.directory.entry(package_id)
            state = entry.state if entry.state != "loaded" else module.state
            rows.append(
                {
                    "name": entry.name,
                    "package_id": package_id,
                    **common,
                    "state": state,
                    "reason": entry.reason or module.reason,
                    "capabilities": int(entry.info.capabilities),
                    "max_token": entry.info.max_token,
                    "comment": entry.info.comment,
                    "functions": sorted(entry.functions),
                }
            )
        return rows

    def _package(self, _connection: Connection, arguments: Named, done: Done) -> None:
        module = self._machine.module_of(arguments.name)
        rows = self._rows(module)
        wanted = [row for row in rows if str(row["name"]).casefold() == arguments.name.casefold()]
        done((wanted or rows)[0], None)

    def _add(self, _connection: Connection, arguments: AddModule, done: Done) -> None:
        if arguments.list == "security_providers":
            self._add_provider(arguments, done)
            return
        if arguments.list not in ("security_packages", "authentication_packages"):
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="no_such_list")
        if _is_inbox(arguments.module):
            raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="module_is_inbox")  # R13
        found = self._describe(arguments.module, arguments.path)
        description = msgspec.structs.replace(found, blocking=arguments.blocking)
        registered = False
        if self._registry is not None and arguments.permanent:
            entry = ModuleEntry(
                module=description.name,
                distribution=description.distribution,
                version=description.version,
                digest=description.digest.hex(),
                path=description.path,
                primary_credentials=arguments.primary_credentials,
                blocking=arguments.blocking,
                permanent=True,
            )
            # add() says which of the two lists by its type; the words were checked above
            self._registry.add(entry, arguments.list)  # type: ignore[arg-type]
            registered = True

        def loaded(module: Module) -> None:
            names = [self._machine.directory.entry(p).name for p in module.packages]
            broken = [
                self._machine.directory.entry(p).reason
                for p in module.packages
                if self._machine.directory.entry(p).state == "broken"
            ]
            done(
                {
                    "module": module.description.name,
                    "packages": names,
                    "state": "broken" if broken else module.state,
                    "reason": "; ".join(broken) or module.reason,
                },
                None,
            )

        try:
            self._machine.add_module(
                description,
                loaded,
                list_name=arguments.list,
                primary_credentials=arguments.primary_credentials,
            )
        except BaseException:
            if registered and self._registry is not None:
                self._registry.remove(description.name)
            raise

    def _add_provider(self, arguments: AddModule, done: Done) -> None:
        if self._registry is None:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="no_registry")
        providers = self._registry.read().security_providers
        self._registry.set_security_providers((*providers, arguments.module))
        done({"module": arguments.module, "packages": [], "state": "registered", "reason": ""}, None)

    def _remove(self, _connection: Connection, arguments: RemoveModule, done: Done) -> None:
        if _is_inbox(arguments.name):
            raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="module_is_inbox")  # R13
        providers = () if self._registry is None else self._registry.read().security_providers
        if self._registry is not None and arguments.name in providers:
            self._registry.set_security_providers(tuple(p for p in providers if p != arguments.name))
            done({"module": arguments.name, "packages": [], "draining": 0}, None)
            return
        module = self._machine.module_of(arguments.name)
        if module.inbox:
            raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="module_is_inbox")
        names = [self._machine.directory.entry(p).name for p in module.packages]
        if self._registry is not None:
            try:
                self._registry.remove(module.description.name)
            except RegistryError as error:
                if error.reason != "module_not_registered":
                    raise
        limit = self._machine.authority.policy.drain_deadline if arguments.deadline is None else arguments.deadline

        def begun() -> None:
            answer = {"module": module.description.name, "packages": names, "draining": len(module.draining)}
            done(answer, None)

        self._machine.drain(module, _nothing, begun)
        if self._after is None:
            if limit <= 0:
                self._machine.finish(module)
        elif module.key in self._machine.modules:
            self._after(min(max(limit, 0.0), DRAIN_LIMIT), lambda: self._machine.finish(module))

    def _revive(self, _connection: Connection, arguments: ReviveModule, done: Done) -> None:
        module = self._machine.module_of(arguments.module)

        def loaded(revived: Module) -> None:
            done({"module": revived.description.name, "state": revived.state, "reason": revived.reason}, None)

        self._machine.revive(module, loaded)

    # --- the authority itself ------------------------------------------------------------------------------------

    def _sessions(self, _connection: Connection, arguments: Page, done: Done) -> None:
        authority = self._machine.authority
        rows = [
            {
                "logon_id": session.logon_id,
                "user": session.account_name,
                "domain": session.domain,
                "package": authority.packages.entry(session.package_id).name,
                "logon_type": int(session.logon_type),
                "created": session.created,
                "tokens": session.references,
                "sid": session.sid,
            }
            for session in authority.sessions.live()[_page(arguments)]
        ]
        done(rows, None)

    def _status(self, _connection: Connection, _arguments: Nothing, done: Done) -> None:
        authority = self._machine.authority
        done(
            {
                "pid": os.getpid(),
                "uptime": time.monotonic() - self._started,
                "domain": authority.store.domain_name,
                "domain_sid": str(authority.store.domain_sid),
                "socket": self._address,
                "packages": len(authority.packages.enumerate()),
                "sessions": len(authority.sessions.live()),
                "connections": len(authority.connections),
                "audit_records": authority.audit.count,
            },
            None,
        )

    def _halt(self, _connection: Connection, _arguments: Nothing, done: Done) -> None:
        if self._stop is None:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="embedded_ends_with_its_process")
        done({"stopping": True}, None)
        self._stop()

    def _trace_start(self, connection: Connection, _arguments: Nothing, done: Done) -> None:
        done(self._watching.start(connection), None)

    def _trace_stop(self, connection: Connection, _arguments: Nothing, done: Done) -> None:
        done(self._watching.stop(connection), None)

    def _trace_read(self, _connection: Connection, arguments: ReadTrace, done: Done) -> None:
        self._watching.read(arguments.cursor, arguments.wait, done)

    def _audit_read(self, _connection: Connection, arguments: ReadAudit, done: Done) -> None:
        self._auditing.read(arguments.after, arguments.limit, arguments.wait, done)

    def _audit_check(self, _connection: Connection, arguments: CheckAudit, done: Done) -> None:
        place = Place(max(0, arguments.seq), arguments.mac, max(0, arguments.file), max(0, arguments.offset))
        done(self._auditing.check(place, max(0, arguments.until)), None)

    def _audit_rotate(self, _connection: Connection, _arguments: Nothing, done: Done) -> None:
        done(self._auditing.rotate(), None)

    def _counts(self, _connection: Connection, _arguments: Nothing, done: Done) -> None:
        done(self._watching.counts(), None)

    def _examine(self, _connection: Connection, arguments: Named, done: Done) -> None:
        done(examine(arguments.name, self._registry), None)

    # --- accounts ------------------------------------------------------------------------------------------------

    def _account_operations(self) -> None:
        def plain(function: Callable[[AccountsAdmin, Any], object]) -> Callable[[Connection, Any, Done], None]:
            def operation(connection: Connection, arguments: Any, done: Done) -> None:
                done(function(self._admin(connection), arguments), None)

            return operation

        def waiting(
            function: Callable[[AccountsAdmin, Any], Coroutine[object, object, object]],
        ) -> Callable[[Connection, Any, Done], None]:
            def operation(connection: Connection, arguments: Any, done: Done) -> None:
                drive(function(self._admin(connection), arguments), self._machine.service.ask, done)

            return operation

        add = self._operation
        add("accounts.list", Page, plain(lambda admin, a: admin.users()[_page(a)]))
        add("accounts.show", Named, plain(lambda admin, a: _find(admin, a.name)))
        add("accounts.add", AddAccount, waiting(_add_account))
        add("accounts.remove", Named, plain(lambda admin, a: admin.delete_user(a.name)))
        add("accounts.passwd", SetPassword, waiting(_set_password))
        add("accounts.enable", Named, plain(lambda admin, a: admin.enable_user(a.name)))
        add("accounts.disable", Named, plain(lambda admin, a: admin.enable_user(a.name, False)))
        add("accounts.lock", Named, plain(lambda admin, a: admin.lock_user(a.name)))
        add("accounts.unlock", Named, plain(lambda admin, a: admin.unlock_user(a.name)))
        add("accounts.expire", Expire, plain(lambda admin, a: admin.update_user(a.name, expires_at=a.at)))
        add("accounts.groups", SetGroups, plain(lambda admin, a: admin.update_user(a.name, groups=a.groups)))
        add("groups.list", Page, plain(lambda admin, a: admin.groups()[_page(a)]))
        add("groups.add", Named, plain(lambda admin, a: admin.create_group(a.name)))
        add("groups.remove", Named, plain(lambda admin, a: admin.delete_group(a.name)))

    def _admin(self, connection: Connection) -> AccountsAdmin:
        return AccountsAdmin(self._machine.authority, connection.caller)


async def _add_account(admin: AccountsAdmin, arguments: AddAccount) -> object:
    described = await admin.create_user(
        arguments.name,
        arguments.password,
        full_name=arguments.full_name,
        groups=arguments.groups,
        posix_uid=arguments.posix_uid,
    )
    if arguments.must_change:
        described = admin.update_user(arguments.name, must_change=True)
    return described


async def _set_password(admin: AccountsAdmin, arguments: SetPassword) -> object:
    await admin.set_password(arguments.name, arguments.password, must_change=arguments.must_change)
    return _find(admin, arguments.name)


def _find(admin: AccountsAdmin, name: str) -> object:
    for user in admin.users():
        if str(user["name"]).casefold() == name.casefold():
            return user
    raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="no_such_user")


def _is_inbox(name: str) -> bool:
    """R13: nobody adds, removes, replaces or shadows what the house brings along."""
    return name.casefold() in {inbox.casefold() for inbox in (*INBOX_MODULES, *RESERVED_PACKAGES)}


def _page(arguments: Page) -> slice:
    start = max(0, arguments.offset)
    return slice(start, start + PAGE)


def _plain(arguments: _Arguments) -> dict[str, str]:
    """Arguments for the audit record; operations that carry a secret are not recorded here but by what they call."""
    return {key: str(value) for key, value in msgspec.structs.asdict(arguments).items()}


def _nothing() -> None:
    """Nobody waits for the end of a drain."""
