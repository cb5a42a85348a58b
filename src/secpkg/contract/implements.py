"""Which documented functions have an implementation, and where: each says so itself.

``secpkg functions`` computes its list from here and from `reference`, so that a function cannot be listed as working
without being there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

F = TypeVar("F", bound=Callable[..., object])

State = Literal["working", "duty", "error", "undocumented", "refused", "unsupported"]
"""``duty``: no Python work but an obligation (quota, release exactly once, no view after the call). ``error``: the page
itself demands a failure. ``undocumented``: there is no page, and no ADR that fixes a meaning. ``refused``: it needs
what this platform does not have. ``unsupported``: not there yet.
"""


class Implementation(msgspec.Struct, frozen=True):
    """One documented function and the Python callable that stands for it; ``reason`` says why it is not working."""

    where: Callable[..., object]
    state: State
    reason: str = ""


IMPLEMENTED: dict[tuple[str, str], Implementation] = {}
"""By table and documented name; filled when the modules that implement them are imported."""


def implements(table: str, function: str, state: State = "working", reason: str = "") -> Callable[[F], F]:
    """Mark a callable as the implementation of a documented function. The callable itself is returned unchanged.

    ValueError when another callable has claimed the same function, or when a state other than ``working`` gives no
    reason.
    """
    if state != "working" and not reason:
        raise ValueError(f"{function} is {state} without a reason")

    def mark(where: F) -> F:
        known = IMPLEMENTED.get((table, function))
        if known is not None and (known.where.__module__, known.where.__qualname__) != (
            where.__module__,
            where.__qualname__,
        ):
            raise ValueError(f"{table}.{function} is implemented by {known.where!r} already")
        IMPLEMENTED[table, function] = Implementation(where, state, reason)
        return where

    return mark
