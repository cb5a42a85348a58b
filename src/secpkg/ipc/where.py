"""Where the authority of a client is: named, never guessed.

In this order: what the program gave; ``SECPKG_AUTHORITY``; the key ``authority`` of the configuration files; embedded.
Nothing probes for a socket, and a named authority that cannot be reached is an error. In a process with AT_SECURE set
(set-uid and the like) the environment and the user's file are not asked.

The openers stand here by name and are imported when they are used. This is the one place where a lower room names a
higher one: a client imports the embedded authority only if it embeds it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Collection
from functools import cache
from importlib import import_module
from typing import Any, Final, cast

import msgspec

from secpkg.contract.status import SecurityError, Status

EMBEDDED: Final = "embedded:"
SYSTEM_FILE = "/etc/secpkg/secpkg.toml"

OPENERS: Final[dict[str, tuple[str, str]]] = {
    "embedded": ("secpkg.runtime.embedded:link", "secpkg.runtime.embedded:link"),
    "unix": ("secpkg.ipc.client:link", "secpkg.ipc.aio_client:link"),
}
"""Scheme to the blocking and the asynchronous opener: ``link(address, logon_process_name=None)``."""

_AT_SECURE: Final = 23
_AUXV: Final = struct.Struct("LL")
_MAX_FILE: Final = 1024 * 1024


class Configuration(msgspec.Struct, frozen=True):
    """What the configuration files say to an application: the first file that has a key gives its value."""

    authority: str | None = None
    """Address of the authority: ``unix:/path`` or ``embedded:``."""
    authority_uids: tuple[int, ...] = ()
    """Uids that an authority may run as, besides root and our own (lock 1)."""
    security_providers: tuple[str, ...] = ()
    """Entry points of the plain SSPs that are used here (R12)."""
    security_packages: tuple[str, ...] = ()
    """Modules that the embedded authority loads. Like all code of the process, they see its users' clear passwords."""
    directory: str | None = None
    """Absolute path of the directory where the embedded authority keeps accounts (SQLite) and, beside them, the master
    key (mode 0600); without it they are in memory and end with the process.
    """


def resolve(authority: object = None) -> object:
    """The authority to use: an address such as ``unix:/run/secpkg/lsa.sock``, or the object that was given, which has
    ``link(logon_process_name=None)``. SEC_E_INVALID_PARAMETER for anything else.
    """
    if authority is None:
        named = None if at_secure() else os.environ.get("SECPKG_AUTHORITY")
        if named is None:
            named = configuration().authority
        return EMBEDDED if named is None else checked(named)
    if isinstance(authority, str):
        return checked(authority)
    if callable(getattr(authority, "link", None)):
        return authority
    raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="authority_kind")


def checked(address: str) -> str:
    """``embedded:`` or ``unix:`` with an absolute path; SEC_E_INVALID_PARAMETER for other addresses."""
    if address == EMBEDDED or (address.startswith("unix:/") and "\0" not in address):
        return address
    raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="authority_address")


def opener(address: str, *, asynchronous: bool) -> Callable[..., Any]:
    """What opens a link to a checked address."""
    module, _, name = OPENERS[address.partition(":")[0]][asynchronous].partition(":")
    return cast("Callable[..., Any]", getattr(import_module(module), name))


def trusted_address(address: str) -> str:
    """The socket for logon processes that belongs to an address: ``lsa.sock`` has ``lsa-trusted.sock`` beside it."""
    if not address.startswith("unix:"):
        return address
    stem, extension = os.path.splitext(address)
    return f"{stem}-trusted{extension}"


def allowed_uids() -> Collection[int]:
    """The uids that an authority may run as: root, our own, and what is configured (lock 1)."""
    return {0, os.geteuid(), *configuration().authority_uids}


@cache
def at_secure() -> bool:
    """AT_SECURE of the auxiliary vector (getauxval(3)); true when it cannot be learnt."""
    try:
        with open("/proc/self/auxv", "rb") as file:
            vector = file.read(4096)
    except OSError:
        # Without /proc, and in a process that may not read its own: the C library knows.
        try:
            import ctypes

            getauxval = ctypes.CDLL(None).getauxval
        except (ImportError, OSError, AttributeError):
            return True
        getauxval.restype = ctypes.c_ulong
        getauxval.argtypes = [ctypes.c_ulong]
        return bool(getauxval(_AT_SECURE))
    usable = len(vector) - len(vector) % _AUXV.size
    return next((bool(value) for kind, value in _AUXV.iter_unpack(vector[:usable]) if kind == _AT_SECURE), True)


def configuration() -> Configuration:
    """The configuration files, the user's first; read once per set of files.

    SEC_E_NO_AUTHENTICATING_AUTHORITY (``configuration_unreadable``, ``configuration_invalid``) for a file that is there
    and cannot be used: it is never passed over.
    """
    return _configuration(files())


def files() -> tuple[str, ...]:
    """Where configuration files are looked for, the user's first."""
    if at_secure():
        return (SYSTEM_FILE,)
    named = os.environ.get("XDG_CONFIG_HOME", "")
    home = os.environ.get("HOME")
    return (_user_file(named, home if home is not None else os.path.expanduser("~")), SYSTEM_FILE)


@cache
def _user_file(config_home: str, home: str) -> str:
    directory = config_home if config_home.startswith("/") else os.path.join(home, ".config")
    return os.path.join(directory, "secpkg", "secpkg.toml")


@cache
def _configuration(paths: tuple[str, ...]) -> Configuration:
    values: dict[str, object] = {}
    for path in paths:
        for key, value in _read(path).items():
            if key in Configuration.__struct_fields__:
                values.setdefault(key, value)
    try:
        return msgspec.convert(values, Configuration)
    except msgspec.ValidationError as error:
        raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="configuration_invalid") from error


def _read(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="configuration_unreadable") from error
    import tomllib

    try:
        if len(data) > _MAX_FILE:
            raise ValueError("the file is too large")
        return tomllib.loads(data.decode())
    except ValueError as error:
        raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="configuration_invalid") from error
