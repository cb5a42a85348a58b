"""Section G of the rules, where the authority answers: memory of the client. The host's part is `test_section_g_host`.

What SSPI gives an application is the application's own, whatever package made it (R134, R135).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.rules.asking import Asker, Asking
from tests.rules.packages import Badge as _Badge
from tests.rules.packages import badge, lab_of, module

import secpkg
from secpkg.authority.policy import Policy
from secpkg.contract import (
    Acquired,
    Call,
    Complete,
    ContextRequest,
    CredentialUse,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LsaFunctions,
    PackageInfo,
    ProtocolReply,
    SecurityError,
    Status,
    Step,
)
from secpkg.contract.lsa_mode.ssp import UserInfo
from secpkg.ipc.schema import AcceptContext, AcquireCredentials, CredentialsAcquired, Stepped
from secpkg.sspi import raw
from secpkg.sspi.user_info import get_user_info
from secpkg.testing import LabAuthority

Script = Callable[[LsaFunctions, Call, bytes], Awaitable[ProtocolReply]]
BAD = Status.STATUS_INVALID_PARAMETER


class Talker(_Badge):
    """Answers LsaCallAuthenticationPackage as a script says."""

    script: Script

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        return await self.script(self.authority, call, submit_buffer)

    def ask(self, lab: LabAuthority, script: Script, sent: bytes = b"") -> bytes:
        self.script = script
        return secpkg.lsa.connect(lab).call_authentication_package(self.info.name, sent).data


def taken(lab: LabAuthority) -> int:
    """Bytes charged to this process's user."""
    authority = lab.embedded.machine.authority
    return authority.quotas.taken(authority.itself.uid, "bytes")


async def status(call: Awaitable[object]) -> Status:
    try:
        await call
    except SecurityError as failed:
        return failed.status
    return Status.STATUS_SUCCESS


async def filled(lsa: LsaFunctions, data: bytes) -> int:
    address = await lsa.allocate_client_buffer(len(data))
    await lsa.copy_to_client_buffer(address, data)
    return address


@pytest.mark.breaks("R124", "secpkg.authority.client_memory:ClientMemory.take")
@pytest.mark.breaks("R79", "secpkg.authority.client_memory:ClientMemory.take")
def test_R124_R79_the_reply_is_a_buffer_of_the_client_and_its_address_no_memory_of_the_lsa() -> None:
    package = Talker()
    addresses: list[int] = []

    async def answer(lsa: LsaFunctions, call: Call, sent: bytes) -> ProtocolReply:
        addresses.append(await filled(lsa, b"the answer"))
        return ProtocolReply(client_buffer=addresses[-1])

    async def later(lsa: LsaFunctions, call: Call, sent: bytes) -> ProtocolReply:
        return ProtocolReply((await status(lsa.copy_from_client_buffer(addresses[0], 1))).name.encode())

    with lab_of(package) as lab:
        before = taken(lab)
        assert package.ask(lab, answer) == b"the answer"
        assert package.ask(lab, later) == b"STATUS_INVALID_PARAMETER", "in another call it is nobody's address"
        assert taken(lab) - before <= len(b"the answer") * 2 + 128, "what is left is the application's to free"


@pytest.mark.breaks("R125", "secpkg.authority.client_memory:ClientMemory.write")
def test_R125_client_memory_is_filled_and_read_by_copies() -> None:
    package = Talker()

    async def answer(lsa: LsaFunctions, call: Call, sent: bytes) -> ProtocolReply:
        address = await filled(lsa, b"12345678")
        await lsa.copy_to_client_buffer(address + 2, b"xy")
        part = await lsa.copy_from_client_buffer(address + 1, 4)
        return ProtocolReply(part + await lsa.copy_from_client_buffer(call.client_buffer_base + 5, 3))

    with lab_of(package) as lab:
        assert package.ask(lab, answer, b"what the application sent") == b"2xy5" + b"the"


@pytest.mark.breaks("R126", "secpkg.authority.client_memory:ClientMemory._allocated")
def test_R126_null_is_freed_and_what_would_crash_the_client_is_refused() -> None:
    package = Talker()

    async def answer(lsa: LsaFunctions, call: Call, sent: bytes) -> ProtocolReply:
        address = await filled(lsa, b"x")
        await lsa.free_client_buffer(0)
        wrong = [await status(lsa.free_client_buffer(a)) for a in (address + 1, call.client_buffer_base, 4711)]
        await lsa.free_client_buffer(address)
        wrong.append(await status(lsa.free_client_buffer(address)))
        assert wrong == [BAD] * 4
        return ProtocolReply(b"crashed nobody")

    with lab_of(package) as lab:
        assert package.ask(lab, answer, b"sent") == b"crashed nobody"


