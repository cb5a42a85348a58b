"""Which test keeps which rule: `docs/rules.md`, made from the sources of the tests (``--write``), or checked.

A test names a rule by its number, in its own name (``test_R71_…``, ``test_r71_…``) or anywhere in its text; a module's
docstring names rules for the whole file. ``R92-R94`` is three. A rule that no test can keep has a reason in
`tools/rules_reasons.toml`.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LISTING: Final = ROOT / "docs" / "rules.md"
REASONS: Final = ROOT / "tools" / "rules_reasons.toml"
LAST: Final = 281
SECTIONS: Final = {
    "A": (1, "kinds of packages, registration, loading"),
    "B": (19, "starting up in LSA mode"),
    "C": (40, "logon requests"),
    "D": (75, "later requests"),
    "E": (91, "logon sessions and tokens"),
    "F": (109, "credentials of a session"),
    "G": (123, "memory"),
    "H": (138, "who is calling"),
    "I": (145, "building a context"),
    "J": (172, "SSPI towards the application"),
    "K": (209, "buffers and message protection"),
    "L": (233, "channel bindings"),
    "M": (240, "inbox behaviour"),
    "N": (249, "notifications"),
    "O": (256, "accounts and names"),
    "P": (262, "subauthentication"),
    "Q": (273, "SASL and identities"),
}
COMPLETE: Final = frozenset(SECTIONS)
"""Sections of which every rule has a test or a reason: all."""

_RULES: Final = re.compile(r"(?<![A-Za-z0-9])R(\d{1,3})(?:[-–]R?(\d{1,3}))?(?![A-Za-z0-9])")
_HEAD: Final = """\
# Rules and the tests that keep them

Made by `python tools/rules.py --write`; a test checks that it is current. The numbers are those of the reference of
documented behaviour; a test names the rule that it keeps. What a rule is broken by: without that callable a test of it
fails, as `make prove` has seen.
"""


def rules_in(text: str) -> Iterator[int]:
    """The numbers of the rules that a text names."""
    for first, last in _RULES.findall(text):
        yield from (rule for rule in range(int(first), int(last or first) + 1) if 0 < rule <= LAST)


def tests_of(path: Path) -> Iterator[tuple[int, str]]:
    """(rule, where) of one file of tests."""
    source = path.read_text()
    lines = source.splitlines()
    tree = ast.parse(source)
    name = path.relative_to(ROOT).as_posix()
    yield from ((rule, name) for rule in rules_in(ast.get_docstring(tree) or ""))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min(n.lineno for n in (node, *node.decorator_list))
            text = "\n".join([node.name.replace("_r", "_R"), *lines[first - 1 : node.end_lineno]])
            yield from ((rule, f"{name}::{node.name}") for rule in rules_in(text))


def tests_by_rule() -> dict[int, list[str]]:
    """Where each rule is named, in order."""
    found: dict[int, set[str]] = {}
    for path in _test_files(ROOT):
        named = set(tests_of(path))
        functions = {rule for rule, where in named if "::" in where}
        for rule, where in named:
            if "::" in where or rule not in functions:  # the file alone only where none of its tests is more exact
                found.setdefault(rule, set()).add(where)
    return {rule: sorted(where) for rule, where in found.items()}


def marked_rules(root: Path = ROOT) -> Iterator[tuple[str, str, str]]:
    """(rule, callable, test) of each mark ``breaks`` with literal arguments, as the sources have it."""
    for path in _test_files(root):
        source = path.read_text()
        if "mark.breaks" in source:
            yield from _marks_of(ast.parse(source), path.relative_to(root).as_posix())


def _marks_of(node: ast.AST, name: str) -> Iterator[tuple[str, str, str]]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for decorator in child.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("mark.breaks"):
                arguments = [one.value for one in decorator.args if isinstance(one, ast.Constant)]
                if len(arguments) == 2:
                    yield str(arguments[0]), str(arguments[1]), f"{name}::{child.name}"
        if isinstance(child, ast.ClassDef):
            yield from _marks_of(child, f"{name}::{child.name}")


def _test_files(root: Path) -> list[Path]:
    return sorted([*root.glob("tests/**/test_*.py"), *root.glob("examples/*/tests/test_*.py")])


def broken_by() -> dict[int, list[str]]:
    """The callables that each rule depends on, as the marks ``breaks`` of the tests say."""
    found: dict[int, set[str]] = {}
    for rule, target, _ in marked_rules(ROOT):
        found.setdefault(int(rule[1:]), set()).add(target)
    return {rule: sorted(targets) for rule, targets in found.items()}


def reasons() -> dict[int, str]:
    """Why a rule has no test, as `tools/rules_reasons.toml` says."""
    kinds: dict[str, dict[str, str]] = tomllib.loads(REASONS.read_text())
    return {int(rule[1:]): f"{kind}: {reason}" for kind, table in kinds.items() for rule, reason in table.items()}


def numbers(section: str) -> range:
    """The rules of a section."""
    starts = [first for first, _ in SECTIONS.values()] + [LAST + 1]
    first = SECTIONS[section][0]
    return range(first, starts[starts.index(first) + 1])


def missing(sections: Iterable[str] = COMPLETE) -> list[str]:
    """The rules of these sections that have neither a test nor a reason."""
    known = tests_by_rule().keys() | reasons().keys()
    return [f"R{rule}" for section in sorted(sections) for rule in numbers(section) if rule not in known]


def unbroken() -> list[str]:
    """The rules that a test claims and of which no test says what would break it, nor a reason why."""
    known = broken_by().keys() | reasons().keys()
    return [f"R{rule}" for rule in sorted(tests_by_rule()) if rule not in known]


def listing() -> str:
    """`docs/rules.md` as it should be."""
    tests, why, broken = tests_by_rule(), reasons(), broken_by()
    parts = [_HEAD]
    for section, (_, title) in SECTIONS.items():
        rules = numbers(section)
        count = sum(rule in tests for rule in rules)
        parts.append(f"\n## {section}. {title[0].upper()}{title[1:]}: {count} of {len(rules)} by a test\n\n")
        for rule in rules:
            where = [f"`{test}`" for test in tests.get(rule, ())] + ([why[rule]] if rule in why else [])
            by = f"; broken by {', '.join(f'`{target}`' for target in broken[rule])}" if rule in broken else ""
            parts.append(f"- R{rule} {', '.join(where) or 'not yet'}{by}\n")
    return "".join(parts)


def main() -> int:
    """Write, or check."""
    lacking = missing()
    if lacking:
        print(f"neither a test nor a reason: {', '.join(lacking)}", file=sys.stderr)
    if "--write" in sys.argv[1:]:
        LISTING.write_text(listing())
    elif LISTING.read_text() != listing():
        print("docs/rules.md is not current: python tools/rules.py --write", file=sys.stderr)
        return 1
    return bool(lacking)


if __name__ == "__main__":
    sys.exit(main())
