"""Account names: which are allowed, and when two are the same.

Two names are the same when their *keys* are equal: NFKC, casefold, NFKC again, until nothing moves. A name that
normalises into a forbidden character (a full-width slash), that can be unassigned in another version of Unicode, or
that holds what nobody sees (format characters, fillers, variation selectors) is no name: it could stand for two
accounts or look like another's.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final

from secpkg.contract.status import SecurityError, Status

MAX_NAME: Final = 256
"""Characters in a name, before and after normalisation (UNLEN of lmcons)."""

_FORBIDDEN: Final = frozenset('"/\\[]:;|=,+*?<>@')
_PLAIN: Final = re.compile(r"(?! )(?=[ .]*[^ .])[ !#$%&'()\-.0-9A-Z^_`a-z{}~]{1,256}(?<! )", re.ASCII)
_HASHED: Final = re.compile(r"\?[0-9a-f]{64}", re.ASCII)
_BAD_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_INVISIBLE: Final = frozenset(
    map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, 0xFFA0))
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_ROUNDS: Final = 4


def _acceptable(text: str) -> bool:
    from unicodedata import category

    return (
        1 <= len(text) <= MAX_NAME
        and text == text.strip()
        and text.strip(" .") != ""
        and not any(c in _FORBIDDEN or c in _INVISIBLE or category(c) in _BAD_CATEGORIES for c in text)
    )


@lru_cache(maxsize=2048)
def _unicode_key(name: str) -> str | None:
    from unicodedata import normalize

    if not _acceptable(name):
        return None
    key = normalize("NFKC", name)
    for _ in range(_ROUNDS):
        folded = normalize("NFKC", key.casefold())
        if folded == key:
            return key if _acceptable(key) else None
        key = folded
    return None


def name_key(name: str) -> str | None:
    """The form in which names are compared, or None for what cannot be an account's name."""
    if _PLAIN.fullmatch(name):
        return name.lower()
    return None if len(name) > MAX_NAME or name.isascii() else _unicode_key(name)


def require_name(name: str, reason: str = "name_invalid") -> str:
    """The key of `name`; SecurityError (STATUS_INVALID_PARAMETER, `reason`) for what cannot be a name."""
    key = name_key(name) if isinstance(name, str) else None
    if key is None:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=reason)
    return key


def account_key(name: str) -> str:
    """A short key for any string, for counting attempts: the name's key, or a digest of what is no name, in whatever
    letters it is written: the names of another domain's accounts (``DOMAIN\\user``) are among them.

    Applying it twice changes nothing. Its length is bounded whatever a stranger sends.
    """
    key = name_key(name)
    if key is not None:
        return key
    if _HASHED.fullmatch(name):
        return name
    from unicodedata import normalize

    folded = normalize("NFKC", normalize("NFKC", name).casefold())
    return "?" + hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()


def upn_key(upn: str) -> str | None:
    """The form in which user principal names (account@suffix) are compared, or None for what is none."""
    user, at, suffix = upn.partition("@")
    left, right = name_key(user), name_key(suffix)
    return f"{left}@{right}" if at and left is not None and right is not None else None
