"""Section N of the rules: notifications."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from tests.rules.asking import Asker, Asking
from tests.rules.packages import Badge, module

import secpkg
from secpkg.contract import LsaFunctions, PackageParameters, SecurityError, Status
from secpkg.contract.flags import NotifierFlag, NotifierType, NotifyClass, PackageChange
from secpkg.contract.lsa_mode.events import EventNotify, PackageChangeEvent
from secpkg.testing import LabAuthority
from secpkg.testing.lab import described

INTERVAL, WAIT, EVENT = NotifierType.INTERVAL, NotifierType.HANDLE_WAIT, NotifierType.NOTIFY_EVENT
IMMEDIATE, STATE = NotifierType.IMMEDIATE, NotifierType.STATE_CHANGE
ONE_SHOT, SECONDS, NEW_THREAD = NotifierFlag.ONE_SHOT, NotifierFlag.SECONDS, NotifierFlag.NEW_THREAD
NONE = NotifierFlag(0)


@pytest.fixture
def asking() -> Iterator[Asking]:
    with Asking() as asking:
        yield asking


@pytest.fixture
def event() -> Iterator[int]:
    descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    yield descriptor
    os.close(descriptor)


class Heard:
    """What a notification's function is called with, and when."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self.start = asking.clock.now
        self.told: list[tuple[float, object]] = []

    def __call__(self, parameter: object) -> None:
        self.told.append((self.asking.clock.now - self.start, parameter))

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.told]

    def register(
        self,
        kind: NotifierType,
        of_class: NotifyClass | None = None,
        flags: NotifierFlag = NONE,
        interval: int = 0,
        wait_event: int | None = None,
    ) -> int:
        return self.asking.ask(
            lambda authority: authority.register_notification(self, "p", kind, of_class, flags, interval, wait_event)
        )

    def cancel(self, handle: int) -> None:
        self.asking.ask(lambda authority: authority.cancel_notification(handle))


@pytest.mark.proves("lsa_secpkg.RegisterNotification")
@pytest.mark.breaks("R249", "secpkg.host.lsa_mode.local.notifications:Waiting.soon")
@pytest.mark.parametrize("flags", [NONE, ONE_SHOT, NEW_THREAD])
def test_R249_an_immediate_one_comes_once_whatever_the_flags(asking: Asking, flags: NotifierFlag) -> None:
    heard = Heard(asking)
    handle = heard.register(IMMEDIATE, flags=flags)
    assert heard.told == [], "not within the call that registers"
    asking.lab.advance(3600)
    assert heard.told == [(0, "p")]
    assert asking.refused(lambda a: a.cancel_notification(handle)) is Status.STATUS_INVALID_PARAMETER, "it is over"


@pytest.mark.proves("lsa_secpkg.RegisterNotification")
@pytest.mark.breaks("R253", "secpkg.host.lsa_mode.local.notifications:Interval.every")
@pytest.mark.parametrize(("flags", "unit"), [(NONE, 60), (SECONDS, 1)])
def test_R253_an_interval_is_in_minutes_and_with_the_flag_in_seconds(
    asking: Asking, flags: NotifierFlag, unit: int
) -> None:
    heard = Heard(asking)
    heard.register(INTERVAL, flags=flags, interval=5)
    asking.lab.advance(5 * unit - 0.5)
    assert heard.told == []
    asking.lab.advance(11 * unit)
    assert heard.times == [5 * unit, 10 * unit, 15 * unit]


def test_an_interval_of_one_shot_comes_once(asking: Asking) -> None:
    heard = Heard(asking)
    heard.register(INTERVAL, flags=SECONDS | ONE_SHOT, interval=2)
    asking.lab.advance(60)
    assert heard.told == [(2, "p")]


def test_missed_intervals_are_left_out(asking: Asking) -> None:
    heard = Heard(asking)
    heard.register(INTERVAL, flags=SECONDS, interval=2)
    asking.clock.advance(7)
    asking.lab.advance(3)
    assert heard.times == [7, 8, 10]


@pytest.mark.breaks("R250", "secpkg.host.lsa_mode.local.notifications:_check")
@pytest.mark.parametrize("kind", [INTERVAL, STATE, IMMEDIATE])
def test_R250_a_class_belongs_to_events_alone(asking: Asking, kind: NotifierType) -> None:
    def register(authority: LsaFunctions) -> object:
        interval = int(kind is INTERVAL)
        return authority.register_notification(print, None, kind, NotifyClass.PACKAGE_CHANGE, NONE, interval)

    assert asking.refused(register) is Status.STATUS_INVALID_PARAMETER  # type: ignore[arg-type]


