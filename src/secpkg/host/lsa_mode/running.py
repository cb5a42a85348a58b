"""One call into a package while it runs: who is asked for what it awaits, and what is told when it is over.

A package's coroutine yields `Request`s. The host answers some itself (who is calling, protected memory); the others go
to the authority through the `Link`, together with the package and the channel that the call belongs to - which is how
package identity comes from the channel and never from an argument (lock 4).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from secpkg.contract.flags import CallAttribute
from secpkg.contract.requests import PARKED, Done, ForeignAwait, Request, Resume, drive, go_on
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Call, ClientInfo, LogonAudit
from secpkg.host.lsa_mode.holdings import Holdings
from secpkg.host.lsa_mode.load import HostedPackage
from secpkg.host.lsa_mode.local import LOCAL_FUNCTIONS, answer_here
from secpkg.host.lsa_mode.local.callbacks import Clients
from secpkg.host.lsa_mode.scheduling import Scheduler

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.threads import Threads

_AUDITS: Final = frozenset({"audit_logon", "audit_logon_ex"})
_TOKENS: Final = frozenset({"convert_auth_data_to_token", "create_token", "create_token_ex"})
"""LSA functions that leave an audit record: the first two the one that they are given, the others a logon's."""
_CLIENT_BUFFER: Final = "allocate_client_buffer"
_NOTED: Final = _AUDITS | _TOKENS | {_CLIENT_BUFFER}
_SEEN: Final = _NOTED | LOCAL_FUNCTIONS.keys()
"""The functions that are not just passed on."""


