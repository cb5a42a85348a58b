"""Pass-through between authorities over the network: one connection, one question, one answer (docs/adr/0014).

`Endpoint` is the whole of it without a thread or a loop: non-blocking sockets in an epoll of its own, which is itself a
descriptor that a loop can watch. The daemon's loop turns it when it is ready or a deadline has come; embedded mode
turns one in place for each call, and another one in a thread where it listens.

Everything has an end: a handshake and a call their limits, an address and the world the number of connections that have
not yet shown a certificate. A connection that is refused after its handshake is still read for a moment, since the
reason would otherwise be lost with the bytes that the peer had already sent (RFC 1122, 4.2.2.13). There is no second
attempt and no other way: an authority that cannot be reached is STATUS_NO_LOGON_SERVERS, one whose certificate is not
what the operator wrote is STATUS_TRUSTED_RELATIONSHIP_FAILURE.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from secpkg.authority.passthrough import PassthroughCall
from secpkg.contract.requests import PARKED, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ProtocolReply
from secpkg.runtime.config import PassthroughDomain
from secpkg.runtime.passthrough_peers import Peers, address
from secpkg.runtime.passthrough_tls import TlsFault, TlsStream
from secpkg.runtime.passthrough_wire import VERSION, Ask, OneFrame, Refuse, Reply, WireFault, answered, asked, frame
from secpkg.runtime.state import StateFault

MAX_CALLS: Final = 32
"""Calls on their way to others."""
MAX_CONNECTIONS: Final = 128
"""Connections of others."""
MAX_HALF_OPEN: Final = 64
"""Of them, those that have not shown a certificate yet."""
MAX_HALF_OPEN_OF_AN_ADDRESS: Final = MAX_CALLS
"""All that an authority asks at once."""
DRAIN_LIMIT: Final = 1.0
"""Seconds for which a connection is still read after its last word."""
_DRAIN_BYTES: Final = 512 * 1024
_REST: Final = 0.1
_READ: Final = 64 * 1024
_IN: Final = select.EPOLLIN | select.EPOLLRDHUP
_UNREACHABLE: Final = Status.STATUS_NO_LOGON_SERVERS
_UNTRUSTED: Final = Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE

Serve = Callable[[str, PassthroughCall, Resume], object]
"""Answers a call of the authority of a domain: a `ProtocolReply`, or PARKED; raises the documented failure."""
Refused = Callable[[str, str], object]
"""Told the address and the reason of a connection that came to no call."""


class _Link:
    """One TCP connection with its TLS; subclasses say what it is for."""

    def __init__(self, endpoint: Endpoint, sock: socket.socket, tls: TlsStream, deadline: float) -> None:
        self.endpoint = endpoint
        self.sock = sock
        self.tls = tls
        self.deadline = deadline
        self.draining = False
        self._said_all = False
        self._drained = 0
        self._frame = OneFrame()
        self._unsent = bytearray()
        self._interest = 0
        endpoint.links[sock.fileno()] = self
        endpoint.watch(sock.fileno(), 0)

    def ready(self, events: int) -> None:
        """The socket has something to read, or room to write."""
        if events & select.EPOLLOUT:
            self.flush()
        if self.sock.fileno() >= 0 and events & ~select.EPOLLOUT:
            self._read()

    def _read(self) -> None:
        try:
            data = self.sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if self.draining:
            self._drained += len(data)
            if not data or self._drained > _DRAIN_BYTES:
                self.close()
            return
        if not data:
            self.fail("peer_went_away")
            return
        self.take(data)

    def take(self, data: bytes) -> None:
        """Ciphertext from the peer; at the start nothing, which begins the handshake of the calling side."""
        was_open = self.tls.open
        try:
            plain = self.tls.receive(data)
            if self.tls.open and not was_open and not self.opened():
                return
            body = self._frame.take(plain) if plain else None
        except (TlsFault, WireFault) as fault:
            self.fail(fault.reason)
            return
        self.flush()
        if body is not None:
            self.on_frame(body)
        elif self.tls.ended and self.sock.fileno() >= 0 and not self.draining:
            self.fail("peer_went_away")

    def flush(self) -> None:
        """Send what is to be sent, as far as the kernel takes it."""
        self._unsent += self.tls.pending()
        try:
            while self._unsent:
                del self._unsent[: self.sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # what it sent before it went is still to be read
        if self.sock.fileno() < 0:
            return
        if self.draining and not self._unsent and not self._said_all:
            self._said_all = True
            self.deadline = min(self.deadline, self.endpoint.clock() + DRAIN_LIMIT)
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
        interest = _IN | (select.EPOLLOUT if self._unsent else 0)
        if interest != self._interest:
            self._interest = interest
            self.endpoint.epoll.modify(self.sock.fileno(), interest)

    def drain(self) -> None:
        """Send what is left and our end, then read until the peer's, for `DRAIN_LIMIT` at most."""
        if self.sock.fileno() < 0 or self.draining:
            return
        self.draining = True
        self.tls.finish()
        self.flush()

    def close(self) -> None:
        """Give the socket back. Harmless when repeated."""
        fd = self.sock.fileno()
        if fd >= 0:
            del self.endpoint.links[fd]
            self.endpoint.epoll.unregister(fd)
            self.sock.close()

    def opened(self) -> bool:
        """The handshake is done; whether the conversation goes on."""
        raise NotImplementedError

    def on_frame(self, body: bytes) -> None:
        """The peer's one frame."""
        raise NotImplementedError

    def fail(self, reason: str) -> None:
        """There will be no conversation, or no end of it."""
        raise NotImplementedError

    def expired(self) -> None:
        """The deadline has come."""
        if self.draining:
            self.close()
        else:
            self.fail("deadline")


