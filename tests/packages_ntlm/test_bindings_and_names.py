"""What a proved answer says of its channel, its target and its messages, and what the operator makes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.packages_ntlm.world import (
    CHANNEL,
    DENIED,
    DOMAIN,
    ELSEWHERE,
    PASSWORD,
    WRONG,
    AvPair,
    Writer,
    lab_with,
    met,
    pair,
    presented,
    reason_of,
    records,
    refusal,
)

from secpkg.contract import AscReq, AscRet, IscReq, IscRet, SecurityError, Status
from secpkg.contract.channel_bindings import ChannelBindings, pack
from secpkg.contract.flags import SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS
from secpkg.packages.ntlm.lsa_mode.initiate import hash_of
from secpkg.protocols.ntlm import flags as f
from secpkg.testing import LabAuthority

OK, BAD = Status.SEC_E_OK, Status.SEC_E_BAD_BINDINGS
OURS, THEIRS, ZEROS = hash_of(CHANNEL), hash_of(ELSEWHERE), bytes(16)
MISSING, PROXY = int(AscReq.ALLOW_MISSING_BINDINGS), int(AscReq.PROXY_BINDINGS)
AUDIT = pack(ChannelBindings(CHANNEL, SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS))
ACCEPTED = (OK, "")


@pytest.fixture(scope="module")
def labs() -> Iterator[dict[str, LabAuthority]]:
    names = ("application", "never", "when-supported", "require")
    made = {name: lab_with({"channel_bindings": name}) for name in names}
    yield made
    for lab in made.values():
        lab.close()


@pytest.mark.parametrize(
    ("policy", "given", "requirements", "sent", "outcome"),
    [
        ("application", None, 0, THEIRS, ACCEPTED),
        ("application", CHANNEL, 0, OURS, ACCEPTED),
        ("application", CHANNEL, 0, THEIRS, (BAD, "NOTVALID_MISMATCH")),
        ("application", CHANNEL, 0, ZEROS, (BAD, "NOTVALID_MISSING")),
        ("application", CHANNEL, 0, None, (BAD, "NOTVALID_MISSING")),
        ("application", CHANNEL, MISSING, ZEROS, ACCEPTED),
        ("application", CHANNEL, MISSING, None, ACCEPTED),
        ("application", CHANNEL, MISSING, THEIRS, (BAD, "NOTVALID_MISMATCH")),
        ("application", CHANNEL, PROXY, THEIRS, ACCEPTED),
        ("application", CHANNEL, PROXY, None, (BAD, "NOTVALID_MISSING")),
        ("application", b"", 0, ZEROS, ACCEPTED),
        ("application", b"", 0, THEIRS, (BAD, "NOTVALID_MISMATCH")),
        ("never", CHANNEL, 0, THEIRS, ACCEPTED),
        ("never", CHANNEL, 0, None, ACCEPTED),
        ("when-supported", CHANNEL, 0, OURS, ACCEPTED),
        ("when-supported", CHANNEL, 0, THEIRS, (BAD, "NOTVALID_MISMATCH")),
        ("when-supported", CHANNEL, 0, ZEROS, ACCEPTED),
        ("when-supported", CHANNEL, 0, None, ACCEPTED),
        ("when-supported", None, 0, THEIRS, ACCEPTED),
        ("require", CHANNEL, 0, OURS, ACCEPTED),
        ("require", CHANNEL, 0, THEIRS, (BAD, "NOTVALID_MISMATCH")),
        ("require", CHANNEL, MISSING, ZEROS, (BAD, "NOTVALID_MISSING")),
        ("require", CHANNEL, MISSING, None, (BAD, "NOTVALID_MISSING")),
        ("require", CHANNEL, PROXY, THEIRS, ACCEPTED),
        ("require", None, 0, OURS, (BAD, "NOTVALID_MISMATCH")),
        ("require", None, 0, None, (BAD, "NOTVALID_MISSING")),
    ],
)
def test_channel_bindings(
    labs: dict[str, LabAuthority],
    policy: str,
    given: bytes | None,
    requirements: int,
    sent: bytes | None,
    outcome: tuple[Status, str],
) -> None:
    """Who decides, the operator or the service; sixteen zeros are none, in all of them."""
    writer = Writer()

    def without(pairs: list[AvPair]) -> list[AvPair]:
        return [one for one in pairs if sent is not None or one[0] != f.AvId.CHANNEL_BINDINGS]

    found = presented(
        labs[policy],
        writer,
        lambda challenge: writer.answer(challenge, bindings=sent, pairs=without),
        channel_bindings=given,
        requirements=requirements,
    )
    assert found[0] is outcome[0] and outcome[1] in found[1]


@pytest.mark.parametrize("policy", ["application", "require"])
def test_a_wrong_channel_says_nothing_of_the_password(labs: dict[str, LabAuthority], policy: str) -> None:
    """Lock 9: it has a status of its own, so it is told before anybody has looked at the proof; it costs no delay."""
    lab = labs[policy]
    for password in (PASSWORD, WRONG) * 12:
        with lab.lsa_calls() as calls:
            status, _ = refusal(lab, password=password, channel_bindings=ELSEWHERE, server_bindings=CHANNEL)
        assert status is BAD and [call.function for call in calls] == ["audit_logon"]
    assert met(lab, channel_bindings=CHANNEL) == f"{DOMAIN}\\alice"


def test_audit_only_bindings_are_reported_and_do_no_harm(lab: LabAuthority) -> None:
    """R235, R238; and they are no wrong proof."""
    for _ in range(12):
        assert met(lab, channel_bindings=ELSEWHERE, server_bindings=AUDIT) == f"{DOMAIN}\\alice"
    found = records(lab, "audit_logon")
    assert len(found) == 12 and all("NOTVALID_MISMATCH" in reason_of(record) for record in found)
    assert {record.claimed["status"] for record in found} == {"SEC_E_BAD_BINDINGS"}


def test_bindings_that_are_too_long_for_any_channel(lab: LabAuthority) -> None:
    """Whoever's they are: the application is told, and nothing is let through."""
    long, status = b"x" * 4097, Status.SEC_E_BAD_BINDINGS
    assert met(lab, channel_bindings=long[:-1]) == f"{DOMAIN}\\alice"
    with pair(lab, channel_bindings=long, server_bindings=CHANNEL) as ends, pytest.raises(SecurityError) as caught:
        ends.run()
    assert caught.value.status is status and not ends.client.complete
    assert refusal(lab, channel_bindings=CHANNEL, server_bindings=long) == (status, "bad_argument")