class Link(Protocol):
    """The way to the authority."""

    def ask(
        self, package: int, channel: int, call: int, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        """Call an LSA function: its value, or `PARKED` after keeping ``resume``; raises the documented failure."""
        ...

    def unload(self, package: int) -> None:
        """Take a package out of service, here and at the authority (UnloadPackage)."""
        ...


class TraceEvent:
    """A finished call, for an observer. ``call`` is the number of the call into the package, which what it awaits has
    too.
    """

    __slots__ = (
        "call",
        "channel",
        "function",
        "handle",
        "kind",
        "package",
        "reason",
        "received",
        "seconds",
        "sent",
        "start",
        "status",
    )

    def __init__(self, kind: str, function: str, package: str, channel: int, start: float) -> None:
        self.kind = kind
        self.function = function
        self.package = package
        self.channel = channel
        self.start = start
        self.call = 0
        self.seconds = 0.0
        self.handle = 0
        self.status = 0
        self.received = 0
        self.sent = 0
        self.reason = ""

    def failed(self, error: BaseException) -> None:
        """Put a failure's status and reason on the event."""
        failure = as_security_error(error)
        self.status, self.reason = failure.status, failure.reason


Observer = Callable[[TraceEvent], None]


class Surroundings:
    """What every call of a host shares: the link, the clock, chance, the observer, and what packages hold."""

    __slots__ = (
        "_holdings",
        "calls",
        "clients",
        "clock",
        "entropy",
        "link",
        "observer",
        "protect",
        "scheduler",
        "threads",
        "timeout",
    )

    def __init__(
        self,
        link: Link,
        *,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        protect: Callable[[bytearray], None],
        timeout: float,
    ) -> None:
        self.link = link
        self.clock = clock
        self.entropy = entropy
        self.protect = protect
        self.timeout = timeout
        self.observer: Observer | None = None
        self.scheduler: Scheduler | None = None
        self.threads: Threads | None = None
        """Where the functions of packages run that block; None: in place."""
        self.clients: Clients | None = None
        self.calls = 0
        self._holdings: dict[int, Holdings] = {}

    def call(self, caller: ClientInfo, attributes: CallAttribute = CallAttribute(0)) -> Call:  # noqa: B008 - immutable
        """A `Call` that begins now."""
        self.calls += 1
        return Call(caller, self.clock(), self.entropy, monotonic() + self.timeout, attributes)

    def holdings(self, package: HostedPackage) -> Holdings:
        """What a package holds of this host."""
        held = self._holdings.get(package.package_id)
        if held is None:
            held = self._holdings[package.package_id] = Holdings()
        return held

    def package_ended(self, package_id: int) -> None:
        """A package's end: everything that it holds is released, and nothing calls it back any more."""
        self._holdings.setdefault(package_id, Holdings()).end()

    def all_holdings(self) -> tuple[Holdings, ...]:
        """Those of every package that holds something."""
        return tuple(self._holdings.values())

    def call_back(
        self,
        package: HostedPackage,
        name: str,
        coroutine: Coroutine[object, object, object],
        returned: Callable[[], object],
    ) -> None:
        """Drive a callback of a package, for no client. What it raises goes to the observer and to nobody else."""

        def done(_value: object, _error: BaseException | None) -> None:
            if call.event is not None:
                call.event.kind = "callback"
                call.report()
            returned()

        call = running(self, package, name, done)
        call.start(lambda: coroutine)


class Running(msgspec.Struct, eq=False):
    """One call into a package, from `start` to its end; `running` makes a plain one.

    A structure, because making one is a single call: there is one for every leg.
    """

    surroundings: Surroundings
    package: HostedPackage
    function: str
    done: Done
    channel: int
    call_id: int
    call: Call | None
    event: TraceEvent | None
    audited: Status | None
    """Status in the last record that the authority wrote for this call; None while there is none."""

    __repr__ = object.__repr__

    def begun(self, function: str) -> TraceEvent:
        """The event of a call that begins now."""
        event = TraceEvent("package", function, self.package.info.name, self.channel, monotonic())
        event.call = self.call_id
        return event

    def start(self, function: Callable[..., object], *arguments: object) -> None:
        """Call the package's function and drive its coroutine; ``done`` is told exactly once, whatever is raised."""
        if self.surroundings.observer is not None:
            self.event = self.begun(self.function)
        threads = self.surroundings.threads
        if threads is not None:
            threads.start(function, arguments, self.ask, self._end)
            return
        try:
            coroutine = function(*arguments)
        except BaseException as raised:
            self._end(None, raised)
            return
        if type(coroutine) is CoroutineType:
            try:
                request = coroutine.send(None)
            except StopIteration as stop:
                self._end(stop.value, None)
            except BaseException as raised:
                self._end(None, raised)
            else:
                go_on(coroutine, self.ask, self._end, request)
        elif isinstance(coroutine, Coroutine):
            drive(coroutine, self.ask, self._end)
        else:
            self._end(None, SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="package_function_is_no_coroutine"))

    def audit(self, record: LogonAudit, done: Done) -> None:
        """Have the authority write a record that the package owed, then go on."""

        async def write() -> None:
            await Request("audit_logon", (record,))

        drive(write(), self.ask, done)

    def ask(self, request: Request[object], resume: Resume) -> object:
        """Answer what the coroutine awaits: here, or by the authority."""
        function, surroundings = request.function, self.surroundings
        if function in _SEEN or surroundings.observer is not None:
            return self._ask_noting(function, request, resume)
        return surroundings.link.ask(
            self.package.package_id, self.channel, self.call_id, function, request.arguments, resume
        )

    def _ask_noting(self, function: str, request: Request[object], resume: Resume) -> object:
        if function in LOCAL_FUNCTIONS:
            return answer_here(self, function, request.arguments, resume)
        surroundings = self.surroundings
        recorder = None
        if function in _NOTED:
            resume = recorder = _Recorder(self, request, resume)
        if surroundings.observer is not None:
            resume = self._observed(function, surroundings.observer, resume)
        try:
            answer = surroundings.link.ask(
                self.package.package_id, self.channel, self.call_id, function, request.arguments, resume
            )
        except Exception as refused:
            if recorder is not None:
                recorder.note(None, refused)
            if surroundings.observer is not None:
                resume_traced(resume, refused)
            raise
        if answer is not PARKED:
            if recorder is not None:
                recorder.note(answer, None)
            if surroundings.observer is not None:
                resume_traced(resume, None)
        return answer

    def _observed(self, function: str, observer: Observer, resume: Resume) -> Resume:
        event = self.begun(documented(function))
        event.kind = "lsa"
        return _Observed(event, observer, resume)

    @property
    def holdings(self) -> Holdings:
        """What the package holds."""
        return self.surroundings.holdings(self.package)

    def release_at_end(self, client_buffer: object) -> None:
        """Free a buffer of the client when the call is over, in case the package did not. The authority sees the end of
        its own calls; that of a call on an application's channel only the host sees.
        """
        if self.channel:
            self.at_end(lambda: self._free(client_buffer))

    def _free(self, client_buffer: object) -> None:
        package, link = self.package.package_id, self.surroundings.link
        try:
            link.ask(package, self.channel, self.call_id, "free_client_buffer", (client_buffer,), ignore)
        except SecurityError:
            pass  # the package has freed it

    def at_end(self, call: Callable[[], object]) -> None:
        """Have something called when the package has returned, before anyone is told what."""
        done = self.done

        def ended(value: object, error: BaseException | None) -> None:
            call()
            done(value, error)

        self.done = ended

    def _end(self, value: object, error: BaseException | None) -> None:
        if self.event is not None:
            self.ended(self.event, error)
        self.done(value, error)

    def ended(self, event: TraceEvent, error: BaseException | None) -> None:
        """Note on the event how long the call took, and how it failed."""
        event.seconds = monotonic() - event.start
        if error is not None:
            event.failed(error)

    def report(self) -> None:
        """Hand the finished call to the observer, after whoever drove it has added what it knows."""
        observer = self.surroundings.observer
        if self.event is not None and observer is not None:
            observer(self.event)


