"""Sealed and signed messages of a finished context, in the four worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.behaviour.world import World, refused

from secpkg.contract import Status

SIZES = (0, 1, 64 * 1024, 100 * 1024)


@pytest.fixture(params=["client to server", "server to client"])
def ends(world: World, request: pytest.FixtureRequest) -> tuple[Any, Any]:
    client, server = world.pair()
    return (client, server) if request.param == "client to server" else (server, client)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_is_opened(ends: tuple[Any, Any], size: int) -> None:
    """R223: also when it is empty."""
    ours, theirs = ends
    clear = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for kind in (bytes, bytearray, memoryview):
        sealed = ours.encrypt(kind(clear))
        assert len(sealed) == size + ours.sizes.security_trailer and (size < 16 or clear not in sealed)
        assert theirs.decrypt(kind(sealed)) == clear


@pytest.mark.parametrize("size", SIZES)
def test_what_is_signed_is_verified(ends: tuple[Any, Any], size: int) -> None:
    ours, theirs = ends
    data = b"s" * size
    signature = ours.sign(data)
    assert 0 < len(signature) <= ours.sizes.max_signature
    assert theirs.verify(data, signature) is None


def test_messages_of_both_kinds_and_both_ways_in_any_mixture(world: World) -> None:
    client, server = world.pair()
    for number in range(20):
        for ours, theirs in ((client, server), (server, client)):
            data = b"%d" % number
            signature = ours.sign(data)
            theirs.verify(data, signature)
            assert theirs.decrypt(ours.encrypt(data)) == data


def test_equal_messages_are_never_sealed_alike(ends: tuple[Any, Any]) -> None:
    ours, _ = ends
    assert len({ours.encrypt(b"the same") for _ in range(50)}) == 50


def altered(ours: Any, theirs: Any, sealed: bytes) -> list[Callable[[], object]]:
    """Every bit position class of a sealed message, turned."""
    spoilt = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    cut = [sealed[:length] for length in range(len(sealed))]
    return [lambda each=each: theirs.decrypt(each) for each in (*spoilt, *cut, sealed + b"\0")]  # type: ignore[misc]


def test_whatever_byte_is_changed_is_found_and_the_context_lives(ends: tuple[Any, Any]) -> None:
    """R218: a message that was altered says so, and the one that was not still opens."""
    ours, theirs = ends
    sealed = ours.encrypt(b"one bit")
    for attempt in altered(ours, theirs, sealed):
        assert refused(attempt).status in (
            Status.SEC_E_MESSAGE_ALTERED,
            Status.SEC_E_OUT_OF_SEQUENCE,
            Status.SEC_E_INVALID_TOKEN,
        )
    assert theirs.decrypt(sealed) == b"one bit"


def test_a_signature_of_something_else(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    signature = ours.sign(b"this")
    for data, shown in ((b"that", signature), (b"this", signature[:-1] + bytes([signature[-1] ^ 1])), (b"this", b"")):
        assert refused(lambda data=data, shown=shown: theirs.verify(data, shown)).status is (  # type: ignore[misc]
            Status.SEC_E_MESSAGE_ALTERED
        )
    theirs.verify(b"this", signature)


def test_replayed_and_reordered_messages_are_out_of_sequence(ends: tuple[Any, Any]) -> None:
    """R218."""
    ours, theirs = ends
    first, second = ours.encrypt(b"first"), ours.encrypt(b"second")
    assert refused(lambda: theirs.decrypt(second)).status is Status.SEC_E_OUT_OF_SEQUENCE
    assert theirs.decrypt(first) == b"first"
    assert refused(lambda: theirs.decrypt(first)).status is Status.SEC_E_OUT_OF_SEQUENCE
    assert theirs.decrypt(second) == b"second"
    signature = ours.sign(b"once")
    theirs.verify(b"once", signature)
    assert refused(lambda: theirs.verify(b"once", signature)).status is Status.SEC_E_OUT_OF_SEQUENCE


def test_a_message_sent_back_is_not_the_peers(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    sealed, signature = ours.encrypt(b"reflected"), ours.sign(b"reflected")
    assert refused(lambda: ours.decrypt(sealed)).status is Status.SEC_E_MESSAGE_ALTERED
    assert refused(lambda: ours.verify(b"reflected", signature)).status is Status.SEC_E_MESSAGE_ALTERED
    assert theirs.decrypt(sealed) == b"reflected"
    theirs.verify(b"reflected", signature)


def test_a_message_of_another_context(world: World) -> None:
    one, other = world.pair(), world.pair()
    assert refused(lambda: other[1].decrypt(one[0].encrypt(b"x"))).status is Status.SEC_E_MESSAGE_ALTERED


def test_a_seal_is_no_signature(ends: tuple[Any, Any]) -> None:
    ours, theirs = ends
    trailer = ours.sizes.security_trailer
    sealed = ours.encrypt(b"")
    assert refused(lambda: theirs.verify(b"", sealed[:trailer])).status is Status.SEC_E_MESSAGE_ALTERED
