"""Pass-through between two embedded authorities over TLS: the twin, the stranger and the enemy."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.runtime.certificates import Ca

from secpkg import lsa
from secpkg.authority import audit
from secpkg.authority.audit import Record
from secpkg.authority.passthrough import AskedBy, PassthroughCall
from secpkg.contract import InterfaceVersion, ModuleTables, PackageInfo, ProtocolReply, SecurityError, Status
from secpkg.runtime.config import PassthroughConfig, PassthroughDomain
from secpkg.runtime.passthrough_endpoint import MAX_HALF_OPEN_OF_AN_ADDRESS, Endpoint
from secpkg.runtime.passthrough_peers import peers
from secpkg.runtime.passthrough_wire import MAX_FRAME, VERSION, Answer, Ask, OneFrame, Refuse, Reply, answered, frame
from secpkg.testing import LabAuthority


class Echo:
    """Answers pass-through, and passes on what others ask it to."""

    info = PackageInfo("Echo")

    def __init__(self) -> None:
        self.callers: list[object] = []

    async def initialize(self, package_id: int, parameters: object, authority: object) -> None:
        self.authority = authority

    async def call_package(self, call: object, submit_buffer: bytes) -> ProtocolReply:
        reply: ProtocolReply = await self.authority.call_package_passthrough(  # type: ignore[attr-defined]
            submit_buffer.decode(), 0, b"asked by a package"
        )
        return reply

    async def call_package_passthrough(self, call: object, submit_buffer: bytes) -> ProtocolReply:
        self.callers.append(call.caller)  # type: ignore[attr-defined]
        if submit_buffer == b"refuse":
            raise SecurityError(Status.STATUS_NO_MEMORY, reason="inside")
        if submit_buffer == b"large":
            return ProtocolReply(bytes(64 * 1024))
        return ProtocolReply(submit_buffer[::-1], Status.STATUS_NO_SUCH_USER)


class Site:
    """One authority and its side of the configuration."""

    def __init__(self, directory: Path, ca: Ca, domain: str) -> None:
        self.ca = ca
        self.echo = Echo()
        self.lab = LabAuthority(domain=domain, modules=[self._initialize])
        self.certificate, self.key = ca.issue(f"{domain.lower()}.test", file=str(directory / domain))
        self.domains: dict[str, PassthroughDomain] = {}
        self.listen = ""
        self.limits = {"handshake_limit": 10.0, "call_limit": 10.0}

    def _initialize(self, version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V1, (self.echo,))

    def knows(self, domain: str, address: tuple[str, int] = ("127.0.0.1", 1), name: str = "") -> None:
        host, port = address
        self.domains[domain] = PassthroughDomain(address=f"{host}:{port}", name=name or f"{domain.lower()}.test")

    @property
    def config(self) -> PassthroughConfig:
        return PassthroughConfig(
            certificate=self.certificate,
            key=self.key,
            authorities=str(self.ca.path),
            domains=self.domains,
            listen=self.listen,
            **self.limits,
        )

    def start(self) -> tuple[str, int]:
        address = self.lab.embedded.use_passthrough(self.config).address
        return address or ("", 0)

    def records(self, event: str) -> list[Record]:
        authority = self.lab.embedded.machine.authority
        with self.lab.embedded.lock:
            return [
                r for r in audit.read(authority.audit.lines(), audit.derive_key(authority.vault)) if r.event == event
            ]

    def call(self, data: bytes, package: str | int = "Echo", domain: str = "OTHER") -> ProtocolReply:
        with lsa.register_logon_process("tests", authority=self.lab) as trusted:
            return trusted.call_authentication_package(package, data, domain=domain)

    def refusal(self, data: bytes = b"ab", package: str = "Echo", domain: str = "OTHER") -> tuple[Status, str]:
        with pytest.raises(SecurityError) as caught:
            self.call(data, package, domain)
        recorded = self.records("passthrough_call")[-1]
        assert recorded.status == caught.value.status.native and recorded.facts["reason"] == caught.value.reason
        return caught.value.status, caught.value.reason


@pytest.fixture
def ca(tmp_path: Path) -> Ca:
    return Ca(tmp_path)


@pytest.fixture
def here(tmp_path: Path, ca: Ca) -> Iterator[Site]:
    site = Site(tmp_path, ca, "HERE")
    yield site
    site.lab.close()


@pytest.fixture
def other(tmp_path: Path, ca: Ca) -> Iterator[Site]:
    site = Site(tmp_path, ca, "OTHER")
    site.listen = "127.0.0.1:0"
    yield site
    site.lab.close()


def joined(here: Site, other: Site) -> tuple[str, int]:
    """Both running; where the other one listens."""
    if not other.domains:
        other.knows("HERE")
    address = other.start()
    if not here.domains:
        here.knows("OTHER", address)
    here.start()
    return address


def refused_more_often(site: Site, before: int) -> bool:
    return len(site.records("passthrough_refused")) > before


def until(condition: Callable[[], bool]) -> None:
    """The listening thread has its own time; a record is looked for until it is there, or pytest's limit comes."""
    event = threading.Event()
    while not condition():
        event.wait(0.005)


