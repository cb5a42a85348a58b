"""What was found on the way, before anybody judges it."""

from __future__ import annotations

import shlex
from typing import Literal

import msgspec

LSA_MODE = "secpkg.lsa_mode"
USER_MODE = "secpkg.user_mode"
SECURITY_PROVIDER = "secpkg.security_provider"
GROUPS = (LSA_MODE, USER_MODE, SECURITY_PROVIDER)

SECURITY_PACKAGES = "security_packages"
AUTHENTICATION_PACKAGES = "authentication_packages"
SECURITY_PROVIDERS = "security_providers"


OPTION = "--authority"
"""`Configured.source` of an address that was given on the command line."""


class Fact(msgspec.Struct, frozen=True):
    """Base: values that never change."""


class Offer(Fact, frozen=True):
    """An entry point of an installed distribution."""

    group: str
    name: str
    value: str
    distribution: str
    version: str


class Environment(Fact, frozen=True):
    """What is installed where somebody looks: the authority's environment, or this one. ``digest`` is that of the
    files of the module that is asked about, else ``reason`` says why there is none. ``distributions`` are the names of
    everything installed, where that is known.
    """

    python: str
    uid: int
    offers: tuple[Offer, ...]
    digest: str = ""
    reason: str = ""
    distributions: tuple[str, ...] = ()

    def of(self, group: str, name: str) -> tuple[Offer, ...]:
        """The offers of one name in one group."""
        return tuple(offer for offer in self.offers if offer.group == group and offer.name == name)

    def names(self) -> tuple[str, ...]:
        """Every module that is offered, as an LSA half or as a plain SSP."""
        groups = (LSA_MODE, SECURITY_PROVIDER)
        return tuple(dict.fromkeys(offer.name for offer in self.offers if offer.group in groups))


class Configured(Fact, frozen=True):
    """Which authority is meant, and who said so. ``fault`` is why the address cannot be used."""

    source: str
    address: str
    fault: str = ""
    detail: str = ""
    files: tuple[str, ...] = ()
    security_packages: tuple[str, ...] = ()
    security_providers: tuple[str, ...] = ()


class Socket(Fact, frozen=True):
    """One path, as lstat sees it; ``nearby`` are sockets of authorities that look like it."""

    path: str
    kind: Literal["missing", "socket", "other", "unreachable"]
    uid: int = -1
    mode: int = 0
    directory: bool = False
    nearby: tuple[str, ...] = ()


class Reached(Fact, frozen=True):
    """What came of connecting. ``reason`` and ``errno`` say why it failed; ``trusted_reason`` why only the trusted
    connection did.
    """

    state: Literal["embedded", "up", "down"]
    reason: str = ""
    errno: str = ""
    server_uid: int = -1
    trusted: bool = False
    trusted_reason: str = ""
    socket: Socket | None = None
    trusted_socket: Socket | None = None


class Registered(Fact, frozen=True):
    """A module on one of the operator's lists of LSA modules."""

    list: str
    module: str
    path: str = ""
    distribution: str = ""
    version: str = ""
    digest: str = ""
    primary_credentials: bool = False


class Worker(Fact, frozen=True):
    """The process of a module, as packages.list tells."""

    pid: int | None = None
    restarts: int = 0
    channels: int = 0


class Row(Fact, frozen=True):
    """One package of a module, as packages.list tells."""

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    list: str = ""
    state: str = ""
    reason: str = ""
    inbox: bool = False
    capabilities: int = 0
    primary_credentials: bool = False
    functions: tuple[str, ...] = ()
    worker: Worker | None = None


class Probe(Fact, frozen=True):
    """What a process of its own found when it loaded the module from this environment: how far it came, and the text
    that the loader would say.
    """

    stage: Literal["missing", "import", "loaded", "hung", "died", "not_tried"]
    text: str = ""
    value: str = ""
    rows: tuple[Row, ...] = ()


class UserHalf(Fact, frozen=True):
    """What a process of its own found when it loaded the user half as an application would: "" for nothing wrong, else
    the host's reason and text.
    """

    tried: bool = False
    reason: str = ""
    text: str = ""


class Asking(Fact, frozen=True):
    """Who asked the authority for a package, by which name, and with what outcome (`secpkg.runtime.asked`)."""

    name: str
    how: str
    count: int = 0
    refused: int = 0
    status: str = ""
    substatus: str = ""
    reason: str = ""
    application: int = 0
    uid: int = -1


class Called(Fact, frozen=True):
    """A function in the trace: how often it ran while somebody looked on."""

    package: str
    function: str
    count: int
    failed: int = 0
    status: int = 0
    reason: str = ""


class LogonRecord(Fact, frozen=True):
    """A logon on the audit record; what a package said is ``claimed``."""

    package: str
    status: str
    event: str = "logon"
    facts: dict[str, object] = {}
    claimed: dict[str, object] = {}


class Counts(Fact, frozen=True):
    """Answer of calls.counts."""

    readers: int = 0
    asked: tuple[Asking, ...] = ()
    functions: tuple[Called, ...] = ()
    logons: tuple[LogonRecord, ...] = ()


class Facts(Fact, frozen=True):
    """Everything that was found about one name. ``module`` is what the name stands for where that is known, else the
    name itself; ``there`` is None where the authority did not tell.
    """

    name: str
    module: str
    configured: Configured
    reached: Reached
    here: Environment
    there: Environment | None = None
    registered: tuple[Registered, ...] = ()
    providers: tuple[str, ...] = ()
    registry_fault: str = ""
    registry_known: bool = False
    rows: tuple[Row, ...] = ()
    probe: Probe = Probe("not_tried")
    user_half: UserHalf = UserHalf()
    counts: Counts | None = None
    reserved: tuple[str, ...] = ()

    @property
    def own(self) -> tuple[Row, ...]:
        """The packages of the module: as the authority lists them, else as the probe loaded them."""
        listed = tuple(row for row in self.rows if row.module == self.module)
        return listed or self.probe.rows

    @property
    def listed(self) -> tuple[Row, ...]:
        """The packages of the module that the authority lists."""
        return tuple(row for row in self.rows if row.module == self.module)

    @property
    def entry(self) -> Registered | None:
        """The module on the operator's list."""
        return next((entry for entry in self.registered if entry.module == self.module), None)

    @property
    def loading(self) -> Environment:
        """The environment that the module is loaded from: the authority's, where it tells."""
        return self.here if self.there is None else self.there

    @property
    def is_provider(self) -> bool:
        """Whether it is a plain SSP and nothing else."""
        offers = self.loading
        return bool(offers.of(SECURITY_PROVIDER, self.module)) and not offers.of(LSA_MODE, self.module)

    @property
    def secpkg(self) -> str:
        """The command that reaches the same authority."""
        if self.configured.source != OPTION:
            return "secpkg"
        return f"secpkg --authority {shlex.quote(self.configured.address)}"

    @property
    def again(self) -> str:
        """What loads the module anew, as it was registered."""
        if self.embedded:
            return "start the application again"
        module, entry = shlex.quote(self.module), self.entry
        add = f"{self.secpkg} packages add {module}"
        if entry is None:
            return add
        if entry.list != SECURITY_PACKAGES:
            add += f" --list {entry.list}"
        if entry.path:
            add += f" --path {shlex.quote(entry.path)}"
        if entry.primary_credentials:
            add += " --primary-credentials"
        return f"{self.secpkg} packages remove {module} && {add}"

    @property
    def embedded(self) -> bool:
        """Whether each process is its own authority."""
        return self.reached.state == "embedded"
