"""``secpkg-http-service --certificate PEM --key PEM --scheme NTLM=NTLM``: serve the page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import uvicorn

from secpkg.http import BindingPolicy
from secpkg.http.uvicorn_protocol import H11
from secpkg_http_service.page import application


def _scheme(text: str) -> tuple[str, str]:
    scheme, equals, package = text.partition("=")
    if not (scheme and equals and package):
        raise argparse.ArgumentTypeError(f"{text!r} is not HTTP_SCHEME=PACKAGE, for example NTLM=NTLM")
    return scheme, package


def configuration(arguments: Sequence[str] | None = None) -> uvicorn.Config:
    """What the command line says, for uvicorn."""
    parser = argparse.ArgumentParser(prog="secpkg-http-service", description="A page over TLS that says who you are.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8443, help="port to listen on (8443)")
    parser.add_argument("--certificate", required=True, help="certificate chain, PEM")
    parser.add_argument("--key", required=True, help="its private key, PEM")
    parser.add_argument("--scheme", type=_scheme, action="append", required=True, metavar="HTTP_SCHEME=PACKAGE")
    parser.add_argument("--authority", help="address of the authority, for example unix:/run/secpkg/lsa.sock")
    policies = [policy.value for policy in BindingPolicy]
    parser.add_argument(
        "--bindings", choices=policies, default="require", help="channel bindings of clients; curl has none (require)"
    )
    given = parser.parse_args(arguments)
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
    )


def main() -> None:
    """Serve until told to stop."""
    uvicorn.Server(configuration()).run()


if __name__ == "__main__":
    main()
