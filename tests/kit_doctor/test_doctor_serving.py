"""Workers and user halves: killed, hung, quarantined, draining; and what applications find of the user half."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest
from tests.daemon import harness
from tests.daemon.modules import ROGUE, write_module
from tests.kit_doctor.conftest import Clinic, cause_of

from secpkg.ipc.errors import ChannelClosed
from secpkg.kit.doctor.facts import Row, Worker
from secpkg.kit.doctor.gather import gather
from secpkg.kit.doctor.model import Report
from secpkg.kit.doctor.walk import walk

pytestmark = pytest.mark.slow


def wreck(clinic: Clinic, module: str, what: bytes) -> Report:
    """Have the package do it as often as quarantine takes (twice here)."""
    clinic.plant(module, ROGUE)
    for _ in range(2):
        worker = clinic.daemon.worker(module)
        ends = harness.Ends(clinic.daemon.link(), module.capitalize())
        with pytest.raises(ChannelClosed):
            ends.accept(0, what)
        clinic.restarted(module, worker)
    clinic.daemon.until(lambda: clinic.daemon.row(module)["state"] == "quarantined")
    return clinic.diagnose(module)


@pytest.mark.parametrize(
    ("what", "cause", "title"),
    [
        (b"hang", "quarantined_hung", "did not give control back"),
        (b"kill", "quarantined_killed", "was killed"),
        (b"exit", "quarantined", "exited_with_7"),
    ],
)
def test_a_module_that_died_too_often(clinic: Clinic, what: bytes, cause: str, title: str) -> None:
    """Lock 7: it is out of service until an operator revives it, and the doctor says how."""
    report = wreck(clinic, f"wreck_{what.decode()}", what)
    assert cause_of(report) == cause, report.line
    assert title in report.line and f"packages revive wreck_{what.decode()}" in report.line


def test_a_worker_that_crashes_natively(clinic: Clinic) -> None:
    clinic.plant("native")
    for _ in range(2):
        worker = clinic.daemon.worker("native")
        os.kill(worker, signal.SIGSEGV)
        clinic.restarted("native", worker)
    clinic.daemon.until(lambda: clinic.daemon.row("native")["state"] == "quarantined")
    assert cause_of(clinic.diagnose("native")) == "quarantined_crashed"


def test_a_package_that_is_being_removed(clinic: Clinic) -> None:
    clinic.plant("leaving")
    ends = harness.Ends(clinic.daemon.link(), "Leaving")
    ends.initiate(0, b"")
    clinic.daemon.manage("packages.remove", name="leaving")
    facts = gather("leaving", clinic.daemon.address)
    assert facts.listed, "it is listed while it drains"
    report = walk(facts)
    ends.channel.close()
    clinic.daemon.until(lambda: not clinic.daemon.packages("leaving"))
    assert cause_of(report) == "draining", report.line
    assert "1 applications still use it" in report.line


def with_row(clinic: Clinic, **changes: object) -> Report:
    """Moments too short to meet them: as if the authority had told them."""
    facts = gather("hello", clinic.daemon.address)
    rows = tuple(msgspec.structs.replace(r, **changes) if r.module == "hello" else r for r in facts.rows)
    return walk(msgspec.structs.replace(facts, rows=rows))


def test_a_worker_between_death_and_start(clinic: Clinic) -> None:
    report = with_row(clinic, worker=Worker(None, 3, 0))
    assert cause_of(report) == "worker_restarting" and "3 times" in report.line


def test_a_module_that_is_still_loading(clinic: Clinic) -> None:
    assert cause_of(with_row(clinic, state="loading", name="", functions=())) == "still_loading"


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("the package unloaded itself", "unloaded_itself"),
        ("removed", "removed"),
        ("package_name_invalid", "name_invalid"),
    ],
)
def test_packages_that_were_taken_out_of_service(clinic: Clinic, reason: str, cause: str) -> None:
    """R39, R87."""
    assert cause_of(with_row(clinic, state="broken", reason=reason)) == cause


def test_a_package_that_unloads_itself(clinic: Clinic) -> None:
    """R39, as it happens."""
    body = """
class P(Package):
    async def accept_lsa_mode_context(self, call, credential, context, request):
        await self.authority.unload_package()
        return Complete([], b"gone")
def initialize(version): return tables(P({name!r}))
"""
    clinic.plant("quitter", body)
    ends = harness.Ends(clinic.daemon.link(), "Quitter")
    ends.accept(0, b"x")
    clinic.daemon.until(lambda: clinic.daemon.row("quitter")["state"] == "broken")
    assert cause_of(clinic.diagnose("quitter")) == "unloaded_itself"


# --- user halves ------------------------------------------------------------------------------------------------------

SEALING = """
class P(Package):
    pass
def initialize(version):
    return tables(P({name!r}, capabilities=Capability.INTEGRITY | Capability.CONNECTION))
