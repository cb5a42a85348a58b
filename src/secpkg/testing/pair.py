"""Both ends of a conversation, leg by leg."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypedDict

from secpkg.contract.status import SecurityError
from secpkg.contract.values import Buffer
from secpkg.sspi import backends
from secpkg.sspi.client import Client
from secpkg.sspi.credential import Credential
from secpkg.sspi.server import DEFAULT_REQUIREMENTS as SERVER_REQUIREMENTS
from secpkg.sspi.server import Server
from secpkg.testing.lab import LabAuthority

if TYPE_CHECKING:
    from secpkg.testing.datagrams import Fate, Network

MAX_LEGS: Final = 32
"""Legs after which a handshake is taken to have no end."""


class PairOptions(TypedDict, total=False):
    """What a `Pair` is made with, beside lab and package."""

    username: str | None
    domain: str
    password: str | None
    target: str | None
    credential: Credential | None
    server_credential: Credential | None
    channel_bindings: bytes | None
    server_bindings: bytes | None
    requirements: int | None
    server_requirements: int


class Pair:
    """A client and a server of one package in one lab: ``Pair(lab, "Hello", username="alice", password=password)``.

    ``channel_bindings`` are those of both ends, ``server_bindings`` those of the server where they are others.
    ``tokens`` are those made so far, the client's first: `step` gives the last one to the end whose turn it is, so a
    test may change it in between. A plain SSP draws time and chance from the lab too.
    """

    def __init__(
        self,
        lab: LabAuthority,
        package: str,
        *,
        username: str | None = None,
        domain: str = "",
        password: str | None = None,
        target: str | None = None,
        credential: Credential | None = None,
        server_credential: Credential | None = None,
        channel_bindings: bytes | None = None,
        server_bindings: bytes | None = None,
        requirements: int | None = None,
        server_requirements: int = SERVER_REQUIREMENTS,
    ) -> None:
        self.lab = lab
        self.package = package
        self.tokens: list[bytes] = []
        self.error: SecurityError | None = None
        """What the handshake failed with."""
        self._turn = 0
        with surroundings(lab):
            self.client = Client(
                package,
                username=username,
                domain=domain,
                password=password,
                target=target,
                credential=credential,
                channel_bindings=channel_bindings,
                requirements=requirements,
                authority=None if credential is not None else lab,
            )
            self._new_server = partial(
                Server,
                package,
                credential=server_credential,
                channel_bindings=channel_bindings if server_bindings is None else server_bindings,
                requirements=server_requirements,
                authority=None if server_credential is not None else lab,
            )
            try:
                self.server = self._new_server()
            except BaseException:
                self.client.close()
                raise

    @property
    def turn(self) -> str:
        """Whose leg is next: ``client`` or ``server``."""
        return ("client", "server")[self._turn % 2]

    @property
    def complete(self) -> bool:
        """Whether both ends are."""
        return self.client.complete and self.server.complete

    def step(self) -> bytes | None:
        """One leg: the token that it made, if any. SecurityError as `Client.step` and `Server.step`; the token of an
        error, when it has one, is the last of ``tokens``. RuntimeError when the handshake is over or stands still.
        """
        if self.error is not None or self.complete or len(self.tokens) < self._turn:
            raise RuntimeError("the handshake is over" if self.error or self.complete else "nothing is there to send")
        if self._turn >= MAX_LEGS:
            raise RuntimeError(f"no end after {MAX_LEGS} legs")
        end = self.server if self._turn % 2 else self.client
        token = self.tokens[-1] if self.tokens else None
        self._turn += 1
        try:
            with surroundings(self.lab):
                made = end.step(token)
        except SecurityError as error:
            self.error = error
            if error.token:
                self.tokens.append(error.token)
            raise
        if made:
            self.tokens.append(made)
        return made

    def run(self) -> Self:
        """Every leg that is left; both ends are complete then. Itself."""
        while not self.complete:
            self.step()
        return self

    def talk(self, data: Buffer = b"a message") -> None:
        """A sealed message each way, which must arrive as it was sent: AssertionError, SecurityError."""
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            if receiver.decrypt(sender.encrypt(data)) != data:
                raise AssertionError("what was decrypted is not what was encrypted")

    def datagrams(self, *fates: Fate) -> Network:
        """The two ends as those of datagrams, with a network between them that does to the first datagrams, tokens and
        messages alike, what ``fates`` says; the others arrive. The client's first leg is made, and has no token (R228).
        RuntimeError after any other leg, AssertionError where that one has a token or does not complete the client.
        """
        from secpkg.testing.datagrams import Network

        if self._turn:
            raise RuntimeError("a leg was made before")
        self._turn = 1
        try:
            with surroundings(self.lab):
                token = self.client.step()
        except SecurityError as error:
            self.error = error
            raise
        if token is not None or not self.client.complete:
            raise AssertionError("a datagram client signs after its first leg, which makes no token (R228)")
        return Network(self, fates)

    def forget(self) -> None:
        """The server drops its context, as one of datagrams may at any time, and is another one that knows nobody."""
        with surroundings(self.lab):
            self.server.close()
            self.server = self._new_server()

    def close(self) -> None:
        """Close both ends."""
        self.client.close()
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def surroundings(lab: LabAuthority) -> Iterator[None]:
    """Plain SSPs take time and chance from ``lab``; otherwise, having no authority, they would take the system's."""
    before = backends.clock, backends.entropy
    backends.clock, backends.entropy = lab.time, lab.entropy
    try:
        yield
    finally:
        backends.clock, backends.entropy = before
