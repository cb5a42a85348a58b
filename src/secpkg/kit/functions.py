"""Which documented functions work here, and where: computed from the code, never kept by hand.

Three sources agree on a function. `contract.reference` says that it is documented. Its *place* is what an author meets:
the Protocol method of the contract, or the callable of ``secpkg.sspi.raw`` and ``secpkg.lsa.raw``. Its *implementation*
is the code that has claimed it: a mark of `contract.implements`, an entry of the authority's table of LSA functions, or
a function that the host answers itself. A function that nobody has claimed is unsupported, whatever else is there;
one that is claimed to work is working only while its proof is current (`secpkg.kit.proof`), else unproven.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import linecache
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

import msgspec

from secpkg.contract.implements import IMPLEMENTED, Implementation
from secpkg.contract.reference import Function, functions, tables
from secpkg.kit import proof, sources

State = Literal["working", "duty", "error", "undocumented", "refused", "unsupported", "unproven"]
"""Those of `secpkg.contract.implements`; ``unproven`` is what claims to be working without a current proof."""
STATES: Final[tuple[State, ...]] = (
    "working",
    "duty",
    "error",
    "undocumented",
    "refused",
    "unsupported",
    "unproven",
)

_CONTRACT: Final = {
    "authentication_package": ("secpkg.contract.lsa_mode.ap", "secpkg.contract.lsa_mode.ssp"),
    "lsa_mode": ("secpkg.contract.lsa_mode.ssp", "secpkg.contract.lsa_mode.ap"),
    "user_mode": ("secpkg.contract.user_mode.ssp",),
    "lsa_secpkg": ("secpkg.contract.lsa_mode.functions",),
    "lsa_dispatch": ("secpkg.contract.lsa_mode.functions",),
    "dll_functions": ("secpkg.contract.user_mode.functions",),
    "subauth": ("secpkg.contract.subauthentication",),
}
_ENTRY_POINTS: Final = {
    ("lsa_mode", "SpLsaModeInitialize"): ("secpkg.contract.lsa_mode.ssp", "LsaModeInitialize"),
    ("user_mode", "SpUserModeInitialize"): ("secpkg.contract.user_mode.ssp", "UserModeInitialize"),
}
_RAW: Final = {"sspi": "secpkg.sspi.raw", "lsa_logon": "secpkg.lsa.raw"}
_LSA_FUNCTION_TABLES: Final = ("lsa_secpkg", "lsa_dispatch")
_AUTHORITY: Final = "secpkg.authority.functions"
_RUNNING: Final = "secpkg.host.lsa_mode.running"
_MARKED_ROOMS: Final = ("secpkg.host", "secpkg.authority", "secpkg.runtime", "secpkg.sspi", "secpkg.lsa", "secpkg.aio")
"""Where drivers may stand anywhere: every module of these is imported, so that no mark is missed."""

_ERROR_BY_FLAG: Final = {
    "reserved": "reserved: the documents keep the slot and say nothing of its use",
    "obsolete": "obsolete: documented as such, and answered with an error (R118)",
    "not_implemented": "documented as not implemented, and answered with an error (R118)",
}
_REFUSED_BY_FLAG: Final = {"kernel_mode": "for kernel-mode callers, which this platform does not have (spec/README 14)"}
_UNDOCUMENTED_BY_FLAG: Final = {"undocumented": "in the header only: there is no page to go by"}
_UNSUPPORTED_BY_FLAG: Final = {"not_currently_called": "documented as not currently called"}
_UNCLAIMED: Final[tuple[tuple[State, Mapping[str, str]], ...]] = (
    ("error", _ERROR_BY_FLAG),
    ("refused", _REFUSED_BY_FLAG),
    ("undocumented", _UNDOCUMENTED_BY_FLAG),
    ("unsupported", _UNSUPPORTED_BY_FLAG),
)
_NOT_CLAIMED: Final = {
    "authentication_package": "no host path calls it yet",
    "lsa_mode": "no host path calls it yet",
    "user_mode": "no host path calls it yet",
    "dll_functions": "the user-mode host does not offer it yet",
    "lsa_secpkg": "the authority does not offer it yet: STATUS_NOT_IMPLEMENTED",
    "lsa_dispatch": "the authority does not offer it yet: STATUS_NOT_IMPLEMENTED",
    "sspi": "SSPI does not offer it yet: SEC_E_UNSUPPORTED_FUNCTION",
    "lsa_logon": "secpkg.lsa does not offer it yet: STATUS_NOT_IMPLEMENTED",
    "subauth": "no package here asks a subauthentication package yet",
}


class FunctionState(msgspec.Struct, frozen=True):
    """One documented function as it stands in this code.

    ``function`` is the key of the table in the specification; ``python`` the dotted name of its place; ``where`` the
    file, relative to the secpkg package, and line of the implementation, or of the place where there is none.
    """

    table: str
    function: str
    python: str
    where: str
    state: State
    reason: str

    @property
    def key(self) -> str:
        """How tests and proofs name the function: ``table.Function``."""
        return f"{self.table}.{self.function}"


class NoPlace(LookupError):
    """A documented function that has no place in the code: a fault of the house, not of the caller."""


class Claims(msgspec.Struct, frozen=True):
    """What the imported code says of itself, and what has been proven of it; see `claims`."""

    marks: Mapping[tuple[str, str], Implementation]
    authority: Mapping[str, object]
    host: Mapping[str, object]
    proven: Mapping[str, str] = {}
    """Digest of the implementation that was proven, by the function's key."""


