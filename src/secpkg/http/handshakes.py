"""The handshakes of a server, between their legs: which connection is where. Without input or output, and not
thread-safe: `asgi` and `wsgi` ask `begin` what to do with a request, make the leg, and tell how it went.

A connection has at most one slot. `Slot` is half-open (it holds the context that waits for its next leg) or
authenticated (it holds the identity). What ends a half-open one: its completion, a refusal, its deadline, the end of
its connection, and any request on its connection that is not its next leg. Contexts that have ended this way are
`orphans`, which the driver closes, with its next request if it cannot earlier: closing may have to wait, and a
finalizer must not.
"""

from __future__ import annotations

import logging
import math
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from secpkg.contract.status import Status
from secpkg.http import framing
from secpkg.http.connection import Address, Connection, prefix
from secpkg.http.framing import Rejected
from secpkg.http.limits import Limits

C = TypeVar("C")
"""A context."""

W = TypeVar("W")
"""Who: an identity."""

log = logging.getLogger("secpkg.http")

_OURS: Final = frozenset(
    {
        Status.SEC_E_INTERNAL_ERROR,
        Status.SEC_E_INSUFFICIENT_MEMORY,
        Status.SEC_E_NO_AUTHENTICATING_AUTHORITY,
        Status.SEC_E_SECPKG_NOT_FOUND,
    }
)
"""Not the client's fault: 503."""

MAX_SUSPECTS: Final = 65536
"""Addresses that are remembered as suspect; beyond them the one that was refused longest ago is forgotten."""

_Key = weakref.ref[object] | Address


class Request(msgspec.Struct, frozen=True):
    """What of a request matters here. ``connection`` is the server's object for it, ``address`` both its ends."""

    version: str
    authorization: tuple[str, ...]
    connection: object
    address: Address | None
    keep_alive: bool
    proxied: bool


class Pass(msgspec.Struct, Generic[W], frozen=True):
    """To the application, with the identity of the connection; None: nobody's."""

    identity: W | None


class Answer(msgspec.Struct, frozen=True):
    """To the client, and not to the application. ``reason`` is for the log."""

    status: int
    reason: str
    challenges: tuple[str, ...] = ()
    retry_after: int = 0


class Slot(Generic[C, W]):
    """One connection's handshake or identity."""

    __slots__ = ("__weakref__", "busy", "context", "deadline", "gone", "identity", "key", "legs", "origin", "scheme")

    def __init__(self, key: _Key | None, origin: str, scheme: str, deadline: float) -> None:
        self.key = key
        self.origin = origin
        self.scheme = scheme
        self.deadline = deadline
        self.legs = 0
        self.busy = False
        self.gone = False
        self.context: C | None = None
        self.identity: W | None = None


class Leg(Generic[C, W]):
    """One leg to be made by the driver, on ``slot.context`` (None: on a new one, to be put there)."""

    __slots__ = ("request", "slot", "token")

    def __init__(self, slot: Slot[C, W], token: bytes, request: Request) -> None:
        self.slot = slot
        self.token = token
        self.request = request


def _nothing() -> None:
    """For drivers that come by anyway."""


