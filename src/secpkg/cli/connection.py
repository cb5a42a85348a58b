"""The one place where the command line reaches an authority: by secpkg.lsa, like any logon application."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar, cast

import click
import msgspec

from secpkg.cli.errors import Fail, refused, unreachable
from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import TokenInformation
from secpkg.ipc.errors import ChannelError

LOGON_PROCESS: Final = "secpkg-cli"
AUTHORITY: Final = "secpkg.authority"
"""Key of the chosen authority in a click context's `meta`."""

T = TypeVar("T")

# Answers of an authority that is there: whoever asks is not trusted, or asks for what cannot be.
_ANSWERED: Final = frozenset(
    {
        Status.STATUS_PORT_CONNECTION_REFUSED,
        Status.STATUS_PRIVILEGE_NOT_HELD,
        Status.STATUS_ACCESS_DENIED,
        Status.STATUS_INVALID_PARAMETER,
    }
)


class AccessToken(Protocol):
    """What the command line reads of an access token."""

    account_name: str
    domain_name: str
    information: TokenInformation


class Logon(Protocol):
    """What `Lsa.logon_user` gives; the session ends with the last copy of its access token."""

    luid: int
    access_token: AccessToken

    def __enter__(self) -> Logon: ...

    def __exit__(self, *error: object) -> object: ...


class Lsa(Protocol):
    """What the command line uses of a connection to the authority."""

    def manage(self, operation: str, **arguments: object) -> object:
        """An operation of the operator's: plain data in, plain data out."""
        ...

    def logon_user(self, package: str, logon_type: LogonType, *, username: str, domain: str, password: str) -> Logon:
        """LsaLogonUser."""
        ...

    def __enter__(self) -> Lsa: ...

    def __exit__(self, *error: object) -> object: ...


def open_lsa(authority: str | None, *, trusted: bool) -> Lsa:
    """LsaRegisterLogonProcess where ``trusted``, else LsaConnectUntrusted."""
    lsa = importlib.import_module("secpkg.lsa")
    opened: object = (
        lsa.register_logon_process(LOGON_PROCESS, authority=authority) if trusted else lsa.connect(authority=authority)
    )
    return cast(Lsa, opened)


@contextmanager
def connected(*, trusted: bool = True) -> Iterator[Lsa]:
    """A connection to the authority of the current command, closed at its end. `Fail` says what went wrong."""
    try:
        lsa = open_lsa(click.get_current_context().meta.get(AUTHORITY), trusted=trusted)
    except SecurityError as error:
        raise (refused(error) if error.status in _ANSWERED else unreachable(error)) from error
    except (ChannelError, OSError) as error:
        raise unreachable(error) from error
    try:
        with lsa:
            yield lsa
    except (ChannelError, ConnectionError, TimeoutError) as error:
        raise unreachable(error) from error


def token_descriptor(logon: Logon) -> int:
    """A descriptor that stands for the session's access token, for another process; the caller closes it."""
    make = getattr(logon.access_token, "descriptor", None)
    if make is None:
        raise Fail(
            "this version of secpkg.lsa cannot hand an access token to another process",
            "run the command without -- COMMAND",
        )
    return int(make())


def manage(operation: str, **arguments: object) -> object:
    """One operation on a connection of its own."""
    with connected() as lsa:
        return lsa.manage(operation, **arguments)


def read(answer: object, kind: type[T]) -> T:
    """An authority's answer as a value; `Fail` when it is of another shape, which is another version of secpkg."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise Fail(
            f"the authority answered something unexpected: {error}",
            "run the command line and the authority from the same version of secpkg",
        ) from error
