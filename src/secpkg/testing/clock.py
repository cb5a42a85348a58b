"""A clock for tests."""

from __future__ import annotations


class FrozenClock:
    """A clock that stands until it is moved: UTC seconds."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move it."""
        self.now += seconds
