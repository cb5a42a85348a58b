"""The messages between authority and worker, on the worker's control channel: `Control` (authority to worker) and
`Report` (worker to authority). As in `secpkg.ipc.schema`: one frame a message, typed.
"""

from __future__ import annotations

import msgspec

from secpkg.contract.values import PackageInfo, Setting
from secpkg.ipc.schema import Message


class LoadModule(Message, frozen=True):
    """First message to a worker: which module to load (a `ModuleDescription`), with what. Package ids follow each other
    from ``first_package_id``. The descriptor of the watchdog's page comes along.
    """

    name: str
    distribution: str
    version: str
    digest: bytes
    target: str
    path: str
    first_package_id: int
    domain_name: str
    domain_sid: str
    machine_state: int
    seed: bytes
    trace: bool
    memory_limit: int
    descriptor_limit: int
    timeout: float
    settings: dict[str, Setting] = msgspec.field(default_factory=dict)
    blocking: float = 0.0
    """Seconds that a piece of a blocking package's code may run on its thread; 0: the module does not block."""


class Adopt(Message, frozen=True):
    """A new application channel (its descriptor comes along) and who is at its other end (lock 1)."""

    channel: int
    process_id: int
    uid: int
    gid: int
    has_tcb_privilege: bool
    logon_id: int | None


class Abandon(Message, frozen=True):
    """The application behind a channel is gone or no longer welcome: run its handles down."""

    channel: int


class PackageCall(Message, frozen=True):
    """Call a function of a package (LsaAp*, SpAcceptCredentials ...); arguments as an array, typed by its signature.
    ``caller`` repeats an `Adopt` without a channel, for logons; ``client_buffer_base`` is the `Call`'s.
    """

    id: int
    package: int
    function: str
    arguments: msgspec.Raw
    caller: tuple[int, int, int, bool, int | None]
    client_buffer_base: int = 0


class LsaResult(Message, frozen=True, tag="r"):
    """Answer to `LsaCall`; the value is typed by the function's signature."""

    id: int
    value: msgspec.Raw


class LsaFailed(Message, frozen=True):
    """`LsaCall` failed with its documented status."""

    id: int
    status: int
    substatus: int = 0
    reason: str = ""


class SetTrace(Message, frozen=True):
    """Begin or stop to report every call."""

    on: bool


class Drain(Message, frozen=True):
    """Refuse new contexts and credentials of a package from now on; existing ones live (the deadline is the
    authority's to keep). `Draining` answers, `Drained` follows when none is left.
    """

    package: int


class PackageChanged(Message, frozen=True):
    """A package was loaded, unloaded or preferred (``SECPKG_EVENT_PACKAGE_CHANGE``, R252): for who registered."""

    change: int
    package: int
    name: str


class Stop(Message, frozen=True):
    """SpShutdown of every package in reverse order, then leave."""


Control = LoadModule | Adopt | Abandon | PackageCall | LsaResult | LsaFailed | SetTrace | Drain | PackageChanged | Stop


class LoadedPackage(msgspec.Struct, frozen=True, array_like=True):
    """One package of a module, or why it is broken. ``functions`` are the entries of its tables."""

    package: int
    info: PackageInfo
    functions: tuple[str, ...]
    broken: str = ""
    thunks: bytes = b""


class Loaded(Message, frozen=True):
    """The module is loaded; packages that failed are listed with the reason (spec/README 1)."""

    packages: tuple[LoadedPackage, ...]


class LoadFailed(Message, frozen=True):
    """The module could not be loaded: what is wrong, in one line."""

    reason: str


class LsaCall(Message, frozen=True, tag="l"):
    """A package calls an LSA function. ``channel`` is the application channel whose call it works for and ``call`` that
    call's number in this worker; without a channel, ``call`` is the `PackageCall` that it works for, 0 for none.
    """

    id: int
    package: int
    channel: int
    call: int
    function: str
    arguments: msgspec.Raw


class PackageResult(Message, frozen=True):
    """Answer to `PackageCall`."""

    id: int
    value: msgspec.Raw


class PackageFailed(Message, frozen=True):
    """`PackageCall` failed; here the reason may be the package's own, since it goes to the audit record."""

    id: int
    status: int
    substatus: int = 0
    reason: str = ""


class ChannelClosed(Message, frozen=True):
    """An application closed its channel; its handles are run down, and the number is never used again."""

    channel: int


class Draining(Message, frozen=True):
    """From now on no new context of a package is made here."""

    package: int


class Drained(Message, frozen=True):
    """A draining package has no handles left."""

    package: int


class Unload(Message, frozen=True):
    """A package called UnloadPackage: take it out of service (R39)."""

    package: int


class Traced(Message, frozen=True):
    """One finished call, for whoever looks: monotonic start, seconds, kind, function, package, channel, handle, status,
    bytes in and out, the named reason, and the call of the worker that it is, or was awaited in. For which process and
    whose it was, the authority adds by itself: what a worker says of them is overwritten.
    """

    start: float
    seconds: float
    kind: str
    function: str
    package: str
    channel: int
    handle: int
    status: int
    received: int
    sent: int
    reason: str
    call: int = 0
    application: int = 0
    uid: int = -1
    account: str = ""


class TracedCalls(Message, frozen=True):
    """Observed calls, those of a few milliseconds together: to wake the authority for each would cost more than most of
    them take. They come before the end of the channel or the call that they belong to.
    """

    calls: tuple[Traced, ...]


Report = (
    Loaded
    | LoadFailed
    | LsaCall
    | PackageResult
    | PackageFailed
    | ChannelClosed
    | Draining
    | Drained
    | Unload
    | TracedCalls
)
