"""Who asked for which package, by what name and with what outcome: what an author wants to know whose functions are
never called.

It is counted on the way to a package (a channel, a logon, LsaCallAuthenticationPackage, a look-up), never on the way
of a token. Names come from applications, so there is room for `MAX_NAMES` of them; the one asked for longest ago goes.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from secpkg.authority.connections import Connection
from secpkg.authority.directory import PackageDirectory
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.schema import CallPackage, Failed, FromAuthority, LogonUser, LookupPackage, OpenPackage

MAX_NAMES: Final = 256
MAX_TEXT: Final = 127
COUNTED: Final = (OpenPackage, LogonUser, CallPackage, LookupPackage)
Counted = OpenPackage | LogonUser | CallPackage | LookupPackage


class Reply(Protocol):
    """How an answer leaves; ``passed`` is the application's end of a new channel, or a token's descriptor."""

    def __call__(self, message: FromAuthority, passed: object = None) -> None: ...


class Asking(msgspec.Struct):
    """One name in one use: ``context``, ``logon``, ``call``, ``call_untrusted`` or ``lookup``. ``status``,
    ``substatus`` and ``reason`` are those of the newest refusal; ``application`` and ``uid`` of the newest who asked.
    """

    name: str
    how: str
    count: int = 0
    refused: int = 0
    status: str = ""
    substatus: str = ""
    reason: str = ""
    application: int = 0
    uid: int = -1


class Asked:
    """The counts of one authority."""

    def __init__(self, packages: PackageDirectory) -> None:
        self._packages = packages
        self._rows: dict[tuple[str, str], Asking] = {}

    def rows(self) -> tuple[Asking, ...]:
        """Every name, the one asked for longest ago first."""
        return tuple(self._rows.values())

    def counting(self, connection: Connection, request: Counted, reply: Reply) -> Reply:
        """Count a request; its reply, which is passed on, says how it ended."""
        row = self._row(connection, request)

        def counted(message: FromAuthority, passed: object = None) -> None:
            if isinstance(message, Failed):
                row.refused += 1
                row.status = _native(message.status)
                row.substatus = _native(message.substatus) if message.substatus else ""
                row.reason = message.reason[:MAX_TEXT]
            reply(message, passed)

        return counted

    def _row(self, connection: Connection, message: Counted) -> Asking:
        key = (self.name(message), _how(connection, message))
        row = self._rows.pop(key, None) or Asking(*key)
        if len(self._rows) >= MAX_NAMES:
            del self._rows[next(iter(self._rows))]
        self._rows[key] = row
        row.count += 1
        row.application, row.uid = connection.caller.process_id, connection.caller.uid
        return row

    def name(self, message: Counted) -> str:
        """The package's own name where there is such a package, else what the application wrote."""
        if isinstance(message, OpenPackage | LookupPackage):
            try:
                return self._packages.find(message.name).name
            except SecurityError:
                return message.name[:MAX_TEXT]
        try:
            return self._packages.entry(message.package).name
        except SecurityError:
            return f"#{message.package}"


def _how(connection: Connection, message: Counted) -> str:
    if isinstance(message, OpenPackage):
        return "context"
    if isinstance(message, LogonUser):
        return "logon"
    if isinstance(message, LookupPackage):
        return "lookup"
    return "call" if connection.trusted else "call_untrusted"


def _native(number: int) -> str:
    known = Status.known(number)
    return f"0x{number:08X}" if known is None else known.native
