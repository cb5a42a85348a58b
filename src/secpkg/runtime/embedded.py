"""Embedded mode: application, authority and packages in one process. No daemon, no root, no files unless asked for.

There is no isolation: a package can do to the process what any of its code can. One lock guards the whole; a call runs
to its end in the caller's thread.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from secpkg.accounts.store import AccountStore
from secpkg.accounts.vault import Vault
from secpkg.authority.audit import AuditRecord, derive_key
from secpkg.authority.policy import Policy
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo, Setting
from secpkg.host.lsa_mode.load import LoadFault
from secpkg.host.lsa_mode.scheduling import Scheduler
from secpkg.ipc import where
from secpkg.runtime.embedded_link import LocalLink
from secpkg.runtime.embedded_port import LocalPort
from secpkg.runtime.inbox import is_inbox
from secpkg.runtime.machine import Machine, Module
from secpkg.runtime.management import Management
from secpkg.runtime.master_keys import MasterKeys
from secpkg.runtime.modules import LsaModeInitialize, ModuleDescription, describe, lsa_mode_initialize
from secpkg.runtime.ports import Events, answer
from secpkg.runtime.scheduling import ThreadScheduler

if TYPE_CHECKING:
    from secpkg.runtime.config import PassthroughConfig
    from secpkg.runtime.passthrough import EmbeddedPassthrough

_DOMAIN: Final = "LOCAL"


class EmbeddedAuthority:
    """An authority of this process. ``modules`` are names of installed modules, or pairs of a description and its
    SpLsaModeInitialize for code that is not installed (tests).
    """

    def __init__(
        self,
        *,
        store: AccountStore | None = None,
        domain: str = _DOMAIN,
        master_key: bytes | MasterKeys | None = None,
        modules: Sequence[str | tuple[ModuleDescription, LsaModeInitialize]] = (),
        primary_credentials: bool = False,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = os.urandom,
        scheduler: Scheduler | None = None,
        settings: Mapping[str, Mapping[str, Setting]] | None = None,
    ) -> None:
        from secpkg.accounts.memory import MemoryAccountStore

        self.lock = threading.RLock()
        self._initializers: dict[str, LsaModeInitialize] = {}
        if isinstance(master_key, MasterKeys):
            vault = master_key.vault()
        else:
            vault = Vault(master_key if master_key is not None else entropy(32))
        chosen = policy if policy is not None else Policy()
        self._clock = clock
        self._entropy = entropy
        self._thread = ThreadScheduler(self.lock)
        self._scheduler: Scheduler = self._thread if scheduler is None else scheduler
        self.machine = Machine(
            store=store if store is not None else MemoryAccountStore(domain, vault, lockout=chosen.lockout),
            vault=vault,
            audit=AuditRecord(None, derive_key(vault), clock=clock),
            policy=chosen,
            clock=clock,
            entropy=entropy,
            start_port=self._start_port,
            settings=settings,
        )
        self.management = Management(self.machine, None)
        self._passthrough: EmbeddedPassthrough | None = None
        for module in modules:
            self.add_module(module, primary_credentials=primary_credentials)

    def _start_port(self, description: ModuleDescription, first_package_id: int, events: Events) -> LocalPort:
        initialize = self._initializers.get(description.name)
        if initialize is None:
            try:
                initialize = lsa_mode_initialize(description)
            except LoadFault as fault:
                raise SecurityError(Status.SEC_E_CANNOT_INSTALL, reason=str(fault)) from None
        return LocalPort(
            lambda: self.machine,
            description,
            first_package_id,
            events,
            initialize,
            self._clock,
            self._entropy,
            self.lock,
            self._scheduler,
        )

    def add_module(
        self, module: str | tuple[ModuleDescription, LsaModeInitialize], *, primary_credentials: bool = False
    ) -> Module:
        """AddSecurityPackage: load a module now. SEC_E_CANNOT_INSTALL with the reason when it is broken as a whole; a
        package of it that is broken is listed with its reason and hidden from enumeration (spec/README 1, R18).
        """
        if isinstance(module, str):
            description = describe(module)
        else:
            description, initialize = module
            self._initializers[description.name] = initialize
        with self.lock:
            loaded = self.machine.add_module(
                description,
                lambda _module: None,
                primary_credentials=primary_credentials,
                inbox=is_inbox(description.name, description.distribution),
            )
        if loaded.state == "broken":
            raise SecurityError(Status.SEC_E_CANNOT_INSTALL, reason=loaded.reason)
        return loaded

    def link(self, logon_process_name: str | None = None) -> LocalLink:
        """A connection of this process. An embedded authority has one trust domain, its own process."""
        caller = ClientInfo(os.getpid(), os.getuid(), os.getgid(), has_tcb_privilege=True)
        return LocalLink(self, caller, logon_process_name)

    def set_password(self, name: str, password: str, *, must_change: bool = False) -> None:
        """Set an account's password; every package derives its own verifier."""
        with self.lock:
            answer(
                self.machine.authority.set_password(name, password, must_change=must_change),
                self.machine.service.ask,
                _nobody,
            )

    def use_passthrough(self, config: PassthroughConfig) -> EmbeddedPassthrough:
        """Reach other authorities, and be reached where ``config`` listens (docs/adr/0014). `StateFault` when that
        cannot be done. It ends with this authority.
        """
        from secpkg.runtime.passthrough import EmbeddedPassthrough

        if self._passthrough is not None:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="passthrough_is_there")
        self._passthrough = EmbeddedPassthrough(config, self.machine.service, self.lock)
        self.machine.authority.passthrough = self._passthrough
        return self._passthrough

    def close(self) -> None:
        """SpShutdown of every package; then the store."""
        if self._passthrough is not None:
            self._passthrough.close()
        with self.lock:
            for module in reversed(list(self.machine.modules.values())):
                self.machine.finish(module)
            self._thread.close()
            self.machine.authority.store.close()
            self.machine.authority.audit.close()


