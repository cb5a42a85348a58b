"""Handshakes of the Hello package through the public API, both sides in one process."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from secpkg import Client, Credential, Server
from secpkg.contract.flags import CredentialUse

PACKAGE = "Hello"


class Pair:
    """A client's credential with its key derived, and a server's."""

    def __init__(self, authority: object, domain: str, user: str, password: str) -> None:
        self._authority = authority
        self._who = (domain, user, password)
        self._outbound = self._credential()
        self._inbound = Credential(PACKAGE, CredentialUse.INBOUND, authority=authority)

    def _credential(self) -> Credential:
        domain, user, password = self._who
        return Credential(PACKAGE, username=user, domain=domain, password=password, authority=self._authority)

    def contexts(self) -> tuple[Client, Server]:
        """A handshake: both ends, complete."""
        client = Client(PACKAGE, credential=self._outbound, target="bench")
        server = Server(PACKAGE, credential=self._inbound)
        token = client.step()
        while token is not None:
            answer = server.step(token)
            token = client.step(answer) if answer is not None else None
        assert client.complete and server.complete
        return client, server

    def handshake(self) -> None:
        """A handshake, and both ends closed."""
        client, server = self.contexts()
        client.close()
        server.close()

    def cold(self) -> None:
        """A handshake with a credential of its own: the key is derived from the password."""
        warm, self._outbound = self._outbound, self._credential()
        try:
            self.handshake()
        finally:
            self._outbound.close()
            self._outbound = warm

    def close(self) -> None:
        """Free both credentials."""
        self._outbound.close()
        self._inbound.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