def _rooms() -> Iterator[ModuleType]:
    for room in _MARKED_ROOMS:
        package = importlib.import_module(room)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{room}."):
            if not found.name.endswith(".__main__"):
                yield importlib.import_module(found.name)


def claims() -> Claims:
    """Import everything that may claim a function, and hand over what it claims. A module that is not there, or does
    not import, is an error and never an empty claim.
    """
    for _module in _rooms():
        pass  # importing is what makes the marks
    for name in _RAW.values():
        importlib.import_module(name)
    authority: Mapping[str, object] = importlib.import_module(_AUTHORITY).LSA_FUNCTIONS
    running = importlib.import_module(_RUNNING)
    host: Mapping[str, object] = running.LOCAL_FUNCTIONS
    proven = {key: one.implementation for key, one in proof.read().functions.items()}
    return Claims(IMPLEMENTED, authority, host, proven)


def function_states(claimed: Claims | None = None) -> tuple[FunctionState, ...]:
    """Every documented function of the nine tables, in documented order, with its state. ImportError or `NoPlace` when
    the code is not whole.
    """
    claimed = claims() if claimed is None else claimed
    return tuple(function_state(row, claimed) for row in functions())


def counts(states: tuple[FunctionState, ...]) -> dict[State, int]:
    """How many functions are in each state; a state that nobody is in counts 0."""
    return {state: sum(one.state == state for one in states) for state in STATES}


def function_state(row: Function, claimed: Claims) -> FunctionState:
    """The state of one documented function; see `function_states`."""
    claim = implementation(row, claimed)
    python, found = place(row)
    source = claim.where if claim is not None else found
    where = _line(source) if source is not None else _row_line(row)

    def is_in(state: State, reason: str) -> FunctionState:
        return FunctionState(row.table, row.function, python, where, state, reason)

    if claim is not None and claim.state == "working":
        return is_in(*_proven(f"{row.table}.{row.function}", claim, claimed))
    if claim is not None and claim.state != "unsupported":
        return is_in(claim.state, claim.reason)
    for state, reasons in _UNCLAIMED:
        reason = _by_flag(row, reasons)
        if reason and (claim is None or state in ("error", "refused")):
            return is_in(state, claim.reason if claim is not None and state == "refused" else reason)
    return is_in("unsupported", claim.reason if claim is not None else _NOT_CLAIMED[row.table])


