"""The documented function tables as data: every function of the interfaces, its place and its Python name.

The loader reads here how far a table of a given interface version reaches (R21, R23) and which names it may hold; the
conformance kit reads here what the page asks for. The rows are in `reference_data`, which is loaded on first use.
"""

from __future__ import annotations

import functools
import importlib
import re
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.contract.flags import InterfaceVersion

if TYPE_CHECKING:
    from secpkg.contract.reference_data import Row

# A word starts at a capital after a small letter or digit, and at the last capital of a run: "CredUIContext".
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_PREFIXES: Final[dict[str, tuple[str, ...]]] = {
    "authentication_package": ("LsaAp",),
    "lsa_mode": ("LsaAp", "Sp"),
    "user_mode": ("Sp",),
    "lsa_secpkg": ("Lsa",),
    "lsa_dispatch": ("Lsa",),
    "dll_functions": (),
    "sspi": (),
    "lsa_logon": ("Lsa",),
    "subauth": (),
}

# LsaLogonUser is logon_user; the winbase function of that name keeps the W of its page (winbase/nf-winbase-logonuserw).
_OWN_NAMES: Final = {("lsa_logon", "LogonUser"): "logon_user_w"}

# The documented order is not the C order among the slots of the first version; it is among the later ones (ntsecpkg.h).
_LAST_OF_FIRST_VERSION: Final = {"lsa_mode": "SetExtendedInformation", "user_mode": "ImportContext"}

_USER_MODE_MARK: Final = " (user mode)"


class Function(msgspec.Struct, frozen=True):
    """One documented function: a row of the table that it belongs to.

    ``function`` is the documented name ("SpDeleteContext (user mode)" where one name is in two tables), ``member`` the
    name of its slot in the C table, ``position`` its place in the documented list, from 1. ``min_version`` is the
    lowest InterfaceVersion whose table has it; for SSPI the version of SecurityFunctionTable; "table" where the
    table has no version; "-" where the function is in no table. ``order`` are the parameters in C order, ``doc`` the
    page of win32 or sdk-api.
    """

    table: str
    function: str
    member: str
    position: int
    min_version: int | str
    order: tuple[str, ...]
    flags: tuple[str, ...]
    doc: str

    @property
    def python_name(self) -> str:
        """The name by which a Python package implements or calls this function."""
        return python_name(self.table, self.function)


@functools.cache
def _tables() -> dict[str, tuple[Function, ...]]:
    rows: dict[str, tuple[Row, ...]] = importlib.import_module("secpkg.contract.reference_data").TABLES
    return {name: tuple(_function(name, row) for row in table_rows) for name, table_rows in rows.items()}


def _function(table: str, row: Row) -> Function:
    function, member, position, min_version, flags, doc, order = row
    return Function(table, function, member, position, min_version, tuple(order.split()), tuple(flags.split()), doc)


def functions() -> tuple[Function, ...]:
    """Every documented function, table by table."""
    return tuple(row for rows in _tables().values() for row in rows)


def tables() -> tuple[str, ...]:
    """The names of the nine tables."""
    return tuple(_tables())


def table(name: str) -> tuple[Function, ...]:
    """The functions of one table in documented order. KeyError for a table that does not exist."""
    return _tables()[name]


def python_name(table: str, function: str) -> str:
    """The documented name in snake_case with the prefix of its table dropped.

    ``SpAcceptLsaModeContext`` of lsa_mode is ``accept_lsa_mode_context``. Where the user-mode table shares a documented
    name with the LSA-mode one, the name of its slot counts: ``delete_user_mode_context``.
    """
    own = _OWN_NAMES.get((table, function))
    if own is not None:
        return own
    name = function
    if name.endswith(_USER_MODE_MARK):
        name = next(row.member for row in _tables()[table] if row.function == function)
    for prefix in _PREFIXES[table]:
        if name.startswith(prefix) and name != prefix:
            name = name[len(prefix) :]
            break
    return _WORD_START.sub("_", name).lower()


@functools.cache
def _member_names(name: str) -> dict[str, Function]:
    return {row.python_name: row for row in table(name)}


def member_names(table: str) -> dict[str, Function]:
    """Python name to function, for one table; the dictionary is the caller's own."""
    return dict(_member_names(table))


def members_of(table: str, version: InterfaceVersion) -> tuple[Function, ...]:
    """The slots that a table announced with this interface version has (R21); beyond them nothing is read (R23).

    For the tables of a package (authentication_package, lsa_mode, user_mode). The entry points, which are exports and
    not slots, are in none. ValueError for a table that has no interface version.
    """
    rows = _tables()[table]
    if not any(isinstance(row.min_version, int) and row.min_version >= InterfaceVersion.V1 for row in rows):
        raise ValueError(f"table {table!r} has no interface version")
    return tuple(row for row in rows if isinstance(row.min_version, int) and row.min_version <= version)


def last_member(table: str, version: InterfaceVersion) -> Function:
    """The last slot, in C order, of a table announced with this interface version (R21, R23).

    For lsa_mode and user_mode; the functions of authentication_package are slots of the LSA-mode table. ValueError
    for every other table.
    """
    if table not in _LAST_OF_FIRST_VERSION:
        raise ValueError(f"table {table!r} has no last member by interface version")
    later = [row for row in members_of(table, version) if row.min_version != InterfaceVersion.V1]
    if later:
        return later[-1]
    return next(row for row in _tables()[table] if row.member == _LAST_OF_FIRST_VERSION[table])
