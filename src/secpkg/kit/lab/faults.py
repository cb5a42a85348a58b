"""From an exception to the author's line."""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Iterable, Iterator

from secpkg.kit.lab.model import Fault

_TEXT = 300


def faults_of(error: BaseException, roots: Iterable[str]) -> tuple[Fault, ...]:
    """The innermost line under ``roots`` of the error and of each that it came from."""
    found: list[Fault] = []
    for one in _chain(error):
        fault = _fault(one, tuple(os.path.realpath(root) for root in roots))
        if fault is not None and fault not in found:
            found.append(fault)
    return tuple(found)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _fault(error: BaseException, roots: tuple[str, ...]) -> Fault | None:
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:_TEXT]}"
    if isinstance(error, SyntaxError) and error.filename and inside(error.filename, roots):
        return Fault(os.path.realpath(error.filename), error.lineno or 0, f"{type(error).__name__}: {error.msg}",
                     (error.text or "").strip())  # fmt: skip
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if inside(frame.filename, roots):
            return Fault(os.path.realpath(frame.filename), frame.lineno or 0, text, (frame.line or "").strip())
    return None


def fault_at(file: str, line: int, error: str) -> Fault:
    """A fault at a line that is known otherwise."""
    return Fault(os.path.realpath(file), line, error, linecache.getline(file, line).strip())


def inside(file: str, roots: Iterable[str]) -> bool:
    """Whether a file is one of the author's; ``roots`` are real paths of directories or files."""
    real = os.path.realpath(file)
    return any(real == root or real.startswith(root + os.sep) for root in roots)
