"""NTLM over two daemons: the account of one authority, met at the other (R244)."""

from __future__ import annotations

import contextlib

import pytest
from tests.daemon.harness import PASSWORD, directories
from tests.daemon.test_passthrough_daemons import daemon, free_port
from tests.runtime.certificates import Ca

import secpkg
from secpkg.contract import LogonType, SecurityError, Status

FOREIGN = """
        [logon]
        allow_foreign_principals = true
"""


def met(address: str, password: str = PASSWORD) -> str:
    with (
        secpkg.Client("NTLM", username="zoe", domain="OTHER", password=password, authority=address) as client,
        secpkg.Server("NTLM", authority=address) as server,
    ):
        challenge = server.step(client.step())
        server.step(client.step(challenge))
        assert server.decrypt(client.encrypt(b"sealed")) == b"sealed"
        return f"{server.peer} {server.access_token.account_name}"


@pytest.mark.slow
def test_an_account_of_another_authority_is_met_and_logs_on() -> None:
    with directories() as place:
        place.chmod(0o755)
        ca, here_port, other_port = Ca(place), free_port(), free_port()
        with contextlib.ExitStack() as stays:
            with contextlib.ExitStack() as goes:
                other = goes.enter_context(daemon(place, ca, "OTHER", other_port, "HERE", here_port))
                sid = str(other.manage("authority.status")["domain_sid"])
                here = stays.enter_context(daemon(place, ca, "HERE", here_port, "OTHER", other_port, FOREIGN, sid))
                other.manage("accounts.add", name="zoe", groups=(), password=PASSWORD)
                assert met(here.address) == "OTHER\\zoe zoe"
                for _ in range(2):
                    with pytest.raises(SecurityError) as caught:
                        met(here.address, "wrong")
                    assert caught.value.status is Status.SEC_E_LOGON_DENIED
                with (
                    secpkg.lsa.connect(here.address) as lsa,
                    lsa.logon_user(
                        "NTLM", LogonType.INTERACTIVE, username="zoe", domain="OTHER", password=PASSWORD
                    ) as logon,
                    logon.session(),
                    secpkg.Client("NTLM", authority=here.address) as client,
                    secpkg.Server("NTLM", authority=here.address) as server,
                ):
                    challenge = server.step(client.step())
                    server.step(client.step(challenge))
                    assert server.peer == "OTHER\\zoe"
                other.manage("accounts.disable", name="zoe")
                with pytest.raises(SecurityError) as caught:
                    met(here.address)
                assert caught.value.status is Status.STATUS_ACCOUNT_RESTRICTION
            with pytest.raises(SecurityError) as caught:
                met(here.address)
            assert caught.value.status is Status.STATUS_NO_LOGON_SERVERS
