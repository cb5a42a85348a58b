"""ExportSecurityContext and ImportSecurityContext, once as coroutines (R203, R204, ADR 20).

What leaves the process is what the user half packed, sealed under a fresh key that only the authority has, which gives
it once, to a process of the same user. The LSA half does not travel: it stays with whoever made the context, and ends
with the handle there.

No two holders of one sending key and counter (lock 6): from the moment at which the package has packed its state, the
exporting context sends nothing any more; and the key is given once.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final, Protocol

import msgspec

from secpkg.contract.flags import (
    SECPKG_CONTEXT_EXPORT_DELETE_OLD,
    SECPKG_CONTEXT_EXPORT_RESET_NEW,
    SECPKG_CONTEXT_EXPORT_TO_KERNEL,
    AscRet,
    IscRet,
)
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.user_mode.ssp import ExportedContext
from secpkg.contract.values import ContextAttributes, ContextRequest
from secpkg.host.user_mode.contexts import UserContext, busy, check_packed_context, import_context
from secpkg.ipc import schema
from secpkg.ipc.access_token import TokenHandle
from secpkg.ipc.connection import Connection, Connections, shared
from secpkg.ipc.link import Exchange, next_id
from secpkg.ipc.session import current
from secpkg.sspi import operations
from secpkg.sspi.backends import Backend, Leg, ProviderBackend, WorkerBackend
from secpkg.sspi.operations import ContextHandle

_MAGIC: Final = (b"SPX1I", b"SPX1A")
"""Of an initiator's and of an acceptor's context."""
_NONCE: Final = bytes(12)  # a key seals one context
_FLAGS: Final = SECPKG_CONTEXT_EXPORT_RESET_NEW | SECPKG_CONTEXT_EXPORT_DELETE_OLD
_MAX: Final = 128 * 1024


class Resume(Protocol):
    """Lets a context send again, when its export came to nothing."""

    def __call__(self) -> None: ...


class _Exported(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed: the host's part of a context, and the package's."""

    attributes: int
    expiry: float
    packed: bytes


class ImportedBackend(WorkerBackend):
    """The package of a context that came without its LSA half: what that half would do is unsupported here."""

    __slots__ = ()

    async def leg(
        self, accept: bool, credential: object, context: object, request: ContextRequest
    ) -> Leg | schema.Stepped:
        raise _elsewhere()

    async def query(self, context: object, attribute: int) -> ContextAttributes:
        raise _elsewhere()

    def is_thunked(self, attribute: int) -> bool:
        return False


def _elsewhere() -> SecurityError:
    return SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="lsa_half_elsewhere")


async def export(
    context: ContextHandle,
    flags: int,
    *,
    with_token: bool = True,
    connections: Connections = shared,
    authority: object = None,
) -> tuple[bytes, tuple[Connection, schema.TokenOpened] | None]:
    """ExportSecurityContext: the sealed context, and another handle of its access token when it has one and is asked
    for it.

    Afterwards the context here only receives, or is deleted with DELETE_OLD. A failure has changed nothing, but for one
    of that deletion. ``authority`` is asked to keep the key of a plain SSP's context, which knows none of its own.
    """
    if not isinstance(flags, int) or flags & ~(_FLAGS | SECPKG_CONTEXT_EXPORT_TO_KERNEL):
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="export_flags")
    if flags & SECPKG_CONTEXT_EXPORT_TO_KERNEL:
        raise SecurityError(Status.SEC_E_NOT_SUPPORTED, reason="no_kernel_mode")
    user = context.mapped("export")
    if not user.has("export_security_context"):
        raise SecurityError(Status.SEC_E_NOT_SUPPORTED, reason="package_cannot_export")
    try:
        context.turn.pop()
    except IndexError:
        raise busy() from None
    try:
        connection = await _connection(context.backend, connections, authority)
        token = await _token(context) if with_token else None
        try:
            sealed, resume = _seal(context, user, flags)
            try:
                await _deposit(connection, sealed)
            except BaseException:
                resume()
                raise
            if flags & SECPKG_CONTEXT_EXPORT_DELETE_OLD:
                await operations._delete(context, heard=True)
        except BaseException:
            if token is not None:
                await token[0].ask(schema.CloseToken(next_id(), token[1].token))
            raise
    finally:
        context.turn.append(None)
    return sealed.packed, token


class _Sealed(msgspec.Struct, frozen=True):
    packed: bytes
    key: bytes


def _seal(context: ContextHandle, user: UserContext, flags: int) -> tuple[_Sealed, Resume]:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    exported, resume = user.export(flags)
    try:
        if not isinstance(exported, ExportedContext) or not isinstance(exported.packed_context, bytes):
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="package_result")
        check_packed_context(exported.packed_context)
        host = _Exported(context.attributes, context.expiry, exported.packed_context)
        key = os.urandom(32)
        head = _head(context.backend.info.name, context.accept)
        sealed = ChaCha20Poly1305(key).encrypt(_NONCE, msgspec.msgpack.encode(host), head)
    except BaseException:
        resume()
        raise
    return _Sealed(head + sealed, key), resume


def _head(package: str, accept: bool) -> bytes:
    name = package.encode("utf-8", "replace")
    return _MAGIC[accept] + len(name).to_bytes(2, "big") + name


async def _connection(backend: Backend, connections: Connections, authority: object) -> Connection:
    return backend.opened.connection if backend.opened is not None else await connections.shared(authority)


