"""A stub in the place of a documented function, by the table that the function is in.

The functions of a package's tables are the author's, and the system's work is to call them: the stub stands in the
package's table, and the author's function is never called. The LSA's functions are entries of the tables of authority
and host. Everything else is replaced itself.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Final

import msgspec
from tools.prove.success import result_of
from tools.prove.swap import Counter, NoStub, exchange, function_of

from secpkg.contract.flags import InterfaceVersion
from secpkg.contract.reference import Function
from secpkg.contract.values import PackageInfo
from secpkg.kit import functions as kit
from secpkg.kit import sources

PACKAGE_TABLES: Final = frozenset({"authentication_package", "lsa_mode", "user_mode", "subauth"})
_LSA_TABLES: Final = frozenset({"lsa_secpkg", "lsa_dispatch"})
_BUILD_TABLE: Final = "secpkg.host.tables:build_table"


def put(row: Function, claimed: kit.Claims, counter: Counter) -> None:
    """Put a stub in the place of this function, in this process; `NoStub`."""
    if row.function == "SpLsaModeInitialize":
        _no_lsa_tables(counter)
    elif row.function == "SpUserModeInitialize":
        _no_user_tables(counter)
    elif row.table in PACKAGE_TABLES:
        _in_package_tables(row, counter)
    elif row.table in _LSA_TABLES:
        _in_lsa_tables(row, claimed, counter)
    else:
        claim = kit.implementation(row, claimed)
        if claim is None:
            raise NoStub(f"nobody has claimed {row.function}")
        _, place = kit.place(row)
        _itself(claim.where, place or claim.where, counter)


def stub_of(documented: Callable[..., object], counter: Counter, *, waits: bool) -> Callable[..., object]:
    """A function that is done as soon as it is called: a coroutine function where it ``waits``."""
    result_of(documented)

    def stub(*_arguments: object, **_named: object) -> object:
        counter.count()
        return result_of(documented)

    async def waiting(*arguments: object, **named: object) -> object:
        return stub(*arguments, **named)

    return waiting if waits else stub


def _itself(where: Callable[..., object], documented: Callable[..., object], counter: Counter) -> None:
    function = sources.bare(where)
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        raise NoStub(f"{where!r} is no function")
    exchange(function, stub_of(documented, counter, waits=False))


def _in_package_tables(row: Function, counter: Counter) -> None:
    _, member = kit.place(row)
    if member is None:
        raise NoStub(f"no Protocol of the contract has {row.function}")
    name = row.python_name
    stub = stub_of(member, counter, waits=inspect.iscoroutinefunction(member))

    def build_table(package: object, protocols: Sequence[type]) -> object:
        table: Any = original(package, protocols)
        if name in table and any(vars(protocol).get(name) is member for protocol in protocols):
            table[name] = stub
        return table

    original = exchange(function_of(_BUILD_TABLE), build_table)


def _in_lsa_tables(row: Function, claimed: kit.Claims, counter: Counter) -> None:
    _, member = kit.place(row)
    assert member is not None
    name = row.python_name
    replaced = False
    for table in (claimed.authority, claimed.host):
        entry: Any = table.get(name)
        if entry is None:
            continue
        replaced = True
        inner = getattr(entry, "implementation", entry)
        stub = stub_of(member, counter, waits=inspect.iscoroutinefunction(inner))
        new = stub if inner is entry else msgspec.structs.replace(entry, implementation=stub)
        table[name] = new  # type: ignore[index]  # a dictionary, which the rest of the code only reads
    if not replaced:
        claim = kit.implementation(row, claimed)
        if claim is None:
            raise NoStub(f"neither authority nor host has {row.function}")
        _itself(claim.where, member, counter)


class _Empty:
    """A package that has a name and no functions."""

    info = PackageInfo(name="stub")
    name = "stub"


def _no_lsa_tables(counter: Counter) -> None:
    tables = importlib.import_module("secpkg.contract.lsa_mode.ssp").ModuleTables

    def initialize(version: InterfaceVersion) -> object:
        counter.count()
        return tables(version, (_Empty(),))

    def tables_of(_initialize: object) -> object:
        return original(initialize)

    original = exchange(function_of("secpkg.host.lsa_mode.load:tables_of"), tables_of)


def _no_user_tables(counter: Counter) -> None:
    tables = importlib.import_module("secpkg.contract.user_mode.ssp").UserModuleTables

    def initialize(version: InterfaceVersion) -> object:
        counter.count()
        return tables(version, (_Empty(),))

    def make(module: object, entry_point: str, _initialize: object) -> object:
        return original(module, entry_point, initialize)

    original = exchange(function_of("secpkg.host.user_mode.load:Module.__init__"), make)
