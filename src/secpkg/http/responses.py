"""What both kinds of middleware answer, and how they read a header."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from secpkg.http.handshakes import Answer

_TEXT: Final = {
    400: b"The Authorization header of this request cannot be used.\n",
    401: b"Who you are has to be proved first.\n",
    403: b"This service acts for its users, and cannot act for this one.\n",
    503: b"Too many are at the door. Come again later.\n",
    505: b"Authentication here belongs to a connection: use HTTP/1.1.\n",
}
PHRASES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


def headers(answer: Answer) -> list[tuple[str, str]]:
    """The header fields of an answer; its length is that of `body`."""
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(_TEXT[answer.status])))]
    fields.append(("Cache-Control", "no-store"))
    fields.extend(("WWW-Authenticate", line) for line in answer.challenges)
    if answer.retry_after:
        fields.append(("Retry-After", str(answer.retry_after)))
    return fields


def body(answer: Answer, method: str) -> bytes:
    """The body; HEAD has none."""
    return b"" if method == "HEAD" else _TEXT[answer.status]


def keeps_alive(version: str, connection: Iterable[str]) -> bool:
    """Whether the connection lives on after this request, as its client sees it (RFC 9112, 9.3)."""
    options = {option.strip().lower() for value in connection for option in value.split(",")}
    if "close" in options:
        return False
    return version != "1.0" or "keep-alive" in options


def added(present: Iterable[str], challenge: str | None) -> list[tuple[str, str]]:
    """Fields for the application's response: the last token (RFC 4559, 5), and that no shared cache keeps what was for
    one user: later requests of the connection have no Authorization field to tell it (RFC 9111, 3.5).
    """
    fields = [] if challenge is None else [("WWW-Authenticate", challenge)]
    if "cache-control" not in {name.lower() for name in present}:
        fields.append(("Cache-Control", "private"))
    return fields
