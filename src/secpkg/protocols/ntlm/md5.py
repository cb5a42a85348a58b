"""MD5 and HMAC-MD5 (MS-NLMP section 6), which a handshake computes some twenty times over a few hundred bytes.

`hmac.digest` and `hashlib.md5` look the algorithm up by name in OpenSSL each time, which costs more than the
hash. CPython's own MD5 does not; where it is not built in, hashlib's is the same function.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import md5 as new_md5
else:
    try:
        from _md5 import md5 as new_md5
    except ImportError:
        from hashlib import md5 as new_md5

__all__ = ["Mac", "hmac_md5", "md5", "new_md5"]

_INNER: Final = bytes(n ^ 0x36 for n in range(256))
_OUTER: Final = bytes(n ^ 0x5C for n in range(256))
_BLOCK: Final = 64


def md5(data: bytes) -> bytes:
    """MD5."""
    return new_md5(data, usedforsecurity=False).digest()


def hmac_md5(key: bytes, data: bytes) -> bytes:
    """HMAC_MD5 (RFC 2104) under a key of at most 64 bytes."""
    block = key.ljust(_BLOCK, b"\0")
    inner = new_md5(block.translate(_INNER) + data, usedforsecurity=False).digest()
    return new_md5(block.translate(_OUTER) + inner, usedforsecurity=False).digest()


class Mac:
    """HMAC-MD5 under one key: the two states that the key makes are copied for each message, not made again."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK, b"\0")
        self._inner = new_md5(block.translate(_INNER), usedforsecurity=False)
        self._outer = new_md5(block.translate(_OUTER), usedforsecurity=False)

    def __repr__(self) -> str:
        return "<Mac>"

    def digest(self, *parts: bytes | bytearray | memoryview) -> bytes:
        """The code of the parts together."""
        inner = self._inner.copy()
        for part in parts:
            inner.update(part)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()
