"""Callbacks and mapped buffers where the authority takes its time: what waits, what ends, and what nobody sees."""

from __future__ import annotations

import os

import pytest
from tests.host_lsa_mode.fakes import CALLER, PARK, Lab, Plain, Token

from secpkg.contract.flags import BufferFlag, NotifierFlag, NotifierType
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Call, Complete, ContextRequest, SecBuffer, Step
from secpkg.host.lsa_mode.channel import Role
from secpkg.host.lsa_mode.local.memory import ClientMemory
from secpkg.host.lsa_mode.running import running
from secpkg.testing import FrozenClock
from secpkg.testing.scheduling import HandScheduler

UNMAPPED = int(BufferFlag.UNMAPPED)
INTERVAL, WAIT = NotifierType.INTERVAL, NotifierType.HANDLE_WAIT
SECONDS = NotifierFlag.SECONDS


class Late(Lab):
    """A package whose callbacks ask an authority that answers when it is told to."""

    def __init__(self, **answers: object) -> None:
        self.package = Plain()
        super().__init__(self.package, traced=True, **{"open_sam_user": PARK, **answers})
        self.scheduler = HandScheduler(FrozenClock(0.0))
        self.surroundings.scheduler = self.scheduler
        self.said: list[str] = []

    async def asks(self, parameter: object) -> None:
        self.said.append(f"begins {parameter}")
        try:
            await self.package.authority.open_sam_user("alice")
            self.said.append("goes on")
        finally:
            self.said.append("ends")

    def request(self, function: str, *arguments: object) -> object:
        """What an LSA function answers the package, outside of any call."""

        async def asks() -> object:
            return await Request[object](function, arguments)

        running(self.surroundings, self.hosted[0], "Test", self.done).start(asks)
        (value, error) = self.outcomes.pop()
        if error is not None:
            raise error
        return value

    def register(self, kind: NotifierType, interval: int = 0, descriptor: int | None = None) -> object:
        return self.request("register_notification", self.asks, "p", kind, None, SECONDS, interval, descriptor)


def test_an_interval_is_left_out_while_its_callback_waits() -> None:
    late = Late()
    late.register(INTERVAL, 1)
    late.scheduler.advance(3)
    assert late.said == ["begins p"]
    late.link.resume("answer")
    assert late.said == ["begins p", "goes on", "ends"]
    late.scheduler.advance(1)
    assert late.said[3:] == ["begins p"]


def test_a_signal_is_put_off_while_its_callback_waits() -> None:
    late = Late()
    event = os.eventfd(1, os.EFD_CLOEXEC)
    try:
        late.register(WAIT, descriptor=event)
        for _ in range(3):
            late.scheduler.advance(0)
        assert late.said == ["begins p"]
        late.link.resume("answer")
        late.scheduler.advance(0)
        assert late.said == ["begins p", "goes on", "ends", "begins p"]
        late.surroundings.package_ended(1)
    finally:
        os.close(event)


def test_what_waits_at_the_end_of_its_package_is_given_up() -> None:
    late = Late()
    late.register(INTERVAL, 1)
    late.scheduler.advance(1)
    late.surroundings.package_ended(1)
    assert late.said == ["begins p", "ends"]
    late.link.resume("too late")
    late.scheduler.advance(60)
    assert late.said == ["begins p", "ends"]


def test_a_cancelled_callback_that_waits_goes_on_to_its_end() -> None:
    late = Late()
    handle = late.register(INTERVAL, 1)
    late.scheduler.advance(1)
    late.request("cancel_notification", handle)
    late.link.resume("answer")
    late.scheduler.advance(60)
    assert late.said == ["begins p", "goes on", "ends"]


def test_a_package_that_ends_within_its_own_callback_is_called_no_more() -> None:
    late = Late()

    def ends(_parameter: object) -> None:
        late.said.append("ends itself")
        late.surroundings.package_ended(1)

    late.request("register_notification", ends, None, INTERVAL, None, SECONDS, 1, None)
    late.scheduler.advance(60)
    assert late.said == ["ends itself"]
    with pytest.raises(SecurityError) as caught:
        late.register(INTERVAL, 1)
    assert caught.value.reason == "package_has_ended"


def test_a_callback_asks_in_the_name_of_its_package_and_of_no_client() -> None:
    late = Late()
    late.register(NotifierType.IMMEDIATE)
    late.scheduler.advance(0)
    (asked,) = late.link.asked
    assert (asked.package, asked.channel, asked.call) == (1, 0, 0)
    late.link.resume(None, SecurityError(Status.STATUS_NO_SUCH_USER))
    assert late.said == ["begins p", "ends"]
    (event,) = [event for event in late.events if event.kind == "callback"]
    assert (event.function, event.status) == ("RegisterNotification", Status.STATUS_NO_SUCH_USER)


def test_a_host_without_callbacks_says_so() -> None:
    late = Late()
    late.surroundings.scheduler = None
    with pytest.raises(SecurityError) as caught:
        late.register(INTERVAL, 1)
    assert caught.value.status is Status.STATUS_NOT_SUPPORTED
    assert len(late.surroundings.holdings(late.hosted[0])) == 0


class Maps(Late):
    """A leg that maps a buffer and waits."""

    def __init__(self) -> None:
        super().__init__()
        self.views: list[memoryview] = []
        self.package.legs = [self._leg]

    async def _leg(self, package: Plain, _context: object) -> Step:
        mapped = await package.authority.map_buffer(package.requests[-1].buffers[0])
        assert isinstance(mapped.data, memoryview)
        self.views.append(mapped.data)
        await package.authority.open_sam_user("alice")
        assert bytes(mapped.data) == b"hello", "it lasts for the whole call"
        return Complete(Token("context"))

    def begin(self) -> None:
        buffer = SecBuffer(UNMAPPED | 3, ClientMemory(b"hello"))  # type: ignore[arg-type]  # as `received` makes it
        request = ContextRequest(buffers=(buffer,))
        self.dispatcher.leg(self.channel, Role.INITIATOR, self.acquire(), 0, request, self.stepped)
        assert bytes(self.views[0]) == b"hello"

    def released(self) -> bool:
        try:
            bytes(self.views[0])
        except ValueError:
            return True
        return False


def test_R128_a_view_lasts_until_its_leg_ends() -> None:
    maps = Maps()
    maps.begin()
    maps.link.resume("answer")
    assert maps.released() and isinstance(maps.steps[0][1], Complete)


def test_R128_a_view_ends_with_its_leg_though_nobody_waits_for_it() -> None:
    maps = Maps()
    maps.begin()
    maps.dispatcher.close(maps.channel)
    maps.link.resume("answer")
    assert maps.released() and maps.steps == []


def test_R128_a_view_ends_with_a_call_of_the_authority() -> None:
    maps = Maps()

    class Called(Plain):
        async def call_package(self, call: Call, submit_buffer: bytes) -> object:
            buffer = SecBuffer(UNMAPPED | 3, ClientMemory(submit_buffer))  # type: ignore[arg-type]
            maps.views.append((await self.authority.map_buffer(buffer)).data)  # type: ignore[arg-type]
            return bytes(maps.views[0])

    package = Called()
    package.authority = maps.package.authority
    maps.hosted[0].table["call_package"] = package.call_package
    maps.dispatcher.package_call(1, "call_package", (b"data",), CALLER, maps.done)
    assert maps.outcomes.pop() == (b"data", None) and maps.released()
