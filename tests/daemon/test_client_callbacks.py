"""ClientCallback and notifications of a real worker (R165, R249, R252): the same as embedded, over its channels."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from tests.daemon.harness import Daemon, running
from tests.daemon.modules import write_module
from tests.rules import ring

from secpkg import aio
from secpkg.contract import CredentialUse, SecBuffer, SecurityError, Status
from secpkg.sspi import raw

TOKEN = 2
NOTIFIED = """
from secpkg.contract.flags import NotifierFlag, NotifierType, NotifyClass
HEARD = []


class Notified(Package):
    async def initialize(self, package_id, parameters, authority):
        self.authority = authority
        immediate, event = NotifierType.IMMEDIATE, NotifierType.NOTIFY_EVENT
        await authority.register_notification(self.hears, "now", immediate)
        await authority.register_notification(self.hears, "change", event, NotifyClass.PACKAGE_CHANGE)
        await authority.create_thread(self.hangs, "thread")

    async def hears(self, parameter):
        domain = await self.authority.get_auth_data_for_user("alice")
        what = getattr(parameter, "event_data", None)
        HEARD.append(parameter if what is None else f"{what.change_type.name} {what.package_name}")

    def hangs(self, parameter):
        HEARD.append(parameter)

    async def call_package_untrusted(self, call, submit_buffer):
        if submit_buffer == b"hang":
            await self.authority.create_thread(lambda _: hang(), None)
        return ProtocolReply(",".join(HEARD).encode())


def hang():
    while True:
        pass


def initialize(version):
    return tables(Notified({name!r}))
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def rung(daemon: Daemon) -> Iterator[str]:
    place = daemon.directory.parent / "modules"
    name = ring.install(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        added = daemon.manage("packages.add", module=name, path=str(place))
        assert added["state"] == "loaded", added
        yield name


def leg(daemon: Daemon, name: str, token: bytes) -> tuple[Status, bytes]:
    _, credential, _ = raw.acquire_credentials_handle(None, name, CredentialUse.BOTH, authority=daemon.address)
    status, context, output, *_ = raw.accept_security_context(credential, None, [SecBuffer(TOKEN, token)], 0)
    if context is not None:
        raw.delete_security_context(context)
    raw.free_credentials_handle(credential)
    return status, bytes(output[0].data) if output else b""


def test_R165_a_worker_reaches_its_application(daemon: Daemon, rung: str) -> None:
    assert leg(daemon, rung, b"1 abc") == (Status.STATUS_NOT_FOUND, b"")
    assert leg(daemon, rung, b"map") == (Status.SEC_E_OK, b"mapped")
    assert leg(daemon, rung, b"1 abc") == (Status.SEC_E_OK, b"%d 7 %d cba" % (os.getpid(), 2**40))
    assert leg(daemon, rung, b"2 abc")[0] is Status.SEC_E_INTERNAL_ERROR
    assert leg(daemon, rung, b"5 abc")[0] is Status.STATUS_INVALID_PARAMETER
    status, answer = leg(daemon, rung, b"7 times 65536x")
    assert (status, len(answer)) == (Status.SEC_E_OK, 65_536)


def test_R165_an_application_that_goes_in_its_callback_takes_nobody_along(daemon: Daemon, rung: str) -> None:
    worker = daemon.worker(rung)
    pid = os.fork()
    if not pid:
        try:
            leg(daemon, rung, b"map")
            leg(daemon, rung, b"8 ")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the function ended the process"
    assert leg(daemon, rung, b"map") == (Status.SEC_E_OK, b"mapped")
    assert leg(daemon, rung, b"1 a")[0] is Status.SEC_E_OK
    assert daemon.worker(rung) == worker


def test_R165_an_asynchronous_application_is_reached_too(daemon: Daemon, rung: str) -> None:
    async def main() -> bytes | None:
        server = aio.Server(rung, requirements=0, authority=daemon.address)
        await server.step(b"map")
        server = aio.Server(rung, requirements=0, authority=daemon.address)
        return await server.step(b"1 abc")

    assert asyncio.run(main()) == b"%d 7 %d cba" % (os.getpid(), 2**40)


@pytest.mark.slow
def test_a_workers_packages_are_called_back(daemon: Daemon) -> None:
    import secpkg

    place = str(daemon.directory.parent / "modules")
    write_module(daemon.directory.parent / "modules", "notified", NOTIFIED)
    assert daemon.manage("packages.add", module="notified", path=place)["state"] == "loaded"
    write_module(daemon.directory.parent / "modules", "later")
    assert daemon.manage("packages.add", module="later", path=place)["state"] == "loaded"
    daemon.manage("packages.remove", name="later")
    with secpkg.lsa.connect(daemon.address) as lsa:
        expected = {"now", "thread", "LOAD Later", "UNLOAD Later"}

        def heard() -> set[str]:
            try:
                answer = lsa.call_authentication_package("Notified", b"").data
            except SecurityError:  # its worker has died
                return set()
            return set(answer.decode().split(","))

        daemon.until(lambda: expected <= heard())
        worker = daemon.worker("notified")
        lsa.call_authentication_package("Notified", b"hang")
        daemon.until(lambda: daemon.worker("notified") not in (0, None, worker))
        daemon.until(lambda: daemon.row("notified")["state"] == "loaded")
        daemon.until(lambda: {"now", "thread"} <= heard())
