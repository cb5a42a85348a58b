"""Observed calls as values, filters, lines, and pictures (`secpkg.kit.trace`)."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import msgspec
import pytest

from secpkg.contract import Status
from secpkg.kit.trace import html, terminal
from secpkg.kit.trace.filters import Filter
from secpkg.kit.trace.model import Event, plain
from secpkg.kit.trace.sequence import sequence

LOGON = Event(
    time=100.0,
    seconds=0.010,
    process=1,
    kind="authority",
    function="LsaLogonUser",
    package="Hello",
    channel=0,
    handle=0,
    status=0,
    reason="",
    received=0,
    sent=0,
    application=77,
    uid=1234567,
    account="alice",
)
ASKED = msgspec.structs.replace(
    LOGON, time=100.001, seconds=0.005, process=80, kind="package", function="LsaApLogonUserEx2", account=""
)
LOOKED_UP = msgspec.structs.replace(ASKED, time=100.002, seconds=0.001, kind="lsa", function="GetAuthDataForUser")
LEG = msgspec.structs.replace(
    ASKED,
    time=100.02,
    function="SpAcceptLsaModeContext",
    channel=4,
    handle=0x1F,
    status=int(Status.SEC_E_LOGON_DENIED),
    reason="mic_missing",
    received=37,
    sent=85,
)
SEALED = msgspec.structs.replace(LEG, time=100.03, kind="user", function="SpSealMessage", status=0, process=77)
ALL = (LOGON, ASKED, LOOKED_UP, LEG, SEALED)
REPORTED = (LOOKED_UP, ASKED, LOGON, SEALED, LEG)
"""As they come: a call is reported when it is over, so what it awaited comes first."""


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        (Filter(), set(ALL)),
        (Filter(packages=("hELLO",)), set(ALL)),
        (Filter(packages=("Other",)), set()),
        (Filter(failed=True), {LEG}),
        (Filter(handles=(0x1F,)), {LEG, SEALED}),
        (Filter(functions=("SpAccept*",)), {LEG}),
        (Filter(functions=("spaccept*", "sealmessage")), {LEG, SEALED}),
        (Filter(functions=("Accept*",)), set()),
        (Filter(users=("1234567",)), set(ALL)),
        (Filter(users=("ALICE",)), {LOGON}),
        (Filter(users=("0",)), set()),
        (Filter(handles=(0x1F,), failed=True, functions=("SpSeal*",)), set()),
    ],
)
def test_filters_of_one_kind_add_up_and_kinds_must_all_fit(chosen: Filter, kept: set[Event]) -> None:
    assert {event for event in ALL if chosen(event)} == kept


def test_a_call_for_machines_has_the_status_by_name() -> None:
    assert plain(LEG)["status_name"] == "SEC_E_LOGON_DENIED"
    assert plain(LEG)["failed"] is True
    assert plain(msgspec.structs.replace(LEG, status=0xC0990000))["status_name"] == "0xC0990000"
    assert plain(msgspec.structs.replace(LEG, status=int(Status.SEC_I_CONTINUE_NEEDED)))["failed"] is False


def test_what_a_call_awaited_stands_between_its_beginning_and_its_end() -> None:
    drawn = sequence(REPORTED)
    assert [lifeline.name for lifeline in drawn.lifelines] == ["application 77", "authority", "Hello in 80"]
    moves = [(m.direction, m.source.name.split()[0], m.target.name.split()[0], m.event.function) for m in drawn.moves]
    assert moves == [
        ("call", "application", "authority", "LsaLogonUser"),
        ("call", "authority", "Hello", "LsaApLogonUserEx2"),
        ("call", "Hello", "authority", "GetAuthDataForUser"),
        ("return", "authority", "Hello", "GetAuthDataForUser"),
        ("return", "Hello", "authority", "LsaApLogonUserEx2"),
        ("return", "authority", "application", "LsaLogonUser"),
        ("call", "application", "Hello", "SpAcceptLsaModeContext"),
        ("return", "Hello", "application", "SpAcceptLsaModeContext"),
        ("self", "application", "application", "SpSealMessage"),
    ]


def test_a_call_without_duration_returns_after_it_began_and_inside_its_caller() -> None:
    outer, inner = (msgspec.structs.replace(event, time=5.0, seconds=0.0) for event in (LOGON, ASKED))
    moves = sequence((inner, outer)).moves
    for event in (outer, inner):
        assert [m.direction for m in moves if m.event == event] == ["call", "return"]
    functions = [m.event.function for m in moves]
    assert functions.index("LsaLogonUser") < functions.index("LsaApLogonUserEx2")
    assert functions[-1] == "LsaLogonUser"


def test_the_terminal_diagram_has_an_arrow_a_move_between_the_lifelines() -> None:
    lines = terminal.diagram(REPORTED, 130)
    assert all(name in lines[0] for name in ("application 77", "authority", "Hello in 80"))
    assert len(lines) == 1 + 9 + 1
    assert "├─ LsaLogonUser ─" in lines[1] and "▶│" in lines[1]
    assert "◀" in lines[3] and "GetAuthDataForUser ─┤" in lines[3]
    refusal = next(line for line in lines if "mic_missing" in line)
    assert "SEC_E_LOGON_DENIED (mic_missing)" in refusal and "85 B" in refusal and "┄" in refusal
    assert "● SpSealMessage #1f, 37 B = SEC_E_OK" in lines[9]
    places = [i for i, c in enumerate(lines[-1]) if c == "│"]
    assert len(places) == 3
    for line in lines[1:9]:
        for place in places:
            assert line.ljust(200)[place] in "│├┤─┄▶◀", (line, place)


def test_a_diagram_of_nothing_is_empty_and_one_of_one_lifeline_is_drawn() -> None:
    assert terminal.diagram(()) == []
    assert "● SpSealMessage" in terminal.diagram([SEALED])[1]


def test_what_packages_say_is_shown_and_never_obeyed() -> None:
    hostile = msgspec.structs.replace(LEG, reason="\x1b[31m\n<script>alert(1)</script>", package="<b>&")
    assert "\x1b" not in terminal.line(hostile) and "\n" not in terminal.line(hostile)
    assert not any("\x1b" in line or "\n" in line for line in terminal.diagram([hostile]))
    page = html.page([hostile])
    assert "<script" not in page and "<b>" not in page and "&lt;script&gt;" in page and "\x1b" not in page


class _Page(HTMLParser):
    """The elements that are open at the end, and every attribute that could ask for something."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wanted: list[tuple[str, str | None]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.wanted += [(name, value) for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_in_itself() -> None:
    page = html.page(REPORTED, "a <title>")
    parser = _Page()
    parser.feed(page)
    parser.close()
    assert parser.open == [] and parser.wanted == []
    assert not {"script", "link", "img", "iframe", "object"} & set(parser.tags)
    assert "default-src 'none'" in page
    assert parser.tags.count("g") == 9, "an arrow a move"
    assert len(ElementTree.fromstring(html.svg(REPORTED)).findall("{*}g")) == 9
    for text in ("LsaLogonUser", "SEC_E_LOGON_DENIED", "mic_missing", "a &lt;title&gt;", "5 calls", "1 refused"):
        assert text in page


def test_a_long_trace_is_cut_in_the_picture_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_MOVES", 4)
    assert "5 more" in html.svg(ALL)
