"""Being called back: RegisterNotification, CancelNotification, CreateThread.

A callback is a plain function or an ``async def`` that awaits LSA functions, with no client. What it raises goes to the
trace and to nobody else (R137). A notification's callbacks do not overlap: while one waits for the authority the next
is left out (an interval) or put off (a descriptor that is readable stays so).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Final

from secpkg.contract.flags import NotifierFlag, NotifierType, NotifyClass
from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.events import EventNotify, PackageChangeEvent
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.holdings import Holdings
    from secpkg.host.lsa_mode.load import HostedPackage
    from secpkg.host.lsa_mode.running import Running, Surroundings
    from secpkg.host.lsa_mode.scheduling import Cancels, Scheduler, Watch

Callback = Callable[[object], object]

_FLAGS: Final = NotifierFlag.NEW_THREAD | NotifierFlag.ONE_SHOT | NotifierFlag.SECONDS
_LARGEST_INTERVAL: Final = 0xFFFF_FFFF
_MINUTE: Final = 60.0


class Waiting:
    """A callback of a package that is still to come, or runs."""

    __slots__ = ("_coming", "_coroutine", "_ended", "_function", "_name", "_package", "_surroundings", "handle")

    def __init__(self, handle: int, running: Running, name: str, function: Callback) -> None:
        self.handle = handle
        self._surroundings: Surroundings = running.surroundings
        self._package: HostedPackage = running.package
        self._name = name
        self._function = function
        self._coming: Cancels | None = None
        self._coroutine: Coroutine[object, object, object] | None = None
        self._ended = False

    @property
    def _scheduler(self) -> Scheduler:
        return scheduler_of(self._surroundings)

    @property
    def _holdings(self) -> Holdings:
        return self._surroundings.holdings(self._package)

    def soon(self, argument: object) -> None:
        """Call the function once, soon."""
        self._coming = self._scheduler.call_soon(partial(self._call, argument))

    def _call(self, argument: object) -> None:
        if self._ended or self._coroutine is not None:
            return
        self._coroutine = _called(self._function, argument)
        self._surroundings.call_back(self._package, self._name, self._coroutine, self._returned)

    def _returned(self) -> None:
        self._coroutine = None
        if not self._ended:
            self.over()

    def over(self) -> None:
        """The function has returned."""
        self._holdings.drop(self.handle)

    def end(self, *, of_package: bool) -> None:
        """Call it no more. One that runs goes on to its end, but not beyond that of its package."""
        self._ended = True
        if self._coming is not None:
            self._coming.cancel()
        if of_package and self._coroutine is not None:
            try:
                self._coroutine.close()
            except (RuntimeError, ValueError):
                return  # it runs just now, or does not let itself be ended


async def _called(function: Callback, argument: object) -> None:
    result = function(argument)
    if isinstance(result, Coroutine):
        await result


def scheduler_of(surroundings: Surroundings) -> Scheduler:
    """Where callbacks come from; STATUS_NOT_SUPPORTED in a host that has no such thing."""
    if surroundings.scheduler is None:
        raise SecurityError(Status.STATUS_NOT_SUPPORTED, reason="no_callbacks_here")
    return surroundings.scheduler


class Thread(Waiting):
    """CreateThread."""

    __slots__ = ()


class Notification(Waiting):
    """RegisterNotification: what is the same for all types."""

    __slots__ = ("_once", "_parameter")

    def __init__(self, handle: int, running: Running, function: Callback, parameter: object, once: bool) -> None:
        super().__init__(handle, running, "RegisterNotification", function)
        self._parameter = parameter
        self._once = once

    def over(self) -> None:
        """Once more, unless once was all."""
        if self._once:
            super().over()


class Interval(Notification):
    """NOTIFIER_TYPE_INTERVAL: every so many seconds, counted from the registration."""

    __slots__ = ("_due", "_seconds")

    def every(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = self._scheduler.now()
        self._next()

    def _next(self) -> None:
        scheduler = self._scheduler
        missed = max(0.0, scheduler.now() - self._due) // self._seconds
        self._due += (missed + 1) * self._seconds
        self._coming = scheduler.call_at(self._due, self._tick)

    def _tick(self) -> None:
        if not self._once:
            self._next()
        self._call(self._parameter)


class HandleWait(Notification):
    """NOTIFIER_TYPE_HANDLE_WAIT: each time that the descriptor is readable. Unread, it comes again."""

    __slots__ = ("_watch",)

    def wait_for(self, descriptor: int) -> None:
        self._watch: Watch = self._scheduler.watch(descriptor, lambda: self._call(self._parameter))
        self._coming = self._watch

    def over(self) -> None:
        super().over()
        if not self._ended:
            self._watch.rearm()


class PackageChanges(Notification):
    """NOTIFIER_TYPE_NOTIFY_EVENT of class PACKAGE_CHANGE. Events are told one after the other, none is left out."""

    __slots__ = ("_events",)

    def listen(self) -> None:
        self._events: list[PackageChangeEvent] = []

    def tell(self, event: PackageChangeEvent) -> None:
        """A package was loaded, unloaded or preferred (R252)."""
        self._events.append(event)
        if len(self._events) == 1:
            self._tell_first()

    def _tell_first(self) -> None:
        notify = EventNotify(NotifyClass.PACKAGE_CHANGE, self._events[0], self._parameter)  # R254
        self.soon(notify)

    def over(self) -> None:
        del self._events[0]
        super().over()
        if self._events and not self._ended:
            self._tell_first()


def _refused(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_INVALID_PARAMETER, reason=reason)


@implements("lsa_secpkg", "RegisterNotification")
def register_notification(
    running: Running,
    function: Callback,
    parameter: object,
    notification_type: NotifierType,
    notification_class: NotifyClass | None,
    flags: NotifierFlag,
    interval_minutes: int,
    wait_event: int | None,
) -> int:
    """RegisterNotification (R249-R254): a handle for CancelNotification. INTERVAL, HANDLE_WAIT, IMMEDIATE, and
    NOTIFY_EVENT of class PACKAGE_CHANGE; STATE_CHANGE is taken and never comes, since the machine's domain is fixed
    while the authority runs. NEW_THREAD changes nothing: a callback runs alone, as all code of a module.

    STATUS_INVALID_PARAMETER for a class without NOTIFY_EVENT (R250), for a reserved class (R251), for an interval or
    a descriptor that is missing, not usable, or of no use to the type; STATUS_INSUFFICIENT_RESOURCES.
    """
    holdings = running.holdings
    scheduler_of(running.surroundings)
    _check(notification_type, notification_class, flags, interval_minutes, wait_event)
    once = bool(flags & NotifierFlag.ONE_SHOT) or notification_type is NotifierType.IMMEDIATE  # R249

    def held(kind: type[Notification]) -> Notification:
        return holdings.hold(lambda handle: kind(handle, running, function, parameter, once))

    notification = held(_KINDS[notification_type])
    if isinstance(notification, Interval):
        seconds = bool(flags & NotifierFlag.SECONDS)  # R253
        notification.every(interval_minutes * (1.0 if seconds else _MINUTE))
    elif isinstance(notification, HandleWait):
        assert wait_event is not None
        try:
            notification.wait_for(wait_event)
        except OSError:
            holdings.drop(notification.handle)
            raise _refused("wait_event_cannot_be_waited_for") from None
    elif isinstance(notification, PackageChanges):
        notification.listen()
    elif notification_type is NotifierType.IMMEDIATE:
        notification.soon(parameter)
    return notification.handle


_KINDS: Final = {
    NotifierType.INTERVAL: Interval,
    NotifierType.HANDLE_WAIT: HandleWait,
    NotifierType.NOTIFY_EVENT: PackageChanges,
    NotifierType.STATE_CHANGE: Notification,
    NotifierType.IMMEDIATE: Notification,
}


def _check(
    kind: NotifierType, of_class: NotifyClass | None, flags: NotifierFlag, interval: int, wait_event: int | None
) -> None:
    if kind is NotifierType.NOTIFY_EVENT:
        if of_class is not NotifyClass.PACKAGE_CHANGE:
            raise _refused("class_reserved")  # R251
    elif of_class is not None:
        raise _refused("class_without_notify_event")  # R250
    if flags & ~_FLAGS:
        raise _refused("flags_unknown")
    if (kind is NotifierType.INTERVAL) is not (0 < interval <= _LARGEST_INTERVAL):
        raise _refused("interval")
    if (kind is NotifierType.HANDLE_WAIT) is not (wait_event is not None):
        raise _refused("wait_event")
    if wait_event is not None:
        try:
            mode = os.fstat(wait_event).st_mode
        except (OSError, OverflowError):
            raise _refused("wait_event_is_no_descriptor") from None
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            raise _refused("wait_event_cannot_be_waited_for")


@implements("lsa_secpkg", "CancelNotification")
def cancel_notification(running: Running, notify_handle: int) -> None:
    """CancelNotification: STATUS_INVALID_PARAMETER for an unknown handle (R255), and for one that is over."""
    if running.holdings.held(notify_handle, Notification) is None:
        raise _refused("notification_unknown")
    running.holdings.drop(notify_handle)


@implements("lsa_secpkg", "CreateThread")
def create_thread(running: Running, function: Callback, parameter: object) -> int:
    """CreateThread (R137): the host runs the function soon, knows of it until it returns, and keeps what it raises to
    itself. It is no thread of the system: it runs when nothing else of the module does, and must not block. Returns
    its handle, for the trace; nothing waits for it. STATUS_INSUFFICIENT_RESOURCES.
    """
    scheduler_of(running.surroundings)
    thread = running.holdings.hold(lambda handle: Thread(handle, running, "CreateThread", function))
    thread.soon(parameter)
    return thread.handle
