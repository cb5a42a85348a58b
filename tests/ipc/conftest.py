from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from ipc_helpers import open_descriptors


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    """Every test here is a test for descriptors that stay behind; fixtures made later are gone by then."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before
