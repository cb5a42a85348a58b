"""How the facts are had: from the configuration, the sockets, the authority, the lists, and this environment."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from secpkg import lsa
from secpkg.authority.registry import Registry, RegistryError
from secpkg.contract.flags import Capability
from secpkg.contract.status import SecurityError
from secpkg.ipc import where
from secpkg.kit.doctor.facts import (
    LSA_MODE,
    OPTION,
    SECURITY_PACKAGES,
    USER_MODE,
    Configured,
    Counts,
    Environment,
    Facts,
    Offer,
    Probe,
    Reached,
    Registered,
    Row,
    Socket,
    UserHalf,
)
from secpkg.kit.doctor.probe import probe, probe_user_half
from secpkg.runtime.config import default_directory
from secpkg.runtime.examine import offers
from secpkg.runtime.inbox import INBOX_MODULES, RESERVED_PACKAGES
from secpkg.runtime.modules import describe

PROCESS: Final = "secpkg-doctor"
_PAGE: Final = 200
_ENVIRONMENT: Final = "SECPKG_AUTHORITY"

T = TypeVar("T")


class Examined(msgspec.Struct, frozen=True):
    """Answer of packages.examine."""

    python: str
    uid: int
    offers: tuple[Offer, ...]
    digest: str
    reason: str
    registered: tuple[Registered, ...]
    providers: tuple[str, ...]
    registry_fault: str


def gather(name: str, authority: str | None = None, *, load: bool = True) -> Facts:
    """The facts about a module or package, or with an empty name those about everything. With ``load`` what is not
    loaded by a running authority is loaded in a process of its own to see how far it comes.
    """
    configured = configuration(authority)
    if configured.fault:
        return Facts(name, name, configured, Reached("down", configured.fault), environment(name))
    with _connected(configured.address) as (reached, connection):
        if reached.state == "embedded":
            facts = _embedded(name, configured, reached)
        elif connection is None:
            facts = _offline(name, configured, reached)
        else:
            facts = _told(name, configured, reached, connection)
    return _loaded(_by_loading(facts)) if load and facts.module else facts


# --- which authority --------------------------------------------------------------------------------------------------


def configuration(authority: str | None) -> Configured:
    """Which authority is meant, and who says so: as `secpkg.ipc.where` decides, with its faults as values."""
    present = tuple(path for path in where.files() if os.path.exists(path))
    try:
        chosen = where.configuration()
    except SecurityError as error:
        cause = error.__cause__
        detail = f"{type(cause).__name__}: {cause}" if cause is not None else error.reason
        return Configured("the configuration file", "", error.reason, detail, present)
    source, address = "the default", where.EMBEDDED
    named = None if where.at_secure() else os.environ.get(_ENVIRONMENT)
    if authority is not None:
        source, address = OPTION, authority
    elif named is not None:
        source, address = _ENVIRONMENT, named
    elif chosen.authority is not None:
        source, address = _file_of("authority", present), chosen.authority
    fault = ""
    try:
        where.checked(address)
    except SecurityError as error:
        fault = error.reason
    return Configured(source, address, fault, "", present, chosen.security_packages, chosen.security_providers)


def _file_of(key: str, files: tuple[str, ...]) -> str:
    for path in files:
        with contextlib.suppress(OSError, ValueError):
            if key in tomllib.loads(Path(path).read_text(encoding="utf-8")):
                return path
    return "the configuration file"


def socket_at(path: str) -> Socket:
    """A socket's path, as it is."""
    directory = os.path.isdir(os.path.dirname(path))
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Socket(path, "missing", directory=directory, nearby=sockets_nearby(path))
    except OSError:
        return Socket(path, "unreachable", directory=directory)
    kind: Final = "socket" if stat.S_ISSOCK(info.st_mode) else "other"
    return Socket(path, kind, info.st_uid, stat.S_IMODE(info.st_mode), directory)


