"""Which source files have changed: their times are compared some times a second, which costs next to nothing and asks
nothing of the file system.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import time
from collections.abc import Iterable, Iterator
from typing import Final

PERIOD: Final = 0.25
"""Seconds between two looks."""
_SUFFIXES: Final = (".py", ".toml")
_MAX_FILES: Final = 10_000

State = dict[str, tuple[int, int, int]]


def state(roots: Iterable[str]) -> State:
    """Time, size and inode of each source file under the roots."""
    found: State = {}
    for path in _files(roots):
        try:
            info = os.stat(path)
        except OSError:
            continue
        found[path] = (info.st_mtime_ns, info.st_size, info.st_ino)
        if len(found) >= _MAX_FILES:
            break
    return found


def _files(roots: Iterable[str]) -> Iterator[str]:
    for root in roots:
        if os.path.isfile(root):
            yield root
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
            yield from (os.path.join(folder, name) for name in names if name.endswith(_SUFFIXES))


def changed(before: State, after: State) -> tuple[str, ...]:
    """The files that differ."""
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))


def forget_compiled(files: Iterable[str]) -> None:
    """Remove what Python keeps of these files: it knows their times to a second only, and would take it for theirs."""
    for path in files:
        if path.endswith(".py"):
            with contextlib.suppress(OSError, NotImplementedError):
                os.unlink(importlib.util.cache_from_source(path))


def wait(roots: tuple[str, ...], before: State) -> tuple[State, tuple[str, ...]]:
    """Wait until something differs from ``before``, and then until it is written: the state, and what differs."""
    while True:
        time.sleep(PERIOD)
        now = state(roots)
        if now == before:
            continue
        while True:
            time.sleep(PERIOD / 2)
            later = state(roots)
            if later == now:
                break
            now = later
        if now != before:
            return now, changed(before, now)