"""
USER = """
from secpkg.contract import InterfaceVersion
from secpkg.contract.user_mode.ssp import UserModuleTables
class U:
    name = %r
    def init_user_mode_context(self, packed_context): return object()
    def make_signature(self, context, quality_of_protection, message, sequence_number): ...
    def verify_signature(self, context, message, sequence_number): return 0
def user_mode_initialize(version): return UserModuleTables(InterfaceVersion.V1, [U()])
"""


def sealing(clinic: Clinic, name: str, user: str | None) -> str:
    """A module that announces INTEGRITY, with this user half or none."""
    body = SEALING.replace("**info", "info")
    place = clinic.place / name
    prelude = (
        "import os\nfrom secpkg.contract import *\nfrom secpkg.contract import (Acquired, Capability, Complete, "
        "InterfaceVersion, ModuleTables, PackageInfo)\nclass Package:\n    def __init__(self, name, capabilities):\n"
        "        self.info = PackageInfo(name=name, capabilities=capabilities, max_token=64)\n"
        "    async def acquire_credentials_handle(self, call, principal, use, logon_id, data): return Acquired([])\n"
        "    async def accept_lsa_mode_context(self, call, credential, context, request): return Complete([], b'')\n"
        "def tables(*packages): return ModuleTables(InterfaceVersion.V1, packages)\n"
    )
    path = write_module(place, name, body, prelude=prelude)
    if user is not None:
        (place / name / "user.py").write_text(user.replace("%r", repr(name.capitalize())))
        entry = place / f"{name}-1.0.dist-info" / "entry_points.txt"
        entry.write_text(entry.read_text() + f"[secpkg.user_mode]\n{name} = {name}.user:user_mode_initialize\n")
    clinic.add(name, path=path)
    return path


def test_integrity_is_announced_and_there_is_no_user_half(clinic: Clinic) -> None:
    """spec/README 3."""
    sealing(clinic, "halfless", None)
    report = clinic.diagnose("halfless")
    assert cause_of(report) == "user_half_not_offered", report.line
    assert "announces INTEGRITY" in report.line and '"secpkg.user_mode"] halfless' in report.line


def test_the_application_does_not_have_the_user_half(clinic: Clinic) -> None:
    """spec/README 2: it runs in the application's environment, which is another."""
    sealing(clinic, "elsewhere", USER)
    report = clinic.diagnose("elsewhere")
    assert cause_of(report) == "user_half_not_here", report.line
    assert "pip install elsewhere==1.0" in report.line


@pytest.mark.parametrize(
    ("cause", "user", "text"),
    [
        ("user_half_import", "import not_there_either\n" + USER, "not_there_either"),
        ("user_half_import", "import os; os._exit(4)\n", "exit code 4"),
        ("user_half_initialize", "def user_mode_initialize(version): raise ValueError('no')\n", "ValueError"),
        ("user_half_broken", USER.replace("def make_signature(self, context", "def make_signature(self"), "must take"),
        ("user_functions_missing", USER.replace("verify_signature", "unrelated"), "has no verify_signature"),
    ],
)
def test_a_user_half_that_fails_in_the_application(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, cause: str, user: str, text: str
) -> None:
    name = f"{cause}_{len(user)}"
    monkeypatch.syspath_prepend(sealing(clinic, name, user))
    report = clinic.diagnose(name)
    assert cause_of(report) == cause, report.line
    assert text in report.line


def test_other_files_of_the_user_half(clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealing(clinic, "twofold", USER)
    copy = write_module(tmp_path, "twofold", "# another one\n")
    entry = tmp_path / "twofold-1.0.dist-info" / "entry_points.txt"
    entry.write_text(entry.read_text() + "[secpkg.user_mode]\ntwofold = twofold:user_mode_initialize\n")
    monkeypatch.syspath_prepend(copy)
    report = clinic.diagnose("twofold")
    assert cause_of(report) == "user_half_digest", report.line
    (tmp_path / "twofold-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: twofold\nVersion: 2.0\n")
    (tmp_path / "twofold-1.0.dist-info").rename(tmp_path / "twofold-2.0.dist-info")
    report = clinic.diagnose("twofold")
    assert cause_of(report) == "user_half_version", report.line
    assert "found version 2.0" in report.line and "twofold==1.0" in report.line


def test_a_user_half_that_works_is_right(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(sealing(clinic, "wellmade", USER))
    report = clinic.diagnose("wellmade")
    assert cause_of(report) == "never_asked", report.line
    mark = next(mark for mark in report.marks if mark.stage == "user half")
    assert mark.state == "right" and "can load it" in mark.text


def test_rows_of_a_later_version_are_read() -> None:
    """What an authority tells beyond what is known is passed over."""
    assert msgspec.convert({"name": "X", "module": "x", "new": 1}, Row).name == "X"
