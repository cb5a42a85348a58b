"""The example's page over TLS, at an embedded authority with NTLM, in a process of its own: ``bench.site DIRECTORY``.

It says its port, and serves until it is told to stop.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Final

import uvicorn

from bench.authority import DOMAIN, PASSWORD, USER
from secpkg.http import Limits
from secpkg.http.uvicorn_protocol import H11
from secpkg.testing import LabAuthority
from secpkg_http_service.certificate import make
from secpkg_http_service.page import application

CERTIFICATE: Final = "certificate.pem"
ENEMIES: Final = 4
"""How many other users there are, whose passwords are guessed."""
_LIMITS: Final = Limits(half_open_per_address=4096, half_open_seconds=600.0)


def enemy(number: int) -> str:
    """The name of one of them."""
    return f"guessed{number}"


def main(directory: str) -> None:
    """Serve."""
    certificate, key = make(Path(directory), "localhost")
    with LabAuthority(domain=DOMAIN, modules=["ntlm"]) as lab:
        for name in (USER, *map(enemy, range(ENEMIES))):
            lab.add_user(name, password=PASSWORD)
        page = application({"NTLM": "NTLM"}, certificate=certificate, authority=lab, limits=_LIMITS)
        config = uvicorn.Config(
            page, http=H11, ws="none", lifespan="off", proxy_headers=False, log_level="critical", access_log=False,
            ssl_certfile=certificate, ssl_keyfile=key, timeout_keep_alive=600,
        )  # fmt: skip
        # With its protocol's number: asyncio sets TCP_NODELAY for no other.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1024)
            print(listener.getsockname()[1], flush=True)
            uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
