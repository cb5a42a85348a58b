"""Both user halves of a session, and messages between them."""

from __future__ import annotations

import pytest

from secpkg.contract import SecurityError, Status
from secpkg.contract.flags import (
    AscRet,
    BufferFlag,
    BufferType,
    IscRet,
)
from secpkg.contract.values import Message, SecBuffer
from secpkg.packages.ntlm.packed_context import PackedContext
from secpkg.packages.ntlm.user_mode.ssp import Context, Ntlm
from secpkg.protocols.ntlm import flags as f

DATA, TOKEN = BufferType.DATA, BufferType.TOKEN
CHECKED = DATA | BufferFlag.READONLY_WITH_CHECKSUM
READONLY = DATA | BufferFlag.READONLY
ALTERED, SEQUENCE = Status.SEC_E_MESSAGE_ALTERED, Status.SEC_E_OUT_OF_SEQUENCE
FULL = f.UNICODE | f.NTLM | f.SIGN | f.SEAL | f.EXTENDED_SESSIONSECURITY | f.KEY_128 | f.KEY_EXCH
HALF = Ntlm()
GRANTED = (
    int(IscRet.INTEGRITY | IscRet.CONFIDENTIALITY | IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT),
    int(AscRet.INTEGRITY | AscRet.CONFIDENTIALITY | AscRet.REPLAY_DETECT | AscRet.SEQUENCE_DETECT),
)


def ends(flags: int = FULL, without: tuple[int, int] = (0, 0)) -> tuple[Context, Context]:
    """Both user halves of one session."""
    key = bytes(range(16))
    made = [
        PackedContext(initiator, granted & ~less, flags, 0.0, 10.0, key)
        for initiator, granted, less in zip((True, False), GRANTED, without, strict=True)
    ]
    one, other = (HALF.init_user_mode_context(packed.pack()) for packed in made)
    return one, other


def sealed(context: Context, message: Message, number: int = 0, quality: int = 0) -> None:
    HALF.seal_message(context, quality, message, number)


def status_of(function: object, *arguments: object) -> Status:
    with pytest.raises(SecurityError) as caught:
        function(*arguments)  # type: ignore[operator]
    return caught.value.status


def simple(data: bytes) -> Message:
    return [SecBuffer(TOKEN, bytes(16)), SecBuffer(DATA, data)]
