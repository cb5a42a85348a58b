"""One vocabulary for four ways to run the same thing: an authority embedded or as a daemon, its callers blocking or on
asyncio. A test body is written once, blocking; the asynchronous world awaits for it, on a loop that lasts a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import itertools
import json
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.daemon.harness import running
from tests.daemon.modules import write_module

import secpkg
from secpkg import aio
from secpkg.contract import LogonType, SecurityError, Status
from secpkg.contract.flags import CredentialUse
from secpkg.ipc.connection import shared
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

PASSWORD: Final = "correct horse"
PATIENCE: Final = 15.0
"""Seconds after which what was waited for is missing."""
T = TypeVar("T")

COUNTER: Final = '''
import json

counts = {"acquired": 0, "freed": 0, "made": 0, "deleted": 0, "terminated": []}


class Counter(Package):
    """Counts its own state objects and the ends of sessions, and tells; its handshakes never end."""

    async def accept_credentials(self, call, logon_type, account_name, primary, supplemental):
        return None

    async def logon_terminated(self, logon_id):
        counts["terminated"].append(logon_id)

    async def acquire_credentials_handle(self, call, principal, use, logon_id, authorization_data):
        counts["acquired"] += 1
        return Acquired(object())

    async def free_credentials_handle(self, call, credential):
        counts["freed"] += 1

    async def accept_lsa_mode_context(self, call, credential, context, request):
        if context is None:
            counts["made"] += 1
        return Continue(request.token, object() if context is None else None)

    async def delete_context(self, call, context):
        counts["deleted"] += 1

    async def call_package(self, call, submit_buffer):
        return ProtocolReply(json.dumps(counts).encode())

    async def call_package_untrusted(self, call, submit_buffer):
        return ProtocolReply(b"untrusted:" + submit_buffer, Status.STATUS_UNSUCCESSFUL)


def initialize(version):
    return tables(Counter({name!r}))
'''


class Place:
    """An authority, and an operator of it."""

    def __init__(self, authority: object, modules: Path) -> None:
        self.authority = authority
        self.embedded = isinstance(authority, LabAuthority)
        self.modules = modules
        self.operator = secpkg.lsa.register_logon_process("behaviour", authority)
        self._numbers = itertools.count(1)
        self.add_module("counter", COUNTER)
        self.alice = self.add_user("alice", groups=("staff",))

    def manage(self, operation: str, **arguments: object) -> Any:
        return self.operator.manage(operation, **arguments)

    def add_module(self, name: str, body: str) -> None:
        added = self.manage("packages.add", module=name, path=write_module(self.modules, name, body))
        assert added["state"] == "loaded", added

    def add_user(self, name: str = "", *, groups: tuple[str, ...] = ()) -> str:
        """An account of this name, or of one that nobody else uses."""
        name = name or f"user{next(self._numbers)}"
        for group in groups:
            self.manage("groups.add", name=group)
        self.manage("accounts.add", name=name, groups=groups, password=PASSWORD)
        return name

    def sessions(self) -> set[int]:
        """LUIDs of the sessions that live."""
        found: list[int] = []
        while page := self.manage("sessions.list", offset=len(found)):
            found.extend(row["logon_id"] for row in page)
        return set(found)

    def counted(self) -> dict[str, int]:
        """What Counter has of each kind now."""
        counts = json.loads(self.operator.call_authentication_package("Counter", b"").data)
        return {
            "credentials": counts["acquired"] - counts["freed"],
            "contexts": counts["made"] - counts["deleted"],
        }

    def terminated(self, logon_id: int) -> int:
        """How often packages have heard LsaApLogonTerminated for this session."""
        counts = json.loads(self.operator.call_authentication_package("Counter", b"").data)
        return int(counts["terminated"].count(logon_id))

    def until(self, condition: Callable[[], object]) -> None:
        """Ask until it is so; each asking is an exchange with the authority."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "it never came about"
            self.manage("trace.read", cursor=2**62, wait=0.01)


@contextlib.contextmanager
def embedded(modules: Path) -> Iterator[Place]:
    """An authority in this process, accounts in memory."""
    with LabAuthority(domain="EXAMPLE", modules=["hello", "ntlm"]) as lab:
        place = Place(lab, modules)
        yield place
        place.operator.close()


