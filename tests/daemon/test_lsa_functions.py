"""LSA functions of the authority from a real worker: memory of the client, and UnloadPackage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.daemon.harness import Daemon, Ends, answered, refused, running
from tests.daemon.modules import write_module

from secpkg.contract import Status
from secpkg.ipc import schema
from secpkg.ipc.link import next_id

MODULE = """
class Memory(Package):
    async def accept_lsa_mode_context(self, call, credential, context, request):
        if request.token == b"unload":
            await self.authority.unload_package()
            return Complete([], b"last words")
        try:
            await self.authority.allocate_client_buffer(12 * 1024 * 1024)
        except SecurityError as refused:
            return Continue(refused.status.name.encode(), [])
        return Continue(b"allocated", [])

    async def call_package_untrusted(self, call, submit_buffer):
        lsa = self.authority
        sent = await lsa.copy_from_client_buffer(call.client_buffer_base, len(submit_buffer))
        assert sent == submit_buffer
        address = await lsa.allocate_client_buffer(len(sent))
        await lsa.copy_to_client_buffer(address, sent[::-1])
        return ProtocolReply(client_buffer=address)


def initialize(version):
    return tables(Memory("Memory"), Package("Sibling"))
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running(hello=False) as daemon:
        place = daemon.directory.parent / "modules"
        write_module(place, "memory", MODULE)
        added = daemon.manage("packages.add", module="memory", path=str(place))
        assert added["state"] == "loaded", added
        yield daemon


def test_a_reply_is_a_buffer_of_the_client_R79_R124_R125(daemon: Daemon) -> None:
    authority = daemon.link()
    package = answered(schema.PackageNumber, authority.call(schema.LookupPackage(next_id(), "Memory"))).package
    reply = authority.call(schema.CallPackage(next_id(), package, b"what was sent"))
    assert answered(schema.PackageAnswered, reply).data == b"what was sent"[::-1]
    authority.close()


def test_what_a_leg_leaves_behind_is_freed_at_its_end_R127(daemon: Daemon) -> None:
    """Two of these buffers are more than the quota of a user."""
    authority = daemon.link()
    ends = Ends(authority, "Memory")
    for _ in range(3):
        assert ends.accept(0, b"").token == b"allocated"
    ends.close()
    authority.close()


def test_a_package_unloads_itself_and_its_sibling_serves_R39(daemon: Daemon) -> None:
    authority = daemon.link()
    worker = daemon.worker("memory")
    ends, sibling = Ends(authority, "Memory"), Ends(authority, "Sibling")
    waiting = ends.accept(0, b"")
    assert ends.accept(0, b"unload").token == b"last words"
    request = schema.AcceptContext(next_id(), ends.server, waiting.context, b"", 0)
    assert refused(ends.channel.call(request))[0] is Status.SEC_E_SECPKG_NOT_FOUND
    assert sibling.accept(0, b"x").token == b"x"
    listed = {package["name"]: (package["state"], package["reason"]) for package in daemon.packages("memory")}
    assert listed == {"Memory": ("broken", "the package unloaded itself"), "Sibling": ("loaded", "")}
    assert daemon.worker("memory") == worker
    ends.close()
    sibling.close()
    authority.close()
