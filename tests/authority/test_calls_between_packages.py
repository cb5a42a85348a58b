"""Packages that call others with the client's memory, and that free what they got (R88-R90)."""

from __future__ import annotations

import pytest
from tests.authority.test_packages import failure
from tests.authority.test_sessions import call, status_of
from tests.authority.world import USER, World

from secpkg.authority.connections import Connection
from secpkg.authority.targets import MAX_LENT, Origin, PackageTarget
from secpkg.contract.status import Status
from secpkg.contract.values import ProtocolReply


class Pair:
    """A package that calls another one with the same client memory, and the other one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.callee = world.add_package("Callee", call_package=self.called, call_package_passthrough=self.called)
        self.connection: Connection = world.connect()
        self.target = PackageTarget.of_request(world.lsa, world.add_package("Caller"), self.connection, b"message")
        self.seen: list[tuple[int, bytes]] = []
        self.left = 0

    @property
    def origin(self) -> Origin:
        return self.target.origin

    def called(self, target: PackageTarget, submit_buffer: bytes) -> ProtocolReply:
        base = target.client_buffer_base
        sent = self.world.lsa.lsa_function(target.origin, "copy_from_client_buffer", (base, 7)) if base else b""
        assert isinstance(sent, bytes)
        self.seen.append((base, sent))
        self.left = call(self.world, target.origin, "allocate_client_buffer", 100)  # type: ignore[assignment]
        return ProtocolReply(b"reply to " + submit_buffer)

    def ask(self, function: str, *arguments: object) -> ProtocolReply:
        reply: object = self.world.run(self.world.lsa.lsa_function(self.origin, function, ("Callee", *arguments)))  # type: ignore[arg-type]
        assert isinstance(reply, ProtocolReply)
        return reply

    def taken(self) -> int:
        return self.world.lsa.quotas.taken(USER.uid, "bytes")


@pytest.fixture
def pair(world: World) -> Pair:
    return Pair(world)


@pytest.mark.proves("lsa_secpkg.CallPackageEx")
def test_the_callee_sees_the_same_memory_of_the_client_R88(pair: Pair) -> None:
    assert pair.ask("call_package_ex", pair.target.client_buffer_base, b"x").data == b"reply to x"
    assert pair.seen == [(pair.target.client_buffer_base, b"message")]
    assert call(pair.world, pair.origin, "copy_from_client_buffer", pair.left, 1) == b"\0", (
        "of the call, not of the callee"
    )
    pair.world.lsa.end_call(pair.origin)
    assert pair.taken() == 0


@pytest.mark.proves("lsa_secpkg.CallPackagePassthrough")
def test_a_base_passes_through_unseen_R89(pair: Pair) -> None:
    pair.ask("call_package_passthrough", pair.target.client_buffer_base, b"x")
    assert pair.seen == [(pair.target.client_buffer_base, b"message")]


@pytest.mark.proves("lsa_secpkg.CallPackage")
def test_without_the_base_the_callee_has_memory_of_its_own(pair: Pair) -> None:
    assert pair.ask("call_package", b"x") == ProtocolReply(b"reply to x")
    assert pair.seen == [(0, b"")]
    assert pair.taken() == 0, "what the callee left went with its call"
    assert status_of(pair.world, pair.origin, "free_client_buffer", pair.left)[0] == Status.STATUS_INVALID_PARAMETER


def test_a_base_that_is_no_address_is_refused_before_the_package_is_asked(pair: Pair) -> None:
    base = pair.target.client_buffer_base
    for wrong in (base + (1 << 32), 1, -1):
        coroutine = pair.world.lsa.lsa_function(pair.origin, "call_package_ex", ("Callee", wrong, b""))
        assert failure(pair.world, coroutine) == (Status.STATUS_INVALID_PARAMETER, "client_address_unknown")
    nobody = pair.world.origin(pair.origin.package_id)
    coroutine = pair.world.lsa.lsa_function(nobody, "call_package_ex", ("Callee", base, b""))
    assert failure(pair.world, coroutine)[1] == "client_address_unknown"
    coroutine = pair.world.lsa.lsa_function(nobody, "call_package_ex", ("nobody", 0, b""))
    assert failure(pair.world, coroutine)[0] == Status.STATUS_NO_SUCH_PACKAGE
    assert not pair.seen


def test_a_package_that_works_for_nobody_calls_others_all_the_same(world: World) -> None:
    world.add_package("Callee", call_package=lambda t, b: ProtocolReply(b))
    origin = world.origin(world.add_package("Caller"))
    coroutine = world.lsa.lsa_function(origin, "call_package_ex", ("Callee", 0, b"x"))
    assert world.run(coroutine) == ProtocolReply(b"x")  # type: ignore[arg-type]


@pytest.mark.breaks("R90", "secpkg.authority.targets:Scratch.free")
def test_what_call_package_returned_is_freed_once_R90(pair: Pair) -> None:
    replies = [pair.ask("call_package", b"x").data, pair.ask("call_package_ex", 0, b"x").data]
    assert replies == [b"reply to x"] * 2
    for reply in replies:
        call(pair.world, pair.origin, "free_return_buffer", reply)
    for unknown in (replies[0], b"", b"never returned"):
        refused = status_of(pair.world, pair.origin, "free_return_buffer", unknown)
        assert refused == (Status.STATUS_INVALID_PARAMETER, "return_buffer_unknown")


def test_a_reply_that_nobody_frees_ends_with_the_call(pair: Pair) -> None:
    replies = [pair.ask("call_package", b"%d" % number).data for number in range(MAX_LENT + 1)]
    assert status_of(pair.world, pair.origin, "free_return_buffer", replies[0])[1] == "return_buffer_unknown"
    call(pair.world, pair.origin, "free_return_buffer", replies[1])
    pair.world.lsa.end_call(pair.origin)
    assert status_of(pair.world, pair.origin, "free_return_buffer", replies[2])[1] == "return_buffer_unknown"
