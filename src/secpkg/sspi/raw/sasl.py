"""SASL over the raw context functions.

A package's handshake is only the first half. Its success is held back: where its last token went from server to client
the client answers with an empty message, then the server sends a *cookie* and the client answers with another (R273).
Cookies are those of RFC 4752 section 3.1 to 3.3 - a bit mask of protection levels, the largest message that the sender
takes in 3 bytes, and from the client an authorization id - and both are sealed by the context that they are about:
encrypted, or signed where the package has no encryption, behind the length of the trailer or signature in 2 bytes. So
each side learns of the other, unaltered, which level and which sizes hold, before either is told that it is done.

    client                                    server
    legs  ─────────────────────────────────▶  legs         as the package has them
    tail  ◀── last token, if the server's ──  tail
          ─── empty ───────────────────────▶
    offer ◀── levels, receive size ─────────  choice
    done  ─── level, receive size, authzid ─▶ done

What a side can do in each state stands in `_STEPS`. A context that fails in the second half can only be deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from secpkg.contract.flags import (
    SASL_OPTION_AUTHZ_PROCESSING,
    SASL_OPTION_AUTHZ_STRING,
    SASL_OPTION_RECV_SIZE,
    SASL_OPTION_SEND_SIZE,
    SECURITY_NATIVE_DREP,
    AscReq,
    AscRet,
    BufferType,
    Capability,
    IscReq,
    IscRet,
)
from secpkg.contract.floor import Given, floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, Buffer, Message, SecBuffer, Sizes
from secpkg.host.user_mode.contexts import TYPE_MASK
from secpkg.ipc import schema
from secpkg.sspi.operations import ContextHandle, CredentialHandle
from secpkg.sspi.raw import contexts
from secpkg.sspi.raw.messages import decrypt_message, encrypt_message, make_signature, verify_signature

NO_LAYER: Final = 1
INTEGRITY: Final = 2
PRIVACY: Final = 4
"""Protection levels, as bits of a cookie (RFC 4752 section 3.3)."""
_LEVELS: Final = (NO_LAYER, INTEGRITY, PRIVACY)

DEFAULT_SIZE: Final = 0xFFFF
MAX_SIZE: Final = 0xFF_FFFF
_COOKIE: Final = 4
_LENGTH: Final = 2
"""Bytes that say how long the trailer or signature before a cookie is."""
_FORBIDDEN: Final = 0  # Sasl_AuthZIDForbidden
_PROCESSED: Final = 1  # Sasl_AuthZIDProcessed

_CONTINUE: Final = Status.SEC_I_CONTINUE_NEEDED
_COMPLETE: Final = (Status.SEC_I_COMPLETE_NEEDED, Status.SEC_I_COMPLETE_AND_CONTINUE)
_NEEDED: Final = (int(IscReq.INTEGRITY), int(AscReq.INTEGRITY))
_GRANTED: Final = (int(IscRet.INTEGRITY), int(AscRet.INTEGRITY))
_CONFIDENTIALITY: Final = int(IscRet.CONFIDENTIALITY)
_DETECTION: Final = int(IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT)
"""The same bits of both roles (R174); detection implies integrity (R177)."""


def _no_token() -> Message:
    return [SecBuffer(BufferType.TOKEN)]


_FAILED: Final[tuple[object, ...]] = (Given("context"), _no_token, 0, NEVER)
"""R274: a TOKEN buffer always comes back."""

Authorizer = Callable[[ContextHandle, str], bool]
"""Whether the client of this context may act as this authorization id."""


class _Sasl(msgspec.Struct, eq=False):
    """One SASL context, beside its handle."""

    accept: bool
    requirements: int
    authorize: Authorizer | None
    state: str = "legs"
    attributes: int = 0
    expiry: float = NEVER
    send_size: int = DEFAULT_SIZE
    receive_size: int = DEFAULT_SIZE
    authorization_id: bytes = b""
    processing: int = _PROCESSED
    offered: int = 0


_contexts: WeakKeyDictionary[ContextHandle, _Sasl] = WeakKeyDictionary()


@floor("sspi", "SaslInitializeSecurityContext", failed=_FAILED)
def sasl_initialize_security_context(
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    target_name: str | None,
    context_req: int,
    input: Message | None = None,  # pInput
    target_data_rep: int = SECURITY_NATIVE_DREP,
) -> contexts.ContextResult:
    """SaslInitializeSecurityContext: as `initialize_security_context`, with one TOKEN buffer in (none at first) and
    always one out (R274). ISC_REQ_CONFIDENTIALITY, then ISC_REQ_INTEGRITY, is the level that the client chooses of
    those offered; what was not chosen is not among the attributes of the last leg. SEC_E_QOP_NOT_SUPPORTED when the
    server offers nothing that suffices. Page: sspi/nf-sspi-saslinitializesecuritycontextw.
    """

    sasl = _Sasl(False, int(context_req), None)
    wanted = _wanted(sasl, context or credential)

    def leg(given: Message) -> contexts.ContextResult:
        return contexts.initialize_security_context(credential, context, target_name, wanted, given, target_data_rep)

    return _sasl(sasl, context, input, leg)


@floor("sspi", "SaslAcceptSecurityContext", failed=_FAILED)
def sasl_accept_security_context(
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    input: Message | None,  # pInput
    context_req: int,
    target_data_rep: int = SECURITY_NATIVE_DREP,
    *,
    authorize: Authorizer | None = None,
) -> contexts.ContextResult:
    """SaslAcceptSecurityContext: as `accept_security_context`, with exactly one TOKEN buffer in and out (R274), and one
    more round before SEC_E_OK (R273). What ASC_REQ_* asks for is offered at least.

    ``authorize``, of the first call, decides about an authorization id. SEC_E_ALGORITHM_MISMATCH for one that it does
    not permit, and for any where SASL_OPTION_AUTHZ_PROCESSING forbids them (R275). Without ``authorize`` it is left to
    the application, which finds it as SASL_OPTION_AUTHZ_STRING. Page: sspi/nf-sspi-saslacceptsecuritycontext.
    """

    sasl = _Sasl(True, int(context_req), authorize)
    wanted = _wanted(sasl, context or credential)

    def leg(given: Message) -> contexts.ContextResult:
        return contexts.accept_security_context(credential, context, given, wanted, target_data_rep)

    return _sasl(sasl, context, input, leg)


@floor("sspi", "SaslGetContextOption", wrong={"option": Status.SEC_E_UNSUPPORTED_FUNCTION})
def sasl_get_context_option(context: ContextHandle | None, option: int, size: int) -> tuple[Status, bytes, int]:
    """SaslGetContextOption: (status, value, size wanted). Sizes and states are ULONGs, 4 bytes little-endian; a send
    size leaves room for what protects a message. SEC_E_BUFFER_TOO_SMALL with the wanted size, and no value (R276);
    SEC_E_UNSUPPORTED_FUNCTION, SEC_E_INVALID_HANDLE. Page: sspi/nf-sspi-saslgetcontextoption.
    """
    sasl = None if context is None else _contexts.get(context)
    if sasl is None:
        return Status.SEC_E_INVALID_HANDLE, b"", 0
    numbers = {
        SASL_OPTION_SEND_SIZE: sasl.send_size,
        SASL_OPTION_RECV_SIZE: sasl.receive_size,
        SASL_OPTION_AUTHZ_PROCESSING: sasl.processing,
    }
    if option in numbers:
        value = numbers[option].to_bytes(4, "little")
    elif option == SASL_OPTION_AUTHZ_STRING and sasl.processing == _PROCESSED:
        value = sasl.authorization_id
    else:
        return Status.SEC_E_UNSUPPORTED_FUNCTION, b"", 0
    if size < len(value):
        return Status.SEC_E_BUFFER_TOO_SMALL, b"", len(value)
    return Status.SEC_E_OK, value, len(value)


@floor("sspi", "SaslSetContextOption", wrong={"option": Status.SEC_E_UNSUPPORTED_FUNCTION})
def sasl_set_context_option(context: ContextHandle | None, option: int, value: Buffer) -> Status:
    """SaslSetContextOption: sizes up to 0xFFFFFF, the client's authorization id in UTF-8, and whether a server takes
    one. They count until the cookie of this side is sent: afterwards SEC_E_INVALID_HANDLE. SEC_E_BUFFER_TOO_SMALL,
    SEC_E_UNSUPPORTED_FUNCTION (also for an authorization id where they are forbidden), SEC_E_INVALID_PARAMETER. Page:
    sspi/nf-sspi-saslsetcontextoption.
    """
    sasl = None if context is None else _contexts.get(context)
    if sasl is None or sasl.state not in ("legs", "tail", "offer"):
        return Status.SEC_E_INVALID_HANDLE
    if option == SASL_OPTION_AUTHZ_STRING:
        if sasl.processing != _PROCESSED or sasl.accept:
            return Status.SEC_E_UNSUPPORTED_FUNCTION
        if len(value) > schema.MAX_NAME or _text(value) is None:
            return Status.SEC_E_INVALID_PARAMETER
        sasl.authorization_id = bytes(value)
        return Status.SEC_E_OK
    if option not in (SASL_OPTION_SEND_SIZE, SASL_OPTION_RECV_SIZE, SASL_OPTION_AUTHZ_PROCESSING):
        return Status.SEC_E_UNSUPPORTED_FUNCTION
    if len(value) < 4:
        return Status.SEC_E_BUFFER_TOO_SMALL
    number = int.from_bytes(value[:4], "little")
    if option == SASL_OPTION_AUTHZ_PROCESSING:
        if number not in (_FORBIDDEN, _PROCESSED):
            return Status.SEC_E_INVALID_PARAMETER
        sasl.processing = number
    elif not 0 < number <= MAX_SIZE:
        return Status.SEC_E_INVALID_PARAMETER
    elif option == SASL_OPTION_SEND_SIZE:
        sasl.send_size = number
    else:
        sasl.receive_size = number
    return Status.SEC_E_OK


# --- the walk --------------------------------------------------------------------------------------------------------

Leg = Callable[[Message], contexts.ContextResult]


def _wanted(sasl: _Sasl, handle: ContextHandle | CredentialHandle | None) -> int:
    """What the package is asked for: the cookies have to be protected, whatever the application asks for (RFC 4752
    section 3.1), and encrypted where the package can. What is not chosen in the end is not among the attributes.
    """
    wanted = sasl.requirements | _NEEDED[sasl.accept]
    private = handle is not None and handle.backend.info.capabilities & Capability.PRIVACY
    return wanted | _CONFIDENTIALITY if private else wanted


def _sasl(fresh: _Sasl, context: ContextHandle | None, given: Message | None, leg: Leg) -> contexts.ContextResult:
    sasl = fresh if context is None else _contexts.get(context)
    if sasl is None or sasl.accept is not fresh.accept or sasl.state in ("done", "failed"):
        return Status.SEC_E_INVALID_HANDLE, context, [SecBuffer(BufferType.TOKEN)], 0, NEVER
    tokens = list(given or ())
    wanted = 0 if context is None and not sasl.accept and not tokens else 1
    if len(tokens) != wanted or any(buffer.type & TYPE_MASK != BufferType.TOKEN for buffer in tokens):
        return Status.SEC_E_INVALID_TOKEN, context, [SecBuffer(BufferType.TOKEN)], 0, NEVER
    if sasl.state == "legs":
        return _leg(sasl, leg, tokens)
    assert context is not None
    try:
        context.turn.pop()
    except IndexError:
        return Status.SEC_E_INVALID_HANDLE, context, [SecBuffer(BufferType.TOKEN)], 0, NEVER
    try:
        context.require("query")
        status, token = _STEPS[sasl.accept, sasl.state](context, sasl, bytes(tokens[0].data))
    except SecurityError as error:
        # Whoever was not told that it stands must not use it.
        sasl.state = context.state = "failed"
        status, token = error.status, b""
    finally:
        context.turn.append(None)
    attributes = sasl.attributes if status is Status.SEC_E_OK else 0
    return status, context, [SecBuffer(BufferType.TOKEN, token)], attributes, sasl.expiry


def _leg(sasl: _Sasl, leg: Leg, given: Message) -> contexts.ContextResult:
    status, context, output, attributes, expiry = leg(given)
    if context is not None:
        _contexts[context] = sasl
    token = next((bytes(b.data) for b in output if b.type & TYPE_MASK == BufferType.TOKEN), b"")
    if any(b.type & TYPE_MASK == BufferType.EXTRA for b in output) and not status.is_error:
        # A SASL message holds one token (RFC 4422 section 4).
        status = Status.SEC_E_INVALID_TOKEN
    if context is not None and status in _COMPLETE:
        message = [SecBuffer(BufferType.TOKEN, token)]
        completed = contexts.complete_auth_token(context, message)
        token = bytes(message[0].data)
        status = completed if completed.is_error else _after(status)
    if status.is_error or context is None:
        if context is not None and status is not Status.SEC_E_INCOMPLETE_MESSAGE:
            sasl.state = context.state = "failed"
        return status, context, [SecBuffer(BufferType.TOKEN, token)], 0, expiry
    if status is Status.SEC_E_OK:
        sasl.attributes, sasl.expiry = attributes, expiry
        try:
            sasl.state, token = _held_back(context, sasl, token)
        except SecurityError as error:
            sasl.state = context.state = "failed"
            return error.status, context, [SecBuffer(BufferType.TOKEN)], 0, expiry
    return _CONTINUE, context, [SecBuffer(BufferType.TOKEN, token)], 0, expiry


def _after(status: Status) -> Status:
    return Status.SEC_E_OK if status is Status.SEC_I_COMPLETE_NEEDED else _CONTINUE


def _held_back(context: ContextHandle, sasl: _Sasl, token: bytes) -> tuple[str, bytes]:
    """The package is done: the next state, and what is sent."""
    if not sasl.attributes & (_GRANTED[sasl.accept] | _CONFIDENTIALITY):
        raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="cookies_unprotected")
    if not sasl.accept:
        return "offer", token
    return ("tail", token) if token else ("choice", _offer(context, sasl))


def _tail(context: ContextHandle, sasl: _Sasl, received: bytes) -> tuple[Status, bytes]:
    """The server's last token has been processed: the client says so with an empty message."""
    if received:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="message_not_empty")
    sasl.state = "choice"
    return _CONTINUE, _offer(context, sasl)


