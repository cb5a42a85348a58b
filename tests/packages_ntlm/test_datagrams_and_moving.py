"""Contexts whose messages come in any order, contexts that move, and the end of their numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from tests.packages_ntlm.halves import (
    ALTERED,
    DATA,
    FULL,
    HALF,
    SEQUENCE,
    TOKEN,
    ends,
    sealed,
    simple,
    status_of,
)
from tests.packages_ntlm.world import lab_with, pair

from secpkg.contract import AscReq, IscReq, SecurityError, Status
from secpkg.contract.flags import (
    SECPKG_CONTEXT_EXPORT_DELETE_OLD,
    SECPKG_CONTEXT_EXPORT_RESET_NEW,
    AscRet,
    IscRet,
)
from secpkg.contract.values import SecBuffer
from secpkg.packages.ntlm.packed_context import PackedContext
from secpkg.packages.ntlm.user_mode.directions import ConnectionDirections, DatagramDirections
from secpkg.packages.ntlm.user_mode.ssp import Context
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import Role
from secpkg.protocols.ntlm import flags as f
from secpkg.testing import LabAuthority, Pair


def datagrams() -> tuple[Context, Context]:
    return ends(FULL | f.DATAGRAM)


def test_datagrams_come_in_any_order_once_each() -> None:
    one, other = datagrams()
    messages = []
    for _ in range(70):
        message = simple(b"datagram")
        sealed(one, message)
        messages.append([bytes(buffer.data) for buffer in message])
    order = list(range(70))
    random.Random(1).shuffle(order)
    order = [69, *[n for n in order if 5 < n < 69]]
    for number in order:
        message = [SecBuffer(TOKEN, messages[number][0]), SecBuffer(DATA, messages[number][1])]
        assert HALF.unseal_message(other, message, 0) == 0 and bytes(message[1].data) == b"datagram"
    for number in (69, 30, 6, 5, 0):
        message = [SecBuffer(TOKEN, messages[number][0]), SecBuffer(DATA, messages[number][1])]
        assert status_of(HALF.unseal_message, other, message, 0) is SEQUENCE, "came before, or too late to tell"


def test_a_datagrams_number_is_never_used_twice() -> None:
    """One number is one stream: the same for two messages would give both away."""
    one, other = datagrams()
    message = simple(b"nine")
    sealed(one, message, 9)
    assert status_of(HALF.unseal_message, other, [SecBuffer(b.type, bytes(b.data)) for b in message], 8) is SEQUENCE
    assert HALF.unseal_message(other, message, 9) == 0
    assert status_of(HALF.seal_message, one, 0, simple(b"x"), 1 << 32) is Status.SEC_E_CONTEXT_EXPIRED
    for used in (9, 8, 1):
        assert status_of(HALF.seal_message, one, 0, simple(b"x"), used) is SEQUENCE
    message = simple(b"ten")
    sealed(one, message)
    assert int.from_bytes(bytes(message[0].data)[12:], "little") == 10
    assert HALF.unseal_message(other, message, 10) == 0


def test_a_number_far_ahead_costs_nothing() -> None:
    """The sender chooses it: the window is moved, and its bits never grow beyond it."""
    one, other = datagrams()
    for number in (1, 0xFFFF_FFFE, 0xFFFF_FFFF):
        message = simple(b"x")
        sealed(one, message, number)
        assert HALF.unseal_message(other, message, number) == 0
        directions = other.directions
        assert isinstance(directions, DatagramDirections) and max(directions.numbers()[2:]) < 1 << 64
    assert status_of(HALF.seal_message, one, 0, simple(b"x"), 0) is Status.SEC_E_CONTEXT_EXPIRED


def test_datagrams_through_an_authority(lab: LabAuthority) -> None:
    """The server speaks first; both ends say that it is one."""
    common = IscReq.INTEGRITY | IscReq.CONFIDENTIALITY | IscReq.REPLAY_DETECT
    asked = AscReq.INTEGRITY | AscReq.CONFIDENTIALITY | AscReq.REPLAY_DETECT | AscReq.DATAGRAM
    with pair(lab, requirements=common | IscReq.DATAGRAM, server_requirements=asked) as both:
        assert both.client.step() is None
        challenge = both.server.step()
        token = both.client.step(challenge)
        assert both.server.step(token) is None and both.server.complete and both.client.complete
        assert both.client.flags & IscRet.DATAGRAM and both.server.flags & AscRet.DATAGRAM
        first, second = both.client.encrypt(b"one"), both.client.encrypt(b"two")
        assert (both.server.decrypt(second), both.server.decrypt(first)) == (b"two", b"one")
        with pytest.raises(SecurityError):
            both.server.decrypt(first)


def test_a_datagram_and_a_connection_do_not_meet(lab: LabAuthority) -> None:
    with pair(lab, server_requirements=AscReq.DATAGRAM | AscReq.INTEGRITY) as both:
        both.step()
        with pytest.raises(SecurityError) as caught:
            both.step()
        assert caught.value.status is Status.SEC_E_INVALID_TOKEN


# --- moving, and the end of numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [FULL, FULL | f.DATAGRAM, FULL & ~f.EXTENDED_SESSIONSECURITY])
def test_an_exported_context_goes_on_where_it_was(flags: int) -> None:
    one, other = ends(flags)
    for _ in range(3):
        message = simple(b"before")
        sealed(one, message)
        HALF.unseal_message(other, message, 0)
    moved = HALF.import_security_context(
        HALF.export_security_context(other, SECPKG_CONTEXT_EXPORT_DELETE_OLD).packed_context, None
    )
    message = simple(b"after")
    sealed(one, message)
    again = [SecBuffer(buffer.type, bytes(buffer.data)) for buffer in message]
    HALF.unseal_message(moved, message, 0)
    assert bytes(message[1].data) == b"after"
    back = simple(b"back")
    sealed(moved, back)
    assert HALF.unseal_message(one, back, 0) == 0
    assert status_of(HALF.unseal_message, moved, again, 0) in (ALTERED, SEQUENCE)


def test_what_cannot_be_exported_or_imported() -> None:
    one, _ = ends()
    HALF.export_security_context(one, SECPKG_CONTEXT_EXPORT_RESET_NEW)
    sealed(one, simple(b"x"))
    reset = status_of(HALF.export_security_context, one, SECPKG_CONTEXT_EXPORT_RESET_NEW)
    assert reset is Status.SEC_E_NOT_SUPPORTED
    whole = HALF.export_security_context(one, 0).packed_context
    for length in range(len(whole)):
        assert status_of(HALF.import_security_context, whole[:length], None) in (
            Status.SEC_E_UNKNOWN_CREDENTIALS,
            Status.SEC_E_INVALID_TOKEN,
        )
    assert status_of(HALF.import_security_context, b"\x02" + whole[1:], None) is Status.SEC_E_UNKNOWN_CREDENTIALS


def test_packed_contexts_are_whole_or_nothing() -> None:
    packed = PackedContext(True, 1, FULL, 1.0, 2.0, bytes(16), "EXAMPLE\\alice", "SERVER", "HTTP/here", "DESK")
    whole = packed.pack()
    assert PackedContext.unpack(whole) == packed and "0000" not in repr(packed)
    for wrong in (b"", whole[:-1], whole + b"\0", b"\x02" + whole[1:], whole[:1] + b"\x03" + whole[2:]):
        assert status_of(PackedContext.unpack, wrong) is Status.SEC_E_INVALID_TOKEN
    for start, expiry in ((2.0, 1.0), (float("nan"), 1.0), (0.0, float("nan"))):
        bad = PackedContext(True, 0, FULL, start, expiry, bytes(16)).pack()
        assert status_of(PackedContext.unpack, bad) is Status.SEC_E_INVALID_TOKEN
    for key, client in ((bytes(15), ""), (bytes(16), "x" * 4097)):
        assert status_of(PackedContext(True, 0, FULL, 0.0, 1.0, key, client).pack) is Status.SEC_E_CANNOT_PACK


def test_an_exhausted_counter_refuses() -> None:
    """Lock 6: after 2^32 messages a direction has none left."""
    one, other = ends()
    counters = one.directions.counters()
    assert counters[1:9] == bytes(8)
    session = ntlm.Session(FULL, bytes(range(16)))
    one.directions = ConnectionDirections(session, Role.INITIATOR, (0xFFFF_FFFF, 0, 0, 0))
    other.directions = ConnectionDirections(session, Role.ACCEPTOR, (0, 0, 0xFFFF_FFFF, 0))
    message = simple(b"the last")
    sealed(one, message)
    assert HALF.unseal_message(other, message, 0) == 0
    assert status_of(HALF.seal_message, one, 0, simple(b"x"), 0) is Status.SEC_E_CONTEXT_EXPIRED
    assert status_of(HALF.make_signature, one, 0, simple(b"x"), 0) is Status.SEC_E_CONTEXT_EXPIRED


@pytest.fixture(scope="module")
def weak() -> Iterator[LabAuthority]:
    with lab_with({"key_128": False}) as made:
        yield made


def test_what_a_context_says_of_itself(weak: LabAuthority) -> None:
    with pair(weak, target="HTTP/here") as both:
        both.run()
        assert both.client.peer == "HTTP/here" and both.server.peer == "EXAMPLE\\alice"
        for end in (both.client, both.server):
            assert (end.sizes.max_signature, end.sizes.security_trailer, end.sizes.block_size) == (16, 16, 1)
        assert isinstance(both, Pair)