# --- what works ------------------------------------------------------------------------------------------------------


@pytest.mark.proves("lsa_secpkg.CallPackagePassthrough", "authentication_package.LsaApCallPackagePassthrough")
def test_a_package_reaches_the_package_of_another_authority_untouched_R89(here: Site, other: Site) -> None:
    joined(here, other)
    with lsa.register_logon_process("tests", authority=here.lab) as trusted:
        reply = trusted.call_authentication_package("Echo", b"OTHER\\Echo")
    assert reply == ProtocolReply(b"egakcap a yb deksa", Status.STATUS_NO_SUCH_USER)
    assert not here.echo.callers and len(other.echo.callers) == 1
    (served,) = other.records("passthrough_served")
    assert (served.facts["peer"], served.package, served.uid) == ("HERE", "Echo", None)
    assert served.claimed["package"] == "Echo" and served.claimed["logon_process"] == "tests"


def test_a_logon_process_reaches_it_by_the_name_of_the_domain(here: Site, other: Site) -> None:
    joined(here, other)
    assert here.call(b"ab") == ProtocolReply(b"ba", Status.STATUS_NO_SUCH_USER)
    (asked,), (served,) = here.records("passthrough_call"), other.records("passthrough_served")
    assert (asked.facts["domain"], asked.facts["asked_by_logon_process"]) == ("OTHER", "tests")
    assert asked.status == served.status == Status.STATUS_SUCCESS.native and served.claimed["uid"] == asked.uid
    caller = other.echo.callers[0]
    assert getattr(caller, "has_tcb_privilege", True) is False and getattr(caller, "logon_id", 0) is None
    assert len(here.call(b"large").data) == 64 * 1024 and len(here.call(bytes(64 * 1024)).data) == 64 * 1024
    number = 1 + next(i for i in range(64) if here.lab.embedded.machine.directory.entry(i + 1).name == "Echo")
    assert here.call(b"cd", number).data == b"dc", "a number means the package of the same name"
    assert here.call(b"ef", domain="here").data == b"fe", "one's own domain needs no way"


def test_what_the_other_side_refuses_is_refused_and_its_reason_stays_there(here: Site, other: Site) -> None:
    joined(here, other)
    assert here.refusal(b"refuse") == (Status.STATUS_NO_MEMORY, "refused_by_other_authority")
    assert here.refusal(package="Nobody") == (Status.STATUS_NO_SUCH_PACKAGE, "refused_by_other_authority")
    first, second = other.records("passthrough_served")
    assert (first.facts["reason"], second.facts["reason"]) == ("inside", "no_such_package")


def test_only_a_trusted_application_may_name_a_domain(here: Site, other: Site) -> None:
    joined(here, other)
    with lsa.connect(authority=here.lab) as untrusted, pytest.raises(SecurityError) as caught:
        untrusted.call_authentication_package("Echo", b"ab", domain="OTHER")
    assert caught.value.status == Status.STATUS_PRIVILEGE_NOT_HELD
    authority = here.lab.embedded.machine.authority
    connection = authority.connections.open(authority.itself)
    with pytest.raises(SecurityError) as caught:
        authority.call_other_domain(connection, "OTHER", "Echo", b"ab").send(None)
    assert caught.value.status == Status.STATUS_PRIVILEGE_NOT_HELD
    assert not other.echo.callers and not here.records("passthrough_call")


def test_bad_arguments_go_nowhere(here: Site, other: Site) -> None:
    joined(here, other)
    assert here.refusal(domain="NOWHERE") == (Status.STATUS_NO_SUCH_DOMAIN, "domain_not_configured")
    for data, package, domain, status in (
        (bytes(64 * 1024 + 1), "Echo", "OTHER", Status.STATUS_INVALID_PARAMETER),
        (b"", "x" * 128, "OTHER", Status.STATUS_NAME_TOO_LONG),
        (b"", "E\ncho", "OTHER", Status.STATUS_INVALID_PARAMETER),
        (b"", "Echo", "O" * 256, Status.STATUS_INVALID_PARAMETER),
    ):
        with pytest.raises(SecurityError) as caught:
            here.call(data, package, domain)
        assert caught.value.status == status
    assert not other.echo.callers


def test_authorities_do_not_call_in_circles_for_ever(here: Site, other: Site) -> None:
    other.limits = {"handshake_limit": 10.0, "call_limit": 10.0}
    address = joined(here, other)
    call = PassthroughCall("OTHER", "Echo", b"ab", AskedBy(), 4)
    assert conversation(here, address, frame(Ask(VERSION, call))) == Refuse(Status.STATUS_INSUFFICIENT_RESOURCES)
    assert other.records("passthrough_served")[0].facts["reason"] == "packages_call_in_circles"


