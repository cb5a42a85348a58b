"""Hello's messages beyond the plain ones: lent memory, signed without encryption, contexts that move."""

from __future__ import annotations

import pytest

from secpkg.contract import AscRet, IscRet, SecBuffer, SecurityError, Status
from secpkg.contract.flags import SECPKG_CONTEXT_EXPORT_RESET_NEW, SECQOP_WRAP_NO_ENCRYPT, BufferFlag, BufferType
from secpkg_hello.packed_context import PackedContext
from secpkg_hello.user_mode import Context, Hello

HELLO = Hello()
EMPTY, DATA, TOKEN = int(BufferType.EMPTY), int(BufferType.DATA), int(BufferType.TOKEN)
CHECKED = DATA | int(BufferFlag.READONLY_WITH_CHECKSUM)


def pair(*flags: str) -> tuple[Context, Context]:
    names = flags or ("INTEGRITY", "CONFIDENTIALITY", "SEQUENCE_DETECT")
    made = []
    for initiator, kind in ((True, IscRet), (False, AscRet)):
        attributes = sum(int(kind[name]) for name in names)
        packed = PackedContext(initiator, attributes, 0.0, 9e9, bytes(32), "peer").pack()
        made.append(HELLO.init_user_mode_context(packed))
    return made[0], made[1]


@pytest.mark.parametrize("size", [0, 1, 5000])
@pytest.mark.parametrize("room", [bytearray(6000), bytearray(3), bytes(6000)])
def test_lent_memory_is_used_where_it_is_enough(size: int, room: bytes) -> None:
    client, server = pair()
    data = b"d" * size
    message = [SecBuffer(TOKEN), SecBuffer(DATA, data), SecBuffer(EMPTY, memoryview(room))]
    HELLO.seal_message(client, 0, message, 0)
    token, sealed = bytes(message[0].data), bytes(message[1].data)
    lent = isinstance(message[1].data, memoryview) and message[1].data.obj is room
    assert lent is (isinstance(room, bytearray) and len(room) >= size + 16)
    message = [SecBuffer(TOKEN, token), SecBuffer(DATA, sealed), SecBuffer(EMPTY, memoryview(room))]
    HELLO.unseal_message(server, message, 0)
    assert message[1].data == data and type(message[1].data) is bytes


def test_signed_and_readable() -> None:
    """SECQOP_WRAP_NO_ENCRYPT: no seal for a signature, no signature for a seal, nor one order of parts for another."""
    for names in (("INTEGRITY",), ("INTEGRITY", "CONFIDENTIALITY")):
        client, server = pair(*names)
        message = [SecBuffer(CHECKED, b"head"), SecBuffer(DATA, b"text"), SecBuffer(TOKEN)]
        HELLO.seal_message(client, SECQOP_WRAP_NO_ENCRYPT, message, 0)
        token = bytes(message[2].data)
        assert message[1].data == b"text"
        for spoilt in (token[:4] + bytes([token[4] & 0x7F]) + token[5:], token[:-1] + bytes([token[-1] ^ 1])):
            with pytest.raises(SecurityError):
                HELLO.unseal_message(server, [*message[:2], SecBuffer(TOKEN, spoilt)], 0)
        with pytest.raises(SecurityError):
            HELLO.verify_signature(server, message, 0)
        assert HELLO.unseal_message(server, message, 0) == SECQOP_WRAP_NO_ENCRYPT
        with pytest.raises(SecurityError) as caught:
            HELLO.unseal_message(server, message, 0)
        assert caught.value.status is Status.SEC_E_OUT_OF_SEQUENCE


def test_a_context_without_integrity_wraps_nothing() -> None:
    client, server = pair("CONFIDENTIALITY")
    message = [SecBuffer(TOKEN), SecBuffer(DATA, b"text")]
    with pytest.raises(SecurityError):
        HELLO.seal_message(client, SECQOP_WRAP_NO_ENCRYPT, message, 0)
    token = bytes(4) + b"\x80" + bytes(23)
    with pytest.raises(SecurityError, match="integrity_not_negotiated"):
        HELLO.unseal_message(server, [SecBuffer(TOKEN, token), SecBuffer(DATA, b"text")], 0)


def test_a_moved_context_counts_on() -> None:
    client, server = pair()
    for _ in range(3):
        message = [SecBuffer(TOKEN), SecBuffer(DATA, b"x")]
        HELLO.seal_message(client, 0, message, 0)
        HELLO.unseal_message(server, message, 0)
    moved = HELLO.import_security_context(HELLO.export_security_context(client, 0).packed_context, None)
    message = [SecBuffer(TOKEN), SecBuffer(DATA, b"x")]
    HELLO.seal_message(moved, 0, message, 0)
    assert HELLO.unseal_message(server, message, 0) == 0
    with pytest.raises(SecurityError, match="reset_would_repeat_nonces"):
        HELLO.export_security_context(client, SECPKG_CONTEXT_EXPORT_RESET_NEW)


def test_what_was_not_exported_is_not_imported() -> None:
    exported = HELLO.export_security_context(pair()[0], SECPKG_CONTEXT_EXPORT_RESET_NEW).packed_context
    for data in (b"", exported[:17], b"\2" + exported[1:], exported[:30]):
        with pytest.raises(SecurityError):
            HELLO.import_security_context(data, None)
