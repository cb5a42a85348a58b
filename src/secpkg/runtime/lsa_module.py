"""The LSA halves of one module, loaded and at work: the same in a worker and in embedded mode."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.events import PackageChangeEvent
from secpkg.contract.requests import Request, Resume, drive
from secpkg.contract.status import SecurityError
from secpkg.contract.values import ClientInfo, PackageParameters
from secpkg.host.lsa_mode.dispatcher import Dispatcher
from secpkg.host.lsa_mode.load import HostedPackage, LoadFault, explain, load_packages, tables_of
from secpkg.host.lsa_mode.local.callbacks import Clients
from secpkg.host.lsa_mode.local.notifications import PackageChanges
from secpkg.host.lsa_mode.running import Link, Running, Surroundings, running
from secpkg.host.lsa_mode.scheduling import Scheduler
from secpkg.runtime.modules import LsaModeInitialize

NOBODY: Final = ClientInfo(process_id=0, uid=-1, gid=-1)
"""The caller of calls that the authority makes for itself (start-up, SpShutdown)."""

_MASK: Final = os.urandom(64)


def protect(buffer: bytearray) -> None:
    """LsaProtectMemory and its inverse, in place (R121): a keyed stream of this process over the bytes.

    It keeps a secret out of a casual look at memory (a heap dump, a core file of another process); whoever can read
    this process's whole memory has the key too. SECURITY.md says so.
    """
    for start in range(0, len(buffer), len(_MASK)):
        chunk = buffer[start : start + len(_MASK)]
        mixed = int.from_bytes(chunk, "little") ^ int.from_bytes(_MASK[: len(chunk)], "little")
        buffer[start : start + len(_MASK)] = mixed.to_bytes(len(chunk), "little")


class LsaModule:
    """One module: `load` it, then use `dispatcher`, then `shutdown`."""

    __slots__ = ("_starting", "dispatcher", "packages", "surroundings")

    def __init__(
        self,
        link: Link,
        *,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        timeout: float,
        scheduler: Scheduler | None = None,
        clients: Clients | None = None,
    ) -> None:
        self.surroundings = Surroundings(link, clock=clock, entropy=entropy, protect=protect, timeout=timeout)
        self.surroundings.scheduler = scheduler
        self.surroundings.clients = clients
        self.packages: list[HostedPackage] = []
        self._starting: Running | None = None
        self.dispatcher = Dispatcher([], self.surroundings)

    def load(
        self,
        initialize: LsaModeInitialize,
        first_package_id: int,
        parameters: PackageParameters,
        done: Callable[[str], None],
    ) -> None:
        """Load every package; ``done`` is told what is wrong with the module as a whole, "" when nothing is."""
        try:
            tables = tables_of(initialize)
        except LoadFault as fault:
            done(str(fault))
            return

        def begin(hosted: HostedPackage) -> None:
            self._starting = running(self.surroundings, hosted, "SpInitialize", _ignore)

        def loaded(value: object, error: BaseException | None) -> None:
            if error is not None or not isinstance(value, list):
                done(explain(error) if error is not None else "nothing was loaded")
                return
            self.packages = value
            self.dispatcher = Dispatcher(value, self.surroundings)
            for package in value:
                if package.broken:
                    self.surroundings.package_ended(package.package_id)
            done("")

        drive(load_packages(tables, first_package_id, parameters, begin), self._ask, loaded)

    def _ask(self, request: Request[object], resume: Resume) -> object:
        assert self._starting is not None  # `begin` comes before anything that a package can do
        return self._starting.ask(request, resume)

    def unload(self, package_id: int) -> None:
        """UnloadPackage (R39): the package is out of service, and what it holds is released."""
        self.dispatcher.unload(package_id)
        self.surroundings.package_ended(package_id)

    def package_changed(self, change: PackageChangeEvent) -> None:
        """Tell who registered for package changes (R252)."""
        for holdings in self.surroundings.all_holdings():
            for notification in holdings.all(PackageChanges):
                notification.tell(change)

    @implements("lsa_mode", "SpShutdown")
    def shutdown(self, done: Callable[[], None]) -> None:
        """SpShutdown of every package that has it, in reverse order of loading (spec/README 1)."""
        waiting = [package for package in self.packages if "shutdown" in package.table]

        def following(_value: object, _error: BaseException | None) -> None:
            if not waiting:
                for package in self.packages:
                    self.surroundings.package_ended(package.package_id)
                done()
                return
            package = waiting.pop()
            try:
                self.dispatcher.package_call(package.package_id, "shutdown", (), NOBODY, following)
            except SecurityError:
                following(None, None)

        following(None, None)


def _ignore(_value: object, _error: BaseException | None) -> None:
    """The load itself is told."""
