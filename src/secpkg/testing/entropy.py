"""Chance for tests, the same each time."""

from __future__ import annotations

from hashlib import shake_256


class SeededEntropy:
    """``entropy(n)`` of a `LabAuthority` and of a `Call`: bytes that follow from the seed, so that a handshake is the
    same in every run. Each draw depends on the seed and on how many came before it, not on their sizes. Not for any
    secret.
    """

    __slots__ = ("_seed", "draws")

    def __init__(self, seed: int | str = 0) -> None:
        self._seed = f"secpkg seeded entropy {seed!r} ".encode()
        self.draws = 0
        """How many there were."""

    def __call__(self, size: int) -> bytes:
        if size < 0:
            raise ValueError("fewer than no bytes")
        self.draws += 1
        return shake_256(self._seed + self.draws.to_bytes(8, "big")).digest(size)

    def restart(self) -> None:
        """Begin again with the first draw."""
        self.draws = 0
