"""Pass-through put together: an `Endpoint` with the authority that it serves, in the daemon's loop or embedded."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from typing import Final

from secpkg.authority.passthrough import PassthroughCall, serve
from secpkg.contract.requests import Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.poll import Loop, Source, Timer
from secpkg.runtime.config import PassthroughConfig
from secpkg.runtime.passthrough_endpoint import Endpoint, Serve
from secpkg.runtime.passthrough_peers import peers
from secpkg.runtime.ports import answer
from secpkg.runtime.service import Service

REFUSALS: Final = 60
"""Records of connections that came to no call, in `REFUSALS_SECONDS`: anybody can make one; the disk is finite."""
REFUSALS_SECONDS: Final = 60.0


class _Refusals:
    """Puts refused connections on the audit record, as many as is good for it, and then how many were left out."""

    def __init__(self, service: Service) -> None:
        self._authority = service.authority
        self._since = 0.0
        self._count = 0

    def __call__(self, host: str, reason: str) -> None:
        now = self._authority.clock()
        left_out = 0
        if not 0 <= now - self._since < REFUSALS_SECONDS:
            left_out = max(0, self._count - REFUSALS)
            self._since, self._count = now, 0
        self._count += 1
        if self._count > REFUSALS:
            return
        try:
            self._authority.audit.append(
                "passthrough_refused",
                status=Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE,
                facts={"address": host, "reason": reason, "left_out": left_out},
            )
        except SecurityError:
            return  # nothing is released here that would have to be on the record


def _server(service: Service) -> Serve:
    def served(peer: str, call: PassthroughCall, resume: Resume) -> object:
        return answer(serve(service.authority, peer, call), service.ask, resume)

    return served


class LoopPassthrough:
    """`secpkg.authority.passthrough.Passthrough` in a loop: the daemon's."""

    def __init__(
        self, config: PassthroughConfig, service: Service, loop: Loop, on_error: Callable[[object, Exception], object]
    ) -> None:
        looked_at = peers(config)
        self.domains, self.sids = looked_at.names, looked_at.sids
        self.endpoint = Endpoint(looked_at, _server(service), _Refusals(service), clock=loop.clock, on_error=on_error)
        self.address: tuple[str, int] | None = None
        self._loop = loop
        self._timer: Timer | None = None
        self._due = 0.0
        try:
            if looked_at.listen:
                self.address = self.endpoint.listen()
        except BaseException:
            self.endpoint.close()
            raise
        self._source: Source = loop.register(self.endpoint.fileno(), self._turn)

    def call(self, call: PassthroughCall, resume: Resume) -> object:
        """Ask another authority; the loop goes on meanwhile."""
        parked = self.endpoint.call(call, resume)
        self._arm()
        return parked

    def _turn(self) -> None:
        self.endpoint.turn(0.0)
        self._arm()

    def _arm(self) -> None:
        due = self.endpoint.next_deadline()
        if self._timer is not None and due == self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._due, self._timer = due, self._loop.call_at(due, self._late)

    def _late(self) -> None:
        self._timer = None
        self._turn()

    def close(self) -> None:
        """End every conversation; before the loop is closed."""
        self._source.unregister()
        if self._timer is not None:
            self._timer.cancel()
        self.endpoint.close()


class EmbeddedPassthrough:
    """`secpkg.authority.passthrough.Passthrough` in an embedded authority.

    A call waits in place, with ``lock`` held as in every embedded call: an authority that is called back by the one
    that it calls answers when that call is over, which is at its limit. Calls of others are taken by a thread.
    """

    def __init__(
        self,
        config: PassthroughConfig,
        service: Service,
        lock: threading.RLock,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peers = peers(config)
        self.domains, self.sids = self._peers.names, self._peers.sids
        self.address: tuple[str, int] | None = None
        self._clock = clock
        self._lock = lock
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._wake = -1
        if self._peers.listen:
            served = _server(service)

            def one_at_a_time(peer: str, call: PassthroughCall, resume: Resume) -> object:
                with lock:
                    return served(peer, call, resume)

            self._endpoint = Endpoint(self._peers, one_at_a_time, self._refused(service), clock=clock)
            try:
                self.address = self._endpoint.listen()
                self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            except BaseException:
                self._endpoint.close()
                raise
            self._endpoint.watch(self._wake, select.EPOLLIN)
            self._thread = threading.Thread(target=self._run, name="secpkg pass-through", daemon=True)
            self._thread.start()

    def _refused(self, service: Service) -> Callable[[str, str], None]:
        refusals = _Refusals(service)

        def refused(host: str, reason: str) -> None:
            with self._lock:
                refusals(host, reason)

        return refused

    def call(self, call: PassthroughCall, resume: Resume) -> object:
        """Ask another authority, and wait for the answer."""
        outcome: list[tuple[object, BaseException | None]] = []
        endpoint = Endpoint(self._peers, clock=self._clock)
        try:
            endpoint.call(call, lambda value, error: outcome.append((value, error)))
            while not outcome:
                endpoint.turn(None)
        finally:
            endpoint.close()
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    def _run(self) -> None:
        while not self._stopping:
            self._endpoint.turn(None)

    def close(self) -> None:
        """Take no more calls; without the lock, since a call may be waiting for it. Harmless when repeated."""
        if self._thread is None:
            return
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._thread = None
        self._endpoint.close()
        os.close(self._wake)
