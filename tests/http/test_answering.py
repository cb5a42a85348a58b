"""Whom a client answers, and the legs as its own side sees them: without a library, a package or a network."""

from __future__ import annotations

from typing import Any

import pytest

from secpkg.contract.status import SecurityError, Status
from secpkg.http.answering import ATTEMPTS, Answering, Origin, Reply, Send, Start, Step, Stepped, origin

HERE = Origin("https", "service.example", 443)
TLS: Any = None
OPEN = Reply(401, ("NTLM", "Negotiate"), HERE, "a", TLS)


def answering(**more: Any) -> Answering:
    schemes = {"Negotiate": "Nego", "NTLM": "NTLM"}
    options: dict[str, Any] = {"hosts": ["service.example"], "schemes": schemes, "channel_bindings": False, **more}
    return Answering(**options)


def leg(token: str = "", connection: object = "a", status: int = 401, scheme: str = "Negotiate", **more: Any) -> Reply:
    return Reply(status, (f"{scheme} {token}".strip(),), more.pop("where", HERE), connection, TLS, **more)


@pytest.mark.parametrize(
    ("hosts", "url", "answered"),
    [
        (["service.example"], ("https", "SERVICE.example", None), True),
        (["Service.Example"], ("https", "service.example", 443), True),
        (["service.example"], ("https", "service.example", 8443), False),
        (["service.example:8443"], ("https", "service.example", 8443), True),
        (["service.example:8443"], ("https", "service.example", None), False),
        (["service.example"], ("https", "a.service.example", None), False),
        (["service.example"], ("https", "service.example.evil.example", None), False),
        (["service.example"], ("http", "service.example", None), False),
        (["service.example"], ("ftp", "service.example", None), False),
        (["::1"], ("https", "[::1]", None), True),
        (["[::1]:8443"], ("https", "::1", 8443), True),
    ],
)
def test_whom_to_answer(hosts: list[str], url: tuple[str, str, int | None], answered: bool) -> None:
    asked = origin(*url)
    assert answering(hosts=hosts).answers(asked, Reply(401, ("NTLM",), asked, None, None)) is answered


def test_plaintext_has_to_be_asked_for() -> None:
    asked = origin("http", "service.example", None)
    reply = Reply(401, ("NTLM",), asked, None, None)
    assert not answering().answers(asked, reply) and answering(plaintext=True).answers(asked, reply)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, ("NTLM",), HERE, None, None),
        Reply(407, ("NTLM",), HERE, None, None),
        Reply(401, ("Basic realm=x",), HERE, None, None),
        Reply(401, ("NTLM =", "NTLM"), HERE, None, None),
        Reply(401, ("NTLM",), Origin("https", "other.example", 443), None, None),
        Reply(401, ("NTLM",), Origin("http", "service.example", 80), None, None),
        Reply(401, ("NTLM",), Origin("https", "service.example", 444), None, None),
    ],
)
def test_what_is_not_answered(reply: Reply) -> None:
    assert not answering(hosts=["service.example", "other.example"]).answers(HERE, reply)


@pytest.mark.parametrize(
    "options",
    [
        {"hosts": []}, {"hosts": "service.example"}, {"hosts": ["*.example"]}, {"hosts": ["https://a"]},
        {"hosts": ["a:b"]}, {"hosts": ["a:70000"]}, {"hosts": [""]}, {"hosts": ["bücher.example"]}, {"schemes": {}},
        {"schemes": {"a b": "NTLM"}},
    ],
)  # fmt: skip
def test_configurations_that_cannot_work(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"host|scheme"):
        answering(**options)


def test_nothing_secret_shows() -> None:
    made = answering(username="alice", password="correct horse")
    assert "correct" not in repr(made) and "alice" in repr(made)
    with pytest.raises(TypeError):
        made.__reduce__()
    assert "NTLM" not in repr(Send("NTLM YQ==", False))


