"""Which connection a request came on: what makes or breaks authentication that is bound to a connection.

A handshake must never continue on another connection, and what was proved on one must never be believed of another.
ASGI and WSGI have no object for a connection, so there are two modes, told apart by what the server offers:

- **The server says which connection it is**: an object of its own for each, which lives as long as the connection and
  no longer. Then the client is asked once, and its identity holds until the connection ends. For uvicorn there is
  `secpkg.http.uvicorn_protocol`; another ASGI server (or a middleware close to it) puts a `Connection` into
  ``scope["state"]["secpkg.connection"]`` or ``scope["extensions"]["secpkg.connection"]``. Of WSGI servers the sockets
  of gunicorn (``gunicorn.socket``) and werkzeug (``werkzeug.socket``) are known; ``secpkg.connection`` is for others.
- **It does not**: then the addresses and ports of both ends stand for the connection between two legs, and the
  identity holds **for one request**, the one that carried the proof; the next is asked again. Ports are used again, by
  others too (behind one NAT, by another user of one machine), and nothing tells when a connection ended: an identity
  that was kept for an address would be a stranger's sooner or later. A half-finished handshake that a stranger picks up
  is worth nothing to him: it lacks the proof, and only who gives the proof gets the identity.

A proxy that puts several clients' requests on one connection would make them one user. A request that says that it came
through one (Via, Forwarded, X-Forwarded-For) gets an identity for itself alone in the first mode, and is refused in the
second, where those headers may have decided what the address is. A proxy that says nothing cannot be noticed: in front
of a connection-bound scheme there must be none that shares connections. There is no cookie: who wants a session
makes one in the application, from the identity, with what protects it there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

KEY: Final = "secpkg.connection"
"""Where a server puts its object: in ``scope["state"]`` or ``scope["extensions"]``, or in a WSGI environ."""

SOCKETS: Final = ("gunicorn.socket", "werkzeug.socket")
"""Where WSGI servers put the socket of the connection."""

PROXIES: Final = ("via", "forwarded", "x-forwarded-for")
"""Header fields by which a proxy tells of itself (RFC 9110, 7.6.3; RFC 7239)."""


class Connection:
    """One connection, for a server that offers it. `close` when it has ended: what hangs on it ends at once; without
    that it ends when the object does.
    """

    __slots__ = ("__weakref__", "_on_close", "closed")

    def __init__(self) -> None:
        self.closed = False
        self._on_close: list[Callable[[], None]] = []

    def on_close(self, function: Callable[[], None]) -> None:
        """Call ``function`` once, when the connection has ended."""
        if self.closed:
            function()
        else:
            self._on_close.append(function)

    def close(self) -> None:
        """The connection has ended. Harmless when repeated."""
        self.closed = True
        functions, self._on_close = self._on_close, []
        for function in functions:
            function()


class Address(msgspec.Struct, frozen=True):
    """Both ends of a connection, where there is nothing better."""

    client: str
    client_port: int
    server: str
    server_port: int


def prefix(host: str) -> str:
    """What limits are counted for: an IPv4 address, the /64 of an IPv6 one, anything else as it is."""
    if ":" not in host:
        return host
    from ipaddress import IPv6Address

    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
