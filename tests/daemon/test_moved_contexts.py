"""A context moves to another process: the bytes through a pipe, the access token as a descriptor (R203, lock 6)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.daemon.harness import PASSWORD, Daemon, running

import secpkg
from secpkg.contract import Status
from secpkg.sspi import raw

IMPORTER = """
import json, sys
import secpkg
from secpkg.sspi import raw
packed, sealed, authority, descriptor = json.load(sys.stdin)
server = secpkg.Server.import_context("Hello", bytes.fromhex(packed), descriptor, authority=authority)
clear = server.decrypt(bytes.fromhex(sealed))
with server.access_token as token:
    again, _ = raw.import_security_context("Hello", bytes.fromhex(packed), authority=authority)
    print(json.dumps([server.encrypt(clear[::-1]).hex(), token.account_name, again.name]))
server.close()
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


def test_to_another_process(daemon: Daemon) -> None:
    address = daemon.address
    client = secpkg.Client("Hello", username="alice", password=PASSWORD, target="x", authority=address)
    server = secpkg.Server("Hello", authority=address)
    token = client.step()
    while token is not None:
        answer = server.step(token)
        token = client.step(answer) if answer is not None else None
    context = server._context
    status, packed, access = raw.export_security_context(context, 2)
    assert status is Status.SEC_E_OK and packed is not None and access is not None
    with access:
        told = json.dumps([packed.hex(), client.encrypt(b"moved").hex(), address, access.fileno()])
        done = subprocess.run(
            [sys.executable, "-c", IMPORTER],
            input=told,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            pass_fds=(access.fileno(),),
        )
    assert done.returncode == 0, done.stderr
    sealed, account, again = json.loads(done.stdout)
    assert client.decrypt(bytes.fromhex(sealed)) == b"devom" and account == "alice"
    assert again == "SEC_E_NO_CREDENTIALS"
    server.close()
    client.close()
