"""SIGKILL of application, worker and authority at every step of a handshake and of a logon: what lock 7 promises holds,
accounts and audit record stay whole, nothing leaks.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterator

import msgspec
import pytest
from tests.daemon.harness import PASSWORD, Daemon, Ends, answered, children, close_opened, gone, logon, running, works

from secpkg.accounts.sqlite import SqliteAccountStore
from secpkg.accounts.vault import Vault
from secpkg.authority.audit import derive_key, verify
from secpkg.contract import LogonRequest, LogonType, Status
from secpkg.ipc import packet, schema
from secpkg.ipc.client import link
from secpkg.ipc.errors import ChannelClosed
from secpkg.ipc.link import next_id
from secpkg.runtime.supervisor import Limits

pytestmark = pytest.mark.slow
STEPS = 6
LIMITS = Limits(crashes=1000, back_off=(0.0,))


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running(limits=LIMITS) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def settled(daemon: Daemon) -> dict[str, object]:
    return daemon.settled("hello")


def walk(ends: Ends, steps: int) -> None:
    """The first ``steps`` legs of a handshake; with one more than there are, the access token too."""
    context = challenged = 0
    token = b""
    reference: bytes | None = None
    for step in range(min(steps, 5)):
        if step % 2:
            reply = ends.accept(challenged, token)
            challenged, reference = reply.context, reply.access_token
        else:
            reply = ends.initiate(context, token)
            context = reply.context
        token = reply.token
    if steps == STEPS and reference is not None:
        ends.link.call(schema.RedeemToken(next_id(), reference))


def whole(daemon: Daemon) -> None:
    """Every account can be read, and the chain of the audit record holds."""
    vault = Vault((daemon.directory / "master.key").read_bytes())
    store = SqliteAccountStore(daemon.directory / "accounts.db", vault, domain="EXAMPLE")
    try:
        accounts = {account.name: account for account in store.accounts()}
        assert store.supplemental(accounts["alice"].sid, "Hello")
    finally:
        store.close()
    assert verify(daemon.directory / "audit.jsonl", derive_key(vault)) > 0


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_an_application_that_is_killed_leaves_nothing(daemon: Daemon, settled: dict[str, object], steps: int) -> None:
    tell, told = os.pipe()
    child = os.fork()
    if not child:
        authority = link(daemon.address)
        logon(authority)
        walk(Ends(authority), steps)
        os.write(told, b"!")
        select.select([], [], [])
        os._exit(0)
    os.close(told)
    assert os.read(tell, 1) == b"!"
    os.close(tell)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    daemon.settles(settled)


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_a_worker_that_is_killed_takes_its_handles_along_and_nothing_else(
    daemon: Daemon, settled: dict[str, object], steps: int
) -> None:
    authority = daemon.link()
    session = logon(authority)
    ends = Ends(authority)
    walk(ends, steps)
    worker = daemon.worker("hello")
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(ChannelClosed):
        ends.initiate(0, b"")
    assert gone(worker)
    Ends(authority).handshake()
    assert session.logon_id in {row["logon_id"] for row in daemon.manage("sessions.list")}
    close_opened()
    daemon.settles(settled)


def test_a_worker_that_is_killed_in_a_logon_fails_that_logon_by_name(
    daemon: Daemon, settled: dict[str, object]
) -> None:
    authority = daemon.link()
    number = answered(schema.PackageNumber, authority.call(schema.LookupPackage(next_id(), "Hello"))).package
    request = LogonRequest(LogonType.INTERACTIVE, "alice", password=PASSWORD)
    sock: socket.socket = authority._channel._sock
    outcomes = set()
    for _ in range(12):
        worker = daemon.worker("hello")
        daemon.link().open_channel("Hello", 0)[1].close()  # it serves
        sock.send(schema.encode(schema.LogonUser(next_id(), number, request)))
        os.kill(worker, signal.SIGKILL)
        reply = authority._channel._decode(packet.recv_frame(sock, packet.buffer()))
        if isinstance(reply, schema.Failed):
            outcomes.add((Status(reply.status), reply.reason))
        else:
            outcomes.add((Status.STATUS_SUCCESS, ""))
            authority.call(schema.CloseToken(next_id(), answered(schema.LoggedOn, reply).token))
    # What a package says of a refused logon is for the record (design, section 7, 3); that its worker died is the
    # host's to say, and tells nothing of the account.
    died = {(Status.SEC_E_INTERNAL_ERROR, f"worker_{what}") for what in ("died_in_logon_user_ex2", "not_running")}
    assert outcomes <= died | {(Status.STATUS_SUCCESS, "")}
    assert outcomes & died
    assert b"worker_died_in_logon_user_ex2" in (daemon.directory / "audit.jsonl").read_bytes()
    close_opened()
    daemon.settles(settled)


def kill(daemon: Daemon) -> None:
    """SIGKILL to the authority: its workers leave, and what it kept is whole."""
    daemon.kill()
    close_opened()
    whole(daemon)


def test_an_authority_that_is_killed_takes_its_workers_along_and_starts_again_on_what_is_whole() -> None:
    with running(limits=LIMITS) as daemon:
        for steps in range(STEPS + 1):
            authority = daemon.link()
            logon(authority)
            ends = Ends(authority)
            walk(ends, steps)
            daemon.kill()
            with pytest.raises(ChannelClosed):
                ends.initiate(0, b"")
            close_opened()
            whole(daemon)
            daemon.start()
            works(daemon)
        assert daemon.manage("authority.status")["sessions"] == 0


def test_an_authority_that_is_killed_while_it_writes_keeps_every_account_and_one_of_two_passwords() -> None:
    passwords = (PASSWORD, "another horse")
    with running(limits=LIMITS) as daemon:
        for turn in range(8):
            sock: socket.socket = daemon.trusted_link()._channel._sock
            arguments = {"name": "alice", "password": passwords[turn % 2]}
            sock.send(schema.encode(schema.Manage(next_id(), "accounts.passwd", msgspec.Raw(schema.encode(arguments)))))
            logon_in_flight(daemon)
            select.select([sock], [], [], 0.001 * turn)
            kill(daemon)
            daemon.start()
            fits = [password for password in passwords if logs_on(daemon, password)]
            assert len(fits) == 1
        daemon.manage("accounts.passwd", name="alice", password=PASSWORD)
        works(daemon)


def logon_in_flight(daemon: Daemon) -> None:
    authority = daemon.link()
    number = answered(schema.PackageNumber, authority.call(schema.LookupPackage(next_id(), "Hello"))).package
    request = LogonRequest(LogonType.INTERACTIVE, "alice", password=PASSWORD)
    authority._channel._sock.send(schema.encode(schema.LogonUser(next_id(), number, request)))


def logs_on(daemon: Daemon, password: str) -> bool:
    daemon.link().open_channel("Hello", 0)[1].close()
    authority = daemon.link()
    number = answered(schema.PackageNumber, authority.call(schema.LookupPackage(next_id(), "Hello"))).package
    request = LogonRequest(LogonType.INTERACTIVE, "alice", password=password)
    return isinstance(authority.call(schema.LogonUser(next_id(), number, request)), schema.LoggedOn)


def test_what_a_killed_authority_left_unfinished_is_cut_off_and_recorded() -> None:
    with running(limits=LIMITS) as daemon:
        kill(daemon)
        with (daemon.directory / "audit.jsonl").open("ab") as record:
            record.write(b'{"seq":7,"ti')
        daemon.start()
        works(daemon)
        whole(daemon)
        assert b"audit_repaired" in (daemon.directory / "audit.jsonl").read_bytes()
        assert len(children(daemon.process.pid)) == len({row["module"] for row in daemon.manage("packages.list")})
