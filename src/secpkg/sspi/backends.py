"""Who makes a context: the worker of an SSP/AP, or a plain SSP in this process. Both in the same coroutines."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

import msgspec

from secpkg.contract.flags import Capability, CredentialUse
from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    NEVER,
    Acquired,
    AuthIdentity,
    Call,
    ClientInfo,
    Complete,
    ContextAttributes,
    ContextFlags,
    ContextRequest,
    Continue,
    Lifespan,
    Names,
    NativeNames,
    NeedMore,
    PackageInfo,
    Refused,
    SessionKey,
    Sizes,
)
from secpkg.host.user_mode.contexts import UserContext, map_context, package_call
from secpkg.host.user_mode.providers import Provider
from secpkg.ipc import schema
from secpkg.ipc.connection import OpenedPackage, release_reference
from secpkg.ipc.link import next_id

if TYPE_CHECKING:
    from secpkg.contract.attributes import ContextThunks
    from secpkg.host.user_mode.load import UserPackage

ATTRIBUTE_TYPES: Final[dict[int, type]] = {
    0x0: Sizes,
    0x1: Names,
    0x2: Lifespan,
    0x9: SessionKey,
    0xA: PackageInfo,
    0xD: NativeNames,
    0xE: ContextFlags,
}
"""What QueryContextAttributes gives, by SECPKG_ATTR_* number: the usual ones."""


def attribute_type(attribute: int) -> type[ContextAttributes]:
    """What QueryContextAttributes gives for any attribute: ``bytes`` where there is no structure."""
    known = ATTRIBUTE_TYPES.get(attribute)
    if known is None:
        from secpkg.contract.attributes import CONTEXT_TYPES  # seldom

        known = CONTEXT_TYPES.get(attribute, bytes)
    return known


T = TypeVar("T")

_PROVIDED: Final = {
    "add_credentials": (True, "credential"),
    "query_credentials_attributes": (False, "credential"),
    "set_credentials_attributes": (False, "credential"),
    "change_account_password": (True, ""),
    "apply_control_token": (False, "context"),
    "set_context_attributes": (False, "context"),
}
"""What a plain SSP has in its own table: whether the function takes a call, and what it is called for."""

_UNICODE_STRINGS: Final = 0x80000000
"""AttributeInfo of SpMarshalAttributeData: strings are Unicode; the rest, 0, is SECPKG_CREDENTIAL_ATTRIBUTE."""
_MESSAGES: Final = Capability.INTEGRITY | Capability.PRIVACY


class Leg(msgspec.Struct):
    """What a leg of a handshake gave; `secpkg.ipc.schema.Stepped` has the same fields."""

    status: int
    context: object = None
    token: bytes = b""
    attributes: int = 0
    expiry: float = NEVER
    packed_context: bytes | None = None
    access_token: bytes | None = None
    leftover: int = 0
    missing: int = 0


class Backend(Protocol):
    """One package, for whoever makes contexts with it. Native handles are opaque; None and 0 are none."""

    @property
    def info(self) -> PackageInfo: ...

    @property
    def opened(self) -> OpenedPackage | None:
        """The package at an authority; None for a plain SSP."""
        ...

    async def acquire(
        self, use: int, principal: str | None, identity: AuthIdentity | None, data: bytes, logon_id: int | None
    ) -> tuple[object, float]: ...

    def free(self, credential: object, heard: bool) -> Awaitable[object]:
        """``heard``: wait for what the package says to that."""
        ...

    async def leg(
        self, accept: bool, credential: object, context: object, request: ContextRequest
    ) -> Leg | schema.Stepped: ...

    def map(self, leg: Leg | schema.Stepped, *, integrity: bool, confidentiality: bool) -> UserContext | None: ...

    def delete(self, context: object, heard: bool) -> Awaitable[object]:
        """``heard``: wait for what the package says to that."""
        ...

    def defer_delete(self, context: object) -> None:
        """Delete from a finalizer."""
        ...

    def defer_free(self, credential: object) -> None:
        """Free from a finalizer."""
        ...

    async def query(self, context: object, attribute: int) -> ContextAttributes: ...

    def is_thunked(self, attribute: int) -> bool:
        """Whether the LSA half answers this attribute although there is a user half (R164)."""
        ...

    def marshal_attribute(self, attribute: int, value: bytes) -> bytes:
        """SpMarshalAttributeData, before a credential's attribute goes to the LSA half (R167)."""
        ...

    async def call(
        self,
        function: str,
        arguments: tuple[object, ...],
        kind: type[T],
        *,
        credential: object = 0,
        context: object = 0,
    ) -> T:
        """Any function of `secpkg.host.lsa_mode.reachable`, by its Python name, whose result is of the type ``kind``.
        SEC_E_UNSUPPORTED_FUNCTION where the package has none.
        """
        ...