def running(
    surroundings: Surroundings,
    package: HostedPackage,
    function: str,
    done: Done,
    channel: int = 0,
    call_id: int = 0,
    call: Call | None = None,
) -> Running:
    """A call into a package that is told of by ``done``."""
    call_id = call_id or (surroundings.calls if channel else 0)
    return Running(surroundings, package, function, done, channel, call_id, call, None, None)


class _Recorder:
    """A resume function that first notes which final status is on the audit record now, or that the package has memory
    of the client.

    Only an answer counts, not the asking. A token that was refused by a rule of the account (R55) is on the record too:
    the authority wrote it. Of its other failures the host cannot know, and writes one itself.
    """

    __slots__ = ("_request", "_resume", "_running")

    def __init__(self, running: Running, request: Request[object], resume: Resume) -> None:
        self._running = running
        self._request = request
        self._resume = resume

    def note(self, value: object, error: BaseException | None) -> None:
        if self._request.function == _CLIENT_BUFFER:
            if error is None:
                self._running.release_at_end(value)
        elif self._request.function in _TOKENS:
            if error is None:
                self._running.audited = Status.SEC_E_OK
            elif isinstance(error, SecurityError) and error.status is Status.STATUS_ACCOUNT_RESTRICTION:
                self._running.audited = error.status
        elif error is None:
            record = self._request.arguments[0] if self._request.arguments else None
            if isinstance(record, LogonAudit) and isinstance(record.status, Status):
                self._running.audited = record.status

    def __call__(self, value: object, error: BaseException | None) -> None:
        self.note(value, error)
        self._resume(value, error)


class _Observed:
    """A resume function that tells the observer first."""

    __slots__ = ("_event", "_observer", "_resume")

    def __init__(self, event: TraceEvent, observer: Observer, resume: Resume) -> None:
        self._event = event
        self._observer = observer
        self._resume = resume

    def tell(self, error: BaseException | None) -> None:
        event = self._event
        event.seconds = monotonic() - event.start
        if error is not None:
            event.failed(error)
        self._observer(event)

    def __call__(self, value: object, error: BaseException | None) -> None:
        self.tell(error)
        self._resume(value, error)


def documented(function: str) -> str:
    """The documented spelling of an LSA function."""
    return "".join(part.capitalize() for part in function.split("_"))


def resume_traced(resume: Resume, error: BaseException | None) -> None:
    """Tell the observer of a request that was answered in place."""
    if isinstance(resume, _Observed):
        resume.tell(error)


def as_security_error(error: BaseException) -> SecurityError:
    """What a caller is told of an exception: a package's own statuses as they are, anything else SEC_E_INTERNAL_ERROR
    with the kind of exception as the named reason (its text may hold secrets and is dropped). A status that is no error
    cannot be raised: nothing that failed may look like success.
    """
    if isinstance(error, SecurityError):
        if isinstance(error.status, Status) and error.status.is_error:
            return error
        return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="raised_without_an_error")
    return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"package_raised_{type(error).__name__}")


def ignore(_value: object, _error: BaseException | None) -> None:
    """A ``done`` of a call whose outcome nobody waits for; the trace has it."""


__all__ = [
    "LOCAL_FUNCTIONS",
    "ForeignAwait",
    "Link",
    "Observer",
    "Running",
    "Surroundings",
    "TraceEvent",
    "as_security_error",
    "ignore",
    "running",
]
