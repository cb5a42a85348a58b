"""LSA functions that fail or take their time, when a test wants it.

Between a package and its authority are two ways: most LSA functions are answered by the authority, through the port of
the module, which a lab makes with this in between; the others by the host in the table `LOCAL_FUNCTIONS`, whose entries
are covered while there is a rule. So a rule holds for every LSA function, also for those called while a module is
loaded, and for what the host calls for a package (the audit record that it owed). A package sees no difference from an
authority that does refuse: bad arguments are refused as ever, and the trace shows the call with its status.

Labs run in one thread. "The authority takes its time" means that something happens between the call and its answer:
time passes, or the test does what another application, or the same one, does meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from secpkg.authority.functions import LSA_FUNCTIONS
from secpkg.authority.targets import Origin
from secpkg.contract.reference import member_names
from secpkg.contract.requests import Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.host.lsa_mode.functions import SIGNATURES
from secpkg.host.lsa_mode.local import LOCAL_FUNCTIONS
from secpkg.runtime.ports import LsaCalls

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.running import Running

ANY: Final = "*"
"""In place of a function's name: every LSA function."""

_PYTHON_NAMES: Final = {row.function: name for name, row in member_names("lsa_secpkg").items()}
_Local = Callable[..., object]


class LsaCallSeen(msgspec.Struct, frozen=True):
    """One call of an LSA function: the package that made it (the module, while it is loaded), and the Python name."""

    package: str
    function: str


class Rule:
    """What happens to some calls of an LSA function, within the ``with`` block of the rule.

    ``seen`` counts the calls that it is about, ``fired`` those to which it happened. What the test itself did wrong
    meanwhile (``failure``) is raised at the end of the block: until then the package takes it for the authority's.
    """

    __slots__ = ("_after", "_faults", "_function", "_happen", "_package", "_times", "failure", "fired", "seen")

    def __init__(
        self,
        faults: FaultInjection,
        function: str,
        happen: Callable[[], None],
        package: str | None,
        times: int | None,
        after: int,
    ) -> None:
        if after < 0 or (times is not None and times < 1):
            raise ValueError("`after` is 0 or more, `times` 1 or more, or None")
        self._faults = faults
        self._function = python_name(function)
        self._happen = happen
        self._package = None if package is None else package.casefold()
        self._times = times
        self._after = after
        self.seen = 0
        self.fired = 0
        self.failure: BaseException | None = None

    def meet(self, names: tuple[str, ...], function: str) -> None:
        """A call: does what the rule says, which may be to raise."""
        if self._function not in (ANY, function):
            return
        if self._package is not None and self._package not in [name.casefold() for name in names]:
            return
        self.seen += 1
        if self.seen <= self._after or self.fired == self._times:
            return
        self.fired += 1
        try:
            self._happen()
        except _Injected as injected:
            raise injected.error from None
        except BaseException as failure:
            self.failure = failure
            raise

    def __enter__(self) -> Self:
        self._faults.rules.append(self)
        _cover(self._faults)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._faults.rules.remove(self)
        _uncover(self._faults)
        if self.failure is not None:
            raise self.failure


class _Injected(Exception):
    """What a rule is there for."""

    def __init__(self, error: SecurityError) -> None:
        self.error = error


