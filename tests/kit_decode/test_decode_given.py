"""What people have: hex, base64, headers, lines, bytes."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit_decode.samples import ntlm

from secpkg.kit.decode.given import MAX_INPUT, Given, Unreadable, of_bytes, of_line
from secpkg.protocols.ntlm import Role

TOKEN = ntlm()["negotiate"]
HEX, B64 = TOKEN.hex(), b64encode(TOKEN).decode()
FORMS = {
    HEX: (None, ""),
    HEX.upper(): (None, ""),
    "0x" + HEX: (None, ""),
    TOKEN.hex(":"): (None, ""),
    TOKEN.hex(" "): (None, ""),
    B64: (None, ""),
    B64.rstrip("="): (None, ""),
    f"  {B64}\r": (None, ""),
    "> " + HEX: (Role.INITIATOR, ""),
    "<" + B64: (Role.ACCEPTOR, ""),
    f"Authorization: NTLM {B64}": (Role.INITIATOR, "NTLM"),
    f"authorization:Negotiate {B64}": (Role.INITIATOR, "Negotiate"),
    f"Proxy-Authorization: NTLM {B64}": (Role.INITIATOR, "NTLM"),
    f"WWW-Authenticate: Negotiate {B64}": (Role.ACCEPTOR, "Negotiate"),
    f"Proxy-Authenticate: NTLM {B64}": (Role.ACCEPTOR, "NTLM"),
    f"Authentication-Info: Negotiate {B64}": (Role.ACCEPTOR, "Negotiate"),
    f"< WWW-Authenticate: NTLM {B64}": (Role.ACCEPTOR, "NTLM"),
    f"Negotiate {B64}": (None, "Negotiate"),
}


@pytest.mark.parametrize("line", FORMS)
def test_forms_of_a_token(line: str) -> None:
    assert of_line(line, "here") == Given(TOKEN, "here", *FORMS[line])


def test_base64_for_addresses() -> None:
    data = bytes(range(250, 256)) * 4
    assert of_line(urlsafe_b64encode(data).decode(), "here").data == data


@pytest.mark.parametrize(
    "line",
    [
        "",
        "zz z",
        "abc",
        "4e5",
        "=",
        "Negotiate",
        "Authorization: NTLM",
        "WWW-Authenticate: Negotiate, NTLM",
        "A",
        f"{B64},{B64}",
        f"> WWW-Authenticate: NTLM {B64}",
        "ÄÖ",
        "Cookie: a=b",
        "\0\0",
    ],
)
def test_what_is_no_token_is_not_guessed_at_and_not_repeated(line: str) -> None:
    with pytest.raises(Unreadable) as caught:
        of_line(line, "here")
    assert str(caught.value).startswith("here: ") and (len(line) < 6 or line not in str(caught.value))
    assert caught.value.__cause__ is None


def test_a_file_of_lines() -> None:
    text = f"# an exchange\n\n> {HEX}\n<{B64}\r\nAuthorization: NTLM {B64}\n"
    tokens = of_bytes(text.encode(), "file")
    assert [(one.source, one.sender) for one in tokens] == [
        ("file, line 3", Role.INITIATOR),
        ("file, line 4", Role.ACCEPTOR),
        ("file, line 5", Role.INITIATOR),
    ]


def test_a_file_of_bytes() -> None:
    assert of_bytes(TOKEN, "file") == [Given(TOKEN, "file")]
    assert of_bytes(b"n,,n=alice,r=nonce", "file", raw=True)[0].data == b"n,,n=alice,r=nonce"
    with pytest.raises(Unreadable):
        of_bytes(b"n,,n=alice,r=nonce", "file")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"# only this\n", b"\0" * (MAX_INPUT + 1)])
def test_files_without_a_token(data: bytes) -> None:
    with pytest.raises(Unreadable):
        of_bytes(data, "file")


@given(st.binary(min_size=1, max_size=200))
def test_what_is_written_is_what_is_read(data: bytes) -> None:
    for text in (data.hex(), data.hex(":"), f"NTLM {b64encode(data).decode()}"):
        assert of_line(text, "here").data == data


@given(st.text(max_size=60))
def test_any_text_is_a_token_or_unreadable(text: str) -> None:
    try:
        assert isinstance(of_line(text, "here").data, bytes)
    except Unreadable:
        pass
