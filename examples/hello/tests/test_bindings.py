"""Channel bindings that only report, and those of a channel that ends elsewhere: section L, over a whole authority."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from secpkg.contract import AscReq, SecurityError, Status
from secpkg.contract.channel_bindings import ChannelBindings, pack
from secpkg.contract.flags import SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS
from secpkg.sspi.server import DEFAULT_REQUIREMENTS
from secpkg.testing import LabAuthority
from secpkg.testing.pair import Pair

PASSWORD = "a good password"
OURS, OTHER = b"tls-server-end-point:" + bytes(range(32)), b"tls-exporter:" + bytes(range(32))
PROXY, SPARED = int(AscReq.PROXY_BINDINGS), int(AscReq.ALLOW_MISSING_BINDINGS)


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=["hello"]) as made:
        made.add_user("alice", password=PASSWORD)
        yield made


def shaken(
    lab: LabAuthority, client: bytes | None, server: bytes, requirements: int = 0, password: str = PASSWORD
) -> tuple[Status, list[tuple[str, str]]]:
    """What the server says in the end, and what Hello had audited."""
    audit = lab.embedded.machine.authority.audit
    before = audit.count
    pair = Pair(
        lab,
        "Hello",
        username="alice",
        password=password,
        channel_bindings=client,
        server_bindings=server,
        server_requirements=DEFAULT_REQUIREMENTS | requirements,
    )
    with pair:
        try:
            pair.run()
            status = Status.SEC_E_OK
        except SecurityError as refused:
            status = refused.status
    claims = [record.claimed for record in audit.recent() if record.seq > before and record.event == "audit_logon"]
    return status, [(str(claim["status"]), str(claim["reason"])) for claim in claims]


def audit_only(data: bytes) -> bytes:
    return pack(ChannelBindings(data, SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS))


@pytest.mark.parametrize("client", [OTHER, b"something else", b"", None])
def test_R235_R238_audit_only_bindings_report_and_do_no_harm(lab: LabAuthority, client: bytes | None) -> None:
    status, ((claimed, reason),) = shaken(lab, client, audit_only(OURS))
    assert status is Status.SEC_E_OK
    assert claimed == "SEC_E_BAD_BINDINGS" and "NOTVALID" in reason
    status, _ = shaken(lab, client, OURS)
    assert status is Status.SEC_E_BAD_BINDINGS, "without the flag it does"


def test_R238_a_match_has_nothing_to_report(lab: LabAuthority) -> None:
    assert shaken(lab, OURS, audit_only(OURS)) == (Status.SEC_E_OK, [])
    assert shaken(lab, None, audit_only(OURS), SPARED) == (Status.SEC_E_OK, [])


def test_R239_a_channel_that_ends_elsewhere(lab: LabAuthority) -> None:
    for client in (OURS, OTHER, b"something else"):
        assert shaken(lab, client, OURS, PROXY) == (Status.SEC_E_OK, [])
        assert shaken(lab, client, b"", PROXY) == (Status.SEC_E_OK, [])
    unbound: list[tuple[bytes | None, int]] = [(None, PROXY), (b"", PROXY), (b"", PROXY | SPARED)]
    for none, requirements in unbound:
        assert shaken(lab, none, OURS, requirements)[0] is Status.SEC_E_BAD_BINDINGS, "it has to be bound to one"
    assert shaken(lab, None, OURS, PROXY | SPARED) == (Status.SEC_E_OK, [])


@pytest.mark.parametrize(("server", "requirements"), [(audit_only(OURS), 0), (OURS, PROXY)])
def test_whatever_is_tolerated_the_proof_is_not(lab: LabAuthority, server: bytes, requirements: int) -> None:
    """A wrong password counts, and is all that there is to say (lock 9)."""
    status, audited = shaken(lab, OTHER, server, requirements, "wrong")
    assert status is Status.SEC_E_LOGON_DENIED and audited == [("STATUS_LOGON_FAILURE", "wrong_password")]


def test_flags_that_nobody_knows(lab: LabAuthority) -> None:
    marked = audit_only(OURS)
    unknown = marked[: -len(OURS) - 4] + (0x80).to_bytes(4, "little") + OURS
    assert shaken(lab, OURS, unknown)[0] is Status.SEC_E_BAD_BINDINGS
