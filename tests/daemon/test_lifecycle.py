"""Modules come, crash and go while the authority runs (lock 7, R11, R18, R38)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.daemon.harness import Daemon, Ends, answered, directories, gone, logon, reason_of, refused, running, works
from tests.daemon.modules import PLAIN, ROGUE, write_module

from secpkg.contract import Status
from secpkg.ipc import schema
from secpkg.ipc.errors import ChannelClosed
from secpkg.ipc.link import next_id
from secpkg.runtime.supervisor import Limits

pytestmark = pytest.mark.slow  # each takes a while, and there are many


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running(limits=Limits(crashes=3, back_off=(0.0, 0.01))) as daemon:
        yield daemon


@pytest.fixture
def place(daemon: Daemon) -> Path:
    return daemon.directory.parent / "modules"


def add(daemon: Daemon, place: Path, name: str, body: str = PLAIN) -> None:
    added = daemon.manage("packages.add", module=name, path=write_module(place, name, body))
    assert added["state"] == "loaded", added


def edit(place: Path, name: str) -> None:
    source = place / name / "__init__.py"
    source.write_text(source.read_text() + "# another\n")


def leg(ends: Ends, context: int, token: bytes) -> object:
    return ends.channel.call(schema.AcceptContext(next_id(), ends.server, context, token))


def test_after_one_crash_its_handles_are_dead_others_live_and_the_next_handshake_works(
    daemon: Daemon, place: Path
) -> None:
    """Lock 7."""
    add(daemon, place, "bystander")
    authority = daemon.link()
    ends, other = Ends(authority), Ends(authority, "Bystander")
    kept = other.accept(0, b"first").context
    first = ends.initiate(0, b"")
    challenge = ends.accept(0, first.token)
    worker = daemon.worker("hello")
    os.kill(worker, signal.SIGKILL)
    calls: list[Callable[[], object]] = [
        lambda: ends.initiate(first.context, challenge.token),
        lambda: ends.acquire(1),
        lambda: ends.delete(challenge.context),
    ]
    for call in calls:
        with pytest.raises(ChannelClosed):
            call()
    again = Ends(authority)
    for context in (first.context, challenge.context):
        assert refused(again.query(context))[0] is Status.SEC_E_INVALID_HANDLE
    again.handshake()
    assert other.accept(kept, b"done").token == b"done"
    worker_row = daemon.row("hello")["worker"]
    assert (worker_row["restarts"], worker_row["channels"]) == (1, 1)
    daemon.manage("packages.remove", name="bystander", deadline=0)


def test_repeated_crashes_end_in_quarantine_with_the_reason_until_it_is_revived(daemon: Daemon, place: Path) -> None:
    add(daemon, place, "fragile", ROGUE)
    authority = daemon.link()
    for crash in range(3):
        worker = daemon.until(lambda: daemon.row("fragile")["worker"]["pid"])
        ends = Ends(authority, "Fragile")
        with pytest.raises(ChannelClosed):
            ends.accept(0, b"exit")
        assert gone(worker), crash
    row = daemon.until(lambda: [row for row in daemon.packages("fragile") if row["state"] == "quarantined"])[0]
    assert row["reason"] == "3 crashes within 60 s, the last: exited_with_7"
    assert row["worker"]["pid"] is None
    assert reason_of(lambda: authority.open_channel("Fragile", 0)) == (
        Status.SEC_E_SECPKG_NOT_FOUND,
        "package_quarantined",
    )
    names = [
        info.name for info in answered(schema.PackageList, authority.call(schema.ListPackages(next_id()))).packages
    ]
    assert "Fragile" not in names
    works(daemon)
    revived = daemon.manage("packages.revive", module="fragile")
    assert (revived["state"], revived["reason"]) == ("loaded", "")
    assert (daemon.row("fragile")["state"], daemon.row("fragile")["reason"]) == ("loaded", "")
    assert Ends(authority, "Fragile").accept(0, b"").token == b"done"
    assert reason_of(lambda: daemon.manage("packages.revive", module="fragile")) == (
        Status.STATUS_INVALID_PARAMETER,
        "module_is_loaded",
    )
    daemon.manage("packages.remove", name="fragile", deadline=0)


def test_a_module_is_added_drained_and_added_again_without_a_restart(daemon: Daemon, place: Path) -> None:
    """R11: at once, both ways; what was begun may be ended."""
    add(daemon, place, "transient")
    worker = daemon.worker("transient")
    authority = daemon.link()
    ends = Ends(authority, "Transient")
    finished, unfinished = ends.accept(0, b"x").context, ends.accept(0, b"first").context
    assert daemon.manage("packages.remove", name="transient")["draining"] == 1
    assert daemon.row("transient")["state"] == "draining"
    assert reason_of(lambda: daemon.manage("packages.remove", name="transient"))[1] == "module_is_draining"
    answered(schema.Answered, ends.query(finished))
    assert answered(schema.Stepped, leg(ends, unfinished, b"x")).status == Status.SEC_E_OK
    assert refused(leg(ends, 0, b"x")) == (Status.SEC_E_SECPKG_NOT_FOUND, "package_draining")
    acquire = schema.AcquireCredentials(next_id(), ends.opened.package, 1)
    assert refused(ends.channel.call(acquire)) == (Status.SEC_E_SECPKG_NOT_FOUND, "package_draining")
    assert reason_of(lambda: authority.open_channel("Transient", 0))[0] is Status.SEC_E_SECPKG_NOT_FOUND

    add(daemon, place, "transient")
    assert {row["state"] for row in daemon.packages("transient")} == {"draining", "loaded"}
    assert daemon.manage("packages.show", name="transient")["state"] == "loaded"
    successor = Ends(authority, "Transient")
    assert successor.accept(0, b"new").token == b"new"

    answered(schema.Done, ends.delete(finished))
    answered(schema.Done, ends.delete(unfinished))
    assert gone(worker)
    assert [row["state"] for row in daemon.packages("transient")] == ["loaded"]
    worker = daemon.worker("transient")
    daemon.manage("packages.remove", name="transient", deadline=0)
    assert gone(worker)
    with pytest.raises(ChannelClosed):
        successor.accept(0, b"x")
    assert not daemon.packages("transient")


def test_a_successor_is_removed_by_its_name_while_its_predecessor_still_drains(daemon: Daemon, place: Path) -> None:
    add(daemon, place, "heir")
    ends = Ends(daemon.link(), "Heir")
    ends.accept(0, b"x")
    daemon.manage("packages.remove", name="heir")
    add(daemon, place, "heir")
    assert daemon.manage("packages.remove", name="heir")["draining"] == 1
    daemon.until(lambda: [row["state"] for row in daemon.packages("heir")] == ["draining"])
    ends.close()
    daemon.until(lambda: not daemon.packages("heir"))


def test_a_draining_module_goes_when_its_deadline_has_passed(daemon: Daemon, place: Path) -> None:
    add(daemon, place, "slow")
    worker = daemon.worker("slow")
    ends = Ends(daemon.link(), "Slow")
    ends.accept(0, b"x")
    daemon.manage("packages.remove", name="slow", deadline=0.1)
    assert gone(worker)
    with pytest.raises(ChannelClosed):
        ends.query(1)
    assert not daemon.packages("slow")


def test_a_draining_module_whose_worker_dies_is_gone_and_not_started_again(daemon: Daemon, place: Path) -> None:
    add(daemon, place, "dying")
    worker = daemon.worker("dying")
    Ends(daemon.link(), "Dying").accept(0, b"x")
    daemon.manage("packages.remove", name="dying")
    os.kill(worker, signal.SIGKILL)
    daemon.until(lambda: not daemon.packages("dying"))


def test_who_adds_a_module_is_answered_when_it_is_removed_before_it_is_loaded(daemon: Daemon, place: Path) -> None:
    path = write_module(place, "endless", "while True: pass")
    raw = msgspec.Raw(schema.encode({"module": "endless", "path": path}))
    answer: list[object] = []
    adder = daemon.trusted_link()
    thread = threading.Thread(target=lambda: answer.append(adder.call(schema.Manage(next_id(), "packages.add", raw))))
    thread.start()
    daemon.until(lambda: daemon.packages("endless"))
    daemon.manage("packages.remove", name="endless")
    thread.join(5)
    assert answer, "nobody answered"
    assert not daemon.packages("endless")


def test_a_session_outlives_the_packages_beside_its_own(daemon: Daemon, place: Path) -> None:
    add(daemon, place, "beside")
    authority = daemon.link()
    session = logon(authority)
    daemon.manage("packages.remove", name="beside")
    assert session.logon_id in {row["logon_id"] for row in daemon.manage("sessions.list")}
    answered(schema.Done, authority.call(schema.CloseToken(next_id(), session.token)))
    assert session.logon_id not in {row["logon_id"] for row in daemon.manage("sessions.list")}


def test_files_that_changed_after_registration_are_not_run(daemon: Daemon, place: Path) -> None:
    """What was registered is what is loaded, also when a worker is started again."""
    add(daemon, place, "edited")
    edit(place, "edited")
    os.kill(daemon.worker("edited"), signal.SIGKILL)
    row = daemon.until(lambda: [row for row in daemon.packages("edited") if row["state"] == "broken"])[0]
    assert "its digest differs" in row["reason"]
    assert reason_of(lambda: daemon.link().open_channel("Edited", 0))[0] is Status.SEC_E_SECPKG_NOT_FOUND
    daemon.manage("packages.remove", name="edited")
    add(daemon, place, "edited")
    daemon.manage("packages.remove", name="edited")


@pytest.mark.slow
def test_a_restart_loads_what_was_registered_and_says_what_is_not_there_any_more() -> None:
    with running() as first, directories() as modules:
        add(first, modules, "same")
        add(first, modules, "edited")
        add(first, modules, "lost")
        temporary = write_module(modules, "temporary")
        first.manage("packages.add", module="temporary", path=temporary, permanent=False)
        first.stop()
        edit(modules, "edited")
        (modules / "lost" / "__init__.py").unlink()
        (modules / "lost-1.0.dist-info" / "entry_points.txt").unlink()
        daemon = first.start()
        states = {row["module"]: (row["state"], row["reason"]) for row in daemon.manage("packages.list")}
        assert states["hello"] == ("loaded", "")
        assert states["same"] == ("loaded", "")
        assert states["edited"][0] == "broken"
        assert "its digest differs" in states["edited"][1]
        assert states["lost"][0] == "broken"
        assert "no_such_module" in states["lost"][1]
        assert "temporary" not in states
        works(daemon)
