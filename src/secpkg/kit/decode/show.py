"""A report as lines for people, and as plain data for JSON.

What the tokens hold is shown as text: the caller escapes what is no printable character in the lines. The plain data
have the same members in every object, whatever the format of the token; bytes are hex, and ``type`` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.decoder import Fault, Field
from secpkg.kit.decode import Report
from secpkg.kit.decode.verify import FAILS, HOLDS

BOLD: Final = "heading"
NOTE: Final = "note"
FAULT: Final = "fault"
GOOD: Final = "good"
COLOURS: Final = {NOTE: "yellow", FAULT: "red", GOOD: "green"}
_SHORT: Final = 32
_MARGIN: Final = "               "

Line = tuple[str, str]
"""A line, and what it is: one of the above, or nothing."""


def lines(report: Report, *, everything: bool = False) -> Iterator[Line]:
    """The report for people; bytes are shown up to 32 of them, or with `everything` all."""
    for token in report.tokens:
        sender = f", from the {token.sender}" if token.sender else ""
        yield f"{token.source}: {token.format or 'unknown'}, {token.tree.length} bytes{sender}", BOLD
        yield from _field(token.tree, 0, everything=everything)
    for check in report.checks:
        why = f" ({check.why})" if check.why else ""
        colour = GOOD if check.result == HOLDS else FAULT if check.result == FAILS else NOTE
        yield f"{_source(report, check.token)}: {check.name} {check.result}{why}", colour
    for number, fault in report.faults:
        yield f"{_source(report, number)}: fault at {fault.offset}: {fault.what}", FAULT


def _source(report: Report, number: int) -> str:
    return report.tokens[number - 1].source


def _field(field: Field, depth: int, *, everything: bool) -> Iterator[Line]:
    indent = "  " * depth
    value = _value(field, everything=everything)
    shown = " ".join(part for part in (field.name, "=" if value else "", value, field.meaning) if part)
    yield f"{field.offset:6} {field.length:6}  {indent}{shown}", ""
    for note in field.notes:
        yield f"{_MARGIN}{indent}  ! {note}", NOTE
    for part in field.fields:
        yield from _field(part, depth + 1, everything=everything)
    if field.fault is not None:
        yield f"{_MARGIN}{indent}  fault at {field.fault.offset}: {field.fault.what}", FAULT


def _value(field: Field, *, everything: bool) -> str:
    value = field.value
    if value is None:
        return ""
    if isinstance(value, bytes):
        if not value:
            return "(empty)"
        return value.hex() if everything or len(value) <= _SHORT else f"{value[:_SHORT].hex()}…"
    return f'"{value}"' if isinstance(value, str) else str(value)


def plain(report: Report) -> dict[str, object]:
    """The report as JSON has it."""
    return {
        "tokens": [
            {
                "number": token.number,
                "source": token.source,
                "sender": token.sender or None,
                "format": token.format or None,
                "tree": plain_field(token.tree),
            }
            for token in report.tokens
        ],
        "checks": [
            {"token": check.token, "name": check.name, "result": check.result, "why": check.why}
            for check in report.checks
        ],
        "faults": [{"token": number, **_plain_fault(fault)} for number, fault in report.faults],
    }


def plain_field(field: Field) -> dict[str, object]:
    """A field as JSON has it, with all its parts."""
    value = field.value
    kinds = {str: "text", int: "number", bool: "number", bytes: "bytes", type(None): None}
    return {
        "name": field.name,
        "offset": field.offset,
        "length": field.length,
        "type": kinds[type(value)],
        "value": value.hex() if isinstance(value, bytes) else value,
        "meaning": field.meaning,
        "notes": list(field.notes),
        "fault": None if field.fault is None else _plain_fault(field.fault),
        "fields": [plain_field(part) for part in field.fields],
    }


def _plain_fault(fault: Fault) -> dict[str, object]:
    return {"offset": fault.offset, "what": fault.what}


__all__ = ["BOLD", "COLOURS", "FAULT", "GOOD", "NOTE", "lines", "plain", "plain_field"]