@contextlib.contextmanager
def daemon(modules: Path) -> Iterator[Place]:
    """An authority in a process of its own, accounts in SQLite."""
    with running(hello=False) as process:
        added = process.manage("packages.add", module="hello", primary_credentials=True)
        assert added["state"] == "loaded", added
        place = Place(process.address, process.directory.parent / "modules")
        yield place
        place.operator.close()
        kept = shared._by_address.pop(process.address, None)
        if kept is not None:
            kept.close()


class World:
    """The blocking world. Parties, logons and connections are secpkg's own; what would be awaited is done here."""

    kind = "sync"
    parties: Any = secpkg

    def __init__(self, place: Place) -> None:
        self.place = place
        self._open: list[Any] = []

    # --- how a call is made ----------------------------------------------------------------------------------------

    def do(self, function: Callable[..., Any], *arguments: object, **named: object) -> Any:
        """Call a function of secpkg, and wait for its result."""
        return function(*arguments, **named)

    def get(self, thing: Any, name: str) -> Any:
        """What is a property where nothing is awaited, and a method where something is."""
        return getattr(thing, name)

    def _keep(self, thing: T) -> T:
        self._open.append(thing)
        return thing

    # --- contexts --------------------------------------------------------------------------------------------------

    def client(self, package: str = "Hello", *, username: str | None = "alice", **named: Any) -> Any:
        if username is not None:
            named.setdefault("password", PASSWORD)
        return self._keep(secpkg.Client(package, username=username, authority=self.place.authority, **named))

    def default_client(self, package: str = "Hello", **named: Any) -> Any:
        return self._keep(secpkg.Client(package, **named))

    def client_of(self, credential: Any, **named: Any) -> Any:
        return self._keep(secpkg.Client("Hello", credential=credential, **named))

    def server(self, package: str = "Hello", **named: Any) -> Any:
        return self._keep(secpkg.Server(package, authority=self.place.authority, **named))

    def server_of(self, credential: Any, **named: Any) -> Any:
        return self._keep(secpkg.Server(credential._package, credential=credential, **named))

    def credential(
        self, username: str = "alice", *, package: str = "Hello", use: CredentialUse = CredentialUse.OUTBOUND
    ) -> Any:
        named: dict[str, Any] = {"username": username, "password": PASSWORD, "authority": self.place.authority}
        return self._keep(secpkg.Credential(package, use, **named))

    def step(self, party: Any, token: bytes | None = None) -> bytes | None:
        answer: bytes | None = self.do(party.step, token)
        return answer

    def finish(self, client: Any, server: Any) -> None:
        """The legs of a handshake until nothing is left to send."""
        token = self.step(client)
        while token is not None:
            reply = self.step(server, token)
            token = self.step(client, reply) if reply is not None else None
        assert client.complete and server.complete

    def pair(self, **named: Any) -> tuple[Any, Any]:
        """A finished context of either side."""
        client, server = self.client(**named), self.server()
        self.finish(client, server)
        return client, server

    def peer(self, party: Any) -> str:
        return str(self.get(party, "peer"))

    def session_key(self, party: Any) -> bytes:
        return bytes(self.get(party, "session_key"))

    def access_token(self, party: Any) -> Any:
        return self._keep(self.get(party, "access_token"))

    def export(self, party: Any) -> bytes:
        return bytes(self.do(party.export))

    def moved_server(self, packed: bytes, token: Any = None, *, package: str = "Hello") -> Any:
        """What was exported elsewhere, as a server."""
        made = self.do(self.parties.Server.import_context, package, packed, token, authority=self.place.authority)
        return self._keep(made)

    def moved_client(self, packed: bytes) -> Any:
        made = self.do(self.parties.Client.import_context, "Hello", packed, authority=self.place.authority)
        return self._keep(made)

    # --- logons ----------------------------------------------------------------------------------------------------

    def connect(self) -> Any:
        return self._keep(secpkg.lsa.connect(self.place.authority))

    def logon(
        self, lsa: Any, username: str = "alice", password: str = PASSWORD, kind: int = LogonType.INTERACTIVE
    ) -> Any:
        return self._keep(self.do(lsa.logon_user, "Hello", kind, username=username, password=password))

    def logon_on(self, lsa: Any, package: str) -> Any:
        """A network logon of alice by another package."""
        return self._keep(self.do(lsa.logon_user, package, LogonType.NETWORK, username="alice", password=PASSWORD))

    # --- ends ------------------------------------------------------------------------------------------------------

    def close(self, thing: Any) -> None:
        self.do(thing.close)

    def forget(self, thing: object) -> None:
        """Leave a thing to itself."""
        self._open = [kept for kept in self._open if kept is not thing]

    def settle(self) -> None:
        """Any call on the shared connection: what finalizers and closed contexts left to release goes with it."""
        assert raw.enumerate_security_packages(self.place.authority)[0] is Status.SEC_E_OK

    def end(self) -> None:
        for thing in reversed(self._open):
            with contextlib.suppress(SecurityError):
                self.close(thing)
        self._open.clear()
        self.settle()