async def _deposit(connection: Connection, sealed: _Sealed) -> None:
    digest = hashlib.sha256(sealed.packed).digest()
    await connection.ask(schema.DepositContextKey(next_id(), digest, sealed.key))


async def _token(context: ContextHandle) -> tuple[Connection, schema.TokenOpened] | None:
    opened = context.backend.opened
    if opened is None:
        return None
    try:
        return opened.connection, await operations.query_token(context)
    except SecurityError as error:
        if error.reason != "access_token_none":
            raise
        return None


async def import_(
    package: str,
    packed: bytes,
    token: TokenHandle | int | None = None,
    *,
    accept: bool | None = None,
    connections: Connections = shared,
    authority: object = None,
) -> ContextHandle:
    """ImportSecurityContext: the new context. ``token`` is its access token, or a descriptor of it; ``accept``, when it
    is given, the role that it must have.

    SEC_E_UNKNOWN_CREDENTIALS for bytes that are no exported context, or one of another package (R204);
    SEC_E_NO_CREDENTIALS for one that was imported already, is too old, or comes from another computer; SEC_E_NOT_OWNER
    for one of another user. A failure does not use it up.
    """
    fits = isinstance(package, str) and len(package) <= schema.MAX_NAME and isinstance(packed, bytes)
    if not fits or len(packed) > _MAX:
        raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="not_exported_by_this_package")
    roles = (False, True) if accept is None else (accept,)
    role = next((role for role in roles if packed.startswith(_head(package, role))), None)
    if role is None:
        raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="not_exported_by_this_package")
    backend: Backend = await operations.open_backend(connections, package, authority, current.get())
    if isinstance(backend, WorkerBackend):
        table = backend._user_package().table
        backend = ImportedBackend(backend.opened)
    else:
        assert isinstance(backend, ProviderBackend)
        table = backend.provider.table
    if "import_security_context" not in table:
        raise SecurityError(Status.SEC_E_NOT_SUPPORTED, reason="package_cannot_import")
    opened = await _adopted(backend, token)
    connection = await _connection(backend, connections, authority)
    digest = hashlib.sha256(packed).digest()
    try:
        reply = await connection.ask(schema.RedeemContextKey(next_id(), digest))
        key = msgspec.msgpack.decode(reply.value, type=bytes) if isinstance(reply, schema.Answered) else b""
        try:
            context = _open(backend, package, role, packed, key)
        except BaseException:
            await connection.ask(schema.DepositContextKey(next_id(), digest, key))
            raise
    except BaseException:
        if opened is not None and backend.opened is not None:
            await backend.opened.connection.ask(schema.CloseToken(next_id(), opened.token))
        raise
    context.token = opened
    return context


def _open(backend: Backend, package: str, accept: bool, packed: bytes, key: bytes) -> ContextHandle:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    head = _head(package, accept)
    try:
        clear = ChaCha20Poly1305(key).decrypt(_NONCE, packed[len(head) :], head)
        host = msgspec.msgpack.decode(clear, type=_Exported)
    except (InvalidTag, ValueError, msgspec.MsgspecError):
        raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="exported_context_malformed") from None
    granted = host.attributes
    flags = AscRet if accept else IscRet
    provided = isinstance(backend, ProviderBackend)
    user = import_context(
        backend.provider.table if isinstance(backend, ProviderBackend) else backend._user_package().table,  # type: ignore[attr-defined]  # an ImportedBackend
        host.packed,
        integrity=bool(granted & (flags.INTEGRITY | flags.REPLAY_DETECT | flags.SEQUENCE_DETECT)),
        confidentiality=bool(granted & flags.CONFIDENTIALITY),
        delete="" if provided else "delete_user_mode_context",
    )
    context = ContextHandle(backend, accept, (user.context,) if provided else None, None)
    context.user, context.state = user, "complete"
    context.attributes, context.expiry = granted, host.expiry
    return context


async def _adopted(backend: Backend, token: TokenHandle | int | None) -> schema.TokenOpened | None:
    """A handle of the token on the connection of the context; between connections it goes by descriptor."""
    if token is None:
        return None
    opened = backend.opened
    if opened is None:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="access_token_without_authority")
    if isinstance(token, TokenHandle):
        if token._connection is opened.connection:
            reply = await opened.connection.ask(schema.DuplicateToken(next_id(), token.handle))
            if not isinstance(reply, schema.TokenOpened):
                raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="unexpected_reply")
            return reply
        if token._connection.asynchronous:
            # Where this coroutine is driven, that connection's loop may not be the one that runs.
            raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="access_token_of_event_loop")
        descriptor = await token._descriptor()
        try:
            return await _adopt(opened.connection, descriptor)
        finally:
            os.close(descriptor)
    if not isinstance(token, int) or not _is_open(token):
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="access_token")
    return await _adopt(opened.connection, token)


def _is_open(descriptor: int) -> bool:
    """The links take it on trust: to them a descriptor that cannot be sent is a connection that cannot send."""
    try:
        os.fstat(descriptor)
    except (OSError, OverflowError):
        return False
    return True


async def _adopt(connection: Connection, descriptor: int) -> schema.TokenOpened:
    adopted: schema.TokenOpened = await Exchange(connection.link.adopt_token, descriptor)
    return adopted
