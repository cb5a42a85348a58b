"""Section M of the rules: inbox behaviour, as far as it is MSV1_0's and NTLM's (R244-R248).

R240 to R243 are Negotiate's and Kerberos's. What each of these is worth in detail is in tests/packages_ntlm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.packages_ntlm.callers import logon, no_credentials, refused_logon, trusted
from tests.packages_ntlm.listener import Listener
from tests.packages_ntlm.two import ELSEWHERE, Two
from tests.packages_ntlm.world import DOMAIN, PASSWORD, WRONG, met, pair, records

from secpkg.contract import (
    Capability,
    IscReq,
    LogonType,
    SecurityError,
    Status,
)
from secpkg.contract.flags import PrimaryCredentialFlag
from secpkg.testing import LabAuthority, Pair


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path, cached=1)
    yield made
    made.close()


@pytest.mark.breaks("R244", "secpkg.packages.ntlm.lsa_mode.services:ServicesHalf.call_package_passthrough")
def test_R244_the_msv1_0_of_the_accounts_authority_is_asked_and_its_answer_relayed(two: Two) -> None:
    """A context, a logon and a refusal; Netlogon's channel is mutual TLS here (docs/adr/0014)."""
    assert met(two.here, username="zoe", domain=ELSEWHERE) == f"{ELSEWHERE}\\zoe"
    with trusted(two.here) as login:
        logon(login, LogonType.NETWORK, "zoe", ELSEWHERE).close()
        failure = refused_logon(login, logon_type=LogonType.NETWORK, username="zoe", domain=ELSEWHERE, password=WRONG)
        assert failure.status is Status.STATUS_LOGON_FAILURE
    served = records(two.there, "passthrough_served")
    assert [(record.facts["peer"], record.package) for record in served] == [(DOMAIN, "NTLM")] * 3


@pytest.mark.breaks("R245", "secpkg.packages.ntlm.lsa_mode.cache:LogonCache.check")
def test_R245_without_it_cached_credentials_can_be_used(two: Two) -> None:
    with trusted(two.here) as login:
        logon(login, LogonType.INTERACTIVE, "zoe", ELSEWHERE).close()
        two.part()
        with logon(login, LogonType.INTERACTIVE, "zoe", ELSEWHERE) as made:
            assert two.here.embedded.machine.authority.sessions.get(made.luid).account_name == "zoe"
        failure = refused_logon(
            login, logon_type=LogonType.INTERACTIVE, username="zoe", domain=ELSEWHERE, password=WRONG
        )
        assert failure.status is Status.STATUS_LOGON_FAILURE


@pytest.mark.breaks("R246", "secpkg.packages.ntlm.lsa_mode.accounts:pack_credential")
def test_R246_primary_credentials_hold_the_name_and_what_is_made_of_the_password() -> None:
    """What others hear has the name and the password itself, of which both forms can be made; MSV1_0's own is the
    case-sensitive form. The case-insensitive one (LM) is kept nowhere: nothing here would accept it.
    """
    listener = Listener()
    with LabAuthority(domain=DOMAIN, modules=["ntlm", listener.module]) as lab, trusted(lab) as login:
        lab.add_user("alice", password=PASSWORD)
        with logon(login) as made:
            (heard,) = listener.heard
            assert (heard.logon_id, heard.downlevel_name, heard.domain_name) == (made.luid, "alice", DOMAIN)
            assert heard.password == PASSWORD and heard.flags == PrimaryCredentialFlag.CLEAR_PASSWORD
            with made.session(), Pair(lab, "NTLM") as ends:
                assert ends.run().server.peer == f"{DOMAIN}\\alice"


@pytest.mark.breaks("R247", "secpkg.packages.ntlm.lsa_mode.accounts:Accounts.own")
def test_R247_contexts_reuse_the_credentials_of_the_interactive_logon_and_nobody_is_asked() -> None:
    with LabAuthority(domain=DOMAIN, modules=["ntlm"]) as lab, trusted(lab) as login:
        lab.add_user("alice", password=PASSWORD)
        with logon(login) as made, made.session():
            for _ in range(2):
                with Pair(lab, "NTLM") as ends:
                    assert ends.run().server.peer == f"{DOMAIN}\\alice"
        assert no_credentials(lab), "without a logon there is nothing to reuse, and no question either"


@pytest.mark.breaks("R248", "secpkg.packages.ntlm.lsa_mode.accept:AcceptHalf.accept_lsa_mode_context")
def test_R248_three_messages_and_the_client_knows_nobody_yet(lab: LabAuthority) -> None:
    """As many legs as NTLM has. What is said of mutual authentication is not true of it: it is not announced, and who
    requires it gets no context. That the acceptor knew the key shows with its first message.
    """
    with pair(lab) as ends:
        ends.run().talk()
        assert len(ends.tokens) == 3
        assert not ends.client.flags & IscReq.MUTUAL_AUTH
    (entry,) = lab.embedded.machine.directory.entries()
    assert not entry.info.capabilities & Capability.MUTUAL_AUTH
    with pytest.raises(SecurityError) as caught, pair(lab, requirements=int(IscReq.MUTUAL_AUTH)) as ends:
        ends.run()
    assert caught.value.status is Status.SEC_E_SECURITY_QOS_FAILED


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with LabAuthority(domain=DOMAIN, modules=["ntlm"]) as made:
        made.add_user("alice", password=PASSWORD)
        yield made
