"""What a master key file or descriptor holds: one key, or several with ids and the one that seals (lock 4).

One key is 32 raw bytes, and has the id 1. Several are lines of ASCII, each ended by a line feed::

    secpkg master keys 1
    current 2
    1 <64 lower-case hex digits>
    2 <64 lower-case hex digits>

Ids are decimal without leading zeros, 1 to 2**32 - 1, and rise. The lowest is the root of what the vault derives. Only
what `MasterKeys.encode` would write is read; anything else is no key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from secpkg.accounts.vault import MASTER_KEY_SIZE, Vault

MAX_KEYS: Final = 16
MAX_ENCODED: Final = 2048
_MAX_ID: Final = 0xFFFF_FFFF
_FIRST: Final = b"secpkg master keys 1"
_CURRENT: Final = re.compile(rb"current ([1-9][0-9]{0,9})")
_KEY: Final = re.compile(rb"([1-9][0-9]{0,9}) ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """At least one key, at most 16, and which one seals. ValueError, which names no key, where that is not so."""

    keys: tuple[tuple[int, bytes], ...] = field(repr=False)
    current: int

    def __post_init__(self) -> None:
        ids = [key_id for key_id, _ in self.keys]
        if not 1 <= len(ids) <= MAX_KEYS:
            raise ValueError(f"there are 1 to {MAX_KEYS} master keys")
        if any(not 1 <= key_id <= _MAX_ID for key_id in ids) or ids != sorted(set(ids)):
            raise ValueError("the ids of master keys rise from 1 and have 32 bits")
        if any(len(key) != MASTER_KEY_SIZE for _, key in self.keys):
            raise ValueError(f"a master key has {MASTER_KEY_SIZE} bytes")
        if self.current not in ids:
            raise ValueError("the current key id names none of the keys")

    @classmethod
    def decode(cls, data: bytes) -> MasterKeys:
        """Read either form. ValueError for anything else."""
        if len(data) == MASTER_KEY_SIZE:
            return cls(((1, data),), 1)
        lines = data.split(b"\n") if len(data) <= MAX_ENCODED else []
        if len(lines) < 4 or lines[0] != _FIRST or lines[-1]:
            raise ValueError("this is no master key")
        current = _CURRENT.fullmatch(lines[1])
        found = [_KEY.fullmatch(line) for line in lines[2:-1]]
        keys = tuple((int(one[1]), bytes.fromhex(one[2].decode())) for one in found if one is not None)
        if current is None or len(keys) != len(found):
            raise ValueError("this is no master key")
        return cls(keys, int(current[1]))

    def encode(self) -> bytes:
        """The lines of several keys, also where there is one."""
        lines = [_FIRST, b"current %d" % self.current]
        lines += [b"%d %s" % (key_id, key.hex().encode()) for key_id, key in self.keys]
        return b"\n".join(lines) + b"\n"

    def with_new(self, key: bytes) -> MasterKeys:
        """These and a new one, which seals. ValueError where there are too many."""
        key_id = self.keys[-1][0] + 1
        return MasterKeys((*self.keys, (key_id, key)), key_id)

    def needed(self) -> MasterKeys:
        """The one that seals and the lowest, from which the vault derives: what is left when all is under the first."""
        kept = {self.keys[0][0], self.current}
        return MasterKeys(tuple(key for key in self.keys if key[0] in kept), self.current)

    def vault(self) -> Vault:
        """A vault of these keys."""
        return Vault(dict(self.keys), current=self.current)
