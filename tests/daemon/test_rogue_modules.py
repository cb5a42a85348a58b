"""Bad modules in real workers: each fails by name, and nobody else notices (issue "Bad input", lock 7, R18, R35)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.harness import Daemon, Ends, answered, children, gone, reason_of, refused, running, works
from tests.daemon.modules import PRELUDE, ROGUE, write_module

from secpkg.contract import Status
from secpkg.ipc import schema
from secpkg.ipc.errors import ChannelClosed
from secpkg.ipc.link import next_id
from secpkg.runtime.supervisor import Limits

pytestmark = pytest.mark.slow  # each takes a while, and there are many

LIMITS = Limits(memory=512 * 1024 * 1024, descriptors=256, step=0.4, load=2.0, crashes=100, back_off=(0.0, 0.01))


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running(limits=LIMITS) as daemon:
        write_module(daemon.directory.parent / "modules", "rogue", ROGUE)
        added = daemon.manage("packages.add", module="rogue", path=str(daemon.directory.parent / "modules"))
        assert added["state"] == "loaded", added
        yield daemon


@pytest.fixture
def place(daemon: Daemon) -> Path:
    return daemon.directory.parent / "modules"


@pytest.fixture(autouse=True)
def _others_serve(daemon: Daemon) -> Iterator[None]:
    worker = daemon.worker("hello")
    yield
    works(daemon)
    assert daemon.worker("hello") == worker


BROKEN = {
    "raises": ("raise RuntimeError('no such luck')", "importing raises:initialize failed: RuntimeError: no such luck"),
    "leaves": ("raise SystemExit(3)", "importing leaves:initialize failed: SystemExit: 3"),
    "unfit": ("initialize = 42", "unfit:initialize is not callable"),
    "failing": ("def initialize(version): raise ValueError('nothing')", "SpLsaModeInitialize failed: ValueError"),
    "empty": ("def initialize(version): return None", "SpLsaModeInitialize returned NoneType, not ModuleTables"),
    "none": ("def initialize(version): return tables()", "SpLsaModeInitialize returned no tables"),
    "seven": ("def initialize(version): return ModuleTables(InterfaceVersion.V1, 7)", "no sequence of packages"),
    "version": ("def initialize(version): return ModuleTables(77, ())", "not an InterfaceVersion"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_module_that_cannot_be_loaded_is_broken_with_the_reason_and_has_no_process(
    daemon: Daemon, place: Path, name: str
) -> None:
    """R18, R20-R22."""
    body, reason = BROKEN[name]
    before = set(children(daemon.process.pid))
    added = daemon.manage("packages.add", module=name, path=write_module(place, name, body))
    assert added["state"] == "broken"
    assert reason in added["reason"]
    row = daemon.row(name)
    assert (row["state"], row["worker"]["pid"]) == ("broken", None)
    assert reason in row["reason"]
    daemon.manage("packages.remove", name=name)
    assert not daemon.packages(name)
    assert set(children(daemon.process.pid)) == before


PACKAGES = {
    "misspelt": ("class P(Package):\n    async def accept_lsa_mode_kontext(self, call): pass\n", "Misspelt", "kontext"),
    "signature": ("class P(Package):\n    async def delete_context(self): pass\n", "Signature", "delete_context"),
    "taken": ("P = Package\n", "Hello", "package_name_taken"),
    "shadow": ("P = Package\n", "hELLO", "package_name_taken"),
    "like_ntlm": ("P = Package\n", "NTLM", "package_name_reserved"),
    "like_kerberos": ("P = Package\n", "kerberos", "package_name_reserved"),
    "like_negotiate": ("P = Package\n", "Negotiate", "package_name_reserved"),
    "nameless": ("P = Package\n", "", "PackageInfo.name"),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_may_not_serve_is_listed_as_broken_with_the_rule(daemon: Daemon, place: Path, name: str) -> None:
    """R13, R18, R87: inbox names are nobody's to take, taken names stay whose they are."""
    body, package, reason = PACKAGES[name]
    body += f"def initialize(version): return tables(P({package!r}))\n"
    added = daemon.manage("packages.add", module=name, path=write_module(place, name, body))
    assert added["state"] == "broken"
    assert reason in added["reason"]
    assert daemon.row(name)["state"] == "broken"
    daemon.manage("packages.remove", name=name)


def test_a_sibling_of_a_package_that_fails_to_initialize_serves(daemon: Daemon, place: Path) -> None:
    """R18."""
    body = """
class Bad(Package):
    async def initialize(self, package_id, parameters, authority):
        raise SecurityError(Status.STATUS_UNSUCCESSFUL, reason="not_today")
def initialize(version): return tables(Bad("Bad"), Package("Good"))
"""
    added = daemon.manage("packages.add", module="siblings", path=write_module(place, "siblings", body))
    assert added["packages"] == ["Bad", "Good"]
    states = {row["name"]: (row["state"], row["reason"]) for row in daemon.packages("siblings")}
    assert states["Good"][0] == "loaded"
    assert states["Bad"][0] == "broken"
    assert "not_today" in states["Bad"][1]
    authority = daemon.link()
    ends = Ends(authority, "Good")
    assert ends.accept(0, b"x").token == b"x"
    assert reason_of(lambda: authority.open_channel("Bad", 0))[0] is Status.SEC_E_SECPKG_NOT_FOUND
    daemon.manage("packages.remove", name="siblings")


