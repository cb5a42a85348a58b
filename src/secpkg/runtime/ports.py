"""A module as the authority's side sees it, whether its LSA halves run in this process or in a worker."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Final, Protocol

import msgspec

from secpkg.authority.connections import Connection
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.lsa_mode.events import PackageChangeEvent
from secpkg.contract.requests import PARKED, Ask, Resume, drive
from secpkg.contract.values import ClientInfo
from secpkg.ipc.control import LoadedPackage, Traced
from secpkg.runtime.modules import ModuleDescription

LsaCalls = Callable[[Origin, str, tuple[object, ...], Resume], object]
"""Answers an LSA function of a package: a value, or `PARKED`; raises the documented failure."""


class ModulePort(Protocol):
    """One module at work."""

    @property
    def description(self) -> ModuleDescription:
        """Which module."""
        ...

    def package_call(
        self, target: PackageTarget, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        """Call a function of a package: its value, or `PARKED`; raises the documented failure."""
        ...

    def open_channel(self, number: int, caller: ClientInfo, connection: Connection, opened: Opened) -> None:
        """Make a channel for an application; ``opened`` is told its end of it, or the failure."""
        ...

    def close_channel(self, number: int) -> None:
        """The application is gone: run its handles down."""
        ...

    def drain(self, package_id: int) -> None:
        """No new contexts of a package; the owner of the port is told when that holds, and when none is left."""
        ...

    def package_changed(self, change: PackageChangeEvent) -> None:
        """Tell the packages that registered for it (R252)."""
        ...

    def set_trace(self, on: bool) -> None:
        """Report every call, or stop to."""
        ...

    def revive(self) -> None:
        """Start again after a quarantine."""
        ...

    def status(self) -> dict[str, object] | None:
        """Process id, restarts and channels of a worker, for the operator; None when there is no process."""
        ...

    def stop(self, stopped: Callable[[], None]) -> None:
        """SpShutdown and the end."""
        ...


Opened = Callable[[object, BaseException | None], None]
"""Told the application's end of a channel (a descriptor to send, or a local channel), or why there is none."""

LoadedOrBroken = Callable[[tuple[LoadedPackage, ...], str], None]
"""Told the packages of a module that was loaded, or what is wrong with it as a whole."""


class Events(msgspec.Struct, frozen=True):
    """What the owner of a port is told."""

    loaded: LoadedOrBroken
    """The module is loaded (again), or broken as a whole."""
    died: Callable[[], None]
    """The worker is gone; it will be started again unless `quarantined` follows."""
    draining: Callable[[int], None]
    """A package that was told to drain makes no new contexts any more."""
    drained: Callable[[int], None]
    """A draining package has no contexts left."""
    unload: Callable[[int], None]
    """A package asked to be taken out of service (R39)."""
    quarantined: Callable[[str], None]
    """The module crashed too often; why."""
    channel_closed: Callable[[int], None]
    """A channel has ended that nobody here closed: by its application, or with the worker."""
    traced: Callable[[int, Traced], None]
    """A finished call in the process of this id."""
    lsa_call: LsaCalls


_KEPT: Final = 64


class Legs:
    """The origins of the calls that an application makes into a module on one channel: one per call, so that what
    OpenSamUser opened in a leg is found by its next LSA function. The newest `_KEPT` are kept, and up to as many more.
    """

    __slots__ = ("_origins", "caller", "connection")

    def __init__(self, connection: Connection, caller: ClientInfo) -> None:
        self.connection = connection
        self.caller = caller
        self._origins: dict[int, Origin] = {}

    def origin(self, package_id: int, call: int) -> Origin:
        """The origin of one call."""
        origins = self._origins
        origin = origins.get(call)
        if origin is None or origin.package_id != package_id:
            if len(origins) >= 2 * _KEPT:
                self._forget()
            origin = origins[call] = Origin(package_id, self.connection, self.caller)
        return origin

    def _forget(self) -> None:
        for call in [*islice(self._origins, _KEPT)]:
            self._origins.pop(call).scratch.end()

    def end(self) -> None:
        """The channel is gone: what its calls left open is released."""
        for origin in self._origins.values():
            origin.scratch.end()
        self._origins.clear()


def answer(coroutine: Coroutine[object, object, object], ask: Ask, resume: Resume) -> object:
    """Drive a coroutine for someone who expects a value, `PARKED`, or an exception, as `Ask` does."""
    outcome: list[tuple[object, BaseException | None]] = []
    parked = False

    def done(value: object, error: BaseException | None) -> None:
        if parked:
            resume(value, error)
        else:
            outcome.append((value, error))

    drive(coroutine, ask, done)
    if not outcome:
        parked = True
        return PARKED
    ((value, error),) = outcome
    if error is not None:
        raise error
    return value
