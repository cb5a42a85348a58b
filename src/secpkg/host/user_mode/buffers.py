"""The message functions over buffers, as the documents have them: what `UserContext` does for the documented floor.

The rules that do not need a context are in `messages`; here they meet what was negotiated, the turns and the package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Message, Sizes
from secpkg.host.user_mode import messages
from secpkg.host.user_mode.calls import Function, Turn, busy, not_negotiated, package_call, refuse

if TYPE_CHECKING:
    from secpkg.contract.attributes import StreamSizes

NO_ENCRYPT: Final = 0x80000001
"""SECQOP_WRAP_NO_ENCRYPT."""


class BufferFunctions:
    """MakeSignature, VerifySignature, EncryptMessage, DecryptMessage; `UserContext` has the rest."""

    __slots__ = ()

    _alive: bool
    _context: object
    _hide: Function
    _receiver: Turn
    _seal: Function
    _sender: Turn
    _sign: Function
    _signature: int
    _unseal: Function
    _verify: Function

    def sizes(self) -> Sizes:
        raise NotImplementedError

    def stream_sizes(self) -> StreamSizes:
        raise NotImplementedError

    @implements("user_mode", "SpMakeSignature")
    def make_signature(self, quality_of_protection: int, message: Message, sequence_number: int) -> None:
        """MakeSignature: no TOKEN buffer is SEC_E_INVALID_TOKEN (R215), nor one that is too small; without integrity
        SEC_E_QOP_NOT_SUPPORTED (R220), in a session that cannot sign SEC_E_UNSUPPORTED_FUNCTION (R214).
        """
        messages.numbers(quality_of_protection, sequence_number)
        refuse(self._sign)
        self.sizes()
        self._require_signatures()
        messages.check_signing(message, self._signature)
        lent = messages.lend(message, unchanged=True)
        self._use(self._sender, self._sign, (quality_of_protection, lent, sequence_number))
        messages.signed(message, lent, self._signature)

    @implements("user_mode", "SpVerifySignature")
    def verify_signature(self, message: Message, sequence_number: int) -> int:
        """VerifySignature: the quality of protection. It changes no buffer."""
        messages.numbers(0, sequence_number)
        refuse(self._verify)
        messages.check_signing(message, 0)
        lent = messages.lend(message, unchanged=True)
        return _quality(self._use(self._receiver, self._verify, (lent, sequence_number)))

    @implements("user_mode", "SpSealMessage")
    def seal_message(self, quality_of_protection: int, message: Message, sequence_number: int) -> None:
        """EncryptMessage, in the usual form or a stream's: see `messages.check_sealing` and `messages.check_stream`.
        Without confidentiality only SECQOP_WRAPNO_ENCRYPT is not refused (R220).
        """
        messages.numbers(quality_of_protection, sequence_number)
        refuse(self._seal)
        if self._hide is not_negotiated and quality_of_protection & NO_ENCRYPT != NO_ENCRYPT:
            not_negotiated()
        if messages.is_stream(message):
            stream = self.stream_sizes()
            messages.check_stream(message, stream)
            limits = {messages.HEADER: stream.header, messages.TRAILER: stream.trailer}
        else:
            sizes = self.sizes()
            messages.check_sealing(message, sizes)
            token = max(sizes.security_trailer, sizes.max_signature)
            limits = {messages.TOKEN: token, messages.PADDING: sizes.block_size}
        lent = messages.lend(message)
        self._use(self._sender, self._seal, (quality_of_protection, lent, sequence_number))
        messages.sealed(message, lent, limits)

    @implements("user_mode", "SpUnsealMessage")
    def unseal_message(self, message: Message, sequence_number: int) -> int:
        """DecryptMessage: the quality of protection. No DATA (or STREAM) buffer is SEC_E_INVALID_TOKEN (R221). A
        message that is not whole is SEC_E_INCOMPLETE_MESSAGE and changes nothing but what is MISSING (R226).
        """
        messages.numbers(0, sequence_number)
        refuse(self._unseal)
        stream = messages.check_received(message)
        hand_back = messages.received if stream else messages.opened
        lent = messages.lend(message)
        try:
            quality = self._use(self._receiver, self._unseal, (lent, sequence_number))
        except SecurityError as error:
            if error.status is Status.SEC_E_INCOMPLETE_MESSAGE:
                messages.missing(message, lent)
            elif not error.status.is_error:
                hand_back(message, lent)
            raise
        hand_back(message, lent)
        return _quality(quality)

    def _require_signatures(self) -> None:
        if self._signature == 0 and self._alive:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="session_cannot_sign")

    def _use(self, turn: Turn, function: Callable[..., object], arguments: tuple[object, ...]) -> object:
        try:
            pair = turn.pop()
        except IndexError:
            raise busy() from None
        try:
            return package_call(function, self._context, *arguments)
        finally:
            turn.append(pair)


def _quality(value: object) -> int:
    return value if isinstance(value, int) else 0
