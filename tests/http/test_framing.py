"""Header fields in and out: RFC 9110 section 11, RFC 4559 section 4; garbage and limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secpkg.http import framing
from secpkg.http.framing import Challenge, Reason, Rejected, challenges, credentials


@pytest.mark.parametrize(
    ("value", "scheme", "token"),
    [
        ("NTLM TlRMTVNTUAA=", "NTLM", b"NTLMSSP\0"),
        ("  ntlm   TlRMTVNTUAA= \t", "ntlm", b"NTLMSSP\0"),
        ("Negotiate YWI+/w==", "Negotiate", b"ab>\xff"),
    ],
)
def test_credentials(value: str, scheme: str, token: bytes) -> None:
    found = credentials([value])
    assert found is not None and (found.scheme, found.token()) == (scheme, token)
    assert "T" not in repr(found).replace("NTLM", ""), "the token has no repr"


def test_no_credentials() -> None:
    assert credentials([]) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["NTLM YQ==", "NTLM YQ=="], Reason.SEVERAL),
        (["NTLM " + "A" * 65536], Reason.TOO_LONG),
        (["NTLM Y\xe4=="], Reason.NOT_ASCII),
        ([""], Reason.SCHEME_BAD),
        (["=== YQ=="], Reason.SCHEME_BAD),
        (["NTLM,YQ=="], Reason.SCHEME_BAD),
        (["NTLM\tYQ=="], Reason.SCHEME_BAD),
        (["x" * 65 + " YQ=="], Reason.SCHEME_BAD),
        (["NTLM"], Reason.TOKEN_MISSING),
        (["NTLM  "], Reason.TOKEN_MISSING),
        (["NTLM YQ"], Reason.TOKEN_BAD),
        (["NTLM YQ="], Reason.TOKEN_BAD),
        (["NTLM YR=="], Reason.TOKEN_BAD),
        (["NTLM YQ==="], Reason.TOKEN_BAD),
        (["NTLM YQ== YQ=="], Reason.TOKEN_BAD),
        (["NTLM YQ==, NTLM YQ=="], Reason.TOKEN_BAD),
        (["NTLM ===="], Reason.TOKEN_BAD),
        (["NTLM YWI-_w=="], Reason.TOKEN_BAD),
        (["NTLM Y Q=="], Reason.TOKEN_BAD),
        (["NTLM YQ\n=="], Reason.TOKEN_BAD),
    ],
)
def test_credentials_that_are_none(values: list[str], reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        found = credentials(values)
        assert found is not None
        found.token()
    assert rejected.value.reason is reason
    assert "YQ" not in str(rejected.value)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["Negotiate", "NTLM"], [("Negotiate", "", ()), ("NTLM", "", ())]),
        (["Negotiate, NTLM"], [("Negotiate", "", ()), ("NTLM", "", ())]),
        ([" , Negotiate , ,NTLM, "], [("Negotiate", "", ()), ("NTLM", "", ())]),
        (["NTLM YQ=="], [("NTLM", "YQ==", ())]),
        (["NTLM YWJj"], [("NTLM", "YWJj", ())]),
        (['NTLM YQ==, Basic realm="a, b"'], [("NTLM", "YQ==", ()), ("Basic", "", (("realm", "a, b"),))]),
        (
            ['Basic realm="say \\"NTLM YQ==\\"", charset=UTF-8, NTLM'],
            [("Basic", "", (("realm", 'say "NTLM YQ=="'), ("charset", "UTF-8"))), ("NTLM", "", ())],
        ),
        (
            ['Digest realm = x , nonce="y",Negotiate YWI+/w=='],
            [("Digest", "", (("realm", "x"), ("nonce", "y"))), ("Negotiate", "YWI+/w==", ())],
        ),
        ([""], []),
    ],
)
def test_challenges(values: list[str], found: list[tuple[str, str, tuple[tuple[str, str], ...]]]) -> None:
    assert challenges(values) == tuple(Challenge(*one) for one in found)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (['NTLM "YQ=="'], Reason.CHALLENGE_BAD),
        (["=NTLM"], Reason.CHALLENGE_BAD),
        (['Basic realm="open'], Reason.CHALLENGE_BAD),
        (["NTLM YQ== YQ=="], Reason.CHALLENGE_BAD),
        (["N\xe4TLM"], Reason.NOT_ASCII),
        (["NTLM"] * 33, Reason.TOO_MANY),
        (["a" * 40000, "b" * 40000], Reason.CHALLENGE_BAD),
        (["A " + "b" * 40000, "A " + "b" * 40000], Reason.TOO_LONG),
        (["Basic " + ",".join(f"p{n}=1" for n in range(17))], Reason.TOO_MANY),
    ],
)
def test_challenges_that_are_none(values: list[str], reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        challenges(values)
    assert rejected.value.reason is reason


@given(st.binary(min_size=1, max_size=300))
def test_twin(token: bytes) -> None:
    line = framing.header("Negotiate", token)
    found = credentials([line])
    assert found is not None and found.token() == token
    assert [challenge.token() for challenge in challenges([line, "NTLM"])] == [token, None]


@given(st.lists(st.text(alphabet='NTLMabc09+/=, \t"\\-', max_size=60), max_size=4))
def test_garbage_is_a_value_or_a_named_rejection(values: list[str]) -> None:
    for parse in (challenges, credentials):
        try:
            found = parse(values)
        except Rejected:
            continue
        if isinstance(found, tuple):
            assert all(one.scheme and (not one.data or not one.parameters) for one in found)


@given(st.text(max_size=80))
def test_one_spelling_for_each_token(text: str) -> None:
    try:
        token = framing.decode(text)
    except Rejected:
        return
    assert token and framing.encode(token) == text
