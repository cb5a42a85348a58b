"""The operator's lists, entry points, distributions: what is written where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.daemon.modules import PLAIN, write_module
from tests.kit_doctor.conftest import Clinic, cause_of, configure

from secpkg.kit.doctor.facts import Environment, Facts, Offer
from secpkg.kit.doctor.gather import gather
from secpkg.kit.doctor.model import Report
from secpkg.kit.doctor.walk import walk

pytestmark = pytest.mark.slow  # each takes a while, and there are many


def offer(place: Path, name: str, entry_points: str, *, version: str = "1.0") -> None:
    """A distribution with these entry points and nothing else."""
    information = place / f"{name}-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (information / "entry_points.txt").write_text(entry_points)


@pytest.mark.parametrize(
    ("name", "cause", "mend"),
    [
        ("hello.dll", "dll_name", "packages add hello"),
        ("Hello.py", "dll_name", "packages add hello"),
        ("./hello", "name_is_path", "packages add hello --path /"),
        ("examples/hello/src", "name_is_path", "--path /"),
        ("secpkg_hello.lsa_mode:lsa_mode_initialize", "name_is_target", "packages add hello"),
        ("secpkg-example-hello", "name_is_distribution", "packages add hello"),
        ("secpkg_hello", "name_is_distribution", "packages add hello"),
        ("helo", "name_misspelt", "doctor hello"),
        ("nothing-like-it-anywhere", "not_installed", "pip install"),
    ],
)
def test_a_name_that_is_none(clinic: Clinic, name: str, cause: str, mend: str) -> None:
    """R8: a list has names; a path is absolute and stands apart."""
    report = clinic.diagnose(name)
    assert cause_of(report) == cause, report.line
    assert mend in report.line


def test_a_package_is_understood_as_well_as_its_module(clinic: Clinic) -> None:
    assert clinic.diagnose("hELLO").module == "hello"


def test_installed_and_on_no_list(clinic: Clinic) -> None:
    report = clinic.diagnose("keyring")
    assert cause_of(report) == "not_listed"
    assert report.line.endswith("packages add keyring"), report.line


def test_a_pure_ap_that_is_on_no_list_belongs_on_another(clinic: Clinic) -> None:
    report = clinic.diagnose("curfew")
    assert cause_of(report) == "not_listed"
    assert report.line.endswith("packages add curfew --list authentication_packages")


def test_a_pure_ap_on_security_packages(clinic: Clinic) -> None:
    """spec/README 12."""
    clinic.add("curfew")
    report = clinic.diagnose("curfew")
    assert cause_of(report) == "ap_on_security_packages", report.line
    assert "packages remove curfew &&" in report.line and "--list authentication_packages" in report.line


def test_an_ssp_on_authentication_packages(clinic: Clinic) -> None:
    clinic.plant("contexts", list="authentication_packages")
    assert cause_of(clinic.diagnose("contexts")) == "ssp_on_authentication_packages"


def test_an_ssp_ap_on_security_providers(clinic: Clinic) -> None:
    clinic.daemon.manage("packages.add", module="keyring", list="security_providers")
    try:
        report = clinic.diagnose("keyring")
    finally:
        clinic.daemon.manage("packages.remove", name="keyring")
    assert cause_of(report) == "module_on_security_providers"


def test_a_plain_ssp_on_no_list_and_on_its_list(clinic: Clinic) -> None:
    report = clinic.diagnose("sampssp")
    assert cause_of(report) == "provider_not_listed" and "--list security_providers" in report.line
    clinic.daemon.manage("packages.add", module="sampssp", list="security_providers")
    try:
        assert cause_of(clinic.diagnose("sampssp")) == ""
    finally:
        clinic.daemon.manage("packages.remove", name="sampssp")


def test_a_plain_ssp_on_security_packages(home: Path) -> None:
    """R1: it has no LSA half; embedded, the configuration is the list."""
    configure(home, 'security_packages = ["sampssp"]\n')
    report = walk(gather("sampssp"))
    assert cause_of(report) == "ssp_on_security_packages", report.line


def test_embedded_lists_are_those_of_the_configuration(home: Path) -> None:
    path = configure(home, 'security_packages = ["hello"]\n')
    assert cause_of(walk(gather("hello"))) == ""
    report = walk(gather("keyring"))
    assert cause_of(report) == "not_listed" and str(path) in report.line


def test_a_package_by_its_name_where_no_authority_tells_whose_it_is(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "def initialize(v): return tables(Package('Another Name'))\n"
    monkeypatch.syspath_prepend(write_module(tmp_path, "module_of_it", body))
    configure(home, 'security_packages = ["module_of_it"]\n')
    assert walk(gather("another name")).module == "module_of_it"


def test_a_listed_name_that_nobody_offers(home: Path) -> None:
    path = configure(home, 'security_packages = ["helo", "zzz"]\n')
    report = walk(gather("helo"))
    assert cause_of(report) == "listed_name_misspelt", report.line
    assert f"write hello instead of helo in {path}" in report.line
    report = walk(gather("zzz"))
    assert cause_of(report) == "registered_and_gone" and "pip install" in report.line


def test_nothing_is_on_any_list(clinic: Clinic) -> None:
    facts = gather("", clinic.daemon.address)
    bare = msgspec.structs.replace(facts, registered=(), providers=(), rows=())
    assert cause_of(walk(bare)) == "nothing_listed"
    assert cause_of(walk(facts)) != "nothing_listed"


# --- entry points -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["secpkg.lsa-mode", "secpkg.lsamode", "secpkg.user_mode"])
def test_an_entry_point_in_the_wrong_group(clinic: Clinic, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = clinic.place / group
    offer(place, "stray", f"[{group}]\nstray = stray:initialize\n")
    monkeypatch.syspath_prepend(str(place))
    report = clinic.diagnose("stray")
    assert cause_of(report) == "entry_point_in_wrong_group", report.line
    assert '[project.entry-points."secpkg.lsa_mode"]' in report.line and group in report.line
    # the same directory name may come again in another run of this test
    subprocess.run(["rm", "-r", str(place)], check=True)


def test_a_distribution_without_entry_point(clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, "forgetful", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    report = clinic.diagnose("forgetful")
    assert cause_of(report) == "entry_point_missing"
    assert 'forgetful = "forgetful:lsa_mode_initialize"' in report.line


def test_found_here_by_a_path_that_no_authority_looks_into(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(write_module(tmp_path, "mine", PLAIN))
    report = clinic.diagnose("mine")
    assert cause_of(report) == "only_outside_isolation", report.line
    assert f"{sys.executable} -m pip install mine==1.0" in report.line


def changed_there(clinic: Clinic, name: str, **changes: object) -> Report:
    """As if the authority ran in another environment."""
    facts = gather(name, clinic.daemon.address)
    assert facts.there is not None
    there = msgspec.structs.replace(facts.there, python="/opt/authority/bin/python", **changes)
    return walk(msgspec.structs.replace(facts, there=there))


def test_not_installed_where_the_authority_runs(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(write_module(tmp_path, "here_alone", PLAIN))
    report = changed_there(clinic, "here_alone")
    assert cause_of(report) == "only_in_users_environment"
    assert "/opt/authority/bin/python -m pip install here_alone==1.0" in report.line


def test_uninstalled_after_it_was_registered(clinic: Clinic) -> None:
    report = changed_there(clinic, "hello", offers=())
    assert cause_of(report) == "only_in_users_environment"
    facts = gather("hello", clinic.daemon.address)
    assert facts.there is not None
    gone = msgspec.structs.replace(
        facts,
        here=Environment("/usr/bin/python3", 0, ()),
        there=msgspec.structs.replace(facts.there, offers=(), digest="", reason="no_such_module"),
    )
    report = walk(gone)
    assert cause_of(report) == "registered_and_gone" and "pip install secpkg-example-hello==1.0" in report.line


def test_offered_twice(clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Offer("secpkg.lsa_mode", "hello", "other:initialize", "impostor", "2.0")
    facts = gather("hello", clinic.daemon.address)
    assert facts.there is not None
    report = changed_there(clinic, "hello", offers=(*facts.there.offers, one))
    assert cause_of(report) == "offered_twice" and "impostor and secpkg-example-hello" in report.line


def test_an_entry_point_without_a_function(clinic: Clinic, home: Path, tmp_path: Path) -> None:
    write_module(clinic.place, "bare", PLAIN)
    (clinic.place / "bare-1.0.dist-info" / "entry_points.txt").write_text("[secpkg.lsa_mode]\nbare = bare\n")
    clinic.add("bare", path=str(clinic.place))
    report = clinic.diagnose("bare")
    assert cause_of(report) == "target_without_function" and '"bare:lsa_mode_initialize"' in report.line


def test_another_version_than_was_registered(clinic: Clinic) -> None:
    facts = gather("hello", clinic.daemon.address)
    assert facts.there is not None
    offers = tuple(msgspec.structs.replace(o, version="2.0") if o.name == "hello" else o for o in facts.there.offers)
    report = changed_there(clinic, "hello", offers=offers)
    assert cause_of(report) == "version_changed"
    assert "secpkg-example-hello 1.0, and secpkg-example-hello 2.0" in report.line
    assert "packages add hello --primary-credentials" in report.line, "as it was registered"


def test_files_that_were_edited_after_it_was_registered(clinic: Clinic) -> None:
    clinic.plant("edited")
    assert cause_of(clinic.diagnose("edited")) == "never_asked"
    source = clinic.place / "edited" / "__init__.py"
    source.write_text(source.read_text() + "# edited\n")
    report = clinic.diagnose("edited")
    assert cause_of(report) == "files_changed", report.line
    assert f"packages add edited --path {clinic.place}" in report.line


def test_a_worker_that_refuses_what_was_not_registered(clinic: Clinic) -> None:
    clinic.plant("swapped")
    facts: Facts = gather("swapped", clinic.daemon.address)
    reason = "module 'swapped' is not the one that was registered: its digest differs; register it again"
    rows = tuple(msgspec.structs.replace(row, state="broken", reason=reason) for row in facts.listed)
    assert cause_of(walk(msgspec.structs.replace(facts, rows=rows))) == "not_what_was_registered"
    reason = "module 'swapped' is not here: module_files_not_found"
    rows = tuple(msgspec.structs.replace(row, state="broken", reason=reason) for row in facts.listed)
    assert cause_of(walk(msgspec.structs.replace(facts, rows=rows))) == "files_not_found"
