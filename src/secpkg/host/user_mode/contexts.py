"""A context in the application: what the user half of a package (or a plain SSP) does with messages.

Two floors over the same functions of the package. The upper one takes and gives bytes and builds the buffers itself,
so that there is nothing to check; the lower one is given buffers and applies R211, R214, R215, R219 and R221 before the
package is asked. What depends on the context alone (R220, the sizes) is settled when the context is made.

One sender and one receiver may use a context at once; a second of a kind is refused with SEC_E_INVALID_HANDLE
(``context_busy``, R222). Each kind has a list with one element: whoever pops it has the turn. `list.pop` is atomic, and
no lock can be left held by a fork or a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import MAX_PACKED_CONTEXT, Buffer, ContextAttributes, Message, SecBuffer, Sizes
from secpkg.host.tables import Table

DATA: Final = 1
TOKEN: Final = 2
STREAM: Final = 10
TYPE_MASK: Final = 0x0FFFFFFF
READONLY: Final = 0x90000000
"""SECBUFFER_READONLY and SECBUFFER_READONLY_WITH_CHECKSUM."""

_SIZES: Final = 0
_SMALL: Final = 4096
_ROOM: Final = 65_536 + 256
_ROOMS: Final = 4
_rooms: list[SecBuffer] = []
"""Memory that is lent to packages for messages above `_SMALL`; as many as there were senders and receivers at once."""

Pair = tuple[SecBuffer, SecBuffer, Message]
"""A TOKEN and a DATA buffer, and the message of both: made once for each direction, used by whoever has the turn."""
Turn = list[Pair]
Function = Callable[..., object]


def check_packed_context(packed: bytes) -> bytes:
    """The packed context, when it may be given to a user half: not empty, at most 64 KiB (spec/README 8)."""
    if not packed:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="packed_context_empty")
    if len(packed) > MAX_PACKED_CONTEXT:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="packed_context_too_large")
    return packed


def package_call(function: Callable[..., object], *arguments: object) -> object:
    """Call a function of a package: what it raises beside SecurityError is its own fault, SEC_E_INTERNAL_ERROR."""
    try:
        return function(*arguments)
    except SecurityError:
        raise
    except Exception as error:
        raise package_fault(error) from error


def package_fault(error: Exception) -> SecurityError:
    """What a package raised that is no documented failure."""
    return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"package_raised_{type(error).__name__}")


def _no_function(*_: object) -> object:
    raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="function_missing")


def _not_negotiated(*_: object) -> object:
    raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="not_negotiated")


def busy() -> SecurityError:
    """What a second sender, receiver or leg is told."""
    return SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_busy")


class UserContext:
    """A context of a user half. ``integrity`` and ``confidentiality`` are what was granted (R220).

    ``table`` is the package's; ``context`` the object that it made; ``delete`` the name of the function that ends it.
    """

    __slots__ = (
        "_alive",
        "_context",
        "_delete",
        "_hide",
        "_receiver",
        "_reveal",
        "_seal",
        "_sender",
        "_sign",
        "_signature",
        "_table",
        "_trailer",
        "_unseal",
        "_verify",
    )

    def __init__(self, table: Table, context: object, *, integrity: bool, confidentiality: bool, delete: str) -> None:
        self._table = table
        self._context = context
        self._delete = delete
        self._alive = True
        self._hide: Function
        self._reveal: Function
        self._seal: Function
        self._unseal: Function
        self._sign: Function
        self._verify: Function
        self._sender: Turn = [_pair()]
        self._receiver: Turn = [_pair()]
        self._bind(integrity, confidentiality)

    def _bind(self, integrity: bool, confidentiality: bool) -> None:
        get = self._table.get
        sign: Function = get("make_signature", _no_function)
        verify: Function = get("verify_signature", _no_function)
        seal: Function = get("seal_message", _no_function)
        unseal: Function = get("unseal_message", _no_function)
        if not integrity:
            sign = verify = _not_negotiated
        # EncryptMessage may only sign (SECQOP_WRAP_NO_ENCRYPT); `encrypt` promises more than that.
        if not confidentiality:
            self._hide = self._reveal = _not_negotiated
        else:
            self._hide, self._reveal = seal, unseal
        if not (integrity or confidentiality):
            seal = unseal = _not_negotiated
        self._sign, self._verify, self._seal, self._unseal = sign, verify, seal, unseal
        self._trailer = self._signature = -1

    # --- bytes ---------------------------------------------------------------------------------------------------

    def encrypt(self, data: Buffer) -> bytes:
        """EncryptMessage of one message: the trailer (SECPKG_ATTR_SIZES) and then the ciphertext."""
        if self._trailer < 0:
            self.sizes()
        try:
            pair = self._sender.pop()
        except IndexError:
            raise busy() from None
        token, body, message = pair
        room = None
        try:
            body.data = data
            if len(data) > _SMALL:
                room = _lend(message, len(data) + self._trailer)
            self._hide(self._context, 0, message, 0)
            head = token.data
            if len(head) != self._trailer:
                # The receiver cuts at this length: anything else would be unreadable, or worse, read.
                raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="trailer_size")
            if type(head) is bytes:
                return head + body.data
            return b"".join((head, body.data))
        except SecurityError:
            raise
        except Exception as error:
            raise package_fault(error) from error
        finally:
            token.data = body.data = b""
            if room is not None:
                _take_back(message, room)
            self._sender.append(pair)

    def decrypt(self, data: Buffer) -> bytes:
        """DecryptMessage of what `encrypt` gave; may be empty (R223)."""
        size = self._trailer
        if size < 0:
            size = self.sizes().security_trailer
        if len(data) < size:
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="message_short")
        try:
            pair = self._receiver.pop()
        except IndexError:
            raise busy() from None
        token, body, message = pair
        room = None
        try:
            if len(data) > _SMALL:
                view: Buffer = memoryview(data)
                room = _lend(message, len(data))
            else:
                # Below a few KiB a copy is cheaper than a view.
                view = data if type(data) is bytes else memoryview(data)
            token.data, body.data = view[:size], view[size:]
            self._reveal(self._context, message, 0)
            clear = body.data
            return clear if type(clear) is bytes else bytes(clear)
        except SecurityError:
            raise
        except Exception as error:
            raise package_fault(error) from error
        finally:
            token.data = body.data = b""
            if room is not None:
                _take_back(message, room)
            self._receiver.append(pair)

    def sign(self, data: Buffer) -> bytes:
        """MakeSignature over one message: the signature. SEC_E_UNSUPPORTED_FUNCTION when it cannot sign (R214)."""
        if self._signature < 0:
            self.sizes()
        self._require_signatures()
        try:
            pair = self._sender.pop()
        except IndexError:
            raise busy() from None
        try:
            token = SecBuffer(2)
            self._sign(self._context, 0, [SecBuffer(1, data), token], 0)
        except SecurityError:
            raise
        except Exception as error:
            raise package_fault(error) from error
        finally:
            self._sender.append(pair)
        if len(token.data) > self._signature:
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="signature_size")
        return bytes(token.data)

    def verify(self, data: Buffer, signature: Buffer) -> None:
        """VerifySignature: returns nothing, or raises SEC_E_MESSAGE_ALTERED, SEC_E_OUT_OF_SEQUENCE (R218)."""
        try:
            pair = self._receiver.pop()
        except IndexError:
            raise busy() from None
        try:
            self._verify(self._context, [SecBuffer(1, data), SecBuffer(2, signature)], 0)
        except SecurityError:
            raise
        except Exception as error:
            raise package_fault(error) from error
        finally:
            self._receiver.append(pair)

    # --- buffers -------------------------------------------------------------------------------------------------

    @implements("user_mode", "SpMakeSignature")
    def make_signature(self, quality_of_protection: int, message: Message, sequence_number: int) -> None:
        """MakeSignature: no TOKEN buffer is SEC_E_INVALID_TOKEN (R215), nor one that is too small."""
        self.sizes()
        self._require_signatures()
        _token(message, self._signature)
        self._use(self._sender, self._sign, (quality_of_protection, _shielded(message), sequence_number))

    @implements("user_mode", "SpVerifySignature")
    def verify_signature(self, message: Message, sequence_number: int) -> int:
        """VerifySignature: the quality of protection."""
        _token(message, 0)
        return _quality(self._use(self._receiver, self._verify, (_shielded(message), sequence_number)))

    @implements("user_mode", "SpSealMessage")
    def seal_message(self, quality_of_protection: int, message: Message, sequence_number: int) -> None:
        """EncryptMessage: no writable DATA buffer is SEC_E_INVALID_TOKEN (R211, R221); more than one, and a TOKEN
        buffer that is missing or too small, is STATUS_INVALID_PARAMETER (R219).
        """
        if self._seal is not _not_negotiated:
            data = [b for b in message if b.type & TYPE_MASK == DATA and not b.type & READONLY]
            if not data:
                raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="data_buffer_missing")
            tokens = [b for b in message if b.type & TYPE_MASK == TOKEN]
            small = any(0 < len(b.data) < self.sizes().security_trailer for b in tokens)
            if len(data) > 1 or len(tokens) != 1 or small:
                raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="buffers")
        self._use(self._sender, self._seal, (quality_of_protection, _shielded(message), sequence_number))

    @implements("user_mode", "SpUnsealMessage")
    def unseal_message(self, message: Message, sequence_number: int) -> int:
        """DecryptMessage: the quality of protection. No DATA (or STREAM) buffer is SEC_E_INVALID_TOKEN (R221)."""
        if not any(b.type & TYPE_MASK in (DATA, STREAM) for b in message):
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="data_buffer_missing")
        return _quality(self._use(self._receiver, self._unseal, (_shielded(message), sequence_number)))

    # --- the rest of the table -----------------------------------------------------------------------------------

    @implements("user_mode", "SpQueryContextAttributes (user mode)")
    def query(self, attribute: int) -> ContextAttributes:
        """QueryContextAttributes; SEC_E_UNSUPPORTED_FUNCTION for what the package does not offer."""
        value = self.function("query_context_attributes")(self._context, attribute)
        return value  # type: ignore[return-value]  # the contract's type; whoever asks checks which one

    def function(self, name: str) -> Callable[..., object]:
        """A function of the package, guarded; one that it lacks is SEC_E_UNSUPPORTED_FUNCTION."""
        function = self._table.get(name)
        if function is None or not self._alive:
            return _no_function if self._alive else _gone
        return lambda *arguments: package_call(function, *arguments)

    def has(self, name: str) -> bool:
        """Whether the package has this function."""
        return name in self._table

    @property
    def context(self) -> object:
        """The package's own object."""
        return self._context

    def sizes(self) -> Sizes:
        """SECPKG_ATTR_SIZES, asked for once."""
        value = self.query(_SIZES)
        if not isinstance(value, Sizes):
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="attribute_type")
        self._signature = value.max_signature
        self._trailer = value.security_trailer
        return value

    @implements("user_mode", "SpDeleteContext (user mode)")
    def delete(self) -> None:
        """SpDeleteContext of the user half, exactly once (spec/README 9); later calls do nothing."""
        if self._alive:
            context = self._context
            self.die()
            function = self._table.get(self._delete)
            if function is not None:
                package_call(function, context)

    def die(self) -> None:
        """Refuse everything from now on, and delete nothing: the child of a fork has no context (lock 6)."""
        self._alive = False
        self._context = None
        self._hide = self._reveal = self._seal = self._unseal = self._sign = self._verify = _gone
        self._trailer = self._signature = 0

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


