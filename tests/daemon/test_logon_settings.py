"""What the operator says of logons in ``authority.toml``, and what the authority keeps of its Policy over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.daemon.harness import PASSWORD, Daemon, running

import secpkg
from secpkg.contract import Status
from secpkg.contract.domain_policy import FOREST_TRUST_TOP_LEVEL_NAME, ForestTrustRecord, KerberosTicketInfo
from secpkg.contract.values import QuotaLimits
from secpkg.lsa import raw
from secpkg.runtime.config import LogonConfig, Settings, read_settings
from secpkg.runtime.state import StateFault

OK, KERBEROS = Status.STATUS_SUCCESS, 3
STRICTER = KerberosTicketInfo(0, 600.0, 3600.0, 7200.0, 60.0)
PARTNER = ForestTrustRecord(FOREST_TRUST_TOP_LEVEL_NAME, "partner.test")
SETTINGS = """
[logon]
winnt50_provider = "Hello"
trusted_domains = ["partner.test"]
[logon.quotas]
pagefile_limit = 1_000_000
time_limit = 60.0
"""


def restarted(daemon: Daemon, settings: str = "") -> None:
    daemon.stop()
    if settings:
        path = daemon.directory / "authority.toml"
        path.write_text(settings)
        path.chmod(0o600)
    daemon.start()


@pytest.mark.slow
def test_the_operators_word_and_what_outlives_the_daemon() -> None:
    with running() as daemon:
        with secpkg.lsa.register_logon_process("tests", daemon.address) as lsa:
            assert raw.query_forest_trust_information(lsa, "x")[0] is Status.STATUS_INVALID_DOMAIN_STATE
            assert raw.logon_user_w("alice", ".", PASSWORD, 2, 3, authority=lsa) == (False, 1364, None)
        restarted(daemon, SETTINGS)
        with secpkg.lsa.register_logon_process("tests", daemon.address) as lsa:
            done, error, made = raw.logon_user_ex("alice", ".", PASSWORD, 2, 3, authority=lsa)
            assert (done, error) == (True, 0) and made is not None
            assert made.quota_limits == QuotaLimits(pagefile_limit=1_000_000, time_limit=60.0)
            assert raw.free_return_buffer(made.profile_buffer) is OK
            made.token.close()
            assert raw.set_forest_trust_information(lsa, "partner.test", [PARTNER]) == (OK, ())
            assert raw.set_domain_information_policy(lsa, KERBEROS, STRICTER) is OK
        with secpkg.lsa.connect(daemon.address) as lsa:
            assert raw.set_domain_information_policy(lsa, KERBEROS, STRICTER) is Status.STATUS_ACCESS_DENIED
        restarted(daemon)
        with secpkg.lsa.connect(daemon.address) as lsa:
            assert raw.query_domain_information_policy(lsa, KERBEROS) == (OK, STRICTER)
            status, records = raw.query_forest_trust_information(lsa, "partner.test")
            assert status is OK and records is not None
            assert [record.top_level_name for record in records] == ["partner.test"]


def test_token_groups_over_a_connection_that_ends_with_its_token() -> None:
    with running() as daemon:
        outcome = raw.logon_user_ex_ex_w(
            "alice", "EXAMPLE", PASSWORD, 2, 0, ["S-1-5-21-1-2-3-4"], authority=daemon.address
        )
        done, error, made = outcome
        assert (done, error) == (True, 0) and made is not None, outcome
        assert "S-1-5-21-1-2-3-4" in made.token.groups
        made.token.close()
        daemon.until(lambda: daemon.manage("authority.status")["connections"] == 1)


@pytest.mark.parametrize(
    "settings", ["[logon]\nprovider = 'x'\n", "[logon.quotas]\ntime_limit = -1\n", "[logon]\ntrusted_domains = 'x'\n"]
)
def test_settings_that_are_not_understood(tmp_path: Path, settings: str) -> None:
    path = tmp_path / "authority.toml"
    assert read_settings(path) == Settings() and Settings().logon == LogonConfig()
    path.write_text(settings)
    path.chmod(0o600)
    with pytest.raises(StateFault):
        read_settings(path)
