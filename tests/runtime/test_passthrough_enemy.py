"""Pass-through when the other side does not keep to the rules, or is not there."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable

import msgspec
import pytest
from tests.runtime.sites import ASK, Site, conversation, joined, until

from secpkg.authority.passthrough import PassthroughCall
from secpkg.contract import Status
from secpkg.runtime.passthrough_endpoint import MAX_HALF_OPEN_OF_AN_ADDRESS, Endpoint
from secpkg.runtime.passthrough_peers import peers
from secpkg.runtime.passthrough_wire import MAX_FRAME, VERSION, Ask, Refuse, Reply, frame


def test_a_well_formed_question_is_answered_to_a_program_of_ones_own(here: Site, other: Site) -> None:
    assert conversation(here, joined(here, other), frame(ASK)) == Reply(b"ba", Status.STATUS_NO_SUCH_USER)


@pytest.mark.parametrize("data", [
    (MAX_FRAME + 1).to_bytes(4, "big"),
    b"\xff" * 4,
    bytes(4),
    frame(ASK) + b"x",
    frame(ASK) * 2,
    b"\0\0\0\3abc",
    frame(Ask(VERSION + 1, ASK.call)),
    b"\0\0\0\x07" + msgspec.msgpack.encode(["c", 1, ["OT"]]),
])  # fmt: skip
def test_a_question_that_is_none_is_refused_and_the_next_one_answered(here: Site, other: Site, data: bytes) -> None:
    address = joined(here, other)
    assert conversation(here, address, data) == Refuse(Status.STATUS_INVALID_PARAMETER)
    assert not other.echo.callers
    assert here.call(b"ab").data == b"ba"


def test_a_question_to_another_domain_is_refused(here: Site, other: Site) -> None:
    address = joined(here, other)
    for domain in ("", ".", "THIRD"):
        ask = Ask(VERSION, PassthroughCall(domain, "Echo", b"ab"))
        assert conversation(here, address, frame(ask)) == Refuse(Status.STATUS_NO_SUCH_DOMAIN)
    assert not other.echo.callers


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n\r\n", bytes(2000), b"\x16\x03\x01\x40\x00" + bytes(100)])
def test_bytes_that_are_no_tls_end_their_connection_only(here: Site, other: Site, data: bytes) -> None:
    address = joined(here, other)
    with socket.create_connection(address) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(60)
        try:
            while sock.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
    until(other, lambda: bool(other.records("passthrough_refused")))
    assert here.call(b"ab").data == b"ba"


def test_those_who_say_nothing_do_not_keep_others_out(here: Site, other: Site) -> None:
    other.limits = {"handshake_limit": 0.3, "call_limit": 10.0}
    address = joined(here, other)
    silent = [socket.create_connection(address) for _ in range(MAX_HALF_OPEN_OF_AN_ADDRESS + 2)]
    try:
        until(other, lambda: len(other.records("passthrough_refused")) >= len(silent))
    finally:
        for sock in silent:
            sock.close()
    reasons = [record.facts["reason"] for record in other.records("passthrough_refused")]
    assert (reasons.count("too_many_connections"), reasons.count("deadline")) == (2, MAX_HALF_OPEN_OF_AN_ADDRESS)
    assert here.call(b"ab").data == b"ba"


class Wrong:
    """Another authority that says whatever a test wants, once."""

    def __init__(self, site: Site, say: Callable[[ssl.SSLSocket], object], *, tls: bool = True) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._site, self._say, self._tls = site, say, tls
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self._listener.accept()[0] as sock:
            if not self._tls:
                self._say(sock)  # type: ignore[arg-type]
                return
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self._site.ca.path))
            context.load_cert_chain(self._site.certificate, self._site.key)
            with context.wrap_socket(sock, server_side=True) as tls:
                self._say(tls)

    def __enter__(self) -> Wrong:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()


def reading(then: bytes) -> Callable[[ssl.SSLSocket], object]:
    """Takes the question, says something, and goes."""

    def say(tls: ssl.SSLSocket) -> None:
        tls.recv(1 << 16)
        tls.sendall(then)

    return say


@pytest.mark.parametrize(("then", "status", "reason"), [
    (b"", Status.STATUS_NO_LOGON_SERVERS, "peer_went_away"),
    (frame(Reply(b"abc", 0))[:-1], Status.STATUS_NO_LOGON_SERVERS, "peer_went_away"),
    (b"\0\0\0\2ab", Status.STATUS_INTERNAL_ERROR, "answer_invalid"),
    (b"\x7f\0\0\0", Status.STATUS_INTERNAL_ERROR, "frame_too_large"),
    (frame(Refuse(0)), Status.STATUS_INTERNAL_ERROR, "status_unknown"),
    (frame(Refuse(0xC0FFFFFF)), Status.STATUS_INTERNAL_ERROR, "status_unknown"),
    (frame(Reply(bytes(64 * 1024 + 1), 0)), Status.STATUS_INTERNAL_ERROR, "reply_invalid"),
])  # fmt: skip
def test_an_authority_that_dies_or_answers_nonsense(
    here: Site, other: Site, then: bytes, status: Status, reason: str
) -> None:
    with Wrong(other, reading(then)) as wrong:
        here.knows("OTHER", wrong.address)
        here.start()
        assert here.refusal() == (status, reason)


def test_an_authority_that_stalls_is_given_up_at_the_limit(here: Site, other: Site) -> None:
    over = threading.Event()
    here.limits = {"handshake_limit": 5.0, "call_limit": 0.2}
    with Wrong(other, lambda tls: over.wait()) as wrong:
        here.knows("OTHER", wrong.address)
        here.start()
        assert here.refusal() == (Status.STATUS_NO_LOGON_SERVERS, "deadline")
        over.set()


def test_a_handshake_that_stalls_is_given_up_at_its_limit(here: Site, other: Site) -> None:
    over = threading.Event()
    here.limits = {"handshake_limit": 0.2, "call_limit": 60.0}
    with Wrong(other, lambda sock: over.wait(), tls=False) as wrong:
        here.knows("OTHER", wrong.address)
        here.start()
        assert here.refusal() == (Status.STATUS_NO_LOGON_SERVERS, "deadline")
        over.set()


def test_deadlines_are_those_of_the_clock(here: Site, other: Site) -> None:
    """A call whose answer never comes, on a clock that a test moves: nothing happens before its limit."""
    now = 100.0
    here.limits = {"handshake_limit": 7.0, "call_limit": 30.0}
    outcome: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here.knows("OTHER", listener.getsockname())
        endpoint = Endpoint(peers(here.config), clock=lambda: now)
        endpoint.call(ASK.call, lambda value, error: outcome.append(error))
        endpoint.turn(0.0)
        assert endpoint.next_deadline() == 107.0
        now = 106.9
        endpoint.turn(0.0)
        assert not outcome
        now = 107.0
        endpoint.turn(0.0)
        endpoint.close()
    assert [str(error) for error in outcome] == ["STATUS_NO_LOGON_SERVERS (0xC000005E): deadline"]
    assert not endpoint.links and not endpoint.calls


def test_nobody_there_is_no_logon_servers_and_nothing_else_is_tried(here: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    here.knows("OTHER", address)
    here.start()
    assert here.refusal() == (Status.STATUS_NO_LOGON_SERVERS, "cannot_connect")
    assert not here.echo.callers, "a package of the same name here is no substitute"


def test_a_server_that_is_no_tls_is_not_trusted(here: Site, other: Site) -> None:
    def say(sock: socket.socket) -> None:
        sock.sendall(b"220 mail.example ESMTP\r\n")
        sock.recv(1 << 16)

    with Wrong(other, say, tls=False) as wrong:
        here.knows("OTHER", wrong.address)
        here.start()
        status, reason = here.refusal()
    assert status == Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE and reason.startswith("tls_")
