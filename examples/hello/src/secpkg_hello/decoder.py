"""Hello's tokens for people: the four messages of SCRAM (RFC 5802 section 7), for ``secpkg decode --package Hello``.

This module is the decoder. It shows what it meets, also where the package would refuse it, and decides nothing.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64

from secpkg.contract.decoder import Fault, Field

_MESSAGES = (
    ("client-first-message", (b"n,", b"y,", b"p=")),
    ("server-first-message", (b"r=",)),
    ("client-final-message", (b"c=",)),
    ("server-final-message", (b"v=", b"e=")),
)
_BINDING_FLAGS = {
    b"n": "the client binds to no channel",
    b"y": "the client could bind, and believes that the server cannot",
}
_NAMES = {
    b"a": "authzid",
    b"n": "username",
    b"r": "nonce",
    b"s": "salt",
    b"i": "iteration-count",
    b"c": "channel-binding",
    b"p": "proof",
    b"v": "verifier",
    b"e": "server-error",
    b"m": "mandatory extension",
}
_BASE64 = (b"s", b"c", b"p", b"v")
_FIRST = "client-first-message"
_MOST = 64


def decode(token: bytes) -> Field:
    """The tree of a token. Bad bytes give a tree up to the fault."""
    name = next((name for name, begins in _MESSAGES if token[:2] in begins), "")
    if not name:
        return Field("token", 0, len(token), token, fault=Fault(0, "no message of SCRAM begins like this"))
    parts = token.split(b",", _MOST)
    fields = []
    at = 0
    for number, part in enumerate(parts):
        header = name == _FIRST and number < 2
        fields.append(_gs2(part, at, number) if header else _attribute(part, at))
        at += len(part) + 1
    notes = ("nothing is known behind 64 attributes",) if len(parts) > _MOST else ()
    return Field(name, 0, len(token), notes=notes, fields=tuple(fields))


def _gs2(part: bytes, at: int, number: int) -> Field:
    """``gs2-cbind-flag`` and ``authzid``, before the attributes of the first message."""
    if number == 0:
        meaning = _BINDING_FLAGS.get(part, f"the client binds by {_text(part[2:])}")
        return Field("gs2-cbind-flag", at, len(part), _text(part[:1]), meaning)
    if not part:
        return Field("authzid", at, 0, "", "none")
    return _attribute(part, at)


def _attribute(part: bytes, at: int) -> Field:
    letter, equals, value = part[:1], part[1:2], part[2:]
    if equals != b"=" or not letter.isalpha():
        return Field("attribute", at, len(part), part, fault=Fault(at, "an attribute is a letter, = and a value"))
    name = _NAMES.get(letter, f"extension {_text(letter)}")
    notes = ("who does not know it must fail",) if letter == b"m" else ()
    if letter in _BASE64:
        try:
            data = a2b_base64(value, strict_mode=True)
        except Base64Error:
            return Field(name, at, len(part), _text(value), fault=Fault(at + 2, "not base64"))
        return Field(name, at, len(part), data, _header(data) if letter == b"c" else "")
    if letter == b"i" and value.isdigit() and len(value) < 10:
        return Field(name, at, len(part), int(value))
    return Field(name, at, len(part), _text(value), notes=notes)


def _header(data: bytes) -> str:
    """What ``c=`` repeats of the first message; the bytes of a channel binding may follow."""
    header, second, *_ = [*data.split(b",", 2), b""]
    return f"{_text(header)},{_text(second)},"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
