"""Section D of the rules: later requests, which reach a package through LsaCallAuthenticationPackage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.authority.world import ROOT, USER, World
from tests.rules.packages import Badge, badge, lab_of, records

import secpkg
from secpkg.contract import Call, LogonType, ProtocolReply, SecurityError, Status, SupplementalCredential
from secpkg.contract.values import PrimaryCredential
from secpkg.lsa import raw
from secpkg.testing import LabAuthority

OK = Status.STATUS_SUCCESS
SYSTEM = 0x3E7
Script = Callable[["Later", Call, bytes], Awaitable[object]]


class Later(Badge):
    """Does for untrusted callers what the script says, and answers with what came of it."""

    def __init__(self, script: Script, name: str = "Badge") -> None:
        super().__init__(name)
        self.script = script
        self.refused: list[tuple[Status, str]] = []
        self.accepted: list[tuple[PrimaryCredential, SupplementalCredential | None]] = []
        self.found: list[object] = []

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        try:
            found = await self.script(self, call, submit_buffer)
        except SecurityError as error:
            self.refused.append((error.status, error.reason))
            raise
        self.found.append(found)
        return found if isinstance(found, ProtocolReply) else ProtocolReply()

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> SupplementalCredential | None:
        self.accepted.append((primary, supplemental))
        return None


class Callee(Badge):
    """Another package, that is called by the first one."""

    def __init__(self, name: str = "Callee") -> None:
        super().__init__(name)
        self.seen: list[tuple[str, bytes, int]] = []

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        self.seen.append(("call_package", submit_buffer, call.client_buffer_base))
        return ProtocolReply(b"answer to " + submit_buffer, Status.STATUS_MORE_ENTRIES)

    async def call_package_passthrough(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        self.seen.append(("call_package_passthrough", submit_buffer, call.client_buffer_base))
        return ProtocolReply(submit_buffer)


def ask(lab: LabAuthority, data: bytes = b"", package: str = "Badge") -> tuple[Status, ProtocolReply | None]:
    """LsaCallAuthenticationPackage over an untrusted connection."""
    _, handle = raw.connect_untrusted(lab)
    assert handle is not None
    with handle:
        number = raw.lookup_authentication_package(handle, package)[1]
        return raw.call_authentication_package(handle, number, data)


@pytest.mark.breaks("R75", "secpkg.authority.connections:Connection.trusted")
def test_R75_the_connection_selects_the_function() -> None:
    package = Badge()
    with lab_of(package) as lab:
        _, plain = raw.connect_untrusted(lab)
        _, trusted, _ = raw.register_logon_process("tests", lab)
        assert plain is not None and trusted is not None
        number = raw.lookup_authentication_package(plain, "Badge")[1]
        for handle in (trusted, plain):
            assert raw.call_authentication_package(handle, number, b"")[0] is OK
            handle.close()
        assert package.calls[-2:] == ["call_package", "call_package_untrusted"]


@pytest.mark.breaks("R76", "secpkg.authority.connections:ConnectionTable._register")
@pytest.mark.breaks("R84", "secpkg.authority.connections:ConnectionTable._register")
def test_R76_R84_a_trusted_connection_needs_the_privilege_and_another_nothing() -> None:
    world = World()
    with pytest.raises(SecurityError) as caught:
        world.lsa.connections.open(USER, "login")
    assert caught.value.status is Status.STATUS_PORT_CONNECTION_REFUSED and not len(world.lsa.connections)
    assert not world.lsa.connections.open(USER).trusted
    assert world.lsa.connections.open(ROOT, "login").trusted
    assert [record.status for record in world.records("register_logon_process")] == [
        "STATUS_PORT_CONNECTION_REFUSED",
        "SEC_E_OK",
    ]


@pytest.mark.breaks("R78", "secpkg.ipc.link:failure")
def test_R78_there_is_a_protocol_status_only_where_the_service_was_attempted() -> None:
    async def script(self: Later, call: Call, data: bytes) -> object:
        if data == b"attempted":
            return ProtocolReply(b"", Status.STATUS_NO_SUCH_USER)
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="inside")

    with lab_of(Later(script)) as lab:
        assert ask(lab, b"attempted") == (OK, ProtocolReply(b"", Status.STATUS_NO_SUCH_USER))
        assert ask(lab, b"not") == (Status.STATUS_INVALID_PARAMETER, None)


@pytest.mark.breaks("R80", "secpkg.authority.sessions:SessionTable.discard")
def test_R80_a_later_request_leaves_no_session() -> None:
    made: list[int] = []

    async def script(self: Later, call: Call, data: bytes) -> object:
        made.append(call.allocate_locally_unique_id())
        await self.authority.create_logon_session(made[0])
        return ProtocolReply(b"done")

    with lab_of(Later(script)) as lab:
        status, reply = ask(lab)
        assert status is OK and reply is not None and reply.data == b"done"
        assert made and not lab.embedded.machine.authority.sessions
        assert records(lab, "logon") == [], "and no token information"


@pytest.mark.breaks("R81", "secpkg.authority.functions.packages:update_credentials")
def test_R81_a_later_request_attaches_credentials_to_the_session() -> None:
    async def script(self: Later, call: Call, data: bytes) -> object:
        luid = int(data)
        primary = PrimaryCredential(luid, "", "", password="new")
        await self.authority.update_credentials(primary, (SupplementalCredential("Badge", b"attached"),))
        return None

    package = Later(script)
    with lab_of(package) as lab, badge(lab) as logon:
        assert ask(lab, b"%d" % logon.luid)[0] is OK
        primary, supplemental = package.accepted[-1]
        assert (primary.logon_id, primary.downlevel_name) == (logon.luid, "alice")
        assert supplemental is not None and supplemental.credentials == b"attached"


@pytest.mark.breaks("R82", "secpkg.authority.credentials:SessionCredentials.get")
def test_R82_a_package_answers_for_credentials_that_it_keeps_for_a_session() -> None:
    async def script(self: Later, call: Call, data: bytes) -> object:
        luid, _, secret = data.partition(b" ")
        if secret:
            await self.authority.add_credential(int(luid), b"far server", secret)
            return None
        kept = await self.authority.get_credentials(int(luid), 0, b"far server")
        return ProtocolReply(kept.credentials)

    with lab_of(Later(script)) as lab, badge(lab) as logon:
        assert ask(lab, b"%d ticket" % logon.luid)[0] is OK
        assert ask(lab, b"%d" % logon.luid) == (OK, ProtocolReply(b"ticket"))


@pytest.mark.breaks("R83", "secpkg.lsa.operations:register")
def test_R83_a_process_name_has_127_bytes_and_need_not_be_unique() -> None:
    with lab_of(Badge()) as lab:
        assert raw.register_logon_process("x" * 128, lab)[0] is Status.STATUS_NAME_TOO_LONG
        assert raw.register_logon_process("é" * 64, lab)[0] is Status.STATUS_NAME_TOO_LONG
        one, two = (raw.register_logon_process("é" * 63 + "x", lab)[1] for _ in range(2))
        assert one is not None and two is not None and one.trusted and two.trusted
        one.close()
        assert two.enumerate_logon_sessions() == (SYSTEM,)
        two.close()
        with pytest.raises(SecurityError) as caught:
            lab.embedded.machine.authority.connections.open(ROOT, "x" * 128)
        assert caught.value.status is Status.STATUS_NAME_TOO_LONG, "whoever asks in another way"


@pytest.mark.breaks("R85", "secpkg.lsa.raw:register_logon_process")
def test_R85_the_security_mode_says_nothing() -> None:
    with lab_of(Badge()) as lab:
        assert raw.register_logon_process("x" * 128, lab)[2] == 0
        status, handle, mode = raw.register_logon_process("x", lab)
        assert status is OK and handle is not None and mode == 0
        handle.close()


@pytest.mark.breaks("R87", "secpkg.lsa.operations:lookup")
def test_R87_package_names_are_short_and_known() -> None:
    with lab_of(Badge("é" * 63)) as lab:
        _, handle = raw.connect_untrusted(lab)
        assert handle is not None
        status, number = raw.lookup_authentication_package(handle, "é" * 63)
        assert status is OK and number > 0
        assert raw.lookup_authentication_package(handle, "é" * 64) == (Status.STATUS_NAME_TOO_LONG, 0)
        assert raw.lookup_authentication_package(handle, "é" * 62) == (Status.STATUS_NO_SUCH_PACKAGE, 0)
        handle.close()


@pytest.mark.breaks("R88", "secpkg.authority.calls:call_other_package")
def test_R88_one_package_calls_another_by_name() -> None:
    """CallPackageEx keeps the client's base address, CallPackage does not."""

    async def script(self: Later, call: Call, data: bytes) -> object:
        plain = await self.authority.call_package("CALLEE", b"1")
        kept = await self.authority.call_package_ex("callee", call.client_buffer_base, b"2")
        await self.authority.call_package_passthrough("Callee", call.client_buffer_base, b"3")
        with pytest.raises(SecurityError) as caught:
            await self.authority.call_package("Nobody", b"4")
        self.refused.append((caught.value.status, ""))
        return (plain, kept, call.client_buffer_base)

    caller, callee = Later(script), Callee()
    with lab_of(caller, callee) as lab:
        assert ask(lab, b"x")[0] is OK
    (found,) = caller.found
    assert isinstance(found, tuple)
    plain, kept, base = found
    assert base, "what the application sent has an address"
    assert plain == ProtocolReply(b"answer to 1", Status.STATUS_MORE_ENTRIES) and kept.data == b"answer to 2"
    assert callee.seen == [
        ("call_package", b"1", 0),
        ("call_package", b"2", base),
        ("call_package_passthrough", b"3", base),
    ]
    assert caller.refused == [(Status.STATUS_NO_SUCH_PACKAGE, "")]