class AsyncWorld(World):
    """The same for callers on an event loop."""

    kind = "async"
    parties = aio

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._runner = asyncio.Runner()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        # The session that a `with` block presents is the one of this moment.
        return self._runner.run(coroutine, context=contextvars.copy_context())

    def do(self, function: Callable[..., Any], *arguments: object, **named: object) -> Any:
        async def call() -> Any:
            answer = function(*arguments, **named)
            return await answer if inspect.isawaitable(answer) else answer

        return self._run(call())

    def get(self, thing: Any, name: str) -> Any:
        return self.do(getattr(thing, name))

    def _entered(self, kind: Callable[..., Any], package: str, **named: Any) -> Any:
        async def make() -> Any:
            return await kind(package, **named).__aenter__()

        return self._keep(self._run(make()))

    def client(self, package: str = "Hello", *, username: str | None = "alice", **named: Any) -> Any:
        if username is not None:
            named.setdefault("password", PASSWORD)
        return self._entered(aio.Client, package, username=username, authority=self.place.authority, **named)

    def default_client(self, package: str = "Hello", **named: Any) -> Any:
        return self._entered(aio.Client, package, **named)

    def client_of(self, credential: Any, **named: Any) -> Any:
        return self._entered(aio.Client, "Hello", credential=credential, **named)

    def server(self, package: str = "Hello", **named: Any) -> Any:
        return self._entered(aio.Server, package, authority=self.place.authority, **named)

    def server_of(self, credential: Any, **named: Any) -> Any:
        return self._entered(aio.Server, credential._package, credential=credential, **named)

    def credential(
        self, username: str = "alice", *, package: str = "Hello", use: CredentialUse = CredentialUse.OUTBOUND
    ) -> Any:
        named: dict[str, Any] = {"username": username, "password": PASSWORD, "authority": self.place.authority}
        return self._entered(aio.Credential, package, use=use, **named)

    def connect(self) -> Any:
        return self._keep(self._run(aio.lsa.connect(self.place.authority)))

    def settle(self) -> None:
        from secpkg.aio.driving import connections, drive
        from secpkg.ipc import schema
        from secpkg.ipc.link import next_id

        async def ask() -> None:
            connection = await drive(connections().shared(self.place.authority))
            await drive(connection.ask(schema.ListPackages(next_id())))

        self._run(ask())

    def end(self) -> None:
        from secpkg.aio.driving import connections

        super().end()

        async def close() -> None:
            for connection in connections()._by_address.values():
                connection.close()

        self._run(close())
        self._runner.close()


def refused(call: Callable[[], object]) -> SecurityError:
    """The failure of a call that must fail."""
    try:
        found = call()
    except SecurityError as error:
        return error
    raise AssertionError(f"not refused: {found!r}")


class Child:
    """What a function saw in the child of a fork."""

    def __init__(self, function: Callable[[], object]) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                found: object = function()
            except BaseException as error:
                found = repr(error)
            os.write(write, json.dumps(found).encode())
            os._exit(0)
        os.close(write)
        with open(read, "rb") as file:
            data = file.read()
        _, status = os.waitpid(self.pid, 0)
        assert status == 0 and data, status
        self.found = json.loads(data)
