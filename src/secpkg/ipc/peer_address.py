"""The address of the peer for whom a thread works (SeciAllocateAndSetIPAddress), or, on an event loop, a task."""

from __future__ import annotations

from contextvars import ContextVar
from socket import AF_INET, AF_INET6
from sys import byteorder

address: ContextVar[bytes | None] = ContextVar("secpkg_peer_address", default=None)


def peer_address() -> bytes | None:
    """The SOCKADDR of this thread's call context, or None."""
    return address.get()


def origin_name() -> str:
    """The same as a text: an IP address, or the bytes of a family that has none in hexadecimal; empty when none is set.

    Family in the machine's byte order, then port (and for IPv6 flow information), as ``SOCKADDR_IN`` has them.
    """
    known = address.get()
    if known is None:
        return ""
    from ipaddress import ip_address

    family = int.from_bytes(known[:2], byteorder)
    if family == AF_INET and len(known) >= 8:
        return str(ip_address(known[4:8]))
    if family == AF_INET6 and len(known) >= 24:
        return str(ip_address(known[8:24]))
    return known.hex()
