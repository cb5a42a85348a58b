"""The call context of a thread: whose call a server is working on, by the peer's address."""

from __future__ import annotations

from typing import Final

from secpkg.contract.floor import floor
from secpkg.contract.status import Status
from secpkg.ipc.peer_address import address, peer_address

MAX_ADDRESS: Final = 128
"""Bytes of a ``SOCKADDR_STORAGE``."""
_FAMILY: Final = 2


@floor("sspi", "SeciAllocateAndSetIPAddress")
def seci_allocate_and_set_ip_address(ip_address: bytes) -> tuple[Status, bool]:
    """SeciAllocateAndSetIPAddress: (status, whether `seci_free_call_context` is due before the thread is given up,
    R281). ``ip_address`` is a SOCKADDR, at most 128 bytes; one that is set already is replaced, and the call context
    stays whoever's made it. Logons of this thread name it as their origin, in the audit record too, unless they name
    one themselves (docs/adr/0009). SEC_E_INVALID_PARAMETER. Page: SecAuthN seciallocateandsetipaddress.
    """
    if not _FAMILY < len(ip_address) <= MAX_ADDRESS:
        return Status.SEC_E_INVALID_PARAMETER, False
    made = address.get() is None
    address.set(ip_address)
    return Status.SEC_E_OK, made


@floor("sspi", "SeciFreeCallContext")
def seci_free_call_context() -> None:
    """SeciFreeCallContext: the thread works for nobody in particular again (R281). Page: SecAuthN
    secifreecallcontext.
    """
    address.set(None)


__all__ = ["peer_address", "seci_allocate_and_set_ip_address", "seci_free_call_context"]
