"""A handshake in this process leaves no cycles: nothing of it waits for the garbage collector, keys least of all."""

from __future__ import annotations

import gc

import pytest

from secpkg import Client, Server
from secpkg.testing import LabAuthority

pytestmark = pytest.mark.slow  # each takes a while, and there are many

NAME, PASSWORD = "alice", "correct horse"


def handshake(lab: LabAuthority, package: str) -> None:
    client = Client(package, username=NAME, domain="LAB", password=PASSWORD, target="HTTP/server", authority=lab)
    server = Server(package, authority=lab)
    token = client.step()
    while token is not None:
        answer = server.step(token)
        token = client.step(answer) if answer is not None else None
    assert server.decrypt(client.encrypt(b"data")) == b"data"
    client.close()
    server.close()


@pytest.mark.parametrize(("module", "package"), [("ntlm", "NTLM"), ("hello", "Hello")])
def test_a_handshake_leaves_nothing_to_collect(module: str, package: str) -> None:
    with LabAuthority(domain="LAB", modules=[module]) as lab:
        lab.add_user(NAME, password=PASSWORD)
        handshake(lab, package)  # what is made once may be cyclic
        enabled = gc.isenabled()
        gc.disable()
        try:
            gc.collect()
            handshake(lab, package)
            assert gc.collect() == 0
        finally:
            if enabled:
                gc.enable()
