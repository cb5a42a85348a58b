"""Decoders of packages: only when asked, never before a built-in format, and their trees are looked at."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Any

import click.testing
import pytest
from spnego._spnego import NegTokenInit
from tests.kit_decode.finding import everything, find
from tests.kit_decode.samples import ntlm, samples

from secpkg.cli.__main__ import cli
from secpkg.contract.decoder import GROUP, Fault, Field
from secpkg.kit.decode import decode
from secpkg.kit.decode.given import Given
from secpkg.kit.decode.package import BUILT_IN, NoDecoder, load, offered

FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"


class Answers:
    """A decoder that answers with the same tree whatever it is asked, or raises."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    def decode(self, token: bytes) -> Field:
        self.asked.append(token)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]  # that it may be anything is the point


def read(token: bytes, answer: Any) -> Any:
    return decode([Given(token, "token")], package=Answers(answer), package_name="Mine")


def command(*arguments: str, **extra: Any) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli, ["decode", *arguments], catch_exceptions=False, **extra)


def test_the_example_is_asked_for_by_its_name() -> None:
    result = command("--package", "Hello", "--raw", input=FIRST)
    assert result.exit_code == 0
    assert "standard input: Hello, 32 bytes" in result.output
    assert "     3      6    username" in result.output and '"user"' in result.output
    assert command("--package", "Hello", FIRST.hex()).exit_code == 0


def test_it_is_not_loaded_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "secpkg_hello.decoder", raising=False)
    assert "Hello" in offered()
    assert command("--raw", input=FIRST).exit_code == 1
    assert "secpkg_hello.decoder" not in sys.modules
    assert command("--package", "Hello", ntlm()["negotiate"].hex()).exit_code == 0
    assert "secpkg_hello.decoder" in sys.modules


@pytest.mark.parametrize("name", samples())
def test_built_in_formats_are_never_shadowed(name: str) -> None:
    package = Answers(Field("mine", 0, 0))
    alone = decode([Given(samples()[name], "token")])
    report = decode([Given(samples()[name], "token")], package=package, package_name="Mine")
    assert report.tokens[0].format == alone.tokens[0].format
    assert samples()[name] not in package.asked


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_built_in_name_cannot_be_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda **_: pytest.fail("nobody looks"))
    for spelt in (name, name.upper()):
        with pytest.raises(NoDecoder, match="is built in"):
            load(spelt)


def entry(name: str, value: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name, value, GROUP)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "no installed distribution offers a decoder for Mine"),
        ([entry("Mine", "os"), entry("Mine", "sys")], "several distributions offer a decoder for Mine"),
        ([entry("Mine", "no_such_module_at_all")], "could not be loaded: ModuleNotFoundError"),
        ([entry("Mine", "os.path")], "has no decode(token)"),
    ],
)
def test_what_is_no_decoder_is_named(
    entries: list[metadata.EntryPoint], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda **_: entries)
    result = command("--package", "Mine", "00")
    assert result.exit_code == 1 and said in result.output and len(result.output.splitlines()) == 2


def test_offsets_of_a_nested_token_are_those_of_the_whole() -> None:
    outer = NegTokenInit(["1.3.6.1.5.5.18"], mech_token=FIRST).pack()
    report = decode([Given(outer, "token")], package=load("Hello"), package_name="Hello")
    field = find(report, "username")
    assert outer[field.offset : field.offset + field.length] == b"n=user"


TOO_DEEP = Field("x", 0, 0)
for _ in range(100):
    TOO_DEEP = Field("x", 0, 0, fields=(TOO_DEEP,))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        Field("x", -1, 1),
        Field("x", 0, 5),
        Field("x", 3, 2),
        Field("x", 0, 1, value=1.5),  # type: ignore[arg-type]
        Field("x", 0, 1, fields=[Field("y", 0, 1)]),  # type: ignore[arg-type]
        Field("x", 0, 4, fields=(Field("y", 0, 9),)),
        Field("x", "0", 4),  # type: ignore[arg-type]
        TOO_DEEP,
        Field("x", 0, 4, fields=(Field("y", 0, 0),) * 30_000),
        ValueError("it holds a secret"),
        RecursionError(),
    ],
)
def test_an_answer_that_is_none_is_a_fault_of_the_decoder(answer: Any) -> None:
    report = read(b"....", answer)
    assert len(report.faults) >= 1 and "secret" not in str(report.faults)
    for field in everything(report.tokens[0].tree):
        assert 0 <= field.offset <= field.offset + field.length <= 4


def test_its_faults_and_notes_are_ours() -> None:
    report = read(b"....", Field("x", 0, 4, notes=("odd",), fields=(Field("y", 2, 2, fault=Fault(3, "broken")),)))
    assert find(report, "x").notes == ("odd",)
    assert [(fault.offset, fault.what) for _, fault in report.faults] == [(3, "broken")]
