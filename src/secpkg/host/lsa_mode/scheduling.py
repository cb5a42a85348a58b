"""What calls packages back later: time, and descriptors that become readable.

A worker's is its loop, embedded mode's a thread of its own under the authority's lock, a test's the test itself. What
is called here runs alone, as everything of a module does, and nothing is called after its `cancel` has returned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Cancels(Protocol):
    """Something to come."""

    def cancel(self) -> None:
        """Let it not come. Harmless when repeated, and when it came."""
        ...


class Watch(Cancels, Protocol):
    """A descriptor that is watched. It rests after each call until `rearm`."""

    def rearm(self) -> None:
        """Call again when the descriptor is readable; not after `cancel`."""
        ...


class Scheduler(Protocol):
    """Where callbacks come from."""

    def now(self) -> float:
        """Seconds of the clock of `call_at`."""
        ...

    def call_soon(self, call: Callable[[], object]) -> Cancels:
        """Call it once, after what runs now."""
        ...

    def call_at(self, when: float, call: Callable[[], object]) -> Cancels:
        """Call it once, at that time or soon after."""
        ...

    def watch(self, fd: int, call: Callable[[], object]) -> Watch:
        """Call it when a copy of the descriptor, made here, is readable. OSError for what cannot be watched."""
        ...