@pytest.mark.breaks("R251", "secpkg.host.lsa_mode.local.notifications:_check")
@pytest.mark.parametrize("of_class", [None, *(c for c in NotifyClass if c is not NotifyClass.PACKAGE_CHANGE)])
def test_R251_the_other_classes_are_reserved(asking: Asking, of_class: NotifyClass | None) -> None:
    status = asking.refused(lambda a: a.register_notification(print, None, EVENT, of_class))
    assert status is Status.STATUS_INVALID_PARAMETER


@pytest.mark.proves("lsa_secpkg.RegisterNotification")
@pytest.mark.breaks("R252", "secpkg.runtime.machine:Machine._package_changed")
def test_R252_R254_an_event_says_which_package_and_what_was_registered(asking: Asking) -> None:
    heard = Heard(asking)
    heard.register(EVENT, NotifyClass.PACKAGE_CHANGE)
    embedded = asking.lab.embedded
    loaded = described(module(Badge("Late")))
    assert not isinstance(loaded, str)
    entered = embedded.add_module(loaded)
    with embedded.lock:
        embedded.machine.drain(entered, lambda: None)
    assert heard.told == []
    asking.lab.advance()
    (number,) = entered.packages
    kinds = (PackageChange.LOAD, PackageChange.UNLOAD)
    assert [told for _, told in heard.told] == [
        EventNotify(NotifyClass.PACKAGE_CHANGE, PackageChangeEvent(kind, number, "Late"), "p") for kind in kinds
    ]


@pytest.mark.breaks("R254", "secpkg.host.lsa_mode.local.notifications:PackageChanges.tell")
def test_R254_an_event_of_one_shot_comes_once(asking: Asking) -> None:
    heard = Heard(asking)
    heard.register(EVENT, NotifyClass.PACKAGE_CHANGE, ONE_SHOT)
    for name in ("One", "Two"):
        loaded = described(module(Badge(name)))
        assert not isinstance(loaded, str)
        asking.lab.embedded.add_module(loaded)
    asking.lab.advance()
    assert len(heard.told) == 1


@pytest.mark.proves("lsa_secpkg.CancelNotification")
@pytest.mark.breaks("R255", "secpkg.host.lsa_mode.local.notifications:cancel_notification")
def test_R255_cancelled_is_cancelled_and_an_unknown_handle_is_refused(asking: Asking) -> None:
    heard = Heard(asking)
    handle = heard.register(INTERVAL, flags=SECONDS, interval=1)
    other = heard.register(IMMEDIATE)
    asking.lab.advance(2)
    heard.cancel(handle)
    asking.lab.advance(60)
    assert heard.times == [0, 1, 2]
    for unknown in (handle, other, 0, 99):
        status = asking.refused(lambda a, h=unknown: a.cancel_notification(h))  # type: ignore[misc]
        assert status is Status.STATUS_INVALID_PARAMETER


def test_R255_a_thread_is_no_notification(asking: Asking) -> None:
    heard = Heard(asking)
    thread = asking.ask(lambda authority: authority.create_thread(heard, "p"))
    assert asking.refused(lambda a: a.cancel_notification(thread)) is Status.STATUS_INVALID_PARAMETER
    asking.lab.advance()
    assert heard.told == [(0, "p")]


def test_an_event_that_is_signalled_is_heard_each_time(asking: Asking, event: int) -> None:
    heard = Heard(asking)

    def reads(parameter: object) -> None:
        os.eventfd_read(event)
        heard(parameter)

    handle = asking.ask(lambda a: a.register_notification(reads, "p", WAIT, wait_event=event))
    asking.lab.advance(1)
    assert heard.told == []
    for _ in range(2):
        os.eventfd_write(event, 1)
        asking.lab.advance(1)
        asking.lab.advance(1)
    assert len(heard.told) == 2
    heard.cancel(handle)
    os.eventfd_write(event, 1)
    asking.lab.advance(1)
    assert len(heard.told) == 2


def test_a_signal_of_one_shot_is_heard_once(asking: Asking, event: int) -> None:
    heard = Heard(asking)
    heard.register(WAIT, flags=ONE_SHOT, wait_event=event)
    os.eventfd_write(event, 1)
    asking.lab.advance(1)
    asking.lab.advance(1)
    assert len(heard.told) == 1