def _offer(context: ContextHandle, sasl: _Sasl) -> bytes:
    """The server's cookie: what was asked for, and all levels above that were granted."""
    possible = NO_LAYER | INTEGRITY | (PRIVACY if sasl.attributes & _CONFIDENTIALITY else 0)
    sasl.offered = possible & ~(_asked(sasl) - 1)
    if not sasl.offered:
        raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="level_not_granted")
    return _sealed(context, sasl, sasl.offered, b"")


def _asked(sasl: _Sasl) -> int:
    if sasl.requirements & _CONFIDENTIALITY:
        return PRIVACY
    return INTEGRITY if sasl.requirements & (_NEEDED[sasl.accept] | _DETECTION) else NO_LAYER


def _choose(context: ContextHandle, sasl: _Sasl, received: bytes) -> tuple[Status, bytes]:
    """The client: the weakest level offered that is what was asked for, or more."""
    offered, size, rest = _unsealed(context, sasl, received)
    if rest or offered & ~sum(_LEVELS) or not offered:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="cookie_malformed")
    possible = NO_LAYER | INTEGRITY | (PRIVACY if sasl.attributes & _CONFIDENTIALITY else 0)
    chosen = next((level for level in _LEVELS if level >= _asked(sasl) and level & offered & possible), 0)
    if not chosen:
        raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="level_not_offered")
    cookie = _sealed(context, sasl, chosen, sasl.authorization_id)
    _settle(context, sasl, chosen, size)
    return Status.SEC_E_OK, cookie


