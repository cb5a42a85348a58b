"""What the tests of the LSA-mode host share: a scripted way to the authority, and packages as an author writes them."""

from __future__ import annotations

from collections.abc import Iterable

from secpkg.contract.flags import Capability, CredentialUse, InterfaceVersion
from secpkg.contract.lsa_mode.functions import LsaFunctions
from secpkg.contract.lsa_mode.ssp import ModuleTables
from secpkg.contract.requests import PARKED, Resume, drive
from secpkg.contract.status import SecurityError
from secpkg.contract.values import (
    Acquired,
    Call,
    ClientInfo,
    Complete,
    ContextAttributes,
    ContextRequest,
    Continue,
    Names,
    PackageInfo,
    PackageParameters,
    Refused,
    Step,
)
from secpkg.host.lsa_mode.channel import Channel, Role
from secpkg.host.lsa_mode.dispatcher import Dispatcher
from secpkg.host.lsa_mode.load import HostedPackage, load_packages, tables_of
from secpkg.host.lsa_mode.running import Surroundings, TraceEvent

PARAMETERS = PackageParameters("EXAMPLE", "S-1-5-21-1-2-3")
CALLER = ClientInfo(process_id=42, uid=1000, gid=1000, thread_id=7)
NOW = 1_700_000_000.0


class Park:
    """A scripted answer: keep the resume function."""


PARK = Park()


