"""Causes that take another user, another environment or a moment: planted on a real authority all the same.

Three of the doctor's causes are planted as facts alone, in the other files: ``password_expired``, since a daemon has no
setting for the age of passwords; ``removed``, a state between a worker's end and the end of its row that nothing can be
made to wait for; and ``name_invalid``, since the loader refuses such a name before the authority does (``bad_info``).
``protocol_version`` and ``authority_silent`` have a real socket, and behind it no authority of ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import traceback
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.daemon import harness
from tests.daemon.modules import PLAIN, PRELUDE, write_module
from tests.kit_doctor.conftest import LIMITS, Clinic, cause_of
from tests.kit_doctor.test_doctor_reaching import listening

from secpkg.ipc.client import link
from secpkg.kit.doctor.gather import gather
from secpkg.kit.doctor.model import Report
from secpkg.kit.doctor.walk import walk
from secpkg.runtime.supervisor import Limits

pytestmark = pytest.mark.slow
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a while")
AT_LEISURE = Limits(memory=LIMITS.memory, step=LIMITS.step, load=LIMITS.load, crashes=9, back_off=(0.0, 3600.0))


def as_nobody(action: Callable[[], Report]) -> Report:
    """What the doctor finds when somebody else asks, in a process of its own, which may not read where Python is."""
    action()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(write, msgspec.msgpack.encode(action()))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        data = answer.read()
    os.waitpid(child, 0)
    return msgspec.msgpack.decode(data, type=Report)


@pytest.fixture
def open_house() -> Iterator[harness.Daemon]:
    """An authority in a directory that lets everybody in."""
    with harness.running(limits=LIMITS) as daemon:
        daemon.directory.parent.chmod(0o755)
        daemon.directory.chmod(0o755)
        yield daemon
        harness.close_opened()


def told(daemon: harness.Daemon) -> Report:
    return walk(gather("hello", daemon.address, load=False))


@as_root
def test_a_directory_that_lets_this_user_in_nowhere(open_house: harness.Daemon) -> None:
    open_house.directory.chmod(0o700)
    report = as_nobody(lambda: told(open_house))
    assert cause_of(report) == "socket_denied", report.line
    assert "chmod" in report.line


@as_root
def test_the_trusted_socket_of_another_user(open_house: harness.Daemon) -> None:
    """Lock 2, R84."""
    report = as_nobody(lambda: told(open_house))
    assert cause_of(report) == "trusted_socket_denied", report.line
    assert f"sudo secpkg --authority {open_house.address} doctor hello" in report.line
    assert cause_of(told(open_house)) == "never_asked", "root is told"


@as_root
def test_a_user_who_gets_to_the_trusted_socket_and_is_not_trusted(open_house: harness.Daemon) -> None:
    """R84: file permissions are not what trust is."""
    (open_house.directory / "lsa-trusted.sock").chmod(0o666)
    report = as_nobody(lambda: told(open_house))
    assert cause_of(report) == "not_trusted", report.line
    assert f"--trust {NOBODY}" in report.line


@as_root
def test_an_authority_that_another_user_runs(tmp_path: Path, home: Path) -> None:
    """Lock 1: whoever listens under this name is neither root nor configured."""
    place = tmp_path / "theirs"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    for parent in (place, *place.parents):
        parent.chmod(parent.stat().st_mode | 0o011)
    ready, begun = os.pipe()
    gone, going = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            with listening(place / "lsa.sock"):
                os.write(begun, b"!")
                os.close(going)
                os.read(gone, 1)
        finally:
            os._exit(0)
    os.close(begun)
    try:
        assert os.read(ready, 1) == b"!"
        report = walk(gather("hello", f"unix:{place}/lsa.sock", load=False))
    finally:
        os.close(going)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(gone)
    assert cause_of(report) == "foreign_uid", report.line
    assert "authority_uids" in report.line and str(NOBODY) in report.line


def test_nothing_is_on_any_list_of_a_new_authority() -> None:
    with harness.running(limits=LIMITS, hello=False) as daemon:
        report = walk(gather("", daemon.address))
    assert cause_of(report) == "nothing_listed", report.line


def test_a_worker_that_died_and_is_not_started_again_yet() -> None:
    with harness.running(limits=AT_LEISURE) as daemon:
        for _ in range(2):  # the first time it is started again at once
            worker = daemon.worker("hello")
            os.kill(worker, 15)
            daemon.until(lambda worker=worker: daemon.row("hello")["worker"]["pid"] != worker)  # type: ignore[misc]
            if daemon.row("hello")["worker"]["pid"] is None:
                break
        report = walk(gather("hello", daemon.address))
    assert cause_of(report) == "worker_restarting", report.line


def test_a_module_whose_start_has_not_ended(clinic: Clinic, tmp_path: Path) -> None:
    waiting = tmp_path / "waiting"
    os.mkfifo(waiting)
    path = write_module(clinic.place, "tardy", f"open({str(waiting)!r}).close()\n" + PLAIN)
    address = clinic.daemon.address
    # By a connection of its own: who registers a module waits until it is loaded.
    adding = threading.Thread(target=_register, args=(address, "tardy", path))
    adding.start()
    try:
        clinic.daemon.until(lambda: clinic.daemon.packages("tardy"))
        report = clinic.diagnose("tardy")
    finally:
        with open(waiting, "w", encoding="utf-8"):
            pass
        adding.join()
        clinic._planted.append("tardy")
    assert cause_of(report) == "still_loading", report.line


def _register(address: str, module: str, path: str) -> None:
    from secpkg.ipc import schema
    from secpkg.ipc.link import next_id

    with_trust = link(address, "another operator")
    arguments = msgspec.Raw(schema.encode({"module": module, "path": path}))
    with_trust.call(schema.Manage(next_id(), "packages.add", arguments))
    with_trust.close()


def test_logons_are_announced_and_nothing_logs_on(clinic: Clinic) -> None:
    prelude = PRELUDE.replace("capabilities=Capability.CONNECTION, **{", "**{'capabilities': Capability.CONNECTION, ")
    body = (
        "def initialize(v): return tables(Package({name!r}, capabilities=Capability.LOGON | Capability.CONNECTION))\n"
    )
    clinic.add("promises", path=write_module(clinic.place, "promises", body, prelude=prelude))
    report = clinic.diagnose("promises")
    assert cause_of(report) == "logon_announced", report.line


def test_a_function_that_refuses_while_somebody_looks_on(clinic: Clinic) -> None:
    body = """
