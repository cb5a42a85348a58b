"""Whoever is done with a context does not wait to hear so: `Client.close` and `Server.close` at a daemon."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from tests.daemon.harness import PASSWORD, Daemon, Ends, answered, refused, running

import secpkg
from secpkg.contract import Status
from secpkg.ipc import schema
from secpkg.ipc.link import next_id


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


def test_close_does_not_wait_for_a_worker_that_stands_still_and_nothing_is_left(daemon: Daemon) -> None:
    settled = daemon.settled("hello")
    client = secpkg.Client("Hello", username="alice", password=PASSWORD, target="HTTP/host", authority=daemon.address)
    server = secpkg.Server("Hello", authority=daemon.address)
    client.step(server.step(client.step(server.step(client.step()))))
    worker = daemon.worker("hello")
    os.kill(worker, signal.SIGSTOP)
    try:
        client.close()
        server.close()
    finally:
        os.kill(worker, signal.SIGCONT)
    daemon.until(lambda: daemon.manage("authority.status")["sessions"] == settled["sessions"])


def test_an_end_that_fails_unheard_is_not_answered_and_a_heard_one_is(daemon: Daemon) -> None:
    authority = daemon.link()
    ends = Ends(authority)
    for message in (schema.DeleteContext(0, 4711), schema.FreeCredentials(0, 4711)):
        assert ends.channel.tell(message)
    # The next reply is that of the next call: an answer to 0 would have broken the channel.
    assert refused(ends.delete(4711))[0] is Status.SEC_E_INVALID_HANDLE
    for unheard in (schema.ReleaseReference(0, b"none"), schema.CloseToken(0, 4711), schema.FreeBuffer(0, 4711)):
        assert authority.tell(unheard)
    answered(schema.PackageList, authority.call(schema.ListPackages(next_id())))
    ends.close()


def test_an_unheard_end_ends(daemon: Daemon) -> None:
    ends = Ends(daemon.link())
    final, verdict = ends.handshake()
    for context in (final.context, verdict.context):
        assert ends.channel.tell(schema.DeleteContext(0, context))
        assert refused(ends.query(context))[0] is Status.SEC_E_INVALID_HANDLE
    ends.close()