def _proven(key: str, claim: Implementation, claimed: Claims) -> tuple[State, str]:
    known = claimed.proven.get(key)
    if known is None:
        return "unproven", "it claims to work, and no test has proven it: make prove"
    try:
        current = sources.digest(claim.where) == known
    except sources.NoSource:
        return "unproven", "its source is not at hand"
    return ("working", claim.reason) if current else ("unproven", "it has changed since it was proven: make prove")


def _by_flag(row: Function, reasons: Mapping[str, str]) -> str:
    return next((reasons[flag] for flag in row.flags if flag in reasons), "")


def implementation(row: Function, claimed: Claims) -> Implementation | None:
    """Who has claimed a function, and how: a mark, the authority's table of LSA functions, or the host's."""
    tables_of_row = _LSA_FUNCTION_TABLES if row.table in _LSA_FUNCTION_TABLES else (row.table,)
    for table in (row.table, *tables_of_row):
        mark = claimed.marks.get((table, row.function))
        if mark is not None:
            return mark
    if row.table not in _LSA_FUNCTION_TABLES:
        return None
    for source in (claimed.host, claimed.authority):
        entry = source.get(row.python_name)
        found = getattr(entry, "implementation", entry)
        if callable(found):
            # An entry may be there to answer the documented error (R118): what the documents withhold does not work.
            reason = _by_flag(row, _ERROR_BY_FLAG)
            return Implementation(found, "error" if reason else "working", reason)
    return None


def place(row: Function) -> tuple[str, Callable[..., object] | None]:
    """The dotted name of the function's place and the object there.

    A function without one keeps its bare name and the row that documents it: one of SSPI or LSA logon that the raw
    floor leaves out, and those of subauthentication as long as the contract has none.
    """
    entry_point = _ENTRY_POINTS.get((row.table, row.function))
    if entry_point is not None:
        module, name = entry_point
        return f"{module}.{name}", vars(getattr(importlib.import_module(module), name))["__call__"]
    if row.table in _CONTRACT and (row.table != "subauth" or importlib.util.find_spec(_CONTRACT["subauth"][0])):
        for module in _CONTRACT[row.table]:
            found = _methods(module).get(row.python_name)
            if found is not None:
                return f"{module}.{found.__qualname__}", found
        raise NoPlace(f"{row.table}.{row.function}: no Protocol has {row.python_name}")
    if row.table in _RAW:
        module = _RAW[row.table]
        raw = importlib.import_module(module)
        function = getattr(raw, row.python_name, None)
        if callable(function):
            return f"{module}.{row.python_name}", function
    return row.python_name, None


@functools.cache
def _methods(module: str) -> dict[str, Callable[..., object]]:
    protocols: tuple[type, ...] = importlib.import_module(module).PROTOCOLS
    return {
        name: member
        for protocol in protocols
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def _line(where: Callable[..., object]) -> str:
    """File and line of the ``def`` or ``class`` of a callable; its module, where the source is not at hand."""
    try:
        file, line = sources.place(where)
    except sources.NoSource:
        return str(getattr(where, "__module__", ""))
    return f"{_relative(file)}:{line}"


def _row_line(row: Function) -> str:
    data = importlib.import_module("secpkg.contract.reference_data")
    for number, line in enumerate(linecache.getlines(data.__file__ or ""), 1):
        if f'("{row.function}", "{row.member}", {row.position},' in line:
            return f"{_relative(data.__file__ or '')}:{number}"
    raise NoPlace(f"{row.table}.{row.function}: its row is not in {data.__name__}")


@functools.cache
def _relative(file: str) -> str:
    path, package = Path(file).resolve(), Path(__file__).resolve().parents[1]
    return path.relative_to(package).as_posix() if path.is_relative_to(package) else path.as_posix()


__all__ = [
    "STATES",
    "Claims",
    "FunctionState",
    "NoPlace",
    "State",
    "claims",
    "counts",
    "function_state",
    "function_states",
    "implementation",
    "place",
    "tables",
]
