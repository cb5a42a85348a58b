"""A function under somebody else's identity, beside a thread that stays who it is (lock 11); in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing identities needs root")

PROGRAM = """\
import asyncio, json, os, threading
import secpkg
from secpkg import SecurityError, aio, sspi
from secpkg.testing import LabAuthority

def identity(word, *, end=""):
    return [os.geteuid(), os.getegid() != 0, 0 in os.getgroups(), word + end, threading.get_ident()]

def fail():
    raise ZeroDivisionError

def refused(call):
    try:
        call()
    except SecurityError as error:
        return error.reason

async def main(lab):
    client = aio.Client("Hello", username="alice", password="correct horse", authority=lab)
    server = aio.Server("Hello", authority=lab)
    token = await client.step()
    while token is not None:
        reply = await server.step(token)
        token = await client.step(reply) if reply is not None else None
    async with await server.access_token() as access_token:
        found = await aio.run_as(access_token, identity, "a", end="!")
        meanwhile = asyncio.create_task(aio.run_as(access_token, identity, "b"))
        beside = os.geteuid()
        again = await meanwhile
        try:
            await aio.run_as(access_token, fail)
        except ZeroDivisionError:
            raised = True
        from secpkg.sspi.impersonation import impersonate
        on_loop = refused(lambda: impersonate(access_token))
        blocking = sspi.run_as(access_token, identity, "c")
        after = await asyncio.to_thread(os.geteuid)
    await client.close()
    await server.close()
    own = threading.get_ident()
    threads = [found[4] != own, again[4] != own, blocking[4] != own]
    return [found[:4], again[:4], blocking[:4], threads, beside, raised, on_loop, after, os.geteuid()]

with LabAuthority(modules=["hello"]) as lab:
    lab.add_user("alice", password="correct horse", posix_uid=65534)
    print(json.dumps(asyncio.run(main(lab))))
"""


@needs_root
def test_a_function_runs_as_somebody_else_and_nothing_beside_it_does() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found, again, blocking, threads, *rest = json.loads(done.stdout)
    assert found == [65534, True, False, "a!"]
    assert again == [65534, True, False, "b"]
    assert blocking == [65534, True, False, "c"]
    assert all(threads)
    assert rest == [0, True, "event_loop_thread", 0, 0]
