"""The listing of rules and tests is made from the tests, and where it is to be complete it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import rules


def test_the_listing_is_current() -> None:
    assert rules.LISTING.read_text() == rules.listing(), "python tools/rules.py --write"


def test_every_rule_has_a_test_or_a_reason() -> None:
    assert rules.missing() == []


def test_every_rule_that_a_test_claims_says_what_would_break_it() -> None:
    assert rules.unbroken() == []


def test_what_names_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's name, text and decorators, and the docstring of the file; not a helper, nor what only looks like it."""
    rule = "R"
    path = tmp_path / "tests" / "test_some.py"
    path.parent.mkdir()
    path.write_text(
        f'"""{rule}1."""\n@mark("{rule}2")\ndef test_{rule}3_r4_x():\n    """{rule}5-{rule}7, RFC 8, SCR9."""\n'
        f"class TestIt:\n    async def test_it(self): pass  # {rule}10, {rule}999\ndef helper(): '{rule}11'\n"
    )
    monkeypatch.setattr(rules, "ROOT", tmp_path)
    assert sorted(rules.tests_by_rule()) == [1, 2, 3, 4, 5, 6, 7, 10]
    monkeypatch.setattr(rules, "REASONS", tmp_path / "reasons.toml")
    rules.REASONS.write_text(f'["later"]\n{rule}8 = "because"\n')
    assert rules.missing("A") == [f"{rule}{number}" for number in (9, *range(11, 19))]
    assert f"- {rule}8 later: because\n- {rule}9 not yet\n- {rule}10 `tests/test_some.py::test_it`\n" in rules.listing()


def test_reasons_are_for_rules_that_exist() -> None:
    assert all(0 < rule <= rules.LAST for rule in rules.reasons())
