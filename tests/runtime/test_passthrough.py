"""Pass-through between two embedded authorities over TLS: what works, and which certificates do not."""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import partial
from pathlib import Path

import pytest
from tests.runtime.certificates import Ca
from tests.runtime.sites import ASK, Site, client_context, conversation, joined, refused_more_often, until

from secpkg import lsa
from secpkg.aio import lsa as aio_lsa
from secpkg.authority.passthrough import AskedBy, PassthroughCall
from secpkg.contract import ProtocolReply, SecurityError, Status
from secpkg.runtime.passthrough_endpoint import MAX_CALLS, Endpoint
from secpkg.runtime.passthrough_peers import peers
from secpkg.runtime.passthrough_wire import VERSION, Ask, Refuse, frame

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


def test_the_asynchronous_face_does_the_same(here: Site, other: Site) -> None:
    joined(here, other)

    async def ask() -> ProtocolReply:
        async with await aio_lsa.register_logon_process("tests", here.lab) as trusted:
            return await trusted.call_authentication_package("Echo", b"ab", domain="OTHER")

    assert asyncio.run(ask()).data == b"ba"


def test_as_many_calls_as_may_be_on_their_way_are_answered(here: Site, other: Site) -> None:
    joined(here, other)
    endpoint = Endpoint(peers(here.config))
    outcomes: list[object] = []
    for _ in range(MAX_CALLS):
        endpoint.call(ASK.call, lambda value, error: outcomes.append(value or error))
    with pytest.raises(SecurityError) as caught:
        endpoint.call(ASK.call, lambda value, error: outcomes.append(error))
    assert caught.value.status == Status.STATUS_INSUFFICIENT_RESOURCES
    while len(outcomes) < MAX_CALLS:
        endpoint.turn(None)
    endpoint.close()
    assert outcomes == [ProtocolReply(b"ba", Status.STATUS_NO_SUCH_USER)] * MAX_CALLS


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
    until(other, lambda: bool(other.records("passthrough_refused")))
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
    until(other, lambda: bool(other.records("passthrough_refused")))
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
        until(other, partial(refused_more_often, other, before))
        assert other.records("passthrough_refused")[-1].facts["reason"] == reason
    assert not other.echo.callers


def test_tls_before_1_3_is_not_spoken(here: Site, other: Site) -> None:
    address = joined(here, other)
    context = client_context(here)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(address) as sock, pytest.raises(ssl.SSLError):
        context.wrap_socket(sock, server_hostname="other.test")
    assert not other.echo.callers
