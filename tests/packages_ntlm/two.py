"""Two authorities that pass questions on to each other: alice is of EXAMPLE; zoe is of OTHER, and EXAMPLE knows of her
through it alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypedDict

from tests.packages_ntlm.world import DOMAIN, PASSWORD, lab_with
from tests.runtime.certificates import Ca

from secpkg.authority.policy import Policy
from secpkg.runtime.config import PassthroughConfig, PassthroughDomain
from secpkg.runtime.passthrough import EmbeddedPassthrough
from secpkg.testing import LabAuthority

ELSEWHERE: Final = "OTHER"


class Named(TypedDict):
    """Somebody's name."""

    username: str
    domain: str


ZOE: Named = {"username": "zoe", "domain": ELSEWHERE}


class Two:
    """EXAMPLE, which asks, and OTHER, which is asked; ``part`` takes OTHER away. ``theirs`` is what EXAMPLE is told
    of OTHER's SID: None for the truth.
    """

    def __init__(self, directory: Path, *, cached: int = 0, theirs: str | None = None) -> None:
        ca = Ca(directory)
        self.there = lab_with(domain=ELSEWHERE)
        self.there.add_user("zoe", password=PASSWORD, groups=("keepers",))
        foreign = Policy(allow_foreign_principals=True)
        self.here = lab_with({"cached_logons": cached}, policy=foreign)
        self._answering = self._joined(self.there, ca, "other", DOMAIN, "127.0.0.1:1", "", "127.0.0.1:0")
        assert self._answering.address is not None
        host, port = self._answering.address
        sid = str(self.there.embedded.machine.authority.store.domain_sid) if theirs is None else theirs
        self._joined(self.here, ca, "example", ELSEWHERE, f"{host}:{port}", sid, "")

    def _joined(
        self, lab: LabAuthority, ca: Ca, name: str, domain: str, address: str, sid: str, listen: str
    ) -> EmbeddedPassthrough:
        certificate, key = ca.issue(f"{name}.test")
        config = PassthroughConfig(
            certificate=certificate,
            key=key,
            authorities=str(ca.path),
            domains={domain: PassthroughDomain(address=address, name=f"{domain.lower()}.test", sid=sid)},
            listen=listen,
            handshake_limit=10.0,
            call_limit=10.0,
        )
        return lab.embedded.use_passthrough(config)

    def part(self) -> None:
        self._answering.close()

    def close(self) -> None:
        self.here.close()
        self.there.close()
