"""Section G of the rules, where the host answers: heaps, mapped buffers, sections, threads."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from tests.rules.asking import Asker, Asking

from secpkg.contract import Call, ContextRequest, LsaDispatchTable, LsaFunctions, SecBuffer, SecurityError, Status
from secpkg.contract.flags import BufferFlag, BufferType
from secpkg.contract.user_mode.functions import DllFunctions
from secpkg.host.lsa_mode.holdings import LSA_HEAP_LIMIT, PRIVATE_HEAP_LIMIT, Holdings
from secpkg.host.lsa_mode.local.memory import MAX_PROTECTED, ClientMemory
from secpkg.host.user_mode.dll_functions import HEAP_LIMIT, DllFunctionTable

UNMAPPED = int(BufferFlag.UNMAPPED)
PKG_PARAMS = int(BufferType.PKG_PARAMS)
HEAPS = [("allocate_lsa_heap", "free_lsa_heap"), ("allocate_private_heap", "free_private_heap")]


def holdings(asking: Asking) -> Holdings:
    """What the package of a lab holds."""
    ((port,),) = [list(asking.lab.embedded.machine.service.ports.values())]
    module = port.module  # type: ignore[attr-defined]  # embedded
    found = module.surroundings.holdings(module.packages[0])
    assert isinstance(found, Holdings)
    return found


@pytest.mark.proves(
    "lsa_secpkg.AllocateLsaHeap",
    "lsa_secpkg.FreeLsaHeap",
    "lsa_secpkg.AllocatePrivateHeap",
    "lsa_secpkg.FreePrivateHeap",
    "lsa_dispatch.AllocateLsaHeap",
    "lsa_dispatch.FreeLsaHeap",
)
@pytest.mark.parametrize(("allocate", "free"), HEAPS)
def test_R123_a_block_is_charged_until_it_is_released_once(allocate: str, free: str) -> None:
    with Asking() as asking:
        heaps = holdings(asking)

        async def script(authority: LsaFunctions) -> tuple[Any, ...]:
            block = await getattr(authority, allocate)(1000)
            assert block == bytearray(1000)
            held = heaps.lsa_heap.charged + heaps.private_heap.charged
            block[:] = b"s" * 1000
            await getattr(authority, free)(block)
            return held, block

        held, block = asking.ask(script)
        assert held >= 1000 and heaps.lsa_heap.charged == heaps.private_heap.charged == 0
        assert (block == bytearray(1000)) is (allocate == "allocate_private_heap"), "private bytes are wiped"

        async def again(authority: LsaFunctions) -> object:
            return await getattr(authority, free)(block)

        assert asking.refused(again) is Status.STATUS_INVALID_PARAMETER
        assert heaps.lsa_heap.charged == heaps.private_heap.charged == 0


@pytest.mark.breaks("R123", "secpkg.host.heap:Heap._release")
def test_R123_what_is_returned_to_the_lsa_is_released_by_that() -> None:
    """Nobody frees it by hand: the last reference goes."""
    with Asking() as asking:

        async def script(authority: LsaFunctions) -> int:
            block = await authority.allocate_lsa_heap(1000)
            del block
            return 0

        asking.ask(script)
        gc.collect()
        assert holdings(asking).lsa_heap.charged == 0


def test_R123_an_authentication_package_has_the_same_heap_by_its_own_table() -> None:
    class Package(Asker):
        async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
            self.kept = await dispatch.allocate_lsa_heap(1000)
            freed = await dispatch.allocate_lsa_heap(500)
            await dispatch.free_lsa_heap(freed)
            return self.info.name

    package = Package()
    with Asking(package) as asking:
        assert 1000 <= holdings(asking).lsa_heap.charged < 1500
        asking.ask(lambda authority: authority.free_lsa_heap(package.kept))
        assert holdings(asking).lsa_heap.charged == 0


@pytest.mark.parametrize(
    ("allocate", "limit"),
    [("allocate_lsa_heap", LSA_HEAP_LIMIT), ("allocate_private_heap", PRIVATE_HEAP_LIMIT)],
)
def test_a_heap_has_a_limit_and_ends_with_its_package(allocate: str, limit: int) -> None:
    package = Asker()
    with Asking(package) as asking:
        heaps = holdings(asking)

        async def most(authority: LsaFunctions) -> object:
            return await getattr(authority, allocate)(limit - 64)

        async def one(authority: LsaFunctions) -> object:
            return await getattr(authority, allocate)(1)

        block = asking.ask(most)
        assert isinstance(block, bytearray) and len(block) == limit - 64
        block[-1] = 1
        assert asking.refused(one) is Status.STATUS_NO_MEMORY
        assert heaps.lsa_heap.charged + heaps.private_heap.charged == limit
    assert heaps.lsa_heap.charged == heaps.private_heap.charged == 0
    assert block[-1] == (0 if allocate == "allocate_private_heap" else 1)


@pytest.mark.parametrize("other", ["allocate_private_heap", None])
def test_a_heap_takes_back_its_own_blocks_only(other: str | None) -> None:
    with Asking() as asking:

        async def script(authority: LsaFunctions) -> object:
            block = bytearray(8) if other is None else await getattr(authority, other)(8)
            return await authority.free_lsa_heap(block)  # type: ignore[func-returns-value]

        assert asking.refused(script) is Status.STATUS_INVALID_PARAMETER


@pytest.mark.proves("lsa_secpkg.LsaProtectMemory", "lsa_secpkg.LsaUnprotectMemory")
@pytest.mark.breaks("R121", "secpkg.runtime.lsa_module:protect")
def test_R121_a_secret_is_hidden_in_place_and_comes_back() -> None:
    with Asking() as asking:
        secret = bytearray(b"a secret of twenty-6 bytes")

        async def hide(authority: LsaFunctions) -> bytes:
            await authority.protect_memory(secret)
            return bytes(secret)

        async def show(authority: LsaFunctions) -> bytes:
            await authority.unprotect_memory(secret)
            return bytes(secret)

        assert b"secret" not in asking.ask(hide)
        assert asking.ask(show) == b"a secret of twenty-6 bytes"
        large = bytearray(MAX_PROTECTED + 1)
        assert asking.refused(lambda authority: authority.protect_memory(large)) is Status.STATUS_INVALID_PARAMETER
        assert asking.refused(lambda authority: authority.unprotect_memory(large)) is Status.STATUS_INVALID_PARAMETER


@pytest.mark.proves("lsa_secpkg.MapBuffer")
@pytest.mark.breaks("R129", "secpkg.host.lsa_mode.local.memory:ClientMemory.__init__")
def test_R128_R129_a_buffer_that_is_still_the_clients_is_read_when_it_is_mapped() -> None:
    kept: list[memoryview] = []

    async def script(authority: LsaFunctions, _call: Call, request: ContextRequest) -> object:
        (buffer,) = request.buffers
        assert buffer.type & UNMAPPED and len(buffer.data) == 5
        with pytest.raises(TypeError):
            bytes(memoryview(buffer.data))
        mapped = await authority.map_buffer(buffer)
        assert isinstance(mapped.data, memoryview) and mapped.data.readonly
        kept.extend((mapped.data, mapped.data[1:3]))
        return mapped.type, bytes(mapped.data)

    with Asking() as asking:
        assert asking.accept(script, SecBuffer(PKG_PARAMS | UNMAPPED, b"hello")) == (PKG_PARAMS, b"hello")
    with pytest.raises(ValueError, match="released"):
        bytes(kept[0])
    assert bytes(kept[1]) == b"\0\0", "no view survives the call, nor does a part of one"


@pytest.mark.breaks("R128", "secpkg.host.lsa_mode.local.memory:map_buffer")
def test_R128_a_mapped_buffer_is_repeated_as_a_descriptor() -> None:
    async def script(authority: LsaFunctions, _call: Call, request: ContextRequest) -> object:
        (buffer,) = request.buffers
        mapped = await authority.map_buffer(buffer)
        return mapped is not buffer, mapped == buffer, mapped.data is buffer.data

    with Asking() as asking:
        assert asking.accept(script, SecBuffer(PKG_PARAMS, b"hello")) == (True, True, True)


def test_R128_bytes_that_are_no_clients_cannot_be_mapped() -> None:
    with Asking() as asking:
        marked = SecBuffer(PKG_PARAMS | UNMAPPED, b"mine")
        assert asking.refused(lambda authority: authority.map_buffer(marked)) is Status.STATUS_INVALID_PARAMETER


def test_R128_a_callback_has_no_client_whose_buffer_it_could_map() -> None:
    failed: list[SecurityError] = []
    clients = SecBuffer(PKG_PARAMS | UNMAPPED, ClientMemory(b"x"))  # type: ignore[arg-type]

    async def maps(_parameter: object) -> None:
        try:
            await asking.package.authority.map_buffer(clients)
        except SecurityError as error:
            failed.append(error)

    with Asking() as asking:
        asking.ask(lambda authority: authority.create_thread(maps, None))
        asking.lab.advance()
    assert [error.status for error in failed] == [Status.STATUS_UNSUCCESSFUL]


@pytest.mark.proves("lsa_secpkg.CreateSharedMemory", "lsa_secpkg.AllocateSharedMemory")
@pytest.mark.breaks("R131", "secpkg.host.lsa_mode.local.shared_memory:Section.free")
def test_R131_pieces_are_apart_whatever_is_written_into_them() -> None:
    """The allocator keeps its books outside: a client that writes everything full changes nothing of them."""
    with Asking() as asking:

        async def script(authority: LsaFunctions) -> tuple[Any, ...]:
            section = await authority.create_shared_memory(4096, 0)
            pieces = [await authority.allocate_shared_memory(section, 1000) for _ in range(4)]
            for piece in pieces:
                piece.memory[:] = b"\xff" * 1000
            await authority.free_shared_memory(section, pieces[1].address)
            await authority.free_shared_memory(section, pieces[2].address)
            again = await authority.allocate_shared_memory(section, 1900)
            return bytes(again.memory), bytes(pieces[0].memory), pieces[1].address == again.address, pieces[1].memory

        wiped, other, same, ended = asking.ask(script)
        assert wiped == bytes(1900) and other == b"\xff" * 1000 and same
        with pytest.raises(ValueError, match="released"):
            bytes(ended)


@pytest.mark.proves("lsa_secpkg.DeleteSharedMemory", "lsa_secpkg.FreeSharedMemory")
def test_R131_a_section_ends_once_and_with_its_package() -> None:
    with Asking() as asking:

        async def two(authority: LsaFunctions) -> tuple[Any, ...]:
            first = await authority.create_shared_memory(100, 100)
            second = await authority.create_shared_memory(100, 50)
            piece = await authority.allocate_shared_memory(first, 100)
            left = await authority.allocate_shared_memory(second, 100)
            await authority.free_shared_memory(second, left.address)
            left = await authority.allocate_shared_memory(second, 4000)
            deleted = await authority.delete_shared_memory(first)
            return deleted, await authority.delete_shared_memory(first), piece.memory, left.memory, first

        deleted, again, piece, left, first = asking.ask(two)
        assert (deleted, again) == (True, False)
        with pytest.raises(ValueError, match="released"):
            bytes(piece)
        assert bytes(left) == bytes(4000)
        stale = asking.refused(lambda authority: authority.allocate_shared_memory(first, 1))
        assert stale is Status.STATUS_INVALID_HANDLE
    with pytest.raises(ValueError, match="released"):
        bytes(left)


BAD_SECTIONS: list[tuple[str, tuple[int, ...], Status]] = [
    ("create_shared_memory", (0, 0), Status.STATUS_INVALID_PARAMETER),
    ("create_shared_memory", (10, 11), Status.STATUS_INVALID_PARAMETER),
    ("create_shared_memory", (1 << 40, 0), Status.STATUS_NO_MEMORY),
    ("allocate_shared_memory", (99, 1), Status.STATUS_INVALID_HANDLE),
    ("allocate_shared_memory", (1, 0), Status.STATUS_INVALID_PARAMETER),
    ("allocate_shared_memory", (1, 5000), Status.STATUS_NO_MEMORY),
    ("free_shared_memory", (99, 16), Status.STATUS_INVALID_HANDLE),
    ("free_shared_memory", (1, 0), Status.STATUS_INVALID_PARAMETER),
    ("free_shared_memory", (1, 32), Status.STATUS_INVALID_PARAMETER),
]


@pytest.mark.parametrize(("function", "arguments", "status"), BAD_SECTIONS)
def test_what_a_section_refuses(function: str, arguments: tuple[int, ...], status: Status) -> None:
    with Asking() as asking:
        asking.ask(lambda authority: authority.create_shared_memory(4096, 0))

        async def script(authority: LsaFunctions) -> object:
            return await getattr(authority, function)(*arguments)

        assert asking.refused(script) is status
        assert len(holdings(asking)) == 1


def test_a_package_holds_so_many_handles_and_no_more() -> None:
    with Asking() as asking:

        async def script(authority: LsaFunctions) -> object:
            for _ in range(1000):
                await authority.create_shared_memory(1, 1)
            return None

        assert asking.refused(script) is Status.STATUS_INSUFFICIENT_RESOURCES
        assert len(holdings(asking)) == 256


@pytest.mark.proves("lsa_secpkg.CreateThread")
@pytest.mark.breaks("R137", "secpkg.host.lsa_mode.local.notifications:Waiting._call")
def test_R137_a_thread_is_known_to_the_lsa_and_its_exceptions_stay_with_it() -> None:
    ran: list[object] = []

    async def works(parameter: object) -> None:
        sam = await asking.package.authority.get_auth_data_for_user("alice")
        ran.append((parameter, sam.account_name))

    def raises(parameter: object) -> None:
        ran.append(parameter)
        raise KeyboardInterrupt

    with Asking() as asking:
        first = asking.ask(lambda authority: authority.create_thread(raises, "p"))
        second = asking.ask(lambda authority: authority.create_thread(works, "q"))
        assert first != second and ran == [] and len(holdings(asking)) == 2
        asking.lab.advance()
        assert ran == ["p", ("q", "alice")] and len(holdings(asking)) == 0


def test_R137_what_a_thread_raises_is_in_the_trace() -> None:
    with Asking() as asking:
        machine = asking.lab.embedded.machine
        machine.set_trace(True)

        def raises(_parameter: object) -> None:
            raise ValueError("a secret")

        asking.ask(lambda authority: authority.create_thread(raises, None))
        asking.lab.advance()
        (event,) = [traced for _, _, traced in machine.trace if traced.kind == "callback"]
        assert (event.function, event.reason) == ("CreateThread", "package_raised_ValueError")


@pytest.mark.breaks("R137", "secpkg.host.lsa_mode.holdings:Holdings.end")
def test_R137_no_thread_outlives_its_package() -> None:
    ran: list[object] = []
    with Asking() as asking:
        asking.ask(lambda authority: authority.create_thread(ran.append, 1))
    asking.lab.advance()
    assert ran == []


@pytest.mark.proves("dll_functions.AllocateHeap", "dll_functions.FreeHeap")
@pytest.mark.breaks("R133", "secpkg.host.heap:Heap.free")
@pytest.mark.breaks("R136", "secpkg.host.user_mode.dll_functions:DllFunctionTable.free_heap")
def test_R133_R136_the_user_halfs_memory_comes_from_the_dll_table_and_is_released_once() -> None:
    functions: DllFunctions = DllFunctionTable(lambda _number: None)
    block = functions.allocate_heap(HEAP_LIMIT - 64)
    with pytest.raises(Exception, match="SEC_E_INSUFFICIENT_MEMORY"):
        functions.allocate_heap(1)
    functions.free_heap(block)
    with pytest.raises(Exception, match="STATUS_INVALID_PARAMETER"):
        functions.free_heap(block)
    assert functions.allocate_heap(3) == bytearray(3)
