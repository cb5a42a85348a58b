"""`make prove` itself: a test that looks at a status alone is found out, one that looks at the effect is believed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools.prove import record
from tools.prove.collect import ROOT
from tools.prove.success import value_of
from tools.prove.swap import Counter, NoStub, function_of

from secpkg.contract.status import Status
from secpkg.contract.values import Complete, LogonRefused, LogonResult, PackageInfo, Step
from secpkg.kit import proof

PLANTED = """
import pytest

from secpkg.accounts import names
from secpkg.contract import Capability, InterfaceVersion, ModuleTables, PackageInfo, Status
from secpkg.sspi import raw
from secpkg.testing import LabAuthority


@pytest.mark.proves("sspi.SspiGetTargetHostName")
def test_status_alone():
    assert raw.sspi_get_target_host_name("HTTP/host.example")[0] is Status.SEC_E_OK


@pytest.mark.proves("sspi.EnumerateSecurityPackages")
def test_effect():
    with LabAuthority(modules=["hello"]) as lab:
        status, packages = raw.enumerate_security_packages(lab)
        assert status is Status.SEC_E_OK and "Hello" in [each.name for each in packages]


class Named:
    info = PackageInfo("Static", capabilities=Capability.LOGON)

    def __init__(self):
        self.started = []

    async def initialize(self, package_id, parameters, authority):
        self.started.append(package_id)

    async def get_info(self):
        return PackageInfo("Computed", capabilities=Capability.LOGON)


def lab_of(package):
    return LabAuthority(modules=[lambda version: ModuleTables(InterfaceVersion.V1, (package,))])


@pytest.mark.proves("lsa_mode.SpInitialize")
def test_loads():
    with lab_of(Named()) as lab:
        assert raw.enumerate_security_packages(lab)[0] is Status.SEC_E_OK


@pytest.mark.proves("lsa_mode.SpGetInfo")
@pytest.mark.parametrize("again", [1, 2])
def test_information_is_computed(again):
    with lab_of(Named()) as lab:
        assert raw.query_security_package_info("Computed", lab)[0] is Status.SEC_E_OK


@pytest.mark.proves("sspi.QuerySecurityPackageInfo")
def test_never_asked():
    assert True


@pytest.mark.proves("sspi.DeleteSecurityPackage")
def test_fails_as_it_is():
    raise AssertionError


@pytest.mark.proves("sspi.NoSuchFunction")
def test_of_nothing(): ...


@pytest.mark.breaks("R1", "secpkg.contract.reference:python_name")
def test_keeps_its_rule():
    from secpkg.contract import reference
    assert reference.python_name("sspi", "MakeSignature") == "make_signature"


@pytest.mark.breaks("R2", "secpkg.contract.reference:tables")
def test_notices_nothing():
    from secpkg.contract import reference
    reference.tables()


@pytest.mark.breaks("R3", "secpkg.contract.reference:no_such_function")
def test_has_no_callable(): ...


@pytest.mark.breaks("R4", "secpkg.contract.reference:Function.python_name")
def test_of_a_property():
    from secpkg.contract import reference
    assert reference.functions()[0].python_name