class Handshakes(Generic[C, W]):
    """``schemes``: HTTP scheme to package, in order of preference. ``clock``: UTC seconds. ``ended`` is called when a
    connection has ended, perhaps by a finalizer in another thread: `sweep` then finds what was its.
    """

    def __init__(
        self,
        schemes: Mapping[str, str],
        *,
        optional: bool,
        limits: Limits,
        clock: Callable[[], float],
        ended: Callable[[], None] = _nothing,
    ) -> None:
        if not schemes:
            raise ValueError("no scheme: for example schemes={'NTLM': 'NTLM'}")
        self.packages: Final = {framing.checked_scheme(scheme): package for scheme, package in schemes.items()}
        self._names: Final = {scheme.lower(): scheme for scheme in self.packages}
        if len(self._names) != len(self.packages):
            raise ValueError("names of schemes differ in more than case (RFC 9110, 11.1)")
        self._optional = optional
        self._limits = limits
        self._clock = clock
        self._tell = ended
        self._slots: dict[_Key, Slot[C, W]] = {}
        self._half_open: dict[Slot[C, W], None] = {}  # in the order of their deadlines
        self._by_origin: Counter[str] = Counter()
        self._suspects: dict[str, float] = {}  # until when, in the order of the last refusals
        self._ended: deque[_Key] = deque()
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._told = False
        self.orphans: Final[deque[C | W]] = deque()

    @property
    def half_open(self) -> int:
        """Handshakes that wait for their next leg."""
        return len(self._half_open)

    @property
    def connections(self) -> int:
        """Connections that have a handshake or an identity."""
        return len(self._slots)

    def begin(self, request: Request) -> Pass[W] | Answer | Leg[C, W]:
        """What to do with a request whose header has come."""
        now = self._clock()
        self._sweep(now)
        key = self._key(request)
        slot = None if key is None else self._slots.get(key)
        if slot is not None and slot.busy:
            # HTTP/1.1 answers one request after the other: a second one beside a leg is not this connection's.
            return Answer(400, "connection_busy")
        try:
            given = framing.credentials(request.authorization, limit=self._limits.header)
            scheme = None if given is None else self._names.get(given.scheme.lower())
            token = given.token() if given is not None and scheme is not None else b""
        except Rejected as rejected:
            self._drop(slot)
            return Answer(400, rejected.reason.value)
        if scheme is None:
            return self._without(given is not None, request, slot, now)
        if not request.version.startswith("1."):
            return _multiplexed()
        if slot is not None and slot.context is None:
            self._drop(slot)  # who authenticates anew is nobody until that is done
            slot = None
        if slot is not None and slot.legs >= self._limits.legs:
            self._drop(slot)
            return self._challenge("too_many_legs")
        if slot is not None and slot.scheme != scheme:
            self._drop(slot)
            slot = None
        if slot is None:
            origin = self._origin(request)
            limits = self._limits
            if self.half_open >= limits.half_open or self._by_origin[origin] >= limits.half_open_per_address:
                return self._busy("too_many_half_open")
            if key is not None:
                key = self._watched(request, key)
            slot = Slot(key, origin, scheme, now + self._limits.half_open_seconds)
            self._half_open[slot] = None
            self._by_origin[origin] += 1
            if key is not None:
                self._slots[key] = slot
        slot.busy = True
        slot.legs += 1
        return Leg(slot, token, request)

    def continued(self, leg: Leg[C, W], token: bytes | None) -> Answer:
        """The package wants another leg and gave ``token`` for the client."""
        slot = leg.slot
        slot.busy = False
        if slot.gone:
            self._drop(slot)
            return self._challenge("ended_meanwhile")
        if slot.key is None:
            if not self._told:
                self._told = True
                log.warning("which connection a request came on is not known here: no handshake of several legs works")
            self._drop(slot)
            return self._challenge("connection_unknown")
        if not leg.request.keep_alive:
            self._drop(slot)
            return self._challenge("connection_will_close")
        if not token:
            self._drop(slot)
            return self._challenge("no_token_to_send")
        return Answer(401, "", (framing.header(slot.scheme, token),))

    def completed(self, leg: Leg[C, W], identity: W, expiry: float) -> bool:
        """The handshake is over. Whether the connection keeps the identity; otherwise it is this request's alone, and
        the driver's to close.
        """
        slot = leg.slot
        slot.busy = False
        kept = isinstance(slot.key, weakref.ref) and not slot.gone and not leg.request.proxied
        slot.context = None
        if not kept:
            self._drop(slot)
            return False
        self._uncount(slot)
        slot.identity = identity
        slot.deadline = min(expiry, self._clock() + self._limits.authenticated_seconds)
        return True

    def refused(self, leg: Leg[C, W], status: Status, token: bytes | None) -> Answer:
        """The leg failed; ``token`` is for the peer (R188). The client learns no more than that."""
        leg.slot.busy = False
        self._drop(leg.slot)
        if status in _OURS:
            return self._busy(status.native)
        self._suspect(leg.slot.origin)
        return self._challenge(status.native, (leg.slot.scheme, token) if token else None)

    def sweep(self) -> None:
        """Find what has ended or is too late, without a request."""
        self._sweep(self._clock())

    def suspect(self, leg: Leg[C, W]) -> bool:
        """Whether a proof from this address was refused lately."""
        return self._suspects.get(leg.slot.origin, 0.0) > self._clock()

    def abandon(self, leg: Leg[C, W]) -> None:
        """The leg was not finished (cancelled): its context can only be closed."""
        leg.slot.busy = False
        self._drop(leg.slot)

    def forget(self, request: Request) -> None:
        """The connection of this request will not be used again."""
        key = self._key(request)
        self._drop(None if key is None else self._slots.get(key))

    def close(self) -> None:
        """End everything: it is all in `orphans` then."""
        for slot in [*self._slots.values(), *self._half_open]:
            self._drop(slot)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _without(self, foreign: bool, request: Request, slot: Slot[C, W] | None, now: float) -> Pass[W] | Answer:
        """A request without credentials of ours. If it has ``foreign`` ones, they count, and not its connection's."""
        if slot is not None and slot.context is None and slot.deadline > now:
            if not foreign and not request.proxied:
                return Pass(slot.identity)
        else:
            self._drop(slot)
        if self._optional:
            return Pass(None)
        if not request.version.startswith("1."):
            return _multiplexed()
        return self._challenge("foreign_scheme" if foreign else "no_credentials")

    def _challenge(self, reason: str, told: tuple[str, bytes] | None = None) -> Answer:
        """401: from the beginning."""
        lines = tuple(
            framing.header(scheme, told[1]) if told is not None and told[0] == scheme else scheme
            for scheme in self.packages
        )
        return Answer(401, reason, lines)

    def _busy(self, reason: str) -> Answer:
        return Answer(503, reason, retry_after=max(1, math.ceil(self._limits.half_open_seconds)))

    def _key(self, request: Request) -> _Key | None:
        connection = request.connection
        if connection is not None:
            if isinstance(connection, Connection) and connection.closed:
                return None
            return weakref.ref(connection)
        return None if request.proxied else request.address

    def _watched(self, request: Request, key: _Key) -> _Key:
        """The key that a slot is kept under: when its connection has ended, so has the slot."""
        connection = request.connection
        if connection is None:
            return key
        if isinstance(connection, Connection) and connection not in self._connections:
            self._connections.add(connection)
            connection.on_close(lambda: self._end(key))
        return weakref.ref(connection, self._end)

    @staticmethod
    def _origin(request: Request) -> str:
        return "" if request.address is None else prefix(request.address.client)

    def _suspect(self, origin: str) -> None:
        if not origin:
            return
        self._suspects.pop(origin, None)
        self._suspects[origin] = self._clock() + self._limits.suspect_seconds
        if len(self._suspects) > MAX_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]

    def _end(self, key: _Key) -> None:
        self._ended.append(key)
        self._tell()

    def _sweep(self, now: float) -> None:
        while self._ended:
            self._drop(self._slots.get(self._ended.popleft()))
        while self._half_open:
            oldest = next(iter(self._half_open))
            if oldest.deadline > now:
                break
            self._drop(oldest)

    def _drop(self, slot: Slot[C, W] | None) -> None:
        if slot is None:
            return
        if slot.key is not None and self._slots.get(slot.key) is slot:
            del self._slots[slot.key]
        self._uncount(slot)
        if slot.busy:  # whoever makes the leg will find out
            slot.gone = True
            return
        if slot.context is not None:
            self.orphans.append(slot.context)
            slot.context = None
        if slot.identity is not None:
            self.orphans.append(slot.identity)
            slot.identity = None

    def _uncount(self, slot: Slot[C, W]) -> None:
        if slot in self._half_open:
            del self._half_open[slot]
            self._by_origin[slot.origin] -= 1
            if not self._by_origin[slot.origin]:
                del self._by_origin[slot.origin]


def _multiplexed() -> Answer:
    """HTTP/2 and 3 put requests of several users on one connection: what belongs to a connection cannot work there. The
    client is to come again with HTTP/1.1; RFC 9113 has HTTP_1_1_REQUIRED for that, which an application cannot send.
    """
    return Answer(505, "http_version")
