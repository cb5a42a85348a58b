"""Tokens as people have them: hex, base64, a header line, a line of a file, raw bytes.

A line is one token; ``>`` before it says that the initiator sent it, ``<`` that the acceptor did, and ``#`` begins a
comment. What can be read as hex is hex: only then base64 is tried.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

import msgspec

from secpkg.protocols.ntlm.values import Role

MAX_INPUT: Final = 1 << 20
"""Bytes of one argument, file or standard input."""
MAX_TOKENS: Final = 256
"""Tokens of one conversation."""
MAX_TOTAL: Final = 4 << 20
"""Bytes of the tokens of one conversation."""

_HEADER: Final = re.compile(
    r"(?:(proxy-)?(authorization|authenticate)|(www-authenticate)|(authentication-info)):", re.I
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)[ \t]+([A-Za-z0-9+/_-]+={0,2})", re.ASCII)
_HEX: Final = re.compile(r"(?:0x)?[0-9A-Fa-f]{2}(?:[ \t:]?[0-9A-Fa-f]{2})*", re.ASCII)
_HALF: Final = re.compile(r"(?:0x)?[0-9A-Fa-f]+", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}", re.ASCII)
_SENDERS: Final = {">": Role.INITIATOR, "<": Role.ACCEPTOR}


class Unreadable(Exception):
    """There is no token in what was given. The message names the place, and never holds what stands there."""


class Given(msgspec.Struct, frozen=True):
    """A token: its bytes, where it came from, who sent it (None: nobody says), and the scheme of its header."""

    data: bytes
    source: str
    sender: Role | None = None
    scheme: str = ""

    def __repr__(self) -> str:
        return f"<{self.source}>"


def of_line(line: str, source: str) -> Given:
    """The token of a line; `Unreadable` where there is none."""
    text = line.strip()
    sender = _SENDERS.get(text[:1])
    if sender is not None:
        text = text[1:].strip()
    scheme = ""
    header = _HEADER.match(text)
    if header is not None:
        by_header = Role.INITIATOR if header[0][:-1].lower().endswith("authorization") else Role.ACCEPTOR
        if sender is not None and sender is not by_header:
            raise Unreadable(f"{source}: the mark and the header name different senders")
        sender = by_header
        text = text[header.end() :].strip()
    parameters = _SCHEME.fullmatch(text)
    if parameters is not None and not _HEX.fullmatch(text):
        scheme, text = parameters[1], parameters[2]
    elif header is not None:
        raise Unreadable(f"{source}: the header holds no token, or several")
    return Given(_bytes(text, source, hex_allowed=not scheme), source, sender, scheme)


def _bytes(text: str, source: str, *, hex_allowed: bool) -> bytes:
    if hex_allowed and _HEX.fullmatch(text):
        return bytes.fromhex(text.removeprefix("0x").replace(":", ""))
    if hex_allowed and _HALF.fullmatch(text):
        raise Unreadable(f"{source}: an odd number of hex digits")
    if _BASE64.fullmatch(text):
        plain = text.rstrip("=").translate(str.maketrans("-_", "+/"))
        try:
            return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except Base64Error:
            pass
    raise Unreadable(f"{source}: neither hex nor base64")


def of_bytes(data: bytes, source: str, *, raw: bool = False) -> list[Given]:
    """The tokens of a file: a line each where it is text, else the file is one token, as it is with `raw`."""
    if len(data) > MAX_INPUT:
        raise Unreadable(f"{source}: longer than {MAX_INPUT} bytes")
    if not data:
        raise Unreadable(f"{source}: empty")
    if raw or any((octet < 32 and octet not in b"\t\r\n") or octet > 126 for octet in data):
        return [Given(data, source)]
    lines = data.decode("ascii").splitlines()
    named = [(line, f"{source}, line {n}") for n, line in enumerate(lines, 1)]
    tokens = [of_line(line, where) for line, where in named if line.strip() and not line.lstrip().startswith("#")]
    if not tokens:
        raise Unreadable(f"{source}: no line holds a token")
    return tokens


__all__ = ["MAX_INPUT", "MAX_TOKENS", "MAX_TOTAL", "Given", "Unreadable", "of_bytes", "of_line"]