def sockets_nearby(path: str = "") -> tuple[str, ...]:
    """Sockets of authorities: in the same directory, and where authorities put theirs."""
    places = [Path(path).parent] if path else []
    with contextlib.suppress(LookupError):
        places.append(default_directory())
    places.append(Path("/run/secpkg"))
    found = []
    for place in places:
        with contextlib.suppress(OSError):
            for entry in sorted(place.iterdir()):
                if entry.suffix == ".sock" and not entry.stem.endswith("-trusted") and entry.is_socket():
                    found.append(str(entry))
    return tuple(dict.fromkeys(found))


@contextlib.contextmanager
def _connected(address: str) -> Iterator[tuple[Reached, lsa.Lsa | None]]:
    """What came of connecting, and the trusted connection where there is one."""
    if address == where.EMBEDDED:
        none = Socket("", "missing", nearby=sockets_nearby())
        yield Reached("embedded", socket=none), None
        return
    path = address.partition(":")[2]
    socket, trusted = socket_at(path), socket_at(where.trusted_address(address).partition(":")[2])
    try:
        lsa.connect(address).__exit__(None, None, None)
    except (SecurityError, OSError) as error:
        yield Reached("down", _reason(error), _errno(error), socket.uid, socket=socket, trusted_socket=trusted), None
        return
    up = Reached("up", server_uid=socket.uid, trusted=True, socket=socket, trusted_socket=trusted)
    try:
        connection = lsa.register_logon_process(PROCESS, address)
    except (SecurityError, OSError) as error:
        yield msgspec.structs.replace(up, trusted=False, trusted_reason=_reason(error)), None
        return
    with connection:
        yield up, connection


def _reason(error: BaseException) -> str:
    return error.reason if isinstance(error, SecurityError) else type(error).__name__


