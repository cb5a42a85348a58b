"""SpAcceptLsaModeContext: who is let in, what is said to whom, and what it costs."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.packages_ntlm.world import (
    CHANNEL,
    DENIED,
    DOMAIN,
    MACHINE,
    WRONG,
    Writer,
    lab_with,
    met,
    pair,
    presented,
    records,
    refusal,
    refused,
)

from secpkg.contract import AscReq, AscRet, ImpersonationLevel, IscReq, IscRet, SecurityError, Status
from secpkg.packages.ntlm.lsa_mode.settings import Settings
from secpkg.protocols.ntlm import acceptor as machine
from secpkg.protocols.ntlm import flags as f
from secpkg.testing import LabAuthority

SIGNED = IscReq.INTEGRITY | IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT


@pytest.mark.parametrize("domain", [DOMAIN, DOMAIN.lower(), "", ".", MACHINE])
def test_every_name_of_the_domain_is_this_authority(lab: LabAuthority, domain: str) -> None:
    assert met(lab, domain=domain) == f"{DOMAIN}\\alice"
    assert refusal(lab, domain=domain, password=WRONG) == (DENIED, "wrong_password")


def test_the_names_of_an_account(lab: LabAuthority) -> None:
    """`DOMAIN\\user` and a UPN are taken as they are typed."""
    for user in ("ALICE", f"{DOMAIN}\\alice", f"alice@{DOMAIN}"):
        assert met(lab, username=user, domain="") == f"{DOMAIN}\\alice"


def test_who_is_let_in_has_a_token_with_groups(lab: LabAuthority) -> None:
    with pair(lab) as ends:
        ends.run()
        token = ends.server.access_token
        assert token.account_name == "alice" and len(token.groups) >= 1
        assert token.impersonation_level is ImpersonationLevel.IMPERSONATION
        granted = AscRet.CONFIDENTIALITY | AscRet.INTEGRITY | AscRet.REPLAY_DETECT | AscRet.SEQUENCE_DETECT
        assert ends.server.flags == granted
        assert ends.client.session_key == ends.server.session_key and len(ends.server.session_key) == 16
    (logon,) = [r for r in records(lab, "logon") if r.package == "NTLM"]
    assert (logon.facts["account_name"], logon.facts["logon_type"]) == ("alice", 3)
    assert logon.claimed["workstation"] == MACHINE


def test_identify_level(lab: LabAuthority) -> None:
    with pair(lab, requirements=SIGNED | IscReq.IDENTIFY, server_requirements=AscReq.INTEGRITY) as ends:
        ends.run()
        assert ends.client.flags & IscRet.IDENTIFY and ends.server.flags & AscRet.IDENTIFY
        assert ends.server.access_token.impersonation_level is ImpersonationLevel.IDENTIFICATION


def test_nothing_is_granted_that_was_not_asked_for(lab: LabAuthority) -> None:
    with pair(lab, requirements=IscReq.INTEGRITY, server_requirements=0) as ends:
        ends.run()
        assert ends.server.flags == 0
        with pytest.raises(SecurityError) as caught:
            ends.server.sign(b"x")
        assert caught.value.status is Status.SEC_E_UNSUPPORTED_FUNCTION
        with pytest.raises(SecurityError) as caught:
            ends.server.encrypt(b"x")
        assert caught.value.status is Status.SEC_E_QOP_NOT_SUPPORTED


def test_an_unknown_user_is_a_wrong_password_to_everybody_but_the_record(lab: LabAuthority) -> None:
    """Same status, same calls, same derivations."""
    outcomes = {}
    for name in ("alice", "nobody"):
        with lab.lsa_calls() as calls:
            status, reason = refusal(lab, username=name, password=WRONG)
        outcomes[name] = (status, [call.function for call in calls])
        assert reason == ("wrong_password" if name == "alice" else "unknown_user")
    assert outcomes["alice"] == outcomes["nobody"] == (DENIED, ["get_auth_data_for_user", "audit_logon"])


def test_the_work_for_an_unknown_user_is_that_for_a_known_one(
    lab: LabAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in HMACs, and in comparisons that take the same time."""
    seen: list[str] = []

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: object, **named: object) -> object:
            seen.append(name)
            return function(*arguments, **named)

        return counting

    for name in ("ntowf_v2", "nt_proof", "session_base_key"):
        monkeypatch.setattr(machine, name, counted(name, getattr(machine, name)))
    monkeypatch.setattr(machine, "hmac", SimpleNamespace(compare_digest=counted("compare", hmac.compare_digest)))
    work = {}
    for name in ("alice", "nobody"):
        seen.clear()
        refusal(lab, username=name, password=WRONG)
        work[name] = list(seen)
    assert work["alice"] == work["nobody"] and work["alice"].count("compare") == 2