"""


def prove(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    place = ("--root", str(root), "--file", str(root / "proven.json"))
    command = (sys.executable, "-m", "tools.prove", *place, *arguments)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


ONLY = [
    *("sspi.SspiGetTargetHostName", "sspi.EnumerateSecurityPackages", "sspi.QuerySecurityPackageInfo"),
    *("sspi.DeleteSecurityPackage", "sspi.AddSecurityPackage", "lsa_mode.SpInitialize", "lsa_mode.SpGetInfo", "R?"),
]


# The rules of the planted tests, by names: what a test of ours names in its text counts as a rule that it keeps.
KEEPS, UNNOTICED, WITHOUT, PROPERTY = "R1", "R2", "R3", "R4"
MANY, FEW = "R10", "R9"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    root = tmp_path_factory.mktemp("planted")
    (root / "tests").mkdir()
    (root / "tests" / "test_planted.py").write_text(PLANTED)
    return root, prove(root, "--write", *(word for name in ONLY for word in ("--only", name)))


@pytest.mark.slow
def test_the_verdicts(planted: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, done = planted
    assert done.returncode == 1
    told = set(done.stderr.splitlines())
    test = "tests/test_planted.py::"
    assert told == {
        f"{test}test_of_nothing: sspi.NoSuchFunction is no documented function",
        f"{test}test_fails_as_it_is: fails as it is",
        "sspi.DeleteSecurityPackage: none of its tests passes as the code stands",
        "sspi.AddSecurityPackage: no test is marked for it",
        f"sspi.SspiGetTargetHostName: it survives {test}test_status_alone",
        f"lsa_mode.SpInitialize: it survives {test}test_loads",
        f"sspi.QuerySecurityPackageInfo: the stub is never called in this process by {test}test_never_asked",
        f"{UNNOTICED} without secpkg.contract.reference:tables: it survives {test}test_notices_nothing",
        *(line for line in told if re.fullmatch(WITHOUT + r" without .*: NoStub: .* does not exist: .*", line)),
    }
    assert any(line.startswith(WITHOUT) for line in told)
    assert done.stdout == f"prove: 2 functions, 2 rules; not proven: {len(told)}\n"
    proven = proof.read(root / "proven.json")
    assert set(proven.functions) == {"sspi.EnumerateSecurityPackages", "lsa_mode.SpGetInfo"}
    assert list(proven.functions["lsa_mode.SpGetInfo"].tests) == [f"{test}test_information_is_computed"]
    assert set(proven.rules) == {KEEPS, PROPERTY}


@pytest.mark.slow
def test_what_is_written_is_current_until_a_word_changes(
    planted: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    root, _ = planted
    proven = proof.read(root / "proven.json")

    def told() -> set[str]:
        return {
            line
            for line in record.stale(proven, root)
            if line.startswith(("lsa_mode.SpGetInfo", f"{KEEPS}:", f"{PROPERTY}:"))
        }

    assert told() == set()
    file = root / "tests" / "test_planted.py"
    file.write_text("\n\n" + PLANTED)
    again = proof.read(root / "proven.json")
    assert again == proven
    check = prove(root, "--check")
    assert check.returncode == 1 and "lsa_mode.SpGetInfo" not in check.stderr and f"{KEEPS}:" not in check.stderr
    file.write_text(PLANTED.replace('"Computed", lab', '"Static", lab').replace("def test_keeps_its_rule", "def test_"))
    check = prove(root, "--check")
    assert "lsa_mode.SpGetInfo: tests/test_planted.py::test_information_is_computed has changed" in check.stderr
    assert f"{KEEPS}: tests/test_planted.py::test_keeps_its_rule, which proved it, is gone" in check.stderr
    assert (
        f"{KEEPS}: tests/test_planted.py::test_ with secpkg.contract.reference:python_name was never proven"
        in check.stderr
    )
    assert prove(root, "--stale", "--only", KEEPS, "--only", "lsa_mode.SpGetInfo", "--write").returncode == 1
    proven = proof.read(root / "proven.json")
    assert next(iter(proven.rules[KEEPS].values())).tests.keys() == {"tests/test_planted.py::test_"}
    assert "lsa_mode.SpGetInfo" not in proven.functions, "its test fails as it is now"


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = proof.Proof("a" * 24, {"tests/x.py::test": "b" * 24})
    proven = proof.Proven({"sspi.B": one, "sspi.A": one}, {MANY: {"m:f": one}, FEW: {"m:g": one}})
    file = tmp_path / "proven.json"
    proof.write(proven, file)
    assert proof.read(file) == proven
    assert [line.split('"')[1] for line in file.read_text().splitlines() if line.startswith("    ")] == [
        *("sspi.A", "sspi.B", FEW, MANY)
    ]
    assert proof.read(tmp_path / "none") == proof.Proven()


def test_success_is_what_the_type_says() -> None:
    assert value_of(tuple[Status, PackageInfo | None, int]) == (Status.SEC_E_OK, None, 0)
    assert isinstance(value_of(Step), Complete)
    assert isinstance(value_of(LogonResult | LogonRefused), LogonResult)
    assert value_of(PackageInfo) == PackageInfo("stub")


@pytest.mark.parametrize(
    "target",
    ["secpkg.none:f", "secpkg.contract.status", "secpkg.contract.status:Status", "secpkg.contract.values:NEVER"],
)
def test_what_cannot_be_replaced_is_told(target: str) -> None:
    with pytest.raises(NoStub):
        function_of(target)


def test_calls_are_counted_in_children_too() -> None:
    counter = Counter()
    pid = os.fork()
    if not pid:
        counter.count()
        os._exit(0)
    os.waitpid(pid, 0)
    assert counter.value == 1


def test_what_is_proven_is_current() -> None:
    assert record.stale(proof.read()) == [], "make prove"
