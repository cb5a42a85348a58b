"""Every operation on credentials and contexts, written once as a coroutine over `secpkg.sspi.backends`.

Legal calls by the state of a context, as data (R186 to R192): a finished context refuses further legs, and so does one
that failed; a deleted one accepts only to be deleted again. One leg or deletion of a context runs at a time (R192).
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from secpkg.contract.flags import SECURITY_NATIVE_DREP
from secpkg.contract.implements import implements
from secpkg.contract.semantics import establishes_again
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    NEVER,
    AuthIdentity,
    ContextRequest,
    SecBuffer,
    TokenReference,
)
from secpkg.host.user_mode import providers
from secpkg.host.user_mode.contexts import UserContext, busy
from secpkg.ipc import fork, schema, where
from secpkg.ipc.connection import Connections
from secpkg.ipc.link import next_id, status_of
from secpkg.ipc.session import LogonSession
from secpkg.sspi.backends import Backend, ProviderBackend, WorkerBackend

LEGAL: Final[dict[str, frozenset[str]]] = {
    "continuing": frozenset({"leg", "complete_token", "query", "control", "delete"}),
    "complete": frozenset({"complete_token", "query", "control", "message", "token", "export", "delete"}),
    "failed": frozenset({"delete"}),
    "deleted": frozenset({"delete"}),
}

# By name, a member of an enumeration costs twenty times as much; this one is met in every leg.
_CONTINUE_NEEDED: Final = Status.SEC_I_CONTINUE_NEEDED
_COMPLETE: Final = (Status.SEC_E_OK, Status.SEC_I_COMPLETE_NEEDED)
_CONFIDENTIALITY: Final = 0x10
_INTEGRITY: Final = (0x10000 | 0xC, 0x20000 | 0xC)
"""ISC_RET and ASC_RET: INTEGRITY, and what implies it (R174, R177)."""

T = TypeVar("T")

_DELEGATE: Final = 0x1
_DELEGATE_AND_MUTUAL: Final = 0x3
"""Of both sides."""


class _Handle:
    """An opaque handle; it cannot be copied or sent anywhere, and is dead in the child of a fork (lock 6)."""

    __slots__ = ("__weakref__",)

    def __reduce__(self) -> str:
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")


class CredentialHandle(_Handle):
    """``CredHandle``."""

    __slots__ = ("backend", "expiry", "native", "use")

    def __init__(self, backend: Backend, native: object, expiry: float, use: int) -> None:
        self.backend = backend
        self.native = native
        self.expiry = expiry
        self.use = use
        fork.guard(self)

    def forked(self) -> None:
        self.native = None

    def __del__(self) -> None:
        native = getattr(self, "native", None)
        if native:
            self.native = None
            self.backend.defer_free(native)


class ContextHandle(_Handle):
    """``CtxtHandle``: both halves of a context."""

    __slots__ = (
        "accept",
        "attributes",
        "backend",
        "credential",
        "expiry",
        "native",
        "reference",
        "state",
        "token",
        "turn",
        "user",
    )

    def __init__(self, backend: Backend, accept: bool, native: object, credential: CredentialHandle | None) -> None:
        self.backend = backend
        self.accept = accept
        self.native = native
        # R193: the credential outlives its contexts.
        self.credential = credential
        self.state = "continuing"
        self.attributes = 0
        self.expiry = NEVER
        self.user: UserContext | None = None
        self.reference: bytes | None = None
        self.token: schema.TokenOpened | None = None
        self.turn: list[None] = [None]
        fork.guard(self)

    def require(self, use: str) -> None:
        """SEC_E_INVALID_HANDLE (``context_finished``, ``context_failed`` ...) where the state forbids it."""
        if use not in LEGAL[self.state]:
            state = "finished" if self.state == "complete" else self.state
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason=f"context_{state}")

    def require_leg(self, requirements: int) -> None:
        """The same for a leg: a finished context of a datagram or stream package may be established again (R229)."""
        if self.state != "complete" or not establishes_again(self.backend.info.capabilities, self.accept, requirements):
            self.require("leg")

    def mapped(self, use: str = "message") -> UserContext:
        """The user half: SEC_E_UNSUPPORTED_FUNCTION where the package has none."""
        self.require(use)
        if self.user is None:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="user_half_none")
        return self.user

    def forked(self) -> None:
        self.native = self.reference = self.token = None
        self.state = "deleted"
        if self.user is not None:
            self.user.die()

    def __del__(self) -> None:
        if getattr(self, "state", "deleted") == "deleted":
            return
        self.state = "deleted"
        try:
            if self.user is not None:
                self.user.delete()
        finally:
            if self.native:
                self.backend.defer_delete(self.native)
            _let_go_of_token(self)


class LegResult(msgspec.Struct):
    """Outputs of InitializeSecurityContext and AcceptSecurityContext."""

    status: Status
    context: ContextHandle | None
    token: bytes
    attributes: int
    expiry: float
    leftover: int = 0
    missing: int = 0


async def open_backend(
    connections: Connections, package: str, authority: object, session: LogonSession | None
) -> Backend:
    """The package of this name: of a plain SSP of this process, else of the authority, which is asked only then; where
    it has none, of a plain SSP that its operator listed and this environment offers.
    """
    found = providers.find(package)
    if found is None and session is None and authority is not None:
        opened = connections.opened(authority, package)
        if opened is not None:  # and so the operator's list was loaded, and has no such package
            return WorkerBackend.of(opened)
    found = found or providers.find(package, where.configuration().security_providers)
    if found is not None:
        return ProviderBackend(*found)
    if session is not None and session.applies_to(authority):
        if session.connection.asynchronous and not connections.asynchronous:
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="logon_session_of_event_loop")
        connection, token = session.connection, session.token
    else:
        connection, token, session = await connections.shared(authority), 0, None
    try:
        return WorkerBackend.of(await connection.package(package, token))
    except SecurityError as error:
        if session is None and error.reason == "authority_unreachable" and connection.link.closed:
            # Kept from an earlier use, and the authority was started again since: the same address, once more.
            return WorkerBackend.of(await (await connections.shared(authority)).package(package))
        if error.reason != "no_such_package":
            raise
        reply = await connection.ask(schema.ListPackages(next_id()))
        providers.load_offered(reply.security_providers if isinstance(reply, schema.PackageList) else ())
        found = providers.find(package)
        if found is None:
            raise
        return ProviderBackend(*found)


async def acquire(
    backend: Backend,
    use: int,
    *,
    principal: str | None = None,
    identity: AuthIdentity | None = None,
    data: bytes = b"",
    logon_id: int | None = None,
) -> CredentialHandle:
    """AcquireCredentialsHandle."""
    if len(data) > schema.MAX_SUBMIT_BUFFER:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="authorization_data_too_large")
    longest = 0 if principal is None else len(principal)
    if identity is not None:
        longest = max(longest, len(identity.user), len(identity.domain), len(identity.password))
    if longest > schema.MAX_NAME:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="name_too_long")
    if identity is not None:
        identity = await clear(backend, identity) if identity.encrypted else msgspec.structs.replace(identity)
    native, expiry = await backend.acquire(use, principal, identity, data, logon_id)
    return CredentialHandle(backend, native, expiry, use)


async def clear(backend: Backend, identity: AuthIdentity) -> AuthIdentity:
    """What a package is given of an identity: a copy of its own, which SspiZeroAuthIdentity does not reach, and never a
    sealed one.
    """
    if not identity.encrypted:
        return msgspec.structs.replace(identity)
    from secpkg.sspi.protection import Asker, opened

    return await opened(identity, Asker(connection=backend.opened.connection if backend.opened else None))


async def free(credential: CredentialHandle, *, heard: bool = True) -> None:
    """FreeCredentialsHandle; a second time it is SEC_E_INVALID_HANDLE. Unless it is to be ``heard``, nobody waits for
    what the package says to that.
    """
    native, credential.native = credential.native, None
    if not native:
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="credential_freed")
    await credential.backend.free(native, heard)


async def leg(
    accept: bool,
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    token: bytes = b"",
    *,
    target: str | None = None,
    requirements: int = 0,
    channel_bindings: bytes | None = None,
    data_representation: int = SECURITY_NATIVE_DREP,
    buffers: tuple[SecBuffer, ...] = (),
) -> LegResult:
    """One leg. An error of the package is a result with its status and, perhaps, a token for the peer (R185, R188);
    what is wrong before the package is asked, or instead of its answer, raises.
    """
    if credential is None and context is None:
        # R151
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="both_handles_null")
    backend = _checked(accept, credential, context, requirements)
    if channel_bindings or buffers or len(token) > schema.MAX_TOKEN or (target and len(target) > schema.MAX_NAME):
        _require_sizes(token, target, channel_bindings, buffers)
    request = ContextRequest(token, target, int(requirements), channel_bindings, data_representation, buffers)
    if context is None:
        reply = await backend.leg(accept, credential and credential.native, None, request)
        handle = ContextHandle(backend, accept, reply.context, credential) if reply.context else None
        return await _finish(handle, reply)
    try:
        context.turn.pop()
    except IndexError:
        raise busy() from None
    try:
        if context.state != "continuing":
            context.require_leg(requirements)
        reply = await backend.leg(accept, credential and credential.native, context.native, request)
        if reply.context:
            context.native = reply.context
        return await _finish(context, reply)
    except BaseException:
        # Nobody knows how far it came: this context will not continue (R190).
        if context.state in ("continuing", "complete"):
            context.state = "failed"
        raise
    finally:
        context.turn.append(None)


def _checked(
    accept: bool, credential: CredentialHandle | None, context: ContextHandle | None, requirements: int
) -> Backend:
    if credential is not None and not credential.native:
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="credential_freed")
    if context is None:
        assert credential is not None
        return credential.backend
    if context.state != "continuing":
        context.require_leg(requirements)
    if context.accept is not accept:
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_of_other_role")
    if credential is not None and credential.backend is not context.backend:
        if credential.backend.info.name != context.backend.info.name:
            raise SecurityError(Status.SEC_E_WRONG_CREDENTIAL_HANDLE, reason="credential_of_other_package")
        if credential.backend.opened is not context.backend.opened:
            # Its number means another credential there, or none.
            raise SecurityError(Status.SEC_E_WRONG_CREDENTIAL_HANDLE, reason="credential_of_other_channel")
    return context.backend


def _require_sizes(
    token: bytes, target: str | None, channel_bindings: bytes | None, buffers: tuple[SecBuffer, ...]
) -> None:
    if len(token) > schema.MAX_TOKEN:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="token_too_large")
    if target is not None and len(target) > schema.MAX_NAME:
        raise SecurityError(Status.SEC_E_TARGET_UNKNOWN, reason="target_too_long")
    extra = len(channel_bindings or b"") + sum(len(b.data) for b in buffers)
    if extra > schema.MAX_SUBMIT_BUFFER // 2:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="buffers_too_large")


async def _finish(context: ContextHandle | None, reply: object) -> LegResult:
    answer: schema.Stepped = reply  # type: ignore[assignment]  # Stepped or Leg: the same fields
    status = answer.status if type(answer.status) is Status else status_of(answer.status)
    result = LegResult(status, context, answer.token, answer.attributes, answer.expiry, answer.leftover, answer.missing)
    if status is _CONTINUE_NEEDED and context is not None:
        context.expiry = answer.expiry
        return result
    if status not in _COMPLETE:
        # R226: nothing has changed with SEC_E_INCOMPLETE_MESSAGE.
        if status.is_error and status is not Status.SEC_E_INCOMPLETE_MESSAGE and context is not None:
            context.state = "failed"
        if not status.is_error:
            _standing(context).expiry = answer.expiry
        return result
    context = _standing(context)
    context.expiry = answer.expiry
    if context.state == "complete":
        _let_go_of_token(context)
    before = context.user
    context.reference = answer.access_token
    granted = result.attributes = context.attributes = _effective(answer.attributes)
    try:
        context.user = context.backend.map(
            answer,
            integrity=bool(granted & _INTEGRITY[context.accept]),
            confidentiality=bool(granted & _CONFIDENTIALITY),
        )
        if before is not None:
            before.delete()
    except BaseException:
        context.state = "failed"
        await _delete_quietly(context)
        raise
    context.state = "complete"
    return result


def _standing(context: ContextHandle | None) -> ContextHandle:
    if context is None:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="context_missing")
    return context


def _effective(granted: int) -> int:
    """What was granted, as far as it takes effect: no delegation without mutual authentication (R176)."""
    return granted & ~_DELEGATE if granted & _DELEGATE_AND_MUTUAL == _DELEGATE else granted


async def _delete_quietly(context: ContextHandle) -> None:
    try:
        await _delete(context, heard=True)
    except SecurityError:
        return


async def delete(context: ContextHandle, *, heard: bool = True) -> None:
    """DeleteSecurityContext: the user half, then the other, each once (spec/README 9). Again is nothing (R191). Unless
    it is to be ``heard``, nobody waits for what the package's LSA half says to that.
    """
    if context.state == "deleted":
        return
    try:
        context.turn.pop()
    except IndexError:
        raise busy() from None
    try:
        await _delete(context, heard)
    finally:
        context.turn.append(None)


async def _delete(context: ContextHandle, heard: bool) -> None:
    context.state = "deleted"
    native, context.native = context.native, None
    try:
        if context.user is not None:
            context.user.delete()
    finally:
        _let_go_of_token(context)
        if native:
            try:
                await context.backend.delete(native, heard)
            except SecurityError as error:
                # With the worker its half is gone too (lock 7).
                if error.reason not in ("worker_gone", "handle_of_parent_process"):
                    raise
        context.credential = None
        opened = context.backend.opened
        if opened is not None and opened.connection.deferred:
            # Now, and not with some later call: a session ends with its last token. Nor may a server that never calls
            # the authority run into the quota for tokens that nobody redeems.
            await opened.connection.release()


def _let_go_of_token(context: ContextHandle) -> None:
    opened = context.backend.opened
    if opened is None:
        return
    if context.reference is not None:
        opened.connection.deferred.append(schema.ReleaseReference(0, context.reference))
        context.reference = None
    if context.token is not None:
        opened.connection.deferred.append(schema.CloseToken(0, context.token.token))
        context.token = None


def require_credential(credential: object) -> None:
    """SEC_E_INVALID_HANDLE for what is no credential, and for one that was freed."""
    if not isinstance(credential, CredentialHandle) or not credential.native:
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="credential_freed")


async def call_credential(credential: CredentialHandle, function: str, *arguments: object, kind: type[T]) -> T:
    """A function of `secpkg.host.lsa_mode.reachable` for a credential, by its Python name; ``arguments`` are those of
    the contract but for ``call`` and the credential, ``kind`` is the type of the result (`NoneType` for none).

    SEC_E_INVALID_HANDLE for a credential that was freed, SEC_E_UNSUPPORTED_FUNCTION where the package has no such
    function, STATUS_PRIVILEGE_NOT_HELD, STATUS_INVALID_PARAMETER for arguments that do not fit.
    """
    require_credential(credential)
    return await credential.backend.call(function, arguments, kind, credential=credential.native)


async def call_context(
    context: ContextHandle, function: str, *arguments: object, kind: type[T], use: str = "control"
) -> T:
    """The same for a context; ``use`` is what it is used for in `LEGAL`. One leg, deletion or such call at a time
    (spec/README 7): SEC_E_INVALID_HANDLE (``context_busy``) for a second one.
    """
    if not isinstance(context, ContextHandle):
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_null")
    try:
        context.turn.pop()
    except IndexError:
        raise busy() from None
    try:
        context.require(use)
        return await context.backend.call(function, arguments, kind, context=context.native)
    finally:
        context.turn.append(None)


async def call_package(backend: Backend, function: str, *arguments: object, kind: type[T]) -> T:
    """The same for a package alone."""
    return await backend.call(function, arguments, kind)


@implements("user_mode", "SpCompleteAuthToken")
async def complete_token(context: ContextHandle, token: bytes) -> bytes:
    """CompleteAuthToken (R189): the token to send."""
    context.require("complete_token")
    if context.user is not None:
        completed = context.user.function("complete_auth_token")(context.user.context, token)
    elif isinstance(context.backend, ProviderBackend):
        completed = context.backend._call("complete_auth_token", context.native[0], token)  # type: ignore[index]
    else:
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="user_half_none")
    if not isinstance(completed, bytes):
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="package_result")
    return completed


@implements("user_mode", "SpGetContextToken")
async def own_token(context: ContextHandle) -> schema.TokenOpened:
    """The access token of the context, redeemed at the authority when it is first wanted (lock 5).

    SEC_E_NO_IMPERSONATION when the package gave none.
    """
    context.require("token")
    if context.token is None:
        opened = context.backend.opened
        reference = context.reference
        if context.user is not None and context.user.has("get_context_token"):
            # R166
            given = context.user.function("get_context_token")(context.user.context)
            reference = given.value if isinstance(given, TokenReference) else reference
        if opened is None or reference is None:
            raise SecurityError(Status.SEC_E_NO_IMPERSONATION, reason="access_token_none")
        reply = await opened.connection.ask(schema.RedeemToken(next_id(), reference))
        if not isinstance(reply, schema.TokenOpened):
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="unexpected_reply")
        context.reference = None
        context.token = reply
    return context.token


async def query_token(context: ContextHandle) -> schema.TokenOpened:
    """QuerySecurityContextToken: another handle of the context's token, the caller's to close (R202)."""
    own = await own_token(context)
    opened = context.backend.opened
    assert opened is not None
    reply = await opened.connection.ask(schema.DuplicateToken(next_id(), own.token))
    if not isinstance(reply, schema.TokenOpened):
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="unexpected_reply")
    return reply