class _Outgoing(_Link):
    """A call of ours."""

    def __init__(
        self, endpoint: Endpoint, sock: socket.socket, domain: PassthroughDomain, question: bytes, resume: Resume
    ) -> None:
        tls = TlsStream(endpoint.peers.contexts.calling, domain.server_name or domain.name)
        super().__init__(endpoint, sock, tls, endpoint.clock() + endpoint.peers.handshake_limit)
        self._began = endpoint.clock()
        self._name = domain.name.casefold()
        self._question = question
        self._resume: Resume | None = resume
        self._connecting = True
        endpoint.epoll.modify(sock.fileno(), select.EPOLLOUT)

    def ready(self, events: int) -> None:
        if not self._connecting:
            super().ready(events)
            return
        if self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.fail("cannot_connect")
            return
        self._connecting = False
        self.take(b"")

    def opened(self) -> bool:
        if self._name not in self.tls.names:
            self.fail("certificate_of_another_name")
            return False
        self.deadline = self._began + self.endpoint.peers.call_limit
        self.tls.send(self._question)
        return True

    def on_frame(self, body: bytes) -> None:
        try:
            answer = answered(body)
            status = Status.known(answer.protocol_status if isinstance(answer, Reply) else answer.status)
            if status is None or (isinstance(answer, Refuse) and not status.is_error):
                raise WireFault("status_unknown")
        except WireFault as fault:
            self.fail(fault.reason)
            return
        if isinstance(answer, Reply):
            self._done(ProtocolReply(answer.data, status), None)
        else:
            substatus = Status.known(answer.substatus) or Status.STATUS_SUCCESS
            self._done(None, SecurityError(status, substatus=substatus, reason="refused_by_other_authority"))
        self.drain()

    def fail(self, reason: str) -> None:
        handshaking = not self.tls.open
        if reason.startswith("certificate_") or reason.startswith("tls_"):
            status = _UNTRUSTED  # an alert comes after our half of the handshake, too
        elif reason in ("peer_went_away", "cannot_connect", "deadline"):
            status = _UNREACHABLE
        else:
            status = Status.STATUS_INTERNAL_ERROR
        self._done(None, SecurityError(status, reason=reason))
        if handshaking and status is _UNTRUSTED:
            self.drain()  # our alert says why
        else:
            self.close()

    def close(self) -> None:
        self._done(None, SecurityError(Status.STATUS_INTERNAL_ERROR, reason="passthrough_failed"))
        super().close()

    def _done(self, value: object, error: BaseException | None) -> None:
        resume, self._resume = self._resume, None
        self.endpoint.calls.discard(self)
        if resume is not None:
            resume(value, error)