def test_two_calls_to_the_authority_a_leg_at_most(lab: LabAuthority) -> None:
    with lab.lsa_calls() as calls, pair(lab) as ends:
        counts = []
        while not ends.complete:
            before = len(calls)
            ends.step()
            counts.append(len(calls) - before)
    assert counts == [0, 0, 0, 2]
    assert [call.function for call in calls] == ["get_auth_data_for_user", "convert_auth_data_to_token"]


def test_protected_users_have_no_ntlm(lab: LabAuthority) -> None:
    """RID 525, whatever is kept of an earlier password; the right password is none."""
    protect(lab, "alice")
    assert refusal(lab) == refusal(lab, password=WRONG) == (DENIED, "protected_user")


def protect(lab: LabAuthority, name: str) -> None:
    lab.embedded.machine.authority.store.create_group("Protected Users")
    lab.update_user(name, groups=("Protected Users",))


def test_an_account_without_an_nt_hash(lab: LabAuthority) -> None:
    lab.add_user("bob")
    assert refusal(lab, username="bob") == (DENIED, "no_nt_hash")


def test_restrictions_are_told_after_a_right_proof_only(lab: LabAuthority) -> None:
    lab.update_user("alice", enabled=False)
    assert refusal(lab, password=WRONG) == (DENIED, "wrong_password")
    assert refusal(lab) == (Status.STATUS_ACCOUNT_RESTRICTION, "status_account_disabled")
    assert records(lab, "logon")[-1].facts["substatus"] == "STATUS_ACCOUNT_DISABLED"


def test_workstations_of_the_account(lab: LabAuthority) -> None:
    """By what the client says of itself, which nothing proves: R55 all the same."""
    lab.update_user("alice", workstations=("DESK",))
    for workstation, status in (("DESK", Status.SEC_E_OK), ("elsewhere", Status.STATUS_ACCOUNT_RESTRICTION)):
        writer = Writer(workstation=workstation)
        assert presented(lab, writer, writer.answer)[0] is status


def test_wrong_proofs_delay_and_a_delay_looks_like_one(lab: LabAuthority) -> None:
    """Lock 9: while it runs a right password is as good as a wrong one, and all spellings of a name are one account."""
    for domain, name in ((DOMAIN, "alice"), ("", "ALICE"), (MACHINE, "alice"), (".", "alice")) * 3:
        assert refusal(lab, domain=domain, username=name, password=WRONG) == (DENIED, "wrong_password")
    assert refusal(lab) == (DENIED, "lockout_delay")
    assert refusal(lab, password=WRONG) == (DENIED, "wrong_password")
    lab.advance(24 * 3600)
    assert met(lab) == f"{DOMAIN}\\alice"


def test_a_spent_context_is_none(lab: LabAuthority) -> None:
    with pair(lab) as ends:
        ends.run()
        with pytest.raises(SecurityError):
            ends.server.step(ends.tokens[-1])


@pytest.mark.parametrize(("nt_response", "reason"), [(b"", "lm_response"), (bytes(24), "ntlm_v1"), (None, "ntlm_v1")])
def test_refused_by_name_before_anybody_is_looked_up(lab: LabAuthority, nt_response: bytes | None, reason: str) -> None:
    """LM alone and NTLMv1 are refused for what they are, a right proof too."""
    writer = Writer()
    with lab.lsa_calls() as calls:
        outcome = presented(lab, writer, lambda challenge: writer.answer_v1(challenge, nt_response=nt_response))
    assert outcome == (DENIED, reason)
    assert "get_auth_data_for_user" not in [call.function for call in calls]


