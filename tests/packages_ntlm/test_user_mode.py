"""The user half: messages of a finished context, as applications protect and open them."""

from __future__ import annotations

import random

import pytest
from tests.packages_ntlm.halves import (
    ALTERED,
    CHECKED,
    DATA,
    FULL,
    GRANTED,
    HALF,
    READONLY,
    SEQUENCE,
    TOKEN,
    ends,
    sealed,
    simple,
    status_of,
)
from tests.packages_ntlm.world import pair

from secpkg.contract import SecurityError, Status
from secpkg.contract.flags import (
    SECQOP_WRAP_NO_ENCRYPT,
    AscRet,
    BufferType,
    IscRet,
)
from secpkg.contract.values import Message, SecBuffer
from secpkg.protocols.ntlm import flags as f
from secpkg.testing import LabAuthority

SESSIONS = {
    "full": FULL,
    "56-bit": FULL & ~f.KEY_128 | f.KEY_56,
    "40-bit": FULL & ~f.KEY_128,
    "no key exchange": FULL & ~f.KEY_EXCH,
    "no session security": FULL & ~f.EXTENDED_SESSIONSECURITY,
    "datagram": FULL | f.DATAGRAM,
}


@pytest.mark.parametrize("flags", SESSIONS.values(), ids=SESSIONS)
def test_messages_both_ways(flags: int) -> None:
    """Signed and sealed, in the order of the connection; the ciphertext is as long as the text."""
    one, other = ends(flags)
    chance = random.Random(3)
    for number in range(1, 40):
        sender, receiver = (one, other) if chance.random() < 0.5 else (other, one)
        data = chance.randbytes(chance.choice((0, 1, 15, 16, 17, 4096)))
        if chance.random() < 0.5:
            message = simple(data)
            sealed(sender, message, number)
            assert len(bytes(message[1].data)) == len(data) and len(bytes(message[0].data)) == 16
            assert len(data) < 8 or bytes(message[1].data) != data
            assert HALF.unseal_message(receiver, message, number) == 0 and bytes(message[1].data) == data
        else:
            message = simple(data)
            HALF.make_signature(sender, 0, message, number)
            assert HALF.verify_signature(receiver, message, number) == 0


