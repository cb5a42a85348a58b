"""A whole authority for a test: no root, no daemon, no files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, Unpack

import msgspec

from secpkg.accounts.memory import MemoryAccountStore
from secpkg.accounts.model import Account, AccountChanges
from secpkg.accounts.sid import random_domain_sid
from secpkg.accounts.vault import MASTER_KEY_SIZE, Vault
from secpkg.authority.policy import Policy
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Setting
from secpkg.host.user_mode import providers
from secpkg.runtime.embedded import EmbeddedAuthority
from secpkg.runtime.embedded_link import LocalLink
from secpkg.runtime.embedded_port import LocalPort
from secpkg.runtime.modules import LsaModeInitialize, ModuleDescription
from secpkg.runtime.ports import Events
from secpkg.testing.clock import FrozenClock
from secpkg.testing.faults import FaultInjection, LsaCallSeen, Rule
from secpkg.testing.scheduling import HandScheduler

if TYPE_CHECKING:
    from secpkg.contract.security_provider import SecurityProvider
    from secpkg.host.lsa_mode.running import Running

Module = str | tuple[ModuleDescription, LsaModeInitialize] | LsaModeInitialize


def described(module: Module) -> str | tuple[ModuleDescription, LsaModeInitialize]:
    """A module as the runtime takes it. A bare SpLsaModeInitialize, of code that is not installed, gets a description
    of its own; it has no user half.
    """
    if isinstance(module, str | tuple):
        return module
    name = f"{getattr(module, '__module__', 'lab')}.{getattr(module, '__qualname__', 'module')}"
    return ModuleDescription(name, "not-installed", "0", b"", "", has_user_half=False), module


class Chance:
    """The entropy of one lab's packages: drawn from ``source``, which may be another one for a while."""

    __slots__ = ("source",)

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self.source = source

    def __call__(self, size: int) -> bytes:
        return self.source(size)


class Time:
    """The time of one lab, which may stand still for a while."""

    __slots__ = ("fixed", "source")

    def __init__(self, source: Callable[[], float]) -> None:
        self.source = source
        self.fixed: float | None = None

    def __call__(self) -> float:
        return self.source() if self.fixed is None else self.fixed


class _Embedded(EmbeddedAuthority):
    """An embedded authority whose modules reach it through the lab's rules, and draw apart from it."""

    faults: FaultInjection

    def draw_for_packages(self, chance: Chance) -> None:
        self._entropy = chance

    def _start_port(self, description: ModuleDescription, first_package_id: int, events: Events) -> LocalPort:
        between = self.faults.between(events.lsa_call, description.name, self._package_name)
        return super()._start_port(description, first_package_id, msgspec.structs.replace(events, lsa_call=between))

    def _package_name(self, package_id: int) -> str:
        try:
            return self.machine.directory.entry(package_id).name
        except SecurityError:  # its module is being loaded
            return ""


