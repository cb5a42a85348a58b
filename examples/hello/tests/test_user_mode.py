"""Hello's user half: two contexts made from two packed contexts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secpkg.contract import (
    AscRet,
    Buffer,
    ContextAttribute,
    ContextFlags,
    InterfaceVersion,
    IscRet,
    Lifespan,
    Names,
    SecBuffer,
    SecurityError,
    SessionKey,
    Sizes,
    Status,
)
from secpkg.contract.flags import BufferFlag, BufferType
from secpkg_hello.packed_context import PackedContext
from secpkg_hello.user_mode import Context, Hello, user_mode_initialize

HELLO = Hello()
KEY = bytes(range(32))
DATA, TOKEN = BufferType.DATA, BufferType.TOKEN
ALL = IscRet.INTEGRITY | IscRet.CONFIDENTIALITY | IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT
PROTECT = IscRet.INTEGRITY | IscRet.CONFIDENTIALITY


def pair(flags: IscRet = ALL, key: bytes = KEY) -> tuple[Context, Context]:
    theirs = AscRet(flags & 0xFF) | (AscRet.INTEGRITY if flags & IscRet.INTEGRITY else 0)
    client = PackedContext(True, flags, 1.0, 2.0, key, "hello/host")
    server = PackedContext(False, theirs, 1.0, 2.0, key, "EXAMPLE\\alice")
    return HELLO.init_user_mode_context(client.pack()), HELLO.init_user_mode_context(server.pack())


def seal(context: Context, data: Buffer, number: int = 0, extra: tuple[SecBuffer, ...] = ()) -> tuple[bytes, bytes]:
    message = [SecBuffer(TOKEN), SecBuffer(DATA, data), *extra]
    HELLO.seal_message(context, 0, message, number)
    return bytes(message[0].data), bytes(message[1].data)


def unseal(context: Context, token: Buffer, data: Buffer, number: int = 0, extra: tuple[SecBuffer, ...] = ()) -> bytes:
    message = [SecBuffer(TOKEN, token), SecBuffer(DATA, data), *extra]
    assert HELLO.unseal_message(context, message, number) == 0
    return bytes(message[1].data)


def sign(context: Context, *data: bytes, number: int = 0) -> bytes:
    message = [SecBuffer(TOKEN), *(SecBuffer(DATA, d) for d in data)]
    HELLO.make_signature(context, 0, message, number)
    return bytes(message[0].data)


def verify(context: Context, token: Buffer, *data: bytes, number: int = 0) -> None:
    HELLO.verify_signature(context, [SecBuffer(TOKEN, token), *(SecBuffer(DATA, d) for d in data)], number)


def refusal(what: Callable[..., object], *arguments: object) -> Status:
    with pytest.raises(SecurityError) as raised:
        what(*arguments)
    return raised.value.status


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.binary(max_size=300)), max_size=20))
def test_messages_both_ways_sealed_and_signed(messages: list[tuple[bool, bool, bytes]]) -> None:
    ends = pair()
    for from_client, sealed, data in messages:
        sender, receiver = ends if from_client else ends[::-1]
        if sealed:
            token, text = seal(sender, data)
            assert len(text) == len(data)
            assert unseal(receiver, token, text) == data
        else:
            verify(receiver, sign(sender, data), data)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_data_of_any_kind_is_replaced_not_written(kind: type[bytearray]) -> None:
    client, server = pair()
    data = kind(b"x" * 70_000)
    token, text = seal(client, data)
    assert bytes(data) == b"x" * 70_000
    assert unseal(server, memoryview(token), kind(text)) == data


def test_any_flipped_bit_is_altered_and_changes_nothing_R218() -> None:
    client, server = pair()
    data = b"attack at dawn"
    token, text = seal(client, data)
    signature = sign(client, data)
    for position in range(len(token + text)):
        for bit in range(8):
            broken = bytearray(token + text)
            broken[position] ^= 1 << bit
            cut = len(token)
            assert refusal(unseal, server, broken[:cut], broken[cut:]) is Status.SEC_E_MESSAGE_ALTERED
    assert unseal(server, token, text) == data
    for position in range(len(signature + data)):
        for bit in range(8):
            broken = bytearray(signature + data)
            broken[position] ^= 1 << bit
            cut = len(signature)
            assert refusal(verify, server, broken[:cut], broken[cut:]) is Status.SEC_E_MESSAGE_ALTERED
    verify(server, signature, data)


def test_tokens_of_another_length_are_altered() -> None:
    client, server = pair()
    token, text = seal(client, b"data")
    for wrong in (b"", token[:-1], token + b"\0"):
        assert refusal(unseal, server, wrong, text) is Status.SEC_E_MESSAGE_ALTERED
    assert unseal(server, token, text) == b"data"


def test_in_sequence_only_the_next_message_opens_R218() -> None:
    client, server = pair()
    first, second = seal(client, b"1"), seal(client, b"2")
    assert refusal(lambda: unseal(server, *second)) is Status.SEC_E_OUT_OF_SEQUENCE
    assert unseal(server, *first) == b"1"
    assert refusal(lambda: unseal(server, *first)) is Status.SEC_E_OUT_OF_SEQUENCE
    assert unseal(server, *second) == b"2"


@pytest.mark.parametrize("flags", [PROTECT, PROTECT | IscRet.REPLAY_DETECT])
def test_without_sequence_detection_messages_may_be_missing_but_not_come_again(flags: IscRet) -> None:
    client, server = pair(flags)
    first, second = seal(client, b"1"), seal(client, b"2")
    assert unseal(server, *second) == b"2"
    assert refusal(lambda: unseal(server, *second)) is Status.SEC_E_OUT_OF_SEQUENCE
    assert refusal(lambda: unseal(server, *first)) is Status.SEC_E_OUT_OF_SEQUENCE


def test_the_applications_number_is_bound_with_sequence_detection_only_R216_R217() -> None:
    client, server = pair()
    assert unseal(server, *seal(client, b"1", 7), 7) == b"1"
    message = seal(client, b"2", 8)
    assert refusal(lambda: unseal(server, *message, 9)) is Status.SEC_E_OUT_OF_SEQUENCE
    assert unseal(server, *message, 8) == b"2"
    verify(server, sign(client, b"3", number=9), b"3")
    assert refusal(lambda: verify(server, sign(client, b"4", number=9), b"4", number=8)) is Status.SEC_E_OUT_OF_SEQUENCE
    client, server = pair(PROTECT)
    assert unseal(server, *seal(client, b"1", 7), 99) == b"1"


def test_a_message_sent_back_is_not_the_peers() -> None:
    client, server = pair()
    assert refusal(lambda: unseal(client, *seal(client, b"1"))) is Status.SEC_E_MESSAGE_ALTERED
    assert refusal(lambda: verify(server, sign(server, b"1"), b"1")) is Status.SEC_E_MESSAGE_ALTERED


def test_a_seal_is_no_signature_and_another_session_no_session() -> None:
    client, server = pair()
    token, text = seal(client, b"")
    assert refusal(lambda: verify(server, token, text)) is Status.SEC_E_MESSAGE_ALTERED
    assert unseal(server, token, text) == b""  # R223
    stranger, _ = pair(key=bytes(32))
    assert refusal(lambda: unseal(server, *seal(stranger, b"1"))) is Status.SEC_E_MESSAGE_ALTERED


def test_an_exhausted_counter_refuses() -> None:
    client, server = pair()
    client.outgoing.number = server.incoming.number = 2**63 - 2
    assert unseal(server, *seal(client, b"last")) == b"last"
    assert refusal(lambda: seal(client, b"one more")) is Status.SEC_E_CONTEXT_EXPIRED
    assert refusal(lambda: sign(client, b"one more")) is Status.SEC_E_CONTEXT_EXPIRED


def test_what_was_not_agreed_is_refused_R220() -> None:
    client, _ = pair(IscRet(0))
    assert refusal(lambda: sign(client, b"1")) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert refusal(lambda: verify(client, bytes(28), b"1")) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert refusal(lambda: seal(client, b"1")) is Status.STATUS_INVALID_HANDLE
    assert refusal(lambda: unseal(client, bytes(28), b"1")) is Status.STATUS_INVALID_HANDLE
    client, _ = pair()
    message = [SecBuffer(TOKEN), SecBuffer(DATA, b"1")]
    assert refusal(lambda: HELLO.seal_message(client, 1, message, 0)) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert refusal(lambda: HELLO.make_signature(client, 1, message, 0)) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert client.outgoing.number == 0


def test_the_buffers_that_must_be_there_R215_R219_R221() -> None:
    client, _ = pair()
    token, data = SecBuffer(TOKEN), SecBuffer(DATA, b"1")
    for message in ([data], [token], [token, token, data], []):
        assert refusal(HELLO.make_signature, client, 0, message, 0) is Status.SEC_E_INVALID_TOKEN
    for message in ([data], [token, token, data], []):
        assert refusal(HELLO.seal_message, client, 0, message, 0) is Status.STATUS_INVALID_PARAMETER
    for message in ([token], [token, data, data], [token, SecBuffer(DATA | BufferFlag.READONLY, b"1")]):
        assert refusal(HELLO.seal_message, client, 0, message, 0) is Status.SEC_E_INVALID_TOKEN
    assert client.outgoing.number == 0


def test_readonly_data_stays_and_counts_with_checksum_only_R210_R211_R212() -> None:
    client, server = pair()

    def extra(checked: bytes, ignored: bytes) -> tuple[SecBuffer, ...]:
        return (
            SecBuffer(DATA | BufferFlag.READONLY_WITH_CHECKSUM, checked),
            SecBuffer(DATA | BufferFlag.READONLY, ignored),
        )

    buffers = extra(b"header", b"anything")
    token, text = seal(client, b"body", extra=buffers)
    assert [b.data for b in buffers] == [b"header", b"anything"]
    assert refusal(lambda: unseal(server, token, text, extra=extra(b"hEader", b""))) is Status.SEC_E_MESSAGE_ALTERED
    assert unseal(server, token, text, extra=extra(b"header", b"else")) == b"body"

    signed = [SecBuffer(TOKEN | BufferFlag.UNMAPPED), SecBuffer(DATA, b"body"), *extra(b"header", b"anything")]
    HELLO.make_signature(client, 0, signed, 0)
    wrong = [SecBuffer(TOKEN, signed[0].data), SecBuffer(DATA, b"body"), *extra(b"hEader", b"")]
    assert refusal(lambda: HELLO.verify_signature(server, wrong, 0)) is Status.SEC_E_MESSAGE_ALTERED
    right = [SecBuffer(TOKEN, signed[0].data), SecBuffer(DATA, b"bodyheader")]  # borders do not travel, R213
    assert HELLO.verify_signature(server, right, 0) == 0


def test_attributes() -> None:
    client, server = pair()
    query = HELLO.query_context_attributes
    assert query(client, ContextAttribute.SIZES) == Sizes(4096, 28, 1, 28)
    assert query(server, ContextAttribute.NAMES) == Names("EXAMPLE\\alice")
    assert query(client, ContextAttribute.LIFESPAN) == Lifespan(1.0, 2.0)
    assert query(client, ContextAttribute.FLAGS) == ContextFlags(ALL)
    keys = [query(end, ContextAttribute.SESSION_KEY) for end in (client, server)]
    assert keys[0] == keys[1] != SessionKey(KEY)
    assert refusal(lambda: query(client, ContextAttribute.STREAM_SIZES)) is Status.SEC_E_UNSUPPORTED_FUNCTION
    assert query(pair(IscRet(0))[0], ContextAttribute.SIZES) == Sizes(4096, 0, 1, 0)  # R214


def test_the_token_is_as_long_as_the_sizes_say() -> None:
    client, _ = pair()
    assert len(sign(client, b"1")) == len(seal(client, b"1")[0]) == 28


def test_a_deleted_context_holds_no_key() -> None:
    client, _ = pair()
    HELLO.delete_user_mode_context(client)
    assert not hasattr(client, "outgoing") and not hasattr(client, "packed")


def test_the_export_names_the_package() -> None:
    (package,) = user_mode_initialize(InterfaceVersion.V11).packages
    assert package.name == "Hello"


# Packed context (R161)

PACKED = PackedContext(True, 3, 1.0, 2.0, KEY, "péer").pack()


@given(st.booleans(), st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32), st.text(max_size=1000))
def test_a_packed_context_comes_back(initiator: bool, attributes: int, key: bytes, peer: str) -> None:
    context = PackedContext(initiator, attributes, 1.0, float("inf"), key, peer)
    packed = context.pack()
    assert len(packed) <= 64 * 1024
    assert PackedContext.unpack(packed) == context


@pytest.mark.parametrize(
    "data",
    [
        b"", PACKED[:57], b"\0" + PACKED[1:], b"\2" + PACKED[1:], PACKED[:1] + b"\2" + PACKED[2:], PACKED + b"\xff",
        PACKED + b"x" * 4096, PACKED[:10] + b"\x7f\xf8" + PACKED[12:], PACKED[:10] + b"\x7f\xf0" + PACKED[12:],
    ],
)  # fmt: skip
def test_only_what_was_packed_is_unpacked(data: bytes) -> None:
    assert refusal(lambda: HELLO.init_user_mode_context(data)) is Status.SEC_E_INVALID_TOKEN


def test_what_does_not_fit_is_not_packed() -> None:
    assert refusal(PackedContext(True, 0, 1.0, 2.0, KEY, "x" * 4097).pack) is Status.SEC_E_CANNOT_PACK
    assert refusal(PackedContext(True, 0, 1.0, 2.0, b"short", "x").pack) is Status.SEC_E_CANNOT_PACK
