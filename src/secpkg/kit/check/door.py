"""How the kit reaches a package: an LSA-mode one over a channel of a lab, a plain SSP by its own table.

Both have the same few operations, without the comfort of `secpkg.sspi`: nothing is retried, cached, or settled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, cast

import msgspec

from secpkg.contract.flags import CredentialUse
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    NEVER,
    Acquired,
    AuthIdentity,
    Call,
    Complete,
    ContextAttributes,
    ContextRequest,
    Continue,
    LogonRequest,
    NeedMore,
    Refused,
)
from secpkg.host.tables import Table
from secpkg.host.user_mode.calls import package_call
from secpkg.ipc import schema
from secpkg.ipc.link import failure, next_id
from secpkg.kit.check.target import Credentials
from secpkg.runtime.embedded_link import LocalLink
from secpkg.sspi.backends import attribute_type

_STATUS: Final = {
    (False, False): Status.SEC_I_CONTINUE_NEEDED,
    (False, True): Status.SEC_I_COMPLETE_AND_CONTINUE,
    (True, False): Status.SEC_E_OK,
    (True, True): Status.SEC_I_COMPLETE_NEEDED,
}
"""Of a step, by whether it is the last and whether its token is to be completed."""


class Leg(msgspec.Struct):
    """What a leg gave."""

    status: Status
    context: object = None
    token: bytes = b""
    attributes: int = 0
    expiry: float = NEVER
    packed: bytes | None = None
    access_token: bytes | None = None
    leftover: int = 0
    uncompleted: bytes = b""
    """The token as the leg gave it, where it had to be completed before it was sent (R189)."""

    @property
    def complete(self) -> bool:
        """Whether the context stands."""
        return self.status in (Status.SEC_E_OK, Status.SEC_I_COMPLETE_NEEDED)

    @property
    def to_complete(self) -> bool:
        """Whether its token is to be given to CompleteAuthToken (R189)."""
        return self.status in (Status.SEC_I_COMPLETE_NEEDED, Status.SEC_I_COMPLETE_AND_CONTINUE)

    @property
    def refused(self) -> bool:
        """Whether it is an error, and not a wish for more bytes."""
        return self.status.is_error and self.status is not Status.SEC_E_INCOMPLETE_MESSAGE


class Door(Protocol):
    """One application's way to a package."""

    def acquire(self, use: CredentialUse, given: Credentials, logon_id: int | None = None) -> object:
        """AcquireCredentialsHandle: the handle; raises SecurityError."""
        ...

    def free(self, credential: object) -> None:
        """FreeCredentialsHandle."""
        ...

    def leg(self, accept: bool, credential: object, context: object, request: ContextRequest) -> Leg:
        """One leg; an error of the package is a result."""
        ...

    def delete(self, context: object) -> None:
        """DeleteSecurityContext."""
        ...

    def query(self, context: object, attribute: int) -> ContextAttributes:
        """QueryContextAttributes of the LSA half, or of a plain SSP."""
        ...

    def set(self, context: object, attribute: int, value: bytes) -> None:
        """SetContextAttributes; raises SecurityError."""
        ...

    def close(self) -> None:
        """The application goes away."""
        ...


class LsaDoor:
    """A connection to the lab's authority and a channel to the package, for a session or for none."""

    def __init__(self, link: LocalLink, package: str, token: int = 0) -> None:
        self.link = link
        self.opened, self.channel = link.open_channel(package, token)

    def _call(self, message: schema.ToWorker) -> object:
        reply = self.channel.call(message)
        if isinstance(reply, schema.Failed):
            raise failure(reply.status, reply.substatus, reply.reason)
        return reply

    def acquire(self, use: CredentialUse, given: Credentials, logon_id: int | None = None) -> object:
        reply = self._call(
            schema.AcquireCredentials(
                next_id(), self.opened.package, use, given.principal, given.identity, given.data, logon_id
            )
        )
        return cast(schema.CredentialsAcquired, reply).credential

    def free(self, credential: object) -> None:
        self._call(schema.FreeCredentials(next_id(), cast(int, credential)))

    def leg(self, accept: bool, credential: object, context: object, request: ContextRequest) -> Leg:
        made_from, known = cast(int, credential or 0), cast(int, context or 0)
        asked, bindings, form = request.requirements, request.channel_bindings, request.data_representation
        message: schema.ToWorker
        if accept:
            message = schema.AcceptContext(next_id(), made_from, known, request.token, asked, bindings, form)
        else:
            message = schema.InitializeContext(
                next_id(), made_from, known, request.token, request.target, asked, bindings, form
            )
        try:
            made = cast(schema.Stepped, self._call(message))
        except SecurityError as error:
            return Leg(error.status, context)
        status = Status(made.status)
        return Leg(
            status, made.context or context, made.token, made.attributes, made.expiry, made.packed_context,
            made.access_token, made.leftover,
        )  # fmt: skip

    def delete(self, context: object) -> None:
        self._call(schema.DeleteContext(next_id(), cast(int, context)))

    def query(self, context: object, attribute: int) -> ContextAttributes:
        reply = cast(schema.Answered, self._call(schema.QueryContext(next_id(), cast(int, context), attribute)))
        return msgspec.msgpack.decode(reply.value, type=attribute_type(attribute))

    def function(self, name: str, *arguments: object, credential: object = None, context: object = None) -> object:
        """Any other function of the package that an application reaches: plain data, or None."""
        raw, made_from, known = (
            msgspec.Raw(schema.encode(arguments)),
            cast(int, credential or 0),
            cast(int, context or 0),
        )
        reply = self._call(schema.CallFunction(next_id(), name, raw, self.opened.package, made_from, known))
        decoded: object = msgspec.msgpack.decode(reply.value) if isinstance(reply, schema.Answered) else None
        return decoded

    def set(self, context: object, attribute: int, value: bytes) -> None:
        self.function("set_context_attributes", attribute, value, context=context)

    def redeem(self, reference: bytes) -> schema.TokenOpened:
        """The access token behind a reference."""
        reply = self.link.call(schema.RedeemToken(next_id(), reference))
        if isinstance(reply, schema.Failed):
            raise failure(reply.status, reply.substatus, reply.reason)
        return cast(schema.TokenOpened, reply)

    def release(self, reference: bytes) -> None:
        """A reference that nobody redeems; one that was redeemed is gone already."""
        self.link.call(schema.ReleaseReference(next_id(), reference))

    def close_token(self, handle: int) -> None:
        """CloseHandle of an access token."""
        self.link.call(schema.CloseToken(next_id(), handle))

    def close(self) -> None:
        self.channel.close()
        self.link.close()


