"""The domain policy and the forest trusts: kept by the authority, changed by trusted callers, on the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.rules.packages import records

import secpkg
from secpkg.accounts import Vault
from secpkg.authority.domain_policy import DomainPolicy
from secpkg.authority.policy import Policy
from secpkg.contract import SecurityError, Status
from secpkg.contract.domain_policy import (
    COLLISION_TDO,
    COLLISION_XREF,
    FOREST_TRUST_DOMAIN_INFO,
    FOREST_TRUST_TOP_LEVEL_NAME,
    FOREST_TRUST_TOP_LEVEL_NAME_EX,
    LSA_NB_DISABLED_CONFLICT,
    LSA_SID_DISABLED_CONFLICT,
    LSA_TLN_DISABLED_CONFLICT,
    EfsInfo,
    ForestTrustCollision,
    ForestTrustRecord,
    KerberosTicketInfo,
)
from secpkg.lsa import raw
from secpkg.testing import FrozenClock, LabAuthority

OK, QUALITY, EFS, KERBEROS = Status.STATUS_SUCCESS, 1, 2, 3
STRICTER = KerberosTicketInfo(0, 600.0, 3600.0, 7200.0, 60.0)


def tree(name: str, **more: object) -> ForestTrustRecord:
    return ForestTrustRecord(FOREST_TRUST_TOP_LEVEL_NAME, name, **more)  # type: ignore[arg-type]


def domain(sid: str, dns: str, netbios: str) -> ForestTrustRecord:
    return ForestTrustRecord(FOREST_TRUST_DOMAIN_INFO, "", sid, dns, netbios)


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    policy = Policy(trusted_domains=("Partner.test", "other.test"), skew=120.0)
    with LabAuthority(domain="EXAMPLE", policy=policy, clock=FrozenClock()) as lab:
        yield lab


@pytest.fixture
def plain(lab: LabAuthority) -> Iterator[secpkg.lsa.Lsa]:
    with secpkg.lsa.connect(lab) as lsa:
        yield lsa


@pytest.fixture
def admin(lab: LabAuthority) -> Iterator[secpkg.lsa.Lsa]:
    with secpkg.lsa.register_logon_process("policy tool", lab) as lsa:
        yield lsa


@pytest.mark.proves("lsa_logon.LsaQueryDomainInformationPolicy", "lsa_logon.LsaSetDomainInformationPolicy")
def test_the_kerberos_policy_is_what_was_set_last(
    lab: LabAuthority, plain: secpkg.lsa.Lsa, admin: secpkg.lsa.Lsa
) -> None:
    status, first = raw.query_domain_information_policy(plain, KERBEROS)
    assert (status, first) == (OK, KerberosTicketInfo(max_clock_skew=120.0)), "the skew of the authority's policy"
    assert raw.set_domain_information_policy(admin, KERBEROS, STRICTER) is OK
    assert raw.query_domain_information_policy(plain, KERBEROS) == (OK, STRICTER)
    assert lab.embedded.machine.authority.domain_policy.clock_skew == 60.0
    noisy = KerberosTicketInfo(0xFFFF, 600.0, 3600.0, 7200.0, 60.0)
    assert raw.set_domain_information_policy(admin, KERBEROS, noisy) is OK
    _, kept = raw.query_domain_information_policy(plain, KERBEROS)
    assert isinstance(kept, KerberosTicketInfo) and kept.authentication_options == 0x80
    (one, two) = records(lab, "set_domain_information_policy")
    assert (one.status, one.facts["information_class"], two.status) == ("SEC_E_OK", KERBEROS, "SEC_E_OK")


@pytest.mark.proves("lsa_logon.LsaSetDomainInformationPolicy")
def test_the_efs_policy_is_set_and_taken_away(plain: secpkg.lsa.Lsa, admin: secpkg.lsa.Lsa) -> None:
    nothing = (Status.STATUS_OBJECT_NAME_NOT_FOUND, None)
    assert raw.query_domain_information_policy(plain, EFS) == nothing
    assert raw.set_domain_information_policy(admin, EFS, EfsInfo(b"recovery")) is OK
    assert raw.query_domain_information_policy(plain, EFS) == (OK, EfsInfo(b"recovery"))
    assert raw.set_domain_information_policy(admin, EFS, None) is OK
    assert raw.query_domain_information_policy(plain, EFS) == nothing


def test_who_may_not_set_and_what_cannot_be_set(
    lab: LabAuthority, plain: secpkg.lsa.Lsa, admin: secpkg.lsa.Lsa
) -> None:
    """A refused call changes no state, and is on the record."""
    before = raw.query_domain_information_policy(plain, KERBEROS)
    assert raw.set_domain_information_policy(plain, KERBEROS, STRICTER) is Status.STATUS_ACCESS_DENIED
    never = float("inf")
    for information_class, information in (
        (KERBEROS, None),
        (KERBEROS, EfsInfo(b"x")),
        (EFS, STRICTER),
        (EFS, EfsInfo(b"")),
        (EFS, EfsInfo(bytes(65537))),
        (QUALITY, STRICTER),
        (99, None),
        (KERBEROS, KerberosTicketInfo(0, 0.0)),
        (KERBEROS, KerberosTicketInfo(0, 1.0, 1.0, 1.0, -1.0)),
        (KERBEROS, KerberosTicketInfo(0, never)),
        (KERBEROS, "text"),
        (KERBEROS, object()),
    ):
        refused = raw.set_domain_information_policy(admin, information_class, information)  # type: ignore[arg-type]
        assert refused is Status.STATUS_INVALID_PARAMETER, (information_class, information)
    for information_class in (0, QUALITY, 4):
        assert raw.query_domain_information_policy(plain, information_class)[0] is Status.STATUS_INVALID_PARAMETER
    assert raw.query_domain_information_policy(plain, KERBEROS) == before
    assert records(lab, "set_domain_information_policy")[0].status == "STATUS_ACCESS_DENIED"
    plain.close()
    assert raw.query_domain_information_policy(plain, KERBEROS)[0] is Status.STATUS_INVALID_HANDLE
    assert raw.set_domain_information_policy(plain, KERBEROS, STRICTER) is Status.STATUS_INVALID_HANDLE


def test_without_a_record_nothing_is_set(
    lab: LabAuthority, admin: secpkg.lsa.Lsa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lock 10."""

    def fails(*_: object, **__: object) -> None:
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="audit_unwritable")

    monkeypatch.setattr(lab.embedded.machine.authority.audit, "append", fails)
    assert raw.set_domain_information_policy(admin, KERBEROS, STRICTER) is Status.STATUS_INTERNAL_ERROR
    assert raw.query_domain_information_policy(admin, KERBEROS)[1] != STRICTER