def _errno(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return errno.errorcode.get(error.errno, "")
        error = error.__cause__
    return ""


# --- what is there ----------------------------------------------------------------------------------------------------


def environment(name: str) -> Environment:
    """What is installed here, where applications are started."""
    digest, reason = "", ""
    if name:
        try:
            digest = describe(name).digest.hex()
        except (SecurityError, ValueError, OSError) as error:
            reason = _reason(error)
    names = tuple(dict.fromkeys(str(found.name) for found in metadata.distributions()))
    offered = msgspec.convert(offers(), tuple[Offer, ...])
    return Environment(sys.executable, os.geteuid(), offered, digest, reason, names)


def _embedded(name: str, configured: Configured, reached: Reached) -> Facts:
    registered = tuple(Registered(SECURITY_PACKAGES, module) for module in configured.security_packages)
    facts = Facts(name, name, configured, reached, environment(name), registered=registered, registry_known=True)
    facts = msgspec.structs.replace(facts, providers=configured.security_providers, reserved=RESERVED_PACKAGES)
    return _resolved(facts)


def _offline(name: str, configured: Configured, reached: Reached) -> Facts:
    """What can be found without the authority: this environment, and the registry where it lies open."""
    facts = Facts(name, name, configured, reached, environment(name), reserved=RESERVED_PACKAGES)
    directory = Path(configured.address.partition(":")[2]).parent
    path = directory / "registry.toml"
    if not os.access(path, os.R_OK):
        return _resolved(facts)
    try:
        contents = Registry(path, INBOX_MODULES, RESERVED_PACKAGES).read()
    except RegistryError as error:
        return _resolved(msgspec.structs.replace(facts, registry_fault=str(error)))
    registered = tuple(
        Registered(
            list_name,
            entry.module,
            entry.path,
            entry.distribution,
            entry.version,
            entry.digest,
            entry.primary_credentials,
        )
        for list_name in ("security_packages", "authentication_packages")
        for entry in getattr(contents, list_name)
    )
    return _resolved(
        msgspec.structs.replace(
            facts, registered=registered, providers=contents.security_providers, registry_known=True
        )
    )


def _told(name: str, configured: Configured, reached: Reached, connection: lsa.Lsa) -> Facts:
    """What the authority tells of itself."""

    def ask(operation: str, kind: type[T], **arguments: object) -> T:
        return msgspec.convert(connection.manage(operation, **arguments), kind)

    rows = ask("packages.list", tuple[Row, ...])
    there = ask("packages.examine", Examined, name=name)
    facts = Facts(
        name,
        name,
        configured,
        reached,
        environment(name),
        _environment(there),
        there.registered,
        tuple(dict.fromkeys((*there.providers, *configured.security_providers))),
        there.registry_fault,
        True,
        rows,
        counts=ask("calls.counts", Counts),
        reserved=RESERVED_PACKAGES,
    )
    facts = _resolved(facts)
    if facts.module != name:
        there = ask("packages.examine", Examined, name=facts.module)
        facts = msgspec.structs.replace(facts, there=_environment(there))
    return facts


def _environment(there: Examined) -> Environment:
    return Environment(there.python, there.uid, there.offers, there.digest, there.reason)


def _resolved(facts: Facts) -> Facts:
    """The module that the name stands for: its own, or the one that has a package of that name."""
    name = facts.name
    modules = {entry.module for entry in facts.registered} | {row.module for row in facts.rows} | set(facts.providers)
    if not name or name in modules or name in facts.loading.names():
        return facts
    folded = name.casefold()
    # Of several the one that serves; a broken one of the same name is asked about by its module.
    for row in sorted(facts.rows, key=lambda row: row.state != "loaded"):
        if row.name.casefold() == folded:
            return _renamed(facts, row.module)
    if facts.rows or facts.there is not None:
        return facts
    for module in facts.loading.names():  # without an authority only loading a module tells its packages
        if module.casefold() == folded:
            return _renamed(facts, module)
    return facts


def _by_loading(facts: Facts) -> Facts:
    """Without an authority only loading the listed modules tells their packages' names."""
    known = {facts.module} & {entry.module for entry in facts.registered} or facts.module in facts.loading.names()
    if known or not facts.name or facts.rows:
        return facts
    folded = facts.name.casefold()
    for entry in facts.registered:
        if any(row.name.casefold() == folded for row in probe(entry.module, entry.path).rows):
            return _renamed(facts, entry.module)
    return facts


def _renamed(facts: Facts, module: str) -> Facts:
    return msgspec.structs.replace(facts, module=module, here=environment(module))


# --- what loads -------------------------------------------------------------------------------------------------------


def _loaded(facts: Facts) -> Facts:
    """What a process of its own sees: of the LSA half unless an authority has it loaded, and of the user half."""
    if not facts.listed and (facts.here.of(LSA_MODE, facts.module) or facts.entry is not None):
        entry = facts.entry
        found = probe(facts.module, "" if entry is None else entry.path)
        facts = msgspec.structs.replace(facts, probe=found)
    return msgspec.structs.replace(facts, user_half=_user_half(facts))


def _user_half(facts: Facts) -> UserHalf:
    half = _registered_half(facts)
    wanted = Capability.INTEGRITY | Capability.PRIVACY
    if half is None or not facts.loading.of(USER_MODE, facts.module):
        return UserHalf()
    for row in facts.own:
        if row.state == "loaded" and Capability(row.capabilities) & wanted:
            found = probe_user_half(row.name, row.capabilities, half)
            if found.reason:
                return found
    return UserHalf(bool(facts.own))


def _registered_half(facts: Facts) -> tuple[str, str, str, str] | None:
    entry = facts.entry
    if entry is not None and entry.digest:
        return entry.module, entry.distribution, entry.version, entry.digest
    offered = facts.here.of(LSA_MODE, facts.module)
    if not offered or not facts.here.digest:
        return None
    return facts.module, offered[0].distribution, offered[0].version, facts.here.digest


__all__ = ["Probe", "configuration", "environment", "gather", "socket_at", "sockets_nearby"]