class LabAuthority:
    """``with LabAuthority(domain="EXAMPLE", modules=["hello"]) as lab``: pass ``authority=lab`` to Client, Server and
    ``lsa.connect``. Modules are names of installed ones, or the ``lsa_mode_initialize`` of one under test. ``clock``
    and ``entropy`` fix time and chance, so that a handshake replays byte for byte; with a `FrozenClock` the callbacks
    of packages (notifications, threads) come with `advance` alone. ``settings`` are an operator's, by module.
    ``faults`` makes LSA functions fail.
    """

    def __init__(
        self,
        *,
        domain: str = "LAB",
        modules: Sequence[Module] = (),
        policy: Policy | None = None,
        primary_credentials: bool = True,
        clock: Callable[[], float] | None = None,
        entropy: Callable[[int], bytes] | None = None,
        settings: Mapping[str, Mapping[str, Setting]] | None = None,
    ) -> None:
        self.clock: Final[Callable[[], float]] = time.time if clock is None else clock
        chance = os.urandom if entropy is None else entropy
        self.time: Final = Time(self.clock)
        self.entropy: Final = Chance(chance)
        self._providers: list[str] = []
        self._scheduler = HandScheduler(clock) if isinstance(clock, FrozenClock) else None
        self.faults: Final = FaultInjection(self._pass_time, self._runs)
        key = chance(MASTER_KEY_SIZE)
        chosen = Policy() if policy is None else policy
        sid = random_domain_sid(chance(12))
        made = _Embedded(
            store=MemoryAccountStore(domain, Vault(key), lockout=chosen.lockout, domain_sid=sid),
            master_key=key,
            policy=chosen,
            clock=self.time,
            entropy=chance,
            scheduler=self._scheduler,
            settings=settings,
        )
        made.faults = self.faults
        made.draw_for_packages(self.entropy)
        self.embedded: Final[EmbeddedAuthority] = made
        try:
            for module in modules:
                self.add_module(module, primary_credentials=primary_credentials)
        except BaseException:
            self.close()
            raise

    def _runs(self, running: Running) -> bool:
        return running.surroundings.entropy is self.entropy

    def _pass_time(self, seconds: float) -> None:
        if self._scheduler is None:
            time.sleep(seconds)
        else:
            self.advance(seconds)

    def fail(
        self, function: str, status: Status, *, times: int | None = 1, after: int = 0, package: str | None = None
    ) -> Rule:
        """``with lab.fail("get_auth_data_for_user", Status.STATUS_NO_MEMORY):`` an LSA function that fails; see
        `FaultInjection.fail`.
        """
        return self.faults.fail(function, status, times=times, after=after, package=package)

    def slow(
        self,
        function: str,
        seconds: float = 0.0,
        *,
        meanwhile: Callable[[], object] | None = None,
        times: int | None = None,
        after: int = 0,
        package: str | None = None,
    ) -> Rule:
        """``with lab.slow("get_auth_data_for_user", 30.0):`` an authority that takes its time; see
        `FaultInjection.slow`.
        """
        return self.faults.slow(function, seconds, meanwhile=meanwhile, times=times, after=after, package=package)

    @contextmanager
    def lsa_calls(self) -> Iterator[list[LsaCallSeen]]:
        """``with lab.lsa_calls() as calls:`` every call of an LSA function, in order."""
        with self.faults.calls() as calls:
            yield calls

    def link(self, logon_process_name: str | None = None) -> LocalLink:
        """For `secpkg.sspi` and `secpkg.lsa`: a connection to this lab."""
        return self.embedded.link(logon_process_name)

    def add_user(
        self, name: str, *, password: str | None = None, groups: Sequence[str] = (), posix_uid: int | None = None
    ) -> Account:
        """Create an account (and its groups where they are missing) and set its password."""
        authority = self.embedded.machine.authority
        with self.embedded.lock:
            known = {group.name.casefold() for group in authority.store.groups()}
            for group in groups:
                if group.casefold() not in known:
                    authority.store.create_group(group)
            account = authority.store.create_user(
                name, groups=tuple(groups), posix_uid=posix_uid, now=authority.clock()
            )
        if password is not None:
            self.embedded.set_password(name, password)
        return account

    def set_password(self, name: str, password: str, *, must_change: bool = False) -> None:
        """Set an account's password; every package derives its own verifier."""
        self.embedded.set_password(name, password, must_change=must_change)

    def update_user(self, name: str, **changes: Unpack[AccountChanges]) -> Account:
        """Change an account: ``enabled=False``, ``locked=True``, ``expires_at=...``, ``groups=...`` and the like."""
        with self.embedded.lock:
            return self.embedded.machine.authority.store.update(name, **changes)

    def add_module(self, module: Module, *, primary_credentials: bool = True) -> None:
        """AddSecurityPackage: load one more module. SEC_E_CANNOT_INSTALL with the reason when it is broken."""
        self.embedded.add_module(described(module), primary_credentials=primary_credentials)

    def add_provider(self, name: str, initialize: Callable[[], SecurityProvider] | None = None) -> None:
        """AddSecurityPackage of a plain SSP, for this process and until the lab is closed: the entry point of this
        name, or ``initialize`` under that name. SEC_E_SECPKG_NOT_FOUND.
        """
        if providers.is_added(name):
            raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="provider_is_added")
        providers.add(name, initialize)
        self._providers.append(name)

    def advance(self, seconds: float = 0.0) -> None:
        """Move the lab's `FrozenClock`, and call the callbacks of packages that come meanwhile. RuntimeError without
        one.
        """
        if self._scheduler is None:
            raise RuntimeError("this lab has no FrozenClock")
        with self.embedded.lock:
            self._scheduler.advance(seconds)

    def close(self) -> None:
        """End the authority: SpShutdown of every package; its plain SSPs are removed."""
        while self._providers:
            providers.remove(self._providers.pop())
        self.embedded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
