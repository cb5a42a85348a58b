"""The user half: message functions over `secpkg.protocols.ntlm.sealing`.

A TOKEN is the 16-byte NTLMSSP_MESSAGE_SIGNATURE. Of a message, the DATA buffers are covered in their order, one of them
is sealed; READONLY_WITH_CHECKSUM buffers are covered as they are, READONLY ones are left out (R211, R212). The order of
messages is NTLM's own business: a connection counts for itself in each direction, and the application's sequence number
(R216) counts in datagrams only, where it is the number of the message.
"""

from __future__ import annotations

from typing import Final

from secpkg.contract.attributes import ClientSpecifiedTarget
from secpkg.contract.flags import (
    SECPKG_CONTEXT_EXPORT_RESET_NEW,
    SECQOP_WRAP_NO_ENCRYPT,
    AscRet,
    BufferFlag,
    BufferType,
    ContextAttribute,
    InterfaceVersion,
    IscRet,
)
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.user_mode.functions import DllFunctions
from secpkg.contract.user_mode.ssp import ExportedContext
from secpkg.contract.values import (
    Buffer,
    ContextAttributes,
    ContextFlags,
    Lifespan,
    Message,
    Names,
    NativeNames,
    SecBuffer,
    SessionKey,
    Sizes,
    TokenReference,
)
from secpkg.packages.ntlm.packed_context import PackedContext
from secpkg.packages.ntlm.user_mode.directions import Directions, directions_of
from secpkg.protocols.ntlm import Fault, Reason, Rejected

_DATA, _TOKEN, _EMPTY = int(BufferType.DATA), int(BufferType.TOKEN), int(BufferType.EMPTY)
_CHECKED: Final = int(BufferFlag.READONLY_WITH_CHECKSUM)
_IGNORED: Final = int(BufferFlag.UNMAPPED | BufferFlag.KERNEL_MAP)
_INITIATES: Final = int(IscRet.INTEGRITY), int(IscRet.CONFIDENTIALITY)
_ACCEPTS: Final = int(AscRet.INTEGRITY), int(AscRet.CONFIDENTIALITY)
_SIGNATURE: Final = 16
_MAX_TOKEN: Final = 2888
_STATUS: Final = {
    Reason.OUT_OF_SEQUENCE: Status.SEC_E_OUT_OF_SEQUENCE,
    Reason.SIGNATURE_MISMATCH: Status.SEC_E_MESSAGE_ALTERED,
    Reason.STREAM_BROKEN: Status.SEC_E_MESSAGE_ALTERED,
    Reason.SEQUENCE_EXHAUSTED: Status.SEC_E_CONTEXT_EXPIRED,
}


class Context:
    """A finished context. One sender and one receiver may use it at once: they touch different directions (R222)."""

    __slots__ = ("can_seal", "can_sign", "directions", "packed")

    def __init__(self, packed: PackedContext, counters: bytes = b"") -> None:
        integrity, confidentiality = _INITIATES if packed.initiator else _ACCEPTS
        self.can_sign = bool(packed.attributes & integrity)
        self.can_seal = bool(packed.attributes & confidentiality)
        self.directions: Directions = directions_of(packed, counters)
        self.packed = packed


