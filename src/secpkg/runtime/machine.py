"""An authority with its modules: what embedded mode and the daemon have in common.

They differ in where the LSA halves run, which is one function: `StartPort`. Everything else - which packages there are,
what happens when a module is loaded, dies, drains, is quarantined or revived - is here, once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from secpkg.accounts.store import AccountStore
from secpkg.accounts.vault import Vault
from secpkg.authority.audit import AuditRecord
from secpkg.authority.directory import PackageDirectory, PackageEntry, PackageEvent
from secpkg.authority.lsa import LocalSecurityAuthority
from secpkg.authority.policy import Policy
from secpkg.contract.flags import MachineState, PackageChange
from secpkg.contract.lsa_mode.events import PackageChangeEvent
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PackageParameters, Setting
from secpkg.ipc.control import LoadedPackage, Traced
from secpkg.runtime.inbox import RESERVED_PACKAGES
from secpkg.runtime.modules import ModuleDescription
from secpkg.runtime.ports import Events, ModulePort
from secpkg.runtime.service import Descriptors, Service

PACKAGES_PER_MODULE: Final = 64
TRACE_SIZE: Final = 10_000

ModuleState = Literal["loading", "loaded", "broken", "draining", "quarantined"]


class Module(msgspec.Struct, eq=False):
    """One module that the operator listed (or an inbox one)."""

    key: str
    """Unique among live modules: the name, with a number behind it while a predecessor drains."""
    description: ModuleDescription
    first_package_id: int
    list: str
    primary_credentials: bool
    inbox: bool
    port: ModulePort | None = None
    state: ModuleState = "loading"
    reason: str = ""
    packages: tuple[int, ...] = ()
    accepting: set[int] = msgspec.field(default_factory=set)
    """Packages that were told to drain and may not have heard of it yet."""
    draining: set[int] = msgspec.field(default_factory=set)
    begun: Callable[[], None] | None = None
    gone: Callable[[], None] | None = None
    on_loaded: Callable[[], None] | None = None


StartPort = Callable[[ModuleDescription, int, Events], ModulePort]


class Machine:
    """The authority, its service and its modules."""

    def __init__(
        self,
        *,
        store: AccountStore,
        vault: Vault,
        audit: AuditRecord,
        policy: Policy,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        start_port: StartPort,
        descriptors: Descriptors | None = None,
        settings: Mapping[str, Mapping[str, Setting]] | None = None,
    ) -> None:
        self.settings = settings or {}
        """The operator's, by module."""
        self.directory = PackageDirectory(RESERVED_PACKAGES)
        self.authority = LocalSecurityAuthority(
            store=store,
            vault=vault,
            audit=audit,
            packages=self.directory,
            clock=clock,
            entropy=entropy,
            policy=policy,
            spawn=lambda coroutine: self.service.spawn(coroutine),  # noqa: PLW0108 - made of the authority, below
        )
        self.service = Service(self.authority, descriptors)
        self.modules: dict[str, Module] = {}
        self.trace: deque[tuple[int, int, Traced]] = deque(maxlen=TRACE_SIZE)
        self.trace_count = 0
        self.tracing = False
        self.on_traced: Callable[[], None] | None = None
        """Told of every observed call, for whoever waits for one."""
        self._start_port = start_port
        self.directory.watch(self._package_changed)
        self._serial = 1

    def parameters(self, description: ModuleDescription) -> PackageParameters:
        """SECPKG_PARAMETERS of a module, with its own seed (R36). The machine is in no domain but its own."""
        authority = self.authority
        return PackageParameters(
            authority.store.domain_name,
            str(authority.store.domain_sid),
            machine_state=MachineState.STANDALONE,
            seed=authority.vault.derive("decoy seed", description.name),
            settings=dict(self.settings.get(description.name, {})),
        )

    def add_module(
        self,
        description: ModuleDescription,
        on_loaded: Callable[[Module], None],
        *,
        list_name: str = "security_packages",
        primary_credentials: bool = False,
        inbox: bool = False,
    ) -> Module:
        """Load a module; ``on_loaded`` is told once, when it is loaded or broken. A module of the same name that still
        serves is refused.
        """
        name = description.name
        if any(m.description.name == name and m.state != "draining" for m in self.modules.values()):
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="module_already_loaded")
        self._serial += 1
        # A predecessor that has left the list may still be stopping.
        key = f"{name}@{self._serial}" if name in self.modules or name in self.service.ports else name
        first = self.directory.reserve(PACKAGES_PER_MODULE)
        module = Module(key, description, first, list_name, primary_credentials, inbox)
        module.on_loaded = lambda: on_loaded(module)
        self.modules[key] = module
        events = Events(
            loaded=lambda packages, fault: self._loaded(module, packages, fault),
            died=lambda: self._died(module),
            draining=lambda package_id: self._draining(module, package_id),
            drained=lambda package_id: self._drained(module, package_id),
            unload=lambda package_id: self._unload(module, package_id),
            quarantined=lambda reason: self._quarantined(module, reason),
            channel_closed=self.service.forget_channel,
            traced=self.note,
            lsa_call=self.service.lsa_call,
        )
        try:
            module.port = self._start_port(description, first, events)
        except BaseException:
            del self.modules[key]
            raise
        self.service.ports[key] = module.port
        if self.tracing:
            module.port.set_trace(True)
        self._notify(module)
        return module

    def _notify(self, module: Module) -> None:
        """Tell who waits for the load, once, after the port is in place (embedded mode loads before it returns)."""
        if module.state != "loading" and module.port is not None and module.on_loaded is not None:
            told, module.on_loaded = module.on_loaded, None
            told()

    def _loaded(self, module: Module, packages: tuple[LoadedPackage, ...], fault: str) -> None:
        if fault:
            module.state, module.reason = "broken", fault
            for package_id in module.packages:  # it served before, and is not what was registered any more
                self.directory.set_state(package_id, "broken", fault)
            self._audit("module_broken", module, Status.SEC_E_CANNOT_INSTALL)
            self._notify(module)
            return
        again = bool(module.packages)
        for loaded in packages:
            if again:
                self._revived(loaded.package)
            else:
                self._enter(module, loaded)
        module.packages = tuple(loaded.package for loaded in packages)
        if module.state != "draining":
            module.state, module.reason = "loaded", ""
        self._audit("module_loaded", module, Status.STATUS_SUCCESS)
        self._notify(module)

    def _enter(self, module: Module, loaded: LoadedPackage) -> None:
        entry = PackageEntry(
            loaded.package,
            loaded.info,
            module.key,
            frozenset(loaded.functions),
            inbox=module.inbox,
            primary_credentials=module.primary_credentials,
            state="broken" if loaded.broken else "loaded",
            reason=loaded.broken,
            thunks=loaded.thunks,
        )
        try:
            self.directory.add(entry)
        except SecurityError as refused:
            self.directory.add(msgspec.structs.replace(entry, state="broken", reason=refused.reason))

    def _revived(self, package_id: int) -> None:
        entry = self.directory.entry(package_id)
        if entry.state == "quarantined":
            self.directory.set_state(package_id, "loaded")

    def _package_changed(self, event: PackageEvent, entry: PackageEntry) -> None:
        kind = PackageChange.LOAD if event == "load" else PackageChange.UNLOAD
        change = PackageChangeEvent(kind, entry.package_id, entry.name)
        for key, port in tuple(self.service.ports.items()):
            if event == "unload" or key != entry.module:  # what a module loads itself is no news to it
                port.package_changed(change)

    def _died(self, module: Module) -> None:
        for package_id in module.packages:
            self.authority.package_gone(package_id)
        if module.packages:
            self._audit("worker_died", module, Status.SEC_E_INTERNAL_ERROR)
        if module.state == "draining":
            self.finish(module)  # what it was waiting for is gone

    def _quarantined(self, module: Module, reason: str) -> None:
        module.state, module.reason = "quarantined", reason
        for package_id in module.packages:
            if self.directory.entry(package_id).state == "loaded":
                self.directory.set_state(package_id, "quarantined", reason)
        self._audit("module_quarantined", module, Status.SEC_E_CANNOT_INSTALL)
        self._notify(module)

    def revive(self, module: Module, on_loaded: Callable[[Module], None]) -> None:
        """Give a quarantined module another chance."""
        if module.state != "quarantined" or module.port is None:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=f"module_is_{module.state}")
        module.state, module.reason = "loading", ""
        module.on_loaded = lambda: on_loaded(module)
        module.port.revive()

    def drain(self, module: Module, gone: Callable[[], None], begun: Callable[[], None] | None = None) -> int:
        """Take a module out of service: new contexts are refused, existing ones live until they are closed or `finish`
        comes. Returns how many packages have to drain. ``begun`` is told when no new context can be made any more.
        """
        if module.state == "draining":
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="module_is_draining")
        module.gone = gone
        serving = [p for p in module.packages if self.directory.entry(p).state in ("loaded", "quarantined")]
        alive = module.state == "loaded"
        module.state = "draining"
        for package_id in serving:
            self.directory.set_state(package_id, "draining", "removed")
        module.draining = set(serving)
        module.accepting = set(serving)
        if not alive or module.port is None or not serving:
            module.begun = begun
            self.finish(module)
            return 0
        for package_id in serving:
            module.port.drain(package_id)
        module.begun = begun
        if not module.accepting:  # embedded, it is all over by now
            self._tell_begun(module)
        return len(module.draining)

    def _draining(self, module: Module, package_id: int) -> None:
        module.accepting.discard(package_id)
        if not module.accepting:
            self._tell_begun(module)

    def _tell_begun(self, module: Module) -> None:
        begun, module.begun = module.begun, None
        if begun is not None:
            begun()

    def _drained(self, module: Module, package_id: int) -> None:
        module.draining.discard(package_id)
        if module.state == "draining" and not module.draining:
            self.finish(module)

    def finish(self, module: Module) -> None:
        """The end of a draining module, whatever it still holds."""
        if self.modules.get(module.key) is not module:
            return
        del self.modules[module.key]
        if module.state == "loading":
            module.state, module.reason = "draining", "removed"
        self._notify(module)
        port = self.service.ports.get(module.key)

        def stopped() -> None:
            self.service.ports.pop(module.key, None)
            for package_id in module.packages:
                if self.directory.entry(package_id).state == "draining":
                    self.directory.set_state(package_id, "broken", "removed")  # nothing more is asked of it
            gone, module.gone = module.gone, None
            if gone is not None:
                gone()

        self._audit("module_unloaded", module, Status.STATUS_SUCCESS)
        self._tell_begun(module)
        if port is None:
            stopped()
        else:
            port.stop(stopped)

    def _unload(self, module: Module, package_id: int) -> None:
        if package_id in module.packages and self.directory.entry(package_id).state == "loaded":
            self.directory.set_state(package_id, "broken", "the package unloaded itself")
            self.authority.package_gone(package_id)

    def _audit(self, event: str, module: Module, status: Status) -> None:
        facts = {"module": module.description.name, "reason": module.reason[:200]}
        try:
            self.authority.audit.append(event, status=status, facts=facts)
        except SecurityError:
            return  # a record that cannot be written stops the next logon (lock 10)

    # --- looking on ----------------------------------------------------------------------------------------------

    def set_trace(self, on: bool) -> None:
        """Have every call reported, or no longer."""
        self.tracing = on
        for module in self.modules.values():
            if module.port is not None:
                module.port.set_trace(on)

    def note(self, process: int, event: Traced) -> None:
        """Keep an observed call of the process with this id for who reads."""
        self.trace_count += 1
        self.trace.append((self.trace_count, process, event))
        if self.on_traced is not None:
            self.on_traced()

    def module_of(self, name: str) -> Module:
        """A live module by its own name or by one of its packages'; STATUS_NO_SUCH_PACKAGE."""
        modules = sorted(self.modules.values(), key=lambda module: module.state == "draining")  # a successor first
        for module in modules:
            if name in (module.key, module.description.name):
                return module
        folded = name.casefold()
        for module in modules:
            if any(self.directory.entry(p).name.casefold() == folded for p in module.packages):
                return module
        raise SecurityError(Status.STATUS_NO_SUCH_PACKAGE, reason="no_such_package")