def _nobody(_value: object, _error: BaseException | None) -> None:
    raise AssertionError("embedded calls are answered in place")


_default: EmbeddedAuthority | None = None
_default_lock = threading.Lock()


def _in_child() -> None:
    # The parent's authority is the parent's, sessions and all; and a thread that is not here may hold its lock.
    global _default, _default_lock
    _default, _default_lock = None, threading.Lock()


def _at_exit() -> None:
    if _default is not None:
        _default.close()


os.register_at_fork(after_in_child=_in_child)


def link(address: str, logon_process_name: str | None = None) -> LocalLink:
    """A connection to the process's own embedded authority, made at the first use as the configuration files say:
    ``security_packages`` are its modules, ``directory`` keeps its accounts. Without them it has no packages, and
    accounts in memory. It ends, SpShutdown and all, with the process.

    SecurityError when that cannot be done: SEC_E_SECPKG_NOT_FOUND, SEC_E_CANNOT_INSTALL, and
    SEC_E_NO_AUTHENTICATING_AUTHORITY (``directory_not_absolute``) for the directory. The next call tries again.
    """
    global _default  # noqa: PLW0603
    with _default_lock:
        if _default is None:
            _default = _configured(where.configuration())
            atexit.register(_at_exit)
        return _default.link(logon_process_name)


def _configured(configuration: where.Configuration) -> EmbeddedAuthority:
    from secpkg.runtime.inbox import INBOX_MODULES

    made = EmbeddedAuthority() if configuration.directory is None else _kept(configuration.directory)
    try:
        for name in (*INBOX_MODULES, *configuration.security_packages):
            try:
                made.add_module(name, primary_credentials=True)
            except SecurityError as error:
                error.add_note(f"module {name} of the key security_packages")
                raise
    except BaseException:
        made.close()
        raise
    return made


def _kept(path: str) -> EmbeddedAuthority:
    from secpkg.accounts.sqlite import SqliteAccountStore
    from secpkg.runtime import state

    directory = Path(path)
    if not directory.is_absolute():
        raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="directory_not_absolute")
    state.prepare(directory)
    keys = state.master_key(directory / "master.key")
    store = SqliteAccountStore(directory / "accounts.db", keys.vault(), domain=_DOMAIN, lockout=Policy().lockout)
    made = EmbeddedAuthority(store=store, master_key=keys)
    made.machine.authority.domain_policy.keep_in(directory / "domain-policy")
    return made