class Asked:
    """One call of an LSA function as the link saw it."""

    def __init__(
        self, package: int, channel: int, call: int, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> None:
        self.package = package
        self.channel = channel
        self.call = call
        self.function = function
        self.arguments = arguments
        self.resume = resume


class ScriptedLink:
    """Answers by function name: a value, an exception to raise, `PARK`, or a callable that is given the `Asked`."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.asked: list[Asked] = []
        self.parked: list[Asked] = []

    def ask(
        self, package: int, channel: int, call: int, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        asked = Asked(package, channel, call, function, arguments, resume)
        self.asked.append(asked)
        answer = self.answers.get(function)
        if callable(answer):
            answer = answer(asked)
        if isinstance(answer, BaseException):
            raise answer
        if answer is PARK:
            self.parked.append(asked)
            return PARKED
        return answer

    def unload(self, package: int) -> None:
        """UnloadPackage."""

    def resume(self, value: object = None, error: BaseException | None = None) -> None:
        """Answer the oldest parked request."""
        self.parked.pop(0).resume(value, error)

    @property
    def functions(self) -> list[str]:
        return [asked.function for asked in self.asked]


class Token:
    """A package's own state object: which it is, and what its author has been told of it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Plain:
    """An SSP whose legs do what ``legs`` says, in order; by default one leg completes.

    A leg is a step, an exception, or an async function of (package, context) that returns a step.
    """

    def __init__(self, name: str = "Plain", *, capabilities: int = 0, max_token: int = 64) -> None:
        self.info = PackageInfo(name, capabilities=Capability(capabilities), max_token=max_token)
        self.log: list[tuple[str, object]] = []
        self.calls: list[Call] = []
        self.legs: list[object] = []
        self.requests: list[ContextRequest] = []
        self.acquired: object = None
        self.queried: object = Names("alice")
        self.before_delete: object = None
        self.authority: LsaFunctions

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority

    async def acquire_credentials_handle(
        self,
        call: Call,
        principal: str | None,
        use: CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> Acquired:
        self.calls.append(call)
        self.log.append(("acquire", logon_id))
        if self.acquired is None:
            return Acquired(Token(f"credential {len(self.log)}"), NOW + 60)
        return await act(self, self.acquired, None)  # type: ignore[return-value]  # nonsense is among the scripts

    async def free_credentials_handle(self, call: Call, credential: object) -> None:
        self.calls.append(call)
        self.log.append(("free", credential))

    async def init_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        return await self._leg(call, context, request)

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        return await self._leg(call, context, request)

    async def _leg(self, call: Call, context: object, request: ContextRequest) -> Step:
        self.calls.append(call)
        self.requests.append(request)
        self.log.append(("leg", context))
        leg = self.legs.pop(0) if self.legs else Complete(Token("context"))
        return await act(self, leg, context)  # type: ignore[return-value]  # nonsense is among the scripts

    async def delete_context(self, call: Call, context: object) -> None:
        self.calls.append(call)
        self.log.append(("delete", context))
        if self.before_delete is not None:
            await act(self, self.before_delete, context)

    async def query_context_attributes(self, call: Call, context: object, attribute: int) -> ContextAttributes:
        self.calls.append(call)
        return await act(self, self.queried, context)  # type: ignore[return-value]  # nonsense is among the scripts

    def did(self, *kinds: str) -> list[tuple[str, object]]:
        """The entries of the log of these kinds."""
        return [entry for entry in self.log if entry[0] in kinds]


async def act(package: Plain, script: object, context: object) -> object:
    """Return what the script is, raise what it is, or await what it makes."""
    if isinstance(script, BaseException):
        raise script
    if callable(script):
        return await script(package, context)
    return script


async def asks_first(package: Plain, context: object) -> Step:
    """A leg that waits for the authority, then completes."""
    await package.authority.open_sam_user("alice")
    return Complete(context or Token("context"))


async def asks_then_continues(package: Plain, context: object) -> Step:
    """A leg that waits for the authority, then continues."""
    await package.authority.open_sam_user("alice")
    return Continue(b"more", context or Token("context"))


class Lab:
    """A module's dispatcher, one channel, a scripted link, and everything that was answered or traced."""

    def __init__(self, *packages: object, traced: bool = False, **answers: object) -> None:
        self.link = ScriptedLink(**answers)
        self.surroundings = Surroundings(
            self.link, clock=lambda: NOW, entropy=lambda n: b"\x07" * n, protect=_invert, timeout=30.0
        )
        self.events: list[TraceEvent] = []
        if traced:
            self.surroundings.observer = self.events.append
        self.hosted = load(*packages)
        self.dispatcher = Dispatcher(self.hosted, self.surroundings)
        self.channel = Channel(3, CALLER)
        self.steps: list[tuple[int, Step]] = []
        self.outcomes: list[tuple[object, BaseException | None]] = []

    def done(self, value: object, error: BaseException | None) -> None:
        self.outcomes.append((value, error))

    def stepped(self, handle: int, step: Step) -> None:
        self.steps.append((handle, step))

    def acquire(self, package_id: int = 1, use: int = 3, logon_id: int | None = None) -> int:
        """A credential handle that is there at once."""
        self.dispatcher.acquire(self.channel, package_id, use, None, logon_id, None, self.done)
        (value, error) = self.outcomes.pop()
        assert error is None
        assert isinstance(value, tuple)
        handle = value[0]
        assert isinstance(handle, int)
        return handle

    def leg(self, credential: int, handle: int = 0, role: Role = Role.INITIATOR, token: bytes = b"") -> None:
        self.dispatcher.leg(self.channel, role, credential, handle, ContextRequest(token), self.stepped)

    def open(self, credential: int, role: Role = Role.INITIATOR) -> int:
        """A context handle that is there at once."""
        self.leg(credential, role=role)
        return self.steps.pop()[0]

    def refusal(self) -> Refused:
        """The last step, which must be a refusal."""
        (_handle, step) = self.steps[-1]
        assert isinstance(step, Refused), step
        return step

    def failure_of_last(self) -> BaseException:
        """Whatever the last outcome failed with."""
        (_value, error) = self.outcomes[-1]
        assert error is not None
        return error

    def failure(self) -> SecurityError:
        """The last outcome, which must be a documented failure."""
        (_value, error) = self.outcomes[-1]
        assert isinstance(error, SecurityError), error
        return error


def _invert(buffer: bytearray) -> None:
    buffer[:] = bytes(byte ^ 0xFF for byte in buffer)


def load(
    *packages: object, version: InterfaceVersion = InterfaceVersion.V11, link: ScriptedLink | None = None
) -> list[HostedPackage]:
    """The packages of a module, loaded; what they ask on the way is answered by ``link``."""
    way = link or ScriptedLink()
    outcome: list[object] = []
    tables = tables_of(lambda _version: ModuleTables(version, packages))  # type: ignore[arg-type]  # as an author errs
    current = [0]

    def begin(hosted: HostedPackage) -> None:
        current[0] = hosted.package_id

    def done(value: object, error: BaseException | None) -> None:
        assert error is None, error
        outcome.append(value)

    drive(
        load_packages(tables, 1, PARAMETERS, begin),
        lambda request, resume: way.ask(current[0], 0, 0, request.function, request.arguments, resume),
        done,
    )
    (loaded,) = outcome
    assert isinstance(loaded, list)
    return loaded


def reasons(hosted: Iterable[HostedPackage]) -> list[str]:
    """Why each package is broken, "" for a healthy one."""
    return [package.broken for package in hosted]
