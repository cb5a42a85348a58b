"""The package functions that applications reach, in a real worker: arguments, results, thunks, limits."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from tests.daemon.harness import Daemon, answered, opened, refused, running, works
from tests.daemon.modules import write_module

from secpkg.contract import AuthIdentity, CredentialUse, Status
from secpkg.contract.attributes import ContextThunks
from secpkg.ipc import schema
from secpkg.ipc.client import SocketLink
from secpkg.ipc.link import next_id

BODY = """
import struct


class Reached(Package):
    async def get_extended_information(self, information_class):
        if information_class == 2:
            return struct.pack("<2I", 1, 1)
        return b"x" * 300_000

    async def add_credentials(self, call, credential, principal, package, use, authorization_data):
        await self.authority.get_call_info()
        credential.append((principal, authorization_data.password))
        return 1000.0 + len(credential)

    async def get_credentials(self, call, credential):
        return repr(credential).encode()

def initialize(version):
    return tables(Reached({name!r}))
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        place = write_module(daemon.directory.parent / "modules", "reached", BODY)
        added = daemon.manage("packages.add", module="reached", path=place)
        assert added["state"] == "loaded", added
        yield daemon


class Caller:
    """An application with a credential."""

    def __init__(self, link: SocketLink) -> None:
        self.opened, self.channel = link.open_channel("Reached", 0)
        opened.append(self.channel.close)
        acquired = self.ask(schema.AcquireCredentials(next_id(), self.opened.package, CredentialUse.BOTH))
        self.credential = answered(schema.CredentialsAcquired, acquired).credential

    def ask(self, message: schema.ToWorker) -> schema.FromWorker:
        return self.channel.call(message)

    def call(self, function: str, *arguments: object, context: int = 0) -> schema.FromWorker:
        raw = msgspec.Raw(schema.encode(arguments))
        return self.ask(schema.CallFunction(next_id(), function, raw, self.opened.package, self.credential, context))


@pytest.fixture
def caller(daemon: Daemon) -> Caller:
    return Caller(daemon.trusted_link())


def test_arguments_and_results_travel(caller: Caller) -> None:
    reply = caller.call("add_credentials", "bob", "Reached", 2, AuthIdentity("bob", "", "secret"))
    assert msgspec.msgpack.decode(answered(schema.Answered, reply).value) == 1001.0
    kept = answered(schema.Answered, caller.call("get_credentials"))
    assert msgspec.msgpack.decode(kept.value) == b"[('bob', 'secret')]"


def test_R164_the_application_is_told_the_thunks(caller: Caller) -> None:
    thunks = ContextThunks(caller.opened.thunks)
    assert 1 in thunks and 2 not in thunks


def test_what_does_not_fit_is_refused_by_name(caller: Caller) -> None:
    status, reason = refused(caller.call("add_credentials", "bob", "Reached", 2, 7))
    assert (status, reason) == (Status.STATUS_INVALID_PARAMETER, "arguments_do_not_fit_add_credentials")
    assert refused(caller.call("initialize", 1))[0] is Status.SEC_E_UNSUPPORTED_FUNCTION


def test_an_answer_that_is_too_large_is_a_failure_and_no_end(caller: Caller, daemon: Daemon) -> None:
    assert refused(caller.call("get_extended_information", 1))[0] is Status.SEC_E_INTERNAL_ERROR
    assert isinstance(caller.call("get_credentials"), schema.Answered)
    works(daemon)


def test_what_only_the_lsa_asks_is_for_trusted_connections(daemon: Daemon) -> None:
    """Lock 2: the privilege is that of the connection."""
    assert refused(Caller(daemon.link()).call("get_credentials"))[0] is Status.STATUS_PRIVILEGE_NOT_HELD
