"""``secpkg trace``: filters, the ends of a trace, and its forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import FakeLsa, Run, lsa, run
from tests.kit_trace.test_trace_pictures import ALL, LEG

from secpkg.kit.trace.model import plain

__all__ = ["lsa", "run"]


def _answer(number: int, *events: Any, lost: int = 0) -> dict[str, object]:
    return {"cursor": number, "events": [plain(event) for event in events], "lost": lost}


@pytest.fixture
def trace(lsa: FakeLsa) -> FakeLsa:
    lsa.turns["trace.read"] = [_answer(5, *ALL), _answer(5), _answer(5)]
    return lsa


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), 5),
        (("--count", "2"), 2),
        (("--failed",), 1),
        (("--handle", "#1f"), 2),
        (("--handle", "31"), 2),
        (("--function", "SpAccept*"), 1),
        (("--user", "alice"), 1),
        (("--package", "nothing"), 0),
        (("--package", "Hello", "--package", "Other", "--failed"), 1),
    ],
)
def test_filters(run: Run, trace: FakeLsa, options: tuple[str, ...], shown: int) -> None:
    result = run("trace", "--idle", "0", "--json", *options)
    assert result.exit_code == 0, result.output
    assert len([json.loads(line) for line in result.stdout.splitlines()]) == shown
    assert trace.calls[-1][0] == "trace.stop"


def test_duration_ends_it_although_things_happen(run: Run, trace: FakeLsa) -> None:
    result = run("trace", "--duration", "0", "--json")
    assert result.exit_code == 0
    assert [name for name, _ in trace.calls].count("trace.read") == 1
    assert trace.calls[1][1]["wait"] == 0


def test_a_handle_that_is_none_is_wrong_use(run: Run, trace: FakeLsa) -> None:
    result = run("trace", "--handle", "seven")
    assert result.exit_code == 2 and "write it as #1f" in result.stderr


def test_a_diagram_in_the_terminal(run: Run, trace: FakeLsa) -> None:
    result = run("trace", "--idle", "0", "--diagram")
    lines = result.stdout.splitlines()
    assert "application 77" in lines[0] and "authority" in lines[0] and "Hello in 80" in lines[0]
    assert any("├─ LsaLogonUser" in line for line in lines)


def test_one_page(run: Run, trace: FakeLsa, tmp_path: Path) -> None:
    page = tmp_path / "trace.html"
    result = run("trace", "--idle", "0", "--html", str(page), "--failed")
    assert result.exit_code == 0 and "1 call\n" in result.stderr
    text = page.read_text()
    assert "<svg" in text and LEG.function in text and "LsaLogonUser" not in text


def test_a_page_that_cannot_be_written_is_said_before_anything_is_watched(
    run: Run, trace: FakeLsa, tmp_path: Path
) -> None:
    result = run("trace", "--html", str(tmp_path / "nowhere" / "trace.html"))
    assert result.exit_code == 1 and trace.calls == []


def test_calls_that_came_too_fast_are_said(run: Run, lsa: FakeLsa) -> None:
    lsa.turns["trace.read"] = [_answer(5, LEG, lost=3), _answer(5)]
    assert "3 calls came too fast" in run("trace", "--idle", "0").stderr


def test_an_answer_of_another_version_is_said(run: Run, lsa: FakeLsa) -> None:
    lsa.turns["trace.read"] = [{"cursor": "x"}]
    result = run("trace", "--idle", "0")
    assert result.exit_code == 1 and "same version" in result.stderr