class WorkerBackend:
    """A package at an authority."""

    __slots__ = ("_sends_messages", "_thunks", "_user", "opened")

    def __init__(self, opened: OpenedPackage) -> None:
        self.opened: OpenedPackage = opened
        self._user: UserPackage | None = None
        self._thunks: ContextThunks | None = None
        self._sends_messages = bool(opened.info.capabilities & _MESSAGES)

    @classmethod
    def of(cls, opened: OpenedPackage) -> WorkerBackend:
        """The one backend of an opened package."""
        backend = opened.backend
        if not isinstance(backend, cls):
            backend = opened.backend = cls(opened)
        return backend

    @property
    def info(self) -> PackageInfo:
        return self.opened.info

    async def acquire(
        self, use: int, principal: str | None, identity: AuthIdentity | None, data: bytes, logon_id: int | None
    ) -> tuple[object, float]:
        opened = self.opened
        if data and opened.user_half is not None:
            from secpkg.host.user_mode.credential_forms import marshall_supplemental_creds

            data = marshall_supplemental_creds((self._user or self._user_package()).table, data)
        reply = await opened.ask(
            schema.AcquireCredentials(next_id(), opened.number, use, principal, identity, data, logon_id)
        )
        if not isinstance(reply, schema.CredentialsAcquired) or not reply.credential:
            raise _unexpected(reply)
        return reply.credential, reply.expiry

    def free(self, credential: object, heard: bool) -> Awaitable[object]:
        number: int = credential  # type: ignore[assignment]  # a handle of this backend's
        if heard:
            return self.opened.ask(schema.FreeCredentials(next_id(), number))
        return self.opened.end(schema.FreeCredentials(0, number))

    async def leg(
        self, accept: bool, credential: object, context: object, request: ContextRequest
    ) -> Leg | schema.Stepped:
        buffers = tuple((b.type, bytes(b.data)) for b in request.buffers) if request.buffers else ()
        message: schema.ToWorker
        held: int = credential or 0  # type: ignore[assignment]  # a handle of this backend's
        known: int = context or 0  # type: ignore[assignment]  # the same
        if accept:
            message = schema.AcceptContext(
                next_id(),
                held,
                known,
                request.token,
                request.requirements,
                request.channel_bindings,
                request.data_representation,
                buffers,
            )
        else:
            message = schema.InitializeContext(
                next_id(),
                held,
                known,
                request.token,
                request.target,
                request.requirements,
                request.channel_bindings,
                request.data_representation,
                buffers,
            )
        reply = await self.opened.ask(message)
        if type(reply) is not schema.Stepped:
            raise _unexpected(reply)
        return reply

    def map(self, leg: Leg | schema.Stepped, *, integrity: bool, confidentiality: bool) -> UserContext | None:
        """R154, R156 and spec/README 3: a package that announces message functions maps its contexts."""
        packed = leg.packed_context
        if packed is None:
            if self._sends_messages:
                raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="mapped_context_missing")
            return None
        user = self._user or self._user_package()
        context = map_context(user.table, packed, integrity=integrity, confidentiality=confidentiality)
        if leg.expiry != NEVER:
            context.expire(leg.expiry, self.opened.connection.link.clock)
        return context

    def _user_package(self) -> UserPackage:
        from secpkg.host.user_mode.load import user_package

        info, half = self.opened.info, self.opened.user_half
        known = None if half is None else (half.entry_point, half.distribution, half.version, half.digest)
        user = self._user = user_package(info.name, self.opened.number, info.capabilities, known)
        return user

    def delete(self, context: object, heard: bool) -> Awaitable[object]:
        number: int = context  # type: ignore[assignment]  # a handle of this backend's
        if heard:
            return self.opened.ask(schema.DeleteContext(next_id(), number))
        return self.opened.end(schema.DeleteContext(0, number))

    def defer_delete(self, context: object) -> None:
        self.opened.deferred.append(schema.DeleteContext(0, cast(int, context)))

    def defer_free(self, credential: object) -> None:
        self.opened.deferred.append(schema.FreeCredentials(0, cast(int, credential)))

    async def query(self, context: object, attribute: int) -> ContextAttributes:
        reply = await self.opened.ask(schema.QueryContext(next_id(), cast(int, context), attribute))
        if not isinstance(reply, schema.Answered):
            raise _unexpected(reply)
        try:
            return msgspec.msgpack.decode(reply.value, type=attribute_type(attribute))
        except msgspec.MsgspecError as error:
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="attribute_type") from error

    def is_thunked(self, attribute: int) -> bool:
        packed = self.opened.thunks
        if not packed:
            return False
        if self._thunks is None:
            from secpkg.contract.attributes import ContextThunks

            self._thunks = ContextThunks(packed)
        return attribute in self._thunks

    @implements("user_mode", "SpMarshalAttributeData")
    def marshal_attribute(self, attribute: int, value: bytes) -> bytes:
        if self.opened.user_half is None:
            return value
        function = (self._user or self._user_package()).table.get("marshal_attribute_data")
        packed = None if function is None else package_call(function, _UNICODE_STRINGS, attribute, value)
        return value if packed is None else given(packed, bytes)

    async def call(
        self,
        function: str,
        arguments: tuple[object, ...],
        kind: type[T],
        *,
        credential: object = 0,
        context: object = 0,
    ) -> T:
        opened = self.opened
        raw = msgspec.Raw(schema.encode(arguments))
        reply = await opened.ask(
            schema.CallFunction(
                next_id(), function, raw, opened.number, cast(int, credential or 0), cast(int, context or 0)
            )
        )
        if isinstance(reply, schema.Done):
            return given(None, kind)
        if not isinstance(reply, schema.Answered):
            raise _unexpected(reply)
        try:
            return msgspec.msgpack.decode(reply.value, type=kind)
        except msgspec.MsgspecError as error:
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="result_type") from error

    def release(self, reference: bytes) -> None:
        """A reference that nobody redeemed."""
        release_reference(self.opened.connection, reference)