# --- certificates ----------------------------------------------------------------------------------------------------


def test_an_authority_of_another_ca_is_not_asked(tmp_path: Path, here: Site, other: Site) -> None:
    other.certificate, other.key = Ca(tmp_path, "foreign").issue("other.test", file="imposter")
    joined(here, other)
    assert here.refusal() == (Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE, "certificate_not_of_the_ca")
    assert not other.echo.callers
    until(lambda: bool(other.records("passthrough_refused")))
    assert other.records("passthrough_refused")[0].facts["reason"] == "tls_tlsv1_alert_unknown_ca"


@pytest.mark.parametrize(("names", "expired", "reason"), [
    (("stranger.test",), False, "certificate_of_another_name"),
    (("*.test",), False, "certificate_of_another_name"),
    (("other.test",), True, "certificate_expired"),
])  # fmt: skip
def test_an_authority_with_another_certificate_is_not_asked(
    here: Site, other: Site, names: tuple[str, ...], expired: bool, reason: str
) -> None:
    other.certificate, other.key = other.ca.issue(*names, file="bad", expired=expired)
    joined(here, other)
    assert here.refusal() == (Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE, reason)
    assert not other.echo.callers and not other.records("passthrough_served")


@pytest.mark.parametrize(("names", "expired", "reason"), [
    (("stranger.test",), False, "certificate_of_nobody_known"),
    (("here.test", "third.test"), False, "certificate_of_several_domains"),
    (("here.test",), True, "certificate_expired"),
])  # fmt: skip
def test_an_authority_that_shows_another_certificate_is_not_answered(
    here: Site, other: Site, names: tuple[str, ...], expired: bool, reason: str
) -> None:
    other.knows("HERE")
    other.knows("THIRD")
    here.certificate, here.key = here.ca.issue(*names, file="bad", expired=expired)
    joined(here, other)
    assert here.refusal()[0] == Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE
    until(lambda: bool(other.records("passthrough_refused")))
    (refused,) = other.records("passthrough_refused")
    assert (refused.facts["reason"], refused.facts["address"]) == (reason, "127.0.0.1")
    assert not other.echo.callers


def test_a_caller_of_another_ca_or_without_a_certificate_is_not_answered(
    tmp_path: Path, here: Site, other: Site
) -> None:
    address = joined(here, other)
    foreign = Site(tmp_path, Ca(tmp_path, "foreign"), "FOREIGN")
    foreign.lab.close()
    for site, certificate, reason in (
        (foreign, True, "certificate_not_of_the_ca"),
        (here, False, "tls_peer_did_not_return_a_certificate"),
    ):
        before = len(other.records("passthrough_refused"))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            conversation(site, address, frame(ASK), certificate=certificate, trust=other.ca)
        until(partial(refused_more_often, other, before))
        assert other.records("passthrough_refused")[-1].facts["reason"] == reason
    assert not other.echo.callers


def test_tls_before_1_3_is_not_spoken(here: Site, other: Site) -> None:
    address = joined(here, other)
    context = client_context(here)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(address) as sock, pytest.raises(ssl.SSLError):
        context.wrap_socket(sock, server_hostname="other.test")
    assert not other.echo.callers


# --- the enemy, and misfortune ---------------------------------------------------------------------------------------

ASK = Ask(VERSION, PassthroughCall("OTHER", "Echo", b"ab"))


def client_context(site: Site, *, certificate: bool = True, trust: Ca | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str((trust or site.ca).path))
    if certificate:
        context.load_cert_chain(site.certificate, site.key)
    return context


def conversation(
    site: Site, address: tuple[str, int], data: bytes, *, certificate: bool = True, trust: Ca | None = None
) -> Answer | None:
    """What a caller that does not keep to the rules is answered; None for nothing."""
    context = client_context(site, certificate=certificate, trust=trust)
    with (
        socket.create_connection(address) as sock,
        context.wrap_socket(sock, server_hostname="other.test", suppress_ragged_eofs=False) as tls,
    ):
        tls.settimeout(60)
        tls.sendall(data)
        answer, taken = OneFrame(), None
        while taken is None and (read := tls.recv(1 << 16)):
            taken = answer.take(read)
        return None if taken is None else answered(taken)


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
    until(lambda: bool(other.records("passthrough_refused")))
    assert here.call(b"ab").data == b"ba"


def test_those_who_say_nothing_do_not_keep_others_out(here: Site, other: Site) -> None:
    other.limits = {"handshake_limit": 0.3, "call_limit": 10.0}
    address = joined(here, other)
    silent = [socket.create_connection(address) for _ in range(MAX_HALF_OPEN_OF_AN_ADDRESS + 2)]
    try:
        until(lambda: len(other.records("passthrough_refused")) >= len(silent))
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
