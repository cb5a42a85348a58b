"""Tokens in header fields: RFC 9110 section 11 (challenges, credentials), RFC 4559 section 4 (what goes in them).

``scheme`` or ``scheme base64``: bytes of one leg are one token68. Without input or output: header values in, values or
named rejections out. Base64 is RFC 4648's, with its padding, and one spelling for each byte string: the bits behind the
last byte are zero.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

import msgspec

MAX_HEADER: Final = 64 * 1024
"""Bytes of one header field that is looked at."""

MAX_CHALLENGES: Final = 32
"""Challenges of one response, on all its lines."""

MAX_PARAMETERS: Final = 16
"""Parameters of one challenge."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}"
_SCHEME: Final = re.compile(_TOKEN, re.ASCII)
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))", re.ASCII)
_PARAMETER: Final = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))', re.ASCII)
_BETWEEN: Final = re.compile(r"[ \t,]*", re.ASCII)
_COMMA: Final = re.compile(r"[ \t]*(?:,|$)", re.ASCII)
_SPACES: Final = re.compile(r" +", re.ASCII)


class Reason(Enum):
    """Why a header field was not taken."""

    TOO_LONG = "header_too_long"
    NOT_ASCII = "header_not_ascii"
    SEVERAL = "several_credentials"
    SCHEME_BAD = "scheme_bad"
    TOKEN_MISSING = "token_missing"
    TOKEN_BAD = "token_not_base64"
    CHALLENGE_BAD = "challenge_bad"
    TOO_MANY = "too_many_challenges"


class Rejected(Exception):
    """A header field that is not what it should be; ``reason`` names the rule."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Credentials(msgspec.Struct, frozen=True):
    """An Authorization field. ``rest`` is what follows the scheme: secret, and so without a repr."""

    scheme: str
    rest: str

    def __repr__(self) -> str:
        return f"Credentials({self.scheme!r})"

    def token(self) -> bytes:
        """The leg's bytes, never empty. `Rejected` for anything else than one token68 of strict base64."""
        if not self.rest:
            raise Rejected(Reason.TOKEN_MISSING)
        return decode(self.rest)


class Challenge(msgspec.Struct, frozen=True):
    """One challenge of a WWW-Authenticate field: ``data`` is its token68 (a leg's base64), if it has one."""

    scheme: str
    data: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    def token(self) -> bytes | None:
        """The leg's bytes; None for a challenge that only opens (RFC 4559, 4.1)."""
        return decode(self.data) if self.data else None


def decode(text: str) -> bytes:
    """Strict base64; `Rejected` for another spelling of the same bytes, too."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError):
        raise Rejected(Reason.TOKEN_BAD) from None
    if not data or encode(data) != text:
        raise Rejected(Reason.TOKEN_BAD)
    return data


def encode(token: bytes) -> str:
    """Base64 with padding."""
    return binascii.b2a_base64(token, newline=False).decode("ascii")


def header(scheme: str, token: bytes | None = None) -> str:
    """The value of an Authorization or WWW-Authenticate field: ``scheme`` or ``scheme base64``."""
    return f"{scheme} {encode(token)}" if token else scheme


def same(left: str, right: str) -> bool:
    """Whether two names of schemes are one: they are case-insensitive (RFC 9110, 11.1)."""
    return left.lower() == right.lower()


def checked_scheme(scheme: str) -> str:
    """A scheme's name that an application configures; ValueError for what is not one."""
    if not _SCHEME.fullmatch(scheme):
        raise ValueError(f"{scheme!r} is not the name of an HTTP authentication scheme")
    return scheme


def credentials(values: Sequence[str], *, limit: int = MAX_HEADER) -> Credentials | None:
    """The Authorization field of a request, None where it has none. `Rejected`: TOO_LONG, SEVERAL (the field is no
    list), NOT_ASCII, SCHEME_BAD.
    """
    if not values:
        return None
    if len(values) > 1:
        raise Rejected(Reason.SEVERAL)
    value = values[0]
    if len(value) > limit:
        raise Rejected(Reason.TOO_LONG)
    if not value.isascii():
        raise Rejected(Reason.NOT_ASCII)
    value = value.strip(" \t")
    scheme = _SCHEME.match(value)
    if scheme is None:
        raise Rejected(Reason.SCHEME_BAD)
    gap = _SPACES.match(value, scheme.end())
    if gap is None:
        if scheme.end() != len(value):
            raise Rejected(Reason.SCHEME_BAD)
        return Credentials(scheme[0], "")
    return Credentials(scheme[0], value[gap.end() :])


def challenges(values: Iterable[str], *, limit: int = MAX_HEADER) -> tuple[Challenge, ...]:
    """The challenges of a response: any number of WWW-Authenticate lines, each a list; a library may have joined the
    lines by commas. `Rejected`: TOO_LONG, NOT_ASCII, CHALLENGE_BAD, TOO_MANY.
    """
    found: list[Challenge] = []
    left = limit
    for value in values:
        left -= len(value)
        if left < 0:
            raise Rejected(Reason.TOO_LONG)
        if not value.isascii():
            raise Rejected(Reason.NOT_ASCII)
        position = _skip(value, 0)
        while position < len(value):
            challenge, position = _challenge(value, position)
            found.append(challenge)
            if len(found) > MAX_CHALLENGES:
                raise Rejected(Reason.TOO_MANY)
    return tuple(found)


def _skip(value: str, position: int) -> int:
    between = _BETWEEN.match(value, position)
    assert between is not None
    return between.end()


def _challenge(value: str, position: int) -> tuple[Challenge, int]:
    scheme = _SCHEME.match(value, position)
    if scheme is None:
        raise Rejected(Reason.CHALLENGE_BAD)
    gap = _SPACES.match(value, scheme.end())
    if gap is None:
        return Challenge(scheme[0]), _ended(value, scheme.end())
    position = gap.end()
    parameters: list[tuple[str, str]] = []
    # `name=value` is a parameter, `name=` a padded token68: the latter ends its challenge.
    data = _TOKEN68.match(value, position)
    if data is not None:
        return Challenge(scheme[0], data[0]), _ended(value, data.end())
    while (parameter := _PARAMETER.match(value, position)) is not None:
        if len(parameters) == MAX_PARAMETERS:
            raise Rejected(Reason.TOO_MANY)
        quoted = parameter[2]
        text = parameter[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        parameters.append((parameter[1].lower(), text))
        position = _ended(value, parameter.end())
    if not parameters and position == gap.end():
        return Challenge(scheme[0]), _ended(value, position)
    return Challenge(scheme[0], "", tuple(parameters)), position


def _ended(value: str, position: int) -> int:
    """Behind a list element: at the next one."""
    if _COMMA.match(value, position) is None:
        raise Rejected(Reason.CHALLENGE_BAD)
    return _skip(value, position)
