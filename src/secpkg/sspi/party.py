"""One side of a handshake and its context: what `Client` and `Server`, blocking and asynchronous, are made of.

The coroutines here are driven by the faces in `secpkg.sspi.client`, `secpkg.sspi.server` and `secpkg.aio`; what needs
no other process (sealing, signing) is the same for all of them.
"""

from __future__ import annotations

import threading
from typing import ClassVar, Final, Self

from secpkg.contract.flags import (
    SECPKG_CONTEXT_EXPORT_DELETE_OLD,
    AscRet,
    Capability,
    CredentialUse,
    IscReq,
    IscRet,
)
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity, Buffer, Names, SessionKey, Sizes
from secpkg.host.user_mode.contexts import UserContext
from secpkg.ipc import schema
from secpkg.ipc.access_token import TokenHandle
from secpkg.ipc.connection import Connection, Connections
from secpkg.ipc.session import current
from secpkg.sspi import attributes, operations
from secpkg.sspi.backends import Backend
from secpkg.sspi.operations import ContextHandle, CredentialHandle

_NAMES: Final = 1
_SESSION_KEY: Final = 9
_CHECKED: Final = (0x2 | 0x10 | 0x10000, 0x2 | 0x10 | 0x20000)
"""MUTUAL_AUTH, CONFIDENTIALITY and INTEGRITY of a client and of a server: granted where requested, or no context."""

DEFAULT_REQUIREMENTS: Final = (
    IscReq.MUTUAL_AUTH | IscReq.CONFIDENTIALITY | IscReq.INTEGRITY | IscReq.SEQUENCE_DETECT | IscReq.REPLAY_DETECT
)
"""What a client asks for, and takes no less of, when it is not told otherwise; see `default_requirements`."""


def default_requirements(capabilities: int) -> int:
    """ISC_REQ_* of a client that was told none. Who names a package that does not announce MUTUAL_AUTH (NTLM) has
    chosen to do without: to require it in so many words fails there.
    """
    return _MUTUAL if int(capabilities) & _MUTUAL_AUTH else _ONE_SIDED


_MUTUAL_AUTH: Final = int(Capability.MUTUAL_AUTH)
_MUTUAL: Final = int(DEFAULT_REQUIREMENTS)
_ONE_SIDED: Final = int(DEFAULT_REQUIREMENTS & ~IscReq.MUTUAL_AUTH)
# By name, a member of an enumeration costs twenty times as much; this one is met in every leg.
_OK: Final = Status.SEC_E_OK
_CONTINUE_NEEDED: Final = Status.SEC_I_CONTINUE_NEEDED
_MESSAGES: Final = ("encrypt", "decrypt", "sign", "verify")
_COMPLETE_NEEDED: Final = (Status.SEC_I_COMPLETE_NEEDED, Status.SEC_I_COMPLETE_AND_CONTINUE)


_FIRST: Final = threading.Lock()
"""Held while a credential's handle is noted: contexts that begin at once, in tasks or threads, have one handle."""


class CredentialSource:
    """Where a credential comes from; acquired when it is first needed."""

    def __init__(
        self,
        connections: Connections,
        package: str,
        use: CredentialUse,
        identity: AuthIdentity | None,
        authority: object,
    ) -> None:
        self._connections = connections
        self._package = package
        self._use = use
        self._identity = identity
        self._authority = authority
        # The session at the time of asking, not of the first step (lock 3).
        self._session = current.get()
        self._handle: CredentialHandle | None = None
        self._closed = False

    async def _open(self) -> CredentialHandle:
        if self._closed:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="credential_freed")
        if self._handle is None:
            backend = await operations.open_backend(self._connections, self._package, self._authority, self._session)
            acquired = await self._acquire(backend)
            with _FIRST:
                if self._handle is None and not self._closed:
                    self._handle = acquired
            if self._handle is not acquired:  # another first step was quicker, or the end was
                await operations.free(acquired, heard=False)
                return await self._open()
        return self._handle

    async def _acquire(self, backend: Backend) -> CredentialHandle:
        try:
            return await operations.acquire(backend, self._use, identity=self._identity)
        except SecurityError as error:
            opened = backend.opened
            if opened is None or error.reason not in ("worker_gone", "package_draining"):
                raise
            # The channel was kept from an earlier use, and its module ended or was removed since: ask once for another,
            # of a worker that was started again or of a module that followed.
            if error.reason == "worker_gone":
                opened.connection.forget(opened)
            else:
                opened.connection.retire(opened)
        backend = await operations.open_backend(self._connections, self._package, self._authority, self._session)
        return await operations.acquire(backend, self._use, identity=self._identity)

    async def _free(self) -> None:
        self._closed = True
        handle, self._handle = self._handle, None
        if handle is not None and handle.native:
            try:
                await operations.free(handle, heard=False)
            except SecurityError as error:
                if error.reason not in ("worker_gone", "handle_of_parent_process"):
                    raise