class FaultInjection:
    """The rules of one lab (`LabAuthority.faults`)."""

    def __init__(self, pass_time: Callable[[float], None], is_mine: Callable[[Running], bool]) -> None:
        self.rules: list[Rule] = []
        self.is_mine = is_mine
        self._pass_time = pass_time
        self._watchers: list[list[LsaCallSeen]] = []

    def fail(
        self,
        function: str,
        status: Status,
        *,
        times: int | None = 1,
        after: int = 0,
        package: str | None = None,
        substatus: Status = Status.STATUS_SUCCESS,
        reason: str = "injected_fault",
    ) -> Rule:
        """``with lab.faults.fail("get_auth_data_for_user", Status.STATUS_NO_MEMORY):``: the function is not executed,
        its caller gets ``status``. ``function`` is a Python or a documented name, or `ANY`; ``after`` so many calls
        that pass; ``times`` None: all that follow; ``package`` the name of a package or module, None: any. ValueError
        for an unknown function, and for a status that is no error.
        """
        if not status.is_error:
            raise ValueError(f"{status.native} is no error")

        def refuse() -> None:
            raise _Injected(SecurityError(status, substatus=substatus, reason=reason))

        return Rule(self, function, refuse, package, times, after)

    def slow(
        self,
        function: str,
        seconds: float = 0.0,
        *,
        meanwhile: Callable[[], object] | None = None,
        times: int | None = None,
        after: int = 0,
        package: str | None = None,
    ) -> Rule:
        """The authority takes its time: ``seconds`` pass on the lab's `FrozenClock` (of real time where it has none),
        then ``meanwhile`` is called, then the function is executed.
        """

        def wait() -> None:
            if seconds:
                self._pass_time(seconds)
            if meanwhile is not None:
                meanwhile()

        return Rule(self, function, wait, package, times, after)

    @contextmanager
    def calls(self) -> Iterator[list[LsaCallSeen]]:
        """``with lab.faults.calls() as calls``: every call of an LSA function, in order, as it begins."""
        seen: list[LsaCallSeen] = []
        self._watchers.append(seen)
        _cover(self)
        try:
            yield seen
        finally:
            self._watchers = [watcher for watcher in self._watchers if watcher is not seen]
            _uncover(self)

    def between(self, answer: LsaCalls, module: str, package_name: Callable[[int], str]) -> LsaCalls:
        """What answers the LSA functions of a module, with the rules before it."""

        def ask(origin: Origin, function: str, arguments: tuple[object, ...], resume: Resume) -> object:
            if self.rules or self._watchers:
                self.meet((package_name(origin.package_id), module), function)
            return answer(origin, function, arguments, resume)

        return ask

    def meet(self, names: tuple[str, ...], function: str) -> None:
        """A call by the package of these names."""
        for watcher in self._watchers:
            watcher.append(LsaCallSeen(names[0] or names[-1], function))
        for rule in tuple(self.rules):
            rule.meet(names, function)


def python_name(function: str) -> str:
    """The Python name of an LSA function: ``GetAuthDataForUser`` is ``get_auth_data_for_user``. ValueError."""
    if function == ANY or function in SIGNATURES:
        return function
    if function in _PYTHON_NAMES:
        return _PYTHON_NAMES[function]
    raise ValueError(f"{function!r} is no LSA function")


def lsa_functions() -> tuple[str, ...]:
    """The Python names of the LSA functions that are answered here, by the authority or the host."""
    return tuple(name for name in SIGNATURES if name in LSA_FUNCTIONS or name in LOCAL_FUNCTIONS)


# --- functions that the host answers ----------------------------------------------------------------------------------

_covering: list[FaultInjection] = []
"""One for each rule and watcher at work, of all labs of this process."""
_covered: dict[str, _Local] = {}


def _cover(faults: FaultInjection) -> None:
    _covering.append(faults)
    if len(_covering) == 1:
        for name, function in tuple(LOCAL_FUNCTIONS.items()):
            _covered[name] = function
            LOCAL_FUNCTIONS[name] = _cover_of(name, function)


def _uncover(faults: FaultInjection) -> None:
    _covering.remove(faults)
    if not _covering:
        LOCAL_FUNCTIONS.update(_covered)
        _covered.clear()


def _cover_of(name: str, function: _Local) -> _Local:
    def answer(running: Running, *arguments: object) -> object:
        for faults in {id(faults): faults for faults in _covering}.values():
            if faults.is_mine(running):
                faults.meet((running.package.info.name,), name)
        return function(running, *arguments)

    return answer
