"""``[settings.MODULE]`` of ``authority.toml``: what a module is told by its operator, and what it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.daemon.harness import PASSWORD, running
from tests.daemon.modules import write_module
from tests.daemon.test_logon_settings import restarted

import secpkg
from secpkg.contract import SecurityError, Status
from secpkg.runtime.config import Settings, read_settings
from secpkg.runtime.state import StateFault

TOLD = """
import json


class Told(Package):
    async def initialize(self, package_id, parameters, authority):
        self.settings = parameters.settings

    async def call_package_untrusted(self, call, submit_buffer):
        return ProtocolReply(json.dumps(self.settings, sort_keys=True).encode())


def initialize(version):
    return tables(Told({name!r}))
"""
SETTINGS = """
[settings.told]
text = "a word"
number = 7
real = 0.5
yes = true
words = ["one", "two"]
[settings.ntlm]
computer_name = "here"
max_skew = 60
service_names = ["HTTP/here"]
"""


def outcome(address: str, target: str) -> Status:
    with (
        secpkg.Client("NTLM", username="alice", password=PASSWORD, target=target, authority=address) as initiator,
        secpkg.Server("NTLM", authority=address) as acceptor,
    ):
        challenge = acceptor.step(initiator.step())
        token = initiator.step(challenge)
        try:
            acceptor.step(token)
        except SecurityError as error:
            return error.status
    return Status.SEC_E_OK


@pytest.mark.slow
def test_a_module_is_told_its_own_settings_and_no_other() -> None:
    with running() as daemon:
        path = write_module(daemon.directory.parent / "modules", "told", TOLD)
        daemon.manage("packages.add", module="told", path=path)
        with secpkg.lsa.connect(daemon.address) as lsa:
            assert lsa.call_authentication_package("told", b"").data == b"{}"
        assert outcome(daemon.address, "HTTP/there") is Status.SEC_E_OK
        restarted(daemon, SETTINGS)
        with secpkg.lsa.connect(daemon.address) as lsa:
            assert lsa.call_authentication_package("told", b"").data == (
                b'{"number": 7, "real": 0.5, "text": "a word", "words": ["one", "two"], "yes": true}'
            )
        assert outcome(daemon.address, "HTTP/there") is Status.SEC_E_LOGON_DENIED
        assert outcome(daemon.address, "HTTP/here") is Status.SEC_E_OK
        restarted(daemon, '[settings.ntlm]\nmax_skew = "an hour"\n')
        (found,) = [row for row in daemon.manage("packages.list") if row["module"] == "ntlm"]
        assert found["state"] == "broken" and "max_skew" in found["reason"], "NTLM is out, the authority is not"
        with pytest.raises(SecurityError):
            secpkg.Server("NTLM", authority=daemon.address)


def test_settings_are_values_that_toml_has(tmp_path: Path) -> None:
    path = tmp_path / "authority.toml"
    path.write_text(SETTINGS)
    path.chmod(0o600)
    assert read_settings(path).settings["ntlm"]["service_names"] in (["HTTP/here"], ("HTTP/here",))
    for wrong in (
        "[settings]\nntlm = 1\n",
        "[settings.ntlm]\nwhen = 1979-05-27\n",
        "[settings.ntlm]\nmore = {a = 1}\n",
    ):
        path.write_text(wrong)
        with pytest.raises(StateFault):
            read_settings(path)
    path.unlink()
    assert read_settings(path) == Settings()
