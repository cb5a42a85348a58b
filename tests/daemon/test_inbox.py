"""The inbox of a daemon: there without anybody's doing, under the operator's settings, and alive after its faults."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from tests.daemon.harness import PASSWORD, Daemon, running

import secpkg
from secpkg.contract import SecurityError, Status


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running(hello=False) as daemon:
        daemon.manage("accounts.add", name="alice", password=PASSWORD)
        yield daemon


def handshake(daemon: Daemon) -> str:
    """Whom the server talks to."""
    client = secpkg.Client("NTLM", username="alice", password=PASSWORD, authority=daemon.address)
    server = secpkg.Server("NTLM", authority=daemon.address)
    with client, server:
        server.step(client.step(server.step(client.step())))
        assert server.decrypt(client.encrypt(b"sealed")) == b"sealed"
        return server.peer


def restarted(daemon: Daemon, settings: str) -> None:
    daemon.stop()
    path = daemon.directory / "authority.toml"
    path.write_text(settings)
    path.chmod(0o600)
    daemon.start()


def test_R13_it_serves_from_the_start_and_is_nobodys_to_add_or_remove(daemon: Daemon) -> None:
    row = daemon.row("ntlm")
    assert (row["name"], row["state"], row["list"], row["inbox"]) == ("NTLM", "loaded", "inbox", True)
    assert handshake(daemon) == "EXAMPLE\\alice"
    for name in ("ntlm", "NTLM"):
        for operation, arguments in (("packages.add", {"module": name}), ("packages.remove", {"name": name})):
            with pytest.raises(SecurityError, match="module_is_inbox"):
                daemon.manage(operation, **arguments)
    registry = daemon.directory / "registry.toml"
    assert not registry.exists() or "ntlm" not in registry.read_text()


def test_its_worker_is_started_again(daemon: Daemon) -> None:
    worker = daemon.worker("ntlm")
    os.kill(worker, signal.SIGKILL)
    daemon.until(lambda: daemon.row("ntlm")["worker"]["pid"] not in (None, worker))
    assert handshake(daemon) == "EXAMPLE\\alice"


@pytest.mark.slow
def test_settings_reach_it_and_what_it_does_not_understand_refuses_the_load(daemon: Daemon) -> None:
    restarted(daemon, '[settings.ntlm]\ncomputer_name = "ELSEWHERE"\nchannel_bindings = "require"\n')
    with pytest.raises(SecurityError) as caught:
        handshake(daemon)
    assert caught.value.status is Status.SEC_E_BAD_BINDINGS
    restarted(daemon, "[settings.ntlm]\nchanel_bindings = true\n")
    row = daemon.row("ntlm")
    assert row["state"] == "broken" and "chanel_bindings" in row["reason"]
    restarted(daemon, "")
    assert handshake(daemon) == "EXAMPLE\\alice"