@pytest.mark.proves("authentication_package.LsaApCallPackagePassthrough")
@pytest.mark.breaks("R89", "secpkg.authority.calls:_call")
@pytest.mark.parametrize("data", [b"", bytes(range(256)), b"DOMAIN\\x" * 99])
def test_R89_what_is_passed_through_is_neither_examined_nor_changed(data: bytes) -> None:
    """On this machine: the base address, too, is whatever the caller said."""

    async def script(self: Later, call: Call, _: bytes) -> object:
        return await self.authority.call_package_passthrough("Callee", 7, data)

    caller, callee = Later(script), Callee()
    with lab_of(caller, callee) as lab:
        assert ask(lab) == (OK, ProtocolReply(data))
        assert callee.seen == [("call_package_passthrough", data, 7)]


@pytest.mark.breaks("R90", "secpkg.authority.functions.packages:free_return_buffer")
def test_R90_the_reply_of_another_package_is_freed_once() -> None:
    async def script(self: Later, call: Call, _: bytes) -> object:
        reply = await self.authority.call_package("Callee", b"x")
        await self.authority.free_return_buffer(reply.data)
        await self.authority.free_return_buffer(reply.data)
        return None

    caller = Later(script)
    with lab_of(caller, Callee()) as lab:
        assert ask(lab)[0] is Status.STATUS_INVALID_PARAMETER
    assert caller.refused == [(Status.STATUS_INVALID_PARAMETER, "return_buffer_unknown")]


def test_a_later_request_of_a_session_is_told_for_whom_it_is() -> None:
    """R76, R80: over an untrusted connection nothing but its uid is known of the caller."""
    callers: list[object] = []

    async def script(self: Later, call: Call, _: bytes) -> object:
        callers.append(call.caller.logon_id)
        return None

    with lab_of(Later(script)) as lab, badge(lab) as logon, logon.session(), secpkg.lsa.connect(lab) as lsa:
        lsa.call_authentication_package("Badge", b"")
    assert callers == [None]
