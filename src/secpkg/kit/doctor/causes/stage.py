"""How a part of the table is written: a row is an id, a check, a title and what mends it."""

from __future__ import annotations

from secpkg.kit.doctor.model import Cause, Check, Stage


def stage(name: Stage, *rows: tuple[str, Check, str, str]) -> tuple[Cause, ...]:
    """The causes of one stage."""
    return tuple(Cause(cause, name, title, mend, check) for cause, check, title, mend in rows)
