"""Import, table, initialize, registration: each fault is planted in a running authority and told by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.daemon.modules import PLAIN, PRELUDE, write_module
from tests.kit_doctor.conftest import Clinic, cause_of

from secpkg.kit.doctor import gather as gathering
from secpkg.kit.doctor.gather import gather
from secpkg.kit.doctor.probe import probe
from secpkg.kit.doctor.walk import walk

pytestmark = pytest.mark.slow  # each takes a while, and there are many

TABLES = "def initialize(version): return tables(P({name!r}))\n"

BODIES: dict[str, tuple[str, str, str]] = {
    # cause: the body, a part of the title, a part of the mend command
    "syntax_error": ("def initialize(version)\n    return 1\n", "syntax error", "correct"),
    "dependency_missing": ("import not_there_at_all\n" + PLAIN, "'not_there_at_all'", "pip install not_there_at_all"),
    "dependency_name": ("from json import not_in_json\n" + PLAIN, "not_in_json", "packages add"),
    "target_attribute_missing": ("def initialise(version): ...\n", "'initialize'", "def initialize(version)"),
    "import_exits": ("raise SystemExit(3)\n", "ends the process (SystemExit)", '__name__ == "__main__"'),
    "import_raises": ("raise RuntimeError('no such luck')\n", "no such luck", "__init__.py:"),
    "target_not_callable": ("initialize = 42\n", "not callable", "def lsa_mode_initialize"),
    "initialize_async": ("async def initialize(version): ...\n", "async def", "def instead of async def"),
    "initialize_nonsense": ("def initialize(version): return None\n", "NoneType", "ModuleTables"),
    "version_nonsense": ("def initialize(v): return ModuleTables(77, (Package('X'),))\n", "77", "InterfaceVersion"),
    "no_packages": ("def initialize(version): return tables()\n", "no packages", "ModuleTables"),
    "initialize_raises": ("def initialize(version): raise ValueError('nothing')\n", "nothing", "__init__.py:"),
    "function_misspelt": (
        "class P(Package):\n    async def accept_lsa_mode_kontext(self, call): ...\n" + TABLES,
        "accept_lsa_mode_context is meant",
        "rename accept_lsa_mode_kontext to accept_lsa_mode_context",
    ),
    "wrong_signature": (
        "class P(Package):\n    async def delete_context(self): ...\n" + TABLES,
        "must take (call, context)",
        "parameters of delete_context",
    ),
    "function_not_async": (
        "class P(Package):\n    def delete_context(self, call, context): ...\n" + TABLES,
        "is def",
        "async def delete_context",
    ),
    "not_a_function": ("class P(Package):\n    delete_context = 7\n" + TABLES, "is a int", "rename delete_context"),
    "beyond_version": (
        "class P(Package):\n"
        "    async def exchange_meta_data(self, call, credential, context, target, requirements, meta_data): ...\n"
        + TABLES,
        "exchange_meta_data",
        "has exchange_meta_data",
    ),
    "no_info": ("class P:\n    def __init__(self, name): pass\n" + TABLES, "info: PackageInfo", "PackageInfo(name="),
    "bad_info": (
        "def initialize(v): return tables(Package('X', max_token=2**31))\n",
        "max_token is 2147483648",
        "PackageInfo.max_token",
    ),
    "ap_without_name": (
        "class P(Package):\n    async def initialize_package(self, package_id, dispatch): return ''\n" + TABLES,
        "LsaApInitializePackage",
        "initialize_package",
    ),
    "initialize_status": (
        "class P(Package):\n    async def initialize(self, a, b, c): return Status.STATUS_UNSUCCESSFUL\n" + TABLES,
        "STATUS_UNSUCCESSFUL",
        "initialize",
    ),
    "initialize_failed": (
        "class P(Package):\n    async def initialize(self, a, b, c): raise OSError('no device')\n" + TABLES,
        "no device",
        "__init__.py:",
    ),
    "name_taken": ("def initialize(version): return tables(Package('hELLO'))\n", "hello has a package", "remove hello"),
    "name_reserved": ("def initialize(version): return tables(Package('NTLM'))\n", "inbox package", "another name"),
}  # fmt: skip


@pytest.mark.parametrize("cause", BODIES)
def test_a_planted_fault_is_told_by_its_name(clinic: Clinic, cause: str) -> None:
    """R18, R20-R23, R27, R32-R35, R87: what the loader refuses, the doctor explains."""
    body, title, mend = BODIES[cause]
    module = f"bad_{cause}"
    clinic.plant(module, body)
    report = clinic.diagnose(module)
    assert cause_of(report) == cause, report.line
    assert report.finding is not None
    assert title in report.finding.title
    assert mend in report.finding.mend
    assert report.line.startswith(report.finding.title) and report.finding.mend in report.line


ASIDE = (
    "syntax_error",
    "dependency_missing",
    "import_exits",
    "initialize_async",
    "function_misspelt",
    "initialize_failed",
)


@pytest.mark.parametrize("cause", ASIDE)
def test_without_an_authority_a_process_of_its_own_finds_the_same(
    clinic: Clinic, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not registered yet is loaded once, aside, and the fault is the same."""
    module = f"aside_{cause}"
    path = write_module(clinic.place, module, BODIES[cause][0])
    monkeypatch.syspath_prepend(path)
    nowhere = f"unix:{clinic.place}/nowhere/lsa.sock"
    report = walk(gather(module, nowhere))
    assert cause_of(report) == "socket_directory_missing"
    assert [finding.cause for finding in report.also] == [cause], report


