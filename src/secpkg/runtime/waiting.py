"""Readers who wait for something to happen: of the trace (`watching`) and of the audit record (`audit_reading`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

WAIT: Final = 10.0
"""Seconds that a reader may wait for something to happen."""
GATHER: Final = 0.02
"""Seconds between the first thing that a reader waited for and the answer, so that it comes with those around it."""

Done = Callable[[object, BaseException | None], None]
After = Callable[[float, Callable[[], None]], object]


class Waiting:
    """Each is asked to look when something has happened, and for the last time when it has waited long enough."""

    def __init__(self, after: After) -> None:
        self._after = after
        self._looks: dict[int, Callable[[bool], bool]] = {}
        self._number = 0
        self._gathering = False

    def __len__(self) -> int:
        return len(self._looks)

    def add(self, seconds: float, look: Callable[[bool], bool]) -> None:
        """``look`` is told whether it is late, and says whether it has answered; late it has to."""
        self._number += 1
        number = self._number
        self._looks[number] = look
        self._after(min(seconds, WAIT), lambda: self._look(number, late=True))

    def noticed(self) -> None:
        """Something has happened."""
        if self._looks and not self._gathering:
            self._gathering = True
            self._after(GATHER, self._gathered)

    def _gathered(self) -> None:
        self._gathering = False
        for number in tuple(self._looks):
            self._look(number)

    def _look(self, number: int, *, late: bool = False) -> None:
        look = self._looks.get(number)
        if look is None:
            return
        answered = True  # also by one that failed
        try:
            answered = look(late)
        finally:
            if answered:
                del self._looks[number]
