"""What an application calls to make and use a security context.

`Client`, `Server` and `Credential` are the paved path; `raw` has the documented functions one to one. A plain SSP is
made known to this process with `add_provider`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secpkg.host.user_mode.providers import add as add_provider
    from secpkg.host.user_mode.providers import remove as remove_provider
    from secpkg.sspi import raw
    from secpkg.sspi.client import Client
    from secpkg.sspi.credential import Credential
    from secpkg.sspi.impersonation import run_as
    from secpkg.sspi.server import Server

_WHERE = {
    "Client": ("secpkg.sspi.client", "Client"),
    "Credential": ("secpkg.sspi.credential", "Credential"),
    "Server": ("secpkg.sspi.server", "Server"),
    "add_provider": ("secpkg.host.user_mode.providers", "add"),
    "raw": ("secpkg.sspi.raw", ""),
    "run_as": ("secpkg.sspi.impersonation", "run_as"),
    "remove_provider": ("secpkg.host.user_mode.providers", "remove"),
}

__all__ = ["Client", "Credential", "Server", "add_provider", "raw", "remove_provider", "run_as"]


def __getattr__(name: str) -> object:
    try:
        module, attribute = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    loaded: object = import_module(module)
    if attribute:
        loaded = getattr(loaded, attribute)
    globals()[name] = loaded
    return loaded
