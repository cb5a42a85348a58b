"""The calling convention between a coroutine and whoever hosts it.

An LSA-mode function of a package is ``async def`` and awaits LSA functions only. Awaiting one yields exactly one
`Request` to whoever drives the coroutine. A worker sends it to the authority and parks the coroutine until the answer
comes; embedded mode answers on the spot; the authority drives its own logon sequence, which awaits package functions,
in the same way. There is no event loop and no task: a step that does not wait costs one `send`.

`drive` is the whole machine. Its ``ask`` returns the answer, raises the documented failure, or returns `PARKED` after
keeping the resume function it was given. Anything else that a coroutine awaits (an asyncio future, a trio cancel scope)
is foreign: it is refused by name, because nobody here would ever resume it.

A resume function may be called while ``ask`` still runs, which then returns `PARKED`: the answer is taken by the loop
that asked, so that a chain of such answers costs no stack. It counts once: what comes later is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Final, Generic, TypeVar

import msgspec

from secpkg.contract.status import SecurityError, Status

T = TypeVar("T")


class Request(msgspec.Struct, Generic[T], eq=False):
    """One call of an LSA function (or, inside the authority, of a package's function): a name and its arguments."""

    function: str
    arguments: tuple[object, ...] = ()
    target: object = None

    def __await__(self) -> Generator[Request[T], T, T]:
        return (yield self)

    def __repr__(self) -> str:
        return f"<Request {self.function}>"


class Parked:
    """The type of `PARKED`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PARKED"


PARKED: Final = Parked()

Resume = Callable[[object, BaseException | None], None]
"""Called once with ``(answer, None)`` or ``(None, error)`` when a parked request has been answered."""

Ask = Callable[[Request[object], Resume], object]
Done = Callable[[object, BaseException | None], None]


class ForeignAwait(SecurityError):
    """A package awaited something that is not an LSA function."""

    def __init__(self, what: object) -> None:
        super().__init__(Status.SEC_E_INTERNAL_ERROR, reason=f"foreign_await_{type(what).__name__}")

    def __reduce__(self) -> tuple[Callable[..., SecurityError], tuple[object, ...]]:
        rebuild, (_kind, *rest) = super().__reduce__()
        return rebuild, (SecurityError, *rest)


_ASKING: Final = 0
_PARKED: Final = 1
_ANSWERED: Final = 2


class _Resume(msgspec.Struct, eq=False):
    """The resume function of one request; see the top of this file."""

    coroutine: Coroutine[object, object, object]
    ask: Ask
    done: Done
    state: int = _ASKING
    value: object = None
    error: BaseException | None = None

    __repr__ = object.__repr__

    def __call__(self, value: object, error: BaseException | None) -> None:
        state, self.state = self.state, _ANSWERED
        if state is _PARKED:
            drive(self.coroutine, self.ask, self.done, value, error)
        elif state is _ASKING:
            self.value, self.error = value, error


def drive(
    coroutine: Coroutine[object, object, object],
    ask: Ask,
    done: Done,
    value: object = None,
    error: BaseException | None = None,
) -> None:
    """Run ``coroutine`` until it is finished or parked; call ``done(result, error)`` exactly once when it finishes. It
    goes on with ``value``, or with ``error``; one that has not begun begins with None.

    `BaseException` from the coroutine (``SystemExit``, ``KeyboardInterrupt`` raised by the package itself) is handed to
    ``done`` too: a package cannot end its host. What ``ask`` raises without a documented status reaches the coroutine
    as SEC_E_INTERNAL_ERROR.
    """
    try:
        request = coroutine.send(value) if error is None else coroutine.throw(error)
    except StopIteration as stop:
        done(stop.value, None)
    except BaseException as raised:
        done(None, raised)
    else:
        go_on(coroutine, ask, done, request)


def go_on(coroutine: Coroutine[object, object, object], ask: Ask, done: Done, request: object) -> None:
    """`drive` from the first ``request`` on, for whoever has begun the coroutine: most end without any."""
    while True:
        value: object = None
        error: BaseException | None = None
        if type(request) is not Request:
            error = ForeignAwait(request)
        else:
            resume = _Resume(coroutine, ask, done)
            try:
                value = ask(request, resume)
            except SecurityError as refused:
                error = refused
            except Exception as failed:
                error = SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"host_raised_{type(failed).__name__}")
                error.__cause__ = failed
            if value is not PARKED:
                resume.state = _ANSWERED
            elif resume.state is _ASKING:
                resume.state = _PARKED
                return
            else:
                value, error = resume.value, resume.error
        try:
            request = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as stop:
            done(stop.value, None)
            return
        except BaseException as raised:
            done(None, raised)
            return


def run(coroutine: Coroutine[object, object, T], ask: Callable[[Request[object]], object]) -> T:
    """Drive ``coroutine`` to its end with an ``ask`` that always answers in place (embedded mode, tests).

    RuntimeError when it did not.
    """
    outcome: list[tuple[object, BaseException | None]] = []
    drive(coroutine, lambda request, _resume: ask(request), lambda value, error: outcome.append((value, error)))
    if not outcome:
        coroutine.close()
        raise RuntimeError("run() needs an ask that answers in place")
    (value, error) = outcome[0]
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # the coroutine's own result, carried as object by `done`
