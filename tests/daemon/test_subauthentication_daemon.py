"""A routine and a filter in workers of their own."""

from __future__ import annotations

import pytest
from tests.daemon.harness import PASSWORD, Daemon, Ends, add_hello, answered, directories, refused
from tests.daemon.modules import write_module

from secpkg.contract import LogonRequest, LogonType, Status
from secpkg.contract import subauthentication as subauth
from secpkg.ipc import schema
from secpkg.ipc.link import next_id

_CARD = """
from secpkg.contract.subauthentication import SUBAUTH_PACKAGE, SubAuthResult, SubAuthResultEx, ValidationInfo


class Card(Package):
    async def call_package(self, call, submit_buffer):
        return await self.authority.call_package(SUBAUTH_PACKAGE, submit_buffer)

    async def msv1_0_sub_authentication_routine(self, call, logon_level, logon_information, flags, user_all):
        right = logon_information.nt_challenge_response == logon_information.lm_challenge[::-1]
        return SubAuthResult(Status.STATUS_SUCCESS if right else Status.STATUS_WRONG_PASSWORD, right)

    async def msv1_0_sub_authentication_routine_ex(
        self, call, logon_level, logon_information, flags, user_all, user_handle, validation_info
    ):
        account = await self.authority.get_user_auth_data(user_handle)
        return SubAuthResultEx(validation=ValidationInfo(logon_server=account.account_name))

    async def msv1_0_sub_authentication_routine_generic(self, call, submit_buffer):
        return submit_buffer[::-1]

    async def msv1_0_sub_authentication_filter(self, call, logon_level, logon_information, flags, user_all):
        try:
            await self.authority.open_sam_user("alice")
        except SecurityError as refused:
            return SubAuthResult(Status.STATUS_INVALID_LOGON_HOURS if refused.status == 0xC0000022 else Status(0))


def initialize(version):
    return tables(Card({name!r}))
"""


def ask(daemon: Daemon, request: subauth.SubAuthSubmit) -> schema.PackageAnswered:
    link = daemon.trusted_link()
    package = answered(schema.PackageNumber, link.call(schema.LookupPackage(next_id(), "Card"))).package
    return answered(schema.PackageAnswered, link.call(schema.CallPackage(next_id(), package, subauth.submit(request))))


@pytest.mark.slow
def test_routines_and_the_filter_serve_from_a_worker() -> None:
    with directories() as place:
        directory = place / "authority"
        directory.mkdir(mode=0o755)
        registry = directory / "registry.toml"
        registry.write_text('[subauthentication]\n0 = "Card"\n7 = "Card"\nfiltered = ["Hello"]\n')
        daemon = Daemon(directory).start()
        try:
            add_hello(daemon)
            added = daemon.manage("packages.add", module="card", path=write_module(place, "card", _CARD))
            assert added["state"] == "loaded", added
            assert "[subauthentication]" in registry.read_text(), "registering a module keeps the numbers"
            level, identity = subauth.LogonInfoClass.NETWORK_INFORMATION, subauth.LogonIdentity("alice")
            for response, status in ((b"4321", Status.STATUS_SUCCESS), (b"1234", Status.STATUS_WRONG_PASSWORD)):
                information = subauth.NetworkInfo(identity, b"1234", response)
                request = subauth.SubAuthLogon(7, LogonType.NETWORK, level, information)
                outcome = subauth.outcome_of(ask(daemon, request).data)
                assert (outcome.status, outcome.authoritative) == (status, not status.is_error)
            extended = subauth.SubAuthLogon(
                7, LogonType.NETWORK, level, subauth.NetworkInfo(identity), validation=subauth.ValidationInfo()
            )
            assert subauth.outcome_ex_of(ask(daemon, extended).data).validation.logon_server == "alice"
            assert ask(daemon, subauth.SubAuthRequest(7, b"abc")).data == b"cba"

            link = daemon.link()
            package = answered(schema.PackageNumber, link.call(schema.LookupPackage(next_id(), "Hello"))).package
            request_logon = LogonRequest(LogonType.INTERACTIVE, "alice", password=PASSWORD)
            message = schema.LogonUser(next_id(), package, request_logon)
            assert refused(link.call(message))[0] == Status.STATUS_INVALID_LOGON_HOURS, "directory traffic: refused"
            handshake = Ends(link)
            with pytest.raises(AssertionError):  # the filter sees Hello's contexts too
                handshake.handshake()
            daemon.stop()
        finally:
            daemon.close_operator()
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