def _chosen(context: ContextHandle, sasl: _Sasl, received: bytes) -> tuple[Status, bytes]:
    """The server: one of the levels that it offered, and an authorization id that is permitted."""
    chosen, size, authorization_id = _unsealed(context, sasl, received)
    if chosen not in _LEVELS:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="cookie_malformed")
    if not chosen & sasl.offered:
        raise SecurityError(Status.SEC_E_QOP_NOT_SUPPORTED, reason="level_not_offered")
    if authorization_id:
        _authorize(context, sasl, authorization_id)
    _settle(context, sasl, chosen, size)
    return Status.SEC_E_OK, b""


def _authorize(context: ContextHandle, sasl: _Sasl, authorization_id: bytes) -> None:
    name = _text(authorization_id)
    if name is None or len(authorization_id) > schema.MAX_NAME:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="authorization_id_malformed")
    permitted = sasl.processing == _PROCESSED and (sasl.authorize is None or sasl.authorize(context, name) is True)
    if not permitted:
        # R275
        raise SecurityError(Status.SEC_E_ALGORITHM_MISMATCH, reason="authorization_id_not_permitted")
    sasl.authorization_id = authorization_id


def _settle(context: ContextHandle, sasl: _Sasl, level: int, size: int) -> None:
    if level == NO_LAYER:
        sasl.attributes &= ~(_GRANTED[sasl.accept] | _CONFIDENTIALITY)
    else:
        overhead = _overhead(context)
        if size <= overhead:
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="peer_takes_nothing")
        sasl.send_size = min(sasl.send_size, size - overhead)
        if level == INTEGRITY:
            sasl.attributes &= ~_CONFIDENTIALITY
    sasl.state = "done"


