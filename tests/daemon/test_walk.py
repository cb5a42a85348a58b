"""The walk of a token, counted: how often the authority is asked (design, section 3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.daemon.harness import Daemon, Ends, answered, logon, running

from secpkg.ipc import schema

CALLS_PER_LEG = 2


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


def asked(daemon: Daemon, cursor: int, function: str, times: int) -> list[tuple[str, int]]:
    """Each finished function of a package, and how many LSA functions it called, up to the last of ``times`` calls of
    ``function``. Events come as the calls end: those of a function's own LSA functions before its own. The worker sends
    them on a way of their own, so they may come after the reply.
    """
    daemon.until(lambda: [event["function"] for event in daemon.trace(cursor)].count(function) >= times)
    walks = []
    calls = 0
    for event in daemon.trace(cursor):
        if event["kind"] == "lsa":
            calls += 1
        else:
            walks.append((event["function"], calls))
            calls = 0
    assert not calls
    return walks


def test_an_accept_leg_asks_the_authority_twice_at_most_and_an_open_context_not_at_all(daemon: Daemon) -> None:
    ends = Ends(daemon.link())
    cursor = daemon.manage("trace.start")["cursor"]
    final, verdict = ends.handshake()
    walks = asked(daemon, cursor, "SpInitLsaModeContext", 3)
    legs = [calls for function, calls in walks if function == "SpAcceptLsaModeContext"]
    assert len(legs) == 2
    assert all(1 <= calls <= CALLS_PER_LEG for calls in legs)
    assert [calls for function, calls in walks if function == "SpInitLsaModeContext"] == [0, 0, 0]

    cursor = daemon.manage("trace.start")["cursor"]
    for context in (final.context, verdict.context):
        ends.query(context)
        answered(schema.Done, ends.delete(context))
    assert all(calls == 0 for _function, calls in asked(daemon, cursor, "SpDeleteContext", 2))
    daemon.manage("trace.stop")


def test_default_credentials_ask_the_authority_once_for_each_use(daemon: Daemon) -> None:
    authority = daemon.link()
    session = logon(authority)
    cursor = daemon.manage("trace.start")["cursor"]
    ends = Ends(authority, token=session.token)
    ends.client = ends.acquire(2)
    ends.handshake()
    walks = asked(daemon, cursor, "SpInitLsaModeContext", 3)
    assert max(calls for function, calls in walks if function.startswith(("SpInit", "SpAcquire"))) == 1
    daemon.manage("trace.stop")
