"""An authority with scripted packages: what the tests of this folder share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from secpkg.accounts import Account, LockoutPolicy, MemoryAccountStore, Vault
from secpkg.authority import audit as audit_record
from secpkg.authority.audit import AuditRecord, Record
from secpkg.authority.connections import Connection
from secpkg.authority.directory import PackageDirectory, PackageEntry
from secpkg.authority.logon import Logon
from secpkg.authority.lsa import LocalSecurityAuthority
from secpkg.authority.policy import Policy
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.flags import LogonType
from secpkg.contract.requests import Request, run
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    ClientInfo,
    LogonRefused,
    LogonRequest,
    LogonResult,
    PackageInfo,
    PrimaryCredential,
    SupplementalCredential,
    TokenInformation,
)

T = TypeVar("T")
Function = Callable[..., object]

KEY = bytes(range(32))
NOW = 1_700_000_000.0
PASSWORD = "correct horse"
USER = ClientInfo(4242, 1000, 1000)
OTHER = ClientInfo(4343, 1001, 1001)
ROOT = ClientInfo(1, 0, 0, has_tcb_privilege=True)


class World:
    """Accounts in memory, audit in memory unless a path is given, time that stands still, coroutines run in place."""

    def __init__(self, policy: Policy | None = None, *, audit: Path | None = None) -> None:
        self.now = NOW
        self.policy = Policy(lockout=LockoutPolicy(threshold=3, base_delay=10.0)) if policy is None else policy
        self.vault = Vault(KEY)
        self.store = MemoryAccountStore("EXAMPLE", self.vault, lockout=self.policy.lockout)
        self.audit_key = audit_record.derive_key(self.vault)
        self.audit = AuditRecord(audit, self.audit_key, clock=lambda: self.now)
        self.packages = PackageDirectory()
        self._chance = itertools.count(1)
        self.scripts: dict[int, dict[str, Function]] = {}
        self.calls: list[tuple[str, str, tuple[object, ...]]] = []
        self.targets: list[PackageTarget] = []
        self.lsa = LocalSecurityAuthority(
            store=self.store,
            vault=self.vault,
            audit=self.audit,
            packages=self.packages,
            clock=lambda: self.now,
            entropy=self.entropy,
            policy=self.policy,
            spawn=self.run,
        )

    def entropy(self, count: int) -> bytes:
        return next(self._chance).to_bytes(2, "big") + bytes(range(1, count - 1))

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        return run(coroutine, self.ask)

    def ask(self, request: Request[object]) -> object:
        target = request.target
        assert isinstance(target, PackageTarget)
        self.calls.append((self.packages.entry(target.package_id).name, request.function, request.arguments))
        self.targets.append(target)
        return self.scripts[target.package_id][request.function](target, *request.arguments)

    def add_package(
        self, name: str, table: dict[str, Function] | None = None, *, granted: bool = False, **more: Function
    ) -> int:
        functions = {**(table or {}), **more}
        package_id = self.packages.reserve()
        entry = PackageEntry(
            package_id, PackageInfo(name), f"{name.lower()}-module", frozenset(functions), False, granted
        )
        self.scripts[package_id] = functions
        self.packages.add(entry)
        return package_id

    def add_user(self, name: str = "alice", **changes: object) -> Account:
        verifiers = {"Hello": f"verifier of {name}".encode()}
        self.store.create_user(name, supplementals=verifiers, now=self.now)
        return self.store.update(name, **changes)  # type: ignore[arg-type]

    def add_hello(self, function: str = "logon_user_ex2", **more: Function) -> int:
        """A package that logs on whoever knows `PASSWORD`."""
        functions: dict[str, Function] = {function: self.hello, **more}
        return self.add_package("Hello", functions, granted=True)

    def hello(self, target: PackageTarget, request: LogonRequest, *_: object) -> LogonResult | LogonRefused:
        account = self.store.find(request.username)
        if account is None or request.password != PASSWORD:
            reason = "no_such_user" if account is None else "proof_wrong"
            return LogonRefused(Status.STATUS_LOGON_FAILURE, request.username, reason=reason)
        logon_id = int.from_bytes(self.entropy(7), "big")
        self.lsa.lsa_function(target.origin, "create_logon_session", (logon_id,))
        return LogonResult(
            logon_id,
            TokenInformation(str(account.sid), ("S-1-5-32-544",), privileges=("SeTcbPrivilege",)),
            account.name,
            "EXAMPLE",
            "MACHINE",
            b"profile",
            PrimaryCredential(0, "liar", "LIES", password=request.password),
            (SupplementalCredential("hello", b"for hello"), SupplementalCredential("Other", b"for other")),
        )

    def connect(self, caller: ClientInfo = USER) -> Connection:
        return self.lsa.connections.open(caller)

    def logon(
        self,
        connection: Connection,
        package_id: int,
        username: str = "alice",
        password: str = PASSWORD,
        logon_type: LogonType = LogonType.INTERACTIVE,
        workstation: str = "",
        origin_name: str = "",
    ) -> Logon:
        request = LogonRequest(
            logon_type, username, password=password, workstation=workstation, origin_name=origin_name
        )
        return self.run(self.lsa.logon_user(connection, package_id, request))

    def origin(self, package_id: int, connection: Connection | None = None, call: ClientInfo | None = None) -> Origin:
        if call is None:
            call = connection.caller if connection is not None else self.lsa.itself
        return Origin(package_id, connection, call)

    def records(self, event: str = "") -> list[Record]:
        assert audit_record.verify_lines(self.audit.lines(), self.audit_key) == len(self.audit.lines())
        return [r for r in audit_record.read(self.audit.lines(), self.audit_key) if event in ("", r.event)]

    def called(self, function: str) -> list[str]:
        return [package for package, name, _ in self.calls if name == function]


def raising(error: SecurityError) -> Function:
    def fail(*_: object) -> object:
        raise error

    return fail