class _Incoming(_Link):
    """A call of another authority."""

    def __init__(self, endpoint: Endpoint, sock: socket.socket, host: str) -> None:
        tls = TlsStream(endpoint.peers.contexts.called)
        super().__init__(endpoint, sock, tls, endpoint.clock() + endpoint.peers.handshake_limit)
        self.host = host
        self._peer = ""
        self._asked = False
        endpoint.callers.add(self)
        self.flush()

    @property
    def half_open(self) -> bool:
        """Whether it has not shown a certificate of somebody known."""
        return not self._peer

    def opened(self) -> bool:
        known = {self.endpoint.peers.callers[name] for name in self.tls.names if name in self.endpoint.peers.callers}
        if len(known) != 1:
            self.endpoint.refused(
                self.host, "certificate_of_several_domains" if known else "certificate_of_nobody_known"
            )
            self._answer(Refuse(_UNTRUSTED))
            return False
        (self._peer,) = known
        self.deadline = self.endpoint.clock() + self.endpoint.peers.call_limit
        return True

    def on_frame(self, body: bytes) -> None:
        try:
            call = asked(body)
        except WireFault as fault:
            self.fail(fault.reason)
            return
        self._asked = True
        try:
            value = self.endpoint.serve(self._peer, call, self._outcome)
        except SecurityError as refused:
            self._outcome(None, refused)
        else:
            if value is not PARKED:
                self._outcome(value, None)

    def _outcome(self, value: object, error: BaseException | None) -> None:
        if error is None and isinstance(value, ProtocolReply):
            self._answer(Reply(value.data, value.protocol_status))
        elif isinstance(error, SecurityError) and error.status.is_error:
            self._answer(Refuse(error.status, error.substatus))
        else:
            self._answer(Refuse(Status.STATUS_INTERNAL_ERROR))

    def _answer(self, answer: Reply | Refuse) -> None:
        if self.sock.fileno() < 0 or self.draining:
            return  # the peer is gone, or its time is over
        try:
            self.tls.send(frame(answer))
        except WireFault:
            self.tls.send(frame(Refuse(Status.STATUS_QUOTA_EXCEEDED)))
        except TlsFault:
            pass  # TLS itself has ended, and said so
        self.drain()

    def fail(self, reason: str) -> None:
        if not self._asked:
            self.endpoint.refused(self.host, reason)
        if reason in ("peer_went_away", "deadline"):
            self.close()
        elif self.tls.open:
            self._answer(Refuse(Status.STATUS_INVALID_PARAMETER))
        else:
            self.drain()  # the alert says why

    def close(self) -> None:
        self.endpoint.callers.discard(self)
        super().close()


def _nobody_serves(_peer: str, _call: PassthroughCall, _resume: Resume) -> object:
    raise SecurityError(Status.STATUS_NOT_IMPLEMENTED)