def test_modules_that_are_not_there_are_refused_by_name(daemon: Daemon, place: Path) -> None:
    assert reason_of(lambda: daemon.manage("packages.add", module="nowhere")) == (
        Status.SEC_E_SECPKG_NOT_FOUND,
        "no_such_module",
    )
    assert reason_of(lambda: daemon.manage("packages.add", module="rogue2", path="relative/place")) == (
        Status.STATUS_INVALID_PARAMETER,
        "path_is_not_absolute",
    )
    assert reason_of(lambda: daemon.manage("packages.add", module="hello")) == (
        Status.STATUS_INVALID_PARAMETER,
        "module_registered",
    )
    assert reason_of(lambda: daemon.manage("packages.add", module="hello", permanent=False)) == (
        Status.STATUS_INVALID_PARAMETER,
        "module_already_loaded",
    )


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("SystemExit", Status.SEC_E_INTERNAL_ERROR),
        ("KeyboardInterrupt", Status.SEC_E_INTERNAL_ERROR),
        ("foreign", Status.SEC_E_INTERNAL_ERROR),
        ("future", Status.SEC_E_INTERNAL_ERROR),
        ("large", Status.SEC_E_INTERNAL_ERROR),
        ("nonsense", Status.SEC_E_INTERNAL_ERROR),
        ("secret", Status.SEC_E_INTERNAL_ERROR),
        ("print", Status.SEC_E_OK),
    ],
)
def test_a_step_that_misbehaves_fails_alone_and_its_worker_serves_on(daemon: Daemon, what: str, status: Status) -> None:
    """R35 and spec/README 5: what a package returns, raises, awaits or prints harms no other call."""
    worker = daemon.worker("rogue")
    authority = daemon.link()
    ends = Ends(authority, "Rogue")
    other = ends.accept(0, b"first")
    assert ends.accept(0, what.encode()).status == status
    assert ends.accept(other.context, b"go on").token == b"done"
    assert daemon.worker("rogue") == worker
    assert "hunter2" not in daemon.errors()


@pytest.mark.parametrize("what", ["exit", "kill", "hang", "close", "memory", "descriptors"])
def test_a_step_that_ends_its_worker_fails_by_name_at_once_and_the_next_works(daemon: Daemon, what: str) -> None:
    """Lock 7: the blocked client finds the end of its channel; the module is started again."""
    worker = daemon.worker("rogue")
    authority = daemon.link()
    ends = Ends(authority, "Rogue")
    try:
        reply = ends.accept(0, what.encode())
    except ChannelClosed:
        pass
    else:
        # An exhausted worker may say so before it is of no more use.
        assert what in ("memory", "descriptors")
        assert reply.status == Status.SEC_E_INTERNAL_ERROR
        os.kill(worker, 9)
    assert gone(worker)
    with pytest.raises(ChannelClosed):
        ends.accept(0, b"")
    again = Ends(authority, "Rogue")
    assert again.accept(0, b"").token == b"done"
    assert daemon.worker("rogue") != worker


def test_answers_too_large_for_a_frame_fail_alone(daemon: Daemon) -> None:
    worker = daemon.worker("rogue")
    authority = daemon.link()
    ends = Ends(authority, "Rogue")
    unfinished, finished = ends.accept(0, b"first").context, ends.accept(0, b"").context
    assert refused(ends.query(finished, 1)) == (Status.SEC_E_INTERNAL_ERROR, "reply_too_large")
    answered(schema.Answered, ends.query(finished, 2))
    reply = authority.call(schema.CallPackage(next_id(), ends.opened.package, b"?"))
    assert refused(reply)[0] is Status.SEC_E_INTERNAL_ERROR
    assert daemon.worker("rogue") == worker
    assert ends.accept(unfinished, b"go on").token == b"done"


def test_what_a_module_forks_holds_no_channel_and_goes_with_its_worker(daemon: Daemon) -> None:
    worker = daemon.worker("rogue")
    authority = daemon.link()
    ends = Ends(authority, "Rogue")
    child = int(ends.accept(0, b"fork").token)
    assert int(ends.accept(0, b"fork and go on").token) > 0, "the child answered in its parent's place"
    os.kill(worker, 9)
    with pytest.raises(ChannelClosed):
        ends.accept(0, b"")
    assert gone(child)
    assert Ends(authority, "Rogue").accept(0, b"").token == b"done"


@pytest.mark.slow
def test_a_module_that_hangs_when_it_is_imported_is_given_up(place: Path) -> None:
    with running(limits=Limits(load=0.6, crashes=2, back_off=(0.0,)), hello=False) as daemon:
        body = "while True: pass"
        path = write_module(daemon.directory.parent, "hanging", body, prelude=PRELUDE)
        added = daemon.manage("packages.add", module="hanging", path=path)
        assert added["state"] == "quarantined"
        assert "load_took_too_long" in added["reason"]
        assert daemon.row("hanging")["worker"]["pid"] is None