class Ntlm:
    """One object per process."""

    name = "NTLM"

    def instance_init(self, version: InterfaceVersion, functions: DllFunctions) -> None:
        """SpInstanceInit: nothing of the host is needed."""

    def init_user_mode_context(self, packed_context: bytes) -> Context:
        """SpInitUserModeContext."""
        return Context(PackedContext.unpack(packed_context))

    def delete_user_mode_context(self, context: Context) -> None:
        """SpDeleteContext."""
        del context.directions, context.packed

    def make_signature(
        self, context: Context, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        """SpMakeSignature."""
        if quality_of_protection or not context.can_sign:
            raise _no_integrity()
        token, parts = _signed(message)
        try:
            token.data = context.directions.protect(parts, sequence_number)[1]
        except Rejected as rejected:
            raise _error(rejected) from None

    def verify_signature(self, context: Context, message: Message, sequence_number: int) -> int:
        """SpVerifySignature."""
        if not context.can_sign:
            raise _no_integrity()
        token, parts = _signed(message)
        try:
            context.directions.open(parts, token.data, sequence_number)
        except Rejected as rejected:
            raise _error(rejected) from None
        return 0

    def seal_message(
        self, context: Context, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        """SpSealMessage: the one writable DATA buffer becomes ciphertext of the same length."""
        seal = not quality_of_protection
        if seal:
            if not context.can_seal:
                raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="confidentiality_not_negotiated")  # R220
        elif quality_of_protection != SECQOP_WRAP_NO_ENCRYPT or not context.can_sign:
            raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="quality_of_protection")
        if len(message) == 2 and message[0].type == _TOKEN and message[1].type == _DATA:  # as nearly always
            token, data = message
            parts: list[tuple[Buffer, bool]] = [(data.data, seal)]
        else:
            token, data, parts = _sealed(message, seal=seal)
        try:
            sealed, token.data = context.directions.protect(parts, sequence_number)
        except Rejected as rejected:
            raise _error(rejected) from None
        if seal:
            data.data = sealed[0]

    def unseal_message(self, context: Context, message: Message, sequence_number: int) -> int:
        """SpUnsealMessage. Without confidentiality, what comes is signed only (SECQOP_WRAP_NO_ENCRYPT)."""
        seal = context.can_seal
        if not seal and not context.can_sign:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="confidentiality_not_negotiated")
        if len(message) == 2 and message[0].type == _TOKEN and message[1].type == _DATA:
            token, data = message
            parts: list[tuple[Buffer, bool]] = [(data.data, seal)]
        else:
            token, data, parts = _sealed(message, seal=seal)
        try:
            opened = context.directions.open(parts, token.data, sequence_number)
        except Rejected as rejected:
            raise _error(rejected) from None
        if seal:
            data.data = opened[0]
            return 0
        return SECQOP_WRAP_NO_ENCRYPT

    def export_security_context(self, context: Context, flags: int) -> ExportedContext:
        """SpExportSecurityContext: the counters and stream positions of both directions, then the packed context.

        RESET_NEW would let the copy begin again with a stream that was used: only a context without messages is reset.
        """
        if flags & SECPKG_CONTEXT_EXPORT_RESET_NEW and context.directions.used:
            raise SecurityError(Status.SEC_E_NOT_SUPPORTED, reason="reset_would_repeat_streams")
        return ExportedContext(context.directions.counters() + context.packed.pack())

    def import_security_context(self, packed_context: bytes, token: TokenReference | None) -> Context:
        """SpImportSecurityContext."""
        size = Directions.COUNTERS
        if len(packed_context) <= size:
            raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="exported_context_malformed")
        return Context(PackedContext.unpack(packed_context[size:]), packed_context[:size])

    def query_context_attributes(self, context: Context, attribute: int) -> ContextAttributes:
        """SpQueryContextAttributes. The session key is ExportedSessionKey (MS-NLMP 3.1.1.1), from which protocols above
        (SMB) derive; the names are the peer's.
        """
        packed = context.packed
        match attribute:
            case ContextAttribute.SIZES:
                trailer = _SIGNATURE if context.can_seal or context.can_sign else 0
                return Sizes(_MAX_TOKEN, trailer if context.can_sign else 0, 1, trailer)
            case ContextAttribute.NAMES:
                return Names(packed.target if packed.initiator else packed.client)
            case ContextAttribute.NATIVE_NAMES:
                return NativeNames(packed.client, packed.target or packed.server)
            case ContextAttribute.LIFESPAN:
                return Lifespan(packed.start, packed.expiry)
            case ContextAttribute.SESSION_KEY:
                return SessionKey(packed.exported_session_key)
            case ContextAttribute.FLAGS:
                return ContextFlags(packed.attributes)
            case ContextAttribute.CLIENT_SPECIFIED_TARGET:
                return ClientSpecifiedTarget(packed.target)
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_offered")


def _no_integrity() -> SecurityError:
    return SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="integrity_not_negotiated")


def _error(rejected: Rejected) -> SecurityError:
    status = _STATUS.get(rejected.reason)
    if status is None:
        status = Status.SEC_E_INVALID_TOKEN if rejected.fault is Fault.PEER else Status.SEC_E_UNSUPPORTED_FUNCTION
    return SecurityError(status, reason=rejected.reason.value)


def _signed(message: Message) -> tuple[SecBuffer, list[tuple[Buffer, bool]]]:
    """The TOKEN buffer and what a signature covers."""
    tokens, data = _of(message, _TOKEN), _of(message, _DATA, _DATA | _CHECKED)
    if len(tokens) != 1 or not data:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="not_one_token_and_data")  # R215
    return tokens[0], [(buffer.data, False) for buffer in data]


def _sealed(message: Message, *, seal: bool) -> tuple[SecBuffer, SecBuffer, list[tuple[Buffer, bool]]]:
    """The TOKEN buffer, the DATA buffer to change, and all that is covered, in the order of the buffers."""
    tokens, datas = _of(message, _TOKEN), _of(message, _DATA)
    if len(tokens) != 1:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="not_one_token_buffer")  # R219
    if len(datas) != 1:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="not_one_data_buffer")  # R221
    covered = _of(message, _DATA, _DATA | _CHECKED)
    return tokens[0], datas[0], [(buffer.data, seal and buffer is datas[0]) for buffer in covered]


def _of(message: Message, *kinds: int) -> list[SecBuffer]:
    return [buffer for buffer in message if buffer.type & ~_IGNORED in kinds]  # R210