@pytest.mark.proves("lsa_logon.LsaQueryForestTrustInformation", "lsa_logon.LsaSetForestTrustInformation")
def test_forest_trust_information_is_what_was_set(
    lab: LabAuthority, plain: secpkg.lsa.Lsa, admin: secpkg.lsa.Lsa
) -> None:
    given = (tree("partner.test"), domain("S-1-5-21-7-7-7", "partner.test", "PARTNER"))
    assert raw.query_forest_trust_information(plain, "partner.test") == (Status.STATUS_NOT_FOUND, None)
    assert raw.set_forest_trust_information(admin, "partner.test", given, check_only=True) == (OK, ())
    assert raw.query_forest_trust_information(plain, "partner.test") == (Status.STATUS_NOT_FOUND, None)
    assert raw.set_forest_trust_information(admin, "PARTNER.TEST", given) == (OK, ())
    status, kept = raw.query_forest_trust_information(plain, "partner.test")
    assert status is OK and kept is not None
    assert [(r.type, r.top_level_name, r.sid, r.flags) for r in kept] == [
        (0, "partner.test", "", 0),
        (2, "", "S-1-5-21-7-7-7", 0),
    ]
    assert {r.time for r in kept} == {lab.embedded.machine.authority.clock()}
    assert raw.set_forest_trust_information(admin, "partner.test", ()) == (OK, ())
    assert raw.query_forest_trust_information(plain, "partner.test") == (OK, ())


