"""The HTTP example in a process of the benchmark: as its command line makes it, on a socket that is given."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading

import uvicorn

from secpkg_http_service.__main__ import configuration


def serve(descriptor: int, address: str, certificate: str, key: str) -> None:
    """Begin; it ends with the process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    config = configuration(
        ["--certificate", certificate, "--key", key, "--scheme", "NTLM=NTLM", "--authority", address]
    )  # fmt: skip
    logging.getLogger("uvicorn.access").handlers.clear()  # standard output is the benchmark's
    server = uvicorn.Server(config)
    listener = socket.socket(fileno=descriptor)
    threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True).start()
