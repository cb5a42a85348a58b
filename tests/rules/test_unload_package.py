"""UnloadPackage (R39): a package takes itself out of service, in the middle of a call or while it loads."""

from __future__ import annotations

import pytest
from tests.rules.asking import Asker, Asking
from tests.rules.packages import Badge, module

import secpkg
from secpkg.contract import (
    Call,
    Complete,
    ContextRequest,
    Continue,
    CredentialUse,
    LsaFunctions,
    SecurityError,
    Status,
    Step,
)
from secpkg.ipc.schema import (
    AcceptContext,
    AcquireCredentials,
    CredentialsAcquired,
    DeleteContext,
    Done,
    Failed,
    FreeCredentials,
    Stepped,
)
from secpkg.testing import LabAuthority
from secpkg.testing.lab import described


class Faulty(Asker):
    """Has a fault that nothing recovers, at the leg whose token says so."""

    deleted = 0

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        if request.token == b"fault":
            await self.authority.unload_package()
            await self.authority.unload_package()  # it always succeeds
            return Complete({}, b"last words")
        return Continue(b"more", {})

    async def delete_context(self, call: Call, context: object) -> None:
        self.deleted += 1


def listed(asking: Asking) -> list[str]:
    return [package.name for package in asking.lab.embedded.machine.directory.enumerate()]


@pytest.mark.proves("lsa_secpkg.UnloadPackage")
@pytest.mark.breaks("R39", "secpkg.runtime.lsa_module:LsaModule.unload")
def test_R39_a_package_that_unloads_itself_is_out_of_service_and_the_listing_says_why() -> None:
    package = Faulty()
    with Asking(package) as asking:
        machine = asking.lab.embedded.machine
        asking.lab.embedded.add_module(described(module(Badge())))
        link = asking.lab.link()
        opened, channel = link.open_channel("Asker", 0)
        acquired = channel.call(AcquireCredentials(1, opened.package, int(CredentialUse.BOTH), None, None, b""))
        assert isinstance(acquired, CredentialsAcquired)
        waiting = channel.call(AcceptContext(2, acquired.credential, 0, b"begin"))
        assert isinstance(waiting, Stepped) and waiting.context
        last = channel.call(AcceptContext(3, acquired.credential, 0, b"fault"))
        assert isinstance(last, Stepped) and last.token == b"last words", "the call in which it happens goes to its end"
        assert listed(asking) == ["Badge"], "its siblings live"
        entry = machine.directory.entry(opened.package)
        assert (entry.state, entry.reason) == ("broken", "the package unloaded itself")
        for number, context in ((4, waiting.context), (5, 0)):
            refused = channel.call(AcceptContext(number, acquired.credential, context, b"more"))
            assert isinstance(refused, Failed) and refused.status == Status.SEC_E_SECPKG_NOT_FOUND
        assert isinstance(channel.call(DeleteContext(6, waiting.context)), Done)
        assert isinstance(channel.call(FreeCredentials(7, acquired.credential)), Done)
        link.close()
        with pytest.raises(SecurityError) as caught:
            secpkg.lsa.connect(asking.lab).call_authentication_package(opened.package, b"")
        assert caught.value.status is Status.STATUS_NO_SUCH_PACKAGE
    assert "shutdown" not in package.found, "a fault that nothing recovers is not asked to end in order"


def test_R39_a_package_that_unloads_itself_while_it_loads_is_broken() -> None:
    package = Asker()

    async def at_start(authority: LsaFunctions) -> object:
        await authority.unload_package()
        return None

    package.at_start = at_start
    with LabAuthority(modules=[module(package)]) as lab:
        directory = lab.embedded.machine.directory
        assert directory.enumerate() == ()
        (entry,) = directory.entries()
        assert (entry.name, entry.state, entry.reason) == ("Asker", "broken", "the package unloaded itself")
