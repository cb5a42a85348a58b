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

# Round by round (section 3.4): the words in the order in which they are taken, four steps a row.
_ROUND_1: Final = ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15))
_ROUND_2: Final = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_ROUND_3: Final = ((0, 8, 4, 12), (2, 10, 6, 14), (1, 9, 5, 13), (3, 11, 7, 15))
_ROOT_2: Final = 0x5A827999
_ROOT_3: Final = 0x6ED9EBA1


def md4(data: bytes) -> bytes:
    """The MD4 digest, 16 bytes."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", len(data) * 8 & 0xFFFFFFFFFFFFFFFF)
    state = _INITIAL
    for words in _BLOCK.iter_unpack(padded):
        # What a rotation leaves above 32 bits is cut off when it is used.
        a, b, c, d = state
        for i, j, k, m in _ROUND_1:
            n = a + (d ^ b & (c ^ d)) + words[i] & _MASK
            a = n << 3 | n >> 29
            n = d + (c ^ a & (b ^ c)) + words[j] & _MASK
            d = n << 7 | n >> 25
            n = c + (b ^ d & (a ^ b)) + words[k] & _MASK
            c = n << 11 | n >> 21
            n = b + (a ^ c & (d ^ a)) + words[m] & _MASK
            b = n << 19 | n >> 13
        for i, j, k, m in _ROUND_2:
            n = a + (b & c | d & (b | c)) + words[i] + _ROOT_2 & _MASK
            a = n << 3 | n >> 29
            n = d + (a & b | c & (a | b)) + words[j] + _ROOT_2 & _MASK
            d = n << 5 | n >> 27
            n = c + (d & a | b & (d | a)) + words[k] + _ROOT_2 & _MASK
            c = n << 9 | n >> 23
            n = b + (c & d | a & (c | d)) + words[m] + _ROOT_2 & _MASK
            b = n << 13 | n >> 19
        for i, j, k, m in _ROUND_3:
            n = a + (b ^ c ^ d) + words[i] + _ROOT_3 & _MASK
            a = n << 3 | n >> 29
            n = d + (a ^ b ^ c) + words[j] + _ROOT_3 & _MASK
            d = n << 9 | n >> 23
            n = c + (d ^ a ^ b) + words[k] + _ROOT_3 & _MASK
            c = n << 11 | n >> 21
            n = b + (c ^ d ^ a) + words[m] + _ROOT_3 & _MASK
            b = n << 15 | n >> 17
        state = (
            state[0] + a & _MASK,
            state[1] + b & _MASK,
            state[2] + c & _MASK,
            state[3] + d & _MASK,
        )
    return _STATE.pack(*state)