class Party:
    """A context in the making, and then in use."""

    _accepts: ClassVar[bool] = False

    def __init__(
        self,
        accept: bool,
        source: CredentialSource,
        owned: bool,
        target: str | None,
        channel_bindings: bytes | None,
        requirements: int | None,
    ) -> None:
        self._accept = accept
        self._source = source
        self._owned = owned
        self._target = target
        self._channel_bindings = channel_bindings
        self._requirements = None if requirements is None else int(requirements)
        self._context: ContextHandle | None = None
        self._user: UserContext | None = None
        self._bound = False
        self._complete = False
        self._closed = False
        self._leftover = b""

    # --- what needs nobody else --------------------------------------------------------------------------------------

    def encrypt(self, data: Buffer) -> bytes:
        """EncryptMessage: the trailer, of the length in SECPKG_ATTR_SIZES, and then the ciphertext.

        SEC_E_QOP_NOT_SUPPORTED where confidentiality was not granted, SEC_E_INVALID_HANDLE before the handshake is
        complete and after `close`.
        """
        return self._bind().encrypt(data)

    def decrypt(self, data: Buffer) -> bytes:
        """DecryptMessage of what the peer's `encrypt` gave: SEC_E_MESSAGE_ALTERED, SEC_E_OUT_OF_SEQUENCE."""
        return self._bind().decrypt(data)

    def sign(self, data: Buffer) -> bytes:
        """MakeSignature over ``data``: the signature."""
        return self._bind().sign(data)

    def verify(self, data: Buffer, signature: Buffer) -> None:
        """VerifySignature: returns nothing, or raises SEC_E_MESSAGE_ALTERED, SEC_E_OUT_OF_SEQUENCE (R218)."""
        self._bind().verify(data, signature)

    @property
    def complete(self) -> bool:
        """Whether the handshake is over and gave what was required. The last step's token is still to be sent."""
        return self._complete

    @property
    def leftover(self) -> bytes:
        """What stood behind the last token in the input of the last step, and is no part of it (SECBUFFER_EXTRA, R225):
        the beginning of what the peer sent next, on a stream. Empty before the end of the handshake.
        """
        return self._leftover

    @property
    def flags(self) -> IscRet | AscRet:
        """The attributes granted, ISC_RET_* of a client and ASC_RET_* of a server; none before the end (R186)."""
        granted = self._context.attributes if self._context is not None and self._complete else 0
        return AscRet(granted) if self._accept else IscRet(granted)

    @property
    def package(self) -> str:
        """The name of the package."""
        return self._source._package

    @property
    def expiry(self) -> float:
        """UTC seconds after which the context is not to be used."""
        return self._finished().expiry

    @property
    def sizes(self) -> Sizes:
        """SECPKG_ATTR_SIZES."""
        user = self._user
        if user is None:
            raise self._unmapped()
        return user.sizes()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "complete" if self._complete else "not complete"
        return f"<{type(self).__name__} {self._source._package}, {state}>"

    def _use(self, user: UserContext | None) -> None:
        if self._bound:
            for name in _MESSAGES:
                del self.__dict__[name]
        self._user, self._bound = user, False

    def _bind(self) -> UserContext:
        """The user half; from now on its message functions are called without a step between."""
        user = self._user
        if user is None:
            raise self._unmapped()
        self.__dict__.update((name, getattr(user, name)) for name in _MESSAGES)
        self._bound = True
        return user

    def _unmapped(self) -> SecurityError:
        self._finished()
        return SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="user_half_none")

    def _finished(self) -> ContextHandle:
        if self._context is None or not self._complete:
            reason = "context_closed" if self._closed else "context_not_complete"
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason=reason)
        return self._context

    # --- coroutines ------------------------------------------------------------------------------------------------

    async def _step(self, token: bytes | None) -> bytes | None:
        if self._closed:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_closed")
        credential = self._source._handle or await self._source._open()
        requirements = self._requirements
        if requirements is None:
            requirements = self._requirements = default_requirements(credential.backend.info.capabilities)
        result = await operations.leg(
            self._accept,
            credential,
            self._context,
            token or b"",
            target=self._target,
            requirements=requirements,
            channel_bindings=self._channel_bindings,
        )
        self._context = result.context
        status = result.status
        answer = result.token
        if status is _CONTINUE_NEEDED:
            return answer or None
        if status is Status.SEC_E_INCOMPLETE_MESSAGE:
            # R226: feed the whole message, with what is still to come, to the next step.
            raise SecurityError(status, reason="incomplete_message")
        if status is not _OK and status.is_error:
            raise SecurityError(status, token=answer or None)
        context = result.context
        assert context is not None
        if status in _COMPLETE_NEEDED:
            # R189
            answer = await operations.complete_token(context, answer)
        if context.state == "complete":
            await self._settle(context)
            if token and 0 < result.leftover <= len(token):
                self._leftover = bytes(token[-result.leftover :])
        return answer or None

    async def _settle(self, context: ContextHandle) -> None:
        missing = (self._requirements or 0) & _CHECKED[self._accept] & ~context.attributes
        if missing:
            # R173: the caller decides whether what was granted suffices; this one takes no less than it asked for.
            await operations.delete(context, heard=False)
            kind = AscRet if self._accept else IscRet
            error = SecurityError(Status.SEC_E_SECURITY_QOS_FAILED, reason="requirement_not_granted")
            error.add_note(f"not granted: {kind(missing).native}")
            raise error
        self._use(context.user)
        self._complete = True

    async def _peer(self) -> str:
        value = await attributes.query(self._finished(), _NAMES)
        assert isinstance(value, Names)
        return value.user_name

    async def _session_key(self) -> bytes:
        value = await attributes.query(self._finished(), _SESSION_KEY)
        assert isinstance(value, SessionKey)
        return value.session_key

    async def _query_token(self) -> tuple[Connection, schema.TokenOpened]:
        context = self._finished()
        opened = await operations.query_token(context)
        assert context.backend.opened is not None
        return context.backend.opened.connection, opened

    async def _export(self) -> bytes:
        from secpkg.sspi import transfer

        context, source = self._finished(), self._source
        try:
            packed, _ = await transfer.export(
                context,
                SECPKG_CONTEXT_EXPORT_DELETE_OLD,
                with_token=False,
                connections=source._connections,
                authority=source._authority,
            )
        finally:
            # Also where it came to nothing, but after that.
            if context.state == "deleted":
                await self._close()
        return packed

    @classmethod
    async def _import(
        cls,
        connections: Connections,
        package: str,
        packed: bytes,
        token: TokenHandle | int | None,
        authority: object,
    ) -> Self:
        from secpkg.sspi import transfer

        context = await transfer.import_(
            package, packed, token, accept=cls._accepts, connections=connections, authority=authority
        )
        use = CredentialUse.INBOUND if cls._accepts else CredentialUse.OUTBOUND
        source = CredentialSource(connections, package, use, None, authority)
        self = cls.__new__(cls)
        Party.__init__(self, cls._accepts, source, True, None, None, 0)
        self._context = context
        await self._settle(context)
        return self

    async def _close(self) -> None:
        # R193: the context, then its credential.
        self._closed = True
        self._complete = False
        self._use(None)
        context, self._context = self._context, None
        try:
            if context is not None:
                await operations.delete(context, heard=False)
        finally:
            if self._owned:
                await self._source._free()
