"""Hello in the application: sign, verify, seal and unseal under the keys of a finished handshake.

A TOKEN is a nonce and a tag. The nonce is the application's own sequence number (32 bits, 0: it keeps none, R216) and
the number of the message in its direction (63 bits; the 64th says that nothing is encrypted). Each direction has one
counter and two keys, one to seal and one to sign, so that no nonce serves a key twice, a message sent back is not taken
for one of the peer's, and a seal is not taken for a signature. The receiver first sees whether a message is authentic,
then whether it is the one due: altered and out of sequence are two answers (R218), and neither changes anything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from secpkg.contract import (
    AscRet,
    Buffer,
    ContextAttribute,
    ContextAttributes,
    ContextFlags,
    DllFunctions,
    InterfaceVersion,
    IscRet,
    Lifespan,
    Message,
    Names,
    SecBuffer,
    SecurityError,
    SessionKey,
    Sizes,
    Status,
    UserModuleTables,
)
from secpkg.contract.flags import SECPKG_CONTEXT_EXPORT_RESET_NEW, SECQOP_WRAP_NO_ENCRYPT, BufferFlag, BufferType
from secpkg.contract.user_mode.ssp import ExportedContext
from secpkg.contract.values import TokenReference
from secpkg_hello.packed_context import PackedContext

_NONCE = struct.Struct(">IQ")
_NONCE_SIZE = _NONCE.size
_pack, _unpack = _NONCE.pack, _NONCE.unpack
_COUNTERS = struct.Struct(">BQQ")  # version, numbers of the next messages out and in; the packed context follows
_EXPORT = 1
_ULONG = 0xFFFFFFFF
_TEXT, _TAG = slice(-16), slice(-16, None)
_TRAILER = _NONCE.size + 16
_PLAIN = 2**63
"""In the number of a message that is not encrypted."""
_LAST = _PLAIN - 1
_MARK = 4  # the byte of a nonce that has this bit
_SMALL = 4096
"""Bytes up to which a copy is cheaper than a view."""
_EMPTY, _DATA, _TOKEN = int(BufferType.EMPTY), int(BufferType.DATA), int(BufferType.TOKEN)
_CHECKED = int(BufferFlag.READONLY_WITH_CHECKSUM)
_IGNORED = int(BufferFlag.UNMAPPED | BufferFlag.KERNEL_MAP)


Cipher = Callable[[bytes, Buffer, Buffer | None], bytes]


class Direction:
    """One way of a context: one counter, and what to do with its two keys."""

    __slots__ = ("number", "seal", "seal_into", "sign")

    def __init__(self, keys: bytes, *, ours: bool) -> None:
        seal, sign = ChaCha20Poly1305(keys[:32]), ChaCha20Poly1305(keys[32:])
        self.seal_into = seal.encrypt_into
        self.seal: Cipher = seal.encrypt if ours else seal.decrypt
        self.sign: Cipher = sign.encrypt if ours else sign.decrypt
        self.number = 0


class Context:
    """A finished context. One sender and one receiver may use it at once: they touch different directions (R222)."""

    __slots__ = ("can_seal", "can_sign", "in_sequence", "incoming", "outgoing", "packed")

    def __init__(self, packed: PackedContext) -> None:
        keys = HKDFExpand(SHA256(), 128, b"secpkg Hello 1 messages").derive(packed.session_key)
        initiator, acceptor = keys[:64], keys[64:]
        self.outgoing = Direction(initiator if packed.initiator else acceptor, ours=True)
        self.incoming = Direction(acceptor if packed.initiator else initiator, ours=False)
        flags: type[IscRet | AscRet] = IscRet if packed.initiator else AscRet
        self.can_sign = bool(packed.attributes & flags.INTEGRITY)
        self.can_seal = bool(packed.attributes & flags.CONFIDENTIALITY)
        self.in_sequence = bool(packed.attributes & flags.SEQUENCE_DETECT)
        self.packed = packed


class Hello:
    """The user half: one object per process."""

    name = "Hello"

    def instance_init(self, version: InterfaceVersion, functions: DllFunctions) -> None:
        """SpInstanceInit: Hello needs nothing of the host."""

    def init_user_mode_context(self, packed_context: bytes) -> Context:
        """SpInitUserModeContext."""
        return Context(PackedContext.unpack(packed_context))

    def delete_user_mode_context(self, context: Context) -> None:
        """SpDeleteContext."""
        del context.outgoing, context.incoming, context.packed

    def make_signature(
        self, context: Context, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        """SpMakeSignature: over the DATA buffers as one string of bytes, whatever their borders (R213)."""
        if quality_of_protection or not context.can_sign:
            raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="integrity_not_negotiated")
        token, covered = _signed(message)
        way = context.outgoing
        number = way.number
        if number >= _LAST:
            raise _exhausted()
        way.number = number + 1
        nonce = _pack(sequence_number & _ULONG if context.in_sequence else 0, number)  # R217
        token.data = nonce + way.sign(nonce, b"", covered)

    def verify_signature(self, context: Context, message: Message, sequence_number: int) -> int:
        """SpVerifySignature."""
        if not context.can_sign:
            raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="integrity_not_negotiated")
        token, covered = _signed(message)
        _open(context, context.incoming.sign, token.data, b"", covered, sequence_number)
        return 0

    def seal_message(
        self, context: Context, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        """SpSealMessage: encrypts the one writable DATA buffer; covers READONLY_WITH_CHECKSUM ones without a change."""
        if quality_of_protection or not context.can_seal:
            _wrap(context, quality_of_protection, message, sequence_number)
            return
        room = covered = None
        if len(message) == 2 and message[0].type == _TOKEN and message[1].type == _DATA:  # as nearly always
            token, data = message
        else:
            token, data, covered, room = _sealed(message)
        way = context.outgoing
        number = way.number
        if number >= _LAST:
            raise _exhausted()
        way.number = number + 1
        nonce = _pack(sequence_number & _ULONG if context.in_sequence else 0, number)  # R217
        if room is not None:
            way.seal_into(nonce, data.data, covered, room)
            data.data, token.data = room[_TEXT], nonce + room[_TAG]
            return
        sealed = way.seal(nonce, data.data, covered)
        data.data = sealed[_TEXT] if len(sealed) <= _SMALL else memoryview(sealed)[_TEXT]
        token.data = nonce + sealed[_TAG]

    def unseal_message(self, context: Context, message: Message, sequence_number: int) -> int:
        """SpUnsealMessage."""
        room = covered = None
        if len(message) == 2 and message[0].type == _TOKEN and message[1].type == _DATA:  # as nearly always
            token, data = message
        else:
            token, data, covered, room = _sealed(message)
        if len(token.data) == _TRAILER and token.data[_MARK] & 0x80:
            return _unwrap(context, token, data, covered, sequence_number)
        if not context.can_seal:
            raise _no_seal(0)
        data.data = _open(context, context.incoming.seal, token.data, data.data, covered, sequence_number, room)
        return 0

    def export_security_context(self, context: Context, flags: int) -> ExportedContext:
        """SpExportSecurityContext: the packed context behind the numbers of both directions.

        RESET_NEW would let the copy begin again with keys that were used: only a context without messages is reset.
        """
        counters = _COUNTERS.pack(_EXPORT, context.outgoing.number, context.incoming.number)
        if flags & SECPKG_CONTEXT_EXPORT_RESET_NEW and (context.outgoing.number or context.incoming.number):
            raise SecurityError(Status.SEC_E_NOT_SUPPORTED, reason="reset_would_repeat_nonces")
        return ExportedContext(counters + context.packed.pack())

    def import_security_context(self, packed_context: bytes, token: TokenReference | None) -> Context:
        """SpImportSecurityContext."""
        if len(packed_context) <= _COUNTERS.size or packed_context[0] != _EXPORT:
            raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="exported_context_malformed")
        _, outgoing, incoming = _COUNTERS.unpack_from(packed_context)
        context = Context(PackedContext.unpack(packed_context[_COUNTERS.size :]))
        context.outgoing.number, context.incoming.number = outgoing, incoming
        return context

    def query_context_attributes(self, context: Context, attribute: int) -> ContextAttributes:
        """SpQueryContextAttributes; the session key is one derived for the application, not ours."""
        packed = context.packed
        match attribute:
            case ContextAttribute.SIZES:
                return Sizes(4096, _TRAILER if context.can_sign else 0, 1, _TRAILER if context.can_seal else 0)
            case ContextAttribute.NAMES:
                return Names(packed.peer)
            case ContextAttribute.LIFESPAN:
                return Lifespan(packed.start, packed.expiry)
            case ContextAttribute.SESSION_KEY:
                return SessionKey(HKDFExpand(SHA256(), 32, b"secpkg Hello 1 exported").derive(packed.session_key))
            case ContextAttribute.FLAGS:
                return ContextFlags(packed.attributes)
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_offered")


def _no_seal(quality_of_protection: int) -> SecurityError:
    status = Status.SEC_E_QOP_NOT_SUPPORTED if quality_of_protection else Status.STATUS_INVALID_HANDLE  # R220
    return SecurityError(status, reason="confidentiality_not_negotiated")


def _wrap(context: Context, quality_of_protection: int, message: Message, sequence_number: int) -> None:
    """SECQOP_WRAP_NO_ENCRYPT: the data stay as they are, under a tag. The highest bit of the number says so, and keeps
    the nonces of this kind apart from those of sealed messages.
    """
    if quality_of_protection != SECQOP_WRAP_NO_ENCRYPT or not context.can_sign:
        raise _no_seal(quality_of_protection)
    token, data, covered, _ = _sealed(message)
    way = context.outgoing
    if way.number >= _LAST:
        raise _exhausted()
    number, way.number = way.number, way.number + 1
    nonce = _pack(sequence_number & _ULONG if context.in_sequence else 0, number | _PLAIN)
    token.data = nonce + way.seal(nonce, b"", _together(covered, data))


def _unwrap(context: Context, token: SecBuffer, data: SecBuffer, covered: Buffer | None, sequence_number: int) -> int:
    if not context.can_sign:
        raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="integrity_not_negotiated")
    _open(context, context.incoming.seal, token.data, b"", _together(covered, data), sequence_number)
    return SECQOP_WRAP_NO_ENCRYPT


def _together(covered: Buffer | None, data: SecBuffer) -> Buffer:
    return b"".join((covered, data.data)) if covered else data.data


def _sealed(message: Message) -> tuple[SecBuffer, SecBuffer, Buffer | None, memoryview | None]:
    """The TOKEN buffer, the DATA buffer to change, what is covered as it is, and memory lent in an EMPTY buffer."""
    if len(message) == 3 and message[0].type == _TOKEN and message[1].type == _DATA and message[2].type == _EMPTY:
        token, data, lent = message
        room = lent.data
        size = len(data.data) + 16
        if type(room) is memoryview and len(room) >= size and not room.readonly:
            return token, data, None, room[:size]
        return token, data, None, None
    tokens, datas, checked = _of(message, _TOKEN), _of(message, _DATA), _of(message, _DATA | _CHECKED)
    if len(tokens) != 1:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="not_one_token_buffer")  # R219
    if len(datas) != 1:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="not_one_data_buffer")  # R221
    return tokens[0], datas[0], _joined(checked), None


def _joined(buffers: list[SecBuffer]) -> Buffer:
    """Their bytes; those of one buffer as they are."""
    return buffers[0].data if len(buffers) == 1 else b"".join(buffer.data for buffer in buffers)


def _signed(message: Message) -> tuple[SecBuffer, Buffer]:
    """The TOKEN buffer and what the signature covers: not what is READONLY without checksum (R212)."""
    tokens, data = _of(message, _TOKEN), _of(message, _DATA, _DATA | _CHECKED)
    if len(tokens) != 1 or not data:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="not_one_token_and_data")  # R215
    return tokens[0], _joined(data)


def _of(message: Message, *kinds: int) -> list[SecBuffer]:
    return [buffer for buffer in message if buffer.type & ~_IGNORED in kinds]  # R210


def _exhausted() -> SecurityError:
    return SecurityError(Status.SEC_E_CONTEXT_EXPIRED, reason="counter_exhausted")


def _open(
    context: Context,
    decrypt: Cipher,
    token: Buffer,
    data: Buffer,
    covered: Buffer | None,
    sequence_number: int,
    room: memoryview | None = None,
) -> bytes:
    if len(token) != _TRAILER:
        raise SecurityError(Status.SEC_E_MESSAGE_ALTERED, reason="token_length")
    nonce = bytes(token[:_NONCE_SIZE])
    sealed: Buffer
    if room is not None:
        room[_TEXT], room[_TAG] = data, token[_NONCE_SIZE:]
        sealed = room
    else:
        sealed = b"".join((data, token[_NONCE_SIZE:]))
    try:
        opened = decrypt(nonce, sealed, covered)
    except InvalidTag:
        raise SecurityError(Status.SEC_E_MESSAGE_ALTERED, reason="tag_mismatch") from None
    direction = context.incoming
    theirs, number = _unpack(nonce)
    number &= ~_PLAIN
    if number != direction.number or sequence_number:
        _check_order(context, number, theirs, sequence_number)
    direction.number = number + 1
    return opened


def _check_order(context: Context, number: int, theirs: int, sequence_number: int) -> None:
    due = context.incoming.number
    if number < due or (
        context.in_sequence and (number != due or (sequence_number and theirs != sequence_number & _ULONG))
    ):
        raise SecurityError(Status.SEC_E_OUT_OF_SEQUENCE, reason="replayed_or_missing")


def user_mode_initialize(version: InterfaceVersion) -> UserModuleTables:
    """SpUserModeInitialize."""
    return UserModuleTables(InterfaceVersion.V1, (Hello(),))