clock: Callable[[], float] = time.time
entropy: Callable[[int], bytes] = os.urandom
"""Where plain SSPs get time and chance, having no authority; `secpkg.testing.pair` fixes both."""


class ProviderBackend:
    """A package of a plain SSP. It asks nobody: its coroutines never wait."""

    __slots__ = ("info", "provider")

    opened: None = None

    def __init__(self, provider: Provider, info: PackageInfo) -> None:
        self.provider = provider
        self.info = info

    def _call(self, function: str, *arguments: object) -> object:
        entry = self.provider.table.get(function)
        if entry is None:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="function_missing")
        return package_call(entry, *arguments)

    async def acquire(
        self, use: int, principal: str | None, identity: AuthIdentity | None, data: bytes, logon_id: int | None
    ) -> tuple[object, float]:
        if logon_id is not None:
            raise SecurityError(Status.SEC_E_NOT_OWNER, reason="logon_id")
        given = identity if identity is not None else data or None
        acquired = self._call(
            "acquire_credentials_handle", _call(), self.info.name, principal, CredentialUse(use), given
        )
        if not isinstance(acquired, Acquired):
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="package_result")
        # The package's object may be falsy: the handle says that there is one.
        return (acquired.credential,), acquired.expiry

    async def free(self, credential: object, heard: bool) -> None:
        self._optional("free_credentials_handle", credential)

    def _optional(self, function: str, native: object) -> None:
        if function in self.provider.table:
            self._call(function, _object(native))

    async def leg(
        self, accept: bool, credential: object, context: object, request: ContextRequest
    ) -> Leg | schema.Stepped:
        function = "accept_security_context" if accept else "initialize_security_context"
        step = self._call(function, _call(), _object(credential), _object(context), request)
        if isinstance(step, Complete | Continue):
            if len(step.token) > self.info.max_token:
                # R35
                raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="max_token_exceeded")
            native = (step.context,)
            if isinstance(step, Continue):
                status = Status.SEC_I_COMPLETE_AND_CONTINUE if step.complete_needed else Status.SEC_I_CONTINUE_NEEDED
                return Leg(status, native, step.token, step.attributes, step.expiry)
            status = Status.SEC_I_COMPLETE_NEEDED if step.complete_needed else Status.SEC_E_OK
            return Leg(status, native, step.token, step.attributes, step.expiry, leftover=step.leftover)
        if isinstance(step, NeedMore):
            return Leg(Status.SEC_E_INCOMPLETE_MESSAGE, context, missing=step.missing)
        if isinstance(step, Refused) and step.status.is_error:
            return Leg(step.status, context, step.token)
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="package_result")

    def map(self, leg: Leg | schema.Stepped, *, integrity: bool, confidentiality: bool) -> UserContext | None:
        context = UserContext(
            self.provider.table, _object(leg.context), integrity=integrity, confidentiality=confidentiality, delete=""
        )
        context.expire(leg.expiry, clock)
        return context

    async def delete(self, context: object, heard: bool) -> None:
        self._optional("delete_security_context", context)

    def defer_delete(self, context: object) -> None:
        self._optional("delete_security_context", context)

    def defer_free(self, credential: object) -> None:
        self._optional("free_credentials_handle", credential)

    async def query(self, context: object, attribute: int) -> ContextAttributes:
        return cast(ContextAttributes, self._call("query_context_attributes", _object(context), attribute))

    def is_thunked(self, attribute: int) -> bool:
        return False

    def marshal_attribute(self, attribute: int, value: bytes) -> bytes:
        return value

    async def call(
        self,
        function: str,
        arguments: tuple[object, ...],
        kind: type[T],
        *,
        credential: object = 0,
        context: object = 0,
    ) -> T:
        shape = _PROVIDED.get(function)
        if shape is None:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="function_missing")
        takes_call, handle = shape
        own = {"": (), "credential": (_object(credential),), "context": (_object(context),)}[handle]
        named = (self.info.name,) if function == "change_account_password" else ()
        return given(self._call(function, *((_call(),) if takes_call else ()), *own, *named, *arguments), kind)

    def release(self, reference: bytes) -> None:
        """A plain SSP has no references."""


def given(value: object, kind: type[T]) -> T:
    """What a package returned, when it is what the contract asks."""
    if not isinstance(value, kind):
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="result_type")
    return value


def _object(native: object) -> object:
    return native[0] if isinstance(native, tuple) else None


def _call() -> Call:
    return Call(ClientInfo(os.getpid(), os.getuid(), os.getgid()), clock(), entropy)


def _unexpected(reply: object) -> SecurityError:
    return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"unexpected_reply_{type(reply).__name__}")
