"""The command: what it prints, what it ends with, where secrets come from and that they go nowhere."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest
from tests.kit_decode.samples import ntlm, samples, spnego
from tests.protocols.ntlm_pair import ALICE, exchange

from secpkg.cli.__main__ import cli
from secpkg.kit.decode.given import MAX_INPUT, MAX_TOKENS, MAX_TOTAL
from secpkg.protocols.ntlm import Protection, Role
from secpkg.protocols.ntlm.challenge import Challenge
from secpkg.protocols.ntlm.flags import UNICODE

Run = Callable[..., click.testing.Result]
PASSWORD = "correct horse"


@pytest.fixture
def run() -> Run:
    def invoke(*arguments: str, **extra: Any) -> click.testing.Result:
        runner = click.testing.CliRunner(env={"NO_COLOR": None})
        return runner.invoke(cli, ["decode", *arguments], prog_name="secpkg", catch_exceptions=False, **extra)

    return invoke


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """An exchange and a sealed message, a line each."""
    seen: list[bytes] = []

    def watch(_: str, message: bytes) -> bytes:
        seen.append(message)
        return message

    ours, _ = exchange(watch)
    message, signature = Protection(ours.session, Role.INITIATOR).seal(b"the plain text")
    path = tmp_path / "recording.txt"
    marks = "><>>"
    path.write_text("".join(f"{m} {t.hex()}\n" for m, t in zip(marks, [*seen, signature + message], strict=True)))
    return path


def test_a_token_as_argument_header_file_and_standard_input_is_the_same(run: Run, tmp_path: Path) -> None:
    token = ntlm()["negotiate"]
    (tmp_path / "raw").write_bytes(token)
    text = b64encode(token).decode()
    results = [
        run(token.hex()),
        run(f"Authorization: NTLM {text}"),
        run("--file", str(tmp_path / "raw")),
        run(input=token),
        run("-", input=text),
    ]
    assert [result.exit_code for result in results] == [0] * 5
    assert len({result.stdout.split("\n", 1)[1] for result in results}) == 1
    assert "NTLMSSP_NEGOTIATE_UNICODE" in results[0].stdout and "initiator" in results[0].stdout


def test_json_has_the_same_members_whatever_the_format(run: Run) -> None:
    for token in samples().values():
        result = run("--json", token.hex())
        assert result.exit_code == 0 and result.stdout.isascii()
        report = json.loads(result.stdout)
        assert list(report) == ["tokens", "checks", "faults"]
        (one,) = report["tokens"]
        assert list(one) == ["number", "source", "sender", "format", "tree"]
        todo = [one["tree"]]
        while todo:
            field = todo.pop()
            assert list(field) == ["name", "offset", "length", "type", "value", "meaning", "notes", "fault", "fields"]
            kinds = {"text": str, "number": int, "bytes": str, None: type(None)}
            assert type(field["value"]) is kinds[field["type"]]
            if field["type"] == "bytes":
                bytes.fromhex(field["value"])
            todo += field["fields"]


def test_a_fault_is_shown_named_and_the_exit_status(run: Run) -> None:
    result = run(spnego()["NegTokenInit"][:60].hex())
    assert result.exit_code == 1
    assert "mechTypes" in result.stdout
    assert "argument 1: fault at 60: [APPLICATION 0] is cut off: 25 bytes are missing" in result.stdout
    report = json.loads(run("--json", "ffff").stdout)
    assert report["faults"] == [{"token": 1, "offset": 0, "what": "no known format begins like this"}]


def test_what_does_not_hold_is_the_exit_status(run: Run, recording: Path) -> None:
    assert run("-f", str(recording), "--password", input=f"{PASSWORD}\n").exit_code == 0
    result = run("-f", str(recording), "--password", input="wrong\n")
    assert result.exit_code == 1 and "NTProofStr does not hold" in result.stdout


@pytest.mark.parametrize("way", ["--password", "--password-stdin", "--nt-hash", "--nt-hash-stdin", "--nt-hash-file"])
def test_secrets_come_by_prompt_standard_input_or_file_and_are_not_shown(
    way: str, run: Run, recording: Path, tmp_path: Path
) -> None:
    secret = PASSWORD if "password" in way else ALICE.nt_hash.hex()
    (tmp_path / "hash").write_text(f"{ALICE.nt_hash.hex().upper()}\n")
    more = [str(tmp_path / "hash")] if way.endswith("file") else []
    result = run("-f", str(recording), way, *more, input=f"{secret}\n")
    assert result.exit_code == 0, result.output
    assert "NTProofStr holds" in result.stdout and "MIC holds" in result.stdout
    assert '"the plain text"' in result.stdout
    assert secret not in result.output and ALICE.nt_hash.hex() not in result.output.lower()
    assert "the plain text" not in run("-f", str(recording)).output


def test_the_password_comes_before_the_tokens_of_standard_input(run: Run, recording: Path) -> None:
    result = run("--password-stdin", "-", input=f"{PASSWORD}\n{recording.read_text()}")
    assert result.exit_code == 0 and "standard input, line 4: message holds" in result.stdout


@pytest.mark.parametrize("text", ["", "zz", "ab" * 15, "ab" * 17, "secret words"])
def test_what_is_no_hash_is_refused_and_not_repeated(text: str, run: Run, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "hash").write_text(text)
    result = run("-f", str(recording), "--nt-hash-file", str(tmp_path / "hash"))
    assert result.exit_code == 1 and result.stderr.startswith("secpkg: this is no NT hash\n  ")
    assert not text or text not in result.output


def test_two_secrets_exclude_each_other(run: Run) -> None:
    result = run("00", "--password", "--nt-hash")
    assert result.exit_code == 2 and "exclude each other" in result.stderr


def test_what_cannot_be_read_ends_in_two_lines(run: Run, tmp_path: Path) -> None:
    for arguments, said in (
        (["nothing!"], "argument 1: neither hex nor base64"),
        (["00"] * (MAX_TOKENS + 1), f"more than {MAX_TOKENS} tokens or {MAX_TOTAL} bytes"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1 and result.stdout == ""
        assert result.stderr.splitlines()[0] == f"secpkg: {said}" and len(result.stderr.splitlines()) == 2
    (tmp_path / "long").write_bytes(bytes(MAX_INPUT + 1))
    assert "longer than 1048576 bytes" in run("--file", str(tmp_path / "long")).stderr
    assert run("--file", str(tmp_path / "none")).exit_code == 2


def test_hostile_text_is_escaped(run: Run) -> None:
    token = Challenge(UNICODE, bytes(range(8)), "X").build().replace(b"X\0", "\u202e".encode("utf-16-le"))
    for hostile in (token, token.replace("\u202e".encode("utf-16-le"), b"\x1b\0")):
        for result in (run(hostile.hex()), run("--json", hostile.hex())):
            assert "\u202e" not in result.output and "\x1b" not in result.output
            assert "\\u202e" in result.output or "\\u001b" in result.output


def test_colour_is_for_terminals_and_for_who_wants_it(run: Run) -> None:
    token = spnego()["NegTokenInit"][:60].hex()
    runner = click.testing.CliRunner(env={"NO_COLOR": None})
    assert "\x1b[31m" in runner.invoke(cli, ["decode", token], color=True).output
    runner = click.testing.CliRunner(env={"NO_COLOR": "1"})
    assert "\x1b" not in runner.invoke(cli, ["decode", token], color=True).output
    assert "\x1b" not in run(token).output


def test_long_bytes_are_whole_when_asked_for(run: Run) -> None:
    token = samples()["Kerberos: AP-REQ"].hex()
    assert "…" in run(token).output and "…" not in run("--all", token).output


def test_ntlm_under_negotiate_is_noted(run: Run) -> None:
    text = b64encode(ntlm()["negotiate"]).decode()
    assert "NTLM without SPNEGO" in run(f"Authorization: Negotiate {text}").output
    assert "NTLM without SPNEGO" not in run(f"Authorization: NTLM {text}").output
