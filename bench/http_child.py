"""The HTTP example in a process of the benchmark: as its command line makes it, on a socket that is given."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading

import uvicorn

from secpkg_http_service.__main__ import configuration, parsed


def serve(descriptor: int, address: str, certificate: str, key: str) -> None:
    """Begin; it ends with the process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    line = ["--certificate", certificate, "--key", key, "--scheme", "NTLM=NTLM", "--authority", address]
    config = configuration(parsed(line))
    for name in ("uvicorn.access", "uvicorn.error"):  # a log on a terminal is no service's work
        logging.getLogger(name).setLevel(logging.WARNING)
    server = uvicorn.Server(config)
    listener = socket.socket(fileno=descriptor)
    threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True).start()