def _lend(message: Message, size: int) -> SecBuffer | None:
    """Give the package memory to write into, as an EMPTY buffer: a large message then costs no fresh memory but that of
    the result. None where there is nothing to win.
    """
    if size > _ROOM:
        return None
    try:
        room = _rooms.pop()
    except IndexError:
        room = SecBuffer(0, memoryview(bytearray(_ROOM)))
    message.append(room)
    return room


def _take_back(message: Message, room: SecBuffer) -> None:
    message.pop()
    if len(_rooms) < _ROOMS:
        _rooms.append(room)


def _pair() -> Pair:
    token, body = SecBuffer(2), SecBuffer(1)
    return token, body, [token, body]


def _gone(*_: object) -> object:
    raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_gone")


def _token(message: Message, size: int) -> None:
    tokens = [b for b in message if b.type & TYPE_MASK == TOKEN]
    if len(tokens) != 1 or 0 < len(tokens[0].data) < size:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="token_buffer_missing")


def _shielded(message: Message) -> Message:
    """The message as a package sees it: of a READONLY buffer only a copy of the descriptor and a view (R211)."""
    if not any(b.type & READONLY for b in message):
        return message
    return [SecBuffer(b.type, memoryview(b.data).toreadonly()) if b.type & READONLY else b for b in message]


def _quality(value: object) -> int:
    return value if isinstance(value, int) else 0


@implements("user_mode", "SpInitUserModeContext")
def map_context(table: Table, packed: bytes, *, integrity: bool, confidentiality: bool) -> UserContext:
    """SpInitUserModeContext: the context that a packed context describes (R156, R160)."""
    context = package_call(table["init_user_mode_context"], check_packed_context(packed))
    return UserContext(
        table, context, integrity=integrity, confidentiality=confidentiality, delete="delete_user_mode_context"
    )
