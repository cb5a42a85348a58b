"""``secpkg-http-service --certificate PEM --key PEM --scheme NTLM=NTLM``: serve the page."""

from __future__ import annotations

import argparse
import copy
import socket
from collections.abc import Sequence
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from secpkg.http import BindingPolicy
from secpkg.http.uvicorn_protocol import H11
from secpkg_http_service.page import application


def _scheme(text: str) -> tuple[str, str]:
    scheme, equals, package = text.partition("=")
    if not (scheme and equals and package):
        raise argparse.ArgumentTypeError(f"{text!r} is not HTTP_SCHEME=PACKAGE, for example NTLM=NTLM")
    return scheme, package


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    policies = [policy.value for policy in BindingPolicy]
    parser = argparse.ArgumentParser(prog="secpkg-http-service", description="A page over TLS that says who you are.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8443, help="port to listen on (8443; 0: a free one)")
    parser.add_argument("--certificate", required=True, help="certificate chain, PEM")
    parser.add_argument("--key", required=True, help="its private key, PEM")
    parser.add_argument("--scheme", type=_scheme, action="append", required=True, metavar="HTTP_SCHEME=PACKAGE")
    parser.add_argument("--authority", help="address of the authority, for example unix:/run/secpkg/lsa.sock")
    parser.add_argument(
        "--bindings", choices=policies, default="require", help="channel bindings of clients; curl has none (require)"
    )
    parser.add_argument("--ready-fd", type=int, metavar="FD", help="write the address there when it is listened on")
    return parser.parse_args(arguments)


def configuration(given: argparse.Namespace) -> uvicorn.Config:
    """What the command line says, for uvicorn. All of its log goes to standard error."""
    log: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    log["handlers"]["access"]["stream"] = "ext://sys.stderr"
    return uvicorn.Config(
        application(
            dict(given.scheme),
            certificate=given.certificate,
            binding_policy=given.bindings,
            authority=given.authority,
        ),
        host=given.host,
        port=given.port,
        http=H11,
        ws="none",
        proxy_headers=False,
        ssl_certfile=given.certificate,
        ssl_keyfile=given.key,
        # A token is a header: NTLM's may have some kilobytes, Kerberos' more.
        h11_max_incomplete_event_size=128 * 1024,
        timeout_keep_alive=60,
        log_config=log,
    )


class Server(uvicorn.Server):
    """uvicorn, which says where it listens."""

    def __init__(self, config: uvicorn.Config, ready: int | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None and self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            with open(self._ready, "w") as file:
                file.write(f"https://{f'[{host}]' if ':' in host else host}:{port}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    given = parsed(arguments)
    Server(configuration(given), given.ready_fd).run()


if __name__ == "__main__":
    main()
