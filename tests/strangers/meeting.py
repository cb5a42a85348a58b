"""A place where strangers and we meet: a folder with their accounts, and their processes, closed at the end."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.strangers import peers
from tests.strangers.ends import Ours
from tests.strangers.peers import Peer
from tests.strangers.talk import PASSWORD, USER, End, Wish


class Meeting:
    """``end`` makes a stranger's end in it, ``ours`` ours, ``pair`` one of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: list[subprocess.Popen[str]] = []
        self.ours = Ours()
        peers.accounts(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ours.close()
        peers.close(self._opened)

    def end(self, peer: Peer, wish: Wish) -> End:
        """An end of the stranger's."""
        return peer.end(wish, self._folder, self._opened)

    def pair(
        self,
        peer: Peer,
        side: str,
        *,
        user: str = USER,
        password: str | None = PASSWORD,
        bindings: bytes = b"",
        channel: bytes | None = None,
        require: bool = False,
    ) -> tuple[End, End]:
        """Initiator and acceptor: the stranger at `side`, and ours. `channel` is the acceptor's where it is another.

        Without a `password` the initiator has the NT hash. Ours requires bindings with `require`.
        """
        there = bindings if channel is None else channel
        if side == "initiator":
            theirs = self.end(peer, Wish(side=side, user=user, password=password, bindings=bindings))
            wish = Wish(side="acceptor", bindings=there)
            return theirs, self.ours.acceptor(wish, require_bindings=require, promised_mic=not peer.mic)
        ours = self.ours.initiator(Wish(side="initiator", user=user, password=password, bindings=bindings))
        return ours, self.end(peer, Wish(side=side, bindings=there))
