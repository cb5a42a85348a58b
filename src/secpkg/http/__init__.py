"""Security contexts over HTTP: middleware for servers, ``auth=`` objects for clients.

Servers: `asgi.Authenticated` and `wsgi.Authenticated`. Clients: `httpx_auth.Auth`, `httpx2_auth.Auth` and
`requests_auth.Auth`, which import their library when they are imported. Which HTTP scheme is which package is
configuration: ``schemes={"NTLM": "NTLM"}``. The framing is that of RFC 9110 section 11 and RFC 4559.

The identity that a handshake proves belongs to a connection, never to a cookie or an address: `connection`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secpkg.http.bindings import BindingPolicy, ServerBindings
    from secpkg.http.connection import Connection
    from secpkg.http.identity import AsyncIdentity, Identity
    from secpkg.http.limits import Limits

_WHERE = {
    "AsyncIdentity": "secpkg.http.identity",
    "BindingPolicy": "secpkg.http.bindings",
    "Connection": "secpkg.http.connection",
    "Identity": "secpkg.http.identity",
    "Limits": "secpkg.http.limits",
    "ServerBindings": "secpkg.http.bindings",
}

__all__ = ["AsyncIdentity", "BindingPolicy", "Connection", "Identity", "Limits", "ServerBindings"]


def __getattr__(name: str) -> object:
    try:
        loaded: object = getattr(import_module(_WHERE[name]), name)
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    globals()[name] = loaded
    return loaded
