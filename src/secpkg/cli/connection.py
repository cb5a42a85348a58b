"""The one place where the command line reaches an authority: by secpkg.lsa, like any logon application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import click
import msgspec

from secpkg.cli.errors import UNREACHABLE, Fail, unreachable
from secpkg.ipc import where
from secpkg.ipc.errors import ChannelError
from secpkg.lsa import Lsa, connect, register_logon_process

LOGON_PROCESS: Final = "secpkg-cli"
AUTHORITY: Final = "secpkg.authority"
"""Key of the chosen authority in a click context's `meta`."""

T = TypeVar("T")


def open_lsa(authority: str | None, *, trusted: bool) -> Lsa:
    """LsaRegisterLogonProcess where ``trusted``, else LsaConnectUntrusted.

    An embedded authority would live and end with this process and do nothing for anybody, so it must be asked for by
    ``--authority embedded:`` and is not what one gets for having chosen none.
    """
    if authority is None and where.resolve() == where.EMBEDDED:
        raise Fail(
            "no authority is chosen",
            "choose one: secpkg --authority unix:/path ..., or SECPKG_AUTHORITY=unix:/path",
            UNREACHABLE,
        )
    return register_logon_process(LOGON_PROCESS, authority) if trusted else connect(authority)


@contextmanager
def connected(*, trusted: bool = True) -> Iterator[Lsa]:
    """A connection to the authority of the current command, closed at its end. `Fail` says what went wrong."""
    try:
        lsa = open_lsa(click.get_current_context().meta.get(AUTHORITY), trusted=trusted)
    except (ChannelError, OSError) as error:
        raise unreachable(error) from error
    try:
        with lsa:
            yield lsa
    except (ChannelError, ConnectionError, TimeoutError) as error:
        raise unreachable(error) from error


_PAGE: Final = 200
"""Rows of a full page (`secpkg.runtime.management.PAGE`)."""


def manage(operation: str, **arguments: object) -> object:
    """One operation on a connection of its own."""
    with connected() as lsa:
        return lsa.manage(operation, **arguments)


def manage_list(operation: str) -> list[object]:
    """An operation that lists, page after page until one is not full."""
    rows: list[object] = []
    with connected() as lsa:
        page = lsa.manage(operation)
        while isinstance(page, list):
            rows.extend(page)
            if len(page) < _PAGE:
                return rows
            page = lsa.manage(operation, offset=len(rows))
    return read(page, list[object])


def read(answer: object, kind: type[T]) -> T:
    """An authority's answer as a value; `Fail` when it is of another shape, which is another version of secpkg."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise Fail(
            f"the authority answered something unexpected: {error}",
            "run the command line and the authority from the same version of secpkg",
        ) from error
