"""A network for the two ends of a `Pair`: what is lost, doubled or late is the test's to say, and the same each time.

A datagram is a token of the handshake, or a message and its signature. What the ends do with one is what an application
would: a client gives a token to its next leg. A server gives a message of a conversation that it does not know to its
first leg, and sends the challenge; it throws a token away that it did not ask for, and its context with a token that
was refused (R190): the next message begins anew (R229). Messages of a context that stands are verified.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

from secpkg.contract.status import SecurityError
from secpkg.testing.pair import surroundings

if TYPE_CHECKING:
    from secpkg.testing.pair import Pair

End = Literal["client", "server"]

MAX_DATAGRAMS: Final = 1024
"""Datagrams of one `Network` after which its ends are taken to have no end of talking."""


class Fate(Enum):
    """What becomes of a datagram."""

    ARRIVES = "arrives"
    LOST = "lost"
    TWICE = "twice"
    LATE = "late"
    """It arrives after the next one that arrives, or when no other is on its way."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """``message`` is None where ``token`` is one of the handshake, and else what it signs."""

    sender: End
    token: bytes = field(repr=False)
    message: bytes | None = field(repr=False, default=None)


class Network:
    """Between the ends of a `Pair`; made by `Pair.datagrams`."""

    def __init__(self, pair: Pair, fates: Iterable[Fate] = ()) -> None:
        self.pair = pair
        self.sent: list[Datagram] = []
        """All that was sent, in its order, whatever became of it."""
        self.received: list[Datagram] = []
        """Messages that were verified, in the order of their arrival."""
        self.dropped: list[Datagram] = []
        """What an end had no use for: the message that was challenged, a token that nobody asked for."""
        self.refused: list[SecurityError] = []
        """What the ends failed with."""
        self._fates = iter(tuple(fates))
        self._flight: deque[Datagram] = deque()
        self._late: list[Datagram] = []
        self._challenges = False
        self._asked = False

    @property
    def established(self) -> bool:
        """Whether the server has a context and waits for no answer."""
        return self.pair.server.complete and not self._asked

    @property
    def flight(self) -> tuple[Datagram, ...]:
        """What is on its way, the next to arrive first."""
        return (*self._flight, *self._late)

    def send(self, sender: End, message: bytes) -> None:
        """Sign a message and send it. SecurityError as `Client.sign`."""
        end = self.pair.client if sender == "client" else self.pair.server
        with surroundings(self.pair.lab):
            signature = end.sign(message)
        self._put(Datagram(sender, signature, message))

    def challenge(self) -> None:
        """The server challenges the next message, though it may have a context (R229)."""
        self._challenges = True

    def forget(self) -> None:
        """The server drops its context without a word: `Pair.forget`."""
        self._asked = False
        self.pair.forget()

    def deliver(self) -> bool:
        """The next datagram arrives, and what its receiver answers is sent. False: none is on its way. SecurityError
        where the client's leg fails, since its context ends with that.
        """
        if not self._flight:
            self._flight.extend(self._late)
            self._late.clear()
        if not self._flight:
            return False
        datagram = self._flight.popleft()
        with surroundings(self.pair.lab):
            if datagram.message is not None and not (datagram.sender == "client" and self._to_be_challenged()):
                self._verify(datagram, datagram.message)
            elif datagram.sender == "server":
                self._client_leg(datagram)
            else:
                self._server_leg(datagram)
        return True

    def run(self) -> None:
        """Deliver until nothing is on its way."""
        while self.deliver():
            pass

    def establish(self, message: bytes = b"a first message", *, tries: int = 16) -> None:
        """The client sends a message until the server knows it; what arrived meanwhile is delivered. RuntimeError after
        so many messages.
        """
        for _ in range(tries):
            self.send("client", message)
            self.run()
            if self.established:
                return
        raise RuntimeError(f"not established after {tries} messages")

    def _put(self, datagram: Datagram) -> None:
        if len(self.sent) >= MAX_DATAGRAMS:
            raise RuntimeError(f"no end after {MAX_DATAGRAMS} datagrams")
        self.sent.append(datagram)
        fate = next(self._fates, Fate.ARRIVES)
        if fate is Fate.LATE:
            self._late.append(datagram)
        elif fate is not Fate.LOST:
            self._flight.extend((datagram,) * (1 + (fate is Fate.TWICE)))
            self._flight.extend(self._late)
            self._late.clear()

    def _to_be_challenged(self) -> bool:
        return self._challenges or not self.established

    def _verify(self, datagram: Datagram, message: bytes) -> None:
        end = self.pair.server if datagram.sender == "client" else self.pair.client
        try:
            end.verify(message, datagram.token)
        except SecurityError as error:
            self.refused.append(error)
        else:
            self.received.append(datagram)

    def _client_leg(self, datagram: Datagram) -> None:
        try:
            answer = self.pair.client.step(datagram.token)
        except SecurityError as error:
            self.pair.error = error
            self.refused.append(error)
            raise
        if answer is not None:
            self._put(Datagram("client", answer))

    def _server_leg(self, datagram: Datagram) -> None:
        if datagram.message is not None:
            self._challenges = False
            self.dropped.append(datagram)
        elif not self._asked:
            self.dropped.append(datagram)
            return
        try:
            answer = self.pair.server.step(datagram.token)
        except SecurityError as error:
            self.refused.append(error)
            self.forget()
            return
        self._asked = answer is not None
        if answer is not None:
            self._put(Datagram("server", answer))
