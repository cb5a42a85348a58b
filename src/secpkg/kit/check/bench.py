"""A lab with one module under the watch: its authority, its users, and the ways of applications to it.

Everything of a bench is made anew from the subject's seed: two benches are the same world, byte for byte, as long as
the package draws time and chance from its calls.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, cast

import msgspec

from secpkg.accounts.lockout import LockoutPolicy
from secpkg.authority.audit import Record, derive_key, read
from secpkg.authority.policy import Policy
from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Call, ClientInfo, LogonRequest, PackageInfo
from secpkg.host.lsa_mode.load import HostedPackage
from secpkg.host.tables import Table
from secpkg.host.user_mode.load import Module as UserModule
from secpkg.host.user_mode.providers import Provider
from secpkg.ipc import schema
from secpkg.ipc.link import next_id
from secpkg.kit.check import companion
from secpkg.kit.check.door import Door, LsaDoor, ProviderDoor, log_on
from secpkg.kit.check.target import Given, Target
from secpkg.kit.check.watch import Judge, Watch
from secpkg.runtime.embedded_link import LocalLink
from secpkg.runtime.embedded_port import LocalPort
from secpkg.runtime.inbox import is_inbox
from secpkg.runtime.modules import ModuleDescription
from secpkg.runtime.modules import describe as described_module
from secpkg.testing.clock import FrozenClock
from secpkg.testing.lab import LabAuthority

DOMAIN: Final = "KITLAB"
ALICE: Final = "alice"
BOB: Final = "bob"
PASSWORDS: Final = {
    ALICE: "planted-Secret:alice/Vj5#kQ9",
    BOB: "planted-Secret:bob/tR2%mW7",
}
"""Of the lab's users; nothing that a package shows may have one of them inside."""
START: Final = 1_700_000_000.0
_MODULE: Final = "secpkg-check-subject"
_PATIENT: Final = LockoutPolicy(threshold=10**9)


class LoadRefused(Exception):
    """The module does not load; the text is what the authority says."""


