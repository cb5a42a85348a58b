"""MD4 (RFC 1320), for the NT hash and nothing else.

Our own because nothing that we depend on has it: OpenSSL 3 keeps MD4 in a provider that is not loaded, so hashlib does
not know it, and cryptography never had it. It is a broken hash; what is built on it is as strong as the password.
"""

import struct
from typing import Final

_MASK: Final = 0xFFFFFFFF
_BLOCK: Final = struct.Struct("<16I")
_STATE: Final = struct.Struct("<4I")
_INITIAL: Final = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)

# Round by round (section 3.4): the words in the order in which they are taken, the shifts, the constant.
_ROUND_1: Final = tuple(zip(range(16), (3, 7, 11, 19) * 4, strict=True))
_ROUND_2: Final = tuple(zip((0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13) * 4, strict=True))
_ROUND_3: Final = tuple(zip((0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15) * 4, strict=True))
_ROOT_2: Final = 0x5A827999
_ROOT_3: Final = 0x6ED9EBA1


def md4(data: bytes) -> bytes:
    """The MD4 digest, 16 bytes."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", len(data) * 8 & 0xFFFFFFFFFFFFFFFF)
    state = _INITIAL
    for words in _BLOCK.iter_unpack(padded):
        a, b, c, d = state
        for word, shift in _ROUND_1:
            n = a + (d ^ b & (c ^ d)) + words[word] & _MASK
            a, b, c, d = d, (n << shift | n >> 32 - shift) & _MASK, b, c
        for word, shift in _ROUND_2:
            n = a + (b & c | d & (b | c)) + words[word] + _ROOT_2 & _MASK
            a, b, c, d = d, (n << shift | n >> 32 - shift) & _MASK, b, c
        for word, shift in _ROUND_3:
            n = a + (b ^ c ^ d) + words[word] + _ROOT_3 & _MASK
            a, b, c, d = d, (n << shift | n >> 32 - shift) & _MASK, b, c
        state = (
            state[0] + a & _MASK,
            state[1] + b & _MASK,
            state[2] + c & _MASK,
            state[3] + d & _MASK,
        )
    return _STATE.pack(*state)
