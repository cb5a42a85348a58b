"""AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3): who the initiator is, and its proof.

Nothing in the message says whether it has a Version and a MIC: what does is where the payload begins. Behind the fixed
64 bytes there may be nothing (the oldest form), 8 bytes of version, 16 of MIC alone, or both; a message without
either of them is as old as one that has none is new, and all are met. Whether a MIC that is there *counts* is not
decided here: only MsvAvFlags inside the proved response says so (3.2.5.1.2).
"""

import struct
from typing import Final

import msgspec

from .errors import Reason, Rejected, bad_argument
from .flags import VERSION
from .messages import (
    OEM_CODE_PAGE,
    SIGNATURE,
    Version,
    character_set,
    decode_text,
    decode_version,
    encode_text,
    encode_version,
    expect,
    payload_start,
)
from .transitions import Message

MIC_SIZE: Final = 16
SESSION_KEY_SIZE: Final = 16
_HEADER: Final = struct.Struct("<8sI" + "HHI" * 6 + "I")
_VERSION_SIZE: Final = 8
_MIC_AT: Final = _HEADER.size + _VERSION_SIZE


class Authenticate(msgspec.Struct, frozen=True, eq=False):
    """An AUTHENTICATE_MESSAGE as it came. The responses and the key are views of ``raw``, which is the whole token.

    ``mic_at`` is the offset of the MIC in ``raw``, None where there is no room for one.
    """

    raw: memoryview
    flags: int
    domain: str
    user: str
    workstation: str
    lm_response: memoryview
    nt_response: memoryview
    encrypted_session_key: memoryview
    version: Version | None
    mic_at: int | None

    @classmethod
    def parse(cls, token: bytes | memoryview, *, oem: str = OEM_CODE_PAGE) -> "Authenticate":
        """The message in `token`; Rejected otherwise."""
        view = expect(token, Message.AUTHENTICATE, _HEADER.size)
        (
            _,
            _,
            lm,
            _,
            lm_at,
            nt,
            _,
            nt_at,
            domain,
            _,
            domain_at,
            user,
            _,
            user_at,
            workstation,
            _,
            workstation_at,
            key,
            _,
            key_at,
            flags,
        ) = _HEADER.unpack_from(view)
        fields = ((lm, lm_at), (nt, nt_at), (domain, domain_at), (user, user_at), (workstation, workstation_at))
        optional = payload_start((*fields, (key, key_at)), _HEADER.size, len(view)) - _HEADER.size
        mic_at = None
        if optional >= _VERSION_SIZE + MIC_SIZE:
            mic_at = _MIC_AT
        elif optional == MIC_SIZE:
            mic_at = _HEADER.size
        elif optional not in (0, _VERSION_SIZE):
            raise Rejected(Reason.MALFORMED, "MS-NLMP 2.2.1.3: neither Version nor MIC stand before the payload")
        versioned = flags & VERSION and optional not in (0, MIC_SIZE)
        text = character_set(flags, oem)
        return cls(
            view,
            flags,
            decode_text(view, domain, domain_at, text),
            decode_text(view, user, user_at, text),
            decode_text(view, workstation, workstation_at, text),
            view[lm_at : lm_at + lm],
            view[nt_at : nt_at + nt],
            view[key_at : key_at + key],
            decode_version(view, _HEADER.size) if versioned else None,
            mic_at,
        )

    @property
    def mic(self) -> memoryview | None:
        """The 16 bytes of the MIC field, None where there is no room for one."""
        return None if self.mic_at is None else self.raw[self.mic_at : self.mic_at + MIC_SIZE]

    def without_mic(self) -> bytes:
        """The token with its MIC field zero, as it enters the MIC (3.1.5.1.2)."""
        if self.mic_at is None:
            return bytes(self.raw)
        return b"".join((self.raw[: self.mic_at], bytes(MIC_SIZE), self.raw[self.mic_at + MIC_SIZE :]))


def build(
    flags: int,
    *,
    domain: str,
    user: str,
    workstation: str,
    lm_response: bytes,
    nt_response: bytes,
    encrypted_session_key: bytes = b"",
    version: Version | None = None,
    mic: bool = False,
    oem: str = OEM_CODE_PAGE,
) -> bytes:
    """The token; with `mic` it has a MIC field, still zero, for `with_mic`. The version's flag follows the version.

    Text comes first, so that it is aligned whatever the responses measure.
    """
    if not 0 <= flags <= 0xFFFFFFFF:
        raise bad_argument("MS-NLMP 2.2.2.5: flags are 32 bits")
    if len(nt_response) > 0xFFFF or len(lm_response) > 0xFFFF:
        raise bad_argument("MS-NLMP 2.2.1.3: the length of a payload field is 16 bits")
    text = character_set(flags, oem)
    a, b, c = encode_text(domain, text), encode_text(user, text), encode_text(workstation, text)
    start = _MIC_AT + MIC_SIZE * mic
    b_at = start + len(a)
    c_at = b_at + len(b)
    lm_at = c_at + len(c)
    nt_at = lm_at + len(lm_response)
    key_at = nt_at + len(nt_response)
    flags = flags & ~VERSION | VERSION * (version is not None)
    header = _HEADER.pack(
        SIGNATURE, 3,
        lm := len(lm_response), lm, lm_at,
        nt := len(nt_response), nt, nt_at,
        d := len(a), d, start,
        u := len(b), u, b_at,
        w := len(c), w, c_at,
        k := len(encrypted_session_key), k, key_at,
        flags,
    )  # fmt: skip
    space = bytes(MIC_SIZE) if mic else b""
    return b"".join((header, encode_version(version), space, a, b, c, lm_response, nt_response, encrypted_session_key))


def with_mic(token: bytes, mic: bytes) -> bytes:
    """A token of `build(..., mic=True)` with its MIC."""
    return b"".join((token[:_MIC_AT], mic, token[_MIC_AT + MIC_SIZE :]))
