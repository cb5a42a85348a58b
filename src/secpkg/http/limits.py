"""What a server lends to strangers."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Sizes in bytes, times in seconds. What exceeds them is refused: 503 for numbers, 400 for sizes, 401 for times."""

    half_open: int = 4096
    """Handshakes that wait for their next leg, altogether."""
    half_open_per_address: int = 256
    """The same, of one client address: an IPv4 address, or the /64 of an IPv6 one (many clients may share one)."""
    half_open_seconds: float = 30.0
    """From the first leg to the last (R195)."""
    legs: int = 8
    """Tokens of a client in one handshake."""
    header: int = 64 * 1024
    """An Authorization header. The server in front has a limit of its own, often a smaller one."""
    suspect_seconds: float = 60.0
    """After a refused proof its address is suspect for so long, and served after the others (`secpkg.http.asgi`)."""
    body: int = 256 * 1024
    """The body of a request that is answered with 401 is read and thrown away up to here, since the next request comes
    after it; a longer one costs the client its connection.
    """
    authenticated_seconds: float = 3600.0
    """After this a connection has to authenticate again; earlier when the context expires earlier."""