@pytest.mark.proves("lsa_logon.LsaSetForestTrustInformation")
def test_records_that_collide_are_told_and_kept_out_of_force(lab: LabAuthority, admin: secpkg.lsa.Lsa) -> None:
    ours = str(lab.embedded.machine.authority.store.domain_sid)
    partner = (
        tree("partner.test"),
        ForestTrustRecord(FOREST_TRUST_TOP_LEVEL_NAME_EX, "shared.partner.test"),
        domain("S-1-5-21-7-7-7", "partner.test", "PARTNER"),
    )
    assert raw.set_forest_trust_information(admin, "partner.test", partner) == (OK, ())
    others = (
        tree("sub.Partner.test"),
        tree("shared.partner.test"),  # they excluded it
        tree("free.test"),
        domain("S-1-5-21-7-7-7", "new.test", "partner"),
        domain(ours, "x.test", "X"),
        tree("dept.example"),
    )
    status, found = raw.set_forest_trust_information(admin, "other.test", others)
    assert status is OK and found == (
        ForestTrustCollision(0, COLLISION_TDO, LSA_TLN_DISABLED_CONFLICT, "partner.test"),
        ForestTrustCollision(3, COLLISION_TDO, LSA_SID_DISABLED_CONFLICT | LSA_NB_DISABLED_CONFLICT, "partner.test"),
        ForestTrustCollision(4, COLLISION_XREF, LSA_SID_DISABLED_CONFLICT, "EXAMPLE"),
        ForestTrustCollision(5, COLLISION_XREF, LSA_TLN_DISABLED_CONFLICT, "EXAMPLE"),
    )
    _, kept = raw.query_forest_trust_information(admin, "other.test")
    assert kept is not None and [r.flags for r in kept] == [4, 0, 0, 10, 2, 4]
    assert raw.set_forest_trust_information(admin, "partner.test", partner) == (OK, ()), "theirs is out of force"


def test_forest_trusts_that_are_refused(lab: LabAuthority, plain: secpkg.lsa.Lsa, admin: secpkg.lsa.Lsa) -> None:
    good = (tree("partner.test"),)
    assert raw.set_forest_trust_information(plain, "partner.test", good) == (Status.STATUS_ACCESS_DENIED, ())
    assert raw.set_forest_trust_information(admin, "stranger.test", good) == (Status.STATUS_NO_SUCH_DOMAIN, ())
    assert raw.query_forest_trust_information(plain, "stranger.test") == (Status.STATUS_NO_SUCH_DOMAIN, None)
    for bad in (
        tree(""),
        tree("a..b"),
        tree("x" * 256),
        tree("x\n"),
        tree("x", sid="S-1-5-21-1"),
        domain("S-1-5-21-x", "a.test", "A"),
        domain("S-1-5-21-1-1-1", "a.test", "SIXTEENCHARACTER"),
        ForestTrustRecord(9, "x"),
        "text",
    ):
        outcome = raw.set_forest_trust_information(admin, "partner.test", (bad,))  # type: ignore[arg-type]
        assert outcome == (Status.STATUS_INVALID_PARAMETER, ()), bad
    many = (tree("partner.test"),) * 1025
    assert raw.set_forest_trust_information(admin, "partner.test", many)[0] is Status.STATUS_INVALID_PARAMETER
    assert raw.query_forest_trust_information(plain, "partner.test")[0] is Status.STATUS_NOT_FOUND
    with LabAuthority() as alone, secpkg.lsa.register_logon_process("tool", alone) as lsa:
        assert raw.query_forest_trust_information(lsa, "x")[0] is Status.STATUS_INVALID_DOMAIN_STATE
        assert raw.set_forest_trust_information(lsa, "x", good)[0] is Status.STATUS_INVALID_DOMAIN_STATE


def test_the_policy_outlives_the_authority_and_damage_is_told(tmp_path: Path) -> None:
    """STATUS_INTERNAL_DB_CORRUPTION, until it is set anew."""
    path, key = tmp_path / "domain-policy", bytes(range(32))

    def opened() -> DomainPolicy:
        policy = DomainPolicy(Vault(key), 300.0)
        policy.keep_in(path)
        return policy

    first = opened()
    first.write(type(first.state)(STRICTER, EfsInfo(b"blob"), {"partner.test": (tree("partner.test"),)}))
    assert path.stat().st_mode & 0o777 == 0o600 and b"partner" not in path.read_bytes()
    assert opened().state == first.state
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    damaged = opened()
    with pytest.raises(SecurityError) as caught:
        damaged.state  # noqa: B018 - the property is the call
    assert caught.value.status is Status.STATUS_INTERNAL_DB_CORRUPTION
    damaged.write(damaged.fresh())
    assert opened().state.kerberos == KerberosTicketInfo()
    path.unlink()
    path.mkdir()
    unwritable = opened()
    with pytest.raises(SecurityError, match="domain_policy_unwritable"):
        unwritable.write(unwritable.fresh())
