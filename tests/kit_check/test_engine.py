"""The engine: what is found to check, how the handshake is found out, and that nothing ends a run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import secpkg_hello.lsa_mode
import secpkg_hello.user_mode
from secpkg.contract import InterfaceVersion, ModuleTables, SecurityError, Status
from secpkg.kit.check import run as running
from secpkg.kit.check.model import Finding, Outcome, Probe, kept
from secpkg.kit.check.probes import load
from secpkg.kit.check.rules import rules
from secpkg.kit.check.run import check, run_probe
from secpkg.kit.check.subject import HOOK, IDENTITY, SESSION, SHARED, Subject
from secpkg.kit.check.target import TargetFault, find
from secpkg.kit.check.watch import Watch

HELLO = (secpkg_hello.lsa_mode.lsa_mode_initialize, secpkg_hello.user_mode.user_mode_initialize)


def test_a_module_is_found_by_name_door_pair_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hello = find("hello")
    assert hello.installed == "hello" and hello.lsa is HELLO[0] and hello.user is HELLO[1]
    assert find("secpkg_hello.lsa_mode:lsa_mode_initialize").lsa is HELLO[0]
    assert find(HELLO).user is HELLO[1] and find(HELLO[0]).user is None
    assert find("sampssp").provider is not None and find("sampssp").prepare is not None
    own = tmp_path / "own_module.py"
    own.write_text("def lsa_mode_initialize(version):\n    raise RuntimeError\n")
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    assert find(str(own)).lsa is not None
    for nothing in ("no-such-module", str(tmp_path / "absent.py"), "secpkg_hello:absent"):
        with pytest.raises(TargetFault):
            find(nothing)


@pytest.mark.parametrize(
    ("module", "kind"),
    [("hello", IDENTITY), ("keyring", SESSION), ("sampssp", HOOK), ("records", SHARED), ("datagrams", SHARED)],
)
def test_the_handshake_is_found_out(module: str, kind: str) -> None:
    subject = Subject(find(module))
    assert subject.recipe is not None and subject.recipe.kind == kind
    assert {"contexts", "handshake", "messages"} <= subject.powers and subject.transcript


def test_a_pure_authentication_package_has_no_handshake() -> None:
    subject = Subject(find("curfew"))
    assert subject.recipe is None and subject.powers == {"any", "lsa", "ap", "call", "surrogate"}


def test_a_seed_gives_the_same_world_again() -> None:
    made = []
    for seed in (1, 1, 2):
        with Subject(find(HELLO), seed=seed).parties("world") as parties:
            made.append(parties.exchange().run().tokens)
    assert made[0] == made[1] != made[2]


def test_every_probe_names_rules_that_exist_and_no_name_twice() -> None:
    probes = load()
    assert len({one.name for one in probes}) == len(probes)
    assert {rule for one in probes for rule in one.rules} <= set(rules())


def test_a_probe_that_raises_is_a_fault_of_the_kit_and_ends_nothing() -> None:
    def run(subject: Subject) -> Iterator[Finding]:
        yield kept("K1", "before")
        raise LookupError("of the kit")

    findings = list(run_probe(Probe("raising", run, ("K1",)), Subject(find("curfew"))))
    assert [one.kit_fault for one in findings].count(True) == 1
    assert findings[0].text == "before" and findings[0].package == "Curfew"


def _probes(monkeypatch: pytest.MonkeyPatch, *probes: Probe) -> None:
    monkeypatch.setattr(running, "load", lambda: probes)


@pytest.mark.slow
def test_what_hangs_or_ends_the_process_is_cut_off_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(subject: Subject) -> Iterator[Finding]:
        while True:
            time.sleep(60)
            yield kept("K1", "never")

    def leave(subject: Subject) -> Iterator[Finding]:
        os._exit(3)
        yield kept("K1", "never")

    def good(subject: Subject) -> Iterator[Finding]:
        yield kept("K2", f"in {os.getpid()}")

    _probes(
        monkeypatch,
        Probe("hang", hang, ("K1",), deadline=0.2),
        Probe("leave", leave, ("K1",)),
        Probe("good", good, ("K2",)),
    )
    monkeypatch.setattr(running, "SHARE", 1.0)
    made = {one.rule: one for one in check("curfew").rules}
    assert made["K15"].outcome is Outcome.BROKEN and "hang" in made["K15"].reason
    assert made["K13"].outcome is Outcome.BROKEN and "ended the process" in made["K13"].reason
    assert made["K2"].outcome is Outcome.KEPT and made["K2"].reason != f"in {os.getpid()}"


def test_a_module_that_does_not_load_is_told_under_the_rule_that_the_authority_names() -> None:
    def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V1, ())

    report = check(lsa_mode_initialize, isolate=False)
    assert [one.rule for one in report.broken] == ["R20"] and report.packages == ()


def test_the_nth_lsa_function_call_fails_on_demand() -> None:
    watch = Watch()
    watch.fail(2, Status.STATUS_ACCESS_DENIED)
    assert watch.ask("one", (), lambda: 1) == 1
    with pytest.raises(SecurityError) as raised:
        watch.ask("two", (), lambda: 2)
    assert raised.value.status is Status.STATUS_ACCESS_DENIED and watch.failed == "two"
    assert watch.ask("three", (), lambda: 3) == 3