@pytest.mark.parametrize("flags", [FULL, FULL & ~f.EXTENDED_SESSIONSECURITY, FULL | f.DATAGRAM])
def test_every_bit_of_a_message_counts(flags: int) -> None:
    for at in range((16 + 5) * 8):
        one, other = ends(flags)
        message = simple(b"hello")
        sealed(one, message, 1)
        buffer = message[at >= 128]
        bent = bytearray(buffer.data)
        bent[at % 128 // 8] ^= 1 << at % 8
        if not flags & f.EXTENDED_SESSIONSECURITY and at // 8 in range(4, 8):
            continue  # MS-NLMP 3.4.4.1: RandomPad counts for nothing without extended session security
        buffer.data = bytes(bent)
        assert status_of(HALF.unseal_message, other, message, 1) in (ALTERED, SEQUENCE)


def test_a_message_counts_once_and_in_order(lab: LabAuthority) -> None:
    """A replayed, left out or reflected one ends the connection's direction, and never opens."""
    for attack in ("replayed", "left out", "reflected"):
        with pair(lab) as both:
            both.run()
            first, second = both.client.encrypt(b"one"), both.client.encrypt(b"two")
            if attack == "reflected":
                with pytest.raises(SecurityError) as caught:
                    both.client.decrypt(first)
            elif attack == "left out":
                with pytest.raises(SecurityError) as caught:
                    both.server.decrypt(second)
            else:
                both.server.decrypt(first)
                with pytest.raises(SecurityError) as caught:
                    both.server.decrypt(first)
            assert caught.value.status in (ALTERED, SEQUENCE), attack


def test_scattered_buffers() -> None:
    """R210-R212: what is covered in its order, one sealed; other buffers are nobody's business."""

    def message() -> Message:
        return [
            SecBuffer(CHECKED, b"header"),
            SecBuffer(BufferType.EMPTY),
            SecBuffer(READONLY, b"left out"),
            SecBuffer(DATA, b"text"),
            SecBuffer(TOKEN, bytes(16)),
            SecBuffer(CHECKED, b"trailer"),
        ]

    one, other = ends()
    whole = message()
    sealed(one, whole)
    assert [bytes(buffer.data) for buffer in whole[:3]] == [b"header", b"", b"left out"]
    assert bytes(whole[3].data) != b"text" and bytes(whole[5].data) == b"trailer"
    whole[2].data = b"whatever"
    assert HALF.unseal_message(other, whole, 0) == 0 and bytes(whole[3].data) == b"text"
    for at in (0, 5):
        one, other = ends()
        whole = message()
        sealed(one, whole)
        whole[at].data = b"altered"
        assert status_of(HALF.unseal_message, other, whole, 0) is ALTERED
    one, other = ends()
    whole = message()
    sealed(one, whole)
    whole[0], whole[5] = whole[5], whole[0]
    assert status_of(HALF.unseal_message, other, whole, 0) is ALTERED


def test_buffers_that_are_not_there() -> None:
    """R215, R219, R221."""
    one, _ = ends()
    token, data, checked = SecBuffer(TOKEN, bytes(16)), SecBuffer(DATA, b"x"), SecBuffer(CHECKED, b"y")
    for message in ([data], [token, token, data], [token], []):
        assert status_of(HALF.make_signature, one, 0, message, 0) is Status.SEC_E_INVALID_TOKEN
    for message in ([data], [token, token, data]):
        assert status_of(HALF.seal_message, one, 0, message, 0) is Status.STATUS_INVALID_PARAMETER
    for message in ([token], [token, checked], [token, data, data]):
        assert status_of(HALF.seal_message, one, 0, message, 0) is Status.SEC_E_INVALID_TOKEN
    _, other = ends()
    for length in (0, 15, 17):
        message = [SecBuffer(TOKEN, bytes(length)), SecBuffer(DATA, b"x")]
        assert status_of(HALF.unseal_message, other, message, 0) is ALTERED
        assert status_of(HALF.verify_signature, other, message, 0) is ALTERED


def test_wrap_no_encrypt() -> None:
    """A message that is signed only; the peer of a sealing context verifies it, one that cannot seal says so."""
    one, other = ends()
    message = simple(b"in clear")
    sealed(one, message, quality=SECQOP_WRAP_NO_ENCRYPT)
    assert bytes(message[1].data) == b"in clear"
    assert HALF.verify_signature(other, message, 0) == 0
    one, other = ends(FULL & ~f.SEAL, (int(IscRet.CONFIDENTIALITY), int(AscRet.CONFIDENTIALITY)))
    message = simple(b"in clear")
    assert status_of(HALF.seal_message, one, 0, message, 0) is Status.STATUS_INVALID_HANDLE
    sealed(one, message, quality=SECQOP_WRAP_NO_ENCRYPT)
    assert HALF.unseal_message(other, message, 0) == SECQOP_WRAP_NO_ENCRYPT
    sealed(one, message, quality=SECQOP_WRAP_NO_ENCRYPT)
    message[1].data = b"altered"
    assert status_of(HALF.unseal_message, other, message, 0) is ALTERED
    one, _ = ends()
    assert status_of(HALF.seal_message, one, 7, simple(b"x"), 0) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert status_of(HALF.make_signature, one, 7, simple(b"x"), 0) is Status.SEC_E_QOP_NOT_SUPPORTED


def test_nothing_without_what_was_granted() -> None:
    nothing = tuple(GRANTED)
    one, _ = ends(FULL & ~f.SEAL & ~f.SIGN, (nothing[0], nothing[1]))
    assert status_of(HALF.make_signature, one, 0, simple(b"x"), 0) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert status_of(HALF.verify_signature, one, simple(b"x"), 0) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert status_of(HALF.seal_message, one, 0, simple(b"x"), 0) is Status.STATUS_INVALID_HANDLE
    assert status_of(HALF.unseal_message, one, simple(b"x"), 0) is Status.STATUS_INVALID_HANDLE
