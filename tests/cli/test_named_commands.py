"""Commands that errors, helps and templates tell people to type: they exist, with the options that are named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

import secpkg
from secpkg.cli.__main__ import cli

_NAMED: Final = re.compile(r"secpkg\}? ((?:[a-z]+ ?){1,2})([^\"'`\n&;]*)")
_OPTION: Final = re.compile(r"(?<=\s)--[a-z][a-z-]*")
_EVERYWHERE: Final = {"--authority", "--json", "--help"}


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, (*path, name))
    else:
        yield path, {option for parameter in command.params for option in parameter.opts}


def _named(commands: dict[tuple[str, ...], set[str]]) -> Iterator[tuple[str, tuple[str, ...], set[str]]]:
    root = Path(next(iter(secpkg.__path__)))
    for file in (*root.rglob("*.py"), *root.rglob("*.txt")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            for found in _NAMED.finditer(line):
                words = tuple(found[1].split())
                path = words if words in commands else words[:1]
                if path in commands:
                    yield f"{file.relative_to(root)}:{number}", path, set(_OPTION.findall(f" {found[2]}"))


def test_what_people_are_told_to_type_exists() -> None:
    commands = dict(_commands(cli))
    named = list(_named(commands))
    assert len(named) > 30, "they are still found"
    assert [
        (at, path, unknown) for at, path, options in named if (unknown := options - commands[path] - _EVERYWHERE)
    ] == []
