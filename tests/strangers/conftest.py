"""Strangers' ends for the tests here: made in a folder that has their accounts, and closed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.strangers import peers
from tests.strangers.peers import Peer
from tests.strangers.talk import End, Wish

MakeEnd = Callable[..., End]


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[MakeEnd]:
    """``stranger(peer, side, ...)``: an end of that peer; the rest is as in `Wish`."""
    opened: list[subprocess.Popen[str]] = []
    peers.accounts(tmp_path)

    def make(peer: Peer, side: str, **wish: Any) -> End:
        return peer.end(Wish(side=side, **wish), tmp_path, opened)

    yield make
    peers.close(opened)