def test_a_target_that_is_not_there(clinic: Clinic) -> None:
    clinic.place.mkdir(exist_ok=True)
    write_module(clinic.place, "moved", PLAIN)
    entry = clinic.place / "moved-1.0.dist-info" / "entry_points.txt"
    entry.write_text("[secpkg.lsa_mode]\nmoved = moved.elsewhere:initialize\n")
    clinic.add("moved", path=str(clinic.place))
    report = clinic.diagnose("moved")
    assert cause_of(report) == "target_not_importable", report.line
    assert "'moved.elsewhere'" in report.line


@pytest.mark.slow
def test_a_start_that_does_not_end(clinic: Clinic) -> None:
    """The worker is killed; the module is quarantined or broken with that reason."""
    clinic.plant("slow", "import time\ntime.sleep(60)\n")
    report = clinic.diagnose("slow")
    assert cause_of(report) == "quarantined_load", report.line
    assert "packages revive slow" in report.line


def test_two_packages_that_extend_negotiation(clinic: Clinic) -> None:
    """R170."""
    body = "def initialize(v): return tables(Package({name!r}, capabilities=Capability.NEGO_EXTENDER))\n"
    prelude = PRELUDE.replace("capabilities=Capability.CONNECTION, **{", "**{'capabilities': Capability.CONNECTION, ")
    for name in ("nego_one", "nego_two"):
        path = write_module(clinic.place, name, body, prelude=prelude)
        clinic.add(name, path=path)
    assert cause_of(clinic.diagnose("nego_two")) == "second_nego_extender"


def test_the_second_package_of_one_module_that_has_the_name_of_the_first(clinic: Clinic) -> None:
    clinic.plant("twins", "def initialize(v): return tables(Package('Twin'), Package('Twin'))\n")
    report = clinic.diagnose("twins")
    assert cause_of(report) == "name_taken"
    assert "twins has a package of that name" in report.line


def test_what_is_right_on_the_way_is_marked(clinic: Clinic) -> None:
    module = "half_right"
    clinic.plant(module, BODIES["function_misspelt"][0])
    marks = {mark.stage: mark.state for mark in clinic.diagnose(module).marks}
    assert [stage for stage, state in marks.items() if state == "right"] == [
        "configuration",
        "authority",
        "lists",
        "entry point",
        "environment",
        "import",
    ]
    assert marks["table"] == "wrong"
    assert {state for stage, state in marks.items() if stage in ("worker", "calls")} == {"not reached"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cause", "body", "said"),
    [
        ("dies_at_load", "import os\nos._exit(9)\n", "exit code 9"),
        ("dies_at_load", "import os\nos.kill(os.getpid(), 9)\n", "signal 9"),
        ("hangs_at_load", "import select\nselect.select([], [], [], 60)\n", "does not come to an end"),
    ],
)
def test_what_takes_its_process_along_leaves_the_doctor_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str, body: str, said: str
) -> None:
    monkeypatch.setattr(gathering, "probe", lambda module, path: probe(module, path, limit=3.0))
    monkeypatch.syspath_prepend(write_module(tmp_path, "wild", body))
    report = walk(gather("wild", f"unix:{tmp_path}/lsa.sock"))
    assert [finding.cause for finding in report.also] == [cause], report
    assert said in report.also[0].title