def test_the_legs_of_a_handshake() -> None:
    legs = answering().legs(HERE, OPEN)
    assert next(legs) == Start("Nego", "HTTP/service.example", None), "the first one of ours that is offered"
    assert legs.send(Stepped(b"a", False)) == Send("Negotiate YQ==", False)
    assert legs.send(leg("Yg==")) == Step(b"b")
    assert legs.send(Stepped(b"c", False)) == Send("Negotiate Yw==", False)
    assert legs.send(leg("ZA==", status=200)) == Step(b"d")
    with pytest.raises(StopIteration):
        legs.send(Stepped(None, True))


def test_the_first_leg_of_ntlm_takes_no_body_and_the_last_one_does() -> None:
    legs = answering(schemes={"ntlm": "NTLM"}).legs(HERE, OPEN)
    next(legs)
    assert legs.send(Stepped(b"a", False)) == Send("ntlm YQ==", True)
    legs.send(leg("Yg==", scheme="NTLM"))
    assert legs.send(Stepped(b"c", True)) == Send("ntlm Yw==", False)
    with pytest.raises(StopIteration):
        legs.send(leg(status=200, scheme="Basic"))


def started(**more: Any) -> Any:
    legs = answering(**more).legs(HERE, OPEN)
    next(legs)
    legs.send(Stepped(b"a", False))
    return legs


@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_nothing_more_after_a_redirect_to_another_origin(status: int) -> None:
    legs = started()
    with pytest.raises(StopIteration):
        legs.send(leg("Yg==", status=status, where=Origin("https", "other.example", 443), redirected=True))


def test_a_server_that_lets_in_without_proof_of_its_own() -> None:
    with pytest.raises(SecurityError) as refused:
        started().send(leg(status=200))
    assert refused.value.status is Status.SEC_E_MUTUAL_AUTH_FAILED
    with pytest.raises(StopIteration):
        started().send(leg(status=503))


def test_a_wrong_proof_of_the_server_is_an_error_and_a_wrong_last_word_is_not() -> None:
    legs = started()
    legs.send(leg("Yg==", status=200))
    with pytest.raises(SecurityError):
        legs.throw(SecurityError(Status.SEC_E_MUTUAL_AUTH_FAILED))
    legs = started()
    legs.send(leg("Yg==", status=401))
    with pytest.raises(StopIteration):
        legs.throw(SecurityError(Status.SEC_E_LOGON_DENIED))


@pytest.mark.parametrize("bad", ["Negotiate YQ", "Negotiate YQ== , Negotiate YQ=="])
def test_tokens_that_are_none(bad: str) -> None:
    with pytest.raises(SecurityError) as refused:
        started().send(Reply(401, (bad,), HERE, "a", None))
    assert refused.value.status is Status.SEC_E_INVALID_TOKEN


def test_a_server_that_asks_for_ever() -> None:
    legs = started(legs=3)
    for _ in range(2):
        assert isinstance(legs.send(leg("Yg==")), Step)
        assert isinstance(legs.send(Stepped(b"a", False)), Send)
    legs.send(leg("Yg=="))
    with pytest.raises(StopIteration):
        legs.send(Stepped(b"a", False))


def test_legs_on_several_connections_begin_anew_and_not_for_ever() -> None:
    legs = started()
    for attempt in range(ATTEMPTS):
        assert isinstance(legs.send(leg("Yg==", connection=f"a{attempt}")), Step)
        legs.send(Stepped(b"c", False))
        if attempt + 1 < ATTEMPTS:
            assert isinstance(legs.send(leg("Yg==", connection="b")), Start)
            assert isinstance(legs.send(Stepped(b"a", False)), Send)
    with pytest.raises(SecurityError) as refused:
        legs.send(leg("Yg==", connection="b"))
    assert refused.value.reason == "legs_on_several_connections"


def test_without_a_certificate_there_is_no_handshake() -> None:
    """Bindings were asked for, and TLS shows nothing to bind to."""
    with pytest.raises(SecurityError) as refused:
        next(answering(channel_bindings=True).legs(HERE, OPEN))
    assert refused.value.status is Status.SEC_E_BAD_BINDINGS
