"""What one package holds of its host: memory, sections, and what it asked to be called back for.

All of it is released at the package's end, each thing once. Handles are numbers of one package, never used twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from secpkg.contract.status import SecurityError, Status
from secpkg.host.heap import Heap

LSA_HEAP_LIMIT: Final = 64 * 1024 * 1024
PRIVATE_HEAP_LIMIT: Final = 16 * 1024 * 1024
MAX_HELD: Final = 256
"""Sections, notifications and threads of one package together."""


class Held(Protocol):
    """Something behind a handle."""

    def end(self, *, of_package: bool) -> None:
        """Release it: its handle is given up, or it is the package's end. Harmless when repeated."""
        ...


H = TypeVar("H", bound=Held)


class Holdings:
    """See the top of this file."""

    __slots__ = ("_held", "_last", "ended", "lsa_heap", "private_heap")

    def __init__(self) -> None:
        self.lsa_heap = Heap(LSA_HEAP_LIMIT, Status.STATUS_NO_MEMORY)
        self.private_heap = Heap(PRIVATE_HEAP_LIMIT, Status.STATUS_NO_MEMORY, wipe=True)
        self._held: dict[int, Held] = {}
        self._last = 0
        self.ended = False

    def room(self) -> None:
        """STATUS_INSUFFICIENT_RESOURCES when the package holds as much as it may, or has come to its end."""
        if self.ended:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="package_has_ended")
        if len(self._held) >= MAX_HELD:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="quota_handles")

    def hold(self, make: Callable[[int], H]) -> H:
        """Keep what ``make`` returns, which is told its handle."""
        self.room()
        self._last += 1
        held = make(self._last)
        self._held[self._last] = held
        return held

    def held(self, handle: int, kind: type[H]) -> H | None:
        """What is behind a handle, if it is of this kind."""
        found = self._held.get(handle)
        return found if isinstance(found, kind) else None

    def all(self, kind: type[H]) -> list[H]:
        """Everything of a kind, oldest first."""
        return [held for held in self._held.values() if isinstance(held, kind)]

    def drop(self, handle: int) -> None:
        """Release what is behind a handle, and the handle."""
        found = self._held.pop(handle, None)
        if found is not None:
            found.end(of_package=False)

    def end(self) -> None:
        """The package's end."""
        self.ended = True
        while self._held:
            _handle, held = self._held.popitem()
            held.end(of_package=True)
        self.lsa_heap.close()
        self.private_heap.close()

    def __len__(self) -> int:
        return len(self._held)
