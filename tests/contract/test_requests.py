"""The calling convention: one coroutine, requests and answers, one end."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
from collections.abc import Generator
from types import coroutine as generator_coroutine

import pytest

from secpkg.contract.requests import PARKED, ForeignAwait, Request, Resume, drive, run
from secpkg.contract.status import SecurityError, Status

Outcome = tuple[object, BaseException | None]


class Done:
    """Counts how often it is told, and keeps what."""

    def __init__(self) -> None:
        self.told: list[Outcome] = []

    def __call__(self, value: object, error: BaseException | None) -> None:
        self.told.append((value, error))

    @property
    def value(self) -> object:
        ((value, error),) = self.told
        assert error is None, error
        return value

    @property
    def error(self) -> BaseException:
        ((_value, error),) = self.told
        assert error is not None
        return error


async def asks(*names: str) -> list[object]:
    return [await Request[object](name) for name in names]


def test_a_request_carries_its_name_arguments_and_target_and_shows_the_name_only() -> None:
    request: Request[object] = Request("add_credential", (b"secret",), "target")
    assert (request.function, request.arguments, request.target) == ("add_credential", (b"secret",), "target")
    assert repr(request) == "<Request add_credential>"
    assert repr(PARKED) == "PARKED"


def test_answers_in_place_are_given_in_order_and_done_is_told_once() -> None:
    done = Done()
    drive(asks("a", "b"), lambda request, _resume: request.function.upper(), done)
    assert done.value == ["A", "B"]


def test_a_parked_request_goes_on_when_it_is_resumed() -> None:
    done, kept = Done(), list[Resume]()

    def ask(_request: Request[object], resume: Resume) -> object:
        kept.append(resume)
        return PARKED

    drive(asks("a", "b"), ask, done)
    assert not done.told
    kept.pop()(1, None)
    assert not done.told
    kept.pop()(2, None)
    assert done.value == [1, 2]


def test_a_second_answer_of_one_request_is_dropped() -> None:
    done, kept = Done(), list[Resume]()

    def ask(_request: Request[object], resume: Resume) -> object:
        kept.append(resume)
        return PARKED

    drive(asks("a", "b"), ask, done)
    kept[0](1, None)
    kept[0]("again", None)
    kept[0](None, ValueError("again"))
    assert not done.told
    kept[1](2, None)
    kept[1](3, None)
    assert done.value == [1, 2]


def test_an_answer_in_place_and_a_resumption_count_once() -> None:
    done, kept = Done(), list[Resume]()

    def ask(_request: Request[object], resume: Resume) -> object:
        kept.append(resume)
        resume("early", None)
        return "in place"

    drive(asks("a"), ask, done)
    kept[0]("late", None)
    assert done.value == ["in place"]


def test_a_request_that_is_resumed_before_ask_returns_is_answered_by_it() -> None:
    done = Done()

    def ask(request: Request[object], resume: Resume) -> object:
        if request.function == "fails":
            resume(None, SecurityError(Status.STATUS_NO_SUCH_USER))
        else:
            resume("early", None)
        return PARKED

    drive(asks("a"), ask, done)
    assert done.value == ["early"]
    refused = Done()
    drive(asks("fails"), ask, refused)
    assert isinstance(refused.error, SecurityError)


@pytest.mark.parametrize("early", [False, True])
def test_many_answers_after_a_resumption_cost_no_stack(early: bool) -> None:
    done, kept = Done(), list[Resume]()
    many = sys.getrecursionlimit() * 3

    def ask(request: Request[object], resume: Resume) -> object:
        if request.function == "first":
            kept.append(resume)
            return PARKED
        if early:
            resume(1, None)
            return PARKED
        return 1

    drive(asks("first", *["next"] * many), ask, done)
    kept[0](1, None)
    assert done.value == [1] * (many + 1)


def test_a_documented_failure_is_raised_where_the_package_awaits() -> None:
    async def package() -> Status:
        try:
            await Request[object]("open_sam_user")
        except SecurityError as refused:
            return refused.status
        raise AssertionError("not refused")

    def ask(_request: Request[object], _resume: Resume) -> object:
        raise SecurityError(Status.STATUS_NO_SUCH_USER)

    done = Done()
    drive(package(), ask, done)
    assert done.value is Status.STATUS_NO_SUCH_USER


def test_what_ask_raises_without_a_status_is_an_internal_error_and_done_is_told() -> None:
    cause = OSError("the socket is gone")

    def ask(_request: Request[object], _resume: Resume) -> object:
        raise cause

    done = Done()
    drive(asks("a"), ask, done)
    error = done.error
    assert isinstance(error, SecurityError)
    assert (error.status, error.reason) == (Status.SEC_E_INTERNAL_ERROR, "host_raised_OSError")
    assert error.__cause__ is cause


@pytest.mark.parametrize(
    "raised",
    [ValueError(), SystemExit(1), KeyboardInterrupt(), GeneratorExit(), RecursionError(), asyncio.CancelledError()],
    ids=lambda raised: type(raised).__name__,
)
def test_whatever_a_package_raises_is_handed_to_done(raised: BaseException) -> None:
    async def package() -> None:
        await Request[object]("a")
        raise raised

    done = Done()
    drive(package(), lambda _request, _resume: None, done)
    assert done.error is raised


def test_a_package_that_raises_stop_iteration_has_failed_not_finished() -> None:
    async def package() -> None:
        raise StopIteration("looks like a result")

    done = Done()
    drive(package(), lambda _request, _resume: None, done)
    assert isinstance(done.error, RuntimeError)


def test_an_asyncio_future_is_foreign_and_refused_by_name() -> None:
    loop = asyncio.new_event_loop()
    try:
        future = loop.create_future()

        async def package() -> None:
            await future

        done = Done()
        drive(package(), lambda _request, _resume: None, done)
    finally:
        loop.close()
    assert isinstance(done.error, ForeignAwait)
    assert done.error.reason == "foreign_await_Future"


@pytest.mark.parametrize("what", [None, 1, Request])
def test_a_plain_yield_is_foreign_and_the_package_may_go_on(what: object) -> None:
    @generator_coroutine
    def plain() -> Generator[object, object, None]:
        yield what

    async def package() -> object:
        try:
            await plain()
        except ForeignAwait as foreign:
            return (foreign.status, foreign.reason, await Request[object]("a"))
        raise AssertionError("not refused")

    done = Done()
    drive(package(), lambda _request, _resume: "answer", done)
    assert done.value == (Status.SEC_E_INTERNAL_ERROR, f"foreign_await_{type(what).__name__}", "answer")


def test_a_foreign_await_can_be_copied_like_every_failure() -> None:
    error = ForeignAwait(1)
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert isinstance(again, SecurityError)
        assert (again.status, again.reason) == (error.status, error.reason)


def test_run_gives_the_result_or_raises() -> None:
    assert run(asks("a"), lambda _request: 1) == [1]

    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(fails(), lambda _request: None)


def test_run_refuses_an_ask_that_parks() -> None:
    with pytest.raises(RuntimeError, match="in place"):
        run(asks("a"), lambda _request: PARKED)
