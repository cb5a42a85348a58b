"""secpkg: custom security packages, the authority that hosts them, SSPI and the LSA logon functions in front.

The names here are the paved path and load what they need when they are first used, so that ``import secpkg`` costs
next to nothing and a client process never imports the authority, SQL or asyncio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secpkg import aio, lsa, sspi
    from secpkg.contract import SecurityError, Status
    from secpkg.contract.flags import AscReq, Capability, IscReq, LogonType
    from secpkg.sspi.client import Client
    from secpkg.sspi.credential import Credential
    from secpkg.sspi.server import Server

__version__ = "0.1.0"

_WHERE = {
    "AscReq": ("secpkg.contract.flags", "AscReq"),
    "Capability": ("secpkg.contract.flags", "Capability"),
    "Client": ("secpkg.sspi.client", "Client"),
    "Credential": ("secpkg.sspi.credential", "Credential"),
    "IscReq": ("secpkg.contract.flags", "IscReq"),
    "LogonType": ("secpkg.contract.flags", "LogonType"),
    "SecurityError": ("secpkg.contract.status", "SecurityError"),
    "Server": ("secpkg.sspi.server", "Server"),
    "Status": ("secpkg.contract.status", "Status"),
    "aio": ("secpkg.aio", ""),
    "lsa": ("secpkg.lsa", ""),
    "sspi": ("secpkg.sspi", ""),
}

__all__ = [
    "AscReq",
    "Capability",
    "Client",
    "Credential",
    "IscReq",
    "LogonType",
    "SecurityError",
    "Server",
    "Status",
    "aio",
    "lsa",
    "sspi",
]


def __getattr__(name: str) -> object:
    try:
        module, attribute = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module 'secpkg' has no attribute {name!r}") from None
    loaded: object = import_module(module)
    if attribute:
        loaded = getattr(loaded, attribute)
    globals()[name] = loaded
    return loaded


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
