"""A module that is registered as blocking: its functions run on threads, and one that waits keeps nobody waiting
(design, section 4).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.harness import Daemon, answered, gone, opened, running, works
from tests.daemon.modules import write_module

from secpkg.contract import Status
from secpkg.ipc import schema
from secpkg.ipc.channel import Channel
from secpkg.ipc.errors import ChannelClosed
from secpkg.ipc.link import next_id
from secpkg.runtime.supervisor import Limits

LIMITS = Limits(step=0.4, blocked=3.0, crashes=100, back_off=(0.0, 0.01))

BLOCKING = """
import asyncio, threading


class Blocks(Package):
    async def accept_lsa_mode_context(self, call, credential, context, request):
        what, _, path = request.token.decode().partition(":")
        if what == "wait":
            with open(path, "rb") as pipe:
                pipe.read(1)
        elif what == "session":
            logon_id = call.allocate_locally_unique_id()
            await self.authority.create_logon_session(logon_id)
            await self.authority.delete_logon_session(logon_id)
        elif what == "refused":
            try:
                await self.authority.delete_logon_session(77)
            except SecurityError as error:
                return Complete([], error.status.native.encode()[:64])
        elif what == "foreign":
            await asyncio.sleep(0)
        elif what == "SystemExit":
            raise SystemExit(3)
        elif what == "fork":
            child = os.fork()
            return Complete([], b"%d" % child)
        return Continue(threading.current_thread().name.encode(), [])


def initialize(version):
    return tables(Blocks({name!r}))
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running(limits=LIMITS) as daemon:
        place = write_module(daemon.directory.parent / "modules", "blocks", BLOCKING)
        added = daemon.manage("packages.add", module="blocks", path=place, blocking=True)
        assert added["state"] == "loaded", added
        yield daemon


class Client:
    """An application with a credential of the blocking package."""

    def __init__(self, daemon: Daemon) -> None:
        package, channel = daemon.link().open_channel("Blocks", 0)
        assert isinstance(channel, Channel)
        self.channel = channel
        opened.append(channel.close)
        acquired = channel.call(schema.AcquireCredentials(next_id(), package.package, 2))
        self.credential = answered(schema.CredentialsAcquired, acquired).credential

    def step(self, token: str, context: int = 0) -> schema.Stepped:
        """A leg."""
        message = schema.AcceptContext(next_id(), self.credential, context, token.encode())
        return answered(schema.Stepped, self.channel.call(message))


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    made = tmp_path / "pipe"
    os.mkfifo(made)
    return made


def test_a_function_that_waits_keeps_nobody_waiting(daemon: Daemon, pipe: Path) -> None:
    worker = daemon.worker("blocks")
    waiting, other = Client(daemon), Client(daemon)
    steps: list[schema.Stepped] = []
    thread = threading.Thread(target=lambda: steps.append(waiting.step(f"wait:{pipe}")))
    thread.start()
    with open(pipe, "wb") as end:  # it waits in there now
        for _ in range(3):
            assert other.step("").token.startswith(b"secpkg-blocking")
        assert not steps
        end.write(b"x")
    thread.join(20)
    assert steps[0].token.startswith(b"secpkg-blocking")
    assert daemon.worker("blocks") == worker


def test_lsa_functions_are_answered_between_the_pieces(daemon: Daemon) -> None:
    client = Client(daemon)
    first = client.step("session")
    assert first.status == Status.SEC_I_CONTINUE_NEEDED
    assert client.step("session", first.context).status == Status.SEC_I_CONTINUE_NEEDED
    assert client.step("refused").token == b"STATUS_NO_SUCH_LOGON_SESSION"


@pytest.mark.parametrize("what", ["foreign", "SystemExit"])
def test_what_a_package_may_not_do_fails_the_step_alone(daemon: Daemon, what: str) -> None:
    worker, client = daemon.worker("blocks"), Client(daemon)
    assert client.step(what).status == Status.SEC_E_INTERNAL_ERROR
    assert client.step("").status == Status.SEC_I_CONTINUE_NEEDED
    assert daemon.worker("blocks") == worker


def test_the_child_of_a_fork_on_a_thread_does_not_come_back_out_of_the_package(daemon: Daemon) -> None:
    client = Client(daemon)
    child = int(client.step("fork").token)
    assert gone(child)
    assert client.step("").status == Status.SEC_I_CONTINUE_NEEDED


def test_an_application_that_goes_while_its_function_waits_is_run_down_after_it(daemon: Daemon, pipe: Path) -> None:
    worker, client = daemon.worker("blocks"), Client(daemon)
    message = schema.AcceptContext(next_id(), client.credential, 0, f"wait:{pipe}".encode())
    client.channel._sock.send(schema.encode(message))
    with open(pipe, "wb"):
        client.channel.close()
    assert Client(daemon).step("").status == Status.SEC_I_CONTINUE_NEEDED
    assert daemon.worker("blocks") == worker


@pytest.mark.slow
def test_a_thread_that_never_comes_back_ends_its_worker_by_name(daemon: Daemon, pipe: Path) -> None:
    worker, client = daemon.worker("blocks"), Client(daemon)
    with pytest.raises(ChannelClosed):
        client.step(f"wait:{pipe}")
    assert gone(worker)
    assert Client(daemon).step("").token.startswith(b"secpkg-blocking")
    works(daemon)


def test_it_is_registered_as_blocking(daemon: Daemon) -> None:
    assert "blocking = true" in (daemon.directory / "registry.toml").read_text()
