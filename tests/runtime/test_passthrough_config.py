"""What an operator writes about pass-through is understood or refused, before anything listens."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from msgspec import structs
from tests.runtime.certificates import Ca

from secpkg.authority import audit
from secpkg.contract import SecurityError
from secpkg.runtime.config import PassthroughConfig, PassthroughDomain, read_passthrough
from secpkg.runtime.passthrough import REFUSALS, EmbeddedPassthrough, _Refusals
from secpkg.runtime.passthrough_peers import address, peers
from secpkg.runtime.state import StateFault
from secpkg.testing import FrozenClock, LabAuthority

TABLE = """
[passthrough]
listen = "[::1]:4711"
certificate = "{0}"
key = "{1}"
authorities = "{2}"

[passthrough.domains."OTHER"]
address = "192.0.2.1:4711"
name = "other.test"
"""


@pytest.fixture
def config(tmp_path: Path) -> PassthroughConfig:
    ca = Ca(tmp_path)
    certificate, key = ca.issue("here.test")
    path = tmp_path / "authority.toml"
    path.write_text(TABLE.format(certificate, key, ca.path))
    read = read_passthrough(path)
    assert read is not None
    return read


def changed(config: PassthroughConfig, **changes: object) -> PassthroughConfig:
    fields = {name: getattr(config, name) for name in config.__struct_fields__}
    return PassthroughConfig(**{**fields, **changes})


def test_a_whole_table_is_read_and_used(config: PassthroughConfig) -> None:
    found = peers(config)
    assert (found.names, found.callers, found.listen) == (("OTHER",), {"other.test": "OTHER"}, "[::1]:4711")
    assert (found.handshake_limit, found.call_limit) == (5.0, 10.0)


def test_the_sid_of_a_domain_is_one_of_a_domain_and_of_one_domain(config: PassthroughConfig) -> None:
    other = config.domains["OTHER"]
    assert peers(config).sids == {"other": None}

    def told(*sids: str) -> PassthroughConfig:
        named = {f"OTHER{n}": structs.replace(other, name=f"other{n}.test", sid=sid) for n, sid in enumerate(sids)}
        return changed(config, domains=named)

    found = peers(told("S-1-5-21-1-2-3", "S-1-5-21-1-2-4", "", ""))
    assert list(found.sids.values()) == ["S-1-5-21-1-2-3", "S-1-5-21-1-2-4", None, None]
    wrong = ("S-1-5-21-1-2", "S-1-5-21-1-2-3-1000", "S-1-5-32-544", "S-1-5-18", "S-1-5-21-1-2-x", "nothing")
    for sids in (("S-1-5-21-1-2-3", "S-1-5-21-1-2-3"), *((sid,) for sid in wrong)):
        with pytest.raises(StateFault, match=r"passthrough\.domains\.\"OTHER\d\"\.sid"):
            peers(told(*sids))


def test_no_file_and_no_table_is_no_pass_through(tmp_path: Path) -> None:
    path = tmp_path / "authority.toml"
    assert read_passthrough(path) is None
    path.write_text("")
    assert read_passthrough(path) is None


@pytest.mark.parametrize(
    "text",
    [
        "[passthru]\n",
        "[passthrough]\n",
        "[passthrough\n",
        TABLE + 'password = "x"\n',
        TABLE.replace('name = "other.test"', ""),
        TABLE.replace("[::1]:4711", "") + "\n\xff",
        TABLE.replace("[passthrough]", "[passthrough]\ncall_limit = 0"),
        TABLE.replace("[passthrough]", "[passthrough]\nhandshake_limit = 1e9"),
    ],
)
def test_what_is_not_understood_stops_the_authority(tmp_path: Path, text: str) -> None:
    path = tmp_path / "authority.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StateFault) as caught:
        read_passthrough(path)
    assert str(path) in str(caught.value)


def test_a_file_that_others_can_write_or_that_is_a_link_is_not_believed(tmp_path: Path) -> None:
    path, link = tmp_path / "authority.toml", tmp_path / "link.toml"
    path.write_text(TABLE)
    link.symlink_to(path)
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o020)
    for each in (path, link):
        with pytest.raises(StateFault):
            read_passthrough(each)


@pytest.mark.parametrize(
    "text", ["", "host:4711", "192.0.2.1", "192.0.2.1:70000", "::1:4711", "[192.0.2.1]:1", "1.2.3.4:x", "[::1%lo]:-1"]
)
def test_addresses_are_numbers(text: str) -> None:
    with pytest.raises(StateFault):
        address(text, "here")


def test_domains_have_a_name_each_that_nobody_shares(config: PassthroughConfig) -> None:
    def domain(name: str, at: str = "192.0.2.1:1") -> PassthroughDomain:
        return PassthroughDomain(address=at, name=name)

    for domains in (
        {},
        {"A": domain("")},
        {"A": domain("*.test")},
        {"A": domain("a.test"), "B": domain("A.TEST")},
        {"A": domain("a.test"), "a": domain("b.test")},
        {"": domain("a.test")},
        {"A\\B": domain("a.test")},
        {"A": domain("a.test", "a.test:1")},
    ):
        with pytest.raises(StateFault):
            peers(changed(config, domains=domains))


def test_certificate_key_and_ca_must_be_usable_and_the_key_private(config: PassthroughConfig, tmp_path: Path) -> None:
    other = Ca(tmp_path, "second").issue("second.test")
    for changes in (
        {"certificate": "here.crt"},
        {"certificate": str(tmp_path / "missing.crt")},
        {"certificate": other[0]},
        {"authorities": config.key},
        {"key": str(tmp_path / "missing.key")},
    ):
        with pytest.raises(StateFault):
            peers(changed(config, **changes))
    Path(config.key).chmod(0o640)
    with pytest.raises(StateFault, match="chmod 600"):
        peers(config)


def test_what_cannot_be_listened_on_is_told_and_nothing_stays_behind(config: PassthroughConfig) -> None:
    with LabAuthority() as lab:
        with pytest.raises(StateFault):
            lab.embedded.use_passthrough(changed(config, listen="192.0.2.1:1"))
        made = lab.embedded.use_passthrough(changed(config, listen="127.0.0.1:0"))
        assert isinstance(made, EmbeddedPassthrough) and made.address is not None and made.address[1] > 0
        with pytest.raises(SecurityError):
            lab.embedded.use_passthrough(config)


def test_a_flood_of_refused_connections_does_not_fill_the_record() -> None:
    clock = FrozenClock()
    with LabAuthority(clock=clock) as lab:
        authority = lab.embedded.machine.authority
        refusals = _Refusals(lab.embedded.machine.service)
        for _ in range(REFUSALS + 5):
            refusals("192.0.2.9", "tls_http_request")
        clock.advance(61.0)
        refusals("192.0.2.9", "deadline")
        records = audit.read(authority.audit.lines(), audit.derive_key(authority.vault))
        found = [record.facts for record in records if record.event == "passthrough_refused"]
    assert len(found) == REFUSALS + 1 and (found[0]["left_out"], found[-1]["left_out"]) == (0, 5)
