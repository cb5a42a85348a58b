"""A service on loopback: an ASGI application behind uvicorn and TLS, and a relay that ends TLS in the middle."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from secpkg.http.uvicorn_protocol import H11


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def serving(app: Any, tls: tuple[Path, Path] | None, *, http: type[asyncio.Protocol] | str = H11) -> Iterator[int]:
    """The port of ``app``, behind the certificate and key of ``tls``."""
    config = uvicorn.Config(
        app, http=http, ws="none", lifespan="off", proxy_headers=False, log_level="critical", access_log=False,
        ssl_certfile=None if tls is None else str(tls[0]), ssl_keyfile=None if tls is None else str(tls[1]),
        timeout_graceful_shutdown=5, h11_max_incomplete_event_size=128 * 1024,
    )  # fmt: skip
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:

        async def life() -> None:
            await server.serve([listener])
            close = getattr(app, "close", None)
            if close is not None:
                await close()

        thread = threading.Thread(target=lambda: asyncio.run(life()))
        thread.start()
        try:
            assert server.ready.wait(30)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def relaying(port: int, tls: tuple[Path, Path], server_certificate: Path) -> Iterator[int]:
    """A relay with a certificate of its own that the client trusts: it reads everything, and passes it on."""
    outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    outside.load_cert_chain(*tls)
    inside = ssl.create_default_context(cafile=str(server_certificate))
    ready, loops = threading.Event(), [asyncio.new_event_loop()]
    ports: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", port, ssl=inside, server_hostname="localhost")
        tasks.update(asyncio.ensure_future(pump(*way)) for way in ((reader, forth), (back, writer)))

    async def life(stop: asyncio.Event) -> None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=outside)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await server.wait_closed()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: (loops[0].run_until_complete(life(stop)), loops[0].close()))
    thread.start()
    try:
        assert ready.wait(30)
        yield ports[0]
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()


Get = Callable[..., tuple[int, str]]
