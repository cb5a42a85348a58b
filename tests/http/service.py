"""A service on loopback: an ASGI application behind uvicorn and TLS, and a relay that ends TLS in the middle."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
from collections.abc import Iterator
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

    async def main_loop(self) -> None:
        """As uvicorn has it, which looks ten times a second whether it is to end: a tenth of a second for each test."""
        while not await self.on_tick(0):
            await asyncio.sleep(0.005)


@contextmanager
def serving(app: Any, tls: tuple[Path, Path] | None, *, http: type[asyncio.Protocol] | str = H11) -> Iterator[int]:
    """The port of ``app``, behind the certificate and key of ``tls``."""
    config = uvicorn.Config(
        app, http=http, ws="none", lifespan="off", proxy_headers=False, log_level="critical", access_log=False,
        ssl_certfile=None if tls is None else str(tls[0]), ssl_keyfile=None if tls is None else str(tls[1]),
        timeout_graceful_shutdown=5, h11_max_incomplete_event_size=128 * 1024,
    )  # fmt: skip
    server = _Server(config)
    # With its protocol's number: asyncio sets TCP_NODELAY for no other, and every answer would wait for 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)

        async def life() -> None:
            await server.serve([listener])
            for _ in range(50):  # what TLS has left to do when its connection is gone; no time passes
                await asyncio.sleep(0)
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
    threads: list[threading.Thread] = []
    over = threading.Event()

    def talk(plain: socket.socket) -> None:
        try:
            with (
                outside.wrap_socket(plain, server_side=True) as client,
                socket.create_connection(("127.0.0.1", port), 20) as beyond,
                inside.wrap_socket(beyond, server_hostname="localhost") as server,
            ):
                while not over.is_set() and pass_on(client, server):
                    pass
        except OSError:
            pass

    def pass_on(client: ssl.SSLSocket, server: ssl.SSLSocket) -> bool:
        """One thread for both directions: an SSL object is not made for two."""
        ready, _, _ = select.select([client, server], [], [], 0.05)
        for source in ready:
            source.setblocking(False)
            try:
                data = source.recv(1 << 20)
            except ssl.SSLWantReadError:
                continue
            finally:
                source.settimeout(20)
            if not data:
                return False
            (server if source is client else client).sendall(data)
        return True

    def accept() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.settimeout(20)
            threads.append(threading.Thread(target=talk, args=(plain,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(30)
            for thread in threads:
                thread.join(30)