class P(Package):
    async def accept_lsa_mode_context(self, call, credential, context, request):
        raise SecurityError(Status.SEC_E_LOGON_DENIED, reason="no_ticket")
def initialize(version): return tables(P({name!r}))
"""
    clinic.plant("refuser", body)
    clinic.daemon.manage("trace.start")
    ends = harness.Ends(clinic.daemon.link(), "Refuser")
    for _ in range(3):
        ends.accept(0, b"x")
    clinic.daemon.until(lambda: clinic.daemon.manage("calls.counts")["functions"])
    report = clinic.diagnose("refuser")
    clinic.daemon.manage("trace.stop")
    assert cause_of(report) == "function_refuses", report.line
    assert "SEC_E_LOGON_DENIED (no_ticket)" in report.line


# --- what becomes of a module that was registered -------------------------------------------------------------------


def test_files_that_are_others_when_the_worker_starts_again(clinic: Clinic) -> None:
    """A digest that differs is refused by the worker itself."""
    clinic.plant("exchanged")
    source = clinic.place / "exchanged" / "__init__.py"
    text = source.read_text()
    source.write_text(text + "# another\n")
    _kill(clinic, "exchanged")
    assert cause_of(clinic.diagnose("exchanged")) == "files_changed"
    source.write_text(text)  # as they were, and too late
    report = clinic.diagnose("exchanged")
    assert cause_of(report) == "not_what_was_registered", report.line
    assert "its digest is not what was registered" in report.line


def test_files_that_are_gone_when_the_worker_starts_again(clinic: Clinic) -> None:
    clinic.plant("vanished")
    shutil.rmtree(clinic.place / "vanished")
    _kill(clinic, "vanished")
    report = clinic.diagnose("vanished")
    assert cause_of(report) == "files_not_found", report.line


def _kill(clinic: Clinic, module: str) -> None:
    os.kill(clinic.daemon.worker(module), 15)
    clinic.daemon.until(lambda: clinic.daemon.row(module)["state"] == "broken")


def test_a_distribution_that_was_uninstalled_after_it_was_registered(clinic: Clinic) -> None:
    clinic.plant("uninstalled")
    shutil.rmtree(clinic.place / "uninstalled-1.0.dist-info")
    shutil.rmtree(clinic.place / "uninstalled")
    report = clinic.diagnose("uninstalled")
    assert cause_of(report) == "registered_and_gone", report.line
    assert report.line.endswith("packages remove uninstalled"), "there is no index to install it from"


def test_a_module_that_two_distributions_offer(clinic: Clinic) -> None:
    clinic.plant("contested")
    information = clinic.place / "impostor-2.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: impostor\nVersion: 2.0\n")
    (information / "entry_points.txt").write_text("[secpkg.lsa_mode]\ncontested = impostor:initialize\n")
    try:
        report = clinic.diagnose("contested")
    finally:
        shutil.rmtree(information)
    assert cause_of(report) == "offered_twice", report.line
    assert "contested and impostor" in report.line or "impostor and contested" in report.line


def test_another_version_than_was_registered_is_installed(clinic: Clinic) -> None:
    clinic.plant("upgraded")
    shutil.rmtree(clinic.place / "upgraded-1.0.dist-info")
    write_module(clinic.place, "upgraded", PLAIN, version="2.0")
    report = clinic.diagnose("upgraded")
    assert cause_of(report) == "version_changed", report.line
    assert "upgraded 1.0" in report.line and "upgraded 2.0" in report.line


# --- an environment of the authority's own ---------------------------------------------------------------------------


def test_installed_here_and_not_where_the_authority_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority in another virtual environment, which has secpkg and no examples."""
    theirs = tmp_path / "theirs"
    venv.create(theirs, symlinks=True)
    import secpkg

    packages = next((theirs / "lib").glob("python3*")) / "site-packages"
    (packages / "ours.pth").write_text(f"{Path(next(iter(secpkg.__path__))).parent}\n")
    for needed in ("msgspec", "cryptography", "click", "cffi", "_cffi_backend"):
        spec = subprocess.run(
            [sys.executable, "-c", f"import {needed}; print({needed}.__file__)"],
            capture_output=True, text=True, check=False,
        ).stdout.strip()  # fmt: skip
        if spec:
            place = Path(spec).parent if spec.endswith("__init__.py") else Path(spec)
            (packages / place.name).symlink_to(place)
    monkeypatch.setattr(sys, "executable", str(theirs / "bin" / "python"))
    with harness.running(limits=LIMITS, hello=False) as daemon:
        monkeypatch.undo()
        report = walk(gather("hello", daemon.address))
    assert cause_of(report) == "only_in_users_environment", report.line
    assert f"{theirs}/bin/python -m pip install" in report.line
