"""Values that a parameter cannot take, by its annotation."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

from secpkg.contract.values import SecBuffer


def released() -> memoryview:
    view = memoryview(b"released")
    view.release()
    return view


NEITHER: Final[list[object]] = [object(), 1j, {}, frozenset()]
NUMBERS: Final[list[object]] = ["1", b"1", 1.5, -(1 << 40), 1 << 32, 1 << 200]
TEXTS: Final[list[object]] = [b"bytes", 7, "\ud800"]
BUFFERS: Final[list[object]] = [
    7, "text", b"bytes", SecBuffer(2), (SecBuffer(2),), [b"no buffer"], [SecBuffer("2")],  # type: ignore[arg-type]
    [SecBuffer(2, "text")], [SecBuffer(2, None)], [SecBuffer(-1)], [SecBuffer(1 << 32)], [SecBuffer(2, released())],  # type: ignore[arg-type]
    [SecBuffer(2, memoryview(b"12345678").cast("I"))],
]  # fmt: skip
WRONG: Final[dict[str, list[object]]] = {
    "int": NUMBERS,
    "str": TEXTS,
    "bytes": ["text", 7, bytearray(b"changes")],
    "Buffer": ["text", 7, released()],
    "Message": BUFFERS,
    "bool": [1, "True"],
    "SecBuffer": [7, SecBuffer(14, "text"), [SecBuffer(14)]],  # type: ignore[arg-type]
}
LUIDS: Final = [-1, 1 << 64]


def members(parameter: inspect.Parameter) -> set[str]:
    """The types of an annotation, by their names."""
    return {member.strip() for member in str(parameter.annotation).split("|")}


def values(parameter: inspect.Parameter, *, nullable: bool) -> Iterator[object]:
    """What a parameter cannot take."""
    kinds = members(parameter)
    found = [*NEITHER]
    for kind, more in WRONG.items():
        if kind in kinds:
            found += [*LUIDS, "1"] if parameter.name == "logon_id" else more
    for value in found:
        allowed = (
            ("str" in kinds and value in ("1", "text", "True"))
            or ("int" in kinds and type(value) is int and value == 7)
            or ("bytes" in kinds and type(value) is bytes)
        )
        if not allowed:
            yield value
    if not nullable:
        yield None