def test_a_callback_awaits_lsa_functions_and_has_no_client(asking: Asking) -> None:
    found: list[object] = []

    async def looks(parameter: object) -> None:
        data = await asking.package.authority.get_auth_data_for_user("alice")
        found.append(data.account_name)
        try:
            await asking.package.authority.get_client_info()
        except SecurityError as error:
            found.append(error.status)
        raise RuntimeError("kept from the host")

    asking.ask(lambda a: a.register_notification(looks, None, INTERVAL, None, SECONDS, 1))
    asking.lab.advance(2)
    assert found == ["alice", Status.STATUS_UNSUCCESSFUL] * 2


def test_a_notification_registered_at_start_up_ends_with_the_package() -> None:
    package = Asker()
    heard: list[object] = []

    async def register(authority: LsaFunctions) -> int:
        return await authority.register_notification(heard.append, "p", INTERVAL, None, SECONDS, 1)

    package.at_start = register
    with Asking(package) as asking:
        assert package.found == [1]
        asking.lab.advance(1)
        assert heard == ["p"]
    asking.lab.advance(10)
    assert heard == ["p"] and package.found[-1] == "shutdown"


class Broken(Asker):
    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        await super().initialize(package_id, parameters, authority)
        raise SecurityError(Status.STATUS_UNSUCCESSFUL)


def test_a_package_that_does_not_load_is_never_called_back() -> None:
    package = Broken()
    heard: list[object] = []

    async def register(authority: LsaFunctions) -> int:
        return await authority.register_notification(heard.append, "p", IMMEDIATE)

    package.at_start = register
    with Asking(package) as asking:
        asking.lab.advance(1)
    assert package.found[0] == 1 and heard == []


def test_the_machines_state_does_not_change_while_the_authority_runs(asking: Asking) -> None:
    heard = Heard(asking)
    heard.register(STATE)
    asking.lab.advance(86_400)
    assert heard.told == []


BAD: list[tuple[object, ...]] = [
    (print, None, INTERVAL, None, NONE, 0, None),
    (print, None, INTERVAL, None, NONE, 1 << 32, None),
    (print, None, INTERVAL, None, NONE, -1, None),
    (print, None, INTERVAL, None, NONE, 1.5, None),
    (print, None, IMMEDIATE, None, NONE, 5, None),
    (print, None, IMMEDIATE, None, NONE, 0, 0),
    (print, None, WAIT, None, NONE, 0, None),
    (print, None, WAIT, None, NONE, 0, 1 << 20),
    (print, None, WAIT, None, NONE, 0, 1 << 40),
    ("print", None, IMMEDIATE, None, NONE, 0, None),
    (print, None, 16, None, NONE, 0, None),
    (print, None, IMMEDIATE, 1, NONE, 0, None),
    (print, None, IMMEDIATE, None, 2, 0, None),
    (print, None, IMMEDIATE, None, NotifierFlag(0x40), 0, None),
]


@pytest.mark.parametrize("arguments", BAD, ids=str)
def test_what_a_registration_refuses(asking: Asking, arguments: tuple[object, ...]) -> None:
    async def register(authority: LsaFunctions) -> object:
        return await authority.register_notification(*arguments)  # type: ignore[arg-type]

    assert asking.refused(register) is Status.STATUS_INVALID_PARAMETER
    asking.lab.advance()


def test_a_file_cannot_be_waited_for(asking: Asking) -> None:
    with open(__file__, "rb") as file:
        status = asking.refused(lambda a: a.register_notification(print, None, WAIT, wait_event=file.fileno()))
    assert status is Status.STATUS_INVALID_PARAMETER


def test_embedded_mode_calls_back_in_a_thread_of_its_own_that_ends_with_it() -> None:
    came = threading.Event()
    where: list[threading.Thread] = []
    package = Asker()

    async def hears(_parameter: object) -> None:
        data = await package.authority.get_auth_data_for_user("alice")
        where.append(threading.current_thread())
        assert data.account_name == "alice"
        came.set()

    with LabAuthority(modules=[module(package)]) as lab:
        lab.add_user("alice")

        async def register(authority: LsaFunctions, _call: object, _request: object) -> int:
            return await authority.register_notification(hears, None, IMMEDIATE)

        package.script = register
        with secpkg.lsa.connect(lab) as lsa:
            lsa.call_authentication_package("Asker", b"")
        assert came.wait(20)
        with pytest.raises(RuntimeError, match="FrozenClock"):
            lab.advance(1)
    (thread,) = where
    assert thread is not threading.current_thread()
    thread.join(20)
    assert not thread.is_alive()
