"""What dies at fork.

A channel or a handle table in the child of a fork is a second holder of the parent's: both would read each other's
replies. So each such object is told in the child, before any other code runs there, and must then refuse everything. It
may close the child's copies of descriptors, but never shut a socket down and never touch a lock: the first would end
the parent's channel, and the second may be held for ever by a thread that does not exist in the child.

`os.fork` and what is built on it (multiprocessing) are seen. A fork made by C code without Python's hooks is not.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class DiesAtFork(Protocol):
    """An object that must not be used in the child of a fork."""

    def forked(self) -> None:
        """Called once, in the child: become dead."""


_registry: set[weakref.ref[DiesAtFork]] = set()
_forget = _registry.discard
_generation = 0


def guard(thing: DiesAtFork) -> None:
    """Tell `thing` when it finds itself in the child of a fork. It is held weakly, and needs a hash by identity and a
    `__weakref__`.
    """
    # A WeakSet would do the same with a Python function at each end; every context comes by here.
    _registry.add(weakref.ref(thing, _forget))


def generation() -> int:
    """How many forks lie between this process and the one that imported secpkg: a value kept from before a fork
    differs.
    """
    return _generation


def _in_child() -> None:
    global _generation  # noqa: PLW0603
    _generation += 1
    dead = [thing for reference in list(_registry) if (thing := reference()) is not None]
    _registry.clear()
    errors: list[Exception] = []
    for thing in dead:
        try:
            thing.forked()
        except Exception as error:
            # One that fails must not keep the others alive.
            errors.append(error)
    if errors:
        raise ExceptionGroup("in the child of a fork", errors)


os.register_at_fork(after_in_child=_in_child)
