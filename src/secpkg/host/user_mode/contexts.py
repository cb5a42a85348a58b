"""A context in the application: what the user half of a package (or a plain SSP) does with messages.

Two floors over the same functions of the package. The upper one takes and gives bytes and builds the buffers itself,
so that there is nothing to check; the lower one is given buffers and applies the rules of `messages` before the
package is asked. What depends on the context alone (R220, the sizes) is settled when the context is made.

One sender and one receiver may use a context at once; a second of a kind is refused with SEC_E_INVALID_HANDLE
(``context_busy``, R222). Each kind has a list with one element: whoever pops it has the turn. `list.pop` is atomic, and
no lock can be left held by a fork or a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import MAX_PACKED_CONTEXT, NEVER, Buffer, ContextAttributes, Message, SecBuffer, Sizes
from secpkg.host.tables import Table
from secpkg.host.user_mode.buffers import NO_ENCRYPT, BufferFunctions
from secpkg.host.user_mode.calls import (
    Function,
    Pair,
    Turn,
    busy,
    exported,
    gone,
    no_function,
    not_negotiated,
    package_call,
    package_fault,
    until,
)
from secpkg.host.user_mode.messages import TYPE_MASK

if TYPE_CHECKING:
    from secpkg.contract.attributes import StreamSizes

__all__ = ["TYPE_MASK", "UserContext", "busy", "check_packed_context", "map_context", "package_call", "package_fault"]

_SIZES: Final = 0
_STREAM_SIZES: Final = 4
_SMALL: Final = 4096
_ROOM: Final = 65_536 + 256
_ROOMS: Final = 4
_rooms: list[SecBuffer] = []
"""Memory that is lent to packages for messages above `_SMALL`; as many as there were senders and receivers at once."""


def check_packed_context(packed: bytes) -> bytes:
    """The packed context, when it may be given to a user half: not empty, at most 64 KiB (spec/README 8)."""
    if not packed:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="packed_context_empty")
    if len(packed) > MAX_PACKED_CONTEXT:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="packed_context_too_large")
    return packed


class UserContext(BufferFunctions):
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
        "_stream",
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
        self._sender: Turn = [None]
        self._receiver: Turn = [None]
        self._bind(integrity, confidentiality)

    def _bind(self, integrity: bool, confidentiality: bool) -> None:
        get = self._table.get
        sign: Function = get("make_signature", no_function)
        verify: Function = get("verify_signature", no_function)
        seal: Function = get("seal_message", no_function)
        unseal: Function = get("unseal_message", no_function)
        if not integrity:
            sign = verify = not_negotiated
        # EncryptMessage may only sign (SECQOP_WRAPNO_ENCRYPT); `encrypt` promises more than that.
        if not confidentiality:
            self._hide = self._reveal = not_negotiated
        else:
            self._hide, self._reveal = seal, unseal
        if not (integrity or confidentiality):
            seal = unseal = not_negotiated
        self._sign, self._verify, self._seal, self._unseal = sign, verify, seal, unseal
        self._trailer = self._signature = -1
        self._stream: StreamSizes | None = None

    # --- bytes ---------------------------------------------------------------------------------------------------

    def encrypt(self, data: Buffer) -> bytes:
        """EncryptMessage of one message: the trailer (SECPKG_ATTR_SIZES) and then the ciphertext."""
        if self._trailer < 0:
            self.sizes()
        try:
            pair = self._sender.pop() or _pair()
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
            pair = self._receiver.pop() or _pair()
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
            if self._reveal(self._context, message, 0) == NO_ENCRYPT:
                # `decrypt` has no way to say that anyone could have read it.
                raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="message_not_encrypted")
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
            return no_function if self._alive else gone
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

    def stream_sizes(self) -> StreamSizes:
        """SECPKG_ATTR_STREAM_SIZES, asked for once. SEC_E_UNSUPPORTED_FUNCTION where there are no streams (R227)."""
        if self._stream is None:
            from secpkg.contract.attributes import StreamSizes

            value = self.query(_STREAM_SIZES)
            if not isinstance(value, StreamSizes):
                raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="attribute_type")
            self._stream = value
        return self._stream

    def expire(self, at: float, clock: Callable[[], float]) -> None:
        """From ``at`` on, UTC seconds by ``clock``, every message function answers SEC_E_CONTEXT_EXPIRED."""
        if at == NEVER:
            return
        for name in ("_hide", "_reveal", "_seal", "_unseal", "_sign", "_verify"):
            setattr(self, name, until(at, clock, getattr(self, name)))

    @implements("user_mode", "SpExportSecurityContext")
    def export(self, flags: int) -> tuple[object, Callable[[], None]]:
        """SpExportSecurityContext: what the package returned, and how to take it back.

        No message passes meanwhile, so what is exported is one state of both directions; and from now on this context
        only receives, because its sending keys and their counter have another holder (lock 6).
        """
        function = self.function("export_security_context")
        try:
            sender = self._sender.pop()
        except IndexError:
            raise busy() from None
        try:
            if self._sign is exported:
                exported()
            value = self._use(self._receiver, function, (flags,))
            before = self._hide, self._seal, self._sign
            self._hide = self._seal = self._sign = exported
        finally:
            self._sender.append(sender)

        def resume() -> None:
            if self._alive:
                self._hide, self._seal, self._sign = before

        return value, resume

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
        self._hide = self._reveal = self._seal = self._unseal = self._sign = self._verify = gone
        self._trailer = self._signature = 0


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


@implements("user_mode", "SpInitUserModeContext")
def map_context(table: Table, packed: bytes, *, integrity: bool, confidentiality: bool) -> UserContext:
    """SpInitUserModeContext: the context that a packed context describes (R156, R160)."""
    context = package_call(table["init_user_mode_context"], check_packed_context(packed))
    return UserContext(
        table, context, integrity=integrity, confidentiality=confidentiality, delete="delete_user_mode_context"
    )


@implements("user_mode", "SpImportSecurityContext")
def import_context(table: Table, packed: bytes, *, integrity: bool, confidentiality: bool, delete: str) -> UserContext:
    """SpImportSecurityContext: the context that another process exported. Its access token is the host's to keep."""
    context = package_call(table["import_security_context"], check_packed_context(packed), None)
    return UserContext(table, context, integrity=integrity, confidentiality=confidentiality, delete=delete)