class Endpoint:
    """One side's sockets; see the top of this file. Used by one thread at a time."""

    def __init__(
        self,
        peers: Peers,
        serve: Serve = _nobody_serves,
        refused: Refused = lambda _address, _reason: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_error: Callable[[object, Exception], object] = lambda _where, _error: None,
    ) -> None:
        self._on_error = on_error
        self.peers = peers
        self.serve = serve
        self.refused = refused
        self.clock = clock
        self.epoll = select.epoll()
        self.links: dict[int, _Link] = {}
        self.calls: set[_Outgoing] = set()
        self.callers: set[_Incoming] = set()
        self._listener: socket.socket | None = None
        self._deaf_until: float | None = None

    def fileno(self) -> int:
        """What is readable when `turn` has something to do."""
        return self.epoll.fileno()

    def watch(self, fd: int, events: int) -> None:
        """Begin to watch a descriptor."""
        self.epoll.register(fd, events)

    def listen(self) -> tuple[str, int]:
        """Take calls at the configured address: host and port where it is then. `StateFault`."""
        family, host, port = address(self.peers.listen, "passthrough.listen")
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(MAX_HALF_OPEN)
        except OSError as error:
            listener.close()
            raise StateFault(f"passthrough.listen {self.peers.listen}: {error.strerror}") from None
        self._listener = listener
        self.watch(listener.fileno(), select.EPOLLIN)
        bound: tuple[str, int] = listener.getsockname()[:2]
        return bound

    def call(self, call: PassthroughCall, resume: Resume) -> object:
        """Ask another authority; see `secpkg.authority.passthrough.Passthrough.call`. Always answers by ``resume``."""
        found = self.peers.domains.get(call.domain.casefold())
        if found is None:
            raise SecurityError(Status.STATUS_NO_SUCH_DOMAIN, reason="domain_not_configured")
        if len(self.calls) >= MAX_CALLS:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="passthrough_calls_exhausted")
        domain = found[1]
        family, host, port = address(domain.address, "address")
        try:
            question = frame(Ask(VERSION, call))
        except WireFault as fault:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=fault.reason) from None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="no_socket") from None
        if sock.connect_ex((host, port)) not in (0, errno.EINPROGRESS):
            sock.close()
            raise SecurityError(_UNREACHABLE, reason="cannot_connect")
        self.calls.add(_Outgoing(self, sock, domain, question, resume))
        return PARKED

    def turn(self, timeout: float | None = 0.0) -> None:
        """Go on with what is ready, after waiting ``timeout`` seconds at most, then end what is over its time."""
        due = self.next_deadline()
        if due is not None:
            left = max(0.0, due - self.clock())
            timeout = left if timeout is None else min(timeout, left)
        for fd, events in self.epoll.poll(timeout):
            if self._listener is not None and fd == self._listener.fileno():
                self._accept(self._listener)
            elif (link := self.links.get(fd)) is not None:
                self._guarded(link, partial(link.ready, events))
        now = self.clock()
        for link in [link for link in self.links.values() if link.deadline <= now]:
            self._guarded(link, link.expired)
        if self._deaf_until is not None and self._deaf_until <= now and self._listener is not None:
            self._deaf_until = None
            self.epoll.modify(self._listener.fileno(), select.EPOLLIN)

    def _guarded(self, link: _Link, call: Callable[[], object]) -> None:
        """A fault in one conversation ends that one."""
        try:
            call()
        except Exception as error:
            link.close()
            self._on_error(link, error)

    def next_deadline(self) -> float | None:
        """When `turn` has something to do though nothing is ready."""
        due = [link.deadline for link in self.links.values()]
        if self._deaf_until is not None:
            due.append(self._deaf_until)
        return min(due, default=None)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, peer = listener.accept()
        except BlockingIOError:
            return
        except OSError:  # no descriptors: what is there ends and gives some back
            self.epoll.modify(listener.fileno(), 0)
            self._deaf_until = self.clock() + _REST
            return
        host = str(peer[0])
        half_open = [link.host for link in self.callers if link.half_open]
        if (
            len(self.callers) >= MAX_CONNECTIONS
            or len(half_open) >= MAX_HALF_OPEN
            or half_open.count(host) >= MAX_HALF_OPEN_OF_AN_ADDRESS
        ):
            sock.close()
            self.refused(host, "too_many_connections")
            return
        sock.setblocking(False)
        _Incoming(self, sock, host)

    def close(self) -> None:
        """End everything; calls on their way fail."""
        if self._listener is not None:
            self.epoll.unregister(self._listener.fileno())
            self._listener.close()
            self._listener = None
        for link in list(self.links.values()):
            if isinstance(link, _Outgoing):
                link.fail("peer_went_away")
            link.close()
        self.epoll.close()
