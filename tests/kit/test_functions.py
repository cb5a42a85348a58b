"""`secpkg functions` says what the code is: every documented function once, where it stands, and in which state."""

from __future__ import annotations

import functools
import importlib
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import secpkg.kit.functions as kit
from secpkg.contract.implements import IMPLEMENTED, Implementation, State
from secpkg.contract.reference import Function, functions
from secpkg.kit import sources

PACKAGE = Path(kit.__file__).parents[1]
NOTHING = kit.Claims({}, {}, {})


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw floors that have every documented function, so that this file alone decides who has claimed what."""
    for table, name in (("sspi", "secpkg.sspi.raw"), ("lsa_logon", "secpkg.lsa.raw")):
        module = types.ModuleType(name)
        for row in functions():
            if row.table == table:
                setattr(module, row.python_name, implementation)
        monkeypatch.setitem(sys.modules, name, module)


def implementation() -> None:
    """Stands for code that has claimed a function."""


def one(table: str, function: str, claimed: kit.Claims) -> kit.FunctionState:
    (row,) = [row for row in functions() if (row.table, row.function) == (table, function)]
    return kit.function_state(row, claimed)


def marked(table: str, function: str, where: Callable[..., object], state: State = "working") -> kit.Claims:
    mark = Implementation(where, state, "the reason" * (state != "working"))
    return proven(kit.Claims({(table, function): mark}, {}, {}))


def proven(claimed: kit.Claims) -> kit.Claims:
    """The same, with a current proof for whatever claims to work."""
    found = {f"{row.table}.{row.function}": kit.implementation(row, claimed) for row in functions()}
    digests = {key: sources.digest(one.where) for key, one in found.items() if one is not None}
    return msgspec.structs.replace(claimed, proven=digests)


def named_line(where: str) -> str:
    file, _, line = where.rpartition(":")
    return (PACKAGE / file).read_text("utf-8").splitlines()[int(line) - 1].strip()


def test_this_checkout_has_every_documented_function_once_and_every_place_exists() -> None:
    states = kit.function_states()
    assert [(one.table, one.function) for one in states] == [(row.table, row.function) for row in functions()]
    assert len({(one.table, one.function) for one in states}) == len(states)
    for state in states:
        line = named_line(state.where)
        assert re.match(r"(async def|def|class) ", line), state
        assert state.python.startswith(("secpkg.contract.", "secpkg.sspi.raw.", "secpkg.lsa.raw.")), state


def test_this_checkout_agrees_with_its_registries() -> None:
    claimed = kit.claims()
    assert claimed.marks is IMPLEMENTED
    known = {(row.table, row.function) for row in functions()}
    assert set(claimed.marks) <= known, "a mark names a function that is not documented"
    names = {row.python_name for row in functions() if row.table == "lsa_secpkg"}
    assert set(claimed.authority) | set(claimed.host) <= names, "a table holds what is no LSA function"
    for state in kit.function_states(claimed):
        mark = claimed.marks.get((state.table, state.function))
        if mark is not None and mark.state != "unsupported":
            assert state.state == mark.state or (mark.state, state.state) == ("working", "unproven")
        assert (state.state == "working") or state.reason
    assert kit.counts(kit.function_states(claimed))["refused"] < 15


@pytest.mark.parametrize("row", functions(), ids=lambda row: f"{row.table}.{row.function}")
@pytest.mark.usefixtures("raw")
def test_a_function_works_when_it_is_marked_and_only_then(row: Function) -> None:
    before = one(row.table, row.function, NOTHING)
    assert before.state != "working"
    assert before.reason
    after = one(row.table, row.function, marked(row.table, row.function, implementation))
    assert after.state == "working"
    assert named_line(after.where) == "def implementation() -> None:"
    assert after.python == before.python


@pytest.mark.usefixtures("raw")
def test_nothing_claimed_nothing_works() -> None:
    counted = kit.counts(kit.function_states(NOTHING))
    assert counted["working"] == counted["unproven"] == counted["duty"] == 0
    assert sum(counted.values()) == len(functions())


@pytest.mark.usefixtures("raw")
def test_the_authority_and_the_host_claim_lsa_functions_by_python_name_in_both_tables() -> None:
    for claimed in (
        kit.Claims({}, {"create_logon_session": implementation}, {}),
        kit.Claims({}, {"create_logon_session": types.SimpleNamespace(implementation=implementation)}, {}),
        kit.Claims({}, {}, {"create_logon_session": implementation}),
        marked("lsa_secpkg", "CreateLogonSession", implementation),
    ):
        for table in ("lsa_secpkg", "lsa_dispatch"):
            assert one(table, "CreateLogonSession", proven(claimed)).state == "working"
        assert kit.counts(kit.function_states(claimed))["unproven" if not claimed.proven else "working"] == 2


@pytest.mark.parametrize("function", ["SaveSupplementalCredentials", "GetUserCredentials", "DummyFunction6"])
@pytest.mark.usefixtures("raw")
def test_what_the_documents_withhold_does_not_work_though_something_answers(function: str) -> None:
    """R118: an entry of the table that answers the error is not a working function."""
    (name,) = [row.python_name for row in functions() if row.function == function]
    state = one("lsa_secpkg", function, kit.Claims({}, {name: implementation}, {}))
    assert state.state == "error"
    assert named_line(state.where) == "def implementation() -> None:"
    without = one("lsa_secpkg", function, NOTHING)
    assert (without.state, without.reason) == ("error", state.reason)


@pytest.mark.usefixtures("raw")
def test_kernel_mode_functions_are_refused() -> None:
    """spec/README 14: what needs a Windows kernel object is refused, and listed as such."""
    refused = [state for state in kit.function_states(NOTHING) if state.state == "refused"]
    assert {state.function for state in refused} == {row.function for row in functions() if "kernel_mode" in row.flags}


@pytest.mark.parametrize("state", ["duty", "error", "undocumented", "refused", "unsupported"])
@pytest.mark.usefixtures("raw")
def test_a_mark_says_why_a_function_is_not_working(state: State) -> None:
    found = one("sspi", "MakeSignature", marked("sspi", "MakeSignature", implementation, state))
    assert (found.state, found.reason) == (state, "the reason")


@pytest.mark.usefixtures("raw")
def test_what_has_no_page_and_no_claim_is_undocumented() -> None:
    undocumented = {row.function for row in functions() if "undocumented" in row.flags}
    states = kit.function_states(NOTHING)
    assert {state.function for state in states if state.state == "undocumented"} == undocumented
    assert one("lsa_mode", "LsaApLogonUserEx3", marked("lsa_mode", "LsaApLogonUserEx3", implementation)).state == (
        "working"
    )


@pytest.mark.usefixtures("raw")
def test_what_claims_to_work_is_unproven_until_it_is_proven_and_after_each_change() -> None:
    claimed = marked("sspi", "MakeSignature", implementation)
    assert one("sspi", "MakeSignature", claimed).state == "working"
    for digests, reason in (({}, "no test has proven it"), ({"sspi.MakeSignature": "0" * 24}, "has changed")):
        state = one("sspi", "MakeSignature", msgspec.structs.replace(claimed, proven=digests))
        assert state.state == "unproven"
        assert reason in state.reason


@pytest.mark.usefixtures("raw")
def test_a_function_without_a_source_is_unproven() -> None:
    namespace: dict[str, Any] = {"__name__": "of_no_file"}
    exec("def nowhere(): ...", namespace)
    mark = Implementation(namespace["nowhere"], "working", "")
    claimed = kit.Claims({("sspi", "MakeSignature"): mark}, {}, {}, {"sspi.MakeSignature": "0" * 24})
    state = one("sspi", "MakeSignature", claimed)
    assert (state.state, state.where, state.reason) == ("unproven", "of_no_file", "its source is not at hand")


@pytest.mark.usefixtures("raw")
def test_the_line_is_that_of_the_definition_behind_decorators_partials_and_instances() -> None:
    @functools.cache
    @functools.wraps(implementation)
    def wrapped() -> None: ...

    class Driver:
        def method(self) -> None: ...

        def __call__(self) -> None: ...

    for where, line in (
        (wrapped, "def implementation() -> None:"),
        (functools.partial(implementation), "def implementation() -> None:"),
        (Driver, "class Driver:"),
        (Driver(), "class Driver:"),
        (Driver().method, "def method(self) -> None: ..."),
    ):
        assert named_line(one("sspi", "MakeSignature", marked("sspi", "MakeSignature", where)).where) == line


def test_a_function_that_the_raw_floor_leaves_out_keeps_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("secpkg.sspi.raw", "secpkg.lsa.raw"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    state = one("sspi", "MakeSignature", NOTHING)
    assert (state.state, state.python) == ("unsupported", "make_signature")
    assert '("MakeSignature"' in named_line(state.where)


def test_a_missing_protocol_method_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("secpkg.contract.user_mode.ssp"), "PROTOCOLS", ())
    kit._methods.cache_clear()
    try:
        with pytest.raises(kit.NoPlace, match="SpInstanceInit"):
            kit.function_states(NOTHING)
    finally:
        kit._methods.cache_clear()


@pytest.mark.parametrize("name", ["secpkg.sspi.raw", "secpkg.lsa.raw", "secpkg.authority.functions"])
def test_a_module_that_is_missing_is_an_error_and_not_an_empty_claim(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "_MARKED_ROOMS", ())
    for other in ("secpkg.sspi.raw", "secpkg.lsa.raw", "secpkg.authority.functions"):
        monkeypatch.setitem(sys.modules, other, types.ModuleType(other))
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError):
        kit.claims()