_STEPS: Final[dict[tuple[bool, str], Callable[[ContextHandle, _Sasl, bytes], tuple[Status, bytes]]]] = {
    (True, "tail"): _tail,
    (True, "choice"): _chosen,
    (False, "offer"): _choose,
}


# --- cookies ---------------------------------------------------------------------------------------------------------


def _sealed(context: ContextHandle, sasl: _Sasl, levels: int, rest: bytes) -> bytes:
    # RFC 4752 section 3.1: without a layer the size is 0.
    size = 0 if levels == NO_LAYER else sasl.receive_size
    token = SecBuffer(BufferType.TOKEN)
    data = SecBuffer(BufferType.DATA, bytes([levels]) + size.to_bytes(3, "big") + rest)
    if sasl.attributes & _CONFIDENTIALITY:
        _require(encrypt_message(context, 0, [token, data]))
    else:
        _require(make_signature(context, 0, [data, token]))
    return len(token.data).to_bytes(_LENGTH, "big") + bytes(token.data) + bytes(data.data)


def _unsealed(context: ContextHandle, sasl: _Sasl, received: bytes) -> tuple[int, int, bytes]:
    start = _LENGTH + int.from_bytes(received[:_LENGTH], "big")
    if len(received) < start + _COOKIE:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="cookie_short")
    token = SecBuffer(BufferType.TOKEN, received[_LENGTH:start])
    data = SecBuffer(BufferType.DATA, received[start:])
    if sasl.attributes & _CONFIDENTIALITY:
        _require(decrypt_message(context, [token, data])[0])
    else:
        _require(verify_signature(context, [data, token])[0])
    cookie = bytes(data.data)
    if len(cookie) < _COOKIE:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="cookie_short")
    return cookie[0], int.from_bytes(cookie[1:_COOKIE], "big"), cookie[_COOKIE:]


def _require(status: Status) -> None:
    if status.is_error:
        raise SecurityError(status, reason="cookie_protection")


def _overhead(context: ContextHandle) -> int:
    sizes: Sizes = context.mapped().sizes()
    return sizes.block_size + sizes.security_trailer + sizes.max_signature


def _text(data: Buffer) -> str | None:
    try:
        text = bytes(data).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
