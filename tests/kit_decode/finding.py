"""Finding fields in trees."""

from __future__ import annotations

from collections.abc import Iterator

from secpkg.contract.decoder import Field
from secpkg.kit.decode import Report, decode
from secpkg.kit.decode.given import Given
from secpkg.protocols.ntlm import Role


def read(*tokens: bytes | tuple[Role, bytes], nt_hash: bytes | None = None) -> Report:
    """The report of a conversation; a token may say who sent it."""
    given = []
    for number, token in enumerate(tokens, 1):
        sender, data = token if isinstance(token, tuple) else (None, token)
        given.append(Given(data, f"token {number}", sender))
    return decode(given, nt_hash=nt_hash)


def everything(field: Field) -> Iterator[Field]:
    yield field
    for part in field.fields:
        yield from everything(part)


def find(report: Report, name: str, token: int = 1) -> Field:
    """The first field of this name."""
    return next(field for field in everything(report.tokens[token - 1].tree) if field.name == name)


def names(report: Report, token: int = 1) -> list[str]:
    return [field.name for field in everything(report.tokens[token - 1].tree)]


def notes(report: Report, token: int = 1) -> list[str]:
    return [note for field in everything(report.tokens[token - 1].tree) for note in field.notes]


def results(report: Report) -> list[tuple[int, str, str]]:
    return [(check.token, check.name, check.result) for check in report.checks]
