"""uvicorn's protocols, saying which connection a request came on: ``uvicorn.run(app, http=H11)``.

Each connection gets a `secpkg.http.connection.Connection`, which ends with it. It is in ``scope["state"]``, which
uvicorn copies for each request. Run uvicorn with ``proxy_headers=False``: a connection of a proxy that shares its
connections must not be authenticated.
"""

from __future__ import annotations

import asyncio

try:
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ModuleNotFoundError as error:  # pragma: no cover  # the tests have it
    message = "secpkg.http.uvicorn_protocol needs uvicorn: pip install uvicorn"
    raise ModuleNotFoundError(message, name=error.name) from error

from secpkg.http.connection import KEY, Connection


class H11(H11Protocol):
    """`uvicorn.protocols.http.h11_impl.H11Protocol` with a `Connection` for each."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has come."""
        self._ours = Connection()
        self.app_state = {**self.app_state, KEY: self._ours}
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._ours.close()
