"""Connections, datagrams and streams: what a package announces (R231), and what of it a context has."""

from __future__ import annotations

from typing import Final

from secpkg.contract.flags import AscReq, Capability, IscReq

_RENEWABLE: Final = int(Capability.DATAGRAM | Capability.STREAM)
_CONNECTION: Final = int(Capability.CONNECTION)
_ASKED: Final = (int(IscReq.DATAGRAM | IscReq.STREAM), int(AscReq.DATAGRAM | AscReq.STREAM))


def establishes_again(capabilities: int, accept: bool, requirements: int) -> bool:
    """Whether a finished context may be established again (R229): one of a datagram or stream package. A package that
    has connections too does it where its caller asks for the other semantics.
    """
    if not capabilities & _RENEWABLE:
        return False
    return not capabilities & _CONNECTION or bool(requirements & _ASKED[accept])
