"""The contexts of an auth object: what answers `Start` and `Step`, blocking and awaited.

A credentials handle is made once for a package and used by all handshakes. Handshakes with one origin come one after
the other, and other requests of the auth object start before or after them: libraries choose the connection of a
request themselves, and with nobody else around they choose the same one for each leg. When something came between all
the same, `Answering.legs` finds another connection behind a reply and begins again.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractContextManager
from typing import Final
from weakref import WeakKeyDictionary

from secpkg import aio
from secpkg.contract.flags import CredentialUse
from secpkg.contract.status import SecurityError, Status
from secpkg.http.answering import Answering, Origin, Start, Step, Stepped
from secpkg.sspi.client import Client
from secpkg.sspi.credential import Credential


class BlockingContexts:
    """For threads."""

    def __init__(self, answering: Answering) -> None:
        self._answering: Final = answering
        self._lock = threading.Lock()
        self._credentials: dict[str, Credential] = {}
        self._turns: dict[Origin, AbstractContextManager[bool]] = {}

    def turn(self, origin: Origin) -> AbstractContextManager[bool]:
        """Held for the legs of one handshake. A thread that holds it may come again: from a hook of the library."""
        with self._lock:
            return self._turns.setdefault(origin, threading.RLock())

    def start(self, start: Start) -> Client:
        """A context."""
        return Client(
            start.package,
            credential=self._credential(start.package),
            target=start.target,
            channel_bindings=start.channel_bindings,
            requirements=self._answering.requirements,
        )

    def step(self, client: Client, command: Start | Step) -> Stepped:
        """One step. SecurityError."""
        try:
            token = client.step(command.token if isinstance(command, Step) else None)
        except SecurityError as error:
            if error.status is Status.SEC_E_INVALID_HANDLE:
                # The package's worker was started anew, and knows none of the handles from before.
                with self._lock:
                    self._credentials.pop(client.package, None)
            raise
        return Stepped(token, client.complete)

    def close(self) -> None:
        """Free the credentials. Harmless when repeated."""
        with self._lock:
            credentials, self._credentials = self._credentials, {}
        for credential in credentials.values():
            credential.close()

    def _credential(self, package: str) -> Credential:
        with self._lock:
            credential = self._credentials.get(package)
            if credential is None:
                credential = Credential(package, CredentialUse.OUTBOUND, **self._answering.identity())
                self._credentials[package] = credential
            return credential


class AsyncContexts:
    """For the event loop that runs."""

    def __init__(self, answering: Answering) -> None:
        self._answering: Final = answering
        self._credentials: dict[str, aio.Credential] = {}
        self._turns: dict[Origin, asyncio.Lock] = {}

    def turn(self, origin: Origin) -> asyncio.Lock:
        """Held for the legs of one handshake."""
        return self._turns.setdefault(origin, asyncio.Lock())

    def start(self, start: Start) -> aio.Client:
        """A context."""
        credential = self._credentials.get(start.package)
        if credential is None:
            credential = aio.Credential(start.package, CredentialUse.OUTBOUND, **self._answering.identity())
            self._credentials[start.package] = credential
        return aio.Client(
            start.package,
            credential=credential,
            target=start.target,
            channel_bindings=start.channel_bindings,
            requirements=self._answering.requirements,
        )

    async def step(self, client: aio.Client, command: Start | Step) -> Stepped:
        """One step. SecurityError."""
        try:
            token = await client.step(command.token if isinstance(command, Step) else None)
        except SecurityError as error:
            if error.status is Status.SEC_E_INVALID_HANDLE:
                self._credentials.pop(client.package, None)
            raise
        return Stepped(token, client.complete)

    async def close(self) -> None:
        """Free the credentials. Harmless when repeated."""
        credentials, self._credentials = self._credentials, {}
        for credential in credentials.values():
            await credential.close()


class ByLoop:
    """An auth object may be used on several loops, one after the other: handles and locks belong to one."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncContexts] = WeakKeyDictionary()

    def here(self) -> AsyncContexts:
        """Those of the loop that runs."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is None:
            found = self._by_loop[loop] = AsyncContexts(self._answering)
        return found