class Entropy:
    """Chance from a seed; the same order of questions has the same answers."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            self._count += 1
            out += hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return out[:size]


class Bench:
    """One lab. `close` it; `LoadRefused` when the module does not load."""

    def __init__(self, target: Target, seed: bytes, *, package: str = "", judge: Judge | None = None) -> None:
        self.target = target
        self.clock = FrozenClock(START)
        self.entropy = Entropy(seed)
        self.watch = Watch(judge)
        self.place = Path(tempfile.mkdtemp(prefix="secpkg-check-"))
        self.given = target.prepare(self.place) if target.prepare is not None else Given()
        self.links: list[LocalLink] = []
        self.datagrams = False
        """Contexts are of datagrams: a client's first leg gives no token, and its server is given a signature."""
        self.lab: LabAuthority | None = None
        self.hosted: tuple[HostedPackage, ...] = ()
        self.table: Table = {}
        self.user_table: Table | None = None
        try:
            if target.lsa is not None:
                self._load_lsa(target)
            else:
                self._load_provider(target)
            self._choose(package)
        except BaseException:
            self.close()
            raise

    def _load_lsa(self, target: Target) -> None:
        assert target.lsa is not None
        self.lab = LabAuthority(
            domain=DOMAIN,
            modules=[(companion.DESCRIPTION, companion.initializer(PASSWORDS))],
            policy=Policy(lockout=_PATIENT),
            clock=self.clock,
            entropy=self.entropy,
        )
        try:
            described = _described(target)
            self._module = described.name
            self.lab.add_module((described, target.lsa))
        except SecurityError as error:
            raise LoadRefused(error.reason) from None
        module = self.port.module
        self.hosted = tuple(module.packages)
        for hosted in self.hosted:
            if hosted.broken:
                raise LoadRefused(f"{hosted.info.name}: {hosted.broken}")
        for user, password in PASSWORDS.items():
            self.lab.add_user(user)
            with suppress(SecurityError):  # no package keeps a verifier
                self.lab.set_password(user, password)
        for hosted in self.hosted:
            self.watch.table(hosted.table)
        module.surroundings.link = self.watch.link(module.surroundings.link)

    def _load_provider(self, target: Target) -> None:
        assert target.provider is not None
        try:
            self.provider = Provider(target.name, target.provider())
        except SecurityError as error:
            raise LoadRefused("; ".join([error.reason, *getattr(error, "__notes__", ())])) from None

    def _choose(self, package: str) -> None:
        if self.lab is not None:
            chosen = next((one for one in self.hosted if one.info.name == package), self.hosted[0])
            self.info, self.table, self.package_id = chosen.info, chosen.table, chosen.package_id
        else:
            self.info = self.provider.packages.get(package) or next(iter(self.provider.packages.values()))
            self.table = self.user_table = self.provider.table
            self.watch.table(self.table)

    @property
    def port(self) -> LocalPort:
        """The module in this process."""
        assert self.lab is not None
        return cast(LocalPort, self.lab.embedded.machine.modules[self._module].port)

    @property
    def names(self) -> tuple[str, ...]:
        """The module's packages."""
        if self.lab is None:
            return tuple(self.provider.packages)
        return tuple(one.info.name for one in self.hosted)

    def load_user(self) -> Table:
        """SpUserModeInitialize and SpInstanceInit, when they have not run; the user half's table. SecurityError with
        what is wrong; KeyError when the module has no user half for this package.
        """
        if self.user_table is None:
            if self.target.user is None:
                raise KeyError(self.info.name)
            module = UserModule(self.target.name, self.target.user)
            self.user_table = module.packages[self.info.name].require(self.info.capabilities).table
            self.watch.table(self.user_table)
        return self.user_table

    # --- ways in -------------------------------------------------------------------------------------------------

    def link(self, process: str | None = None) -> LocalLink:
        """A connection of its own; with a name a trusted one."""
        assert self.lab is not None
        link = self.lab.link(process)
        self.links.append(link)
        return link

    def door(self, user: str = "", through: str = "") -> Door:
        """An application's way to the package; as ``user``, after a logon with the package ``through``."""
        if self.lab is None:
            caller = ClientInfo(os.getpid(), os.getuid(), os.getgid())
            return ProviderDoor(
                self.table, self.info.name, lambda: Call(caller, self.clock(), self.entropy), self.info.max_token
            )
        link = self.link()
        token = self.logon(link, user, through).token if user else 0
        return LsaDoor(link, self.info.name, token)

    def logon(
        self,
        link: LocalLink,
        user: str,
        package: str = "",
        *,
        password: str | None = None,
        kind: LogonType = LogonType.INTERACTIVE,
        request: LogonRequest | None = None,
    ) -> schema.LoggedOn:
        """LsaLogonUser by name and password, with the package (or another by its name); raises SecurityError."""
        asked = request or LogonRequest(kind, user, "", PASSWORDS.get(user, "") if password is None else password)
        return log_on(link, self.number(package or self.info.name), asked)

    def number(self, package: str) -> int:
        """The package's number."""
        assert self.lab is not None
        return self.lab.embedded.machine.directory.find(package).package_id

    # --- what is left ---------------------------------------------------------------------------------------------

    def sessions(self) -> tuple[int, ...]:
        """LUIDs of all sessions, also of those that never became live."""
        if self.lab is None:
            return ()
        return tuple(self.lab.embedded.machine.authority.sessions._sessions)

    def records(self) -> list[Record]:
        """The audit record."""
        assert self.lab is not None
        authority = self.lab.embedded.machine.authority
        return list(read(authority.audit.lines(), derive_key(authority.vault)))

    def holdings(self) -> dict[str, int]:
        """What is open: handles at the host, sessions at the authority."""
        if self.lab is None:
            return {}
        channels = self.port._channels.values()
        return {
            "channels": len(channels),
            "contexts": sum(len(channel.contexts) for channel in channels),
            "credentials": sum(len(channel.credentials) for channel in channels),
            "half-open contexts": sum(channel.half_open for channel in channels),
            "sessions": len(self.sessions()),
        }

    def close(self) -> None:
        """End everything; SpShutdown runs."""
        for link in self.links:
            link.close()
        self.links.clear()
        lab, self.lab = self.lab, None
        try:
            if lab is not None:
                lab.close()
        finally:
            shutil.rmtree(self.place, ignore_errors=True)


class Description(msgspec.Struct, frozen=True):
    """What a first look at a loaded module tells."""

    names: tuple[str, ...]
    info: PackageInfo
    functions: frozenset[str]
    user_functions: frozenset[str]
    user_fault: str = ""

    @property
    def signs(self) -> bool:
        """Whether it has MakeSignature, in whichever half."""
        return "make_signature" in self.functions | self.user_functions


def describe(target: Target, seed: bytes, package: str = "") -> Description:
    """Load the module once and look at it. `LoadRefused`."""
    bench = Bench(target, seed, package=package)
    try:
        functions = frozenset(bench.table)
        fault, user = "", frozenset[str]()
        try:
            user = frozenset(bench.load_user())
        except KeyError:
            fault = "" if target.user is None else f"the user half has no package {bench.info.name}"
        except SecurityError as error:
            fault = str(error)
        return Description(bench.names, bench.info, functions, user, fault)
    finally:
        bench.close()


@contextmanager
def opened(bench: Bench) -> Iterator[Bench]:
    """Close it in the end."""
    try:
        yield bench
    finally:
        bench.close()


def unused(link: LocalLink, logged_on: schema.LoggedOn) -> None:
    """CloseHandle of a logon's token."""
    link.call(schema.CloseToken(next_id(), logged_on.token))


__all__ = [
    "ALICE",
    "BOB",
    "DOMAIN",
    "PASSWORDS",
    "START",
    "Bench",
    "Description",
    "Entropy",
    "LoadRefused",
    "Status",
    "describe",
    "opened",
    "unused",
]


def _described(target: Target) -> ModuleDescription:
    """One of the house's own is loaded as what it is: nobody else may have its package's name (R13)."""
    if target.installed and is_inbox(target.installed, (found := described_module(target.installed)).distribution):
        return found
    return ModuleDescription(_MODULE, "not-installed", "0", b"", "", has_user_half=False)