@pytest.mark.parametrize("target", ["HTTP/" + "x" * 508, "HTTP/\x00", "HTTP/\ud800"])
def test_a_target_that_cannot_be_said(lab: LabAuthority, target: str) -> None:
    """Told with the first leg: nothing is on its way yet."""
    with pair(lab, target=target) as ends, pytest.raises(SecurityError) as caught:
        ends.step()
    assert caught.value.status is Status.SEC_E_TARGET_UNKNOWN


def test_both_ends_of_one_channel(lab: LabAuthority) -> None:
    assert met(lab, channel_bindings=CHANNEL) == f"{DOMAIN}\\alice"


@pytest.mark.parametrize(
    ("settings", "target", "untrusted", "outcome"),
    [
        ({"service_names": ["HTTP/here"]}, "http/HERE", False, ACCEPTED),
        ({"service_names": ["HTTP/here"]}, "HTTP/there", False, (DENIED, "target_name_mismatch")),
        ({"service_names": ["HTTP/here"]}, "", False, ACCEPTED),
        ({"service_names": ["HTTP/here"]}, "HTTP/there", True, ACCEPTED),
        ({}, "HTTP/there", False, ACCEPTED),
        ({"target_name": "never", "service_names": ["HTTP/here"]}, "HTTP/there", False, ACCEPTED),
        ({"target_name": "require", "service_names": ["HTTP/here"]}, "HTTP/here", False, ACCEPTED),
        ({"target_name": "require", "service_names": ["HTTP/here"]}, "", False, (DENIED, "target_name_missing")),
        (
            {"target_name": "require", "service_names": ["HTTP/here"]},
            "HTTP/here",
            True,
            (DENIED, "target_name_untrusted"),
        ),
        ({"target_name": "require"}, "HTTP/here", False, (DENIED, "target_name_mismatch")),
    ],
)
def test_the_name_that_the_client_meant(
    settings: dict[str, str | list[str]], target: str, untrusted: bool, outcome: tuple[Status, str]
) -> None:
    writer = Writer()
    with lab_with(settings) as lab:
        answer = presented(lab, writer, lambda c: writer.answer(c, target=target, untrusted=untrusted))
    assert answer == outcome