@pytest.mark.breaks("R127", "secpkg.authority.quotas:Quotas.take")
def test_R127_the_clients_quota_is_the_limit() -> None:
    package = Talker()

    async def answer(lsa: LsaFunctions, call: Call, sent: bytes) -> ProtocolReply:
        await lsa.allocate_client_buffer(100_000)
        assert await status(lsa.allocate_client_buffer(100_000)) is Status.STATUS_NO_MEMORY
        return ProtocolReply(b"refused")

    with LabAuthority(modules=[module(package)], policy=Policy(bytes_per_uid=200_000)) as lab:
        assert package.ask(lab, answer) == b"refused"
        assert package.ask(lab, answer) == b"refused", "the first call has given back what it took"


@pytest.mark.breaks("R130", "secpkg.authority.targets:Origin.memory")
def test_R130_the_request_is_the_call_itself_and_nothing_to_look_into() -> None:
    """PLSA_CLIENT_REQUEST is no parameter: two clients at a time have memory of their own, each in its own call."""
    package = Talker()

    async def inner(lsa: LsaFunctions, call: Call, sent: bytes) -> ProtocolReply:
        return ProtocolReply(await lsa.copy_from_client_buffer(call.client_buffer_base, len(sent)))

    async def outer(lsa: LsaFunctions, call: Call, sent: bytes) -> ProtocolReply:
        seen = await lsa.copy_from_client_buffer(call.client_buffer_base, len(sent))
        other = package.ask(lab, inner, b"second")  # another connection, while this call runs
        return ProtocolReply(seen + other + await lsa.copy_from_client_buffer(call.client_buffer_base, len(sent)))

    with lab_of(package) as lab:
        assert package.ask(lab, outer, b"first") == b"first" + b"second" + b"first"


class Profiles(_Badge):
    """Hands a profile over as a buffer of the client."""

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        self.result = {"client_buffer": await filled(self.authority, b"the profile")}
        return await super().logon_user_ex2(call, request)


@pytest.mark.breaks("R50", "secpkg.authority.client_memory:ClientMemory.take")
def test_R50_the_profile_is_a_buffer_of_the_client() -> None:
    with lab_of(Profiles()) as lab:
        assert badge(lab).profile == b"the profile"


def test_R127_what_a_leg_allocates_is_freed_at_its_end() -> None:
    """The authority does not see the end of a call on an application's channel: the host says it."""

    async def script(lsa: LsaFunctions, call: Call, request: ContextRequest) -> object:
        assert call.client_buffer_base == 0
        await filled(lsa, b"left behind")
        second = await filled(lsa, b"freed")
        await lsa.free_client_buffer(second)
        return taken(asking.lab)

    with Asking() as asking:
        before = taken(asking.lab)
        for _ in range(2):
            charged = asking.accept(script)
            assert isinstance(charged, int) and charged > before
            assert taken(asking.lab) == before


class Packs(Asker):
    """Packs a context from a block of the LSA's heap."""

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        block = await self.authority.allocate_lsa_heap(16)
        block[:] = b"\x01\x02acceptor's keys"[:16]
        packed = bytes(block)
        block[:] = bytes(16)
        await self.authority.free_lsa_heap(block)
        return Complete({}, b"", packed_context=packed)


@pytest.mark.breaks("R132", "secpkg.runtime.applications:stepped")
def test_R132_the_packed_context_is_copied_to_the_client() -> None:
    """What the package does to its block afterwards changes nothing of what the application has."""
    with Asking(Packs()) as asking:
        link = asking.lab.link()
        opened, channel = link.open_channel("Asker", 0)
        acquired = channel.call(AcquireCredentials(1, opened.package, int(CredentialUse.BOTH), None, None, b""))
        assert isinstance(acquired, CredentialsAcquired)
        stepped = channel.call(AcceptContext(2, acquired.credential, 0, b"token"))
        assert isinstance(stepped, Stepped)
        assert stepped.packed_context == b"\x01\x02acceptor's keys"[:16]
        link.close()


class Knows(Asker):
    """Says who a session is, and keeps what it said."""

    info_of_user = UserInfo("alice", "EXAMPLE", "SERVER", "S-1-5-21-1-2-3-1000")

    async def get_user_info(self, call: Call, logon_id: int, flags: int) -> UserInfo:
        return self.info_of_user

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        return Acquired({"name": principal})


@pytest.mark.breaks("R134", "secpkg.sspi.user_info:_ask")
@pytest.mark.breaks("R135", "secpkg.sspi.raw.contexts:free_context_buffer")
def test_R134_R135_what_sspi_gives_is_the_applications_to_free_whatever_package_made_it() -> None:
    with Asking(Knows()) as asking:
        status_, packages = raw.enumerate_security_packages(asking.lab)
        assert status_ is Status.SEC_E_OK
        status_, info = raw.query_security_package_info("Asker", asking.lab)
        assert status_ is Status.SEC_E_OK and isinstance(info, PackageInfo)
        user = get_user_info("Asker", 0x77, authority=asking.lab)
        assert user == Knows.info_of_user
    # The authority is gone, and its packages with it: all of this is the application's own.
    assert [package.name for package in packages] == [info.name] == ["Asker"]
    assert (user.user_name, user.logon_domain_name) == ("alice", "EXAMPLE")
    for buffer in (packages, info, user, None):
        assert raw.free_context_buffer(buffer) is Status.SEC_E_OK