def log_on(link: LocalLink, number: int, request: LogonRequest) -> schema.LoggedOn:
    """LsaLogonUser over a link; raises SecurityError."""
    reply = link.call(schema.LogonUser(next_id(), number, request))
    if isinstance(reply, schema.Failed):
        raise failure(reply.status, reply.substatus, reply.reason)
    return cast(schema.LoggedOn, reply)


def call_package(link: LocalLink, number: int, data: bytes) -> schema.PackageAnswered:
    """LsaCallAuthenticationPackage over a link; raises SecurityError."""
    reply = link.call(schema.CallPackage(next_id(), number, data))
    if isinstance(reply, schema.Failed):
        raise failure(reply.status, reply.substatus, reply.reason)
    return cast(schema.PackageAnswered, reply)


class ProviderDoor:
    """A plain SSP, called by its table. What is handed out in place of handles are the package's own objects."""

    def __init__(self, table: Table, package: str, call: Callable[[], Call], max_token: int) -> None:
        self.table, self.package, self._made, self._max = table, package, call, max_token
        self.credentials: list[object] = []
        self.contexts: list[object] = []

    def _call(self, function: str, *arguments: object) -> object:
        entry = self.table.get(function)
        if entry is None:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="function_missing")
        return package_call(entry, *arguments)

    def acquire(self, use: CredentialUse, given: Credentials, logon_id: int | None = None) -> object:
        data: AuthIdentity | bytes | None = given.identity if given.identity is not None else given.data or None
        made = self._call("acquire_credentials_handle", self._made(), self.package, given.principal, use, data)
        if not isinstance(made, Acquired):
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="package_result")
        self.credentials.append(made.credential)
        return (made.credential,)

    def free(self, credential: object) -> None:
        native = _native(credential)
        _forget(self.credentials, native)
        if "free_credentials_handle" in self.table:
            self._call("free_credentials_handle", native)

    def leg(self, accept: bool, credential: object, context: object, request: ContextRequest) -> Leg:
        function = "accept_security_context" if accept else "initialize_security_context"
        before = _native(context)
        try:
            step = self._call(function, self._made(), _native(credential), before, request)
        except SecurityError as error:
            return Leg(error.status, context)
        if isinstance(step, Continue | Complete):
            _forget(self.contexts, before)
            self.contexts.append(step.context)
            if len(step.token) > self._max:
                return Leg(Status.SEC_E_INTERNAL_ERROR, (step.context,))
            status = _STATUS[isinstance(step, Complete), step.complete_needed]
            return Leg(status, (step.context,), step.token, step.attributes, step.expiry)
        if isinstance(step, NeedMore):
            return Leg(Status.SEC_E_INCOMPLETE_MESSAGE, context)
        if isinstance(step, Refused) and isinstance(step.status, Status) and step.status.is_error:
            return Leg(step.status, context, step.token)
        return Leg(Status.SEC_E_INTERNAL_ERROR, context)

    def delete(self, context: object) -> None:
        native = _native(context)
        _forget(self.contexts, native)
        if "delete_security_context" in self.table:
            self._call("delete_security_context", native)

    def query(self, context: object, attribute: int) -> ContextAttributes:
        return cast(ContextAttributes, self._call("query_context_attributes", _native(context), attribute))

    def set(self, context: object, attribute: int, value: bytes) -> None:
        self._call("set_context_attributes", _native(context), attribute, value)

    def close(self) -> None:
        for context in tuple(self.contexts):
            self.delete((context,))
        for credential in tuple(self.credentials):
            self.free((credential,))


def _native(handle: object) -> object:
    return handle[0] if isinstance(handle, tuple) else None


def _forget(held: list[object], thing: object) -> None:
    for place, one in enumerate(held):
        if one is thing:
            del held[place]
            return