def test_our_client_says_that_it_does_not_trust_its_target() -> None:
    with lab_with({"service_names": ["HTTP/here"], "target_name": "require"}) as lab:
        untrusted = IscReq.UNVERIFIED_TARGET_NAME | IscReq.INTEGRITY
        outcome = refusal(lab, target="HTTP/here", requirements=untrusted, server_requirements=AscReq.INTEGRITY)
        assert outcome == (DENIED, "target_name_untrusted")
        with pair(lab, target="HTTP/here") as ends:
            ends.run()
            assert ends.client.peer == "HTTP/here"


@pytest.mark.parametrize(
    ("policy", "target", "outcome"),
    [
        ("when-promised", "HTTP/here", ACCEPTED),
        ("when-able", "HTTP/here", (DENIED, "mic_missing")),
        ("when-able", "", ACCEPTED),
        ("require", "", (DENIED, "mic_missing")),
    ],
)
def test_a_client_without_a_mic(policy: str, target: str, outcome: tuple[Status, str]) -> None:
    """Able is who shows that it knows of the revision that brought the MIC."""
    writer = Writer()

    def old(pairs: list[AvPair]) -> list[AvPair]:
        new = (f.AvId.CHANNEL_BINDINGS, f.AvId.TARGET_NAME)
        return [one for one in pairs if one[0] not in new or (target and one[0] == f.AvId.TARGET_NAME)]

    with lab_with({"mic": policy}) as lab:
        answer = presented(lab, writer, lambda c: writer.answer(c, mic=False, target=target, pairs=old))
        assert answer == outcome
        assert met(lab) == f"{DOMAIN}\\alice"


# --- strength, and nobody --------------------------------------------------------------------------------------------


def test_weak_clients_are_refused_for_what_they_are() -> None:
    """SEC_E_UNSUPPORTED_FUNCTION, with the first message already where it shows."""
    weak = f.UNICODE | f.NTLM | f.REQUEST_TARGET | f.EXTENDED_SESSIONSECURITY | f.SIGN | f.KEY_EXCH | f.KEY_56
    with lab_with() as lab:
        for flags, reason in ((weak, "key_too_short"), (weak & ~f.EXTENDED_SESSIONSECURITY | f.KEY_128, "extended")):
            with pytest.raises(SecurityError) as caught, pair(lab) as ends:
                ends.server.step(Writer(flags=flags).negotiate)
            assert caught.value.status is Status.SEC_E_UNSUPPORTED_FUNCTION
            assert reason in reason_of(records(lab)[-1])
    with lab_with({"key_128": False}) as lab:
        writer = Writer(flags=weak)
        assert presented(lab, writer, writer.answer, requirements=int(AscReq.INTEGRITY)) == ACCEPTED


def test_what_the_operator_requires_of_everybody() -> None:
    for setting, asked in (("require_integrity", 0), ("require_confidentiality", IscReq.INTEGRITY)):
        with lab_with({setting: True}) as lab, pair(lab, requirements=int(asked), server_requirements=0) as ends:
            ends.step()
            with pytest.raises(SecurityError) as caught:
                ends.step()
            assert caught.value.status is Status.SEC_E_UNSUPPORTED_FUNCTION
            assert met(lab) == f"{DOMAIN}\\alice"


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("asked", [AscReq.ALLOW_NULL_SESSION, AscReq(0)])
def test_nobody_is_let_in_where_operator_and_service_allow_it(allowed: bool, asked: AscReq) -> None:
    """No token, no protection, no name; the record has it."""
    with lab_with({"anonymous": allowed}) as lab:
        flags = int(IscReq.NULL_SESSION)
        with pair(lab, username="", domain="", password="", requirements=flags, server_requirements=int(asked)) as ends:
            if not (allowed and asked):
                with pytest.raises(SecurityError) as caught:
                    ends.run()
                assert caught.value.status is DENIED and reason_of(records(lab)[-1]) == "anonymous"
                return
            ends.run()
            assert ends.client.flags == IscRet.NULL_SESSION and ends.server.flags == AscRet.NULL_SESSION
            with pytest.raises(SecurityError):
                ends.server.access_token.close()
            with pytest.raises(SecurityError):
                ends.server.encrypt(b"x")
            assert ends.server.peer == ""
