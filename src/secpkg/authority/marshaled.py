"""Strings of CredMarshalCredential (wincred): a credential that stands in a user name.

``@@``, a letter for the type, and six bits a character, the lowest first. A certificate's hash has a fixed size; a user
name and a blob have theirs in front, as 32 bits. One text per value: bits left over are zero, or it is no such string.
"""

from __future__ import annotations

from typing import Final

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789#-"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_PREFIX: Final = "@@"
_CERTIFICATE: Final = "B"
_SIZED: Final = frozenset("CD")
_HASH_SIZE: Final = 20
_SIZE_CHARACTERS: Final = 6
MAX_MARSHALED: Final = 32_767
"""Characters."""


def is_marshaled(text: str) -> bool:
    """Whether the string says that it is one (CredIsMarshaledCredential)."""
    return text.startswith(_PREFIX)


def unmarshal(text: str) -> bytes | None:
    """The bytes in the string, or None for what is no such string."""
    if not is_marshaled(text) or len(text) > MAX_MARSHALED:
        return None
    kind, body = text[2:3], text[3:]
    if kind == _CERTIFICATE:
        return _bytes(body, _HASH_SIZE)
    if kind in _SIZED:
        head = _bytes(body[:_SIZE_CHARACTERS], 4)
        return None if head is None else _bytes(body[_SIZE_CHARACTERS:], int.from_bytes(head, "little"))
    return None


def _bytes(text: str, size: int) -> bytes | None:
    if len(text) != (size * 8 + 5) // 6:
        return None
    value = 0
    for shift, character in enumerate(text):
        if character not in _VALUES:
            return None
        value |= _VALUES[character] << 6 * shift
    return None if value >> size * 8 else value.to_bytes(size, "little")