def test_ntlm_v1_with_session_security_where_it_is_allowed() -> None:
    """Plain NTLMv1 and LM never are, and what only NTLMv2 can say is asked of nobody."""
    with lab_with({"ntlm_v1": True}) as lab:
        writer = Writer()
        assert presented(lab, writer, writer.answer_v1) == (Status.SEC_E_OK, "")
        wrong = Writer(password=WRONG)
        assert presented(lab, wrong, wrong.answer_v1) == (DENIED, "wrong_password")
        plain = Writer(flags=f.UNICODE | f.NTLM | f.REQUEST_TARGET)
        assert presented(lab, plain, plain.answer_v1, requirements=0) == (DENIED, "ntlm_v1")
        assert presented(lab, writer, lambda c: writer.answer_v1(c, nt_response=b"")) == (DENIED, "lm_response")
        assert (
            presented(lab, writer, lambda c: writer.answer_v1(c, lm_response=b"\0" * 4))[0]
            is Status.SEC_E_INVALID_TOKEN
        )
        assert presented(lab, writer, writer.answer_v1, channel_bindings=CHANNEL)[0] is Status.SEC_E_BAD_BINDINGS
    for stricter in ({"mic": "require"}, {"target_name": "require"}):
        with lab_with({"ntlm_v1": True, **stricter}) as lab:
            assert presented(lab, writer, writer.answer_v1)[0] is DENIED


def test_the_answer_must_come_in_time(lab: LabAuthority) -> None:
    """Our own time comes back in the answer: `max_skew` is how long a challenge lives."""
    for waited, outcome in ((1800.0, (Status.SEC_E_OK, "")), (1801.0, (DENIED, "clock_skew"))):
        writer = Writer()

        def answer(challenge: bytes | None, writer: Writer = writer, waited: float = waited) -> bytes:
            lab.advance(waited)
            return writer.answer(challenge)

        assert presented(lab, writer, answer) == outcome


@pytest.mark.parametrize(
    ("settings", "skew", "outcome"),
    [
        ({}, 1800.0, ""),
        ({}, -1800.0, ""),
        ({}, 1801.0, "clock_skew"),
        ({}, -1801.0, "clock_skew"),
        ({"max_skew": 0}, 1.0, "clock_skew"),
        ({"max_skew": 0}, 0.0, ""),
        ({"max_skew": -1}, 1e9, ""),
    ],
)
def test_the_clients_clock(settings: dict[str, int], skew: float, outcome: str) -> None:
    with lab_with(settings) as lab:
        writer, when = Writer(), lab.clock() + skew
        expected = (DENIED, outcome) if outcome else (Status.SEC_E_OK, "")
        assert presented(lab, writer, lambda challenge: writer.answer(challenge, when=when)) == expected


def test_every_byte_of_the_answer_counts(lab: LabAuthority) -> None:
    """One bit of each is turned: names, responses, flags, version, key, MIC; nobody is let in, nobody learns more."""
    with pair(lab) as ends:
        ends.step()
        ends.step()
        size = len(ends.step() or b"")
    statuses = set()
    for at in range(size):
        with pair(lab) as ends:
            for _ in range(3):
                ends.step()
            bent = bytearray(ends.tokens[-1])
            bent[at] ^= 1 << at % 8
            statuses.add(refused(lab, ends.server, bytes(bent))[0])
        lab.advance(600.0)
    assert statuses <= {DENIED, Status.SEC_E_INVALID_TOKEN, Status.SEC_E_UNSUPPORTED_FUNCTION}


def test_settings_that_are_not_understood_refuse_the_load() -> None:
    for wrong in (
        {"max_skew": -2},
        {"mic": "sometimes"},
        {"channel_bindings": "yes"},
        {"cached_logons": 51},
        {"ntlm_v1": "off"},
        {"no_such_setting": True},
        {"service_names": "HTTP/here"},
    ):
        with pytest.raises(SecurityError) as caught:
            Settings.read(wrong)
        assert caught.value.status is Status.SEC_E_CANNOT_INSTALL, wrong
        with LabAuthority(domain=DOMAIN, modules=["ntlm"], settings={"ntlm": wrong}) as lab:
            (entry,) = lab.embedded.machine.directory.entries()
            assert entry.state == "broken" and "settings: " in entry.reason, wrong
